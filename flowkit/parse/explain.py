"""The slow path: one line against its format, and in words what is wrong with it.

A line that passes here passes the fast path too, with the same values, and the other way round; a test sees to it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote

import pyarrow as pa

from flowkit.parse.addresses import address
from flowkit.parse.layout import ADDRESSES, CHOICES, LARGEST, LATEST_S, LIMITS, STATUS_KINDS, TIMES, Layout

__all__ = ["arrays_of", "decoded_tag", "row_kind_of", "why_bad"]

_DIGITS = re.compile(r"[0-9]+")
_SHOWN = 60


def why_bad(values: Sequence[str | None], layout: Layout) -> str:
    """Why these values (None for `-`) are no line of this format, as what follows `line 17 ...`; '' when they are."""
    if len(values) != len(layout.names):
        one = "value" if len(values) == 1 else "values"
        return f"has {len(values)} {one} for {len(layout.names)} fields"
    traffic = row_kind_of(values, layout) == "record"
    for value, name, column, kind in zip(values, layout.names, layout.columns, layout.kinds, strict=True):
        if value is None:
            continue
        if kind != "text":
            if not _DIGITS.fullmatch(value):
                return f"has {name} {_quoted(value)}, which is not a whole number"
            # 20 digits are beyond 64 bits; longer texts are not even converted
            number = int(value[-20:]) if len(value.lstrip("0")) <= 20 else LARGEST["bigint"] + 1
            largest = LIMITS[column] if traffic and column in LIMITS else LARGEST[kind]
            if column in TIMES and number > LATEST_S and number // 1000 > LATEST_S:
                return f"has {name} {_shown(value)}, which is no time in seconds or milliseconds"
            if number > largest:
                return f"has {name} {_shown(value)}, more than {largest}"
        elif column in ADDRESSES:
            if address(value) is None:
                return f"has {name} {_quoted(value)}, which is no IP address"
        elif column in CHOICES and value not in CHOICES[column]:
            return f"has {name} {_quoted(value)}, which is none of {', '.join(sorted(CHOICES[column]))}"
    return ""


def row_kind_of(values: Sequence[str | None], layout: Layout) -> str:
    """`record`, `nodata` or `skipdata`: by log-status, and where there is none, by whether any traffic is described."""
    row = dict(zip(layout.columns, values, strict=True))
    status = row.get("log_status")
    if status is not None:
        return STATUS_KINDS.get(status, "record")
    if layout.flow_columns and all(row[column] is None for column in layout.flow_columns):
        return "nodata"
    return "record"


def arrays_of(rows: Sequence[Sequence[str | None]], layout: Layout) -> dict[str, pa.Array]:
    """Columns out of rows that have been found good, in the types that the fast path reads."""
    found: dict[str, pa.Array] = {}
    for at, (column, kind) in enumerate(zip(layout.columns, layout.kinds, strict=True)):
        values = [row[at] for row in rows]
        if kind == "text":
            found[column] = pa.array(values, pa.string()).dictionary_encode()
        else:
            numbers = [None if value is None else int(value.lstrip("0") or "0") for value in values]
            found[column] = pa.array(numbers, layout.types[column])
    return found


def decoded_tag(text: str) -> str:
    """A tag's value, percent-decoded once. Bytes that make no UTF-8 become the replacement character."""
    return unquote(text, errors="replace") if "%" in text else text


def _shown(value: str) -> str:
    return value if len(value) <= _SHOWN else value[:_SHOWN] + "..."


def _quoted(value: str) -> str:
    return repr(_shown(value))
