"""Two hosts of different zones that say so much to one another that moving one would pay."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from flowkit.cost.cross_az import cross_az_pairs
from flowkit.cost.money import month_factor
from flowkit.finding import Finding, finding_id, iso, look_up
from flowkit.flows import Flows
from flowkit.prices import PriceBook
from flowkit.question import rows as rows_in

__all__ = ["cross_az_chatter"]

DAY_S = 86_400


def cross_az_chatter(
    flows: Flows,
    *,
    min_month_usd: float = 5.0,
    min_share: float = 0.1,
    serious_month_usd: float = 1000.0,
    book: PriceBook | str | None = None,
    region: str = "",
) -> list[Finding]:
    """A pair of hosts and a port whose crossing costs at least `min_month_usd` a month, both sides together.

    It must also be at least `min_share` (0 to 1) of all that crosses, so that it is a pair and not a design. From
    `serious_month_usd`, over a day or more, it is medium. Clients of NAT gateways are left out: the gateway would
    move.
    """
    # No more than 1 / min_share pairs can have that share. 15 is what the report asks for, and is asked only once.
    most = max(15, math.ceil(1 / min_share)) if min_share > 0 else 1000
    answer = cross_az_pairs(flows, top_n=most, book=book, region=region)
    if not answer.answerable or answer.table.empty:
        return []
    rows = rows_in(answer.table)
    whole = sum(int(row["billed_bytes"]) for row in rows)
    factor = month_factor(flows)
    found = []
    for row in rows:
        others = not isinstance(row["srcaddr"], str)
        if others or row["kind"] == "nat_gateway" or row["estimated_usd"] is None:
            continue
        month = row["estimated_usd"] * factor
        if month >= Decimal(str(min_month_usd)) and row["billed_bytes"] >= min_share * whole:
            found.append(_finding(flows, row, month, whole, Decimal(str(serious_month_usd))))
    return found


def _finding(flows: Flows, row: dict[str, Any], month: Decimal, whole: int, serious: Decimal) -> Finding:
    since, until = flows.period
    subject = {name: _plain(row[name]) for name in ("srcaddr", "dstaddr", "dstport", "protocol")}
    one, other = _called(row["src_name"], row["srcaddr"]), _called(row["dst_name"], row["dstaddr"])
    share = round(100 * int(row["billed_bytes"]) / whole)
    return Finding(
        id=finding_id("cross_az_chatter", subject),
        rule="cross_az_chatter",
        title=f"{one} and {other} pay about ${month.quantize(Decimal('0.01')):,} a month for crossing zones",
        severity="medium" if month >= serious and until - since >= DAY_S else "low",
        confidence=0.9 if flows.inventory else 0.7,
        subject=subject,
        first_seen=iso(row["first_s"]),
        last_seen=iso(row["last_s"]),
        count=1,
        explanation=(
            f"{int(row['carried_bytes']):,} bytes went between {row['src_az_id']} and {row['dst_az_id']} "
            f"in this period, {share} % of all that is charged for crossing zones. "
            "The sender and the receiver pay for each of them."
        ),
        could_also_be="A copy that has to be in another zone, or a burst that does not come back next month.",
        next_step="Move one of the two into the other's zone, or let each talk to a partner in its own zone. Where "
        f"they are: {_where(subject)}",
        evidence=[
            {
                "srcaddr": _plain(row["srcaddr"]),
                "dstaddr": _plain(row["dstaddr"]),
                "dstport": _plain(row["dstport"]),
                "src_az_id": row["src_az_id"],
                "dst_az_id": row["dst_az_id"],
                "carried_bytes": int(row["carried_bytes"]),
                "billed_bytes": int(row["billed_bytes"]),
            }
        ],
    )


def _where(subject: Mapping[str, Any]) -> str:
    show = "NetworkInterfaces[].[PrivateIpAddress,AvailabilityZone,NetworkInterfaceId,Description]"
    return look_up(subject["srcaddr"], subject["dstaddr"], show=show)


def _called(name: Any, address: Any) -> str:
    return name if isinstance(name, str) else str(address)


def _plain(value: Any) -> Any:
    """A cell as a plain JSON value."""
    if isinstance(value, str):
        return value
    return None if value != value or type(value).__name__ == "NAType" else int(value)
