"""Every question of security has a picture of its name, and the rules are those of the reports."""

from __future__ import annotations

import pytest

from flowkit import security, show
from flowkit.question import QUESTIONS
from tests.rows import flows_of
from tests.security.rows import OUTSIDE, WEB, probe, quiet, session

NAMES = [name for name in security.__all__ if name != "RULES"]
#: Fields of later versions, so that every question can be answered.
ALL = {"encryption_status": 0, "reject_reason": "BPA"}


@pytest.fixture(scope="module")
def flows():
    noise = [probe(OUTSIDE, WEB, port, at_s=port) for port in range(1, 20)]
    return flows_of(
        [*noise, *session("8.8.8.8", WEB, 5432), *session(WEB, "9.9.9.9", 443, sport=45_000), *quiet(**ALL)]
    )


def test_every_question_of_the_room_is_offered():
    assert {f"security.{name}" for name in NAMES} == {name for name in QUESTIONS if name.startswith("security.")}


@pytest.mark.parametrize("name", NAMES)
def test_a_question_and_its_picture_share_a_name(name, flows):
    answer = getattr(security, name)(flows)
    view = getattr(show.security, name)(answer)
    assert "<svg" in view.html if len(answer.table) else "None in" in view.html


@pytest.fixture(scope="module")
def both_orders():
    rows = [
        *[probe(OUTSIDE, WEB, port, at_s=port) for port in range(1, 20)],
        *session("8.8.8.8", WEB, 5432),
        *quiet(**ALL),
    ]
    return flows_of(rows), flows_of(rows[::-1])


@pytest.mark.parametrize("name", NAMES)
def test_a_question_answers_the_same_whatever_the_order_of_rows(name, both_orders):
    one, other = (getattr(security, name)(flows).table for flows in both_orders)
    assert one.equals(other)
