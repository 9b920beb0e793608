"""Process groups, and how a child process finds the flowkit that started it."""

from __future__ import annotations

import os
import signal
import sysconfig
from contextlib import suppress
from pathlib import Path

__all__ = ["kill_group", "package_path"]


def kill_group(leader: int) -> None:
    """End a process and all that it started, where they are still there."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def package_path() -> str:
    """PYTHONPATH for a child: ours, and before it the folder that flowkit was imported from, unless installed."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.environ.get("PYTHONPATH", "")
    if root in (sysconfig.get_path("purelib"), *path.split(os.pathsep)):
        return path
    return f"{root}{os.pathsep}{path}" if path else root
