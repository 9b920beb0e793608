"""The whole estimate, by the usage types of the AWS bill, with the band it can be trusted in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from flowkit.cost.cross_az import cross_az
from flowkit.cost.fixed_hours import fixed_hours
from flowkit.cost.interface_endpoints import interface_endpoints
from flowkit.cost.internet_egress import internet_egress
from flowkit.cost.log_delivery import log_delivery
from flowkit.cost.money import book_or_default, usd_of
from flowkit.cost.nat_gateways import nat_gateways
from flowkit.cost.private_links import transit_gateway_bytes, vpn_egress
from flowkit.cost.regions import ranges_known
from flowkit.errors import PriceError
from flowkit.flows import Flows
from flowkit.prices import PriceBook
from flowkit.question import Answer, question
from flowkit.question import rows as rows_in

__all__ = ["bill_estimate", "estimated_total"]

_STATUSES = ("verified", "override", "secondary", "unverified")
"""From best to worst; a row says the worst of its prices."""


_COLUMNS = (
    "usage_type",
    "region",
    "unit",
    "low_quantity",
    "quantity",
    "high_quantity",
    "low_usd",
    "estimated_usd",
    "high_usd",
    "price_as_of",
    "price_status",
    "attributed_by",
)


@dataclass(frozen=True, slots=True)
class _Line:
    """One row of one question, as the bill sees it. Amounts are whole bytes or hours."""

    item: str
    region: str
    amount: int
    low: int
    high: int
    usd: Decimal | None
    how: str


@question(needs=("srcaddr", "dstaddr", "bytes"), sharper_with=("az_id", "pkt_dstaddr", "traffic_path", "inventory"))
def bill_estimate(
    flows: Flows, *, book: PriceBook | str | None = None, region: str = "", used_gb: Mapping[str, Decimal] | None = None
) -> Answer:
    """What would AWS bill for this network traffic, per usage type?

    `used_gb` is how much of this month's tiers is used already, per item. One row per usage type and region:
    `quantity` in `unit` (bytes or hours) with the band `low_quantity` to `high_quantity`, `estimated_usd` with its
    band, the price's date and the worst status among the prices used, and `attributed_by`. A row without a quantity
    could not be estimated from this log; `attributed_by` says what it takes. Each quantity is the sum of the question
    that `attributed_by` names.

    The band: without `az-id` and inventory zones are unknown; without an inventory load balancers look like EC2, NAT
    gateways are inferred, endpoints and hours unknown; without `pkt-*` what a NAT gateway got and did not pass on is
    doubtful; without service names or ranges all egress might be AWS's own. docs/cost.md has the table.

    Blind spots: what no record shows (load balancer capacity, VPN connection hours, requests). Source: the pages
    named in each question.
    """
    book = book_or_default(book)
    answers = {
        "nat_gateways": nat_gateways(flows, book=book, region=region),
        "cross_az": cross_az(flows, book=book, region=region),
        "internet_egress": internet_egress(flows, book=book, region=region, used_gb=used_gb),
        "interface_endpoints": interface_endpoints(flows, book=book, region=region),
        "vpn_egress": vpn_egress(flows, book=book, region=region),
        "transit_gateway_bytes": transit_gateway_bytes(flows, book=book, region=region),
        "log_delivery": log_delivery(flows, book=book, region=region, used_gb=used_gb),
        "fixed_hours": fixed_hours(flows, book=book, region=region),
    }
    lines = [line for name, answer in answers.items() for line in _lines(flows, name, answer)]
    caveats = dict.fromkeys(text for answer in answers.values() for text in answer.caveats)
    text = "\n;\n".join(f"-- {name}\n{answer.sql}" for name, answer in answers.items() if answer.sql)
    return Answer(text, caveats=tuple(caveats), records=flows.records, _table=_table(flows, lines, book))


def estimated_total(answer: Answer) -> Decimal:
    """The estimated dollars of all rows that have an estimate."""
    return sum((usd for usd in answer.table["estimated_usd"] if usd is not None), Decimal(0))


def _lines(flows: Flows, name: str, answer: Answer) -> Iterator[_Line]:
    if not answer.answerable:
        return
    for row in rows_in(answer.table):
        if not isinstance(row["item"], str):
            if name == "cross_az" and row["kind"] in ("zone_unknown", "vpc_path_unknown"):
                yield _Line("cross_az_bytes", row["region"], 0, 0, 2 * int(row["carried_bytes"]), Decimal(0), name)
            continue
        amount = int(row["billed_hours" if name == "fixed_hours" else "billed_bytes"])
        low = amount
        if name == "cross_az":
            low -= int(row["uncertain_bytes"])
        elif name == "nat_gateways" and row["role_source"] == "inferred":
            low = 0
        elif name == "nat_gateways" and row["attributed_by"] == "private addresses at the gateway":
            low -= min(amount, max(0, int(row["unforwarded_bytes"])))
        elif name == "internet_egress" and _doubtful(flows, row):
            low = 0
        yield _Line(row["item"], row["region"], amount, low, amount, row["estimated_usd"], name)


def _doubtful(flows: Flows, row: Mapping[str, Any]) -> bool:
    """Whether a row of egress may cost nothing: its path is assumed, or its peers may be AWS's own services."""
    named = flows.share("pkt_dst_aws_service") == 1.0
    unknown = row["destination"] == "internet" and not ranges_known(flows) and not named
    return row["path"] == "assumed" or unknown or row["destination"] == "aws_host_region_unknown"


def _table(flows: Flows, lines: list[_Line], book: PriceBook) -> Any:
    import pandas as pd

    groups: dict[tuple[str, str], list[_Line]] = {}
    for line in lines:
        groups.setdefault((book.usage_type(line.item), line.region), []).append(line)
    rows = [_row(usage, region, group, book) for (usage, region), group in groups.items()]
    rows += _missing(flows, {row["usage_type"] for row in rows})
    rows.sort(key=_place)
    words = ("usage_type", "region", "unit", "price_as_of", "price_status", "attributed_by")
    amounts = ("low_quantity", "quantity", "high_quantity")
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(
        {name: "string" if name in words else "Int64" if name in amounts else "object" for name in _COLUMNS}
    )


def _place(row: Mapping[str, Any]) -> tuple[Decimal, str, str]:
    """Dearest first, what has no estimate last."""
    usd = row["estimated_usd"]
    return (Decimal(1) if usd is None else -usd, row["usage_type"], row["region"] or "")


def _row(usage: str, region: str, group: list[_Line], book: PriceBook) -> dict[str, Any]:
    dates, statuses = [], []
    for line in group:
        try:
            price = book.price(line.item, region)
        except PriceError:
            continue
        dates.append(price.as_of)
        statuses.append(price.status)
    unit = "hours" if group[0].item.endswith("_hour") else "bytes"
    complete = all(line.usd is not None for line in group)
    return {
        "usage_type": usage,
        "region": region,
        "unit": unit,
        "low_quantity": sum(line.low for line in group),
        "quantity": sum(line.amount for line in group),
        "high_quantity": sum(line.high for line in group),
        "low_usd": _edge(group, region, book, "low") if complete else None,
        "estimated_usd": sum((line.usd or Decimal(0) for line in group), Decimal(0)) if complete else None,
        "high_usd": _edge(group, region, book, "high") if complete else None,
        "price_as_of": min(dates) if dates else None,
        "price_status": max(statuses, key=_STATUSES.index) if statuses else None,
        "attributed_by": ", ".join(sorted({line.how for line in group})),
    }


def _edge(group: list[_Line], region: str, book: PriceBook, edge: str) -> Decimal | None:
    """The dollars at one edge of the band: the estimate moved by the difference at the price of the first tier."""
    total = Decimal(0)
    for line in group:
        size = getattr(line, edge)
        if size == line.amount:
            total += line.usd or Decimal(0)
            continue
        usd, _ = usd_of(book, line.item, region, size)
        if usd is None:
            return None
        total += usd
    return total


def _missing(flows: Flows, there: set[str]) -> list[dict[str, Any]]:
    """Rows for what this log cannot tell, each with what it takes."""
    without = flows.inventory is None
    typed = flows.share("interface_type") > 0
    wanted = (
        ("DataTransfer-Regional-Bytes", "bytes", flows.share("az_id") == 0 and without, "needs az-id or an inventory"),
        ("VpcEndpoint-Bytes", "bytes", without and not typed, "needs interface-type or an inventory"),
        ("VpcEndpoint-Hours", "hours", without, "needs an inventory"),
        ("NatGateway-Hours", "hours", without, "needs an inventory"),
        ("PublicIPv4:InUseAddress", "hours", without, "needs an inventory"),
    )
    return [
        {
            "usage_type": usage,
            "region": None,
            "unit": unit,
            "low_usd": None,
            "estimated_usd": None,
            "high_usd": None,
            "attributed_by": why,
        }
        for usage, unit, lacking, why in wanted
        if lacking and usage not in there and flows.records
    ]
