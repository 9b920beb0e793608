"""How text travels: distinct values once each in memory, plain text for whoever reads the files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from flowkit.parse import read_object
from flowkit.store.columns import joined, parquet_writer, plain
from tests.reading import LINE, NODATA, V2, lines, object_of

OTHER = LINE.replace("10.0.0.1", "10.0.0.9")


def read(*texts: str) -> pa.Table:
    batches: list[pa.RecordBatch] = []
    read_object(object_of(lines(V2, *texts)), batches.append)
    return pa.Table.from_batches(batches)


def written(folder: Path, *tables: pa.Table) -> pq.ParquetFile:
    with parquet_writer(folder / "a.parquet", tables[0].schema) as writer:
        writer.write_table(joined(tables))
    return pq.ParquetFile(folder / "a.parquet")


def column(file: pq.ParquetFile, name: str) -> pq.ColumnChunkMetaData:
    return file.metadata.row_group(0).column(file.schema_arrow.names.index(name))


def test_a_batch_holds_each_distinct_text_once() -> None:
    addresses = read(LINE, OTHER, LINE, OTHER)["srcaddr"].chunk(0)
    assert addresses.dictionary.to_pylist() == ["10.0.0.1", "10.0.0.9"]
    assert addresses.indices.to_pylist() == [0, 1, 0, 1]


def test_two_spellings_of_an_address_become_one_value() -> None:
    long, short = LINE.replace("10.0.0.1", "2001:DB8:0::1"), LINE.replace("10.0.0.1", "2001:db8::1")
    table = read(long, LINE, short)
    assert table["srcaddr"].chunk(0).dictionary.to_pylist() == ["2001:db8::1", "10.0.0.1"]
    assert table["srcaddr"].to_pylist() == ["2001:db8::1", "10.0.0.1", "2001:db8::1"]
    assert table["src_key"].to_pylist() == [
        "20010db8000000000000000000000001",
        "00000000000000000000ffff0a000001",
        "20010db8000000000000000000000001",
    ]


def test_a_file_gives_back_plain_text_and_every_value(tmp_path: Path) -> None:
    first, second = read(LINE, OTHER), read(OTHER, LINE, LINE.replace("10.0.0.1", "-"))
    file = written(tmp_path, first, second)
    assert file.schema_arrow.field("srcaddr").type == pa.string()
    assert file.schema_arrow == plain(first.schema)
    assert file.read().to_pylist() == [*first.to_pylist(), *second.to_pylist()]


def test_tables_with_other_dictionaries_are_still_written_as_dictionaries(tmp_path: Path) -> None:
    file = written(tmp_path, read(LINE), read(OTHER, LINE))
    assert column(file, "srcaddr").has_dictionary_page
    assert not column(file, "bytes").has_dictionary_page


def test_numbers_keep_their_least_and_greatest_value_and_text_does_not(tmp_path: Path) -> None:
    file = written(tmp_path, read(LINE, LINE.replace("1700000000", "1699999940")))
    starts = column(file, "start_s").statistics
    assert (starts.min, starts.max) == (1699999940, 1700000000)
    assert column(file, "srcaddr").statistics is None


_INGEST = """
import sys
from pathlib import Path
from flowkit import store
from flowkit.sources import resolve
done = store.ingest(sys.argv[1], resolve(sys.argv[2]))
print(done.records, "pandas" in sys.modules)
"""


def test_reading_into_a_store_does_not_import_pandas(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    texts = lines(V2, LINE, OTHER.replace("10.0.0.2", "2001:DB8::1"), NODATA)
    for name in ("a", "b", "c"):
        (logs / f"123456789012_vpcflowlogs_us-east-1_fl-0{name}_20231114T2215Z_0a1b2c3d.log").write_text(texts)
    command = [sys.executable, "-c", _INGEST, str(tmp_path / "store"), str(logs)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "6 False\n"
