"""An executed notebook without what differs from run to run: timings, paths, random cell names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["tidy"]


def tidy(executed: Path, original: dict[str, Any]) -> None:
    """Rewrite the executed notebook in place so that the same input gives the same bytes."""
    if not executed.is_file():
        return
    notebook = json.loads(executed.read_text(encoding="utf-8"))
    notebook["metadata"].pop("papermill", None)
    notebook["metadata"].pop("widgets", None)
    notebook["metadata"]["language_info"] = {"name": "python"}
    notebook["metadata"]["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    named = {cell.get("id") for cell in original["cells"]}
    for place, cell in enumerate(notebook["cells"]):
        for key in ("papermill", "execution"):
            cell["metadata"].pop(key, None)
        tags = cell["metadata"].get("tags", ())
        if "injected-parameters" in tags:
            cell["id"] = "injected-parameters"
        elif cell.get("id") not in named:
            cell["id"] = f"cell-{place}"
    notebook["nbformat_minor"] = max(5, notebook.get("nbformat_minor", 5))
    executed.write_text(json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
