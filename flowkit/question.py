"""A question asked of flow logs, and its answer."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from flowkit.errors import MissingField
from flowkit.fields import FIELDS_BY_COLUMN

if TYPE_CHECKING:
    import pandas as pd

    from flowkit.flows import Flows

__all__ = ["QUESTIONS", "Answer", "Question", "question", "rows"]

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question gives back. Showing it never raises; taking `table` does when a field is missing.

    `sql` is the text that ran. `caveats` are sentences to show beside the numbers. `missing` names the
    fields (as columns) without which the question cannot be answered. `records` is how many records the
    question looked at.
    """

    sql: str
    caveats: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    name: str = ""
    question: str = ""
    records: int = 0
    _table: pd.DataFrame | None = None

    @property
    def table(self) -> pd.DataFrame:
        """The rows, as a pandas DataFrame. Raises MissingField when the log lacks what this needs."""
        if self.missing or self._table is None:
            raise MissingField(f"{self.name} {self.why_missing}")
        return self._table

    @property
    def why_missing(self) -> str:
        """The missing fields in words, with the version that added them and the way to get them."""
        if not self.missing:
            return ""
        fields = [FIELDS_BY_COLUMN[column] for column in self.missing]
        names = ", ".join(field.name for field in fields)
        version = max(field.version for field in fields)
        add = " ".join(f"${{{field.name}}}" for field in fields)
        which = "It was" if len(fields) == 1 else "They were"
        return (
            f"needs {names}, which this log lacks. {which} added in version {version}: include {add} in the log format."
        )

    @property
    def answerable(self) -> bool:
        """Whether the log had what the question needs."""
        return not self.missing

    def _repr_html_(self) -> str:
        from flowkit.show import tables

        return tables.answer_html(self)


def rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a small table `frame` as dicts by column name."""
    return [dict(zip(map(str, frame.columns), row, strict=True)) for row in frame.itertuples(index=False, name=None)]


@dataclass(frozen=True, slots=True)
class Question:
    """A question as the registry knows it."""

    name: str
    room: str
    text: str
    needs: tuple[str, ...]
    sharper_with: tuple[str, ...]
    ask: Callable[..., Answer]


#: Every question by `room.name`, in the order in which their modules were imported. Coverage is read from it.
QUESTIONS: dict[str, Question] = {}


def question(
    *, needs: tuple[str, ...], sharper_with: tuple[str, ...] = ()
) -> Callable[[Callable[Concatenate[Flows, P], Answer]], Callable[Concatenate[Flows, P], Answer]]:
    """Declare a function as a question.

    `needs` are columns without which there is no answer; `sharper_with` are columns, or `inventory`, that
    make it better. A field that only part of the records carry becomes a caveat.
    """

    def declare(ask: Callable[Concatenate[Flows, P], Answer]) -> Callable[Concatenate[Flows, P], Answer]:
        text = (ask.__doc__ or "").strip().split("\n")[0]

        @functools.wraps(ask)
        def asked(flows: Flows, /, *args: P.args, **kwargs: P.kwargs) -> Answer:
            missing = tuple(column for column in needs if flows.share(column) == 0.0) if flows.records else ()
            if missing:
                return Answer("", missing=missing, name=ask.__name__, question=text, records=flows.records)
            answer = ask(flows, *args, **kwargs)
            partial = tuple(
                f"{FIELDS_BY_COLUMN[column].name} is in {100 * flows.share(column):.1f} % of the records; "
                "the others cannot be judged here."
                for column in needs
                if flows.records and flows.share(column) < 1.0
            )
            return replace(
                answer,
                name=ask.__name__,
                question=text,
                records=flows.records,
                caveats=(*answer.caveats, *partial),
            )

        room = ask.__module__.split(".")[1]
        QUESTIONS[f"{room}.{ask.__name__}"] = Question(ask.__name__, room, text, needs, sharper_with, asked)
        return asked

    return declare
