"""Drawing: answers, findings and what was read, as tables, charts and cards for a notebook and a report.

Everything here takes an answer (or a review, or the flows) and gives back a view that Jupyter and the report display.
Nothing is computed here but places on a page. Text from logs is escaped, always.

    show.table(answer)                     rows, formatted by unit, with the SQL behind a fold
    show.bars(answer, "srcaddr", "bytes")  and lines, heatmap, histogram
    show.overview(flows), show.ledger(flows), show.coverage(flows)
    show.findings(list), show.summary(review)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowkit.show import export, tables
    from flowkit.show.cards import findings
    from flowkit.show.glance import coverage, ledger, overview
    from flowkit.show.plots import bars, heatmap, histogram, lines
    from flowkit.show.review import summary
    from flowkit.show.tables import table

__all__ = [
    "bars",
    "coverage",
    "export",
    "findings",
    "heatmap",
    "histogram",
    "ledger",
    "lines",
    "overview",
    "summary",
    "table",
    "tables",
]

_FROM = {
    "bars": "plots",
    "coverage": "glance",
    "findings": "cards",
    "heatmap": "plots",
    "histogram": "plots",
    "ledger": "glance",
    "lines": "plots",
    "overview": "glance",
    "summary": "review",
    "table": "tables",
}


def __getattr__(name: str) -> object:
    """Load a drawing function, or one of the modules of pictures, when it is first used."""
    if name in _FROM:
        return getattr(importlib.import_module(f"flowkit.show.{_FROM[name]}"), name)
    try:
        return importlib.import_module(f"flowkit.show.{name}")
    except ModuleNotFoundError as missing:
        if missing.name != f"flowkit.show.{name}":
            raise
        raise AttributeError(f"flowkit.show has no {name!r}") from None
