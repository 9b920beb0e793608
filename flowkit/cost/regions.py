"""Which AWS service and region a public address belongs to, by the published ranges of the inventory.

A record says the service of an address but not its region, and the price depends on the region. Only the ranges that
the logs touch are put into the query.
"""

from __future__ import annotations

from bisect import bisect_right

from flowkit.engines import bind
from flowkit.flows import Flows
from flowkit.tables.keys import cidr_range, disjoint

__all__ = ["ranges_sql"]

_TOUCHED = """
SELECT DISTINCT addr_key FROM addresses WHERE scope IN ('public', 'aws') AND addr_key IS NOT NULL ORDER BY addr_key
"""


def ranges_sql(flows: Flows) -> str:
    """The CTE `aws_places(low_key, high_key, place_service, place_region)` (without WITH): disjoint.

    It has no rows without an inventory that lists `aws_ranges`.
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


def _touched(flows: Flows) -> list[tuple[str, str, tuple[str, str]]]:
    if flows.inventory is None or not flows.inventory.aws_ranges:
        return []
    labelled = [(*cidr_range(row.cidr), f"{row.service}\t{row.region}") for row in flows.inventory.aws_ranges]
    pieces = disjoint(labelled)
    lows = [low for low, _, _ in pieces]
    hit: dict[int, None] = {}
    for key in flows.arrow(_TOUCHED).column(0).to_pylist():
        place = bisect_right(lows, key) - 1
        if place >= 0 and key <= pieces[place][1]:
            hit[place] = None
    found = []
    for place in sorted(hit):
        low, high, label = pieces[place]
        service, _, region = label.partition("\t")
        found.append((low, high, (service, region)))
    return found
