"""Rows as CSV for a spreadsheet, in which nothing from a log can become a formula."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flowkit.show.format import clean

__all__ = ["csv_text", "findings_csv", "findings_text", "guarded"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")

_FINDING_COLUMNS = ("id", "rule", "severity", "confidence", "title", "srcaddr", "dstaddr", "dstport", "protocol",
                    "interface_id", "other_subject", "first_seen", "last_seen", "count", "attack", "explanation",
                    "could_also_be", "next_step", "suppressed", "suppressed_until")  # fmt: skip


def guarded(value: object) -> object:
    """A cell that a spreadsheet takes as it is: text that looks like a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV with a heading line. Absent values are empty, lists are joined by spaces."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([guarded(column) for column in columns])
    for row in rows:
        writer.writerow([guarded(_flat(row.get(column))) for column in columns])
    return text.getvalue()


def findings_csv(findings: Iterable[Mapping[str, Any]]) -> str:
    """Findings as CSV, one a line, with the usual parts of their subject in columns of their own.

    Of suppressed ones `suppressed` is the reason, and `suppressed_until` the last day.
    """
    rows = []
    for finding in findings:
        subject = dict(finding.get("subject") or {})
        usual = {field: subject.pop(field, None) for field in _FINDING_COLUMNS[5:10]}
        other = json.dumps(subject, sort_keys=True) if subject else None
        why = finding.get("suppression") or {}
        marks = {"suppressed": why.get("reason"), "suppressed_until": why.get("expires")}
        rows.append({**finding, **usual, "other_subject": other, **marks})
    return csv_text(_FINDING_COLUMNS, rows)


def _flat(value: object) -> object:
    return " ".join(str(one) for one in value) if isinstance(value, (list, tuple)) else value


def findings_text(
    findings: Sequence[Mapping[str, Any]], suppressed: Sequence[Mapping[str, Any]] = (), *, records: int = 0
) -> str:
    """Findings as lines for a terminal: severity, when last seen (UTC), title, and the id below it.

    `suppressed` ones follow with their reason. `records` is how many were looked at.
    """
    lines = []
    for one in findings:
        seen = str(one.get("last_seen") or "").replace("T", " ")[:16]
        lines += [f"{one['severity']:<9} {seen:<17} {clean(str(one['title']))}", f"{'':<27} {clean(str(one['id']))}"]
    if not lines:
        lines.append(f"No findings in {records:,} records.")
    if suppressed:
        lines += ["", f"{len(suppressed):,} suppressed:"]
    for one in suppressed:
        why = one["suppression"]
        lines += [
            f"{one['severity']:<9} {'until ' + why['expires']:<17} {clean(str(one['title']))}",
            f"{'':<27} {clean(why['reason'])}",
        ]
    return "\n".join(lines)
