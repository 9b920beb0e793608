"""Retention: rows that start before a moment leave the store.

A file that is older as a whole is dropped; one that straddles the moment is written again without its older rows. The
objects stay known, so that the next ingest does not bring them back, and what they lost is counted beside the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from flowkit.store.cleaning import staging, writer
from flowkit.store.compact import rewritten
from flowkit.store.entries import File
from flowkit.store.manifest import Manifest
from flowkit.store.writing import HOUR_S, place

__all__ = ["prune"]


def prune(folder: str | Path, before_s: int, *, waiting: Callable[[], None] | None = None) -> int:
    """Drop rows whose start lies before `before_s` (epoch seconds), and say how many.

    A row without a start goes by the hour it arrived in. Readers that pinned older files keep them until they are done,
    so the disk may be given back up to two hours later. Raises StoreError.
    """
    dropped = 0
    with writer(Path(folder), waiting=waiting) as manifest:
        for file in manifest.files():
            if _too_old(file, before_s):
                dropped += _drop(manifest, file, before_s)
        _forget(manifest, before_s)
    return dropped


def _too_old(file: File, before_s: int) -> bool:
    if file.min_start is None:
        return file.last_hour_s + HOUR_S <= before_s
    return file.min_start < before_s


def _drop(manifest: Manifest, file: File, before_s: int) -> int:
    """One file without its older rows, in one transaction."""
    with staging(manifest.folder) as folder:
        whole = file.max_start is not None and file.max_start < before_s and file.last_hour_s + HOUR_S <= before_s
        staged = [] if whole else rewritten(manifest, file, folder, before_s=before_s)
        _, first_file = manifest.next_ids()
        lost = manifest.held(file.file_id)
        for one in staged:
            for object_id, counts in one.held.items():
                a, b, c = lost[object_id]
                lost[object_id] = (a - counts[0], b - counts[1], c - counts[2])
        lost = {object_id: counts for object_id, counts in lost.items() if any(counts)}
        if not lost:
            return 0
        files = place(manifest.folder, staged, first_file)
        with manifest.writing():
            manifest.retire([file.file_id])
            manifest.add_files(files)
            manifest.add_pruned(lost)
            manifest.mark_pruned(_empty(manifest, lost))
    return sum(sum(counts) for counts in lost.values())


def _empty(manifest: Manifest, object_ids: Iterable[int]) -> list[int]:
    return [object_id for object_id in object_ids if not manifest.held_by([object_id])]


def _forget(manifest: Manifest, before_s: int) -> None:
    """Objects that never had a row, and arrived before, leave the ledgers of reports too."""
    old = [
        one.object_id
        for one in manifest.sources()
        if one.state == "read" and one.min_start is None and one.hour_s is not None
        and one.hour_s + HOUR_S <= before_s and not manifest.held_by([one.object_id])
    ]  # fmt: skip
    if old:
        with manifest.writing():
            manifest.mark_pruned(old)
