"""Findings as cards: what, how bad, who, when, why, what else it could be, what to do; the rows behind a fold."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from flowkit.finding import SEVERITIES, Finding, at_least
from flowkit.show.format import shown
from flowkit.show.tables import rows_html
from flowkit.show.view import View, escape

__all__ = ["CALL", "anchor", "findings", "tally"]

#: The subject in the order of a sentence: who, whom, what.
_SUBJECT = {
    "srcaddr": "Source",
    "dstaddr": "Target",
    "dstport": "Port",
    "protocol": "Protocol",
    "interface_id": "Interface",
}
_FEW = 8

#: The AWS CLI call with which a next step ends (`flowkit.finding.aws_cli`).
CALL = re.compile(r"(?:^|(?<=: ))aws [a-z0-9-]+ [a-z0-9-]+(?: .*)?$")


def findings(
    found: Sequence[Finding | Mapping[str, Any]], *, records: int = 0, changes: Mapping[str, Any] | None = None
) -> View:
    """Findings in the order given, each a card that can be linked to by its id. Cards of `info` show their title only
    until they are opened, and so do those of `low` where there is something worse.

    `records` is how many records were looked at, for the sentence that stands where there are no findings. `changes`
    says which ids are `new` or `worse` than in the baseline.
    """
    rows = [entry.as_dict() if isinstance(entry, Finding) else dict(entry) for entry in found]
    if not rows:
        text = f"No findings in {records:,} records." if records else "No findings."
        return View(f'<p class="fk-none">{escape(text)}</p>', text)
    text = "\n".join(f"[{row['severity']}] {row['title']}" for row in rows)
    marks = {id_: word for word in ("worse", "new") for id_ in (changes or {}).get(word, ())}
    grave = any(at_least(row["severity"], "medium") for row in rows)
    folded = ("low", "info") if grave else ("info",)
    cards = "".join(_card(row, marks.get(row["id"], ""), folded=row["severity"] in folded) for row in rows)
    return View(f'<p class="fk-tally">{escape(tally(rows))}</p><div class="fk-findings">{cards}</div>', text)


def anchor(finding_id: str) -> str:
    """The name to link to a finding by."""
    return "finding-" + "".join(c if c.isalnum() or c in "-_" else "-" for c in finding_id)


def tally(found: Sequence[Mapping[str, Any]]) -> str:
    """How many findings of each severity, worst first, in words: `1 high, 3 medium`."""
    counts = {severity: sum(row["severity"] == severity for row in found) for severity in SEVERITIES}
    return ", ".join(f"{count:,} {severity}" for severity, count in counts.items() if count)


def _card(row: Mapping[str, Any], change: str, *, folded: bool) -> str:
    severity = escape(row["severity"])
    name = anchor(str(row["id"]))
    mark = f'<span class="fk-severity">{severity.capitalize()}</span>'
    said = f' <span class="fk-change">{change}</span>' if change else ""
    title = f'<h3 id="{name}-title">{escape(row["title"])}{said}</h3>'
    body = (
        f"{_subject(row.get('subject') or {})}<p>{escape(row['explanation'])}</p>"
        f'<dl class="fk-advice">{_advice("Next step", row.get("next_step"))}'
        f"{_advice('Could also be', row.get('could_also_be'))}</dl>{_evidence(row)}{_foot(row)}"
    )
    whole = f"<div>{title}{body}</div>"
    if folded:
        whole = f"<details><summary>{title}</summary>{body}</details>"
    return (
        f'<article class="fk-finding fk-{severity}" id="{name}" aria-labelledby="{name}-title">{mark}{whole}</article>'
    )


def _when(row: Mapping[str, Any]) -> str:
    first, last = row.get("first_seen"), row.get("last_seen")
    if not first:
        return ""
    if not last or last == first:
        return f"{_time(first)} UTC"
    return f"{_time(first)} to {_time(last, short=str(first)[:10] == str(last)[:10])} UTC"


def _time(instant: object, *, short: bool = False) -> str:
    text = str(instant).replace("T", " ").removesuffix("Z")
    return f'<time datetime="{escape(instant)}">{escape(text[11:] if short else text)}</time>'


def _subject(subject: Mapping[str, Any]) -> str:
    if not subject:
        return ""
    ordered = [field for field in _SUBJECT if field in subject] + sorted(set(subject) - set(_SUBJECT))
    items = []
    for field in ordered:
        value = subject[field]
        several = list(value) if isinstance(value, (list, tuple)) else [value]
        chips = " ".join(f"<code>{escape(shown(field, one))}</code>" for one in several[:_FEW])
        if len(several) > _FEW:
            rest = " ".join(f"<code>{escape(shown(field, one))}</code>" for one in several[_FEW:])
            chips += f" <details><summary>and {len(several) - _FEW:,} more</summary>{rest}</details>"
        items.append(f"<div><dt>{escape(_SUBJECT.get(field, field))}</dt><dd>{chips}</dd></div>")
    return f'<dl class="fk-subject">{"".join(items)}</dl>'


def _advice(name: str, text: object) -> str:
    if not text:
        return ""
    call = CALL.search(str(text))
    said = escape(str(text)[: call.start()] if call else text)
    return f"<div><dt>{name}</dt><dd>{said}{_call(call.group()) if call else ''}</dd></div>"


def _call(text: str) -> str:
    """A command to copy; its lines break between words, never at the hyphens inside them."""
    words = " ".join(f"<span>{escape(word)}</span>" for word in text.split(" "))
    return f'<span class="fk-call"><code>{words}</code></span>'


def _evidence(row: Mapping[str, Any]) -> str:
    evidence = list(row.get("evidence") or ())
    if not evidence:
        return ""
    columns = list(row.get("evidence_columns") or dict.fromkeys(column for entry in evidence for column in entry))
    count = max(int(row.get("count") or 0), len(evidence))
    rows = "row" if len(evidence) == 1 else "rows"
    title = f"Evidence: {len(evidence):,} {rows}" + (f" of {count:,}" if count > len(evidence) else "")
    table = rows_html(columns, evidence, table_name=str(row["rule"]))
    return f'<details class="fk-evidence"><summary>{title}</summary>{table}</details>'


def _foot(row: Mapping[str, Any]) -> str:
    parts = [
        _when(row),
        f"confidence {100 * float(row['confidence']):.0f} %",
        f"rule <code>{escape(row['rule'])}</code>",
    ]
    if row.get("attack"):
        parts.append(escape("ATT&CK " + ", ".join(str(technique) for technique in row["attack"])))
    parts.append(f'id <a href="#{anchor(str(row["id"]))}"><code>{escape(row["id"])}</code></a>')
    return f'<p class="fk-foot">{" · ".join(f"<span>{part}</span>" for part in parts if part)}</p>'
