"""Every public question and rule keeps the conventions: one walk over all of them, whatever room they live in."""

from __future__ import annotations

import importlib
import inspect
import random
import re

import pandas as pd
import pyarrow as pa
import pytest

import flowkit
from flowkit import generate, show
from flowkit.errors import MissingField
from flowkit.fields import FIELDS_BY_COLUMN
from flowkit.finding import Finding
from flowkit.flows import from_records
from flowkit.question import QUESTIONS, Answer
from flowkit.review import ROOMS
from flowkit.tables import TABLES
from tests.rows import flow, flows_of

for _room in ROOMS:
    importlib.import_module(f"flowkit.{_room}")

ASKED = sorted(QUESTIONS)
RULES = sorted((room, name) for room in ROOMS for name in importlib.import_module(f"flowkit.{room}").RULES)

#: What a column that is no whole number may end in: its unit. `_factor` is a plain ratio that may exceed 1.
UNITS = ("_share", "_bps", "_pps", "_usd", "_gib", "_s", "_bytes", "_ms", "_per_hour", "_factor")

#: SQL that one of DuckDB, Athena and Spark does not have, or that means something else there.
FOREIGN = {
    "bit operators": r"[&|^~](?!\|)(?<!\|\|)",
    "quoted identifiers": r"[\"`]",
    "casts with colons": r"::",
    "whole division": r"//",
    "clauses of one engine": r"\b(QUALIFY|PIVOT|UNPIVOT|ASOF|POSITIONAL|SAMPLE|ILIKE|GLOB|EXCLUDE)\b",
    "everything": r"\b(GROUP|ORDER)\s+BY\s+ALL\b",
    "approximate functions": r"\b(approx\w*|reservoir_\w+|tdigest\w*)\s*\(",
    "percentiles of one engine": r"\b(quantile\w*|percentile\w*|median|mode)\s*\(",
    "date functions": r"\b(date_\w+|datediff|epoch\w*|strftime|to_timestamp|from_unixtime|now)\s*\(",
    "lists and structs": r"\b(list\w*|struct\w*|unnest|array_\w+|range|generate_series|string_agg)\s*\(",
}


def queries(answer: Answer) -> list[str]:
    """The queries of an answer: none where it is the ledger's or the inventory's, several where it adds up others."""
    return [part for part in answer.sql.split(";\n") if part.strip()]


def bare(text: str) -> str:
    """A query without its string literals and comments."""
    return re.sub(r"--[^\n]*", " ", re.sub(r"'(?:''|[^'])*'", "''", text))


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """A few hours of a generated company with all its incidents: the records as they were read, and who is who."""
    folder = tmp_path_factory.mktemp("conventions")
    generate.generate(folder, seed=11, hours=3, records=15_000, format="v11")
    flows = flowkit.open(str(folder), progress=False)
    names = [
        column
        for column in flows.arrow("SELECT * FROM records LIMIT 0").column_names
        if column not in ("observer", "status")
    ]
    table = flows.arrow(f"SELECT {', '.join(names)} FROM records")
    return table, flows.formats, flows.inventory


def rebuilt(logs, *, shuffled: bool = False):
    table, formats, inventory = logs
    if shuffled:
        order = list(range(table.num_rows))
        random.Random(3).shuffle(order)
        table = table.take(pa.array(order))
    return from_records(table, formats=formats, inventory=inventory)


@pytest.fixture(scope="module")
def full(logs):
    return rebuilt(logs)


@pytest.fixture(scope="module")
def shuffled(logs):
    return rebuilt(logs, shuffled=True)


@pytest.fixture(scope="module")
def empty():
    return flows_of([])


def parameters(function):
    return list(inspect.signature(inspect.unwrap(function)).parameters.values())


def check_signature(function):
    first, *others = parameters(function)
    assert first.name == "flows"
    for parameter in others:
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, f"{parameter.name} is not keyword-only"
        assert parameter.default is not inspect.Parameter.empty, f"{parameter.name} has no default"


@pytest.mark.parametrize("name", ASKED)
def test_a_question_takes_flows_first_and_everything_else_by_name(name):
    check_signature(QUESTIONS[name].ask)


@pytest.mark.parametrize("name", ASKED)
def test_a_question_says_what_it_asks_where_it_is_blind_and_where_its_method_comes_from(name):
    text = inspect.getdoc(inspect.unwrap(QUESTIONS[name].ask)) or ""
    assert text.split("\n")[0].endswith("?"), "the first line is the question"
    assert re.search(r"[Bb]lind spots?\b|cannot show", text), "say what flow logs cannot show here"
    assert "Source" in text, "say where the method comes from"


@pytest.mark.parametrize("name", ASKED)
def test_a_question_stands_in_its_room_under_its_own_name(name):
    room, _, word = name.partition(".")
    module = importlib.import_module(f"flowkit.{room}")
    assert word in module.__all__
    assert getattr(module, word) is QUESTIONS[name].ask


@pytest.mark.parametrize("name", ASKED)
def test_a_question_declares_fields_that_exist(name):
    asked = QUESTIONS[name]
    assert set(asked.needs) <= set(FIELDS_BY_COLUMN)
    assert set(asked.sharper_with) <= {*FIELDS_BY_COLUMN, "inventory"}
    assert not set(asked.needs) & set(asked.sharper_with)


@pytest.mark.parametrize("name", ASKED)
def test_a_question_has_the_same_columns_for_empty_input(name, full, empty):
    there, nothing = QUESTIONS[name].ask(full), QUESTIONS[name].ask(empty)
    assert there.answerable, there.why_missing
    assert list(nothing.table.columns) == list(there.table.columns)


@pytest.mark.parametrize("name", ASKED)
def test_a_question_gives_the_same_answer_when_records_come_in_another_order(name, full, shuffled):
    one, other = QUESTIONS[name].ask(full).table, QUESTIONS[name].ask(shuffled).table
    pd.testing.assert_frame_equal(one, other, check_exact=True)


@pytest.mark.parametrize("name", ASKED)
def test_a_question_changes_nothing_and_answers_the_same_twice(name, full):
    def state():
        counts = [full.arrow(f"SELECT count(*) AS n FROM {table}").column(0)[0].as_py() for table in TABLES]
        return counts, full.arrow("SELECT CAST(sum(bytes) AS BIGINT) AS b FROM flows").column(0)[0].as_py()

    before = state()
    first, second = QUESTIONS[name].ask(full), QUESTIONS[name].ask(full)
    assert first.sql == second.sql
    pd.testing.assert_frame_equal(first.table, second.table, check_exact=True)
    assert state() == before


@pytest.mark.parametrize("name", ASKED)
def test_a_question_is_asked_in_portable_sql(name, full):
    for sql in map(bare, queries(QUESTIONS[name].ask(full))):
        assert sql.lstrip().startswith(("WITH", "SELECT"))
        assert "$" not in sql, "a placeholder without its value"
        for what, pattern in FOREIGN.items():
            found = re.search(pattern, sql, re.I)
            assert not found, f"{what}: {sql[max(0, found.start() - 40) : found.end() + 20]}"


@pytest.mark.parametrize("name", ASKED)
def test_a_question_divides_numbers_that_are_not_whole(name, full):
    for sql in map(bare, queries(QUESTIONS[name].ask(full))):
        for match in re.finditer("/", sql):
            around = sql[max(0, match.start() - 90) : match.end() + 60]
            assert re.search(r"AS (DOUBLE|DECIMAL)|\d\.\d", around), around


@pytest.mark.parametrize("name", ASKED)
def test_a_question_returns_numbers_that_every_engine_has(name, full):
    kinds = (pa.int32(), pa.int64(), pa.float64(), pa.string(), pa.bool_(), pa.null())
    for sql in queries(QUESTIONS[name].ask(full)):
        for field in full.arrow(sql).schema:
            assert field.type in kinds, f"{field.name} is {field.type}: cast it"


@pytest.mark.parametrize("name", ASKED)
def test_a_question_keeps_the_unit_in_the_name(name, full):
    for column, dtype in QUESTIONS[name].ask(full).table.dtypes.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", str(column))
        assert column not in ("start", "end", "time", "date", "hour", "day"), f"{column}: say _s"
        if pd.api.types.is_float_dtype(dtype):
            assert str(column).endswith(UNITS), f"{column} has no unit in its name"


@pytest.mark.parametrize("name", [name for name in ASKED if QUESTIONS[name].needs])
def test_a_question_names_the_fields_it_lacks_and_showing_it_never_raises(name):
    asked = QUESTIONS[name]
    lacking = asked.needs[0]
    dropped = {lacking, {"srcaddr": "src_key", "dstaddr": "dst_key"}.get(lacking, lacking)}
    answer = asked.ask(flows_of([{column: value for column, value in flow().items() if column not in dropped}]))
    assert lacking in answer.missing
    assert FIELDS_BY_COLUMN[lacking].name in show.table(answer).text
    with pytest.raises(MissingField, match=FIELDS_BY_COLUMN[lacking].name):
        _ = answer.table


@pytest.mark.parametrize("name", ASKED)
def test_an_answer_shows_full_and_empty(name, full, empty):
    for flows in (full, empty):
        answer = QUESTIONS[name].ask(flows)
        assert isinstance(answer, Answer)
        assert "<" in answer._repr_html_()


@pytest.mark.parametrize("room", ROOMS)
def test_a_picture_has_the_name_of_the_question_it_shows(room):
    try:
        pictures = importlib.import_module(f"flowkit.show.{room}")
    except ModuleNotFoundError:
        pytest.skip(f"no pictures of {room}")
    asked = {question.name for question in QUESTIONS.values() if question.room == room}
    assert set(pictures.__all__) <= asked


@pytest.mark.parametrize("room", ROOMS)
def test_a_picture_draws_full_empty_and_missing_answers(room, full, empty):
    try:
        pictures = importlib.import_module(f"flowkit.show.{room}")
    except ModuleNotFoundError:
        pytest.skip(f"no pictures of {room}")
    for name in pictures.__all__:
        asked = QUESTIONS[f"{room}.{name}"]
        missing = Answer("", missing=("pkt_srcaddr",), name=name, question=asked.text)
        for answer in (asked.ask(full), asked.ask(empty), missing):
            assert getattr(pictures, name)(answer).html


@pytest.mark.parametrize(("room", "name"), RULES)
def test_a_rule_takes_flows_first_and_everything_else_by_name(room, name):
    rule = importlib.import_module(f"flowkit.{room}").RULES[name]
    check_signature(rule)
    assert inspect.getdoc(rule)


@pytest.mark.parametrize(("room", "name"), RULES)
def test_a_rule_finds_nothing_in_nothing_and_the_same_in_any_order(room, name, full, shuffled, empty):
    rule = importlib.import_module(f"flowkit.{room}").RULES[name]
    assert rule(empty) == []
    found = rule(full)
    assert [finding.as_dict() for finding in found] == [finding.as_dict() for finding in rule(shuffled)]
    for finding in found:
        assert isinstance(finding, Finding)
        assert finding.rule == name
        assert 0 <= finding.confidence <= 1
        assert set(finding.subject) <= set(FIELDS_BY_COLUMN), "subjects speak in AWS field names"
        for part in (finding.title, finding.explanation, finding.could_also_be, finding.next_step):
            assert part, "a finding says what, why, what else and what next"
