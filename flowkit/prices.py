"""The price book: what a byte or an hour costs where, as of when, and who says so.

Prices are list prices in USD before tax and discount; the AWS bill is the authority. Each has a date, its sources and a
status: `verified` (agrees with a copy of AWS's price list, or with a bill), `secondary` (somebody else's
calculator or article), `unverified` (general knowledge, or inferred) or `override` (yours). Money is Decimal
everywhere. A price that the book lacks raises PriceError; it is never zero. docs/cost.md says how to
override or add prices.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from importlib import resources
from pathlib import Path
from typing import Any

from flowkit.errors import PriceError

__all__ = ["Multiplier", "Price", "PriceBook", "Tier"]

_STATUSES = ("verified", "secondary", "unverified", "override")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """One price in USD per `unit` (GB, hour, ...), with its date, sources (in words) and status."""

    item: str
    region: str
    usd: Decimal
    unit: str
    as_of: str
    source: str
    status: str
    usage_type: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A price that holds for the part of a month's amount from `from_gb` up to `up_to_gb` (None: without end)."""

    from_gb: Decimal
    up_to_gb: Decimal | None
    price: Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiplier:
    """How many sides of a transfer between availability zones pay, for one kind of pair: 0, 1 or 2."""

    kind: str
    sides: int
    status: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBook:
    """Prices by item and region. `gb_bytes` is how many bytes the meters call a GB: 10^9 or 2^30."""

    as_of: str
    note: str
    gb_bytes: int
    gb_note: str
    _items: Mapping[str, Mapping[str, Any]]
    _sources: Mapping[str, Mapping[str, str]]
    _sides: Mapping[str, Mapping[str, Any]]

    @classmethod
    def load(cls, path: str | Path = "", *, gb_bytes: int = 0) -> PriceBook:
        """The bundled book, with the prices of the file at `path` put over it.

        `gb_bytes` other than 0 decides how many bytes a GB has, whatever the files say.
        """
        text = resources.files("flowkit.reference").joinpath("prices.json").read_text(encoding="utf-8")
        book = _parsed(text, "the bundled price book")
        if path:
            try:
                own = Path(path).read_text(encoding="utf-8-sig")
            except (OSError, UnicodeDecodeError) as error:
                raise PriceError(f"{path} cannot be read as a price file: {error}.") from error
            _merge(book, _parsed(own, str(path)), str(path))
        size = gb_bytes or book["gb_bytes"]
        if isinstance(size, bool) or not isinstance(size, int) or size <= 0:
            raise PriceError(f"gb_bytes is {size!r}, where a number of bytes such as 1000000000 is expected.")
        return cls(
            as_of=book["as_of"],
            note=book["note"],
            gb_bytes=size,
            gb_note=book["gb_note"],
            _items=book["items"],
            _sources=book["sources"],
            _sides=book["cross_az_sides"],
        )

    @property
    def items(self) -> tuple[str, ...]:
        """The names of the items, sorted."""
        return tuple(sorted(self._items))

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions for which at least one price is known, sorted."""
        return tuple(sorted({region for item in self._items.values() for region in item["prices"]}))

    def usage_type(self, item: str) -> str:
        """What the AWS bill calls an item, without the region's prefix; empty where it is not billed."""
        return str(self._about(item).get("usage_type", ""))

    def tiered(self, item: str, region: str) -> tuple[Tier, ...]:
        """The tiers of an item, cheapest amount first. An item with one price has one tier without end."""
        about = self._about(item)
        if region not in about["prices"]:
            known = ", ".join(sorted(about["prices"])) or "no region"
            raise PriceError(
                f"the price book has no {item} for region {region!r}, only for {known}. "
                f'Add it in a price file: {{"items": {{"{item}": {{"prices": {{"{region}": {{"usd": "..."}}}}}}}}}}.'
            )
        entry = about["prices"][region]
        tiers: list[Tier] = []
        start = Decimal(0)
        for step in entry.get("tiers") or [{"up_to_gb": None, "usd": entry["usd"]}]:
            end = None if step.get("up_to_gb") is None else Decimal(str(step["up_to_gb"]))
            tiers.append(Tier(from_gb=start, up_to_gb=end, price=self._price(item, region, Decimal(str(step["usd"])))))
            start = end if end is not None else start
        return tuple(tiers)

    def price(self, item: str, region: str, *, used_gb: Decimal | int = 0) -> Price:
        """The price of the next GB or hour, after `used_gb` of this month's tiers are used up."""
        tiers = self.tiered(item, region)
        return next((t.price for t in tiers if t.up_to_gb is None or used_gb < t.up_to_gb), tiers[-1].price)

    def gb(self, size_bytes: int) -> Decimal:
        """Bytes as GB of this book's size, exact to the division's 28 digits."""
        return Decimal(int(size_bytes)) / self.gb_bytes

    def usd(self, item: str, region: str, size_bytes: int, *, used_gb: Decimal | int = 0) -> Decimal:
        """What `size_bytes` cost, through the tiers, after `used_gb` already used this month. Not rounded."""
        left, position, total = self.gb(size_bytes), Decimal(used_gb), Decimal(0)
        for tier in self.tiered(item, region):
            room = left if tier.up_to_gb is None else min(left, max(tier.up_to_gb - position, Decimal(0)))
            total += room * tier.price.usd
            left -= room
            position += room
        if left > 0:
            raise PriceError(f"the price book has no {item} in {region!r} beyond {position} GB a month. Add a tier.")
        return total

    def sides(self, kind: str) -> Multiplier:
        """How many sides pay for a transfer between zones, for a kind of pair such as `ec2` or `load_balancer`."""
        if kind not in self._sides:
            raise PriceError(
                f"the price book has no cross-AZ multiplier for {kind!r}. It has {', '.join(sorted(self._sides))}."
            )
        about = self._sides[kind]
        return Multiplier(kind=kind, sides=about["sides"], status=about["status"], note=about.get("note", ""))

    def kinds(self) -> tuple[str, ...]:
        """The kinds of pairs that `sides` knows, sorted."""
        return tuple(sorted(self._sides))

    def rows(self) -> list[dict[str, Any]]:
        """The whole book as rows, one per item, region and tier, sorted, for showing and exporting."""
        return [
            {
                "item": item,
                "title": self._items[item]["title"],
                "usage_type": tier.price.usage_type,
                "region": region,
                "from_gb": tier.from_gb,
                "up_to_gb": tier.up_to_gb,
                "usd": tier.price.usd,
                "unit": tier.price.unit,
                "as_of": tier.price.as_of,
                "status": tier.price.status,
                "source": tier.price.source,
                "note": tier.price.note,
            }
            for item in self.items
            for region in sorted(self._items[item]["prices"])
            for tier in self.tiered(item, region)
        ]

    def _about(self, item: str) -> Mapping[str, Any]:
        if item not in self._items:
            raise PriceError(f"the price book has no item {item!r}. It has {', '.join(self.items)}.")
        return self._items[item]

    def _price(self, item: str, region: str, usd: Decimal) -> Price:
        about, entry = self._items[item], self._items[item]["prices"][region]
        names = [self._sources.get(source, {}).get("title", source) for source in entry.get("sources", ())]
        return Price(
            item=item,
            region=region,
            usd=usd,
            unit=about["unit"],
            as_of=entry.get("as_of") or self.as_of,
            source="; ".join(names) or "not stated",
            status=entry["status"],
            usage_type=about.get("usage_type", ""),
            note=" ".join(text for text in (about.get("note", ""), entry.get("note", "")) if text),
        )


def _parsed(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise PriceError(f"{where} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise PriceError(f"{where} is not a price file: its outermost value is not an object.")
    return value


def _merge(book: dict[str, Any], own: Mapping[str, Any], where: str) -> None:
    """Put a user's file over the bundled book; each of its prices becomes an `override` that names the file."""
    unknown = sorted(set(own) - {"flowkit_prices", "as_of", "gb_bytes", "items", "cross_az_sides"})
    if unknown:
        raise PriceError(f"{where} has {unknown[0]!r}. A price file has as_of, gb_bytes, items and cross_az_sides.")
    if "gb_bytes" in own:
        book["gb_bytes"] = own["gb_bytes"]
        book["gb_note"] = f"Set in {where}."
    for name, about in _object(own.get("items", {}), f"{where}: items").items():
        given = _object(about, f"{where}: {name}")
        item = book["items"].setdefault(name, {"title": name, "usage_type": "", "unit": "GB", "prices": {}})
        item.update({key: str(given[key]) for key in ("title", "usage_type", "unit", "note") if key in given})
        for region, entry in _object(given.get("prices", {}), f"{where}: {name}.prices").items():
            at = f"{where}: {name} in {region}"
            fields = _object(entry, at)
            _check_price(fields, at)
            item["prices"][region] = {
                **{key: fields[key] for key in ("usd", "tiers") if key in fields},
                "as_of": str(fields.get("as_of") or own.get("as_of") or "not stated"),
                "status": "override",
                "sources": [str(fields.get("source") or where)],
                "note": str(fields.get("note", "")),
            }
    for kind, sides in _object(own.get("cross_az_sides", {}), f"{where}: cross_az_sides").items():
        value = sides.get("sides") if isinstance(sides, dict) else sides
        if isinstance(value, bool) or value not in (0, 1, 2):
            raise PriceError(f"{where}: cross_az_sides.{kind} is {value!r}. It can be 0, 1 or 2.")
        book["cross_az_sides"][kind] = {"sides": int(value), "status": "override", "note": f"Set in {where}."}


def _object(value: object, at: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise PriceError(f"{at} is {value!r}, where an object is expected.")
    return value


def _check_price(entry: Mapping[str, Any], at: str) -> None:
    if ("usd" in entry) == ("tiers" in entry):
        raise PriceError(f'{at} needs either "usd" or "tiers".')
    steps = entry["tiers"] if "tiers" in entry else [{"usd": entry["usd"]}]
    if not isinstance(steps, list) or not steps:
        raise PriceError(f"{at}: tiers is {steps!r}, where a list of tiers is expected.")
    below = Decimal(0)
    for index, step in enumerate(steps):
        _amount(_object(step, at).get("usd"), f"{at}: usd")
        if step.get("up_to_gb") is None:
            if index + 1 < len(steps):
                raise PriceError(f"{at}: only the last tier may leave out up_to_gb.")
            continue
        end = _amount(step["up_to_gb"], f"{at}: up_to_gb")
        if end <= below:
            raise PriceError(f"{at}: tiers must grow, but {end} follows {below}.")
        below = end


def _amount(value: object, at: str) -> Decimal:
    try:
        if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
            raise InvalidOperation
        amount = Decimal(value)
        if not amount.is_finite() or amount < 0:
            raise InvalidOperation
    except InvalidOperation:
        raise PriceError(f'{at} is {value!r}, where an amount such as "0.045" is expected.') from None
    return amount
