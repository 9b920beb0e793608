"""Block scans: what is one, and what only looks like one."""

from __future__ import annotations

import pytest

from flowkit.errors import MissingField
from flowkit.security import block_scans
from flowkit.security.host_sweeps import host_sweep
from flowkit.security.port_scans import port_scan
from tests.rows import flow, flows_of
from tests.security.rows import OUTSIDE, WEB, probe, quiet, session

INSIDE = "10.0.0.66"


def host(number):
    return f"10.0.3.{number}"


def block(hosts, ports, *, src=INSIDE, turns=1, step_s=1, **fields):
    """Every port of every host, each by a source port of its own; `turns` times, ten minutes apart."""
    doors = [(number, port) for number in hosts for port in ports]
    return [
        probe(src, host(number), port, at_s=step_s * place + 600 * turn, srcport=40_000 + place + 700 * turn, **fields)
        for turn in range(turns)
        for place, (number, port) in enumerate(doors)
    ]


def readings(rows):
    return block_scans(flows_of([*rows, *quiet(until_s=9_000)])).table["reading"].tolist()


def test_block_scan_fires_on_thirty_doors_that_no_host_and_no_port_makes_up_alone():
    flows = flows_of([*block(range(1, 4), range(1, 11)), *quiet()])
    (found,) = port_scan(flows)
    assert (found.severity, found.count) == ("high", 30)
    assert found.subject == {"srcaddr": INSIDE, "dstaddr": [host(1), host(2), host(3)], "protocol": 6}
    assert host_sweep(flows) == []


def test_block_scan_stays_quiet_on_twenty_nine():
    assert readings(block(range(1, 4), range(1, 11))[:29]) == []


def test_block_scan_leaves_vertical_scans_and_sweeps_to_their_own_question():
    assert readings(block(range(1, 4), range(1, 16))) == []
    assert readings(block(range(1, 26), range(1, 6))) == []
    assert readings(block(range(1, 25), range(1, 6))) == ["scan"]


def test_block_scan_is_quiet_on_a_cluster_that_is_down():
    assert readings(block(range(1, 16), [1, 2, 3, 4])) == ["one service"]
    assert readings(block(range(1, 16), [1, 2, 3, 4, 5])) == ["scan"]


def test_block_scan_is_quiet_on_a_program_that_tries_again_and_again():
    assert readings(block(range(1, 4), range(1, 11), turns=4)) == ["scan"]
    assert readings(block(range(1, 4), range(1, 11), turns=5)) == ["repeated"]


def test_block_scan_is_quiet_where_most_doors_are_open():
    known = [21, 22, 23, 25, 53, 80, 110, 143, 389, 443]
    opened = [
        row
        for place in range(60)
        for row in session(INSIDE, host(50 + place), known[place % 10], at_s=place // 2, sport=20_000 + place)
    ]
    assert readings([*block(range(1, 4), known), *opened]) == ["mostly answered"]


def test_block_scan_does_not_take_answers_to_clients_for_one():
    answers = [
        probe(INSIDE, host(1 + place % 10), 33_000 + place, at_s=place, srcport=40_000 + place) for place in range(30)
    ]
    assert readings(answers) == ["unclear"]
    assert port_scan(flows_of([*answers, *quiet()])) == []


def test_block_scan_believes_a_syn_where_the_log_has_flags():
    rows = [
        probe(INSIDE, host(1 + place % 10), 33_000 + place, at_s=place, srcport=40_000 + place, tcp_flags=2)
        for place in range(30)
    ]
    found = port_scan(flows_of([*rows, *quiet(flags=True)]))
    assert [(one.severity, one.count) for one in found] == [("high", 30)]


def test_block_scan_works_on_a_log_of_rejects_alone_and_of_accepts_alone():
    assert readings(block(range(1, 4), range(1, 11), action="ACCEPT")) == ["scan"]
    rejects = [*block(range(1, 4), range(1, 11)), probe("10.0.0.201", WEB, 22, at_s=4_000)]
    assert block_scans(flows_of(rejects)).table["reading"].tolist() == ["scan"]


@pytest.mark.parametrize("kind", ["nat_gateway", "network_load_balancer"])
def test_block_scan_does_not_blame_who_speaks_for_others(kind):
    inventory = {
        "interfaces": [
            {"interface_id": "eni-7", "vpc_id": "vpc-1", "interface_type": kind, "private_addresses": [INSIDE]}
        ]
    }
    rows = [*block(range(1, 4), range(1, 11)), flow(interface_id="eni-7", srcaddr=INSIDE), *quiet()]
    assert block_scans(flows_of(rows, inventory=inventory)).table["reading"].tolist() == ["many behind one"]


def test_block_scan_from_the_internet_is_background():
    assert readings(block(range(1, 4), range(1, 11), src=OUTSIDE)) == []


def test_block_scans_of_nothing_has_its_columns():
    empty = block_scans(flows_of([]))
    assert empty.table.empty
    assert list(empty.table.columns) == list(block_scans(flows_of(block(range(1, 4), range(1, 11)))).table.columns)


def test_block_scans_without_ports_says_so():
    rows = [
        {name: value for name, value in row.items() if name != "dstport"} for row in block(range(1, 4), range(1, 11))
    ]
    with pytest.raises(MissingField, match="block_scans needs dstport, which this log lacks"):
        _ = block_scans(flows_of(rows)).table
