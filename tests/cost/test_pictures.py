"""Every cost question has a picture of the same name, which never raises."""

from __future__ import annotations

import inspect

import pytest

from flowkit import cost, show
from flowkit.question import QUESTIONS
from tests.cost.rows import default_format, hop, inventory, through_nat
from tests.rows import flows_of

NAMES = sorted(question.name for question in QUESTIONS.values() if question.room == "cost")


def test_every_question_has_its_picture() -> None:
    assert sorted(show.cost.__all__) == NAMES
    assert set(NAMES) <= set(cost.__all__)
    for name in NAMES:
        assert list(inspect.signature(getattr(show.cost, name)).parameters) == ["answer"]


@pytest.mark.parametrize("name", NAMES)
def test_pictures_draw_something_nothing_and_what_cannot_be_answered(name: str) -> None:
    rows = [*hop("a", "b", 10**9), *through_nat("a", "8.8.8.8", 5, 7), *hop("a", "endpoint", 9)]
    for flows in (
        flows_of(rows, inventory=inventory()),
        flows_of(default_format(rows)),
        flows_of([]),
        flows_of([{key: value for key, value in row.items() if key != "bytes"} for row in rows]),
    ):
        assert getattr(show.cost, name)(getattr(cost, name)(flows))._repr_html_()
