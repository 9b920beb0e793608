"""Rule 22: what leaves for public addresses, by its way and by what the address is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from flowkit.cost import internet_egress, internet_egress_by_workload
from flowkit.flows import Flows
from tests.cost.rows import HOSTS, default_format, hop, inventory, seen, through_nat
from tests.rows import flows_of

PEER = "8.8.8.8"
RANGES = [
    {"cidr": "52.216.0.0/15", "region": "us-east-1", "service": "S3"},
    {"cidr": "52.94.0.0/16", "region": "us-east-1", "service": "AMAZON"},
    {"cidr": "3.80.0.0/12", "region": "us-east-1", "service": "EC2"},
    {"cidr": "52.218.0.0/16", "region": "eu-west-1", "service": "S3"},
]


def leaving(peer: str, size: int, *, path: int | None = 8, at: str = "lb", **fields: Any) -> dict[str, Any]:
    """An egress record at an interface with a public path."""
    own = HOSTS[at][2]
    ends = {"srcaddr": own, "dstaddr": peer, "pkt_srcaddr": own, "pkt_dstaddr": peer, "srcport": 443, "dstport": 50000}
    return seen(at, **{**ends, "bytes": size, "flow_direction": "egress", "traffic_path": path, **fields})


def found(flows: Flows) -> dict[tuple[str, str], tuple[int, int]]:
    """(path, destination) to (carried, billed) bytes."""
    rows = internet_egress(flows).table.to_dict("records")
    return {(row["path"], row["destination"]): (row["carried_bytes"], row["billed_bytes"]) for row in rows}


def test_internet_egress_counts_what_leaves_directly_and_through_nat_once() -> None:
    rows = [leaving(PEER, 1000), *through_nat("a", PEER, 70, 9000)]
    assert found(flows_of(rows, inventory=inventory())) == {
        ("internet_gateway", "internet"): (1000, 1000),
        ("nat_gateway", "internet"): (70, 70),
    }


def test_internet_egress_walks_the_tiers_of_the_month() -> None:
    rows = [leaving(PEER, 10_240 * 10**9), leaving(PEER, 1_000 * 10**9, at="nat", path=8)]
    del rows[1]
    rows.append(leaving("1.1.1.1", 1_000 * 10**9))
    flows = flows_of(rows, inventory=inventory())
    # 10,240 GB at 0.09 and 1,000 GB at 0.085.
    assert list(internet_egress(flows).table["estimated_usd"]) == [Decimal("1006.60")]
    used = internet_egress(flows, used_gb={"internet_egress_bytes": Decimal(153_600)}).table
    # All of it in the last tier: 11,240 x 0.05.
    assert list(used["estimated_usd"]) == [Decimal("562.00")]


def test_internet_egress_is_free_for_aws_services_of_the_same_region_and_gateway_endpoints() -> None:
    rows = [
        leaving("52.216.0.9", 500),
        leaving("52.94.0.9", 30),
        leaving("52.216.0.10", 900, path=7, at="a"),
        leaving("52.216.0.11", 40, path=2, at="a2", pkt_dst_aws_service="S3"),
    ]
    assert found(flows_of(rows, inventory=inventory(aws_ranges=RANGES))) == {
        ("gateway_endpoint", "gateway_endpoint"): (940, 0),
        ("internet_gateway", "aws_service_same_region"): (530, 0),
    }


def test_internet_egress_prices_hosts_in_aws_and_other_regions_as_such() -> None:
    back = seen("lb", srcaddr="3.80.0.1", dstaddr="10.0.1.9", pkt_srcaddr="3.80.0.1", pkt_dstaddr="10.0.1.9",
                flow_direction="ingress", bytes=4 * 10**9)  # fmt: skip
    rows = [leaving("3.80.0.1", 10**9), back, leaving("52.218.0.1", 10**9)]
    table = internet_egress(flows_of(rows, inventory=inventory(aws_ranges=RANGES))).table.set_index("destination")
    # Same region: 0.01 for 1 GB sent and for 4 GB received. Another region: 0.02 for 1 GB.
    assert table.loc["aws_host_same_region", "estimated_usd"] == Decimal("0.05")
    assert table.loc["aws_other_region", "estimated_usd"] == Decimal("0.02")


def test_internet_egress_to_an_own_public_address_pays_both_sides_and_not_the_internet() -> None:
    table = internet_egress(flows_of([leaving("52.0.0.9", 1000)], inventory=inventory())).table
    assert list(table["destination"]) == ["own_public_address"]
    assert list(table["item"]) == ["cross_az_bytes"]
    assert list(table["billed_bytes"]) == [2000]


def test_internet_egress_leaves_out_what_stays_inside_or_takes_another_way() -> None:
    rows = [*hop("a", "b", 1000), leaving("192.168.7.7", 5, path=3, at="a"), leaving(PEER, 9, path=4, at="a"),
            leaving(PEER, 8, action="REJECT")]  # fmt: skip
    assert internet_egress(flows_of(rows, inventory=inventory())).table.empty


def test_internet_egress_on_the_default_format_takes_public_paths_from_the_inventory() -> None:
    # a has no public address: its record of the same bytes is the client side of the NAT gateway.
    rows = default_format([leaving(PEER, 1000), *through_nat("a", PEER, 70, 9000)])
    assert found(flows_of(rows, inventory=inventory(aws_ranges=RANGES))) == {
        ("internet_gateway", "internet"): (1000, 1000),
        ("nat_gateway", "internet"): (70, 70),
    }


def test_internet_egress_without_an_inventory_says_that_the_path_is_assumed() -> None:
    answer = internet_egress(flows_of(default_format([leaving(PEER, 1000), leaving("1.1.1.1", 10)])))
    assert list(answer.table["path"]) == ["assumed"]
    assert any("upper bound" in text for text in answer.caveats)
    assert any("lack traffic-path" in text for text in answer.caveats)


def test_internet_egress_of_no_records_is_empty_with_the_same_columns() -> None:
    some, none = internet_egress(flows_of([leaving(PEER, 1)])).table, internet_egress(flows_of([])).table
    assert none.empty
    assert list(none.columns) == list(some.columns)


@pytest.mark.parametrize("ask", [internet_egress, internet_egress_by_workload])
def test_internet_egress_without_addresses_names_the_field(ask: Any) -> None:
    rows = [{name: value for name, value in leaving(PEER, 1).items() if name != "dstaddr"}]
    rows[0]["dst_key"] = None
    assert ask(flows_of(rows, inventory=inventory())).missing == ("dstaddr",)


def test_internet_egress_by_workload_names_clients_behind_the_gateway_and_adds_up() -> None:
    rows = [leaving(PEER, 1000), *through_nat("a", PEER, 70, 9000), *through_nat("a2", PEER, 5, 1)]
    flows = flows_of(rows, inventory=inventory())
    table = internet_egress_by_workload(flows).table
    assert list(zip(table["workload"], table["path"], table["billed_bytes"], strict=True)) == [
        ("lb", "internet_gateway", 1000),
        ("a", "nat_gateway", 70),
        ("a2", "nat_gateway", 5),
    ]
    short = internet_egress_by_workload(flows, top_n=1).table
    assert list(short["workload"]) == ["lb", "all others"]
    assert short["billed_bytes"].sum() == internet_egress(flows).table["billed_bytes"].sum() == 1075


def test_internet_egress_by_workload_without_packet_addresses_names_the_gateway() -> None:
    flows = flows_of(default_format(through_nat("a", PEER, 70, 9000)), inventory=inventory())
    assert list(internet_egress_by_workload(flows).table["workload"]) == ["nat"]
    assert internet_egress_by_workload(flows_of([])).table.empty
