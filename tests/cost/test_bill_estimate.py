"""The whole estimate by usage type: equal to the generator's bill, and honest about its band."""

from __future__ import annotations

import csv
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import flowkit
from flowkit import cost
from flowkit.flows import Flows
from flowkit.generate import generate
from flowkit.prices import PriceBook
from tests.cost.rows import default_format, hop, inventory, through_nat
from tests.rows import flows_of

RANGES = [{"cidr": "52.216.0.0/15", "region": "us-east-1", "service": "S3"}]
#: One hour that begins with the hour.
HOUR = {"since": 1_699_999_200, "until": 1_700_002_800}
GB = 10**9


def rows() -> list[dict[str, Any]]:
    return [*hop("a", "b", 10 * GB), *through_nat("a", "8.8.8.8", GB, 4 * GB), *hop("a", "endpoint", 2 * GB)]


def by_usage(flows: Flows, **parameters: Any) -> dict[str, dict[str, Any]]:
    table = cost.bill_estimate(flows, **parameters).table
    return {row["usage_type"]: row for row in table.to_dict("records")}


def test_bill_estimate_totals_every_usage_type_to_the_cent() -> None:
    gateway = {
        "nat_gateway_id": "nat-1",
        "interface_id": "eni-nat",
        "vpc_id": "vpc-1",
        "private_addresses": ["10.0.2.5"],
    }
    made = inventory(aws_ranges=RANGES, nat_gateways=[gateway])
    bill = by_usage(flows_of(rows(), inventory=made, **HOUR))
    assert {usage: (row["quantity"], row["estimated_usd"]) for usage, row in bill.items()} == {
        # a to b twice 10 GB, a to the gateway twice 1 GB, and back twice 4 GB: 30 GB x 0.01.
        "DataTransfer-Regional-Bytes": (30 * GB, Decimal("0.30")),
        # 5 GB x 0.045.
        "NatGateway-Bytes": (5 * GB, Decimal("0.225")),
        # 1 GB x 0.09.
        "DataTransfer-Out-Bytes": (GB, Decimal("0.09")),
        "NatGateway-Hours": (1, Decimal("0.045")),
        # 2 GB x 0.01.
        "VpcEndpoint-Bytes": (2 * GB, Decimal("0.02")),
        # The addresses of the gateway and of the load balancer, 0.005 each.
        "PublicIPv4:InUseAddress": (2, Decimal("0.010")),
    }
    for row in bill.values():
        assert row["low_quantity"] == row["quantity"] == row["high_quantity"]
        assert row["low_usd"] == row["estimated_usd"] == row["high_usd"]


def test_bill_estimate_is_the_same_on_the_default_format_with_an_inventory() -> None:
    made = inventory(aws_ranges=RANGES)
    rich, plain = flows_of(rows(), inventory=made, **HOUR), flows_of(default_format(rows()), inventory=made, **HOUR)
    assert {u: row["quantity"] for u, row in by_usage(plain).items()} == {
        u: row["quantity"] for u, row in by_usage(rich).items()
    }


def test_bill_estimate_names_what_it_cannot_tell_without_zones_and_inventory() -> None:
    bill = by_usage(flows_of(default_format(rows()), **HOUR))
    assert bill["DataTransfer-Regional-Bytes"]["attributed_by"] == "needs az-id or an inventory"
    assert bill["DataTransfer-Regional-Bytes"]["estimated_usd"] is None
    assert bill["VpcEndpoint-Hours"]["attributed_by"] == "needs an inventory"


def test_bill_estimate_states_a_band_where_the_log_leaves_room() -> None:
    # Without an inventory a gateway is inferred, an end may be a load balancer, and an address may be AWS's own.
    bill = by_usage(flows_of(rows(), **HOUR))
    assert bill["NatGateway-Bytes"]["low_quantity"] == 0
    assert bill["NatGateway-Bytes"]["high_quantity"] == 5 * GB
    regional = bill["DataTransfer-Regional-Bytes"]
    assert regional["low_quantity"] < regional["quantity"] == regional["high_quantity"]


def test_bill_estimate_of_no_records_is_empty_with_the_same_columns_and_lacking_bytes_names_them() -> None:
    some = cost.bill_estimate(flows_of(rows(), inventory=inventory(), **HOUR)).table
    none = cost.bill_estimate(flows_of([])).table
    assert none.empty
    assert list(none.columns) == list(some.columns)
    lacking = [{name: value for name, value in row.items() if name != "bytes"} for row in rows()]
    assert cost.bill_estimate(flows_of(lacking)).missing == ("bytes",)


def test_bill_estimate_leaves_an_amount_empty_where_a_price_is_missing_and_says_which() -> None:
    answer = cost.bill_estimate(flows_of(rows(), inventory=inventory(aws_ranges=RANGES), **HOUR), region="sa-east-1")
    assert cost.estimated_total(answer) == cost.estimated_total(
        cost.bill_estimate(flows_of(rows(), inventory=inventory(aws_ranges=RANGES), **HOUR))
    )
    gone = [{**row, "region": "sa-east-1"} for row in rows()]
    answer = cost.bill_estimate(flows_of(gone, inventory=inventory(vpcs=[], region="sa-east-1"), **HOUR))
    assert list(answer.table["estimated_usd"]) == [None] * len(answer.table)
    assert any("no nat_gateway_bytes for region 'sa-east-1'" in text for text in answer.caveats)


def test_a_gb_of_two_to_the_thirty_costs_less() -> None:
    flows = flows_of(hop("a", "b", 2**30), inventory=inventory(), **HOUR)
    bill = by_usage(flows, book=PriceBook.load(gb_bytes=2**30))
    assert bill["DataTransfer-Regional-Bytes"]["estimated_usd"] == Decimal("0.02")


def test_headlines_are_the_estimate_and_its_largest_parts() -> None:
    figures = {one["key"]: one["value"] for one in cost.headlines(flows_of(rows(), inventory=inventory(), **HOUR))}
    assert figures == {
        "estimated_usd": pytest.approx(0.645),
        "nat_bytes": 5 * GB,
        "cross_az_bytes": 30 * GB,
        "egress_bytes": GB,
    }


@pytest.fixture(scope="module", params=[("v5", 60), ("v2", 600)], ids=["v5, 60 s", "v2, 600 s"])
def generated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    log_format, interval_s = request.param
    generate(folder, seed=11, hours=24, records=25_000, format=log_format, interval_s=interval_s)
    return folder


def billed(folder: Path) -> dict[str, int]:
    quantities: dict[str, int] = defaultdict(int)
    with (folder / "bill.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            quantities[row["usage_type"]] += int(row["quantity"])
    return dict(quantities)


def test_the_estimate_equals_the_generators_bill_to_the_byte(generated: Path) -> None:
    with flowkit.open(str(generated), progress=False) as flows:
        estimate = by_usage(flows)
    bill = billed(generated)
    assert {usage: estimate[usage]["quantity"] for usage in bill} == bill


def test_without_the_inventory_the_bill_lies_in_the_stated_band(generated: Path) -> None:
    with flowkit.open(str(generated), inventory="none", progress=False) as flows:
        estimate = by_usage(flows)
    told = {usage: row for usage, row in estimate.items() if row["estimated_usd"] is not None}
    assert {"NatGateway-Bytes", "DataTransfer-Out-Bytes", "S3-Egress-Bytes"} <= set(told)
    bill = billed(generated)
    for usage in set(told) & set(bill):
        assert told[usage]["low_quantity"] <= bill[usage] <= told[usage]["high_quantity"], usage


def test_breakdowns_add_up_to_their_totals_on_generated_logs(generated: Path) -> None:
    with flowkit.open(str(generated), progress=False) as flows:
        for part, whole in (
            (cost.cross_az_pairs(flows, top_n=3), cost.cross_az(flows)),
            (cost.nat_by_workload(flows, top_n=3), cost.nat_gateways(flows)),
            (cost.nat_by_destination(flows, top_n=3), cost.nat_gateways(flows)),
            (cost.internet_egress_by_workload(flows, top_n=3), cost.internet_egress(flows)),
        ):
            assert part.table["billed_bytes"].sum() == whole.table["billed_bytes"].sum()
