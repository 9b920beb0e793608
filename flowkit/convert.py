"""The normalized records as one file: Parquet, CSV or JSON lines.

One row per record that was read in the period, NODATA and SKIPDATA lines included (`log_status` says so), whichever
flow log told it: nothing is elected or summed here. Columns are the fields that the logs have, under AWS's names with
underscores, then fields that flowkit does not know, as text, then `record_kind` and `flow_log_id`. `start` and `end`
are UTC instants: ISO 8601 text in CSV and JSON, timestamps in Parquet. Rows are streamed, not held in memory.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flowkit.engines import bind
from flowkit.engines.bind import literal
from flowkit.errors import ParameterError
from flowkit.fields import FIELDS_BY_COLUMN

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["FORMATS", "convert"]

#: File endings and what is written under them.
FORMATS = {
    ".parquet": "FORMAT parquet, COMPRESSION zstd",
    ".csv": "FORMAT csv, HEADER true",
    ".jsonl": "FORMAT json, ARRAY false",
}

_DERIVED = ("src_key", "dst_key", "object_id", "observer", "status", "row_kind", "record_kind", "flow_log_id")
_TIMES = {"start_s": "start", "end_s": "end"}
#: What makes a spreadsheet take a cell for a formula. Text from a log must not become one.
_FORMULA = "^[=+@\\t\\r-]"


def convert(flows: Flows, out: str | Path, *, bounded: bool = False) -> int:
    """Write the records of `flows` to `out`, whose ending chooses the format, and say how many there are.

    `bounded`: only records of `flows.period`; else all that were read. The file appears when it is whole.
    """
    out = Path(out)
    options = FORMATS.get(out.suffix.lower())
    if options is None:
        raise ParameterError(f"{out} ends in {out.suffix or 'nothing'}; convert writes {', '.join(FORMATS)}.")
    if not out.parent.is_dir():
        raise ParameterError(f"The folder {out.parent} is not there.")
    since_s, until_s = flows.period
    where = (
        bind(" WHERE start_s >= $since_s AND start_s < $until_s", since_s=since_s, until_s=until_s) if bounded else ""
    )
    rows = f"SELECT {', '.join(_columns(flows, out.suffix.lower()))} FROM records{where}"
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
        whole = Path(folder) / out.name
        flows.engine.execute(f"COPY ({rows}) TO {literal(str(whole))} ({options})")
        with whole.open("rb") as written:
            os.fsync(written.fileno())
        whole.replace(out)
    return int(flows.arrow(f"SELECT count(*) AS n FROM records{where}").column(0)[0].as_py())


def _columns(flows: Flows, ending: str) -> Sequence[str]:
    """The columns as SQL, each under the name it has in the file."""
    table = flows.arrow("SELECT * FROM records LIMIT 0")
    named = {name for one in flows.formats for name in one["fields"]}
    text = {
        name for name, kind in zip(table.column_names, table.schema.types, strict=True) if str(kind).endswith("string")
    }
    kept = [name for name in table.column_names if name not in _DERIVED and _told(name, named)]
    chosen = []
    for name in [*kept, "record_kind", "flow_log_id"]:
        value = _quoted(name)
        if name in _TIMES:
            value = f"to_timestamp({name})" if ending == ".parquet" else _iso(name)
        elif ending == ".csv" and name in text:
            value = f"CASE WHEN regexp_matches({value}, {literal(_FORMULA)}) THEN '''' || {value} ELSE {value} END"
        chosen.append(f"{value} AS {_quoted(_TIMES.get(name, name))}")
    return chosen


def _told(column: str, named: set[str]) -> bool:
    """Whether some log has this column; one that the field table lacks is there only because a log has it."""
    return column not in FIELDS_BY_COLUMN or FIELDS_BY_COLUMN[column].name in named


def _iso(column: str) -> str:
    return f"strftime(make_timestamp({column} * 1000000), '%Y-%m-%dT%H:%M:%SZ')"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
