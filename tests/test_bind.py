"""Values into SQL: typed literals only, whatever the text says."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowkit.engines import bind
from flowkit.engines.bind import literal
from flowkit.engines.duckdb import DuckDB

HOSTILE = [
    "'",
    "''",
    "\\",
    "\\'",
    "'; DROP TABLE flows; --",
    "$name",
    "/*",
    "chr(39)",
    "\n",
    "\r\n\t",
    "%",
    "\u2028",
    "🦆",
    "' || 'x",
]

ENGINE = DuckDB()


def value(sql):
    """The one value of a query's one row."""
    return ENGINE.run(sql).column(0)[0].as_py()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_comes_back_as_it_was(text):
    assert value(bind("SELECT $text AS t", text=text)) == text


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_any_text_comes_back_as_it_was(text):
    assert value(bind("SELECT $text AS t", text=text)) == text


@given(st.text())
def test_no_text_leaves_its_literal(text):
    """Outside of quoted runs there is nothing but chr(n), ||, parentheses: no engine can read it otherwise."""
    try:
        written = literal(text)
    except ValueError:
        assert "\x00" in text
        return
    outside = "".join(written.split("'")[::2])
    assert set(outside) <= set("chr()|0123456789 ")
    assert "\\" not in written


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_integer_comes_back_as_it_was(number):
    assert value(bind("SELECT $number AS n", number=number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_float_comes_back_as_it_was(number):
    assert value(bind("SELECT $number AS n", number=number)) == number


def test_other_kinds_of_values():
    assert literal(None) == "NULL"
    assert literal(True) == "TRUE"
    assert literal(-5) == "(-5)"
    assert literal([]) == "(NULL)"
    assert literal(["a", "b'"]) == "('a', ('b' || chr(39)))"
    assert value(bind("SELECT $d AS d", d=Decimal("0.045"))) == Decimal("0.045")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN"), "a\x00b"])
def test_what_sql_cannot_hold_is_an_error(value):
    with pytest.raises(ValueError):
        literal(value)


@pytest.mark.parametrize("value", [b"bytes", {"a": 1}, object()])
def test_other_types_are_an_error(value):
    with pytest.raises(TypeError):
        literal(value)


def test_every_placeholder_needs_a_value_and_every_value_a_placeholder():
    with pytest.raises(KeyError, match=r"no value for \$port"):
        bind("SELECT $port")
    with pytest.raises(KeyError, match="no placeholder for port"):
        bind("SELECT 1", port=22)


def test_a_values_own_text_is_not_searched_for_placeholders():
    assert bind("SELECT $a, $b", a="$b", b=1) == "SELECT '$b', 1"
