"""Rules 19 and 20: what NAT gateways process, each byte once, for whom and where to."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from flowkit.cost import nat_by_destination, nat_by_workload, nat_gateways
from flowkit.flows import Flows
from tests.cost.rows import default_format, hop, inventory, seen, through_nat
from tests.rows import flow, flows_of

PEER, OTHER, S3 = "8.8.8.8", "1.1.1.1", "52.216.0.9"

RANGES = [{"cidr": "52.216.0.0/15", "region": "us-east-1", "service": "S3"}]


def one_day() -> list[dict[str, Any]]:
    """a: 1,000 out and 5,000 back to PEER; a2: 10 and 20 to OTHER; b: 300 and 700 to S3."""
    return [
        *through_nat("a", PEER, 1000, 5000),
        *through_nat("a2", OTHER, 10, 20, start_s=1_700_000_100),
        *through_nat("b", S3, 300, 700, service="S3", start_s=1_700_000_200),
    ]


def gateway(flows: Flows) -> dict[str, Any]:
    (row,) = nat_gateways(flows).table.to_dict("records")
    return row


def test_nat_gateways_count_the_inner_legs_once() -> None:
    row = gateway(flows_of(one_day(), inventory=inventory()))
    assert (row["out_bytes"], row["back_bytes"], row["billed_bytes"]) == (1310, 5720, 7030)
    assert row["clients"] == 3
    assert row["unforwarded_bytes"] == 0
    assert row["attributed_by"] == "packet addresses at the gateway"


def test_nat_gateways_cost_the_price_per_gb() -> None:
    rows = through_nat("a", PEER, 10**11, 10**12)
    # 1,100 GB x 0.045.
    assert gateway(flows_of(rows, inventory=inventory()))["estimated_usd"] == Decimal("49.500")


def test_nat_gateways_do_not_double_with_secondary_addresses() -> None:
    # Outer legs in the gateway's second address: not inner, though pkt-dstaddr is not the primary address.
    second = "10.0.2.55"
    made = inventory()
    for interface in made["interfaces"]:
        if interface["name"] == "nat":
            interface["private_addresses"].append(second)
    rows = one_day()
    for row in rows:
        for side in ("src", "dst"):
            if row[f"pkt_{side}addr"] == "10.0.2.5":
                row[f"pkt_{side}addr"] = second
    assert gateway(flows_of(rows, inventory=made))["billed_bytes"] == 7030


def test_nat_gateways_ignore_probes_from_outside_and_refused_packets() -> None:
    probe = seen("nat", srcaddr=PEER, dstaddr="10.0.2.5", pkt_srcaddr=PEER, pkt_dstaddr="10.0.2.5",
                 flow_direction="ingress", bytes=44, dstport=22)  # fmt: skip
    rows = [*one_day(), probe, *[dict(row, action="REJECT") for row in through_nat("a", OTHER, 9, 9)]]
    assert gateway(flows_of(rows, inventory=inventory()))["billed_bytes"] == 7030


def test_nat_gateways_are_the_same_on_the_default_format() -> None:
    row = gateway(flows_of(default_format(one_day()), inventory=inventory()))
    assert (row["out_bytes"], row["back_bytes"]) == (1310, 5720)
    assert row["attributed_by"] == "private addresses at the gateway"


def test_nat_gateways_regional_has_one_end_inside_the_vpc() -> None:
    def leg(src: str, dst: str, size: int) -> dict[str, Any]:
        return flow(interface_id=None, resource_id="nat-1", vpc_id="vpc-1", srcaddr=src, dstaddr=dst,
                    pkt_srcaddr=src, pkt_dstaddr=dst, bytes=size, region="us-east-1")  # fmt: skip

    public = "52.0.0.77"
    rows = [leg("10.0.1.1", PEER, 1000), leg(public, PEER, 1000), leg(PEER, public, 5000), leg(PEER, "10.0.1.1", 5000)]
    row = gateway(flows_of(rows, inventory=inventory()))
    assert (row["role"], row["out_bytes"], row["back_bytes"]) == ("regional_nat_gateway", 1000, 5000)
    assert row["item"] == "regional_nat_gateway_bytes"
    assert row["price_status"] == "unverified"


def test_nat_gateways_say_which_gateway_has_no_records() -> None:
    made = inventory(nat_gateways=[{"nat_gateway_id": "nat-9", "interface_id": "eni-9"}])
    caveats = nat_gateways(flows_of(one_day(), inventory=made)).caveats
    assert any(text.startswith("No records of nat-9: idle or not logged") for text in caveats)


def test_nat_gateways_stay_quiet_without_a_gateway_and_keep_their_columns() -> None:
    quiet = nat_gateways(flows_of(hop("a", "b", 10), inventory=inventory())).table
    none = nat_gateways(flows_of([])).table
    assert quiet.empty and none.empty
    assert list(quiet.columns) == list(none.columns)


@pytest.mark.parametrize("ask", [nat_gateways, nat_by_workload, nat_by_destination])
def test_nat_questions_without_bytes_name_the_field(ask: Any) -> None:
    rows = [{name: value for name, value in row.items() if name != "bytes"} for row in one_day()]
    assert ask(flows_of(rows, inventory=inventory())).missing == ("bytes",)


def test_nat_by_workload_adds_up_to_the_gateway() -> None:
    flows = flows_of(one_day(), inventory=inventory())
    table = nat_by_workload(flows).table
    assert list(table["workload"]) == ["a", "b", "a2"]
    assert list(table["billed_bytes"]) == [6000, 1000, 30]
    assert list(table["srcaddr"]) == ["10.0.1.1", "10.0.2.1", "10.0.1.2"]
    assert table["billed_bytes"].sum() == gateway(flows)["billed_bytes"]


def test_nat_by_workload_keeps_the_rest_and_the_unattributed_in_rows_of_their_own() -> None:
    stranger = seen("nat", srcaddr="10.0.1.200", dstaddr="10.0.2.5", pkt_srcaddr="10.0.1.200", pkt_dstaddr=PEER,
                    flow_direction="ingress", bytes=77)  # fmt: skip
    flows = flows_of([*one_day(), stranger], inventory=inventory())
    table = nat_by_workload(flows, top_n=1).table
    assert list(table["workload"]) == ["a", "all others", "unattributed"]
    assert list(table["billed_bytes"]) == [6000, 1030, 77]
    assert table["billed_bytes"].sum() == gateway(flows)["billed_bytes"]


def test_nat_by_destination_groups_aws_services_and_adds_up() -> None:
    flows = flows_of(one_day(), inventory=inventory(aws_ranges=RANGES))
    table = nat_by_destination(flows).table
    assert list(table["destination"]) == [PEER, "S3", OTHER]
    assert list(table["billed_bytes"]) == [6000, 1000, 30]
    assert table.loc[1, "aws_region"] == "us-east-1"
    short = nat_by_destination(flows, top_n=1).table
    assert list(short["destination"]) == [PEER, "all others"]
    assert short["billed_bytes"].sum() == 7030


def test_nat_by_destination_takes_outer_legs_without_packet_addresses() -> None:
    # A probe from outside reaches the gateway and is not what it processed for anybody.
    probe = seen("nat", srcaddr="9.9.9.9", dstaddr="10.0.2.5", bytes=44, dstport=22)
    flows = flows_of(default_format([*one_day(), probe]), inventory=inventory(aws_ranges=RANGES))
    table = nat_by_destination(flows).table
    assert dict(zip(table["destination"], table["billed_bytes"], strict=True)) == {PEER: 6000, "S3": 1000, OTHER: 30}


def test_nat_by_destination_says_what_no_peer_explains() -> None:
    # The outer legs to OTHER were lost; the inner ones, which do not name it, are there.
    rows = [row for row in default_format(one_day()) if OTHER not in (row["srcaddr"], row["dstaddr"])]
    table = nat_by_destination(flows_of(rows, inventory=inventory())).table
    assert table.iloc[-1]["destination"] == "unattributed"
    assert table.iloc[-1]["billed_bytes"] == 30
    assert table["billed_bytes"].sum() == 7030


@pytest.mark.parametrize("ask", [nat_by_workload, nat_by_destination])
def test_nat_breakdowns_of_no_records_are_empty_with_the_same_columns(ask: Any) -> None:
    some, none = ask(flows_of(one_day(), inventory=inventory())).table, ask(flows_of([])).table
    assert none.empty
    assert list(none.columns) == list(some.columns)
