"""Values into SQL text, as typed literals only, in the same spelling on every engine.

The SQL that an answer carries is the SQL that ran, so values are rendered rather than sent beside it.
A quote or a backslash never appears inside a literal: engines disagree on how to escape them (Spark
reads `\\` as an escape and `''` as two literals side by side), so both are written as `chr(n)`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

__all__ = ["bind", "literal"]

_PLACEHOLDER = re.compile(r"\$([a-z][a-z0-9_]*)")
_UNSAFE = re.compile(r"['\\\x00-\x1f\x7f]")


def literal(value: object) -> str:
    """One Python value as a SQL literal.

    >>> literal("it's")
    "('it' || chr(39) || 's')"
    >>> literal([1, 2])
    '(1, 2)'
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return f"({value})" if value < 0 else str(value)
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{value} is not a number that SQL can hold")
        return f"CAST({_text(format(value, 'f'))} AS DECIMAL(38, 12))"
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError(f"{value} is not a number that SQL can hold")
        return f"CAST({_text(repr(value))} AS DOUBLE)"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray, dict)):
        items = [literal(item) for item in value]
        return f"({', '.join(items)})" if items else "(NULL)"
    raise TypeError(f"a {type(value).__name__} cannot be written into SQL")


def _text(value: str) -> str:
    if "\x00" in value:
        raise ValueError("text with a NUL character cannot be written into SQL")
    if not _UNSAFE.search(value):
        return f"'{value}'"
    parts: list[str] = []
    plain_from = 0
    for match in _UNSAFE.finditer(value):
        if match.start() > plain_from:
            parts.append(f"'{value[plain_from : match.start()]}'")
        parts.append(f"chr({ord(match.group())})")
        plain_from = match.end()
    if plain_from < len(value):
        parts.append(f"'{value[plain_from:]}'")
    return f"({' || '.join(parts)})"


def bind(sql: str, /, **values: object) -> str:
    """Put `values` where `sql` says `$name`.

    Every placeholder must have a value and every value a placeholder. A value's own text is never
    searched for placeholders.

    >>> bind("SELECT * FROM flows WHERE dstport = $port", port=22)
    'SELECT * FROM flows WHERE dstport = 22'
    """
    used: set[str] = set()

    def put(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in values:
            raise KeyError(f"no value for ${name}")
        used.add(name)
        return literal(values[name])

    text = _PLACEHOLDER.sub(put, sql)
    unused = sorted(set(values) - used)
    if unused:
        raise KeyError(f"no placeholder for {', '.join(unused)}")
    return text
