"""A review: the findings of one room, what the log could and could not tell, and the whole in three sentences.

review(flows, "security").findings
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flowkit.baseline import read
from flowkit.errors import ParameterError
from flowkit.fields import DEFAULT_FORMAT, FIELDS_BY_COLUMN
from flowkit.finding import Finding, at_least, iso, rank
from flowkit.formats import to_format_string
from flowkit.question import QUESTIONS
from flowkit.review.entries import read_entries
from flowkit.review.headlines import headlines
from flowkit.review.ocsf import ocsf_events
from flowkit.review.pivots import with_community_ids
from flowkit.review.sentences import sentences
from flowkit.review.suppressions import Suppressed, suppress

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["ROOMS", "Review", "check_suppressions", "coverage", "ocsf_events", "review"]

#: The rooms that have rules, in the order of the reports.
ROOMS = ("security", "performance", "cost")


@dataclass(frozen=True, slots=True)
class Review:
    """What one room found. `headlines` and `summary` are JSON-ready; a sentence's numbers are in its `values`."""

    room: str
    findings: tuple[Finding, ...]
    headlines: tuple[Mapping[str, Any], ...]
    summary: tuple[Mapping[str, Any], ...]
    coverage: tuple[Mapping[str, Any], ...]
    add_fields: str
    period: tuple[int, int]
    records: int
    notes: tuple[str, ...] = ()
    ledger: Mapping[str, Any] | None = None
    changes: Mapping[str, Any] | None = None
    footprint: Mapping[str, Any] | None = None
    suppressed: tuple[Suppressed, ...] = ()
    suppressions: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The review as plain JSON types."""
        since_s, until_s = self.period
        return {
            "room": self.room,
            "period": {"since": iso(since_s), "until": iso(until_s)},
            "records": self.records,
            "summary": [dict(one) for one in self.summary],
            "headlines": [dict(one) for one in self.headlines],
            "findings": [finding.as_dict() for finding in self.findings],
            "suppressed": [one.as_dict() for one in self.suppressed],
            "suppressions": dict(self.suppressions) if self.suppressions else None,
            "coverage": [dict(one) for one in self.coverage],
            "add_fields": self.add_fields,
            "ledger": dict(self.ledger) if self.ledger else None,
            "notes": list(self.notes),
            "changes": dict(self.changes) if self.changes else None,
            "baseline": dict(self.footprint) if self.footprint else None,
        }

    def _repr_html_(self) -> str:
        from flowkit import show

        return show.summary(self)._repr_html_()

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        from flowkit import show

        return show.summary(self)._repr_mimebundle_()


def review(flows: Flows, room: str, *, baseline: str = "", suppressions: str = "", **parameters: Any) -> Review:
    """Run every rule of a room over the flows, rank what they find, and say what could not be looked at.

    `baseline` is the `.json` of an earlier report of the same room: findings are told as new or gone against it.
    `suppressions` is a YAML file of findings to set aside (docs/findings.md): they are listed with their reason.
    `parameters` go to the rules that take them. Raises ParameterError for a parameter that no rule takes.
    """
    rules = _rules(room)
    taken = {name for rule in rules.values() for name in inspect.signature(rule).parameters}
    for name in parameters:
        if name not in taken:
            raise ParameterError(f"No rule of {room} has a parameter '{name}'.")
    if suppressions:
        check_suppressions(suppressions)  # a mistake in it is told before the rules take their time
    found: list[Finding] = []
    if flows.records:
        for rule in rules.values():
            wanted = inspect.signature(rule).parameters
            given = {"baseline": baseline, **parameters}
            found += rule(flows, **{name: value for name, value in given.items() if name in wanted})
    sorted_out = suppress(
        [with_community_ids(finding) for finding in rank(found)], suppressions, until_s=flows.period[1],
        rules=_rooms_of_rules() if suppressions else {}, room=room,
    )  # fmt: skip
    ranked = list(sorted_out.findings)
    told = coverage(flows, room)
    figures = headlines(flows, room, **parameters)
    before = read(baseline, room) if baseline else None
    changes = _changes(ranked, before, sorted_out.suppressed) if before is not None else None
    if before is not None:
        figures = [_with_change(figure, before) for figure in figures]
    return Review(
        room=room,
        findings=tuple(ranked),
        headlines=tuple(figures),
        summary=tuple(sentences(flows, room, ranked, figures, told, changes, suppressed=len(sorted_out.suppressed))),
        coverage=tuple(told),
        add_fields=_format_to_add(told, flows),
        period=flows.period,
        records=flows.records,
        notes=flows.notes,
        ledger=flows.ledger.totals if flows.ledger is not None else None,
        changes=changes,
        footprint=_footprint(flows, room),
        suppressed=sorted_out.suppressed,
        suppressions={"file": suppressions, "entries": list(sorted_out.entries), "notes": list(sorted_out.notes)}
        if suppressions
        else None,
    )


def coverage(flows: Flows, room: str = "") -> list[dict[str, Any]]:
    """Which questions this log can answer, and the fields it lacks for the others, read from the registry."""
    for name in [room] if room else ROOMS:
        _rules(name)
    told = []
    for question in QUESTIONS.values():
        if room and question.room != room:
            continue
        missing = [column for column in question.needs if flows.share(column) == 0.0]
        blunt = [column for column in question.sharper_with if flows.share(column) == 0.0]
        told.append(
            {
                "question": question.name,
                "room": question.room,
                "text": question.text,
                "answerable": not missing,
                "missing": [FIELDS_BY_COLUMN[column].name for column in missing],
                "sharper_with": [FIELDS_BY_COLUMN[c].name if c in FIELDS_BY_COLUMN else c for c in blunt],
                "share": min([flows.share(column) for column in question.needs], default=1.0),
            }
        )
    return told


def check_suppressions(path: str) -> None:
    """Whether the file of suppressions at `path` can be used. Raises ParameterError, naming file and entry, if not."""
    read_entries(path, tuple(_rooms_of_rules()))


def _rules(room: str) -> Mapping[str, Any]:
    if room not in ROOMS:
        raise ParameterError(f"There is no room '{room}'. Use {', '.join(ROOMS)}.")
    rules: Mapping[str, Any] = importlib.import_module(f"flowkit.{room}").RULES
    return rules


def _footprint(flows: Flows, room: str) -> Mapping[str, Any] | None:
    """What a later run needs to compare with, of the room that has it."""
    if room != "security" or not flows.records:
        return None
    from flowkit.security.footprint import footprint

    return footprint(flows)


def _rooms_of_rules() -> dict[str, str]:
    return {rule: room for room in ROOMS for rule in _rules(room)}


def _format_to_add(told: Sequence[Mapping[str, Any]], flows: Flows) -> str:
    """A log format that answers everything: the fields this log has, then those it lacks; empty where it lacks none."""
    lacking = {name for one in told for name in [*one["missing"], *one["sharper_with"]] if name != "inventory"}
    if not lacking:
        return ""
    have = {name for one in flows.formats for name in one["fields"]} or set(DEFAULT_FORMAT)
    order = [field.name for field in FIELDS_BY_COLUMN.values()]
    return to_format_string(sorted(have & set(order), key=order.index) + sorted(lacking - have, key=order.index))


def _changes(
    found: Sequence[Finding], before: Mapping[str, Any], suppressed: Sequence[Suppressed] = ()
) -> dict[str, Any]:
    """Suppressed findings, then or now, are neither new nor gone: they are there."""
    then = {str(one["id"]): one for one in [*before["findings"], *(before.get("suppressed") or ())]}
    now = {finding.id: finding for finding in [*found, *(one.finding for one in suppressed)]}
    return {
        "since": (before.get("period") or {}).get("until"),
        "new": [finding.id for finding in found if finding.id not in then],
        "gone": sorted(id_ for id_ in then if id_ not in now),
        "worse": [f.id for f in found if f.id in then and not at_least(str(then[f.id]["severity"]), f.severity)],
    }


def _with_change(figure: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    earlier = {str(one["key"]): one for one in before.get("headlines") or [] if "key" in one}
    then = earlier.get(str(figure["key"]))
    return {**figure, "before": then["value"] if then else None}
