"""The commands: each takes its arguments, calls the library, and gives back an exit code."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowkit.cli.finding import findings, reached
from flowkit.cli.saying import opened, print_json
from flowkit.cli.storing import ingest, into_store, store
from flowkit.cli.telling import labelled, log_of, progress_of
from flowkit.errors import ParameterError, ReportError

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["convert", "findings", "generate", "ingest", "inspect", "notebooks", "plan", "report", "store"]


def report(options: argparse.Namespace) -> int:
    """`flowkit report`."""
    from flowkit.cli.config import settled
    from flowkit.report import Limits, attempt

    wanted = settled(options)
    progress = progress_of(options)
    defaults = Limits()
    limits = Limits(cell_s=wanted["cell_timeout"] or defaults.cell_s, run_s=wanted["timeout"] or defaults.run_s)
    notes: tuple[str, ...] = ()
    folder = wanted["store"]
    if folder:
        if wanted["fraction"]:
            raise ParameterError(
                "A store takes whole sources, for it could not say later that it holds a part. "
                "Leave out --store or --fraction."
            )
        wanted["since"], wanted["until"], notes = into_store(folder, options.source, wanted, progress)
    result = attempt(
        options.name, folder or options.source, out=wanted["out"] or "reports",
        since=wanted["since"], until=wanted["until"],
        parameters=wanted["parameters"], baseline=wanted["baseline"], fraction=wanted["fraction"] or 1.0,
        yes=wanted["yes"], notes=notes, limits=limits, log=log_of(options), progress=progress,
    )  # fmt: skip
    if options.json:
        print_json(result.as_dict())
    else:
        for file in result.files:
            print(file.html)
        if result.files:
            print(result.index)
    if result.failures:
        raise ReportError("; ".join(result.failures))
    return reached(result.findings, wanted["fail_on"])


def inspect(options: argparse.Namespace) -> int:
    """`flowkit inspect`: also of what cannot be read, for then the ledger says why; that is still an error."""
    with opened(options, allow_nothing=True) as flows:
        if options.json:
            print_json(_inspected(flows))
        else:
            from flowkit import show

            print(show.overview(flows))
            print(show.ledger(flows))
            print(show.coverage(flows))
        if flows.ledger is not None:
            flows.ledger.check()
    return 0


def convert(options: argparse.Namespace) -> int:
    """`flowkit convert`."""
    from flowkit.convert import convert as write
    from flowkit.progress import Progress

    with opened(options) as flows:
        with Progress(progress_of(options)).during("writing"):
            count = write(flows, options.out, bounded=bool(options.since or options.until))
        part = f". {flows.part}" if flows.part else ""
    print(f"{count:,} records in {options.out}{part}")
    return 0


def plan(options: argparse.Namespace) -> int:
    """`flowkit plan`."""
    from flowkit.plan import plan as estimate

    estimated = estimate(
        options.source, since=options.since, until=options.until, fraction=options.fraction or 1.0,
        prices=options.prices, progress=progress_of(options),
    )  # fmt: skip
    if options.json:
        print_json(estimated.as_dict())
    else:
        print(estimated)
    return 0


def generate(options: argparse.Namespace) -> int:
    """`flowkit generate`."""
    from flowkit.generate import generate as make
    from flowkit.progress import Progress

    with Progress(progress_of(options)).during("generating"):
        make(options.dest, seed=options.seed, hours=options.hours, records=options.records, format=options.format,
             interval_s=options.interval, clean=options.clean)  # fmt: skip
    print(options.dest)
    return 0


def notebooks(options: argparse.Namespace) -> int:
    """`flowkit notebooks`."""
    from flowkit.report.places import notebooks_folder, write

    found = sorted(notebooks_folder().glob("*.ipynb"))
    if not found:
        raise ReportError(f"There are no notebooks in {notebooks_folder()}.")
    there = [path.name for path in found if (Path(options.dest) / path.name).exists()]
    if there:
        raise ReportError(f"{options.dest} already has {', '.join(there)}; nothing was copied. Name another folder.")
    for path in found:
        write(Path(options.dest) / path.name, path.read_bytes())
        print(Path(options.dest) / path.name)
    return 0


def _inspected(flows: Flows) -> dict[str, Any]:
    """What `inspect --json` prints (docs: the reading contract)."""
    from flowkit.finding import iso
    from flowkit.review import coverage

    since_s, until_s = flows.period
    book = flows.ledger
    return {
        **labelled(flows),
        "totals": book.totals if book is not None else {},
        "ledger": book.as_dicts() if book is not None else [],
        "formats": [dict(one) for one in flows.formats],
        "period": {"since": iso(since_s), "until": iso(until_s)},
        "accounts": flows.accounts,
        "interfaces": flows.interfaces,
        "gaps": flows.gaps,
        "coverage": coverage(flows),
    }
