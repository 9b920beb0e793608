"""Sweeps: what is one, and what only looks like one."""

from __future__ import annotations

import pytest

from flowkit.errors import MissingField
from flowkit.security import host_sweeps
from flowkit.security.host_sweeps import host_sweep
from tests.rows import flow, flows_of, reply
from tests.security.rows import OUTSIDE, probe, quiet, session

INSIDE = "10.0.0.66"
HOSTS = [f"10.0.3.{number}" for number in range(1, 41)]
STRANGERS = [f"8.8.{number // 200}.{number % 200 + 1}" for number in range(600)]


def sweep(hosts, *, src=INSIDE, port=22, step_s=1, **fields):
    return [
        probe(src, host, port, at_s=step_s * place, srcport=40_000 + place, **fields)
        for place, host in enumerate(hosts)
    ]


def readings(flows, **parameters):
    return host_sweeps(flows, **parameters).table["reading"].tolist()


def test_host_sweep_fires_on_twenty_five_silent_hosts():
    flows = flows_of([*sweep(HOSTS[:25], action="ACCEPT"), *quiet()])
    (found,) = host_sweep(flows)
    assert (found.severity, found.count) == ("high", 25)
    assert found.subject == {"srcaddr": INSIDE, "dstaddr": sorted(HOSTS[:25]), "dstport": 22, "protocol": 6}


def test_host_sweep_stays_quiet_on_twenty_four():
    assert host_sweep(flows_of([*sweep(HOSTS[:24]), *quiet()])) == []


def test_host_sweep_works_on_a_log_of_rejects_alone():
    rejects = flows_of([*sweep(HOSTS), probe(INSIDE, "10.0.0.10", 22, at_s=2_000)])
    assert [found.severity for found in host_sweep(rejects)] == ["high"]


def test_host_sweep_lists_the_hosts_that_answered_a_probe_but_not_those_it_works_with():
    opened = session(INSIDE, "10.0.4.1", 22, at_s=20, packets=4, up=220, down=200, sport=41_000)
    daily = session(INSIDE, "10.0.4.2", 22, at_s=-1_000, up=90_000, down=90_000, packets=300, sport=41_001)
    (found,) = host_sweep(flows_of([*sweep(HOSTS), *opened, *daily, *quiet()]))
    assert found.subject["dstaddr"] == sorted([*HOSTS, "10.0.4.1"])
    assert "1 answered" in found.explanation


@pytest.mark.parametrize(("packets", "listed"), [(6, 41), (7, 40)])
def test_host_sweep_takes_six_packets_for_a_probe_that_was_answered(packets, listed):
    opened = session(INSIDE, "10.0.4.1", 22, at_s=20, packets=packets, up=300, down=250, sport=41_000)
    (found,) = host_sweep(flows_of([*sweep(HOSTS), *opened, *quiet()]))
    assert found.count == listed


@pytest.mark.parametrize(("hosts", "confidence"), [(50, 0.95), (49, 0.8)])
def test_host_sweep_is_surer_of_fifty_refusals(hosts, confidence):
    targets = [f"10.0.3.{number}" for number in range(1, hosts + 1)]
    (found,) = host_sweep(flows_of([*sweep(targets), *quiet()]))
    assert found.confidence == confidence


@pytest.mark.parametrize(("ports", "findings"), [(5, 1), (4, 4)])
def test_host_sweep_makes_one_finding_of_five_ports(ports, findings):
    rows = [row for port in range(20, 20 + ports) for row in sweep(HOSTS[:25], port=port)]
    found = host_sweep(flows_of([*rows, *quiet()]))
    assert [(one.severity, one.count) for one in found] == [("high", 25)] * findings
    if findings == 1:
        assert found[0].subject["dstport"] == [20, 21, 22, 23, 24]


def turns(count):
    return [
        {**row, "start_s": row["start_s"] + 600 * turn, "end_s": row["end_s"] + 600 * turn,
         "srcport": row["srcport"] + 100 * turn}
        for turn in range(count)
        for row in sweep(HOSTS)
    ]  # fmt: skip


@pytest.mark.parametrize(("count", "reading"), [(4, "sweep"), (5, "repeated")])
def test_host_sweep_tells_a_search_from_a_program_that_tries_again(count, reading):
    assert readings(flows_of([*turns(count), *quiet(until_s=6_000)])) == [reading]


def test_host_sweep_without_flags_tells_who_began_from_the_sweep_as_a_whole():
    # a high port and resets: no single conversation tells who began
    def severities(hosts, srcport):
        there = [
            flow(srcaddr=INSIDE, dstaddr=host, srcport=srcport or 40_000 + place, dstport=23_680, packets=1, bytes=44)
            for place, host in enumerate(HOSTS[:hosts])
        ]
        found = host_sweep(flows_of([*there, *(reply(row, bytes=40) for row in there), *quiet()]))
        return [one.severity for one in found]

    assert severities(25, None) == severities(25, 50_000) == ["high"]
    assert severities(25, 9_443) == []


def test_host_sweep_is_quiet_on_a_poller_that_reaches_most_hosts():
    rows = []
    for place, host in enumerate(HOSTS):
        rows += session(INSIDE, f"10.0.5.{place + 1}", 9100, at_s=3 * place, sport=45_000 + place)
        rows.append(probe(INSIDE, host, 9100, at_s=3 * place))
    flows = flows_of([*rows, *quiet()])
    assert readings(flows) == ["mostly answered"]
    assert host_sweep(flows) == []


def test_host_sweep_counts_only_the_balance_of_one_window():
    # a crawler that meets many hosts at once: which came first, the log does not tell
    refused = sweep(HOSTS, port=443, step_s=0)
    answered = [row for place in range(16) for row in session(INSIDE, f"10.0.5.{place + 1}", 443, sport=45_000 + place)]
    assert readings(flows_of([*refused, *answered, *quiet()])) == ["mostly answered"]
    assert readings(flows_of([*refused, *answered[:30], *quiet()])) == ["sweep"]  # 40 against 15


def test_host_sweep_is_low_for_a_poller_whose_rule_is_missing():
    rows = [
        row
        for turn in range(6)
        for row in sweep(HOSTS, port=9100, step_s=2)
        for row in [
            {
                **row,
                "start_s": row["start_s"] + 900 * turn,
                "end_s": row["end_s"] + 900 * turn,
                "srcport": row["srcport"] + 100 * turn,
            }
        ]
    ]
    flows = flows_of([*rows, *quiet(until_s=6_000)])
    assert [found.severity for found in host_sweep(flows)] == ["low"]
    assert readings(flows) == ["repeated"]


def test_host_sweep_of_public_addresses_from_the_internet_is_background():
    flows = flows_of([*sweep(HOSTS, src=OUTSIDE, port=445), *quiet()])
    assert host_sweep(flows) == []
    assert readings(flows) == ["background"]


@pytest.mark.parametrize(("port", "hosts", "reading"), [
    (23, 50, "sweep"), (23, 49, "blocked egress"), (443, 400, "blocked egress"), (443, 500, "sweep"),
])  # fmt: skip
def test_host_sweep_outward_knows_a_blocked_way_out(port, hosts, reading):
    flows = flows_of([*sweep(STRANGERS[:hosts], port=port), *quiet()])
    assert readings(flows) == [reading]


def test_host_sweep_outward_is_quiet_on_peer_to_peer():
    others = [probe(INSIDE, host, 10_000 + place, at_s=place) for place, host in enumerate(STRANGERS[:400])]
    popular = sweep(STRANGERS[400:480], port=6881)
    assert readings(flows_of([*others, *popular, *quiet()])) == ["many services"]
    assert readings(flows_of([*others[:330], *popular, *quiet()])) == ["many services"]
    assert readings(flows_of([*others[:310], *popular, *quiet()])) == ["sweep"]  # more than a fifth


def swarm(refused, answered, *, others=0, callers=0):
    """Peers on one usual port of which the first are gone, peers on ports of their own, and peers who call back."""
    rows = sweep(STRANGERS[:refused], port=6881, tcp_flags=2)
    for place, host in enumerate(STRANGERS[refused : refused + answered]):
        rows += session(INSIDE, host, 6881, at_s=200 + place, sport=45_000 + place, flags=True)
    rows += [
        probe(INSIDE, host, 10_000 + place, at_s=place, srcport=51_000 + place, tcp_flags=2)
        for place, host in enumerate(STRANGERS[200 : 200 + others])
    ]
    for place, host in enumerate(STRANGERS[400 : 400 + callers]):
        rows += session(host, INSIDE, 6881, at_s=400 + place, sport=46_000 + place, flags=True)
    return flows_of([*rows, *quiet(flags=True)])


@pytest.mark.parametrize(("others", "reading"), [(80, "peers"), (79, "sweep")])
def test_host_sweep_outward_is_quiet_on_peers_of_which_as_many_have_ports_of_their_own(others, reading):
    assert readings(swarm(60, 20, others=others)) == [reading]


@pytest.mark.parametrize(("callers", "reading"), [(5, "peers"), (4, "sweep")])
def test_host_sweep_outward_is_quiet_on_peers_of_whom_five_call_back(callers, reading):
    assert readings(swarm(60, 20, callers=callers)) == [reading]


@pytest.mark.parametrize(("refused", "answered", "reading"), [(95, 5, "peers"), (96, 4, "sweep")])
def test_host_sweep_outward_believes_in_peers_where_one_in_twenty_answers(refused, answered, reading):
    # a worm on a busy peer-to-peer host, too, meets hardly anybody
    assert readings(swarm(refused, answered, others=100, callers=20)) == [reading]


@pytest.mark.parametrize(("size_bytes", "severities"), [(180, ["high"]), (172, [])])
def test_host_sweep_without_flags_takes_one_bare_answer_to_three_syns_for_a_reset(size_bytes, severities):
    # 60 bytes and 60 and 52: an ACK was among them, so the answer was no RST
    there = [
        flow(srcaddr=INSIDE, dstaddr=host, srcport=40_000 + place, dstport=23, packets=3, bytes=size_bytes)
        for place, host in enumerate(HOSTS)
    ]
    rows = [*there, *(reply(row, packets=1, bytes=44) for row in there)]
    assert [one.severity for one in host_sweep(flows_of([*rows, *quiet()]))] == severities


def test_host_sweep_leaves_time_servers_alone():
    rows = [
        probe(INSIDE, host, 123, protocol=17, srcport=123, at_s=place) for place, host in enumerate(STRANGERS[:100])
    ]
    assert host_sweeps(flows_of([*rows, *quiet()])).table.empty


def test_host_sweep_does_not_blame_a_nat_gateway():
    inventory = {
        "interfaces": [
            {"interface_id": "eni-1", "vpc_id": "vpc-1", "interface_type": "nat_gateway", "private_addresses": [INSIDE]}
        ]
    }
    rows = sweep(STRANGERS[:100], port=23, action="ACCEPT")
    assert host_sweep(flows_of([*rows, *quiet(INSIDE)], inventory=inventory)) == []


def test_host_sweeps_of_nothing_has_its_columns():
    empty, full = host_sweeps(flows_of([])), host_sweeps(flows_of([*sweep(HOSTS), *quiet()]))
    assert empty.table.empty
    assert list(empty.table.columns) == list(full.table.columns)


def test_host_sweeps_without_targets_says_so():
    rows = [{name: value for name, value in row.items() if name not in ("dstaddr", "dst_key")} for row in sweep(HOSTS)]
    with pytest.raises(MissingField, match="host_sweeps needs dstaddr, which this log lacks"):
        _ = host_sweeps(flows_of(rows)).table
