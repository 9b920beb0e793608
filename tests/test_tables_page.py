"""docs/tables.md says what the tables hold; this holds it to its word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flowkit.fields import FIELDS_BY_COLUMN
from flowkit.tables import TABLES
from tests.rows import flow, flows_of

PAGE = Path(__file__).parent.parent / "docs" / "tables.md"


def documented() -> dict[str, list[str]]:
    """Table name to the columns that its section names: in its table's first column, or all in its paragraph."""
    found: dict[str, list[str]] = {}
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        name = re.match(r"`(\w+)`", section)
        if not name:
            continue
        rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
        text = "\n".join(rows) if rows else section.split("\n", 1)[1]
        columns = re.findall(r"`([a-z][a-z0-9_]*)`", text)
        found[name.group(1)] = list(dict.fromkeys(columns))
    return found


@pytest.fixture(scope="module")
def flows():
    return flows_of([flow(tcp_flags=2), flow(flow_log_id="fl-2", vpc_id="vpc-1", flow_direction="egress")])


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in TABLES
        if name
        not in ("flows", "records", "conversation_parts", "services_hour", "gaps", "windows", "connections_open")
    ],
)
def test_a_table_has_the_documented_columns(flows, name):
    real = flows.arrow(f"SELECT * FROM {name} LIMIT 0").column_names
    assert sorted(documented()[name]) == sorted(real)


@pytest.mark.parametrize("name", ["conversation_parts", "services_hour", "gaps", "windows", "connections_open"])
def test_a_table_told_in_a_paragraph_has_its_columns_named_there(flows, name):
    real = set(flows.arrow(f"SELECT * FROM {name} LIMIT 0").column_names)
    assert real <= set(documented()[name])


def test_flows_has_every_field_and_what_is_documented_beside_them(flows):
    real = flows.arrow("SELECT * FROM flows LIMIT 0")
    expected = {**{name: field.type for name, field in FIELDS_BY_COLUMN.items()}}
    kinds = {str(f.name): str(f.type) for f in real.schema}
    for column, kind in expected.items():
        assert kinds[column] == {"int": "int32", "bigint": "int64", "text": "string"}[kind], column
    assert set(documented()["flows"]) <= set(kinds)
    assert set(kinds) - set(expected) - set(documented()["flows"]) == {"status"}


def test_every_table_is_documented():
    assert set(documented()) | {"records"} == set(TABLES)
