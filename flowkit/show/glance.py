"""What was read, at a glance: the flows, the ledger of objects, and which questions this log can answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flowkit.fields import FIELDS_BY_COLUMN
from flowkit.show.format import shown
from flowkit.show.tables import rows_html
from flowkit.show.view import View, escape

if TYPE_CHECKING:
    from flowkit.flows import Flows
    from flowkit.ledger import Ledger

__all__ = ["coverage", "ledger", "overview"]

_STATUS = {
    "read": "read",
    "empty": "empty (no record in them)",
    "foreign": "of another kind, left alone",
    "unreadable": "unreadable",
    "not_a_flow_log": "not flow logs",
}
_MOST = 100


def overview(flows: Flows) -> View:
    """The flows in a few lines: source, period, records, where they were taken, the formats, what is incomplete."""
    since_s, until_s = flows.period
    objects = f" in {_counted(len(flows.ledger), 'object')}" if flows.ledger is not None else ""
    facts: list[tuple[str, str]] = [
        ("Source", flows.source),
        ("Period", f"{shown('since_s', since_s)} to {shown('until_s', until_s)} UTC" if until_s else "none"),
        ("Records", f"{flows.records:,}{objects}"),
        ("Taken at", f"{_counted(len(flows.interfaces), 'interface')}, {_counted(len(flows.accounts), 'account')}"
         + (f", {flows.region}" if flows.region else "")),
        ("Windows", f"{flows.interval_s} s"),
        ("Inventory", "used" if flows.inventory is not None else "none: names, zones and roles are from the log alone"),
    ]  # fmt: skip
    facts += [("Format", _format(entry)) for entry in flows.formats]
    facts += [("Mind", note) for note in flows.notes]
    text = "\n".join(f"{name}: {value}" for name, value in facts)
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return View(f'<dl class="fk-facts">{rows}</dl>', text)


def ledger(flows: Flows) -> View:
    """The ledger in words, with a row for each object behind a fold: every line read is accounted for."""
    book = flows.ledger
    if book is None:
        text = "These records were handed over, not read: there is no ledger."
        return View(f'<p class="fk-none">{text}</p>', text)
    totals = book.totals
    statuses = ", ".join(f"{count:,} {_STATUS[status]}" for status, count in book.by_status().items())
    words = [
        f"{_counted(totals['objects'], 'object')}: {statuses or 'none'}.",
        f"{_counted(totals['lines'], 'line')} = {_parts(totals)}.",
    ]
    if book.part:
        words.insert(0, str(book.part))
    if totals["skipdata"]:
        words.append("SKIPDATA means that AWS lost records there: every total is a lower bound.")
    if not book.balanced:
        words.append("The ledger does not balance: some lines are unaccounted for. Please report this.")
    problems = book.problems()
    listed = "".join(f"<li>{escape(problem)}</li>" for problem in problems[:_FEW])
    if len(problems) > _FEW:
        listed += f"<li>and {len(problems) - _FEW:,} more, in the table below.</li>"
    fold = f"<details><summary>Every object</summary>{_objects(book)}</details>" if book.rows else ""
    markup = f"<p>{escape(' '.join(words))}</p>" + (f'<ul class="fk-caveats">{listed}</ul>' if listed else "") + fold
    return View(markup, "\n".join([*words, *problems]))


def coverage(flows: Flows, room: str = "") -> View:
    """Which questions this log can answer, which it cannot, and the fields that would unlock them.

    `room` is `security`, `performance` or `cost`; empty for all.
    """
    from flowkit.review import coverage as told_by

    told = told_by(flows, room)
    rows = [_coverage_row(one) for one in told]
    able = sum(bool(one["answerable"]) for one in told)
    words = f"{able:,} of {_counted(len(told), 'question')} can be answered from this log."
    if able == len(told):
        words = f"All {len(told):,} questions can be answered from this log."
    lacking = {name for one in told for name in (*one["missing"], *one["sharper_with"])} - {"inventory"}
    markup = f"<p>{escape(words)}</p>"
    if lacking:
        add = " ".join(f"${{{name}}}" for name in sorted(lacking, key=_place))
        markup += f'<p>Fields that would make this log tell more: <code class="fk-format">{escape(add)}</code></p>'
        words += f" Fields to add: {add}"
    table = rows_html(["question", "answered", "lacks"], rows, table_name="coverage")
    return View(f"{markup}<details><summary>Every question</summary>{table}</details>", words)


_FEW = 5


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _format(entry: Mapping[str, Any]) -> str:
    fields = list(entry["fields"])
    version = max((field.version for field in FIELDS_BY_COLUMN.values() if field.name in fields), default=2)
    name = f"{entry['flow_log_id']}: " if entry.get("flow_log_id") else ""
    return f"{name}{len(fields)} fields up to version {version}, known from {entry['provenance']}"


def _parts(totals: dict[str, int]) -> str:
    names = {
        "records": "records",
        "headers": "headers",
        "blank": "blank",
        "nodata": "NODATA",
        "skipdata": "SKIPDATA",
        "malformed": "malformed",
        "out_of_period": "outside the period",
    }
    return " + ".join(f"{totals[name]:,} {word}" for name, word in names.items() if totals[name]) or "0"


def _objects(book: Ledger) -> str:
    columns = ["object", "status", "envelope", "provenance", "lines", "records", "nodata", "skipdata", "malformed",
               "out_of_period", "text_bytes", "message"]  # fmt: skip
    ordered = sorted(book.rows, key=lambda row: (row.status == "read" and not row.malformed, row.object_id))
    rows = [row.as_dict() for row in ordered[:_MOST]]
    columns = [c for c in columns if c in ("object", "status", "lines", "records") or any(row[c] for row in rows)]
    note = f"The first {_MOST} of {len(book):,} objects, those with problems first." if len(book) > _MOST else ""
    return rows_html(columns, rows, note=note, table_name="ledger")


def _coverage_row(one: Mapping[str, Any]) -> dict[str, str]:
    blunt = list(one["sharper_with"])
    answered = "no" if not one["answerable"] else "in part" if one["share"] < 1 else "less sharply" if blunt else "yes"
    lacks = ", ".join("an inventory" if name == "inventory" else name for name in [*one["missing"], *blunt])
    return {"question": one["text"], "answered": answered, "lacks": lacks}


def _place(name: str) -> tuple[int, str]:
    """Where a field stands in the order of versions."""
    return next((field.version for field in FIELDS_BY_COLUMN.values() if field.name == name), 99), name
