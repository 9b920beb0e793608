"""`flowkit ingest` and `flowkit store ...`: their arguments, and what they print."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flowkit.cli.telling import progress_of

if TYPE_CHECKING:
    from flowkit.progress import Progress, Wanted

__all__ = ["add", "add_yes", "ingest", "into_store", "store"]

#: The commands below `flowkit store`: name, what it does, and an example.
_ACTIONS = (
    ("info", "say what a store holds", "  flowkit store info mystore\n  flowkit store info mystore --json"),
    ("verify", "check files, rows and ledger of a store", "  flowkit store verify mystore"),
    ("prune", "drop records that are older than a moment", "  flowkit store prune mystore --before 2026-10-01"),
    ("compact", "merge small files of hours that are over", "  flowkit store compact mystore"),
    ("files", "print the Parquet files of one state, for other tools", "  flowkit store files mystore"),
    ("export", "copy the Parquet files of one state, with their ledger", "  flowkit store export mystore copy"),
)


def add(commands: Any, make: Callable[[Any, str, str, str], argparse.ArgumentParser], source: str) -> None:
    """Add both commands; `make` makes a parser and `source` is the help for SOURCE."""
    made = make(
        commands, "ingest", "read what is new in a source into a store",
        "  flowkit ingest logs/ --store mystore\n  flowkit report all logs/ --store mystore --out reports",
    )  # fmt: skip
    made.add_argument("source", metavar="SOURCE", help=source)
    made.add_argument("--store", required=True, metavar="DIR", help="the store's folder, on a local disk; made if new")
    _period(made, "of a remote source, only objects that may hold records from this instant")
    made.add_argument("--inventory", default="", metavar="FILE", help="what AWS resources there are; kept in the store")
    made.add_argument("--log-format", default="", metavar="FORMAT", help="the format of records without a header line")
    made.add_argument("--fraction", action=_NotForStores, help=argparse.SUPPRESS)
    add_yes(made)
    made.add_argument("--json", action="store_true", help="print the counts as JSON, and progress as JSON lines")
    top = make(commands, "store", "look after a store", "  flowkit store info mystore\n  flowkit store verify mystore")
    actions = top.add_subparsers(
        dest="action", metavar="ACTION", required=True, help=", ".join(name for name, _, _ in _ACTIONS)
    )
    for name, text, examples in _ACTIONS:
        one = make(actions, name, text, examples)
        one.add_argument("folder", metavar="DIR", help="the store's folder")
        progress = ", and progress as JSON lines" if name in ("verify", "prune", "compact", "export") else ""
        one.add_argument("--json", action="store_true", help=f"print the result as JSON{progress}")
        if name == "prune":
            one.add_argument("--before", required=True, metavar="TIME", help="2026-11-02 or 2026-11-02T06:00Z")
        if name == "export":
            one.add_argument("out", metavar="OUT", help="a new folder to copy to")
        if name in ("files", "export"):
            _period(one, "only files with records near the period from this instant")


class _NotForStores(argparse.Action):
    """A part of a source in a store would be told from the whole by nobody."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        parser.error(
            "a store takes whole sources, for it could not say later that it holds a part; "
            "use --since and --until, or --fraction in a report without --store"
        )


def add_yes(group: Any) -> None:
    """Add `--yes`."""
    group.add_argument("--yes", action="store_true", help="read from a remote source even if it is more than 5 GiB")


def _period(parser: argparse.ArgumentParser, since: str) -> None:
    parser.add_argument("--since", default="", metavar="TIME", help=since)
    parser.add_argument("--until", default="", metavar="TIME", help="to this instant, not included")


def ingest(options: argparse.Namespace) -> int:
    """`flowkit ingest`: leaves with 0 also where some objects could not be read; it names them."""
    from flowkit.opening import ingested, period_of

    for note in period_of(options.source, options.since, options.until)[2]:
        print(f"flowkit: {note}", file=sys.stderr)
    done = ingested(
        options.source, options.store, since=options.since, until=options.until, inventory=options.inventory,
        log_format=options.log_format, yes=options.yes, progress=progress_of(options),
    )  # fmt: skip
    for problem in done.problems:
        print(f"flowkit: {problem}", file=sys.stderr)
    print(json.dumps(done.as_dict(), indent=1) if options.json else done)
    return 0


def into_store(folder: str, source: str, wanted: dict[str, Any], progress: Wanted) -> tuple[str, str, tuple[str, ...]]:
    """Ingest before a report, and pin what the store then has for this process and its notebooks.

    `wanted` has the report's options. Gives back (since, until, what to tell about them).
    """
    from flowkit.opening import ingested, period_of, pinned
    from flowkit.store import PINNED

    since, until = wanted["since"], wanted["until"]
    since_s, until_s, notes = period_of(source, since, until)
    if notes:  # a remote source without a period: the report is about the same day
        since, until = str(since_s), str(until_s)
    done = ingested(
        source, folder, since=since, until=until, inventory=wanted["inventory"], log_format=wanted["log_format"],
        yes=wanted["yes"], progress=progress,
    )  # fmt: skip
    for problem in done.problems:
        print(f"flowkit: {problem}", file=sys.stderr)
    os.environ[PINNED] = str(pinned(folder, since, until).resolve())
    return since, until, notes


def store(options: argparse.Namespace) -> int:
    """`flowkit store`: hands over to its action."""
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "info": _info, "verify": _verify, "prune": _prune, "compact": _compact, "files": _files, "export": _export,
    }  # fmt: skip
    return actions[options.action](options)


def _info(options: argparse.Namespace) -> int:
    from flowkit.finding import iso
    from flowkit.show.format import shown
    from flowkit.store import info

    told = info(options.folder)
    if options.json:
        print(json.dumps(told, indent=1))
        return 0
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(told["objects"].items())) or "none"
    print(f"{options.folder}: a store of format {told['format']}")
    print(f"objects: {states}")
    print(f"rows: {told['rows']:,} in {told['files']:,} files, {shown('size_bytes', told['size_bytes'])}")
    if told["pruned_rows"]:
        print(f"dropped by retention: {told['pruned_rows']:,} rows")
    if told["first_start_s"] is not None:
        print(f"starts: {iso(told['first_start_s'])} to {iso(told['last_start_s'])}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from flowkit.errors import StoreError
    from flowkit.progress import Progress
    from flowkit.store import verify

    progress = Progress(progress_of(options))
    with progress.during("verifying") as tell:
        problems = verify(options.folder, waiting=_waiting(progress, options), tell=tell)
    if options.json:
        print(json.dumps({"problems": list(problems)}, indent=1))
    else:
        for problem in problems:
            print(problem)
    if problems:
        raise StoreError(f"{options.folder} has {len(problems)} problem{'s' if len(problems) > 1 else ''}.")
    if not options.json:
        print(f"{options.folder}: every file, row and ledger line is as it was written.")
    return 0


def _prune(options: argparse.Namespace) -> int:
    from flowkit.errors import ParameterError
    from flowkit.flows import when
    from flowkit.progress import Progress
    from flowkit.store import prune

    before_s = when(options.before, name="before")
    if before_s is None:
        raise ParameterError("--before is empty. Write 2026-11-02 or 2026-11-02T06:00Z.")
    progress = Progress(progress_of(options))
    with progress.during("pruning"):
        dropped = prune(options.folder, before_s, waiting=_waiting(progress, options))
    print(json.dumps({"rows_dropped": dropped}, indent=1) if options.json else f"{dropped:,} rows dropped")
    return 0


def _compact(options: argparse.Namespace) -> int:
    from flowkit.progress import Progress
    from flowkit.store import compact

    progress = Progress(progress_of(options))
    with progress.during("compacting") as tell:
        before, after = compact(options.folder, waiting=_waiting(progress, options), tell=tell)
    told = {"files_before": before, "files_after": after}
    print(json.dumps(told, indent=1) if options.json else f"{before:,} files, now {after:,}")
    return 0


def _files(options: argparse.Namespace) -> int:
    from flowkit.opening import pinned

    paths = [str(path) for path in sorted(pinned(options.folder, options.since, options.until).glob("part-*.parquet"))]
    for line in [json.dumps({"files": paths}, indent=1)] if options.json else paths:
        print(line)
    return 0


def _export(options: argparse.Namespace) -> int:
    from flowkit.opening import period_of
    from flowkit.progress import Progress
    from flowkit.store import export

    since_s, until_s, _ = period_of(options.folder, options.since, options.until)
    with Progress(progress_of(options)).during("exporting"):
        made = export(options.folder, options.out, since_s, until_s)
    print(json.dumps({"folder": str(made)}, indent=1) if options.json else made)
    return 0


def _waiting(progress: Progress, options: argparse.Namespace) -> Callable[[], None]:
    """What to do when another run writes to the store: somebody has to be told why nothing happens."""
    if options.json:
        return progress.waiting
    return lambda: print("flowkit: waiting for another run that writes to this store", file=sys.stderr)
