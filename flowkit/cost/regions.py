"""Which AWS service and region a public address belongs to, by the published ranges.

A record says the service of an address but not its region, and the price depends on the region. Only the ranges that
the logs touch are put into the query.
"""

from __future__ import annotations

from bisect import bisect_right

from flowkit.engines import bind
from flowkit.flows import Flows
from flowkit.reference import s3_ranges
from flowkit.tables.keys import cidr_range, disjoint

__all__ = ["ranges_known", "ranges_sql"]

_TOUCHED = """
SELECT DISTINCT addr_key FROM addresses WHERE scope IN ('public', 'aws') AND addr_key IS NOT NULL ORDER BY addr_key
"""


def ranges_sql(flows: Flows) -> str:
    """The CTE `aws_places(low_key, high_key, place_service, place_region)` (without WITH): disjoint.

    Without `aws_ranges` in the inventory only the bundled ranges of S3 are known, for the regions with bundled prices.
    """
    rows = _touched(flows)
    if not rows:
        empty = "CAST(NULL AS VARCHAR)"
        return (
            f"aws_places AS (SELECT {empty} AS low_key, {empty} AS high_key, {empty} AS place_service, "
            f"{empty} AS place_region WHERE 1 = 0)"
        )
    values = ", ".join(
        bind("($low, $high, $service, $region)", low=low, high=high, service=label[0], region=label[1])
        for low, high, label in rows
    )
    return (
        "aws_places AS (SELECT low_key, high_key, place_service, place_region "
        f"FROM (VALUES {values}) AS v(low_key, high_key, place_service, place_region))"
    )


def ranges_known(flows: Flows) -> bool:
    """Whether the inventory gives AWS's ranges, so that an address outside them is not AWS's."""
    return flows.inventory is not None and bool(flows.inventory.aws_ranges)


def _touched(flows: Flows) -> list[tuple[str, str, tuple[str, str]]]:
    pieces = disjoint((*cidr_range(cidr), f"{service}\t{region}") for cidr, service, region in _known(flows))
    lows = [low for low, _, _ in pieces]
    hit: dict[int, None] = {}
    for key in flows.ask(_TOUCHED).table["addr_key"]:
        place = bisect_right(lows, key) - 1
        if place >= 0 and key <= pieces[place][1]:
            hit[place] = None
    found = []
    for place in sorted(hit):
        low, high, label = pieces[place]
        service, _, region = label.partition("\t")
        found.append((low, high, (service, region)))
    return found


def _known(flows: Flows) -> tuple[tuple[str, str, str], ...]:
    """(CIDR, service, region): the inventory's ranges, else the few bundled ones."""
    given = flows.inventory.aws_ranges if flows.inventory else ()
    return tuple((row.cidr, row.service, row.region) for row in given) or s3_ranges()
