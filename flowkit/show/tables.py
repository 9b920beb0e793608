"""Answers as tables: formatted by unit, escaped, with how they were computed behind a fold."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from flowkit.show.format import exact, heading, is_number, kind, shown
from flowkit.show.view import View, escape, wrap

if TYPE_CHECKING:
    from flowkit.question import Answer

__all__ = ["answer_html", "computed_html", "instead_of", "rows_html", "table"]

_SQL_TOKEN = re.compile(
    r"(?P<text>'(?:''|[^'])*')|(?P<comment>--[^\n]*)|\b(?P<word>AND|AS|ASC|BETWEEN|BY|CASE|CAST|CROSS|DESC|DISTINCT|ELSE|"
    r"END|EXISTS|FILTER|FIRST|FROM|FULL|GROUP|HAVING|IN|INNER|IS|JOIN|LAST|LEFT|LIMIT|NOT|NULL|NULLS|ON|OR|ORDER|"
    r"OUTER|OVER|PARTITION|SELECT|THEN|UNION|ALL|VALUES|WHEN|WHERE|WITH)\b"
)


def table(answer: Answer, *, caption: str = "", limit: int = 50) -> View:
    """An answer's rows as a table of at most `limit` rows.

    An empty answer reads `None in 48,210 records.`, one that this log cannot give says which field is missing. Below
    the table stand the answer's caveats and its SQL. Cells are formatted by the unit in their column's name.
    """
    instead = instead_of(answer)
    title = caption or answer.question
    if instead:
        return View(
            instead.html + (_caveats(answer) + computed_html(answer) if answer.answerable else ""), instead.text
        )
    frame = answer.table
    columns = [str(column) for column in frame.columns]
    kept = frame.head(limit).itertuples(index=False)
    rows: list[dict[str, Any]] = [dict(zip(columns, row, strict=True)) for row in kept]
    note = f"The first {limit:,} of {len(frame):,} rows." if len(frame) > limit else ""
    markup = rows_html(columns, rows, caption=title, note=note, table_name=answer.name)
    text = f"{title}\n{frame.head(limit).to_string(index=False)}" if title else frame.head(limit).to_string(index=False)
    return View(markup + _caveats(answer) + computed_html(answer), text)


def answer_html(answer: Answer) -> str:
    """The markup Jupyter shows for a bare answer. Never raises."""
    return wrap(table(answer).html)


def instead_of(answer: Answer) -> View | None:
    """The one line that stands where there are no rows to show, or None where there are."""
    if not answer.answerable:
        text = f"Not answered: {answer.why_missing}"
        return View(f'<p class="fk-missing">{escape(text)}</p>', text)
    if answer.table.empty:
        text = f"None in {answer.records:,} {'record' if answer.records == 1 else 'records'}."
        return View(f'<p class="fk-none">{escape(text)}</p>', text)
    return None


def computed_html(answer: Answer) -> str:
    """The fold that says how an answer was computed: the question in words and the SQL that ran."""
    if not answer.sql:
        return ""
    name = f"<code>{escape(answer.name)}</code> · " if answer.name else ""
    return (
        '<details class="fk-sql"><summary>How this was computed</summary>'
        f"<p>{name}{escape(answer.question)}</p>"
        f'<pre tabindex="0"><code>{_sql(answer.sql)}</code></pre></details>'
    )


def rows_html(
    columns: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    *,
    caption: str = "",
    note: str = "",
    table_name: str = "",
    headings: Mapping[str, str] | None = None,
) -> str:
    """Rows as a table's markup. A bar behind the measure that the rows are ranked by shows its proportions."""
    measures = {column for column in columns if _is_measure(column, rows)}
    barred = next((column for column in columns if column in measures and _can_bar(column, rows)), "")
    top = max((float(row[barred]) for row in rows if is_number(row.get(barred))), default=0.0) if barred else 0.0
    head = "".join(
        f'<th scope="col" data-column="{escape(column)}"{_class(column, measures)}>'
        f"{escape((headings or {}).get(column) or heading(column))}</th>"
        for column in columns
    )
    body = "".join(
        f"<tr>{''.join(_cell(name, row.get(name), measures, top * (name == barred)) for name in columns)}</tr>"
        for row in rows
    )
    label = escape(caption or table_name or "Table")
    below = f'<p class="fk-note">{escape(note)}</p>' if note else ""
    title = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return (
        f'<figure class="fk-table">{title}<div class="fk-scroll" role="region" tabindex="0" aria-label="{label}">'
        f'<table data-name="{escape(table_name)}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        f"{below}</figure>"
    )


def _cell(column: str, value: Any, measures: set[str], top: float) -> str:
    text = shown(column, value)
    full = exact(column, value)
    sort = f' data-v="{escape(full)}"' if full and full != text else ""
    title = f' title="{escape(full)}"' if full and kind(column) in ("bytes", "bps", "usd", "share") else ""
    if top > 0 and is_number(value):
        return f'<td class="fk-n fk-bar" style="--w:{100 * float(value) / top:.1f}%"{sort}{title}>{escape(text)}</td>'
    return f"<td{_class(column, measures)}{sort}{title}>{escape(text)}</td>"


def _class(column: str, measures: set[str]) -> str:
    if column in measures:
        return ' class="fk-n"'
    return ' class="fk-i"' if kind(column) in ("identifier", "port", "instant") else ""


def _is_measure(column: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    if kind(column) in ("identifier", "port", "instant", "protocol", "flags"):
        return False
    values = [row.get(column) for row in rows]
    return any(is_number(value) for value in values) and not any(isinstance(value, str) for value in values)


def _can_bar(column: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the rows are ranked by this column: never rising, none below zero, not all alike."""
    values = [float(row[column]) for row in rows if is_number(row.get(column))]
    falling = all(earlier >= later for earlier, later in pairwise(values))
    return len(values) > 2 and falling and values[0] > values[-1] >= 0


def _caveats(answer: Answer) -> str:
    if not answer.caveats:
        return ""
    return '<ul class="fk-caveats">' + "".join(f"<li>{escape(text)}</li>" for text in answer.caveats) + "</ul>"


def _sql(text: str) -> str:
    """SQL as markup with its words marked. Escaped piece by piece, so that a literal stays a literal."""
    text = textwrap.dedent(text).strip()
    parts, at = [], 0
    for match in _SQL_TOKEN.finditer(text):
        tag = {"text": "i", "comment": "s", "word": "b"}[str(match.lastgroup)]
        parts += [_lines(text[at : match.start()]), f"<{tag}>{_lines(match.group())}</{tag}>"]
        at = match.end()
    return "".join([*parts, _lines(text[at:])])


def _lines(text: str) -> str:
    """Escaped text that keeps its line breaks, which `escape` would write out."""
    return "\n".join(escape(line.replace("\t", "    ")) for line in text.split("\n"))
