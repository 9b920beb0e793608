"""The parameter cell as a typed interface."""

from __future__ import annotations

import pytest

from flowkit.errors import ParameterError
from flowkit.report.parameters import Parameter, convert, parameters_of, read_cell, settle

CELL = """
# what this notebook takes
source: str = "sample:"  # where the logs are
top_n: int = 20  # rows per table
threshold: float = 0.5
quiet: bool = False  # say less; "or more"
account: str = ""
cidrs: list = []  # yours
ports: list = [22, 3389]
"""


def error_of(function, *args) -> str:
    with pytest.raises(ParameterError) as caught:
        function(*args)
    return str(caught.value)


def declared() -> dict[str, Parameter]:
    return read_cell(CELL, "security_review")


def settled(**given):
    return settle({"security_review": declared()}, given)["security_review"]


def test_a_line_has_a_name_a_type_a_default_and_help():
    assert declared()["top_n"] == Parameter("top_n", "int", 20, "rows per table")
    assert declared()["quiet"].help == 'say less; "or more"'
    assert declared()["threshold"].help == ""


def test_an_account_id_keeps_its_leading_zero():
    assert settled(account="012345678901") == {"account": "012345678901"}


def test_the_word_false_is_false():
    assert settled(quiet="false") == {"quiet": False}
    assert settled(quiet="True") == {"quiet": True}


def test_a_list_is_cut_at_its_commas():
    assert settled(cidrs="10.0.0.0/8, 172.16.0.0/12") == {"cidrs": ["10.0.0.0/8", "172.16.0.0/12"]}
    assert settled(cidrs="") == {"cidrs": []}
    assert settled(ports="22,443") == {"ports": [22, 443]}


def test_numbers_are_read_strictly():
    assert settled(top_n="5", threshold="0.25") == {"top_n": 5, "threshold": 0.25}
    assert settled(top_n="-3") == {"top_n": -3}
    assert settled(threshold=1) == {"threshold": 1.0}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("top_n", "ten", "security_review: top_n must be a whole number, not 'ten'."),
        ("top_n", "1_000", "security_review: top_n must be a whole number, not '1_000'."),
        ("top_n", "5.0", "security_review: top_n must be a whole number, not '5.0'."),
        ("top_n", True, "security_review: top_n must be a whole number, not True."),
        ("threshold", "nan", "security_review: threshold must be a number, not 'nan'."),
        ("quiet", "maybe", "security_review: quiet must be true or false, not 'maybe'."),
        ("quiet", "", "security_review: quiet must be true or false, not ''."),
        ("account", 12345678901, "security_review: account must be text, not 12345678901."),
        ("cidrs", 7, "security_review: cidrs must be a list, not 7."),
        ("ports", "22,ssh", "security_review: ports must be a list, not '22,ssh'."),
    ],
)
def test_a_value_of_the_wrong_type_is_an_error(name, value, message):
    assert error_of(lambda: settled(**{name: value})) == message


def test_a_misspelled_name_gets_a_suggestion():
    expected = "security_review has no parameter 'topn'. Did you mean 'top_n'?"
    assert error_of(lambda: settled(topn="5")) == expected


def test_all_takes_the_union_and_gives_each_notebook_its_own():
    both = {"a": read_cell('source: str = ""\nx: int = 1', "a"), "b": read_cell('source: str = ""\ny: int = 1', "b")}
    assert settle(both, {"source": "logs", "y": "2"}) == {"a": {"source": "logs"}, "b": {"source": "logs", "y": 2}}
    expected = "None of a, b has a parameter 'zz'. It has source, x, y."
    assert error_of(settle, both, {"zz": "1"}) == expected


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("x = 1", "n: line 1 of the parameter cell is not `name: type = literal  # help`."),
        ("x: int", "n: line 1 of the parameter cell is not `name: type = literal  # help`."),
        ("x: str | None = None", "n: x has type str | None; use one of str, int, float, bool, list."),
        ("x: int = 2 + y", "n: the default of x is not a literal."),
        ("x: int = '2'", "n: the default of x is not a whole number."),
        ("x: int = True", "n: the default of x is not a whole number."),
        ("x: int = 1\nx: int = 2", "n: x is declared twice."),
    ],
)
def test_a_cell_that_is_no_interface_is_an_error(cell, message):
    assert error_of(read_cell, cell, "n") == message


def test_the_cell_is_read_and_never_run(tmp_path):
    trap = tmp_path / "ran"
    error_of(read_cell, f"x: str = open({str(trap)!r}, 'w').name", "n")
    assert not trap.exists()


def test_a_notebook_needs_one_parameter_cell():
    expected = "mine has 0 cells tagged 'parameters'; a report needs exactly one."
    assert error_of(parameters_of, {"cells": []}, "mine") == expected


def test_a_value_from_python_keeps_its_type():
    assert convert(Parameter("cidrs", "list", [], ""), ("10.0.0.0/8",), "n") == ["10.0.0.0/8"]
