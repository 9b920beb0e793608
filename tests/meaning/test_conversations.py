"""Rules 5, 7, 8 and 9: the period, stitching, who began, and what came of it."""

from __future__ import annotations

import pytest

from tests.rows import START_S as T
from tests.rows import flow, flows_of, reply

#: Traffic of others, long before and long after, so that the conversations under test are not at the edge of the log.
AROUND = [
    flow(srcaddr="10.0.0.1", dstaddr="10.0.0.200", srcport=1111, dstport=2222, start_s=T - 10_000),
    flow(srcaddr="10.0.0.1", dstaddr="10.0.0.200", srcport=1111, dstport=2222, start_s=T + 20_000),
]


def conversations(rows, **options):
    found = flows_of([*AROUND, *rows], **options).sql("SELECT * FROM conversations ORDER BY start_s, conversation_id")
    return found[(found.dstaddr != "10.0.0.200") & (found.srcaddr != "10.0.0.200")].reset_index(drop=True)


def one(rows, **options):
    found = conversations(rows, **options)
    assert len(found) == 1
    return found.iloc[0]


def test_a_period_takes_whole_records_by_their_start():
    rows = [
        flow(start_s=T - 1, bytes=1),
        flow(start_s=T, bytes=10),
        flow(start_s=T + 99, bytes=100),
        flow(start_s=T + 100, bytes=1000),
    ]
    flows = flows_of(rows, since=T, until=T + 100)
    assert int(flows.sql("SELECT sum(bytes) AS b FROM flows").b[0]) == 110
    row = flows.sql("SELECT * FROM conversations").iloc[0]
    assert (row.fwd_bytes, row.in_period, row.start_s) == (110, False, T - 1)


def test_adjacent_periods_add_up():
    rows = [flow(start_s=T + 40 * n, bytes=2**n) for n in range(10)]
    whole = flows_of(rows, since=T, until=T + 400)
    halves = [flows_of(rows, since=T, until=T + 200), flows_of(rows, since=T + 200, until=T + 400)]
    for column in ("fwd_bytes", "fwd_packets", "fwd_records"):
        text = f"SELECT CAST(sum({column}) AS BIGINT) AS n FROM conversations"
        assert whole.sql(text).n[0] == sum(half.sql(text).n[0] for half in halves)
    counted = "SELECT count(*) AS n FROM conversations WHERE in_period"
    assert whole.sql(counted).n[0] == 1 == sum(half.sql(counted).n[0] for half in halves)


def test_parts_sum_to_conversations_and_services():
    rows = [flow(start_s=T + 700 * n, bytes=100 + n) for n in range(12)] + [reply(flow(start_s=T + 700), bytes=5)]
    flows = flows_of([*AROUND, *rows])
    total = "SELECT CAST(sum({0}) AS BIGINT) AS n FROM {1}"
    parts = flows.sql(total.format("bytes", "conversation_parts")).n[0]
    assert parts == flows.sql(total.format("fwd_bytes + rev_bytes", "conversations")).n[0]
    assert parts == flows.sql(total.format("fwd_bytes + rev_bytes", "services_hour")).n[0]
    assert flows.sql(total.format("conversations", "services_hour")).n[0] == len(
        flows.sql("SELECT * FROM conversations")
    )


@pytest.mark.parametrize(("silence_s", "count"), [(350, 1), (351, 2)])
def test_silence_over_350_s_begins_a_new_conversation(silence_s, count):
    first = flow(start_s=T, end_s=T + 50)
    assert len(conversations([first, flow(start_s=T + 50 + silence_s)])) == count


@pytest.mark.parametrize(("silence_s", "count"), [(1200, 1), (1201, 2)])
def test_a_600_s_log_needs_silence_of_twice_its_interval(silence_s, count):
    rows = [flow(start_s=T, end_s=T + 599), flow(start_s=T + 599 + silence_s, end_s=T + 1198 + silence_s)]
    assert len(conversations(rows)) == count


def test_a_fresh_syn_after_a_fin_begins_a_new_conversation():
    rows = [flow(start_s=T, end_s=T + 50, tcp_flags=3), flow(start_s=T + 60, tcp_flags=2)]
    assert len(conversations(rows)) == 2
    assert len(conversations([rows[0], flow(start_s=T + 60, tcp_flags=0)])) == 1


def test_a_syn_within_the_window_of_the_fin_cannot_be_told_apart():
    assert len(conversations([flow(start_s=T, end_s=T + 50, tcp_flags=3), flow(start_s=T + 50, tcp_flags=2)])) == 1


def test_the_sender_of_a_syn_began():
    row = one([reply(flow(), tcp_flags=18), flow(tcp_flags=2)])
    assert (row.srcaddr, row.dstport, row.initiator_by) == ("10.0.0.1", 443, "syn")


def test_a_syn_ack_alone_tells_who_was_asked():
    row = one(
        [
            flow(srcaddr="10.0.0.2", srcport=9999, dstaddr="10.0.0.1", dstport=8888, tcp_flags=18),
            flow(srcport=8888, dstport=9999, tcp_flags=0),
        ]
    )
    assert (row.srcaddr, row.dstaddr, row.dstport) == ("10.0.0.1", "10.0.0.2", 9999)


def test_syn_ack_from_both_sides_leaves_the_initiator_open():
    assert one([flow(tcp_flags=18), reply(flow(), tcp_flags=18)]).initiator_by == "unknown"


def test_a_port_that_three_peer_ports_spoke_to_is_a_server():
    rows = [flow(srcport=port, dstport=30500) for port in (30001, 30002, 30003)]
    rows += [reply(row) for row in rows]
    found = conversations(rows)
    assert set(found.initiator_by) == {"fan_in"} and set(found.dstport) == {30500}


def test_two_peer_ports_are_not_yet_a_server():
    rows = [flow(srcport=port, dstport=30500) for port in (30001, 30002)]
    found = conversations([*rows, *[reply(row) for row in rows]])
    assert set(found.initiator_by) == {"unknown"}


def test_a_known_port_against_an_ephemeral_one_is_the_service():
    row = one([reply(flow(dstport=5432)), flow(dstport=5432)])
    assert (row.dstport, row.initiator_by) == (5432, "service_port")


def test_window_order_tells_only_beyond_one_window():
    early, late = (
        flow(srcport=30001, dstport=30002, start_s=T, end_s=T + 20),
        reply(flow(srcport=30001, dstport=30002), start_s=T + 61),
    )
    assert one([early, late]).initiator_by == "order"
    assert one([early, {**late, "start_s": T + 60}]).initiator_by == "unknown"


def test_a_scanner_with_a_fixed_source_port_is_not_taken_for_a_server():
    rows = [
        flow(srcaddr="1.1.1.1", srcport=54321, dstaddr="10.0.0.2", dstport=port, action="REJECT")
        for port in range(7000, 7010)
    ]
    found = conversations(rows)
    assert set(found.srcaddr) == {"1.1.1.1"} and set(found.initiator_by) == {"one_way"}


def test_syn_answered_by_syn_ack_is_answered():
    assert one([flow(tcp_flags=3), reply(flow(), tcp_flags=19)]).state == "answered"


def test_syn_answered_by_reset_is_reset():
    assert one([flow(tcp_flags=2), reply(flow(), tcp_flags=4)]).state == "reset"


def test_syn_without_an_answer_is_no_reply():
    assert one([flow(tcp_flags=2)]).state == "no_reply"


def test_no_reply_at_the_end_of_the_log_is_cut():
    row = flows_of([AROUND[0], flow(tcp_flags=2)]).sql("SELECT state FROM conversations WHERE dstport = 443")
    assert list(row.state) == ["cut"]


def test_no_reply_beside_skipdata_is_cut():
    skip = flow(
        srcaddr=None,
        dstaddr=None,
        srcport=None,
        dstport=None,
        protocol=None,
        packets=None,
        bytes=None,
        action=None,
        log_status="SKIPDATA",
    )
    assert one([flow(tcp_flags=2), skip]).state == "cut"


def test_handshake_sized_packets_both_ways_without_an_end_are_half_open():
    rows = [flow(tcp_flags=2, packets=2, bytes=112), reply(flow(), tcp_flags=18, packets=3, bytes=180)]
    refused = flow(srcaddr="9.9.9.9", dstport=23, action="REJECT", start_s=T - 5000)
    assert conversations([*rows, refused]).query("dstport == 443").state.tolist() == ["half_open"]
    rows[0]["bytes"] = 2 * 64 + 1  # there was data
    assert conversations([*rows, refused]).query("dstport == 443").state.tolist() == ["answered"]


def test_half_open_is_not_judged_on_a_log_of_one_action():
    assert (
        one([flow(tcp_flags=2, packets=2, bytes=112), reply(flow(), tcp_flags=18, packets=3, bytes=180)]).state
        == "answered"
    )


def test_syn_ack_without_a_reverse_row_is_backscatter():
    row = one([flow(srcaddr="1.1.1.1", srcport=80, dstaddr="10.0.0.2", dstport=6000, tcp_flags=18)])
    assert (row.state, row.dstaddr) == ("backscatter", "1.1.1.1")


def test_icmp_both_ways_has_no_initiator_and_is_no_blocked_return():
    ping = flow(protocol=1, srcport=0, dstport=0, srcaddr="8.8.8.8", dstaddr="10.0.0.2")
    row = one([ping, reply(ping, action="REJECT")])
    assert (row.initiator_by, row.state != "return_rejected") == ("unknown", True)


def test_flags_are_ored_over_windows():
    row = one([flow(tcp_flags=2), flow(tcp_flags=1, start_s=T + 60), flow(tcp_flags=0, start_s=T + 30)])
    assert row.fwd_flags == 3


def test_shuffling_rows_changes_nothing():
    rows = [*AROUND, *[flow(srcport=5000 + n % 7, start_s=T + 97 * n, bytes=n, tcp_flags=n % 3) for n in range(40)]]
    text = "SELECT * FROM conversations ORDER BY conversation_id"
    assert flows_of(rows).sql(text).equals(flows_of(rows[::-1]).sql(text))


def test_no_records_make_empty_tables():
    flows = flows_of([])
    for name in ("flows", "conversations", "conversation_parts", "services_hour", "addresses", "interfaces", "gaps"):
        assert len(flows.sql(f"SELECT * FROM {name}")) == 0


def test_nodata_and_skipdata_lines_are_gaps_not_records():
    lines = [
        flow(
            srcaddr=None,
            dstaddr=None,
            srcport=None,
            dstport=None,
            protocol=None,
            packets=None,
            bytes=None,
            action=None,
            log_status=status,
        )
        for status in ("NODATA", "SKIPDATA", "SKIPDATA")
    ]
    flows = flows_of([flow(), *lines])
    assert flows.records == 1
    gaps = flows.sql("SELECT log_status, gap_records FROM gaps ORDER BY log_status")
    assert list(gaps.itertuples(index=False, name=None)) == [("NODATA", 1), ("SKIPDATA", 2)]
