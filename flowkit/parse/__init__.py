"""Bytes to typed records, and one ledger row that says where every line went.

    row = read_object(object_, batches.append, log_format="", object_id=0)
    rows = list(read_together(enumerate(objects), batches.append))

The format of each line is settled by this ladder: header line, Parquet schema, `log_format=`, what AWS says of the flow
log, or of the flow logs that write into the log group, the default format where a line has exactly its 14 values and
they type-check; else the object is unreadable.
"""

from __future__ import annotations

from collections.abc import Mapping

from flowkit.ledger import LedgerRow
from flowkit.parse.layout import ADDED, arrow_schema
from flowkit.parse.single import Single
from flowkit.parse.tally import Sink
from flowkit.parse.together import read_together
from flowkit.sources import Object

__all__ = ["ADDED", "Sink", "arrow_schema", "read_object", "read_together"]


def read_object(
    source: Object,
    sink: Sink,
    *,
    log_format: str | Mapping[str, str] = "",
    described: Mapping[str, str] | None = None,
    object_id: int = 0,
    fast: bool = True,
) -> LedgerRow:
    """Read one object; hand its good rows to `sink` as Arrow record batches, and return its ledger row.

    `log_format` is a format string for lines without a header, or a mapping from flow log id to format strings;
    `described` maps flow log ids to the formats that AWS states for them. Each batch has the schema
    `arrow_schema(names)` for the format of its lines, so one object may hand on several schemas. `fast=False` takes the
    slow path everywhere, for tests. Memory stays flat; several objects may be read in parallel threads. Nothing in an
    object raises: damage is a status. What `sink` raises goes through, and so does FormatError for a bad `log_format`.
    """
    with Single(source, sink, log_format=log_format, described=described, object_id=object_id, fast=fast) as single:
        return single.read()
