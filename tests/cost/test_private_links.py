"""Rules 21 and 25: what enters transit gateways, and what leaves over a virtual private gateway."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from flowkit.cost import transit_gateway_bytes, vpn_egress
from tests.cost.rows import hop, inventory, seen
from tests.rows import flow, flows_of

DESK = "192.168.7.7"


def over_vpn(size: int, **fields: Any) -> dict[str, Any]:
    return seen("a", **{"srcaddr": "10.0.1.1", "dstaddr": DESK, "bytes": size, "flow_direction": "egress",
                        "traffic_path": 3, **fields})  # fmt: skip


def test_vpn_egress_sums_path_3_by_interface() -> None:
    answer = vpn_egress(flows_of([over_vpn(10**9), over_vpn(10**9, dstport=22)], inventory=inventory()))
    assert list(answer.table["workload"]) == ["a"]
    assert list(answer.table["billed_bytes"]) == [2 * 10**9]
    assert list(answer.table["estimated_usd"]) == [Decimal("0.18")]
    assert list(answer.table["price_status"]) == ["unverified"]


def test_vpn_egress_stays_quiet_for_what_comes_in_is_refused_or_takes_another_path() -> None:
    back = seen("a", srcaddr=DESK, dstaddr="10.0.1.1", bytes=5, flow_direction="ingress", traffic_path=None)
    rows = [back, over_vpn(7, action="REJECT"), over_vpn(9, traffic_path=8)]
    assert vpn_egress(flows_of(rows, inventory=inventory())).table.empty


def test_vpn_egress_of_no_records_is_empty_and_without_the_path_names_the_field() -> None:
    some, none = vpn_egress(flows_of([over_vpn(1)])).table, vpn_egress(flows_of([])).table
    assert none.empty
    assert list(none.columns) == list(some.columns)
    assert vpn_egress(flows_of([flow()])).missing == ("traffic_path",)


ATTACHMENT = {"interface_id": "eni-tgw", "vpc_id": "vpc-1", "az_id": "use1-az1", "interface_type": "transit_gateway",
              "private_addresses": ["10.0.1.77"]}  # fmt: skip


def at_attachment(src: str, dst: str, pkt_src: str, pkt_dst: str, way: str, size: int) -> dict[str, Any]:
    return flow(interface_id="eni-tgw", vpc_id="vpc-1", az_id="use1-az1", region="us-east-1", srcaddr=src, dstaddr=dst,
                pkt_srcaddr=pkt_src, pkt_dstaddr=pkt_dst, flow_direction=way, bytes=size)  # fmt: skip


def test_transit_gateway_bytes_are_the_ingress_rows_for_somebody_else() -> None:
    made = inventory()
    made["interfaces"].append(ATTACHMENT)
    rows = [
        at_attachment("10.0.1.1", "10.0.1.77", "10.0.1.1", "10.50.0.9", "ingress", 5 * 10**9),
        at_attachment("10.0.1.77", "10.0.1.1", "10.50.0.9", "10.0.1.1", "egress", 9 * 10**9),
    ]
    table = transit_gateway_bytes(flows_of(rows, inventory=made)).table
    assert list(table["billed_bytes"]) == [5 * 10**9]
    # 5 GB x 0.02.
    assert list(table["estimated_usd"]) == [Decimal("0.10")]
    assert list(table["attributed_by"]) == ["interface records"]


def transit(way: str, size: int, **fields: Any) -> dict[str, Any]:
    return flow(**{"interface_id": None, "action": None, "tgw_id": "tgw-1", "tgw_attachment_id": "tgw-attach-1",
                   "tgw_src_vpc_id": "vpc-8", "tgw_dst_vpc_id": "vpc-9", "flow_direction": way, "bytes": size,
                   "srcaddr": "10.8.0.1", "dstaddr": "10.9.0.1", "region": "us-east-1", **fields})  # fmt: skip


def test_transit_gateway_bytes_count_transit_gateway_records_on_the_way_in_only() -> None:
    table = transit_gateway_bytes(flows_of([transit("ingress", 1000), transit("egress", 1000)])).table
    assert list(table["attachment"]) == ["tgw-attach-1"]
    assert list(table["billed_bytes"]) == [1000]
    assert list(table["attributed_by"]) == ["transit gateway records"]


def test_transit_gateway_bytes_never_count_both_kinds_of_records_of_one_vpc() -> None:
    made = inventory()
    made["interfaces"].append(ATTACHMENT)
    rows = [
        at_attachment("10.0.1.1", "10.0.1.77", "10.0.1.1", "10.50.0.9", "ingress", 500),
        transit("ingress", 500, tgw_src_vpc_id="vpc-1"),
    ]
    assert list(transit_gateway_bytes(flows_of(rows, inventory=made)).table["billed_bytes"]) == [500]


def test_transit_gateway_bytes_stay_quiet_without_attachments_and_keep_their_columns() -> None:
    quiet = transit_gateway_bytes(flows_of(hop("a", "b", 5), inventory=inventory())).table
    none = transit_gateway_bytes(flows_of([])).table
    assert quiet.empty and none.empty
    assert list(quiet.columns) == list(none.columns)
    assert transit_gateway_bytes(flows_of([{k: v for k, v in flow().items() if k != "bytes"}])).missing == ("bytes",)
