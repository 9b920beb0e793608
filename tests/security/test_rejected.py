"""Rejected traffic by source, by port and by interface; and the background noise among it."""

from __future__ import annotations

import pytest

from flowkit.errors import MissingField
from flowkit.security import background_noise, rejected_interfaces, rejected_ports, rejected_sources
from flowkit.security.background_noise import reject_storm
from tests.rows import START_S, flow, flows_of, reply
from tests.security.rows import OUTSIDE, WEB, probe, quiet, session

INSIDE = "10.0.0.66"
QUESTIONS = (rejected_sources, rejected_ports, rejected_interfaces)


def noise():
    """Three probes of one outside source at two ports, one of another, and one refused call from inside."""
    return [
        probe(OUTSIDE, WEB, 22, at_s=1, srcport=51_001), probe(OUTSIDE, WEB, 22, at_s=2, srcport=51_002),
        probe(OUTSIDE, WEB, 23, at_s=3, srcport=51_003), probe("8.8.8.8", WEB, 22, at_s=4, srcport=51_004),
        probe(INSIDE, WEB, 8500, at_s=5, srcport=51_005), *quiet(),
    ]  # fmt: skip


def test_rejected_sources_counts_conversations_by_source():
    table = rejected_sources(flows_of(noise())).table
    assert table["srcaddr"].tolist() == [OUTSIDE, "10.0.0.66", "8.8.8.8"]
    assert table["rejected"].tolist() == [3, 1, 1]
    assert table["ports"].tolist() == [2, 1, 1]
    assert table["rejected_share"].tolist() == [0.6, 0.2, 0.2]


def test_rejected_sources_counts_a_conversation_logged_twice_once():
    seen = probe(INSIDE, WEB, 8500)
    also = {**seen, "interface_id": "eni-2", "action": "ACCEPT"}
    other = [
        row | {"interface_id": "eni-2"}
        for row in [*session(INSIDE, "10.0.0.40", 443, at_s=-500), *session(INSIDE, "10.0.0.41", 443, at_s=900)]
    ]
    table = rejected_sources(flows_of([seen, also, *other, *quiet()])).table
    assert table["rejected"].tolist() == [1]


def test_rejected_sources_ignores_accepted_records():
    assert rejected_sources(flows_of([*session(INSIDE, WEB, 443), *quiet()])).table.empty


def test_rejected_sources_ignores_packets_after_the_end_of_their_connection():
    first = flow(srcaddr=OUTSIDE, dstaddr=WEB, tcp_flags=3)
    late = flow(srcaddr=OUTSIDE, dstaddr=WEB, tcp_flags=1, action="REJECT", packets=1, bytes=40, start_s=START_S + 120)
    flows = flows_of([first, reply(first, tcp_flags=19), late, *quiet(flags=True)])
    assert rejected_sources(flows).table.empty
    row = rejected_interfaces(flows).table.iloc[0]
    assert (row["rejected"], row["late"]) == (0, 1)


def test_rejected_sources_can_be_narrowed_to_a_path():
    flows = flows_of(noise())
    assert rejected_sources(flows, path="internal").table["srcaddr"].tolist() == [INSIDE]
    assert rejected_sources(flows, path="outbound").table.empty


def test_rejected_sources_keeps_to_top_n_and_breaks_ties_by_address():
    assert rejected_sources(flows_of(noise()), top_n=2).table["srcaddr"].tolist() == [OUTSIDE, "10.0.0.66"]


def test_rejected_ports_splits_by_path():
    table = rejected_ports(flows_of(noise())).table
    assert table[["dstport", "rejected", "inbound", "internal", "outbound", "sources"]].to_numpy().tolist() == [
        [22, 3, 3, 0, 0, 2], [23, 1, 1, 0, 0, 1], [8500, 1, 0, 1, 0, 1],
    ]  # fmt: skip
    assert table["service"].tolist() == ["ssh", "telnet", "consul"]


def test_rejected_interfaces_counts_records_by_direction():
    out = flow(srcaddr=WEB, dstaddr=OUTSIDE, dstport=25, action="REJECT", packets=1, bytes=40)
    (row,) = rejected_interfaces(flows_of([*noise(), out])).table.to_dict("records")
    assert (row["interface_id"], row["address"]) == ("eni-1", WEB)
    assert (row["rejected"], row["rejected_ingress"], row["rejected_egress"], row["records"]) == (6, 5, 1, 10)
    assert row["rejected_share"] == pytest.approx(0.6)


@pytest.mark.parametrize("ask", QUESTIONS)
def test_questions_of_rejects_have_their_columns_without_records(ask):
    empty = ask(flows_of([]))
    assert empty.table.empty
    assert list(empty.table.columns) == list(ask(flows_of(noise())).table.columns)


@pytest.mark.parametrize("ask", QUESTIONS)
def test_questions_of_rejects_without_an_action_say_so(ask):
    rows = [{name: value for name, value in row.items() if name != "action"} for row in noise()]
    with pytest.raises(MissingField, match=f"{ask.__name__} needs action, which this log lacks"):
        _ = ask(flows_of(rows)).table


def test_background_noise_sums_up_probes_by_interface():
    (row,) = background_noise(flows_of(noise())).table.to_dict("records")
    assert (row["interface_id"], row["dstaddr"]) == ("eni-1", WEB)
    assert (row["probes"], row["rejected"], row["sources"], row["ports"], row["most_ports_by_one_source"]) == (
        4,
        4,
        2,
        2,
        2,
    )
    # from 3,600 s before the start to 1,205 s after it: 4,805 s
    assert row["probes_per_hour"] == pytest.approx(4 * 3600 / 4_805)


def test_background_noise_counts_probes_that_nobody_answered_but_not_answered_ones():
    silent = probe(OUTSIDE, WEB, 2375, action="ACCEPT")
    (row,) = background_noise(flows_of([*noise(), silent, *session(OUTSIDE, WEB, 443, sport=44_000)])).table.to_dict(
        "records"
    )
    assert (row["probes"], row["rejected"]) == (5, 4)


def test_background_noise_leaves_what_comes_from_inside_alone():
    assert background_noise(flows_of([probe(INSIDE, WEB, 8500), *quiet()])).table.empty


def test_reject_storm_is_one_finding_of_severity_info():
    (found,) = reject_storm(flows_of(noise()))
    assert (found.severity, found.count, found.subject) == ("info", 4, {"interface_id": ["eni-1"]})
    assert reject_storm(flows_of(quiet())) == []
