"""How much there is to read, before it is read: objects, bytes, and an estimate of records and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from flowkit.opening import objects_of, period_of
from flowkit.parse import read_object
from flowkit.show.format import shown
from flowkit.sources import Object, without_options

__all__ = ["Plan", "plan"]

#: How many objects are read to learn how many records a byte holds, and up to what size each.
_LOOKED_AT = 3
_LARGEST = 64 * 1024 * 1024

#: Records per second of one core, as measured on default-format logs; richer formats take two to three times as long.
_RECORDS_PER_S = 1_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What reading a source would mean. `estimated_records` and `estimated_s` come from a look at three objects."""

    source: str
    objects: int
    bytes: int
    unknown_sizes: int
    estimated_records: int
    estimated_s: float

    def as_dict(self) -> dict[str, Any]:
        """The plan as plain JSON types."""
        return asdict(self)

    def __str__(self) -> str:
        objects = "object" if self.objects == 1 else "objects"
        if self.unknown_sizes == self.objects:
            return f"{self.source}: {self.objects:,} {objects}; how much they hold is not known before they are read."
        text = f"{self.source}: {self.objects:,} {objects}, {shown('size_bytes', self.bytes)}"
        if self.unknown_sizes:
            text += f" (the size of {self.unknown_sizes:,} is not known)"
        seconds = max(1, round(self.estimated_s))
        return f"{text}; about {self.estimated_records:,} records (estimated), {seconds:,} s to read."


def plan(source: str | Sequence[str], *, since: str | int = "", until: str | int = "") -> Plan:
    """Count what a source names, and estimate the records in it from three of its objects.

    `since` and `until` as in `flowkit.open`: of a remote source, only the objects of this period count, by default
    those of its last full day. Raises SourceError where it names nothing.
    """
    since_s, until_s, _ = period_of(source, since, until)
    found = objects_of(source, since_s=since_s, until_s=until_s)
    known = [each for each in found if each.size is not None]
    size = sum(each.size or 0 for each in known)
    records = round(size * _records_per_byte(known))
    return Plan(
        source=", ".join(without_options(one) for one in ([source] if isinstance(source, str) else source)),
        objects=len(found),
        bytes=size,
        unknown_sizes=len(found) - len(known),
        estimated_records=records,
        estimated_s=records / _RECORDS_PER_S,
    )


def _records_per_byte(objects: Sequence[Object]) -> float:
    """From objects at a quarter, half and three quarters of their order by size, weighed by size."""
    able = sorted((each for each in objects if 0 < (each.size or 0) <= _LARGEST), key=lambda each: each.size or 0)
    looked_at = [able[len(able) * (place + 1) // (_LOOKED_AT + 1)] for place in range(_LOOKED_AT)] if able else []
    rows = [read_object(each, lambda _: None) for each in looked_at]
    size = sum(each.size or 0 for each in looked_at)
    return sum(row.records for row in rows) / size if size else 0.0
