"""How much there is to read, before it is read: objects, bytes, and an estimate of records and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from flowkit.show.format import shown
from flowkit.sources import resolve

__all__ = ["Plan", "plan"]

#: Bytes per record in the object, and records per second of one core, as measured on default-format logs: 22 bytes a
#: record gzipped, 113 as text; about a million records a second. Richer formats take two to three times both.
_GZIP_BYTES = 22
_TEXT_BYTES = 113
_RECORDS_PER_S = 1_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What reading a source would mean. `records` and `seconds` are estimates for the default format."""

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
        text = f"{self.source}: {self.objects:,} {objects}, {shown('size_bytes', self.bytes)}"
        if self.unknown_sizes:
            text += f" (the size of {self.unknown_sizes:,} is not known)"
        seconds = max(1, round(self.estimated_s))
        return f"{text}; about {self.estimated_records:,} records (estimated), {seconds:,} s to read."


def plan(source: str | Sequence[str]) -> Plan:
    """Count what a source names, without opening it. Raises SourceError where it names nothing."""
    found = resolve(source)
    sizes = [(each.name, each.size) for each in found]
    known = [(name, size) for name, size in sizes if size is not None]
    records = sum(size // (_GZIP_BYTES if name.endswith((".gz", ".parquet")) else _TEXT_BYTES) for name, size in known)
    return Plan(
        source=source if isinstance(source, str) else ", ".join(source),
        objects=len(found),
        bytes=sum(size for _, size in known),
        unknown_sizes=len(sizes) - len(known),
        estimated_records=records,
        estimated_s=records / _RECORDS_PER_S,
    )
