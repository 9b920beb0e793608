"""What others do with the same files, each as a process of its own: `peer.py NAME FOLDER OUT.parquet`.

`polars`, `pyarrow` and `duckdb` do the bare conversion: every column by the name in the header, whole numbers as such,
`-` as absent, zstd level 1, one file, fsync. Nothing is checked, no address is keyed, no line is accounted for. One
format for all files is assumed. `flowlogs-reader` parses each line into its record object and writes nothing.
Prints how many rows there were.
"""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_INTEGERS = frozenset({"version", "srcport", "dstport", "protocol", "tcp-flags", "traffic-path"})
_LONG_INTEGERS = frozenset({"packets", "bytes", "start", "end"})


def types_of(header: list[str], text: Any, integer: Any, long_integer: Any) -> dict[str, Any]:
    """A type for each column, in the order of the header."""
    return {name: integer if name in _INTEGERS else long_integer if name in _LONG_INTEGERS else text for name in header}


def polars(files: list[str], header: list[str], out: str) -> int:
    import polars as pl

    kinds = types_of(header, pl.String, pl.Int32, pl.Int64)
    scan = pl.scan_csv(files, separator=" ", schema=kinds, null_values="-", quote_char=None)
    scan.sink_parquet(out, compression="zstd", compression_level=1)
    return rows_of(out)


def pyarrow(files: list[str], header: list[str], out: str) -> int:
    import pyarrow as pa
    import pyarrow.csv as pcsv
    import pyarrow.parquet as pq

    kinds = types_of(header, pa.string(), pa.int32(), pa.int64())
    writer = pq.ParquetWriter(out, pa.schema(list(kinds.items())), compression="zstd", compression_level=1)
    for file in files:
        with pa.input_stream(file, compression="gzip") as stream:
            reader = pcsv.open_csv(
                stream,
                parse_options=pcsv.ParseOptions(delimiter=" ", quote_char=False),
                convert_options=pcsv.ConvertOptions(column_types=kinds, null_values=["-"], strings_can_be_null=True),
            )
            for batch in reader:
                writer.write_batch(batch)
    writer.close()
    return rows_of(out)


def duckdb(files: list[str], header: list[str], out: str) -> int:
    import duckdb as db

    kinds = types_of(header, "VARCHAR", "INTEGER", "BIGINT")
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in kinds.items())
    connection = db.connect()
    connection.execute("SET enable_progress_bar = false")
    connection.execute(
        f"COPY (SELECT * FROM read_csv({files!r}, delim = ' ', header = true, nullstr = '-', quote = '', "
        f"columns = {{{columns}}})) TO '{out}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
    )
    return rows_of(out)


def flowlogs_reader(files: list[str], header: list[str], out: str) -> int:  # noqa: ARG001  # as the others
    from flowlogs_reader import S3FlowLogsReader

    class Client:
        def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: ARG002  # as boto3 names them
            return {"Body": Path(Key).open("rb"), "ContentLength": Path(Key).stat().st_size}

    class Reader(S3FlowLogsReader):
        def _get_all_keys(self) -> Iterator[str]:
            yield from files

    reader = Reader("bucket", boto_client=Client())
    return sum(1 for _ in reader) + reader.skipped_records


def rows_of(out: str) -> int:
    import pyarrow.parquet as pq

    handle = os.open(out, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
    return int(pq.ParquetFile(out).metadata.num_rows)


PEERS: dict[str, Callable[[list[str], list[str], str], int]] = {
    "polars": polars, "pyarrow": pyarrow, "duckdb": duckdb, "flowlogs-reader": flowlogs_reader,
}  # fmt: skip


def main(name: str, folder: str, out: str) -> None:
    files = sorted(str(path) for path in Path(folder).rglob("*.log.gz"))
    with gzip.open(files[0], "rt") as first:
        header = first.readline().split()
    print(PEERS[name](files, header, out))


if __name__ == "__main__":
    # This folder is no place to import from: the peers have the names of modules here.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]
    main(*sys.argv[1:])
