"""Where notebooks are found and where reports are put."""

from __future__ import annotations

import difflib
import json
import os
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flowkit.errors import ParameterError, ReportError

__all__ = ["REPORTS", "find_notebook", "load_notebook", "notebooks_folder", "period_name", "write"]

#: The reports by the word the command line uses, with their notebooks.
REPORTS: Mapping[str, str] = {
    "security": "security_review",
    "performance": "performance_analysis",
    "cost": "cost_review",
}


def notebooks_folder() -> Path:
    """The folder of the notebooks that come with flowkit: inside the installed package, else of the checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "notebooks"
    return installed if installed.is_dir() else package.parent / "notebooks"


def find_notebook(name: str) -> Path:
    """The notebook that `name` means: a report's word, a notebook's name, or the path of one of the user's own."""
    if name.endswith(".ipynb") or "/" in name or os.sep in name:
        path = Path(name)
        if not path.is_file():
            raise ReportError(f"There is no notebook {name}.")
        return path
    stem = REPORTS.get(name, name)
    path = notebooks_folder() / f"{stem}.ipynb"
    if path.is_file():
        return path
    known = sorted({*REPORTS, "all"})
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean '{near[0]}'?" if near else f"Use {', '.join(known)} or the path of a notebook."
    raise ParameterError(f"There is no report '{name}'. {hint}")


def load_notebook(path: Path) -> dict[str, Any]:
    """A notebook's JSON."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReportError(f"{path} is not a notebook that can be read: {error}.") from error
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise ReportError(f"{path} is not a notebook: it has no cells (notebook format 4 is needed).")
    return notebook


def period_name(since_s: int, until_s: int) -> str:
    """A folder name for a period: `2026-11-02`, `2026-11-02_2026-11-08` for whole days (the last one included),
    else `2026-11-02T0300Z_2026-11-02T1530Z` (the end not included).
    """
    since, until = (datetime.fromtimestamp(second, UTC) for second in (since_s, until_s))
    if since_s % 86400 == 0 and until_s % 86400 == 0 and until_s > since_s:
        last = datetime.fromtimestamp(until_s - 86400, UTC)
        return f"{since:%Y-%m-%d}" if last == since else f"{since:%Y-%m-%d}_{last:%Y-%m-%d}"
    return f"{_minute(since)}_{_minute(until)}"


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H%M%S}Z" if at.second else f"{at:%Y-%m-%dT%H%M}Z"


def write(path: Path, content: str | bytes) -> None:
    """Write a file so that it is either all there or not there: beside its place, synced, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode("utf-8") if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current
