"""Each byte once per host, whoever logged it."""

from __future__ import annotations

from flowkit.performance import top_pairs, top_talkers
from tests.performance.rows import T, answered, around
from tests.rows import flow, flows_of, reply


def both_ends(**fields):
    """One conversation, logged at both interfaces."""
    there = flow(flow_direction="egress", bytes=1000, packets=10, **fields)
    back = reply(there, bytes=5000, packets=5)
    return [there, back, {**there, "interface_id": "eni-2", "flow_direction": "ingress"},
            {**back, "interface_id": "eni-2", "flow_direction": "egress"}]  # fmt: skip


def test_top_talkers_counts_a_conversation_seen_at_both_ends_once():
    table = top_talkers(flows_of(both_ends())).table
    seen = [
        (row.address, row.bytes, row.sent_bytes, row.received_bytes, row.packets, row.bytes_share)
        for row in table.itertuples()
    ]
    assert seen == [("10.0.0.1", 6000, 1000, 5000, 15, 1.0), ("10.0.0.2", 6000, 5000, 1000, 15, 1.0)]


def test_top_talkers_sends_as_much_as_it_receives():
    rows = [
        *both_ends(),
        *both_ends(srcaddr="10.0.0.3", srcport=41000),
        flow(dstaddr="8.8.8.8", bytes=77, srcport=42000),
    ]
    table = top_talkers(flows_of(rows), top_n=100).table
    assert table["sent_bytes"].sum() == table["received_bytes"].sum() == 6000 + 6000 + 77


def test_top_talkers_counts_peers_and_conversations():
    rows = [flow(srcport=40000 + n, dstaddr=f"10.0.0.{2 + n % 2}", start_s=T) for n in range(4)]
    first = top_talkers(flows_of(rows)).table.iloc[0]
    assert (first.address, first.peers, first.conversations) == ("10.0.0.1", 2, 4)


def test_top_talkers_stops_at_top_n_and_breaks_ties_by_address():
    rows = [flow(srcaddr=f"10.0.0.{n}", dstaddr="8.8.8.8", srcport=40000 + n) for n in (5, 3, 4)]
    assert list(top_talkers(flows_of(rows), top_n=2).table["address"]) == ["8.8.8.8", "10.0.0.3"]


def test_top_talkers_says_that_two_addresses_may_tell_the_same_bytes_only_without_packet_addresses():
    assert len(top_talkers(flows_of([flow()])).caveats) == 2
    assert len(top_talkers(flows_of([flow(pkt_srcaddr="10.0.0.1", pkt_dstaddr="10.0.0.2")])).caveats) == 1


def test_top_talkers_has_the_same_columns_without_records():
    table = top_talkers(flows_of([])).table
    assert list(table.columns) == list(top_talkers(flows_of([flow()])).table.columns)
    assert table.empty


def test_top_talkers_names_the_field_it_lacks():
    rows = [{k: v for k, v in flow().items() if k not in ("dstaddr", "dst_key")}]
    assert top_talkers(flows_of(rows)).missing == ("dstaddr",)


def test_top_pairs_puts_the_client_first_and_names_the_service():
    rows = around([*answered(srcport=40001, start_s=T), *answered(srcport=40002, start_s=T + 3600)])
    first = top_pairs(flows_of(rows)).table.iloc[0]
    assert (first.srcaddr, first.dstaddr, first.dstport, first.service) == ("10.0.0.1", "10.0.0.2", 443, "https")
    assert (first.fwd_bytes, first.rev_bytes, first.conversations) == (10_000, 8_000, 2)


def test_top_pairs_leaves_the_port_open_where_nobody_knows_who_is_the_client():
    rows = [flow(srcport=2000, dstport=2001, start_s=T), reply(flow(srcport=2000, dstport=2001, start_s=T))]
    first = top_pairs(flows_of(rows)).table.iloc[0]
    assert str(first["dstport"]) == "<NA>"


def test_top_pairs_has_the_same_columns_without_records():
    table = top_pairs(flows_of([])).table
    assert list(table.columns) == list(top_pairs(flows_of([flow()])).table.columns)
    assert table.empty
