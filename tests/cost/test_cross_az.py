"""Rule 18: crossing zones is charged per side, and each byte counts once per side."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from flowkit.cost import cross_az, cross_az_pairs
from flowkit.errors import MissingField
from flowkit.flows import Flows
from flowkit.prices import PriceBook
from tests.cost.rows import default_format, hop, inventory, seen
from tests.rows import flow, flows_of

GB = 10**9


def billed(flows: Flows) -> dict[tuple[str, str, str], int]:
    """(side, payer's zone, kind) to billed bytes, for what is billed."""
    rows = cross_az(flows).table.to_dict("records")
    return {(row["side"], row["payer_az_id"], row["kind"]): row["billed_bytes"] for row in rows if row["billed_bytes"]}


def total(flows: Flows) -> Decimal:
    return sum(cross_az(flows).table["estimated_usd"], Decimal(0))


def test_cross_az_charges_the_sender_and_the_receiver_for_the_same_bytes() -> None:
    flows = flows_of(hop("a", "b", 100 * GB), inventory=inventory())
    assert billed(flows) == {("sender", "use1-az1", "ec2"): 100 * GB, ("receiver", "use1-az2", "ec2"): 100 * GB}
    # 100 GB x 0.01 at the sender and again at the receiver.
    assert total(flows) == Decimal("2.00")


@pytest.mark.parametrize("at", ["a", "b"])
def test_cross_az_imputes_the_side_that_is_not_logged(at: str) -> None:
    flows = flows_of(hop("a", "b", 100 * GB, at=at), inventory=inventory())
    assert sum(billed(flows).values()) == 200 * GB
    table = cross_az(flows).table.set_index("side")
    assert table.loc["receiver", "imputed_bytes"] == (100 * GB if at == "a" else 0)
    assert table.loc["sender", "imputed_bytes"] == (100 * GB if at == "b" else 0)


def test_cross_az_takes_the_side_with_most_bytes_and_never_mixes_the_two() -> None:
    # The sender lost its second window, the receiver has all: 700 + 300 at the receiver, not 700 + 300 + 700.
    rows = [
        *hop("a", "b", 700),
        *hop("a", "b", 300, at="b", start_s=1_700_000_060),
    ]
    assert billed(flows_of(rows, inventory=inventory())) == {
        ("sender", "use1-az1", "ec2"): 1000,
        ("receiver", "use1-az2", "ec2"): 1000,
    }


def test_cross_az_inside_one_zone_is_free() -> None:
    assert cross_az(flows_of(hop("a", "a2", GB), inventory=inventory())).table.empty


@pytest.mark.parametrize(
    ("src", "dst", "kind", "sides"),
    [
        ("lb", "b", "load_balancer", 0),
        ("b", "lb", "load_balancer", 0),
        ("a", "endpoint", "vpc_endpoint", 0),
        ("db1", "db", "rds_replication", 0),
        ("a", "db", "ec2", 2),
    ],
)
def test_cross_az_multiplies_by_the_kind_of_the_pair(src: str, dst: str, kind: str, sides: int) -> None:
    table = cross_az(flows_of(hop(src, dst, 1000), inventory=inventory())).table
    assert set(table["kind"]) == {kind}
    assert table["billed_bytes"].sum() == sides * 1000
    assert list(table["carried_bytes"]) == [1000] * max(sides, 1)


def test_cross_az_with_elasticache_only_the_other_side_pays() -> None:
    flows = flows_of([*hop("a", "cache", 1000), *hop("cache", "a", 5000)], inventory=inventory())
    assert billed(flows) == {
        ("sender", "use1-az1", "elasticache"): 1000,
        ("receiver", "use1-az1", "elasticache"): 5000,
    }


def test_cross_az_multipliers_are_the_price_books(tmp_path: Any) -> None:
    path = tmp_path / "prices.json"
    path.write_text('{"cross_az_sides": {"load_balancer": 2}}')
    flows = flows_of(hop("lb", "b", 1000), inventory=inventory())
    assert cross_az(flows, book=PriceBook.load(path)).table["billed_bytes"].sum() == 2000


def test_cross_az_between_peered_vpcs_is_charged_and_over_an_unknown_way_is_listed() -> None:
    rows = hop("a", "peer", 1000)
    peered = inventory(peerings=[{"peering_id": "pcx-1", "vpc_ids": ["vpc-1", "vpc-2"]}])
    assert billed(flows_of(rows, inventory=peered)) == {
        ("sender", "use1-az1", "peering"): 1000,
        ("receiver", "use1-az2", "peering"): 1000,
    }
    by_path = flows_of(hop("a", "peer", 1000, traffic_path=4), inventory=inventory())
    assert sum(billed(by_path).values()) == 2000
    unknown = cross_az(flows_of(rows, inventory=inventory())).table
    assert set(unknown["kind"]) == {"vpc_path_unknown"}
    assert unknown["billed_bytes"].sum() == 0


def test_cross_az_counts_the_inner_legs_between_a_client_and_its_nat_gateway() -> None:
    # Rule 19: at the client the peer looks public. 1,000 out and 5,000 back, each at the gateway's interface.
    from tests.cost.rows import through_nat

    flows = flows_of(through_nat("a", "8.8.8.8", 1000, 5000), inventory=inventory())
    assert billed(flows) == {
        ("sender", "use1-az1", "nat_gateway"): 1000,
        ("receiver", "use1-az2", "nat_gateway"): 1000,
        ("sender", "use1-az2", "nat_gateway"): 5000,
        ("receiver", "use1-az1", "nat_gateway"): 5000,
    }


def test_cross_az_does_not_charge_what_the_receiver_refused() -> None:
    rows = [*hop("a", "b", 1000, at="a"), *hop("a", "b", 1000, at="b", action="REJECT")]
    assert cross_az(flows_of(rows, inventory=inventory())).table.empty


def test_cross_az_lists_traffic_whose_zone_nobody_knows() -> None:
    rows = [seen("a", srcaddr="10.0.1.1", dstaddr="10.0.77.1", flow_direction="egress", bytes=900)]
    table = cross_az(flows_of(rows, inventory=inventory())).table
    assert list(table["kind"]) == ["zone_unknown"]
    assert list(table["carried_bytes"]) == [900]
    assert list(table["billed_bytes"]) == [0]


def test_cross_az_works_on_the_default_format_with_an_inventory() -> None:
    flows = flows_of(default_format([*hop("a", "b", 1000), *hop("b", "a", 10)]), inventory=inventory())
    assert sum(billed(flows).values()) == 2020


def test_cross_az_without_an_inventory_says_how_much_may_be_free() -> None:
    flows = flows_of([*hop("a", "b", 1000, instance_id="i-1"), *hop("lb", "b", 500)])
    table = cross_az(flows).table
    assert table["billed_bytes"].sum() == 3000
    assert table["uncertain_bytes"].sum() == 1000
    assert any("upper bound" in text for text in cross_az(flows).caveats)


def test_cross_az_of_no_records_is_an_empty_table_with_the_same_columns() -> None:
    some = cross_az(flows_of(hop("a", "b", 1), inventory=inventory())).table
    none = cross_az(flows_of([], inventory=inventory())).table
    assert none.empty
    assert list(none.columns) == list(some.columns)


def test_cross_az_without_zones_names_the_field() -> None:
    answer = cross_az(flows_of(default_format(hop("a", "b", 1000))))
    assert answer.missing == ("az_id",)
    with pytest.raises(MissingField) as caught:
        _ = answer.table
    assert str(caught.value) == (
        "cross_az needs az-id, which this log lacks. It was added in version 4: include ${az-id} in the log format."
    )


def test_cross_az_names_a_price_that_is_missing_and_gives_no_number() -> None:
    rows = [dict(row, region="sa-east-1") for row in hop("a", "b", 1000)]
    answer = cross_az(flows_of(rows, inventory=inventory(region="sa-east-1", vpcs=[])))
    assert list(answer.table["estimated_usd"]) == [None, None]
    assert any("no cross_az_bytes for region 'sa-east-1'" in text for text in answer.caveats)


def test_cross_az_pairs_add_up_and_put_the_rest_in_one_row() -> None:
    rows = [*hop("a", "b", 1000), *hop("b", "a", 200, srcport=443, dstport=40000), *hop("a2", "b", 50)]
    flows = flows_of(rows, inventory=inventory())
    table = cross_az_pairs(flows, top_n=1).table
    # a and b: 1,200 bytes carried, 2,400 billed. a2 and b: 50 and 100.
    assert list(table["src_name"]) == ["a", "all others"]
    assert list(table["carried_bytes"]) == [1200, 50]
    assert list(table["billed_bytes"]) == [2400, 100]
    assert table.loc[0, "dstport"] == 443
    assert table["billed_bytes"].sum() == cross_az(flows).table["billed_bytes"].sum()


def test_cross_az_pairs_leave_out_what_is_free_and_keep_their_columns_when_empty() -> None:
    free = cross_az_pairs(flows_of(hop("lb", "b", 10), inventory=inventory())).table
    none = cross_az_pairs(flows_of([], inventory=inventory())).table
    assert free.empty and none.empty
    assert list(free.columns) == list(none.columns)
    assert cross_az_pairs(flows_of([flow()])).missing == ("az_id",)
