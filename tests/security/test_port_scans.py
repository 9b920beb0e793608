"""Vertical scans: what is one, and what only looks like one."""

from __future__ import annotations

import pytest

from flowkit.errors import MissingField
from flowkit.security import port_scans
from flowkit.security.port_scans import port_scan
from tests.rows import START_S, flow, flows_of, reply
from tests.security.rows import OUTSIDE, WEB, probe, quiet, session

INSIDE = "10.0.0.66"


def scan(ports, *, src=INSIDE, step_s=1, **fields):
    return [probe(src, WEB, port, at_s=step_s * place, **fields) for place, port in enumerate(ports)]


def grave(found):
    return [(finding.severity, dict(finding.subject)) for finding in found if finding.severity != "low"]


def readings(flows, **parameters):
    return port_scans(flows, **parameters).table["reading"].tolist()


def test_port_scan_fires_on_fifteen_refused_ports_of_one_host_from_inside():
    flows = flows_of([*scan(range(1, 16)), *quiet()])
    assert grave(port_scan(flows)) == [("high", {"srcaddr": INSIDE, "dstaddr": WEB, "protocol": 6})]


def test_port_scan_stays_quiet_on_fourteen():
    flows = flows_of([*scan(range(1, 15)), *quiet()])
    assert port_scan(flows) == []
    assert port_scans(flows).table.empty


def test_port_scan_does_not_mind_how_slow_it_is_from_inside():
    flows = flows_of([*scan(range(1, 31), step_s=1_000), *quiet(until_s=30_000)])
    (found,) = port_scan(flows)
    assert (found.severity, found.count) == ("high", 30)
    assert (found.first_seen, found.last_seen) == ("2023-11-14T22:13:20Z", "2023-11-15T06:17:39Z")


def test_port_scan_finds_scans_that_nobody_refuses_but_nobody_answers():
    flows = flows_of([*scan(range(1, 31), action="ACCEPT"), *quiet()])
    assert grave(port_scan(flows)) == [("high", {"srcaddr": INSIDE, "dstaddr": WEB, "protocol": 6})]


def test_port_scan_finds_scans_that_meet_resets():
    there = [
        flow(srcaddr=INSIDE, dstaddr=WEB, srcport=50_000, dstport=port, packets=1, bytes=44, tcp_flags=2)
        for port in range(1, 31)
    ]
    back = [reply(row, bytes=40, tcp_flags=4) for row in there]
    assert grave(port_scan(flows_of([*there, *back, *quiet(flags=True)]))) == [
        ("high", {"srcaddr": INSIDE, "dstaddr": WEB, "protocol": 6})
    ]


def reset(ports, srcport, *, packets=1):
    """Probes of one host that meet resets, in a log without flags: to both sides it looks the same."""
    there = [
        flow(srcaddr=INSIDE, dstaddr=WEB, srcport=port_of(srcport, place), dstport=port, packets=packets,
             bytes=44 * packets)
        for place, port in enumerate(ports)
    ]  # fmt: skip
    found = port_scan(flows_of([*there, *(reply(row, bytes=40, packets=1) for row in there), *quiet()]))
    return [one.severity for one in found if one.subject["srcaddr"] == INSIDE]


def port_of(srcport, place):
    return srcport if srcport else 40_000 + place


@pytest.mark.parametrize(("lowest", "severities"), [(502, ["high"]), (504, [])])
def test_port_scan_without_flags_tells_a_scan_that_meets_resets_from_a_client_that_does(lowest, severities):
    # from a server's port, five ports below 512, where no client begins, make the difference
    assert reset(range(lowest, lowest + 1_000, 2), 9_443) == severities


@pytest.mark.parametrize(("low", "severities"), [(15, ["high"]), (14, [])])
def test_port_scan_without_flags_knows_a_client_by_its_port(low, severities):
    ports = [*range(2_000, 2_000 + low), *range(33_000, 33_010)]
    assert reset(ports, 50_000) == severities


@pytest.mark.parametrize(("srcport", "highest", "severities"), [
    (32_768, 32_767, ["high"]), (32_767, 32_767, []), (32_768, 32_768, []),
])  # fmt: skip
def test_port_scan_without_flags_knows_where_the_ports_of_clients_begin(srcport, highest, severities):
    assert reset(range(highest - 14, highest + 1), srcport) == severities


def test_port_scan_without_flags_tells_who_began_from_the_scan_as_a_whole():
    # from ports of its own for each probe, no single conversation tells who began
    assert reset(range(200, 240), None) == ["high"]
    assert reset(range(2_000, 2_015), None, packets=3) == ["high"]
    assert reset(range(40_000, 40_040), None) == []


def test_port_scan_counts_a_port_tried_again_once():
    rows = [row for again in range(20) for row in scan(range(1, 4), step_s=30 + again)]
    assert port_scan(flows_of([*rows, *quiet()])) == []


def test_port_scan_is_quiet_on_a_client_of_many_services_that_answer():
    rows = [row for port in range(1, 60) for row in session(INSIDE, WEB, port, at_s=port, sport=30_000 + port)]
    mixed = []
    for place in range(16):
        mixed.append(probe(INSIDE, WEB, 100 + place, at_s=7 * place))
        mixed += session(INSIDE, WEB, 200 + place, at_s=7 * place, sport=20_000 + place)
    flows = flows_of([*rows, *mixed, *quiet()])
    assert readings(flows) == ["mostly answered"]
    assert port_scan(flows) == []


def test_port_scan_is_not_hidden_by_an_honest_past():
    rows = [row for port in range(1, 60) for row in session(INSIDE, WEB, port, at_s=port, sport=30_000 + port)]
    later = [probe(INSIDE, WEB, port, at_s=600) for port in range(100, 116)]
    assert readings(flows_of([*rows, *later, *quiet()])) == ["scan"]


def test_port_scan_does_not_take_a_servers_answers_for_one():
    answers = [
        flow(
            srcaddr=INSIDE,
            dstaddr=WEB,
            srcport=7443,
            dstport=port,
            packets=1,
            bytes=40,
            action="REJECT",
            start_s=START_S + port,
        )
        for port in range(33_000, 33_040)
    ]
    found = port_scan(flows_of([*answers, *quiet()]))
    assert [(one.severity, one.confidence) for one in found] == [("low", 0.3)]


def refused(ports, source_ports):
    """Refused probes of one host, from so many source ports, all ports that servers have."""
    return [
        probe(INSIDE, WEB, port, at_s=place, srcport=7_443 + place % source_ports) for place, port in enumerate(ports)
    ]


@pytest.mark.parametrize(("source_ports", "severities"), [(10, ["high"]), (9, ["low"])])
def test_port_scan_takes_one_port_in_four_for_a_scanner_and_fewer_for_a_server(source_ports, severities):
    flows = flows_of([*refused(range(33_000, 33_040), source_ports), *quiet()])
    assert [one.severity for one in port_scan(flows)] == severities


@pytest.mark.parametrize(("low", "severities"), [(5, ["high"]), (4, ["low"])])
def test_port_scan_believes_five_ports_below_1024(low, severities):
    flows = flows_of([*refused([*range(600, 600 + low), *range(33_000, 33_030)], 1), *quiet()])
    assert [one.severity for one in port_scan(flows)] == severities


@pytest.mark.parametrize(("srcport", "low", "severities"), [
    (32_768, 15, ["high"]), (32_768, 14, ["low"]), (32_767, 15, ["low"]),
])  # fmt: skip
def test_port_scan_believes_a_clients_port_that_tries_servers_ports(srcport, low, severities):
    ports = [*range(2_000, 2_000 + low), *range(33_000, 33_010)]
    rows = [probe(INSIDE, WEB, port, at_s=place, srcport=srcport) for place, port in enumerate(ports)]
    assert [one.severity for one in port_scan(flows_of([*rows, *quiet()]))] == severities


@pytest.mark.parametrize(("ports", "confidence"), [(50, 0.95), (49, 0.8)])
def test_port_scan_is_surer_of_fifty_refusals(ports, confidence):
    (found,) = port_scan(flows_of([*scan(range(1, ports + 1)), *quiet()]))
    assert found.confidence == confidence


@pytest.mark.parametrize(("targets", "findings"), [(5, 1), (4, 4)])
def test_port_scan_makes_one_finding_of_five_targets(targets, findings):
    rows = [
        probe(INSIDE, f"10.0.3.{target}", port, at_s=port, srcport=40_000 + 100 * target + port)
        for target in range(1, targets + 1)
        for port in range(1, 16)
    ]
    found = port_scan(flows_of([*rows, *quiet()]))
    assert [(one.severity, one.count) for one in found] == [("high", 15)] * findings
    if findings == 1:
        assert found[0].subject["dstaddr"] == [f"10.0.3.{target}" for target in range(1, 6)]
        assert found[0].title == f"{INSIDE} scanned 15 TCP ports of each of 5 hosts"


def test_port_scan_does_not_blame_a_load_balancer():
    inventory = {
        "interfaces": [
            {"interface_id": "eni-7", "vpc_id": "vpc-1", "interface_type": "network_load_balancer",
             "private_addresses": [INSIDE]}
        ]
    }  # fmt: skip
    rows = [*scan(range(1, 31)), flow(interface_id="eni-7", srcaddr=INSIDE), *quiet()]
    assert port_scan(flows_of(rows, inventory=inventory)) == []


def test_port_scan_believes_a_syn_where_the_log_has_flags():
    probes = [
        flow(srcaddr=INSIDE, dstaddr=WEB, srcport=7443, dstport=port, packets=1, bytes=40, action="REJECT", tcp_flags=2,
             start_s=START_S + port)
        for port in range(33_000, 33_040)
    ]  # fmt: skip
    found = port_scan(flows_of([*probes, *quiet(flags=True)]))
    assert [one.severity for one in found] == ["high"]


def test_port_scan_leaves_udp_above_1024_alone():
    voice = [probe(INSIDE, WEB, port, protocol=17) for port in range(20_000, 20_060)]
    assert [one.severity for one in port_scan(flows_of([*voice, *quiet()]))] == ["low"]
    low = [probe(INSIDE, WEB, port, protocol=17) for port in range(100, 130)]
    assert grave(port_scan(flows_of([*low, *quiet()]))) == [
        ("high", {"srcaddr": INSIDE, "dstaddr": WEB, "protocol": 17})
    ]


@pytest.mark.parametrize(("ports", "severities"), [(299, []), (300, ["medium"])])
def test_port_scan_from_the_internet_needs_three_hundred_ports_an_hour(ports, severities):
    flows = flows_of([*scan(range(1, ports + 1), src=OUTSIDE), *quiet()])
    assert [one.severity for one in port_scan(flows)] == severities


def test_port_scan_from_the_internet_is_background_at_its_pace():
    flows = flows_of([*scan(range(1, 601), src=OUTSIDE, step_s=60), *quiet(until_s=36_000)])
    assert port_scan(flows) == []
    assert readings(flows) == ["background"]


def test_port_scan_from_the_internet_needs_fewer_ports_where_it_found_an_open_one():
    rows = scan([*range(1, 100)], src=OUTSIDE)
    found_database = session(OUTSIDE, WEB, 3306, packets=3, up=120, down=120)
    found_web = session(OUTSIDE, WEB, 8443, packets=3, up=120, down=120)
    assert port_scan(flows_of([*rows[:-1], *found_database, *quiet()])) == []
    assert [one.severity for one in port_scan(flows_of([*rows, *found_database, *quiet()]))] == ["medium"]
    assert port_scan(flows_of([*rows, *found_web, *quiet()])) == []


def test_port_scan_of_a_nat_gateway_is_background():
    inventory = {
        "interfaces": [
            {"interface_id": "eni-1", "vpc_id": "vpc-1", "interface_type": "nat_gateway", "private_addresses": [WEB]}
        ]
    }
    rows = scan(range(1, 401), src=OUTSIDE, action="ACCEPT")
    assert port_scan(flows_of([*rows, *quiet()], inventory=inventory)) == []


def test_port_scan_takes_one_64_of_ipv6_for_one_source():
    target = "2600:1f18:1::10"
    rows = [probe(f"2001:4860:1:2::{place:x}", target, port, at_s=place) for place, port in enumerate(range(1, 301), 1)]
    flows = flows_of([*rows, *quiet(target)], cidrs=["2600:1f18:1::/56"])
    (found,) = port_scan(flows)
    assert len(found.subject["srcaddr"]) == 300


def test_port_scan_makes_one_finding_of_three_sources_at_one_target():
    sources = ["1.1.1.1", "8.8.8.8", "9.9.9.9"]
    rows = [row for src in sources for row in scan(range(1, 401), src=src)]
    (found,) = port_scan(flows_of([*rows, *quiet()]))
    assert found.subject == {"srcaddr": sources, "dstaddr": WEB, "protocol": 6}
    two = [row for src in sources[:2] for row in scan(range(1, 401), src=src)]
    assert len(port_scan(flows_of([*two, *quiet()]))) == 2


def test_port_scans_of_nothing_has_its_columns():
    empty, full = port_scans(flows_of([])), port_scans(flows_of([*scan(range(1, 20)), *quiet()]))
    assert empty.table.empty
    assert list(empty.table.columns) == list(full.table.columns)


def test_port_scans_without_ports_says_so():
    rows = [{name: value for name, value in row.items() if name != "dstport"} for row in scan(range(1, 20))]
    answer = port_scans(flows_of(rows))
    with pytest.raises(MissingField) as told:
        _ = answer.table
    assert str(told.value) == (
        "port_scans needs dstport, which this log lacks. It was added in version 2: include ${dstport} in the log "
        "format."
    )
