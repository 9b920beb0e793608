"""Rules 1 to 3: who saw the record, and whose word counts."""

from __future__ import annotations

from tests.rows import START_S as T
from tests.rows import flow, flows_of

A, B = "10.0.0.1", "10.0.0.2"


def both_sides(**fields):
    """A conversation of A with B, seen at both interfaces, with other windows, and rows that make the addresses own."""
    there = flow(srcaddr=A, dstaddr=B, interface_id="eni-a", **fields)
    rest = [
        flow(srcaddr=A, dstaddr="10.0.0.50", interface_id="eni-a", start_s=T + 5000),
        flow(srcaddr=B, dstaddr="10.0.0.51", interface_id="eni-b", start_s=T + 5000),
    ]
    return there, rest


def conversation(flows, dstport=443, dstaddr=B):
    found = flows.sql(f"SELECT * FROM conversations WHERE dstport = {dstport} AND dstaddr = '{dstaddr}'")
    assert len(found) == 1
    return found.iloc[0]


def test_bytes_seen_at_both_ends_are_counted_once():
    there, rest = both_sides(bytes=1000, start_s=T + 100)
    again = flow(srcaddr=A, dstaddr=B, interface_id="eni-b", bytes=1000, start_s=T + 117)
    row = conversation(flows_of([there, again, *rest]))
    assert (row.fwd_bytes, row.observers) == (1000, "both")


def test_the_observer_with_most_bytes_tells_all_windows_and_is_never_mixed_with_the_other():
    _, rest = both_sides()
    rows = [
        flow(srcaddr=A, dstaddr=B, interface_id="eni-a", bytes=600, start_s=T + 100),
        flow(srcaddr=A, dstaddr=B, interface_id="eni-a", bytes=100, start_s=T + 160),
        flow(srcaddr=A, dstaddr=B, interface_id="eni-b", bytes=200, start_s=T + 117),
        flow(srcaddr=A, dstaddr=B, interface_id="eni-b", bytes=650, start_s=T + 177),
    ]
    # eni-b saw 850, eni-a 700. The larger of each window would be 600 + 650 = 1250, which nobody saw.
    assert conversation(flows_of([*rows, *rest])).fwd_bytes == 850


def test_of_two_observers_with_equal_bytes_the_senders_interface_counts():
    _, rest = both_sides()
    rows = [
        flow(srcaddr=A, dstaddr=B, interface_id="eni-a", bytes=500, packets=5, start_s=T + 100),
        flow(srcaddr=A, dstaddr=B, interface_id="eni-b", bytes=500, packets=7, start_s=T + 117),
    ]
    assert conversation(flows_of([*rows, *rest])).fwd_packets == 5


def test_traffic_seen_at_one_end_only_is_not_dropped():
    there, rest = both_sides(bytes=1000, start_s=T + 100)
    row = conversation(flows_of([there, *rest]))
    assert (row.fwd_bytes, row.observers) == (1000, "source")


def test_a_reject_at_the_far_end_wins_while_each_end_keeps_its_own_verdict():
    there, rest = both_sides(bytes=40, start_s=T + 100, action="ACCEPT", tcp_flags=2)
    refused = flow(srcaddr=A, dstaddr=B, interface_id="eni-b", bytes=40, start_s=T + 117, action="REJECT", tcp_flags=2)
    row = conversation(flows_of([there, refused, *rest]))
    assert (row.fwd_src_action, row.fwd_dst_action, row.rejected, row.state) == ("ACCEPT", "REJECT", True, "rejected")


def test_two_flow_logs_over_one_interface_are_not_added_up():
    fine = [flow(flow_log_id="fl-fine", bytes=100, start_s=T + 60 * n, end_s=T + 60 * n + 59) for n in range(10)]
    coarse = [flow(flow_log_id="fl-coarse", bytes=1000, start_s=T, end_s=T + 599)]
    flows = flows_of([*fine, *coarse])
    assert int(flows.sql("SELECT sum(bytes) AS b FROM flows").b[0]) == 1000
    assert set(flows.sql("SELECT DISTINCT flow_log_id AS id FROM flows").id) == {"fl-fine"}


def test_the_log_with_the_richer_format_is_elected_though_its_interval_is_coarser():
    fine = [flow(flow_log_id="fl-fine", bytes=100, start_s=T + 60 * n, end_s=T + 60 * n + 59) for n in range(10)]
    rich = [flow(flow_log_id="fl-rich", bytes=1000, start_s=T, end_s=T + 599, vpc_id="vpc-1", tcp_flags=0)]
    assert set(flows_of([*fine, *rich]).sql("SELECT flow_log_id AS id FROM flows").id) == {"fl-rich"}


def test_what_a_second_log_saw_before_the_elected_one_began_fills_in():
    late = [flow(flow_log_id="fl-rich", bytes=7, start_s=T + 1800 + 60 * n, vpc_id="vpc-1") for n in range(3)]
    early = [flow(flow_log_id="fl-plain", bytes=5, start_s=T + 60 * n) for n in range(3)]
    both = [flow(flow_log_id="fl-plain", bytes=7, start_s=T + 1805 + 60 * n) for n in range(3)]
    flows = flows_of([*late, *early, *both])
    assert int(flows.sql("SELECT sum(bytes) AS b FROM flows").b[0]) == 3 * 7 + 3 * 5


def test_an_accept_log_and_a_reject_log_of_one_interface_complete_each_other():
    rows = [flow(flow_log_id="fl-a", action="ACCEPT"), flow(flow_log_id="fl-r", action="REJECT", dstport=23)]
    assert len(flows_of(rows).sql("SELECT * FROM flows")) == 2


def test_equal_rows_within_one_log_are_both_kept():
    rows = [flow(pkt_srcaddr="10.0.0.11"), flow(pkt_srcaddr="10.0.0.12"), flow(pkt_srcaddr="10.0.0.12")]
    assert len(flows_of(rows).sql("SELECT * FROM flows")) == 3


def test_transit_gateway_records_do_not_repeat_what_interfaces_told():
    there, rest = both_sides(bytes=1000, start_s=T + 100, vpc_id="vpc-1")
    transit = flow(
        srcaddr=A,
        dstaddr=B,
        interface_id=None,
        action=None,
        tgw_id="tgw-1",
        tgw_attachment_id="tgw-attach-1",
        resource_type="TransitGateway",
        tgw_src_vpc_id="vpc-1",
        tgw_dst_vpc_id="vpc-1",
        bytes=1000,
        start_s=T + 100,
        flow_log_id="fl-tgw",
        vpc_id=None,
    )
    rest = [{**row, "vpc_id": "vpc-1"} for row in rest]
    flows = flows_of([there, transit, *rest])
    assert conversation(flows).fwd_bytes == 1000
    assert len(flows.sql("SELECT * FROM conversations WHERE observers = 'transit_gateway'")) == 0


def test_transit_gateway_records_tell_of_traffic_that_no_interface_saw():
    transit = flow(
        srcaddr=A,
        dstaddr="10.9.0.2",
        interface_id=None,
        action=None,
        tgw_id="tgw-1",
        tgw_attachment_id="tgw-attach-1",
        tgw_src_vpc_id="vpc-1",
        tgw_dst_vpc_id="vpc-2",
        bytes=700,
        start_s=T + 100,
        flow_log_id="fl-tgw",
    )
    other = {**transit, "tgw_attachment_id": "tgw-attach-2"}  # the same bytes leave by the other attachment
    row = conversation(flows_of([transit, other]), dstaddr="10.9.0.2")
    assert (row.fwd_bytes, row.observers, row.src_network, row.dst_network) == (
        700,
        "transit_gateway",
        "vpc-1",
        "vpc-2",
    )
