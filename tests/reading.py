"""Objects made in a test, and reading them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from flowkit.formats import parse_key
from flowkit.ledger import LedgerRow
from flowkit.parse import read_object
from flowkit.sources import Object

V2 = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
LINE = "2 123456789012 eni-1 10.0.0.1 10.0.0.2 40000 443 6 10 1000 1700000000 1700000059 ACCEPT OK"
NODATA = "2 123456789012 eni-1 - - - - - - - 1700000000 1700000059 - NODATA"
SKIPDATA = "2 123456789012 eni-1 - - - - - - - 1700000000 1700000059 - SKIPDATA"


def object_of(content: bytes | str, name: str = "a.log") -> Object:
    """An object with this content."""
    data = content.encode() if isinstance(content, str) else content
    return Object(
        uri=f"memory:{name}", name=name, opener=lambda: io.BytesIO(data), size=len(data), hints=parse_key(name)
    )


def read(
    content: bytes | str,
    name: str = "a.log",
    *,
    log_format: str | Mapping[str, str] = "",
    described: Mapping[str, str] | None = None,
    fast: bool = True,
) -> tuple[list[dict[str, Any]], LedgerRow]:
    """(rows as dictionaries without the columns that say nothing about a line, ledger row), balance checked."""
    batches: list[pa.RecordBatch] = []
    row = read_object(
        object_of(content, name), batches.append, log_format=log_format, described=described, object_id=7, fast=fast
    )
    assert row.balanced, row
    rows = [line for batch in batches for line in batch.to_pylist()]
    assert len(rows) == row.records + row.nodata + row.skipdata
    assert all(line["object_id"] == 7 for line in rows)
    return rows, row


def lines(*texts: str) -> str:
    """Lines of text, each ending with a newline."""
    return "".join(f"{text}\n" for text in texts)
