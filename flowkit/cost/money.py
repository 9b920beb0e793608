"""Bytes and hours into estimated dollars: the one place where an answer meets the price book.

SQL gives whole bytes per rate class; the money is Decimal. Rows of one item and region go through the tiers one after
another in the order of the table, so the rows add up to the price of their sum. A price that the book lacks leaves the
amount empty, never zero, and the answer says which price is missing and how to add it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flowkit.errors import PriceError
from flowkit.flows import Flows
from flowkit.prices import PriceBook
from flowkit.question import Answer
from flowkit.question import rows as rows_in

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["book_or_default", "month_factor", "priced", "region_of", "usd_of"]

_DAYS = "SELECT count(DISTINCT hour_s - hour_s % 86400) AS days FROM conversation_parts"

MONTH_S = 730 * 3600
"""A month as AWS's calculators count it: 730 hours."""


def book_or_default(book: PriceBook | str | None) -> PriceBook:
    """The given price book, or the bundled one with the price file at a path put over it; None and "" for none."""
    return book if isinstance(book, PriceBook) else PriceBook.load(book or "")


def region_of(flows: Flows, region: str) -> tuple[str, tuple[str, ...]]:
    """The region whose prices hold where a row does not say its own, and the caveat that goes with it."""
    if region:
        return region, ()
    if flows.region:
        return flows.region, ()
    return "us-east-1", ("Neither the records nor their file names say the region; the prices are those of us-east-1.",)


def month_factor(flows: Flows) -> Decimal:
    """How often what was logged fits into a month of 730 hours.

    Days of the period without any traffic in the logs do not count: nobody logged them. Under a day it says little
    about a month.
    """
    since, until = flows.period
    days = int(flows.ask(_DAYS).table["days"].iloc[0] or 0)
    return Decimal(MONTH_S) / max(min(until - since, days * 86_400), 1)


def usd_of(
    book: PriceBook, item: str, region: str, amount: int, used_gb: Decimal = Decimal(0)
) -> tuple[Decimal | None, str]:
    """What an amount costs (bytes, or hours where the item is priced by the hour), and what is missing if unknown."""
    try:
        if book.price(item, region).unit == "GB":
            return book.usd(item, region, amount, used_gb=used_gb), ""
        return book.price(item, region).usd * amount, ""
    except PriceError as error:
        return None, str(error)


def priced(
    answer: Answer, book: PriceBook, *, amount: str = "billed_bytes", used_gb: Mapping[str, Decimal] | None = None
) -> Answer:
    """The answer with `estimated_usd` and `price_status` beside `amount`, from the columns `item` and `region`.

    Those two go last. A row without an item is free: it costs Decimal 0 and has no status. `used_gb` is how much of
    this month's tiers is used up already, per item.
    """
    frame: pd.DataFrame = answer.table.copy()
    position: dict[tuple[str, str], Decimal] = {}
    costs: list[Decimal | None] = []
    statuses: list[str | None] = []
    missing: dict[str, None] = {}
    for row in rows_in(frame):
        usd, status, lacking = _row(row, book, amount, position, used_gb or {})
        costs.append(usd)
        statuses.append(status)
        missing.update(dict.fromkeys(lacking))
    place = list(frame.columns).index(amount) + 1
    frame.insert(place, "estimated_usd", _objects(frame, costs))
    frame.insert(place + 1, "price_status", _objects(frame, statuses))
    last = ["region", "item"]
    frame = frame[[column for column in frame.columns if column not in last] + last]
    said = tuple(f"No estimate: {text}" for text in missing)
    return replace(answer, _table=frame, caveats=(*answer.caveats, *said))


def _row(
    row: Mapping[str, Any],
    book: PriceBook,
    amount: str,
    position: dict[tuple[str, str], Decimal],
    used_gb: Mapping[str, Decimal],
) -> tuple[Decimal | None, str | None, tuple[str, ...]]:
    item, region, size = _word(row["item"]), _word(row["region"]), int(row[amount])
    if not item:
        return Decimal(0), None, ()
    start = position.get((item, region), Decimal(used_gb.get(item, 0)))
    usd, lacking = usd_of(book, item, region, size, start)
    if usd is None:
        return None, None, (lacking,)
    price = book.price(item, region, used_gb=start)
    if price.unit == "GB":
        position[item, region] = start + book.gb(size)
    return usd, price.status, ()


def _word(value: Any) -> str:
    """Text out of a cell; an absent one is empty."""
    return value if isinstance(value, str) else ""


def _objects(frame: pd.DataFrame, values: list[Any]) -> pd.Series:
    import pandas as pd

    return pd.Series(values, index=frame.index, dtype=object)
