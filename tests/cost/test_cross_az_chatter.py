"""A pair that says too much across zones."""

from __future__ import annotations

from typing import Any

from flowkit.cost.cross_az_chatter import cross_az_chatter
from flowkit.finding import Finding
from tests.cost.rows import default_format, hop, inventory, through_nat
from tests.rows import flows_of

DAY = {"since": 1_700_000_000, "until": 1_700_086_400}
GB = 10**9


def found(rows: list[dict[str, Any]], **parameters: Any) -> list[Finding]:
    return cross_az_chatter(flows_of(rows, inventory=inventory(), **DAY), **parameters)


def test_cross_az_chatter_names_the_pair_and_the_month() -> None:
    rows = [*hop("a", "b", 90 * GB), *hop("b", "a", 10 * GB, srcport=443, dstport=40000), *hop("a2", "b", GB)]
    (finding,) = found(rows)
    # 100 GB a day, 2 x 0.01 each: 2 USD a day, 730 / 24 days a month.
    assert finding.title == "a and b pay about $60.83 a month for crossing zones"
    assert finding.severity == "low"
    assert finding.subject == {"srcaddr": "10.0.1.1", "dstaddr": "10.0.2.1", "dstport": 443, "protocol": 6}
    assert "100,000,000,000 bytes went between use1-az1 and use1-az2 in this period, 99 %" in finding.explanation


def test_cross_az_chatter_is_the_same_on_the_default_format() -> None:
    rows = hop("a", "b", 90 * GB)
    assert [f.id for f in found(default_format(rows))] == [f.id for f in found(rows)]


def test_cross_az_chatter_stays_quiet_below_its_thresholds() -> None:
    # 5 USD a month is 8.2191... GB a day.
    assert len(found(hop("a", "b", 8_219_178_083))) == 1
    assert found(hop("a", "b", 8_219_178_082)) == []
    # A pair that is under a tenth of what crosses is part of a design.
    assert [f.subject["srcaddr"] for f in found([*hop("a", "b", 9 * GB), *hop("a2", "b", 100 * GB)])] == ["10.0.1.2"]


def test_cross_az_chatter_is_medium_where_it_is_serious_for_a_day() -> None:
    assert found(hop("a", "b", 1_650 * GB))[0].severity == "medium"
    assert found(hop("a", "b", 90 * GB), serious_month_usd=50.0)[0].severity == "medium"


def test_cross_az_chatter_leaves_out_nat_gateways_and_what_is_free() -> None:
    assert found(through_nat("a", "8.8.8.8", 100 * GB, 0)) == []
    assert found(hop("lb", "b", 100 * GB)) == []


def test_cross_az_chatter_finds_nothing_in_no_records_and_without_zones() -> None:
    assert found([]) == []
    assert cross_az_chatter(flows_of(default_format(hop("a", "b", 90 * GB)), **DAY)) == []
