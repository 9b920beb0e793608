"""How records lie in a Parquet file. docs/decisions/columns.md has what was measured.

Text comes as dictionaries and is written as such, so no value is looked up twice; who reads the file sees plain text.
Numbers that hardly repeat are written plainly. Numbers keep the least and greatest value of each row group, by which
engines skip what they need not read; text does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ROWS_PER_GROUP", "joined", "parquet_writer", "plain"]

ROWS_PER_GROUP = 200_000

#: Numbers that take so many values that a dictionary of them costs more than it saves.
_VARIED = frozenset({"bytes", "packets", "srcport", "dstport", "start_s", "end_s"})
#: A dictionary of one row group may grow to this before its column is written plainly.
_DICTIONARY_BYTES = 16 * 1024 * 1024
#: Values that are handed to the encoder at once.
_BATCH = 16_384


def parquet_writer(path: Path, schema: pa.Schema) -> Any:
    """A writer of a file with the columns of `schema`; read again, its text is plain text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name in schema.names if name not in _VARIED],
        write_statistics=[field.name for field in schema if pa.types.is_integer(field.type)],
        dictionary_pagesize_limit=_DICTIONARY_BYTES,
        write_batch_size=_BATCH,
        store_schema=False,
    )


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables of one schema as one, whose text columns have one dictionary each: only so they are written as such."""
    import pyarrow as pa

    return pa.concat_tables(tables).unify_dictionaries()


def plain(schema: pa.Schema) -> pa.Schema:
    """The schema that the file has when it is read: text as text."""
    import pyarrow as pa

    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field for field in schema
    ]
    return pa.schema(fields)
