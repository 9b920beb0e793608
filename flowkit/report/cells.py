"""Cells as markup that is safe to put on a page: markdown and the outputs of code."""

from __future__ import annotations

import base64
import functools
import re
from typing import Any

from flowkit.show.view import escape, unwrap

__all__ = ["markdown_html", "output_html"]

_TAGS = ["a", "abbr", "b", "blockquote", "br", "caption", "code", "dd", "del", "details", "div", "dl", "dt", "em", "h3",
         "h4", "h5", "h6", "hr", "i", "img", "kbd", "li", "ol", "p", "pre", "s", "small", "span", "strong", "sub",
         "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul"]  # fmt: skip
_DEAD = re.compile(r"<(script|style|iframe|object|template|noscript|svg|math)\b.*?</\1\s*>", re.S | re.I)
_LINK = re.compile(r'<a\b[^>]*?href="([^"]*)"[^>]*>(.*?)</a>', re.S)
_IMAGE = re.compile(r"<img\b[^>]*>")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def markdown_html(text: str) -> str:
    """Markdown as clean markup."""
    from nbconvert.filters.markdown import markdown2html

    return _cleaned(markdown2html(text)) if text.strip() else ""


def output_html(output: dict[str, Any], section: str) -> str:
    """One output of a code cell. `section` names pictures that come without words."""
    if output["output_type"] == "stream":
        return f"<pre>{_plain(output['text'])}</pre>" if output["name"] == "stdout" else ""
    data = {kind: "".join(text) if isinstance(text, list) else text for kind, text in output.get("data", {}).items()}
    if "text/html" in data:
        own = unwrap(data["text/html"])
        return (
            own if own is not None else f'<div class="fk-scroll other" tabindex="0">{_cleaned(data["text/html"])}</div>'
        )
    for kind in ("image/svg+xml", "image/png", "image/jpeg"):
        if kind in data:
            held = data[kind] if kind != "image/svg+xml" else base64.b64encode(data[kind].encode()).decode()
            address = f"data:{kind};base64,{''.join(held.split())}"
            return f'<figure class="other"><img src="{address}" alt="Figure in: {escape(section)}"></figure>'
    if "text/markdown" in data:
        return markdown_html(data["text/markdown"])
    return f"<pre>{_plain(data['text/plain'])}</pre>" if "text/plain" in data else ""


def _plain(text: str | list[str]) -> str:
    whole = _ANSI.sub("", "".join(text))
    return "\n".join(escape(line) for line in whole.split("\n"))


@functools.cache
def _cleaner() -> Any:
    from nbconvert.preprocessors.sanitize import SanitizeHTML

    return SanitizeHTML(  # type: ignore[no-untyped-call]  # nbconvert ships no types
        tags=_TAGS, strip=True, styles=[],
        attributes={"*": ["class", "title", "colspan", "rowspan", "scope"], "a": ["href"], "img": ["src", "alt"]},
    )  # fmt: skip


def _cleaned(markup: str) -> str:
    """Markup with nothing in it that runs, loads or looks like ours: tags of prose and tables only."""
    clean = str(_cleaner().sanitize_html_tags(_DEAD.sub("", markup)))
    clean = re.sub(r' class="([^"]*)"', lambda m: "" if "fk" in m[1] else m[0], clean)
    clean = _LINK.sub(_link, clean)
    return _IMAGE.sub(lambda m: m.group() if re.search(r'src="data:image/', m.group()) else "", clean)


def _link(match: re.Match[str]) -> str:
    """A link inside the page stays one; an outside address is printed, for a report must not phone out."""
    address, text = match.group(1), match.group(2)
    if address.startswith("#"):
        return f'<a href="{address}">{text}</a>'
    bare = re.sub(r"^\w+:(//)?", "", address)
    if re.sub(r"<[^>]*>", "", text).removeprefix("https://").removeprefix("http://") == bare:
        return f'<span class="address">{bare}</span>'
    return f'{text} <span class="address">({bare})</span>'
