"""The price book: dated, sourced, overridable, and never silently zero."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from flowkit.errors import PriceError
from flowkit.prices import PriceBook


def written(tmp_path: Path, **content: Any) -> Path:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(content))
    return path


def test_a_price_has_amount_unit_date_source_and_status() -> None:
    price = PriceBook.load().price("nat_gateway_bytes", "ap-northeast-2")
    assert price.usd == Decimal("0.059")
    assert price.unit == "GB"
    assert price.as_of == "2026-08-01"
    assert price.status == "verified"
    assert price.source.startswith("A Korean cost checklist")
    assert price.usage_type == "NatGateway-Bytes"


def test_every_bundled_price_is_dated_sourced_and_has_a_known_status() -> None:
    book = PriceBook.load()
    rows = book.rows()
    assert len(rows) > 80
    for row in rows:
        assert row["usd"] >= 0
        assert isinstance(row["usd"], Decimal)
        assert row["status"] in ("verified", "secondary", "unverified")
        assert len(row["as_of"]) == 10
        assert row["source"] != "not stated"
    free = {row["item"] for row in rows if row["usd"] == 0}
    assert free == {"gateway_endpoint_bytes"}


def test_a_missing_price_is_an_error_that_names_it() -> None:
    book = PriceBook.load()
    with pytest.raises(PriceError) as caught:
        book.price("nat_gateway_bytes", "sa-east-1")
    assert str(caught.value) == (
        "the price book has no nat_gateway_bytes for region 'sa-east-1', only for ap-northeast-2, eu-west-1, "
        "us-east-1. Add it in a price file: "
        '{"items": {"nat_gateway_bytes": {"prices": {"sa-east-1": {"usd": "..."}}}}}.'
    )
    with pytest.raises(PriceError, match="the price book has no item 'nat_byte'"):
        book.price("nat_byte", "us-east-1")
    with pytest.raises(PriceError, match="no cross-AZ multiplier for 'ship'"):
        book.sides("ship")


def test_bytes_become_dollars_to_the_cent() -> None:
    book = PriceBook.load()
    # 1 TB through a NAT gateway in us-east-1: 1000 GB x 0.045.
    assert book.usd("nat_gateway_bytes", "us-east-1", 10**12) == Decimal("45.00")
    assert book.usd("nat_gateway_bytes", "us-east-1", 1) == Decimal("4.5E-11")


def test_tiers_are_walked_from_the_given_position() -> None:
    book = PriceBook.load()
    # 12,240 GB: 10,240 at 0.09 and 2,000 at 0.085.
    assert book.usd("internet_egress_bytes", "us-east-1", 12_240 * 10**9) == Decimal("1091.60")
    # The same 2,000 GB after 10,240 are used, and 2 GB across the border at 10,240.
    assert book.usd("internet_egress_bytes", "us-east-1", 2_000 * 10**9, used_gb=10_240) == Decimal("170.000")
    assert book.usd("internet_egress_bytes", "us-east-1", 2 * 10**9, used_gb=10_239) == Decimal("0.175")
    assert book.price("internet_egress_bytes", "us-east-1", used_gb=10_239).usd == Decimal("0.09")
    assert book.price("internet_egress_bytes", "us-east-1", used_gb=10_240).usd == Decimal("0.085")
    assert book.price("internet_egress_bytes", "us-east-1", used_gb=10**9).usd == Decimal("0.05")
    assert [tier.from_gb for tier in book.tiered("internet_egress_bytes", "us-east-1")] == [0, 10_240, 51_200, 153_600]


def test_a_gb_can_be_two_to_the_thirty() -> None:
    book = PriceBook.load(gb_bytes=2**30)
    assert book.usd("cross_az_bytes", "us-east-1", 2**30) == Decimal("0.01")
    assert PriceBook.load().gb_bytes == 10**9
    assert "not verified" in PriceBook.load().gb_note


def test_multipliers_say_how_many_sides_pay() -> None:
    book = PriceBook.load()
    assert {kind: book.sides(kind).sides for kind in book.kinds()} == {
        "ec2": 2,
        "elasticache": 1,
        "load_balancer": 0,
        "nat_gateway": 2,
        "network_load_balancer": 0,
        "peering": 2,
        "rds_replication": 0,
        "transit_gateway": 0,
        "vpc_endpoint": 0,
    }


def test_a_price_file_overrides_and_adds(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        as_of="2026-10-01",
        gb_bytes=2**30,
        items={
            "nat_gateway_bytes": {
                "prices": {"us-east-1": {"usd": 0.04}, "sa-east-1": {"usd": "0.093", "as_of": "2026-09-01"}}
            },
            "carrier_pigeon": {"unit": "flight", "prices": {"us-east-1": {"usd": 7}}},
        },
        cross_az_sides={"load_balancer": 2},
    )
    book = PriceBook.load(path)
    mine = book.price("nat_gateway_bytes", "us-east-1")
    assert (mine.usd, mine.as_of, mine.status, mine.source) == (Decimal("0.04"), "2026-10-01", "override", str(path))
    assert book.price("nat_gateway_bytes", "sa-east-1").as_of == "2026-09-01"
    assert book.price("nat_gateway_bytes", "eu-west-1").usd == Decimal("0.048")
    assert book.price("carrier_pigeon", "us-east-1").unit == "flight"
    assert book.gb_bytes == 2**30
    assert book.sides("load_balancer").sides == 2
    assert PriceBook.load().price("nat_gateway_bytes", "us-east-1").usd == Decimal("0.045")


def test_an_own_last_tier_with_an_end_is_not_free_beyond_it(tmp_path: Path) -> None:
    path = written(tmp_path, items={"x": {"prices": {"us-east-1": {"tiers": [{"up_to_gb": 10, "usd": "1"}]}}}})
    book = PriceBook.load(path)
    assert book.usd("x", "us-east-1", 10 * 10**9) == 10
    with pytest.raises(PriceError) as caught:
        book.usd("x", "us-east-1", 11 * 10**9)
    assert str(caught.value) == "the price book has no x in 'us-east-1' beyond 10 GB a month. Add a tier."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"prices": {}}, "{path} has 'prices'. A price file has as_of, gb_bytes, items and cross_az_sides."),
        (
            {"items": {"x": {"prices": {"us-east-1": {"usd": -1}}}}},
            '{path}: x in us-east-1: usd is -1, where an amount such as "0.045" is expected.',
        ),
        (
            {"items": {"x": {"prices": {"us-east-1": {"usd": "NaN"}}}}},
            "{path}: x in us-east-1: usd is 'NaN', where an amount such as \"0.045\" is expected.",
        ),
        ({"items": {"x": {"prices": {"us-east-1": {}}}}}, '{path}: x in us-east-1 needs either "usd" or "tiers".'),
        ({"items": {"x": {"prices": {"us-east-1": 3}}}}, "{path}: x in us-east-1 is 3, where an object is expected."),
        (
            {"items": {"x": {"prices": {"us-east-1": {"tiers": [{"usd": 1}, {"usd": 2}]}}}}},
            "{path}: x in us-east-1: only the last tier may leave out up_to_gb.",
        ),
        (
            {
                "items": {
                    "x": {"prices": {"us-east-1": {"tiers": [{"up_to_gb": 5, "usd": 1}, {"up_to_gb": 5, "usd": 2}]}}}
                }
            },
            "{path}: x in us-east-1: tiers must grow, but 5 follows 5.",
        ),
        ({"cross_az_sides": {"ec2": 3}}, "{path}: cross_az_sides.ec2 is 3. It can be 0, 1 or 2."),
        ({"gb_bytes": "1e9"}, "gb_bytes is '1e9', where a number of bytes such as 1000000000 is expected."),
    ],
)
def test_a_mistake_in_a_price_file_is_named(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    path = written(tmp_path, **content)
    with pytest.raises(PriceError) as caught:
        PriceBook.load(path)
    assert str(caught.value) == message.replace("{path}", str(path))


def test_a_price_file_that_is_not_there_or_not_json_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PriceError, match="cannot be read as a price file"):
        PriceBook.load(tmp_path / "none.json")
    path = tmp_path / "bad.json"
    path.write_text("{")
    with pytest.raises(PriceError, match="is not JSON"):
        PriceBook.load(path)


def test_the_price_file_of_the_docs_loads(tmp_path: Path) -> None:
    text = (Path(__file__).parent.parent / "docs" / "cost.md").read_text()
    path = tmp_path / "prices-of-ours.json"
    path.write_text(text.split("```json\n")[1].split("```")[0])
    book = PriceBook.load(path)
    assert book.price("nat_gateway_bytes", "us-east-1").source == "our contract"
    assert book.price("internet_egress_bytes", "us-east-1", used_gb=10_240).usd == Decimal("0.07")
    assert book.sides("network_load_balancer").sides == 2
