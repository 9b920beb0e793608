"""Suppressed findings: counted and listed below the others, each with its reason and last day, never hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flowkit.show.view import escape

__all__ = ["suppressed_html", "suppressed_text"]


def suppressed_html(payload: Mapping[str, Any]) -> str:
    """What a file of suppressions did to a review (`payload`, as JSON): nothing where none was given."""
    found: Sequence[Mapping[str, Any]] = payload.get("suppressed") or ()
    notes = (payload.get("suppressions") or {}).get("notes") or ()
    told = "".join(f"<li>{escape(note)}</li>" for note in notes)
    told = f'<ul class="fk-caveats">{told}</ul>' if told else ""
    if not found:
        return told
    rows = "".join(_row(one) for one in found)
    return (
        f'<details class="fk-suppressed" open><summary>{escape(suppressed_text(found))}</summary>'
        f"<ul>{rows}</ul></details>{told}"
    )


def suppressed_text(found: Sequence[Mapping[str, Any]]) -> str:
    """How many findings are suppressed, in words; empty for none."""
    return f"{len(found):,} suppressed {'finding' if len(found) == 1 else 'findings'}" if found else ""


def _row(one: Mapping[str, Any]) -> str:
    why = one["suppression"]
    owner = f", {escape(why['owner'])}" if why.get("owner") else ""
    return (
        f'<li><span class="fk-severity">{escape(str(one["severity"]).capitalize())}</span>'
        f"<div><b>{escape(one['title'])}</b><p>{escape(why['reason'])}</p>"
        f'<p class="fk-foot"><span>until <time>{escape(why["expires"])}</time>{owner}</span> · '
        f"<span>rule <code>{escape(one['rule'])}</code></span> · "
        f"<span>id <code>{escape(one['id'])}</code></span> · <span>entry {escape(why['entry'])}</span></p></div></li>"
    )
