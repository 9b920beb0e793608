"""What goes to standard error while a command runs: progress for people, or as JSON lines for programs."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowkit.flows import Flows
    from flowkit.progress import Event, Wanted

__all__ = ["labelled", "log_of", "progress_of", "say_part"]


def progress_of(options: argparse.Namespace) -> Wanted:
    """How a command tells what is under way: JSON lines with `--json`, else a line where there is a terminal."""
    return _as_json if getattr(options, "json", False) else True


def log_of(options: argparse.Namespace) -> Callable[[str], None] | None:
    """How a report's sections are told as they run: as events with `--json`, else a line each, on a terminal."""
    if options.json:
        began_s = time.monotonic()

        def event(line: str) -> None:
            _as_json({"phase": line, "done": 0, "of": None, "records": 0,
                      "elapsed_s": round(time.monotonic() - began_s, 1)})  # fmt: skip

        return event
    if options.progress or sys.stderr.isatty():
        return lambda line: print(line, file=sys.stderr, flush=True)
    return None


def labelled(flows: Flows) -> dict[str, Any]:
    """What JSON about flows has to say first where they are a part of their source; nothing where they are all."""
    return {"part": flows.part.as_dict()} if flows.part else {}


def say_part(flows: Flows) -> None:
    """Say on standard error that what was printed is of a part, where it is."""
    if flows.part:
        print(f"flowkit: {flows.part}", file=sys.stderr)


def _as_json(event: Event) -> None:
    print(json.dumps(dict(event)), file=sys.stderr, flush=True)
