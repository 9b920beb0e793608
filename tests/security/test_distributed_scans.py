"""Distributed scans: what is one, and what only looks like one."""

from __future__ import annotations

import pytest

from flowkit.errors import MissingField
from flowkit.security import distributed_scans
from flowkit.security.host_sweeps import host_sweep
from flowkit.security.port_scans import port_scan
from tests.rows import flows_of
from tests.security.rows import WEB, probe, quiet, session


def inside(number):
    return f"10.0.7.{number}"


def outside(number):
    return f"8.8.{number // 200}.{number % 200 + 1}"


def crowd(shares, *, who=inside, first=1, step_s=1, **fields):
    """One source per share; each tries so many ports of one target, none that another tries, from `first` on."""
    rows, port = [], first
    for number, share in enumerate(shares, 1):
        for _ in range(share):
            rows.append(probe(who(number), WEB, port, at_s=step_s * len(rows), srcport=20_000 + len(rows), **fields))
            port += 1
    return rows


def shapes(rows):
    return distributed_scans(flows_of([*rows, *quiet(until_s=9_000)])).table["shape"].tolist()


def test_distributed_scan_fires_on_three_hosts_that_share_fifteen_ports():
    (found,) = port_scan(flows_of([*crowd([5, 5, 5]), *quiet()]))
    assert (found.severity, found.count) == ("high", 15)
    assert found.subject == {"srcaddr": [inside(1), inside(2), inside(3)], "dstaddr": WEB, "protocol": 6}


def test_distributed_scan_stays_quiet_on_fourteen():
    assert shapes(crowd([5, 5, 4])) == []


def test_distributed_scan_needs_three_sources_and_two_ports_of_each():
    assert shapes(crowd([8, 8])) == []
    assert shapes(crowd([2] * 8)) == ["ports"]
    assert shapes(crowd([1] * 16)) == []


def test_distributed_scan_is_not_made_of_one_busy_source():
    assert shapes(crowd([11, 2, 2])) == []
    assert shapes(crowd([11, 4, 4])) == ["ports"]


def test_distributed_scan_is_quiet_on_clients_that_all_look_for_the_same():
    def overlapping(again):
        rows = crowd([5, 5, 5])
        return [*rows, *(probe(inside(1), WEB, 6 + place, at_s=60, srcport=30_000 + place) for place in range(again))]

    assert shapes(overlapping(7)) == ["ports"]  # 22 attempts at 15 doors
    assert shapes(overlapping(8)) == []  # 23


def test_distributed_scan_is_quiet_on_clients_that_try_again_and_again():
    def turns(count):
        return [
            {**row, "start_s": row["start_s"] + 600 * turn, "end_s": row["end_s"] + 600 * turn,
             "srcport": row["srcport"] + 50 * turn}
            for turn in range(count)
            for row in crowd([5, 5, 5])
        ]  # fmt: skip

    assert shapes(turns(4)) == ["ports"]
    assert shapes(turns(5)) == []


def test_distributed_scan_leaves_doors_out_that_answer_somebody():
    opened = session("10.0.0.77", WEB, 22, sport=33_000)
    assert shapes([*crowd([5, 5, 5], first=20), *opened]) == []


def test_distributed_scan_is_quiet_on_answers_to_a_client():
    assert shapes(crowd([5, 5, 5], first=1_020)) == []  # four ports below 1024
    assert shapes(crowd([5, 5, 5], first=1_019)) == ["ports"]  # five
    assert shapes(crowd([5, 5, 5], first=33_000, tcp_flags=2)) == ["ports"]


def test_distributed_scan_must_fall_within_the_hour():
    assert shapes(crowd([2] * 8, step_s=240)) == []


def test_distributed_scan_from_the_internet_needs_three_hundred_ports_three_each():
    (found,) = port_scan(flows_of([*crowd([3] * 100, who=outside), *quiet()]))
    assert (found.severity, found.count, len(found.subject["srcaddr"])) == ("medium", 300, 100)
    assert shapes(crowd([3] * 99, who=outside)) == []
    assert shapes(crowd([2] * 150, who=outside)) == []


def test_distributed_scan_takes_those_in_who_would_stand_out_alone():
    (found,) = port_scan(flows_of([*crowd([310, 200, 200], who=outside), *quiet()]))
    assert found.subject["srcaddr"] == [outside(1), outside(2), outside(3)]


def test_distributed_scan_of_a_nat_gateway_is_background():
    inventory = {
        "interfaces": [
            {"interface_id": "eni-1", "vpc_id": "vpc-1", "interface_type": "nat_gateway", "private_addresses": [WEB]}
        ]
    }
    rows = [*crowd([3] * 100, who=outside), *quiet()]
    assert distributed_scans(flows_of(rows, inventory=inventory)).table.empty


def sweepers(count, each):
    return [
        probe(
            inside(source), f"10.0.3.{1 + source * each + place}", 22, at_s=place, srcport=20_000 + 50 * source + place
        )
        for source in range(count)
        for place in range(each)
    ]  # fmt: skip


def test_distributed_sweep_of_one_network_is_one_finding():
    (found,) = host_sweep(flows_of([*sweepers(5, 5), *quiet()]))
    assert (found.severity, found.count, found.subject["dstport"]) == ("high", 25, 22)
    assert found.subject["srcaddr"] == [inside(number) for number in range(5)]
    assert len(found.subject["dstaddr"]) == 25


def test_distributed_sweep_stays_quiet_on_twenty_four_hosts():
    assert shapes(sweepers(6, 4)) == []


def test_distributed_scans_of_nothing_has_its_columns():
    empty, full = distributed_scans(flows_of([])), distributed_scans(flows_of([*crowd([5, 5, 5]), *quiet()]))
    assert empty.table.empty
    assert list(empty.table.columns) == list(full.table.columns)


def test_distributed_scans_without_targets_says_so():
    rows = [
        {name: value for name, value in row.items() if name not in ("dstaddr", "dst_key")} for row in crowd([5, 5, 5])
    ]
    with pytest.raises(MissingField, match="distributed_scans needs dstaddr, which this log lacks"):
        _ = distributed_scans(flows_of(rows)).table
