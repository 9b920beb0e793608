"""A query taken apart into its common table expressions, so that one that several queries begin with runs once."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["SHARED", "joined", "matching", "parted", "share"]

#: Names of expressions that several queries begin with. Their rows are kept for the next query with the same text up to
#: there (`Flows.arrow`).
SHARED: set[str] = set()


_NAME = re.compile(r"\s*,?\s*(\w+)\s+AS\s*\(", re.IGNORECASE)
_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|[()]""")


def share(*names: str) -> None:
    """Say that several queries begin with expressions of these names: worth it where rows are few and costly."""
    SHARED.update(names)


def parted(sql: str) -> tuple[dict[str, str], str]:
    """The common table expressions of a query by name, in order, and what follows them.

    >>> parted("WITH a AS (SELECT 1 AS x), b AS (SELECT x FROM a) SELECT * FROM b")
    ({'a': 'SELECT 1 AS x', 'b': 'SELECT x FROM a'}, 'SELECT * FROM b')
    """
    text = sql.strip()
    found: dict[str, str] = {}
    if text[:4].upper() != "WITH" or not text[4:5].isspace():
        return found, text
    at = 4
    while named := _NAME.match(text, at):
        end = _closing(text, named.end())
        found[named[1]] = text[named.end() : end].strip()
        at = end + 1
    return (found, text[at:].strip()) if found else (found, text)


def joined(ctes: Mapping[str, str], rest: str) -> str:
    """The query again.

    >>> joined({"a": "SELECT 1 AS x"}, "SELECT * FROM a")
    'WITH a AS (\\nSELECT 1 AS x\\n)\\nSELECT * FROM a'
    """
    named = ",\n".join(f"{name} AS (\n{body}\n)" for name, body in ctes.items())
    return f"WITH {named}\n{rest}" if ctes else rest


def matching(names: str, one: str, other: str) -> str:
    """That two relations agree in columns, as a join needs it; `names` as in a SELECT.

    >>> matching("a, b", "l", "r")
    'l.a = r.a AND l.b = r.b'
    """
    return " AND ".join(f"{one}.{name} = {other}.{name}" for name in names.split(", "))


def _closing(text: str, at: int) -> int:
    """Where the parenthesis closes that was opened just before `at`."""
    depth = 1
    for token in _TOKEN.finditer(text, at):
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if not depth:
            return token.start()
    raise ValueError("a common table expression that does not end")
