"""The kernel that a report's notebook runs in: this Python, over local sockets, with nothing of the user's set-up."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine

from flowkit.report.groups import package_path

__all__ = ["ReportEngine", "environment", "kernel_manager"]

#: What the engine of each notebook may use before it spills to disk: two of them run at once.
MEMORY = "600MB"


class _ThisPython(KernelSpecManager):
    """Whatever kernel a notebook names, it runs in the Python that runs flowkit."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:  # noqa: ARG002 - jupyter_client's signature
        """The one specification. A file in the working directory cannot take the place of a module (`-P`)."""
        return KernelSpec(
            argv=[
                sys.executable, "-P", "-m", "ipykernel", "-f", "{connection_file}",
                "--HistoryManager.enabled=False", "--InlineBackend.figure_formats=svg",
                "--InteractiveShellApp.ignore_cwd=True",
            ],
            display_name="Python",
            language="python",
            interrupt_mode="signal",
        )  # fmt: skip


def kernel_manager(folder: Path) -> AsyncKernelManager:
    """A manager of one kernel that talks over sockets in `folder`, which nobody else can open."""
    return AsyncKernelManager(
        kernel_name="python3",
        kernel_spec_manager=_ThisPython(),
        transport="ipc",
        connection_file=str(folder / "kernel.json"),
        ip=str(folder / "s"),
    )


def environment(folder: Path, beside: Path | None) -> dict[str, str]:
    """The environment of a run: the same on every machine, as far as a notebook's outputs depend on it.

    `beside` is the folder of a user's own notebook, whose modules it can import, as in Jupyter.
    """
    path = package_path()
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (path, str(beside or "")))),
        "FLOWKIT_MEMORY": os.environ.get("FLOWKIT_MEMORY", MEMORY),
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "TZ": "UTC",
        "TMPDIR": str(folder),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MATPLOTLIBRC": str(Path(__file__).with_name("matplotlibrc")),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(folder),
        "JUPYTER_PLATFORM_DIRS": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


class _Client(PapermillNotebookClient):  # type: ignore[misc]  # papermill ships no types
    """papermill's client with a kernel of our making, telling which process that is."""

    def create_kernel_manager(self) -> AsyncKernelManager:
        """The manager that the run was given."""
        manager: AsyncKernelManager = self.nb_man.make_kernel()
        self.km = manager
        return manager

    def start_new_kernel(self, **kwargs: Any) -> None:
        """Start it, and say its process id, so that it can be ended whatever happens here."""
        super().start_new_kernel(**kwargs)
        manager: Any = self.km
        self.nb_man.on_kernel(manager.provisioner.pid)


class ReportEngine(NBClientEngine):  # type: ignore[misc]  # papermill ships no types
    """papermill's engine with a kernel of our own and a voice: `on_cell(index)`, `on_kernel(pid)`."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,  # noqa: ARG003 - papermill's signature; the kernel is always this Python
        *,
        make_kernel: Callable[[], AsyncKernelManager],
        cell_timeout_s: int,
        on_cell: Callable[[int], None],
        on_kernel: Callable[[int], None],
        **_: Any,
    ) -> None:
        """Run the cells. `cell_timeout_s` ends a cell that takes longer."""
        started = nb_man.cell_start

        def cell_start(cell: Any, cell_index: int | None = None, **kwargs: Any) -> None:
            on_cell(cell_index or 0)
            started(cell, cell_index, **kwargs)

        nb_man.cell_start, nb_man.make_kernel, nb_man.on_kernel = cell_start, make_kernel, on_kernel
        client = _Client(nb_man, timeout=cell_timeout_s, startup_timeout=120, record_timing=False,
                         shutdown_kernel="immediate")  # fmt: skip
        client.execute()
