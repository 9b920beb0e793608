"""What an earlier reading of the same objects has already: its rows and its lines of the ledger.

Where one object could not be reached, the reading serves its own run only. The next run takes over from it all objects
that were read, and reads the others. The objects stand in the same order in both, so their ids are the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flowkit.ledger import LedgerRow

if TYPE_CHECKING:
    from flowkit.sources import Object

__all__ = ["taken_over", "whole"]


def whole(before: Path, objects: Sequence[Object]) -> list[LedgerRow]:
    """The ledger rows of `objects` that an earlier reading of them in `before` has whole.

    An object without an etag cannot be known again.
    """
    known = {number for number, each in enumerate(objects, 1) if each.etag}
    return [row for row in _rows(before) if not row.unreached and row.object_id in known]


def taken_over(before: Path, folder: Path, objects: Sequence[Object]) -> list[LedgerRow]:
    """Bring the rows of what was read whole from `before` into `folder`; their ledger rows.

    Files are linked, unless they may hold rows of an object that is to be read again: then the others' are copied.
    """
    rows = whole(before, objects)
    good = {row.object_id for row in rows}
    mixed = any(row.records + row.nodata + row.skipdata for row in _rows(before) if row.object_id not in good)
    for number, path in enumerate(sorted(before.glob("part-*.parquet"))):
        target = folder / f"part-before-{number:03d}.parquet"
        if mixed:
            _copied(path, target, good)
        else:
            target.hardlink_to(path)
    return rows


def _rows(before: Path) -> list[LedgerRow]:
    return [LedgerRow.from_dict(row) for row in json.loads((before / "ledger.json").read_text(encoding="utf-8"))]


def _copied(path: Path, target: Path, good: set[int]) -> None:
    """The rows of some objects, a row group at a time; no file where there is none."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    wanted = pa.array(sorted(good), pa.int64())
    writer = None
    with pq.ParquetFile(path) as file:
        for at in range(file.num_row_groups):
            table = file.read_row_group(at)
            table = table.filter(pc.is_in(table["object_id"].cast(pa.int64()), wanted))
            if len(table):
                writer = writer or pq.ParquetWriter(target, table.schema, compression="zstd", compression_level=1)
                writer.write_table(table)
    if writer is not None:
        writer.close()
