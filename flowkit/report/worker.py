"""One notebook's run, in a process of its own: execute, render, leave the files for the parent to publish.

The parent writes the job as one line of JSON to standard input and keeps it open: when it closes, the parent is gone
and so are we. What happens is told on standard output, one JSON object a line.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flowkit.report.groups import kill_group

__all__ = ["headings", "main"]


def main() -> int:
    """Read the job, run it, say how it ended."""
    job = json.loads(sys.stdin.readline())
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever prints in here or in the kernel must not look like an event
    lock = threading.Lock()

    def say(**event: Any) -> None:
        with lock:
            print(json.dumps(event), file=channel, flush=True)

    kernels: list[int] = []
    threading.Thread(target=_leave_with_parent, args=(kernels,), daemon=True).start()
    return _run(job, kernels, say)


def headings(cells: list[Any]) -> list[tuple[int, str]]:
    """For each cell the nearest heading at or above it: its level and its text."""
    found, current = [], (0, "")
    for cell in cells:
        if cell["cell_type"] == "markdown":
            for match in re.finditer(r"^(#{1,6})\s+(.+?)\s*#*$", _without_code("".join(cell["source"])), re.M):
                current = (len(match.group(1)), match.group(2))
        found.append(current)
    return found


def _without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)


def _leave_with_parent(kernels: list[int]) -> None:
    while sys.stdin.readline():
        pass
    for pid in kernels:
        kill_group(pid)
    os._exit(1)


def _run(job: dict[str, Any], kernels: list[int], say: Callable[..., None]) -> int:
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.engines import papermill_engines

    from flowkit.report.kernel import ReportEngine, environment, kernel_manager
    from flowkit.report.tidy import tidy

    logging.disable(logging.WARNING)
    executed, folder = Path(job["executed"]), Path(job["folder"])
    os.environ.update(environment(folder, Path(job["notebook"]).parent if job["own"] else None))
    where: list[str] = [""]

    def on_kernel(pid: int) -> None:
        kernels.append(pid)
        say(event="kernel", pid=pid)

    def on_cell(index: int) -> None:
        section = sections[index] if index < len(sections) else ""
        if section != where[0]:
            where[0] = section
            say(event="section", title=section)

    notebook = json.loads(Path(job["notebook"]).read_text(encoding="utf-8"))
    names = [title for _, title in headings(notebook["cells"])]
    tagged = [i for i, cell in enumerate(notebook["cells"]) if "parameters" in cell["metadata"].get("tags", ())]
    # papermill puts the given values into a new cell after the parameter cell
    sections = names[: tagged[0] + 1] + names[tagged[0] :] if tagged and job["parameters"] else names
    papermill_engines.register("flowkit", ReportEngine)
    problem = ""
    try:
        papermill.execute_notebook(
            job["notebook"], str(executed), parameters=job["parameters"], engine_name="flowkit",
            kernel_name="python3", language="python", progress_bar=False,
            make_kernel=lambda: kernel_manager(folder), cell_timeout_s=job["cell_timeout_s"],
            on_cell=on_cell, on_kernel=on_kernel,
        )  # fmt: skip
    except papermill.PapermillExecutionError as error:
        problem = f"{error.ename}: {error.evalue}" if error.evalue else str(error.ename)
    except CellTimeoutError:
        problem = f"a cell took longer than {job['cell_timeout_s']} s"
    except DeadKernelError:
        problem = "the Python that ran it died; the machine may have run out of memory"
    for pid in kernels:
        kill_group(pid)
    tidy(executed, notebook)
    if problem:
        say(event="failed", section=where[0], problem=problem)
        return 1
    say(event="section", title="writing the report")
    from flowkit.report.html import render_files

    render_files(job)
    say(event="done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
