"""Small objects read as one block: the same rows, in the same order, and the same ledger as each by itself."""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from itertools import product
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flowkit.ledger import LedgerRow
from flowkit.parse import read_object, read_together, together
from flowkit.sources import Object
from tests.reading import LINE, NODATA, SKIPDATA, V2, lines, object_of

KEY = "123456789012_vpcflowlogs_us-east-1_fl-0{}_20231114T2215Z_0a1b2c3d.log.gz"
OTHER = LINE.replace("10.0.0.1", "2001:DB8:0::1")
SHORT = "srcaddr dstaddr bytes"


def parquet_file() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"srcaddr": ["10.0.0.7"], "bytes": pa.array([5], pa.int64())}), out)
    return out.getvalue()


#: What an object may hold: good, odd, damaged and nothing.
CONTENTS: dict[str, bytes] = {
    "one line": lines(V2, LINE).encode(),
    "three lines": lines(V2, OTHER, LINE, OTHER).encode(),
    "no newline at its end": lines(V2, LINE, OTHER).encode()[:-1],
    "no traffic": lines(V2, NODATA, LINE, SKIPDATA, NODATA).encode(),
    "only a header": lines(V2).encode(),
    "a header without a newline": V2.encode(),
    "other fields": lines(SHORT, "10.0.0.1 10.0.0.2 7", "- - -").encode(),
    "a header halfway": lines(V2, LINE, SHORT, "10.0.0.3 10.0.0.4 8").encode(),
    "its header twice": lines(V2, LINE, V2, LINE).encode(),
    "a bad line": lines(V2, LINE, "bogus", OTHER).encode(),
    "a port too large": lines(V2, LINE, LINE.replace(" 443 ", " 70000 ")).encode(),
    "no header": lines(LINE, OTHER).encode(),
    "blank lines": lines(V2, "", LINE, "").encode(),
    "carriage returns": lines(V2, LINE, OTHER).replace("\n", "\r\n").encode(),
    "a carriage return at its end": lines(V2, LINE).encode() + OTHER.encode() + b"\r",
    "a byte order mark": b"\xef\xbb\xbf" + lines(V2, LINE).encode(),
    "UTF-16": lines(V2, LINE).encode("utf-16"),
    "a header of two spaces": lines(V2.replace(" ", "  "), LINE).encode(),
    "tabs": lines(V2, LINE.replace(" ", "\t")).encode(),
    "a zero byte": lines(V2, LINE.replace("eni-1", "eni\0")).encode(),
    "gzip": gzip.compress(lines(V2, OTHER, LINE).encode()),
    "gzip cut off": gzip.compress(lines(V2, *[LINE] * 9).encode())[:-6],
    "damaged gzip": b"\x1f\x8b\x08\x00" + b"\xff" * 40,
    "a document": b'{"logGroup": "g", "logEvents": [{"message": "%s"}]}' % LINE.encode(),
    "Parquet": parquet_file(),
    "a log of something else": b"Started the server\nStopped the server\n",
    "binary data": bytes(range(32)) * 9,
    "nothing": b"",
}


def objects_of(names: Sequence[str], keyed: Sequence[bool] | None = None) -> list[tuple[int, Object]]:
    """Objects with these contents, numbered from 5 on; those `keyed` bear AWS's names, each of its own flow log."""
    keyed = keyed or [False] * len(names)
    return [
        (number, object_of(CONTENTS[name], KEY.format(number) if named else f"{number}.log"))
        for number, (name, named) in enumerate(zip(names, keyed, strict=True), 5)
    ]


def rows_of(batches: list[pa.RecordBatch]) -> list[dict[str, Any]]:
    return [row for batch in batches for row in batch.to_pylist()]


def alone(objects: list[tuple[int, Object]], log_format: str = "") -> tuple[list[dict[str, Any]], list[LedgerRow]]:
    batches: list[pa.RecordBatch] = []
    rows = [read_object(each, batches.append, log_format=log_format, object_id=number) for number, each in objects]
    return rows_of(batches), rows


def in_company(objects: list[tuple[int, Object]], log_format: str = "") -> tuple[list[dict[str, Any]], list[LedgerRow]]:
    batches: list[pa.RecordBatch] = []
    rows = list(read_together(objects, batches.append, log_format=log_format))
    return rows_of(batches), rows


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(sorted(CONTENTS)), st.booleans()), max_size=7),
    st.sampled_from(["", V2, SHORT]),
    st.sampled_from([1, 300, 1000, 4 * 1024 * 1024]),
)
@example([(name, True) for name in CONTENTS], "", 4 * 1024 * 1024)
def test_objects_in_company_are_read_as_each_alone(
    monkeypatch: pytest.MonkeyPatch, chosen: list[tuple[str, bool]], log_format: str, block: int
) -> None:
    monkeypatch.setattr(together, "BLOCK", block)
    monkeypatch.setattr(together, "_SMALL", block)
    objects = objects_of([name for name, _ in chosen], [keyed for _, keyed in chosen])
    assert in_company(objects, log_format) == alone(objects, log_format)


@pytest.mark.parametrize(("first", "second"), list(product(CONTENTS, ["one line", "three lines"])))
def test_any_object_before_and_behind_a_good_one(first: str, second: str) -> None:
    objects = objects_of([second, first, second])
    assert in_company(objects) == alone(objects)


def test_good_objects_of_one_format_come_as_one_batch() -> None:
    batches: list[pa.RecordBatch] = []
    names = ["three lines", "gzip", "no newline at its end", "only a header", "carriage returns", "no traffic"]
    rows = list(read_together(objects_of(names, [True] * 6), batches.append))
    assert len(batches) == 1
    assert batches[0]["object_id"].to_pylist() == [5, 5, 5, 6, 6, 7, 7, 9, 9, 10, 10, 10, 10]
    assert batches[0]["flow_log_id"].to_pylist()[2:5] == ["fl-05", "fl-06", "fl-06"]
    assert [(row.records, row.nodata, row.skipdata, row.lines) for row in rows] == [
        (3, 0, 0, 4), (2, 0, 0, 3), (2, 0, 0, 3), (0, 0, 0, 1), (2, 0, 0, 3), (1, 2, 1, 5),
    ]  # fmt: skip
    assert [row.status for row in rows] == ["read", "read", "read", "empty", "read", "read"]


def test_a_bad_line_is_named_by_its_object_and_line() -> None:
    _, rows = in_company(objects_of(["three lines", "a bad line", "one line"]))
    assert [(row.object, row.malformed, [sample.line for sample in row.samples]) for row in rows] == [
        ("5.log", 0, []), ("6.log", 1, [3]), ("7.log", 0, []),
    ]  # fmt: skip


def test_whose_records_they_are_is_learnt_from_the_objects_own_rows() -> None:
    texts = [lines(V2, LINE.replace("123456789012", account)) for account in ("111111111111", "222222222222")]
    objects = [(number, object_of(text, f"{number}.log")) for number, text in enumerate(texts)]
    assert [row.account_id for row in read_together(objects, lambda _: None)] == ["111111111111", "222222222222"]


def test_no_more_than_a_block_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "BLOCK", 3 * len(CONTENTS["one line"]))
    batches: list[pa.RecordBatch] = []
    rows = read_together(objects_of(["one line"] * 8), batches.append)
    assert next(rows).object_id == 5
    assert [len(batch) for batch in batches] == [3]
    assert len(list(rows)) == 7
    assert [len(batch) for batch in batches] == [3, 3, 2]


def test_what_the_sink_raises_goes_through() -> None:
    def full(_: pa.RecordBatch) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        list(read_together(objects_of(["one line"] * 3), full))
