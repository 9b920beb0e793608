"""S3 through a NAT gateway, and what a gateway endpoint would save."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from flowkit.cost import endpoint_candidates
from flowkit.cost.endpoint_candidates import gateway_endpoint_missing
from flowkit.flows import Flows
from tests.cost.rows import default_format, inventory, through_nat
from tests.rows import flows_of

S3, OTHER_S3, LOGS = "52.216.0.9", "52.218.0.1", "52.94.0.5"
RANGES = [
    {"cidr": "52.216.0.0/15", "region": "us-east-1", "service": "S3"},
    {"cidr": "52.218.0.0/16", "region": "eu-west-1", "service": "S3"},
]
#: One hour exactly: a month is 730 of them.
HOUR = {"since": 1_700_000_000, "until": 1_700_003_600}
GB = 10**9


def flows(rows: list[dict[str, Any]], *, ranges: bool = True, **lists: Any) -> Flows:
    return flows_of(rows, inventory=inventory(aws_ranges=RANGES if ranges else [], **lists), **HOUR)


def test_endpoint_candidates_price_a_month_at_the_gateway_and_at_the_endpoint() -> None:
    rows = [
        *through_nat("a", S3, GB, 3 * GB, service="S3"),
        *through_nat("b", OTHER_S3, GB, GB, service="S3"),
        *through_nat("a2", LOGS, 10 * GB, 0, service="KINESIS"),
    ]
    table = endpoint_candidates(flows(rows)).table
    assert list(zip(table["aws_service"], table["endpoint_type"], table["billed_bytes"], strict=True)) == [
        ("KINESIS", "interface", 10 * GB),
        ("S3", "gateway", 4 * GB),
        ("S3", "none", 2 * GB),
    ]
    # 10 GB an hour: 10 x 0.045 x 730 = 328.50; the endpoint 10 x 0.01 x 730 + 2 zones x 0.01 x 730 = 87.60.
    assert table.loc[0, "month_usd"] == Decimal("328.50")
    assert table.loc[0, "endpoint_month_usd"] == Decimal("87.60")
    assert table.loc[0, "saving_month_usd"] == Decimal("240.90")
    # 4 GB an hour: 4 x 0.045 x 730 = 131.40, all of it saved.
    assert table.loc[1, "saving_month_usd"] == Decimal("131.40")
    # No endpoint reaches another region, so nothing is claimed.
    assert table.loc[2, "saving_month_usd"] is None


def test_endpoint_candidates_never_claim_a_negative_saving() -> None:
    table = endpoint_candidates(flows(through_nat("a", LOGS, 1000, 0, service="KINESIS"))).table
    assert list(table["saving_month_usd"]) == [Decimal(0)]


def test_gateway_endpoint_missing_names_the_clients_the_gateway_and_the_saving() -> None:
    rows = [*through_nat("a", S3, GB, 2 * GB, service="S3"), *through_nat("b", S3, 0, GB, service="S3")]
    (finding,) = gateway_endpoint_missing(flows(rows))
    assert finding.severity == "low"
    assert finding.title == "S3 goes through NAT gateway nat: a gateway endpoint saves about $131.40 a month"
    assert finding.subject == {
        "srcaddr": ["10.0.1.1", "10.0.2.1"],
        "interface_id": "eni-nat",
        "vpc_id": "vpc-1",
    }
    assert finding.first_seen == "2023-11-14T22:13:20Z"
    assert finding.count == 2


def test_gateway_endpoint_missing_finds_the_same_on_the_default_format() -> None:
    rows = [*through_nat("a", S3, GB, 2 * GB, service="S3"), *through_nat("b", S3, 0, GB, service="S3")]
    (rich,), (plain,) = gateway_endpoint_missing(flows(rows)), gateway_endpoint_missing(flows(default_format(rows)))
    assert plain.id == rich.id
    assert plain.subject == rich.subject
    assert plain.title == rich.title


def test_gateway_endpoint_missing_stays_quiet_below_the_least_saving_and_for_another_region() -> None:
    # 1 USD a month at 0.045 a GB and 730 hours: 30,441,401 bytes an hour are just over it, 30,441,400 just under.
    over = gateway_endpoint_missing(flows(through_nat("a", S3, 30_441_401, 0, service="S3")))
    under = gateway_endpoint_missing(flows(through_nat("a", S3, 30_441_400, 0, service="S3")))
    assert (len(over), len(under)) == (1, 0)
    assert gateway_endpoint_missing(flows(through_nat("a", OTHER_S3, 10 * GB, 0, service="S3"))) == []
    assert gateway_endpoint_missing(flows(through_nat("a", "8.8.8.8", 10 * GB, 0))) == []


def test_gateway_endpoint_missing_says_so_where_an_endpoint_exists_but_is_not_used() -> None:
    endpoint = {"vpc_endpoint_id": "vpce-1", "vpc_id": "vpc-1", "endpoint_type": "Gateway",
                "service_name": "com.amazonaws.us-east-1.s3"}  # fmt: skip
    (finding,) = gateway_endpoint_missing(flows(through_nat("a", S3, GB, 0, service="S3"), vpc_endpoints=[endpoint]))
    assert finding.next_step.startswith("The VPC has an endpoint for the service")


def test_gateway_endpoint_missing_is_less_sure_without_the_ranges() -> None:
    (bundled,) = gateway_endpoint_missing(flows(through_nat("a", S3, GB, 0, service="S3"), ranges=False))
    assert bundled.confidence == 0.85
    (untold,) = gateway_endpoint_missing(flows(through_nat("a", LOGS, GB, 0, service="DYNAMODB"), ranges=False))
    assert untold.confidence == 0.7
    assert "another region" in untold.could_also_be


def test_gateway_endpoint_missing_knows_s3_on_the_default_format_without_an_inventory() -> None:
    # Three peers and two ports, so that the gateway can be told by how it behaves.
    rows = [*through_nat("a", S3, GB, 0), *through_nat("b", "1.1.1.1", 500, 90), *through_nat("a2", "8.8.8.8", 700, 80)]
    found = gateway_endpoint_missing(flows_of(default_format(rows), **HOUR))
    assert [finding.subject["srcaddr"] for finding in found] == [["10.0.1.1"]]


def test_a_month_leaves_out_days_of_which_there_are_no_records() -> None:
    # Ten days asked for, records of one: 1 GB in a day is 730 / 24 GB in a month, at 0.045.
    rows = through_nat("a", S3, GB, 0, service="S3")
    ten_days = {"since": 1_699_920_000, "until": 1_700_784_000}
    table = endpoint_candidates(flows_of(rows, inventory=inventory(aws_ranges=RANGES), **ten_days)).table
    assert list(table["month_usd"]) == [Decimal("1.36875")]


def test_endpoint_candidates_of_no_records_are_empty_and_without_bytes_name_the_field() -> None:
    some = endpoint_candidates(flows(through_nat("a", S3, GB, 0, service="S3"))).table
    none = endpoint_candidates(flows_of([])).table
    assert none.empty
    assert list(none.columns) == list(some.columns)
    rows = [{k: v for k, v in row.items() if k != "bytes"} for row in through_nat("a", S3, 1, 1, service="S3")]
    assert endpoint_candidates(flows(rows)).missing == ("bytes",)
    assert gateway_endpoint_missing(flows(rows)) == []
