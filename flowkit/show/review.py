"""The review at a glance: its sentences, its headline figures, its findings; and the data that a report reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowkit.show.cards import findings, tally
from flowkit.show.format import shown
from flowkit.show.suppressed import suppressed_html, suppressed_text
from flowkit.show.view import REVIEW_MIME, View, escape

if TYPE_CHECKING:
    from flowkit.review import Review

__all__ = ["fields_html", "headlines_html", "sentences_html", "summary"]


def summary(review: Review) -> View:
    """What a review found. In a report this is what stands first.

    The view also carries the review itself as JSON, from which `flowkit report` writes the report's `.json`.
    """
    payload = review.as_dict()
    found = payload["findings"] = [_with_columns(entry) for entry in payload["findings"]]
    cards = findings(found, records=int(payload.get("records") or 0), changes=payload.get("changes"))
    markup = (
        sentences_html(payload.get("summary") or ())
        + headlines_html(payload.get("headlines") or ())
        + fields_html(payload)
        + cards.html
        + suppressed_html(payload)
    )
    text = f"{len(found)} findings" + (f": {tally(found)}" if found else "")
    text = "; ".join(filter(None, (text, suppressed_text(payload.get("suppressed") or ()))))
    return View(markup, text, {REVIEW_MIME: payload})


def sentences_html(sentences: Sequence[Any]) -> str:
    """The summary's sentences: the first, what was found, stands out."""
    texts = [str(entry["text"] if isinstance(entry, Mapping) else entry) for entry in sentences]
    first = f'<p class="fk-lead">{escape(texts[0])}</p>' if texts else ""
    return first + (f"<p>{escape(' '.join(texts[1:]))}</p>" if len(texts) > 1 else "")


def headlines_html(headlines: Sequence[Mapping[str, Any]]) -> str:
    """Headline figures side by side: the value in its unit, what it is, and what to compare it with."""
    if not headlines:
        return ""
    return f'<dl class="fk-headlines">{"".join(_headline(entry) for entry in headlines)}</dl>'


def fields_html(payload: Mapping[str, Any]) -> str:
    """What the log format leaves open, in one line, with the format that would answer it behind a fold."""
    if not payload.get("add_fields"):
        return ""
    told = payload.get("coverage") or ()
    open_ones = sum(not one["answerable"] for one in told)
    blunt = sum(bool(one["answerable"] and set(one["sharper_with"]) - {"inventory"}) for one in told)
    parts = [f"leaves {open_ones} of {len(told)} questions open" if open_ones else "",
             f"answers {blunt} of {len(told)} less sharply than it could" if blunt else ""]  # fmt: skip
    words = " and ".join(part for part in parts if part)
    return (
        f'<details class="fk-add"><summary>This log format {escape(words)}. The log format to use instead</summary>'
        f'<code class="fk-format">{escape(payload["add_fields"])}</code></details>'
    )


def _headline(entry: Mapping[str, Any]) -> str:
    unit = str(entry.get("unit") or "")
    value = shown(f"value_{unit}" if unit else "value", entry["value"])
    notes = [str(entry["note"])] if entry.get("note") else []
    if entry.get("before") is not None:
        notes.append(f"{shown(f'value_{unit}' if unit else 'value', entry['before'])} before")
    note = f'<dd class="fk-note">{escape("; ".join(notes))}</dd>' if notes else ""
    return f'<div><dt>{escape(entry["label"])}</dt><dd class="fk-value">{escape(value)}</dd>{note}</div>'


def _with_columns(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The finding with the order of its evidence's columns, which notebook files do not keep."""
    columns: list[str] = []
    for row in entry.get("evidence") or ():
        columns += [column for column in row if column not in columns]
    return {**entry, "evidence_columns": columns}
