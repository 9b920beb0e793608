"""What costs by the hour, from the inventory."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from flowkit.cost import fixed_hours
from tests.cost.rows import hop, inventory
from tests.rows import flows_of

#: 2023-11-14 22:13:20 to 23:59:01 touches the hours 22 and 23.
TWO_HOURS = {"since": 1_700_000_000, "until": 1_700_006_341}


def hours(**lists: Any) -> dict[str, tuple[int, Decimal]]:
    made = inventory(interfaces=[], **lists)
    table = fixed_hours(flows_of(hop("a", "b", 1), inventory=made, **TWO_HOURS)).table
    return dict(zip(table["resource"], zip(table["billed_hours"], table["estimated_usd"], strict=True), strict=True))


def test_fixed_hours_bill_every_hour_that_the_period_touches() -> None:
    assert hours(nat_gateways=[{"nat_gateway_id": "nat-1", "vpc_id": "vpc-1"}]) == {"nat-1": (2, Decimal("0.090"))}


def test_fixed_hours_of_an_endpoint_count_per_zone() -> None:
    endpoint = {"vpc_endpoint_id": "vpce-1", "vpc_id": "vpc-1", "interface_ids": ["eni-1", "eni-2", "eni-3"]}
    free = {"vpc_endpoint_id": "vpce-2", "vpc_id": "vpc-1", "endpoint_type": "Gateway"}
    assert hours(vpc_endpoints=[endpoint, free]) == {"vpce-1": (6, Decimal("0.06"))}


def test_fixed_hours_of_a_regional_gateway_count_per_zone_and_say_that_this_is_unverified() -> None:
    made = inventory(
        interfaces=[], nat_gateways=[{"nat_gateway_id": "nat-1", "vpc_id": "vpc-1", "availability_mode": "regional"}]
    )
    row = fixed_hours(flows_of(hop("a", "b", 1), inventory=made, **TWO_HOURS)).table.iloc[0]
    assert (row["units"], row["billed_hours"], row["price_status"]) == (2, 4, "unverified")


def test_fixed_hours_begin_with_the_hour_of_creation_and_end_with_the_period() -> None:
    def of(created: str) -> int:
        return hours(nat_gateways=[{"nat_gateway_id": "n", "vpc_id": "vpc-1", "created_at": created}])["n"][0]

    assert of("2023-11-14T22:59:59Z") == 2
    assert of("2023-11-14T23:00:00Z") == 1
    assert of("2023-11-15T00:00:00Z") == 0


def test_fixed_hours_bill_public_addresses_and_attachments_once() -> None:
    made = inventory(nat_gateways=[{"nat_gateway_id": "nat-1", "vpc_id": "vpc-1", "public_addresses": ["52.0.0.5"]}])
    made["interfaces"] += [
        {"interface_id": f"eni-t{n}", "vpc_id": "vpc-1", "interface_type": "transit_gateway", "owner": "tgw-attach-1"}
        for n in (1, 2)
    ]
    table = fixed_hours(flows_of(hop("a", "b", 1), inventory=made, **TWO_HOURS)).table
    assert sorted(table[table["item"] == "public_ipv4_hour"]["resource"]) == ["52.0.0.5", "52.0.0.9"]
    assert list(table[table["item"] == "transit_gateway_hour"]["estimated_usd"]) == [Decimal("0.10")]


def test_fixed_hours_without_an_inventory_are_empty_and_say_why() -> None:
    answer = fixed_hours(flows_of(hop("a", "b", 1)))
    assert answer.table.empty
    assert "Without an inventory nothing says which gateways and endpoints there are." in answer.caveats
    assert list(answer.table.columns) == list(fixed_hours(flows_of([], inventory=inventory())).table.columns)
