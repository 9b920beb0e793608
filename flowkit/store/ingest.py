"""New objects into a store: each read whole, once, and committed together with the files that hold its records.

    uri and etag known               not read again
    uri known, etag another          read; its rows replace the old ones, in one transaction
    read before, now unreadable      named; what was read stays, and it is tried again
    known as unreadable              tried again; replaced if that gives anything else
    no etag (the source cannot say)  read each time, and replaced

Objects are read in the order of their arrival hours, in groups; each group is committed by itself, so that a run that
is killed keeps what it had committed, and the next run goes on there. Ids are given in that order, so it makes no
difference to the result. Blind spots: an object under another uri is another object, so the same logs named by two
paths count twice; an object changed in place with the same size and time stamp is not noticed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from flowkit.errors import SourceError
from flowkit.ledger import LedgerRow
from flowkit.sources import Object
from flowkit.sources.ahead import fetched_ahead
from flowkit.store.cleaning import staging, writer
from flowkit.store.compact import rewritten
from flowkit.store.entries import Known
from flowkit.store.manifest import Manifest
from flowkit.store.writing import HOUR_S, Parts, Staged, place

__all__ = ["GROUP_BYTES", "GROUP_OBJECTS", "Ingested", "ingest"]

#: A group of objects is committed when it has this many compressed bytes, or objects.
GROUP_BYTES = 256 * 1024 * 1024
GROUP_OBJECTS = 2000
#: What counts for an object whose size is not known.
_UNKNOWN_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Ingested:
    """What a run did: objects by what became of them, and the records that it added.

    `unreadable` of the objects named could not be read whole, now or before; `problems` says the first few.
    """

    objects: int = 0
    new: int = 0
    replaced: int = 0
    unchanged: int = 0
    unreadable: int = 0
    records: int = 0
    problems: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The counts as plain JSON types."""
        return {**asdict(self), "problems": list(self.problems)}

    def __str__(self) -> str:
        text = f"{self.objects:,} objects: {self.new:,} new, {self.replaced:,} replaced, {self.unchanged:,} unchanged"
        return f"{text}; {self.records:,} records read." + (
            f" {self.unreadable:,} could not be read whole and are tried again next time." if self.unreadable else ""
        )


def ingest(
    folder: str | Path,
    objects: Sequence[Object],
    *,
    log_format: str | Mapping[str, str] = "",
    described: Mapping[str, str] | None = None,
    tell: Callable[[int, int, int], None] | None = None,
    waiting: Callable[[], None] | None = None,
) -> Ingested:
    """Read what the store in `folder` does not know yet; make the store if there is none.

    `log_format`, `described`: as `flowkit.parse.read_object` takes them. `tell(done, of, records)` is called as objects
    are done, `waiting()` when another run holds the store. Raises StoreError; OSError when the disk fails or is full:
    what was committed stays, and the next run goes on from there.
    """
    if any(each.uri == "-" for each in objects):
        raise SourceError("Standard input has no name to know it by again. Write it to a file and ingest that.")
    store = Path(folder)
    reading = _Reading(log_format, described or {}, tell)
    with writer(store, create=True, waiting=waiting) as manifest:
        for group in _groups(objects):
            reading.group(manifest, group)
    return replace(reading.done, objects=len(objects), problems=tuple(reading.problems[:3]))


def _groups(objects: Sequence[Object]) -> Iterator[list[Object]]:
    """In the order of arrival hours, cut by size and number."""
    ordered = sorted(objects, key=lambda each: (_hour(each) is None, _hour(each) or 0, each.name, each.uri))
    group: list[Object] = []
    size = 0
    for each in ordered:
        group.append(each)
        size += each.size if each.size is not None else _UNKNOWN_BYTES
        if size >= GROUP_BYTES or len(group) >= GROUP_OBJECTS:
            yield group
            group, size = [], 0
    if group:
        yield group


def _hour(each: Object) -> int | None:
    slot_s = each.hints.slot_start_s if each.hints is not None else None
    return None if slot_s is None else slot_s // HOUR_S * HOUR_S


def _arrival(numbered: tuple[int, Object]) -> tuple[int | None, int]:
    """The same for objects of one hour; of those that do not say when they arrived, each has its own."""
    object_id, each = numbered
    hour_s = _hour(each)
    return (None, object_id) if hour_s is None else (hour_s, 0)


class _Reading:
    """One run: how lines are read, and what was done so far."""

    def __init__(
        self,
        log_format: str | Mapping[str, str],
        described: Mapping[str, str],
        tell: Callable[[int, int, int], None] | None,
    ) -> None:
        self._log_format, self._described = log_format, described
        self._tell = tell or (lambda *_: None)
        self.done = Ingested()
        self.problems: list[str] = []

    def group(self, manifest: Manifest, group: Sequence[Object]) -> None:
        """Read what is new of a group, and commit it."""
        known = manifest.known([each.uri for each in group])
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            kept = list(pool.map(lambda each: self._kept(each, known.get(each.uri)), group))
        for row in filter(None, kept):
            self._count(row, unchanged=1)
        wanted = [each for each, row in zip(group, kept, strict=True) if row is None]
        if wanted:
            with staging(manifest.folder) as folder:
                self._commit(manifest, folder, wanted, known)

    def _commit(self, manifest: Manifest, folder: Path, wanted: Sequence[Object], known: Mapping[str, Known]) -> None:
        first_object, first_file = manifest.next_ids()
        found, staged = self._read(wanted, folder, first_object)
        old = {known[one.uri].object_id for one in found if one.uri in known}
        touched = set(manifest.held_by(old))
        for file in manifest.files():
            if file.file_id in touched:
                staged += rewritten(manifest, file, folder, without=old)
        spans = _spans(staged)
        files = place(manifest.folder, staged, first_file)
        with manifest.writing():
            manifest.retire(touched)
            manifest.add_files(files)
            manifest.add_sources(_spanned(one, spans.get(one.object_id)) for one in found)
        for one in found:
            again = one.uri in known
            self._count(one.row, replaced=int(again), new=int(not again), records=one.row.records)

    def _read(self, wanted: Sequence[Object], folder: Path, first_id: int) -> tuple[list[Known], list[Staged]]:
        """Read objects into staged files, one thread a core, a stretch of objects each."""
        from flowkit.parse import read_together

        workers = max(1, min(os.cpu_count() or 1, len(wanted)))
        progress = [0, 0]

        bounds = [len(wanted) * worker // workers for worker in range(workers + 1)]
        stretches = [wanted[start:end] for start, end in pairwise(bounds)]

        def stretch(worker: int, taken: Iterator[tuple[int, Object]]) -> tuple[list[Known], list[Staged]]:
            found = []
            first = bounds[worker]
            numbered = ((first_id + first + at, each) for at, each in taken)
            with Parts(folder, f"{worker:02d}") as parts:
                for (hour_s, _), arrived in groupby(numbered, _arrival):
                    parts.begin(hour_s)
                    for row in read_together(
                        arrived, parts.add, log_format=self._log_format, described=self._described
                    ):
                        each = wanted[row.object_id - first_id]
                        state = "retry" if row.status == "unreadable" or row.unreached else "read"
                        found.append(Known(row.object_id, each.uri, each.etag, state, parts.hour_s, None, None, row))
                        progress[0] += 1
                        progress[1] += row.records
                        self._tell(progress[0], len(wanted), progress[1])
            return found, parts.staged

        with fetched_ahead(stretches) as taken, ThreadPoolExecutor(workers) as pool:
            results = list(pool.map(stretch, range(workers), taken))
        return [one for found, _ in results for one in found], [one for _, staged in results for one in staged]

    def _kept(self, each: Object, before: Known | None) -> LedgerRow | None:
        """What to say of an object that stays as it is known; None for one to read.

        What could not be read, or has changed, is looked at first without keeping its rows.
        """
        if before is None or (not each.etag and each.refused is None):
            return None
        same = bool(each.etag) and each.etag == before.etag
        if same and before.state != "retry":
            return before.row
        from flowkit.parse import read_object

        row = read_object(
            each, lambda _: None, log_format=self._log_format, described=self._described, object_id=before.object_id
        )
        if before.state == "retry":
            return row if row == before.row else None
        return row if row.status == "unreadable" or each.refused is not None else None

    def _count(self, row: LedgerRow, *, new: int = 0, replaced: int = 0, unchanged: int = 0, records: int = 0) -> None:
        unreadable = row.status == "unreadable"
        self.done = replace(
            self.done,
            new=self.done.new + new,
            replaced=self.done.replaced + replaced,
            unchanged=self.done.unchanged + unchanged,
            unreadable=self.done.unreadable + unreadable,
            records=self.done.records + records,
        )
        if unreadable:
            self.problems.append(row.problem)


def _spans(staged: Sequence[Staged]) -> dict[int, tuple[int, int]]:
    """The first and last start of each object's rows, where they have any."""
    found: dict[int, tuple[int, int]] = {}
    for one in staged:
        for object_id, (low, high) in one.spans.items():
            before = found.get(object_id, (low, high))
            found[object_id] = (min(low, before[0]), max(high, before[1]))
    return found


def _spanned(one: Known, span: tuple[int, int] | None) -> Known:
    return one if span is None else replace(one, min_start=span[0], max_start=span[1])
