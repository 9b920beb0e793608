"""What reading objects would mean: how much it is, how long it takes, what AWS bills for it.

Numbers only; `flowkit.show.estimate` puts them into words. Everything but the number of objects and the bytes that a
listing tells is an estimate: records and time from a look at three objects, a log group's size from what AWS says of
the whole group, money at list prices (flowkit.prices). Not counted: requests to decrypt (KMS), retries, tax, discounts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from flowkit.errors import PriceError
from flowkit.ledger import Part
from flowkit.parse import read_object
from flowkit.prices import Price, PriceBook
from flowkit.sources import Object
from flowkit.sources.cloudwatch.calls import START

__all__ = ["Estimate", "estimate", "size_of"]

#: How many objects are read to learn how many records a byte holds, and up to what size each.
_LOOKED_AT = 3
_LARGEST = 64 * 1024 * 1024

#: Records per second of one core, as measured on default-format logs; richer formats take two to three times as long.
_RECORDS_PER_S = 1_000_000

#: FilterLogEvents gives up to 1 MB of events per call. Source: CloudWatch Logs API Reference, FilterLogEvents.
_PAGE_BYTES = 1024 * 1024
#: Bytes of a record in the default format, as CloudWatch counts an event: the line and 26 bytes more.
_EVENT_BYTES = 140
#: How often Logs Insights scans a byte: a query that comes too full is cut and asked again (docs/sources.md).
_SCANNED_AGAIN = 2

#: Whose prices count where the price book lacks a region.
_FALLBACK = "us-east-1"

#: The price of each kind of request: item of the price book, and how many requests its unit is.
_REQUESTS = {"LIST": ("s3_put_1000", 1000), "GET": ("s3_get_1000", 1000)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What reading a source would mean.

    `objects` are all that the period needs, `bytes` what a listing says of their size (compressed), `unknown_sizes` how
    many it says nothing of; `estimated_bytes` counts those too where AWS tells how much a log group holds. What follows
    is for the `unread` of them alone, for the others are kept: `estimated_s`; `requests` by name; `estimated_usd` that
    AWS bills for them and for what Logs Insights scans; `estimated_transfer_usd` that it bills on top if the reader is
    not in AWS; `prices` are those used. `part`: what part of the source this is.
    """

    source: str
    objects: int
    bytes: int
    unknown_sizes: int
    estimated_bytes: int
    estimated_records: int
    unread: int
    estimated_s: float
    requests: Mapping[str, int]
    estimated_usd: Decimal
    estimated_transfer_usd: Decimal
    prices: tuple[Price, ...] = ()
    part: Part | None = None

    def as_dict(self) -> dict[str, Any]:
        """The estimate as plain JSON types; money in USD as text, so that no digit is lost."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        prices = [
            {"item": one.item, "region": one.region, "usd": str(one.usd), "unit": one.unit, "as_of": one.as_of,
             "status": one.status, "source": one.source}
            for one in self.prices
        ]  # fmt: skip
        return {
            **plain,
            "requests": dict(self.requests),
            "estimated_usd": _text(self.estimated_usd),
            "estimated_transfer_usd": _text(self.estimated_transfer_usd),
            "prices": prices,
            "part": self.part.as_dict() if self.part else None,
        }


def size_of(objects: Sequence[Object]) -> int:
    """Bytes of `objects`: compressed where a listing tells, of hours of a log group what an hour holds on average."""
    return sum(_hour_bytes(each) if each.size is None else each.size for each in objects)


def estimate(
    source: str,
    objects: Sequence[Object],
    *,
    unread: Sequence[Object] | None = None,
    asked: Mapping[str, int] | None = None,
    part: Part | None = None,
    prices: str = "",
) -> Estimate:
    """Estimate what reading `objects` means; three of those whose size is known are read for it.

    `source`: how it is called. `unread`: those that are not kept, if not all of them. `asked`: billed requests that
    finding them took. `part`: what part of the source they are. `prices`: a file over the price book.
    Raises PriceError.
    """
    costs = _Costs(objects, prices)
    left = objects if unread is None else unread
    sized = [each for each in objects if each.size is not None]
    size = sum(each.size or 0 for each in sized)
    whole = size_of(objects)
    records = round(size * _records_per_byte(sized)) + (whole - size) // _EVENT_BYTES
    requests = Counter(asked or {}) + _requests(left)
    money = sum((costs.requests(name, count) for name, count in requests.items()), Decimal(0))
    scanned = sum(_hour_bytes(each) for each in left if each.log_group and each.log_group.only_insights)
    money += costs.bytes("cloudwatch_insights_bytes", scanned * _SCANNED_AGAIN)
    share = size_of(left) / whole if whole else 0
    return Estimate(
        source=source,
        objects=len(objects),
        bytes=size,
        unknown_sizes=len(objects) - len(sized),
        estimated_bytes=whole,
        estimated_records=records,
        unread=len(left),
        estimated_s=records * share / _RECORDS_PER_S + requests["FilterLogEvents"] / START,
        requests={name: count for name, count in sorted(requests.items()) if count},
        estimated_usd=money,
        estimated_transfer_usd=costs.bytes("internet_egress_bytes", size_of(list(filter(_from_afar, left)))),
        prices=tuple(costs.used.values()),
        part=part,
    )


class _Costs:
    """What things cost in the region that most objects name, and which prices that took."""

    def __init__(self, objects: Sequence[Object], prices: str) -> None:
        self._book = PriceBook.load(prices)
        regions = Counter(each.hints.region for each in objects if each.hints is not None and each.hints.region)
        self._region = max(regions, key=lambda name: (regions[name], name)) if regions else _FALLBACK
        self.used: dict[str, Price] = {}

    def requests(self, name: str, count: int) -> Decimal:
        """So many requests of a kind; those that the table lacks are free."""
        if name not in _REQUESTS or not count:
            return Decimal(0)
        item, unit = _REQUESTS[name]
        return self._price(item).usd * count / unit

    def bytes(self, item: str, size: int) -> Decimal:
        """So many bytes, through the tiers of an item."""
        return self._book.usd(item, self._price(item).region, size) if size else Decimal(0)

    def _price(self, item: str) -> Price:
        if item not in self.used:
            try:
                self.used[item] = self._book.price(item, self._region)
            except PriceError:
                self.used[item] = self._book.price(item, _FALLBACK)
        return self.used[item]


def _requests(objects: Sequence[Object]) -> Counter[str]:
    """The requests that reading takes: one for each object in a bucket, pages for the hours of a log group."""
    found: Counter[str] = Counter()
    for each in filter(_from_afar, objects):
        if each.log_group is None:
            found["GET"] += 1
        else:
            name = "StartQuery" if each.log_group.only_insights else "FilterLogEvents"
            found[name] += max(1, -(-_hour_bytes(each) // _PAGE_BYTES))
    return found


def _from_afar(each: Object) -> bool:
    return each.refused is None and (each.remote or each.log_group is not None)


def _hour_bytes(each: Object) -> int:
    return each.log_group.hourly_bytes if each.log_group is not None and each.refused is None else 0


def _records_per_byte(objects: Sequence[Object]) -> float:
    """From objects at a quarter, half and three quarters of their order by size, weighed by size."""
    able = sorted((each for each in objects if 0 < (each.size or 0) <= _LARGEST), key=lambda each: each.size or 0)
    looked_at = [able[len(able) * (place + 1) // (_LOOKED_AT + 1)] for place in range(_LOOKED_AT)] if able else []
    rows = [read_object(each, lambda _: None) for each in looked_at]
    size = sum(each.size or 0 for each in looked_at)
    return sum(row.records for row in rows) / size if size else 0.0


def _text(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
