"""What `show` hands to a notebook: markup that Jupyter and the report both display, and its text form."""

from __future__ import annotations

import functools
import html
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from flowkit.show.format import clean

__all__ = ["MARK", "REVIEW_MIME", "View", "escape", "style", "unwrap", "wrap"]

#: The summary cell carries the review as JSON under this type; `flowkit report` reads it from there.
REVIEW_MIME = "application/vnd.flowkit.review+json"

#: Every piece of markup made here begins with this; the report takes such outputs as they are and cleans all others.
MARK = "<style data-flowkit>"


def escape(value: object) -> str:
    """Text as markup that shows exactly this text. Everything that comes from a log passes through here."""
    return html.escape(clean(str(value)), quote=True)


@functools.cache
def style() -> str:
    """The stylesheet that the markup of `show` is drawn with, in a notebook and in a report."""
    return resources.files("flowkit.show").joinpath("style.css").read_text(encoding="utf-8")


def wrap(body: str) -> str:
    """A piece of markup with its stylesheet, so that it looks right in a notebook too."""
    return f'{MARK}{style()}</style><div class="fk">{body}</div>'


def unwrap(markup: str) -> str | None:
    """The piece of markup inside `wrap`, or None where the markup is not flowkit's."""
    if not markup.startswith(MARK):
        return None
    return markup.split("</style>", 1)[1]


@dataclass(frozen=True, slots=True)
class View:
    """Markup, the same in plain text, and data for programs by MIME type."""

    html: str
    text: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        return wrap(self.html)

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        plain = {kind: json.loads(json.dumps(value, default=str)) for kind, value in self.data.items()}
        return {"text/plain": self.text or "flowkit view", "text/html": wrap(self.html), **plain}

    def __repr__(self) -> str:
        return self.text or "flowkit view"
