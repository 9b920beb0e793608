"""The command line: arguments in, calls to the library, words and exit codes out. It computes nothing itself.

Exit codes: 0 done, 1 an error that flowkit explains in one line, 2 wrong usage, 3 findings reached `--fail-on`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from flowkit.cli import arguments
from flowkit.errors import FlowkitError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give back the exit code."""
    parser = arguments.parser()
    try:
        options = parser.parse_args(argv)
    except SystemExit as leaving:
        return int(leaving.code or 0)
    try:
        code = _run(options)
        sys.stdout.flush()
        return code
    except FlowkitError as error:
        print(f"flowkit: {_one_line(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("flowkit: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        print(
            f"flowkit: {_one_line(f'{error.strerror or error}: {error.filename}' if error.filename else str(error))}",
            file=sys.stderr,
        )
        return 1


def _run(options: argparse.Namespace) -> int:
    from flowkit.cli import commands

    return int(getattr(commands, options.command.replace("-", "_"))(options))


def _one_line(text: str) -> str:
    return " ".join(text.split())
