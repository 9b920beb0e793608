"""The index over a folder of reports: `index.html`, rebuilt from the JSON files beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flowkit.finding import SEVERITIES
from flowkit.report.html import told_of
from flowkit.report.layout import filled
from flowkit.report.places import REPORTS, write
from flowkit.show.format import shown

__all__ = ["write_index"]


def write_index(folder: Path) -> Path:
    """Write `index.html` for all reports under `folder`, the latest period first, and give back its path."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*/*.json"), key=_place):
        entry = _entry(path)
        if entry is not None:
            runs.setdefault(path.parent.name, []).append(entry)
    ordered = sorted(runs.items(), key=lambda run: (run[1][0]["until_s"], run[0]), reverse=True)
    index = folder / "index.html"
    write(index, filled("index.html.j2", runs=ordered))
    return index


def _place(path: Path) -> tuple[int, str]:
    """Security, performance, cost, then the user's own by name."""
    order = list(REPORTS.values())
    return order.index(path.stem) if path.stem in order else len(order), path.stem


def _entry(path: Path) -> dict[str, Any] | None:
    """One report's line in the index; None for a file that is no report of ours, or whose page is gone."""
    page = path.with_suffix(".html")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or record.get("flowkit_report") != 1 or not page.is_file():
        return None
    found, told = record["findings"], told_of(record)
    said = [str(one["text"] if isinstance(one, dict) else one) for one in record["summary"]]
    return {
        "title": record["title"],
        "href": f"{quote(path.parent.name)}/{quote(page.name)}",
        "source": record["source"],
        "told": " ".join(told),
        "records": f"{record['records']:,}" if record["records"] is not None else "",
        "lead": " ".join(one for one in said if one not in told),
        "counts": [(severity, sum(f["severity"] == severity for f in found)) for severity in SEVERITIES],
        "findings": len(found),
        "reviewed": record["records"] is not None,
        "made": record["run"]["at"],
        "since": shown("since_s", record["period"]["since_s"]),
        "until": shown("until_s", record["period"]["until_s"]),
        "until_s": record["period"]["until_s"],
    }
