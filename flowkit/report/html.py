"""An executed notebook as one HTML file that works from a mail attachment: nothing in it comes from outside.

The notebook's cells become a page: what the summary cell found first, then a section for each heading. Code is hidden.
Outputs that `show` made are taken as they are (it escapes); all other markup is cleaned, links lose their address
scheme, and the page's own policy forbids loading or sending anything.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowkit.report.cells import markdown_html, output_html
from flowkit.report.layout import filled, part
from flowkit.report.places import write
from flowkit.show.cards import findings
from flowkit.show.format import shown
from flowkit.show.review import fields_html, headlines_html, sentences_html
from flowkit.show.suppressed import suppressed_html
from flowkit.show.view import REVIEW_MIME

__all__ = ["Page", "page_of", "render", "render_files", "review_of", "told_of"]


#: How `show` marks a question that the log cannot answer.
MISSING = 'class="fk-missing"'

#: The tag of cells that speak to whoever runs the notebook, not to who reads the report.
IN_LAB_ONLY = "lab"


@dataclass(slots=True)
class Section:
    """A heading and what stands under it until the next one of its level."""

    title: str
    name: str
    parts: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Page:
    """What the template lays out."""

    title: str
    intro: str
    sections: list[Section]


def render_files(job: dict[str, Any]) -> None:
    """Write the HTML and the JSON of a job whose notebook has been executed, to where the job says."""
    notebook = json.loads(Path(job["executed"]).read_text(encoding="utf-8"))
    review = review_of(notebook)
    page = page_of(notebook)
    record = {
        "flowkit_report": 1,
        "name": job["name"],
        "title": page.title or job["name"],
        "source": job["source"],
        "period": job["period"],
        "reading": job["reading"],
        "parameters": {**job["parameters"], **({"source": job["source"]} if "source" in job["parameters"] else {})},
        **{key: review.get(key, empty) for key, empty in _REVIEW_KEYS.items()},
        **{key: value for key, value in review.items() if key not in ("name", "title", "source", "period")},
        "run": job["run"],
    }
    write(Path(job["json"]), json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    write(Path(job["html"]), render(page, record))


_REVIEW_KEYS: dict[str, Any] = {"records": None, "summary": [], "headlines": [], "findings": []}


def review_of(notebook: dict[str, Any]) -> dict[str, Any]:
    """What the summary cell carries as data; empty for a notebook that has none."""
    for cell in reversed(notebook["cells"]):
        for output in cell.get("outputs", ()):
            if REVIEW_MIME in output.get("data", {}):
                return dict(output["data"][REVIEW_MIME])
    return {}


def page_of(notebook: dict[str, Any]) -> Page:
    """The notebook's cells as a page: title, words before the first section, sections."""
    page = Page("", "", [])
    names: set[str] = set()
    for cell in notebook["cells"]:
        if IN_LAB_ONLY in cell.get("metadata", {}).get("tags", ()):
            continue
        if cell["cell_type"] == "markdown":
            for level, title, text in _blocks("".join(cell["source"])):
                if level == 1 and not page.title:
                    page.title = title
                elif level == 2 or (level == 1 and page.title):
                    page.sections.append(Section(title, _name(title, names)))
                elif level:
                    text = f"{'#' * level} {title}\n\n{text}"
                _add(page, markdown_html(text))
        elif cell["cell_type"] == "code" and not any(REVIEW_MIME in out.get("data", {}) for out in cell["outputs"]):
            title = page.sections[-1].title if page.sections else page.title
            for output in cell["outputs"]:
                _add_output(page, output_html(output, title))
    page.sections = [section for section in page.sections if any(part.strip() for part in section.parts)]
    return page


def render(page: Page, record: dict[str, Any]) -> str:
    """The whole HTML text of a page with the record of its run."""
    script = part("report.js")
    return filled(
        "report.html.j2",
        page=page,
        record=record,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        period=_period(record["period"]),
        told=told_of(record),
        lead=sentences_html(record["summary"]),
        headlines=headlines_html(record["headlines"]),
        fields=fields_html(record),
        cards=_cards(record),
        records=f"{record['records']:,}" if record["records"] is not None else "",
        parameters=[
            (name, value if isinstance(value, str) else json.dumps(value))
            for name, value in record["parameters"].items()
            if value not in ("", [])
        ],
        made=record["run"]["at"],
        version=record["run"]["flowkit"],
    )


def told_of(record: dict[str, Any]) -> list[str]:
    """What to say first of how a report's logs were read: that they are a part, and whose choice the period was."""
    reading = record.get("reading") or {}
    return [*([reading["part"]["note"]] if reading.get("part") else []), *reading.get("notes", ())]


def _cards(record: dict[str, Any]) -> str:
    if record["records"] is None:
        return ""  # a notebook without a summary cell has no findings, which is not the same as none found
    cards = findings(record["findings"], records=record["records"], changes=record.get("changes")).html
    return cards + suppressed_html(record)


def _period(period: dict[str, Any]) -> str:
    since, until = (shown("since_s", period[end]) for end in ("since_s", "until_s"))
    return f"{since} – {until[11:] if until[:10] == since[:10] else until} UTC"


def _add(page: Page, markup: str) -> None:
    if not markup:
        return
    if page.sections:
        page.sections[-1].parts.append(markup)
    else:
        page.intro += markup


def _add_output(page: Page, markup: str) -> None:
    """Add an output, unless the section said already that this cannot be answered: then what led up to it goes too."""
    parts = page.sections[-1].parts if page.sections else []
    if MISSING in markup and any(markup == part for part in parts):
        if len(parts) > 1 and MISSING not in parts[-1]:
            parts.pop()
        return
    _add(page, markup)


def _blocks(text: str) -> list[tuple[int, str, str]]:
    """A markdown cell cut at its headings: level, heading, the text below it. Level 0 for text above the first."""
    blocks: list[tuple[int, str, str]] = []
    lines: list[str] = []
    level, title, fenced = 0, "", False
    for line in text.split("\n"):
        fenced ^= line.startswith("```")
        match = re.match(r"(#{1,6})\s+(.+?)\s*#*$", line)
        if match and not fenced:
            blocks.append((level, title, "\n".join(lines)))
            level, title, lines = len(match.group(1)), match.group(2), []
        else:
            lines.append(line)
    blocks.append((level, title, "\n".join(lines)))
    return [block for block in blocks if block[0] or block[2].strip()]


def _name(title: str, taken: set[str]) -> str:
    """A name to link to: the heading in small letters, unlike any other on the page."""
    base = re.sub(r"[^\w]+", "-", title.lower()).strip("-") or "section"
    name = base
    for number in range(2, 1000):
        if name not in taken:
            break
        name = f"{base}-{number}"
    taken.add(name)
    return name
