"""The ledger: what was read, object by object, and where every line of it went.

It balances to the line: `lines == headers + blank + records + nodata + skipdata + malformed + out_of_period`. A row of
a Parquet file counts as a line. `nodata` and `skipdata` lines are what the log says about its own gaps (`skipdata`
includes INCOMPLETEDATA). Blind spot: what AWS never delivered is not in any object.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from flowkit.errors import SourceError

__all__ = ["COUNTS", "STATUSES", "Ledger", "LedgerRow", "Part", "Sample"]

#: `read` whole; `empty`: no record in it; `foreign`: another kind of file; `unreadable`: damaged, or of unknown format;
#: `not_a_flow_log`: text, but nothing in it looks like a record.
STATUSES = ("read", "empty", "foreign", "unreadable", "not_a_flow_log")

#: The columns that add up. The first seven after `lines` are the parts of the balance.
COUNTS = (
    "lines",
    "headers",
    "blank",
    "records",
    "nodata",
    "skipdata",
    "malformed",
    "out_of_period",
    "repeats",
    "text_bytes",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One line that could not be read: its number (from 1), the reason, and its text, shortened."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """What became of one object.

    `envelope` is `text`, `gzip`, `parquet`, `firehose`, `subscription`, `filter_log_events`, `export` or `csv`.
    `provenance` says where the format came from: `header`, `parquet schema`, `explicit`, `flow log`, `default` or ''.
    `fields` are AWS's names in order; `unknown_fields` those of them that the field table lacks. `repeats` counts
    records that Firehose wrote twice (kept) and CloudWatch events that came twice (dropped before they count as lines).
    `text_bytes` is the uncompressed size of the log text, for Parquet an estimate of what the text would have been.
    `unreached`: its bytes could not all be had (denied, cut off, gone), so the next run tries it again.
    """

    object_id: int
    object: str
    status: str = "read"
    envelope: str = ""
    flow_log_id: str = ""
    account_id: str = ""
    region: str = ""
    provenance: str = ""
    fields: tuple[str, ...] = ()
    unknown_fields: tuple[str, ...] = ()
    lines: int = 0
    headers: int = 0
    blank: int = 0
    records: int = 0
    nodata: int = 0
    skipdata: int = 0
    malformed: int = 0
    out_of_period: int = 0
    repeats: int = 0
    text_bytes: int = 0
    samples: tuple[Sample, ...] = ()
    message: str = ""
    unreached: bool = False

    @property
    def balanced(self) -> bool:
        """Whether every line is accounted for."""
        parts: int = sum(getattr(self, name) for name in COUNTS[1:8])
        return self.lines == parts

    @property
    def problem(self) -> str:
        """One sentence on what is wrong with this object, with its first bad line; '' when nothing is."""
        if self.status == "unreadable":
            return f"{self.object} is unreadable: {self.message}"
        if self.malformed and self.status != "not_a_flow_log":
            first = f" Line {self.samples[0].line} {self.samples[0].reason}." if self.samples else ""
            lines = "line" if self.malformed == 1 else "lines"
            return f"{self.object} has {self.malformed} malformed {lines} of {self.lines}.{first}"
        return ""

    def as_dict(self) -> dict[str, Any]:
        """The row as plain JSON types, in the order of the columns."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        for name in ("fields", "unknown_fields"):
            plain[name] = list(plain[name])
        return {**plain, "samples": [asdict(sample) for sample in self.samples]}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> LedgerRow:
        """A row out of `as_dict`'s JSON. Unknown keys are ignored, so an older flowkit reads a newer store."""
        known = {f.name: plain[f.name] for f in fields(cls) if f.name in plain}
        for name in ("fields", "unknown_fields"):
            known[name] = tuple(known.get(name, ()))
        known["samples"] = tuple(
            Sample(int(one["line"]), str(one["reason"]), str(one["text"])) for one in known.get("samples", ())
        )
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Part:
    """The stated part of a source that was read: `fraction` was asked for, `objects` of its `of` objects were read."""

    fraction: float
    objects: int
    of: int

    def __str__(self) -> str:
        return f"Read {self.share} of the objects ({self.objects:,} of {self.of:,}): every total is of that part."

    @property
    def share(self) -> str:
        """The fraction as a percentage: `10 %`."""
        return f"{100 * self.fraction:g} %"

    def as_dict(self) -> dict[str, Any]:
        """The part as plain JSON types, with its sentence."""
        return {**asdict(self), "note": str(self)}


@dataclass(frozen=True, slots=True, repr=False)
class Ledger:
    """All objects that were looked at, in the order of their ids. `part` is set where only a part of a source was."""

    rows: tuple[LedgerRow, ...] = field(default=())
    part: Part | None = None

    @classmethod
    def of(cls, rows: Iterable[LedgerRow]) -> Ledger:
        """A ledger in the order of object ids, whatever order the objects were read in."""
        return cls(tuple(sorted(rows, key=lambda row: (row.object_id, row.object))))

    def __repr__(self) -> str:
        totals = self.totals
        text = f"{totals['objects']:,} objects, {totals['lines']:,} lines, {totals['records']:,} records"
        return f"<Ledger: {text}{f'. {self.part}' if self.part else ''}>"

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[LedgerRow]:
        return iter(self.rows)

    @property
    def totals(self) -> dict[str, int]:
        """The counting columns, summed, after the number of objects."""
        return {"objects": len(self.rows)} | {name: sum(getattr(row, name) for row in self.rows) for name in COUNTS}

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions that the objects or their records name, sorted."""
        return tuple(sorted({row.region for row in self.rows if row.region}))

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts that the objects, or the first record of each, name, sorted."""
        return tuple(sorted({row.account_id for row in self.rows if row.account_id}))

    @property
    def balanced(self) -> bool:
        """Whether every line of every object is accounted for."""
        return all(row.balanced for row in self.rows)

    def by_status(self) -> dict[str, int]:
        """How many objects ended in each status, in the order of STATUSES, those without any left out."""
        counted = {status: sum(row.status == status for row in self.rows) for status in STATUSES}
        return {status: count for status, count in counted.items() if count}

    def problems(self) -> tuple[str, ...]:
        """One sentence for each object that is damaged or has malformed lines."""
        return tuple(row.problem for row in self.rows if row.problem)

    def as_dicts(self) -> list[dict[str, Any]]:
        """One plain object per row, for JSON."""
        return [row.as_dict() for row in self.rows]

    def why_no_records(self) -> str:
        """Why there is not one record; '' when there is one. Zero records always name the reason."""
        totals = self.totals
        if totals["records"]:
            return ""
        if not self.rows:
            return "There was no object to read."
        broken = [row for row in self.rows if row.status == "unreadable"]
        if broken:
            more = f" {len(broken) - 1} more could not be read either." if len(broken) > 1 else ""
            return f"{broken[0].problem}{more}"
        if bad := self.problems():
            return bad[0]
        said = [
            (totals["out_of_period"], "outside the period"),
            (totals["nodata"], "NODATA"),
            (totals["skipdata"], "SKIPDATA"),
        ]
        parts = [f"{count} {what}" for count, what in said if count]
        if parts:
            return f"Of {totals['lines']} lines, {' and '.join(parts)}; none is a record."
        foreign = [row for row in self.rows if row.status in ("foreign", "not_a_flow_log")]
        if foreign:
            objects = "object" if len(self.rows) == 1 else "objects"
            return f"None of {len(self.rows)} {objects} is a flow log; {foreign[0].object}: {foreign[0].message}"
        return "All objects are empty."

    def check(self, *, strict: bool = False) -> None:
        """Raise SourceError where nothing could be read, or, if `strict`, where anything was damaged or malformed."""
        if strict:
            problems = self.problems()
            if problems:
                others = len(problems) - 1
                more = f" {others} more {'object has' if others == 1 else 'objects have'} problems." if others else ""
                raise SourceError(f"{problems[0]}{more} Read without strict to keep what is good.")
        readable = [row for row in self.rows if row.status in ("read", "empty") or row.records]
        if not readable:
            raise SourceError(self.why_no_records())
