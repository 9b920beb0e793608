"""Counting while one object is read, and the ledger row at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import pyarrow as pa

from flowkit.formats import KeyInfo, parse_format
from flowkit.ledger import LedgerRow, Sample
from flowkit.parse.convert import Kinds, Origin, finished
from flowkit.parse.layout import Layout, layout_of

__all__ = ["Sink", "Tally", "wanted_layout", "without_export_time"]

Sink = Callable[[pa.RecordBatch], Any]
_SAMPLES = 3
_SHOWN = 200


class Tally:
    """The counters of one object, and where its good rows go."""

    def __init__(self, name: str, object_id: int, hints: KeyInfo | None, sink: Sink) -> None:
        self.name = name
        self.object_id = object_id
        self.hints = hints or KeyInfo()
        self.known_key = hints is not None
        self.sink = sink
        self.envelope = ""
        self.account_id = self.hints.account_id
        self.region = self.hints.region
        self.layout: Layout | None = None
        self.provenance = ""
        self.unknown: dict[str, None] = {}
        self.lines = self.headers = self.blank = self.records = self.nodata = self.skipdata = 0
        self.malformed = self.repeats = self.text_bytes = 0
        self.samples: list[Sample] = []
        self.notes: list[str] = []
        self.unreached = False

    def use(self, layout: Layout, provenance: str) -> None:
        """From here on lines have this format. The first one is the one that the ledger names."""
        if self.layout is None:
            self.layout, self.provenance = layout, provenance
        elif layout is not self.layout and len(self.notes) < _SAMPLES:
            self.notes.append(f"From line {self.lines} on a header line gives another format.")
        self.unknown |= dict.fromkeys(layout.unknown)

    def bad(self, reason: str, text: str, *, line: int = 0) -> None:
        """Count a malformed line; the first few are kept to show. `line` is by default the last one counted."""
        self.malformed += 1
        if len(self.samples) < _SAMPLES:
            self.samples.append(Sample(line or self.lines, reason, _shown(text)))

    def good(self, arrays: Mapping[str, pa.Array], layout: Layout) -> bool:
        """Hand on whole columns if every value of them is good; False, and nothing done, otherwise."""
        count = len(next(iter(arrays.values())))
        batch = finished(arrays, layout, [Origin(self.object_id, self.hints.flow_log_id, count)])
        if batch is None:
            return False
        self.take(batch.kinds[0], batch.rows)
        self.sink(batch.rows)
        return True

    def take(self, kinds: Kinds, rows: pa.RecordBatch) -> None:
        """Count good rows, and learn from them whose they are."""
        self.records += kinds.records
        self.nodata += kinds.nodata
        self.skipdata += kinds.skipdata
        self.account_id = self.account_id or _first(rows, "account_id")
        self.region = self.region or _first(rows, "region")

    def how_to_pass_the_format(self) -> str:
        """What is wrong with an object whose format nobody states, and what to do."""
        first = self.samples[0]
        return (
            f"Line {first.line} {first.reason}. "
            "Pass log_format= with this log's fields in order, such as '${version} ${srcaddr} ${dstaddr}'."
        )

    def row(self, status: str, message: str = "") -> LedgerRow:
        """The ledger row."""
        return LedgerRow(
            object_id=self.object_id,
            object=self.name,
            status=status,
            envelope=self.envelope,
            flow_log_id=self.hints.flow_log_id,
            account_id=self.account_id,
            region=self.region,
            provenance=self.provenance,
            fields=self.layout.names if self.layout else (),
            unknown_fields=tuple(self.unknown),
            lines=self.lines,
            headers=self.headers,
            blank=self.blank,
            records=self.records,
            nodata=self.nodata,
            skipdata=self.skipdata,
            malformed=self.malformed,
            repeats=self.repeats,
            text_bytes=self.text_bytes,
            samples=tuple(self.samples),
            message=" ".join([message, *self.notes]).strip(),
            unreached=self.unreached,
        )


def wanted_layout(
    log_format: str | Mapping[str, str], described: Mapping[str, str], flow_log_id: str, log_group: str = ""
) -> tuple[Layout, str] | None:
    """The format that was given for these lines, and where from: by the user, or by what AWS says of the flow log.

    Either may map flow log ids or log groups to format strings; the key '' stands for objects that name neither.
    """
    named = [name for name in (flow_log_id, log_group) if name] or [""]
    for given, provenance in ((log_format, "explicit"), (described, "flow log")):
        texts = [given] if isinstance(given, str) else [given.get(name, "") for name in named]
        text = next(filter(None, texts), "")
        if text:
            return _stated(text), provenance
    return None


@lru_cache(maxsize=256)
def _stated(text: str) -> Layout:
    return layout_of(parse_format(text))


def without_export_time(given: tuple[Layout, str] | None) -> tuple[Layout, str] | None:
    """The same format without the time before each line of an export, for those who name it as if it were a field."""
    if given is None or "timestamp" not in given[0].names[0] or given[0].names[0] not in given[0].unknown:
        return given
    return layout_of(given[0].names[1:]), given[1]


def _first(rows: pa.RecordBatch, column: str) -> str:
    """The first value of a column that has one."""
    if column not in rows.schema.names:
        return ""
    values = rows.column(column)
    if values.null_count == len(values):
        return ""
    return str(values.drop_null()[0].as_py())


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
