"""The house style of charts, and how a matplotlib figure becomes one piece of markup.

A chart is an inline SVG whose colours are the page's own variables, so that it reads in light, dark and on paper, and
whose text is text. The palette is colour-blind safe (after Okabe and Ito, 2008: "Color Universal Design"), and what
was rejected has the same hue wherever it appears.
"""

from __future__ import annotations

import functools
import hashlib
import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec

from flowkit.show.view import View, escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["GRID", "GROUND", "INK", "MUTED", "PALETTE", "REJECT", "colour", "drawn", "new", "styled"]

P = ParamSpec("P")

INK = "#1c2431"
MUTED = "#5a6473"
GRID = "#dfe3e8"
#: The page itself: for text on a strong shade.
GROUND = "#fefefe"
REJECT = "#c64b1c"
#: In order of use. The first is also that of accepted traffic.
PALETTE = ("#2468a8", "#138a72", "#a87900", "#7c55a3", "#5f7683", "#b04a78")

_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    GROUND: "ground",
    REJECT: "reject",
    **{value: f"c{number}" for number, value in enumerate(PALETTE, 1)},
}
_WIDTH = 760


def colour(name: str, index: int = 0) -> str:
    """The colour of a series: by meaning for REJECT and ACCEPT, else by its place."""
    word = name.lower()
    if word.startswith(("reject", "refus", "fail")):
        return REJECT
    if word.startswith("accept"):
        return PALETTE[0]
    return PALETTE[index % len(PALETTE)]


def styled(draw: Callable[P, View]) -> Callable[P, View]:
    """Have a drawing function draw in the house style, whatever the notebook has set."""

    @functools.wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> View:
        from matplotlib import rc_context

        with rc_context(_settings()):  # type: ignore[arg-type]  # matplotlib names its settings as literals
            return draw(*args, **kwargs)

    return in_style


def new(height: int = 260) -> tuple[Figure, Axes]:
    """A figure as wide as the page, `height` of the same units high. One unit is one pixel of a wide screen.

    `drawn` ends what this begins. To be called inside a function marked `styled`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH / 72, height / 72), layout="constrained")
    axes = figure.add_subplot()
    figure.patch.set_alpha(0)
    axes.patch.set_alpha(0)
    axes.set_axisbelow(True)
    return figure, axes


def drawn(figure: Figure, *, alt: str, caption: str = "") -> View:
    """The figure as markup: SVG with `alt` as its message for people who do not see it, and a caption."""
    target = io.StringIO()
    with warnings.catch_warnings():
        # The page's fonts draw the text, so a glyph that matplotlib's own font lacks is none of our business.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(target, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = _themed(target.getvalue(), alt)
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    markup = f'<figure class="fk-figure">{below}<div class="fk-scroll" tabindex="0" role="group">{svg}</div></figure>'
    return View(markup, alt)


def _settings() -> dict[str, object]:
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": "flowkit",
        "text.parse_math": False,
        "font.family": ["sans-serif"],
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 12,
        "text.color": INK,
        "legend.labelcolor": INK,
        "axes.labelcolor": MUTED,
        "axes.edgecolor": GRID,
        "axes.labelsize": 12,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.formatter.useoffset": False,
        "grid.color": GRID,
        "grid.linewidth": 1.0,
        "xtick.color": GRID,
        "ytick.color": GRID,
        "xtick.labelcolor": MUTED,
        "ytick.labelcolor": MUTED,
        "xtick.labelsize": 12,
        "ytick.labelsize": 12,
        "ytick.major.size": 0,
        "lines.linewidth": 1.8,
        "figure.dpi": 72,
        "savefig.dpi": 144,
        "path.simplify": True,
    }


def _themed(svg: str, alt: str) -> str:
    """matplotlib's SVG cut down to what a page needs, with the page's colours and names nobody else uses."""
    svg = svg[svg.index("<svg") :]
    box = re.findall(r'viewBox="([^"]+)"', svg)[0]
    inner = svg[svg.index(">") + 1 : svg.rindex("</svg>")]
    inner = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->", "", inner, flags=re.S)
    # Only tags are touched: what stands between them may come from a log.
    inner = re.sub(r"<[^>]*>", _tag, inner)
    inner = _own_names(re.sub(r">\s+<", "><", inner).strip())
    return f'<svg viewBox="{box}" role="img" aria-label="{escape(alt)}">{inner}</svg>'


def _tag(match: re.Match[str]) -> str:
    """One tag with the page's colours and fonts, and with coordinates to a hundredth of a pixel."""
    tag = match.group().replace("\n", "").replace("xlink:href=", "href=")
    tag = re.sub(r"(font-family|font): ?([^;\"]*)", _font, tag)
    for shade, name in _VARIABLES.items():
        tag = tag.replace(shade, f"var(--fk-{name}, {shade})")
    tag = re.sub(r' transform="rotate\(-0 [^"]*\)"', "", tag)
    if "base64," in tag:
        return tag
    return re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number.group()):.2f}", tag)


def _font(match: re.Match[str]) -> str:
    """`font: 12px 'DejaVu Sans', ...` with the page's own font in place of matplotlib's."""
    if match.group(1) == "font-family":
        return "font-family: inherit"
    size = re.search(r"[\d.]+px", match.group(2))
    weight = "font-weight: 600; " if "bold" in match.group(2) or "600" in match.group(2) else ""
    return f"{weight}font-size: {size.group() if size else '12px'}"


def _own_names(inner: str) -> str:
    """Ids that are referred to get a prefix from the figure's content, all others go: a page holds many figures."""
    prefix = "f" + hashlib.sha256(inner.encode()).hexdigest()[:8] + "-"
    used = set(re.findall(r'<[^>]*(?:url\(#|href="#)([^")]+)', inner))

    def rename(match: re.Match[str]) -> str:
        tag = re.sub(r' id="([^"]+)"', lambda m: f' id="{prefix}{m[1]}"' if m[1] in used else "", match.group())
        return re.sub(r'(url\(#|href="#)([^")]+)', lambda m: m[1] + prefix + m[2], tag)

    return re.sub(r"<[^>]*>", rename, inner)
