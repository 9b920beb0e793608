"""Reports: notebook and parameters in; executed notebook, HTML, JSON and an index out.

    report("all", "sample:", out="reports")

The logs are read once; each notebook then runs in its own process with this Python as its kernel. Files are written
whole or not at all. The same input gives the same files but for the stamp that says when they were made.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flowkit.errors import ParameterError, ReportError
from flowkit.finding import iso
from flowkit.progress import Wanted
from flowkit.report.parameters import Parameter, parameters_of, settle
from flowkit.report.places import REPORTS, find_notebook, load_notebook, period_name, write
from flowkit.report.run import Job, Limits, run_jobs
from flowkit.review import check_suppressions
from flowkit.show.format import clean
from flowkit.sources import is_remote, without_options

__all__ = ["Limits", "ReportFile", "ReportResult", "report"]


@dataclass(frozen=True, slots=True)
class ReportFile:
    """One report that was written, and the findings in it."""

    name: str
    html: Path
    json: Path
    notebook: Path
    findings: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class ReportResult:
    """What a run wrote. `failures` holds one sentence for each notebook that failed."""

    folder: Path
    index: Path
    files: tuple[ReportFile, ...]
    failures: tuple[str, ...] = ()

    @property
    def findings(self) -> list[Mapping[str, Any]]:
        """The findings of all reports."""
        return [finding for file in self.files for finding in file.findings]

    def as_dict(self) -> dict[str, Any]:
        """What was written, as plain JSON types: paths, and how many findings there are by severity."""
        return {
            "flowkit_run": 1,
            "index": str(self.index) if self.files else None,
            "reports": [
                {"name": one.name, "html": str(one.html), "json": str(one.json), "notebook": str(one.notebook),
                 "findings": dict(Counter(finding["severity"] for finding in one.findings))}
                for one in self.files
            ],
            "failures": list(self.failures),
        }  # fmt: skip


def report(
    names: str | Sequence[str],
    source: str,
    *,
    out: str | Path,
    since: str = "",
    until: str = "",
    parameters: Mapping[str, Any] | None = None,
    baseline: str = "",
    fraction: float = 1.0,
    yes: bool = False,
    notes: Sequence[str] = (),
    limits: Limits | None = None,
    side_by_side: int = 2,
    log: Callable[[str], None] | None = None,
    progress: Wanted = True,
) -> ReportResult:
    """Write reports about the logs of `source` into `out`/<period>/ and an index into `out`.

    `names` are `security`, `performance`, `cost`, `all`, or paths of notebooks. `parameters` are by name, as text (read
    strictly) or as values of the right type; `all` takes what any of its notebooks declares. `notes` are sentences on
    how this comes to be read, which the reports tell. `log` is told what runs.
    Raises ParameterError before anything runs, and ReportError with one line per notebook that failed: those leave
    their executed `.ipynb` and no HTML; the others' reports are there.
    """
    result = attempt(names, source, out=out, since=since, until=until, parameters=parameters, baseline=baseline,
                     fraction=fraction, yes=yes, notes=notes, limits=limits, side_by_side=side_by_side, log=log,
                     progress=progress)  # fmt: skip
    if result.failures:
        raise ReportError(" ".join(result.failures))
    return result


def attempt(
    names: str | Sequence[str],
    source: str,
    *,
    out: str | Path,
    since: str = "",
    until: str = "",
    parameters: Mapping[str, Any] | None = None,
    baseline: str = "",
    fraction: float = 1.0,
    yes: bool = False,
    notes: Sequence[str] = (),
    limits: Limits | None = None,
    side_by_side: int = 2,
    log: Callable[[str], None] | None = None,
    progress: Wanted = True,
) -> ReportResult:
    """`report`, but failures are told in the result."""
    say = log or (lambda _: None)
    paths = _paths(names)
    declared: dict[str, dict[str, Parameter]] = {
        path.stem: parameters_of(load_notebook(path), path.stem) for path in paths
    }
    given = {"source": source, **(parameters or {})}
    given |= {name: value for name, value in (("since", since), ("until", until), ("baseline", baseline)) if value}
    if is_remote(source):
        day, told = _last_day(source, given, {name for known in declared.values() for name in known})
        given, notes = {**given, **day}, (*notes, *told)
    for note in notes:
        say(note)
    settled = settle(declared, given)
    common = {name: value for values in settled.values() for name, value in values.items() if name in _READING}
    for path in sorted({str(values["suppressions"]) for values in settled.values() if values.get("suppressions")}):
        check_suppressions(path)
    say(f"reading {without_options(source)}")
    how = {"fraction": fraction, "yes": yes, "notes": notes, "progress": progress}
    (since_s, until_s), reading = _read(source, {**common, **how}, settled)
    period = {"since": iso(since_s), "until": iso(until_s), "since_s": since_s, "until_s": until_s}
    folder = Path(out) / period_name(since_s, until_s)
    with tempfile.TemporaryDirectory(prefix="fk-run-", dir=_near()) as staging:
        jobs = [
            _job(path, settled[path.stem], period, reading, Path(staging), without_options(source), limits or Limits())
            for path in paths
        ]
        outcomes = run_jobs(jobs, limits or Limits(), say, side_by_side=side_by_side)
        files, failures = [], []
        for job, outcome in zip(jobs, outcomes, strict=True):
            executed = Path(job.spec["executed"])
            if executed.is_file():
                write(folder / f"{job.name}.ipynb", executed.read_bytes())
            if outcome.problem:
                failures.append(_failure(outcome.name, outcome.section, outcome.problem, folder))
                continue
            files.append(_publish(job, folder))
    if files:
        from flowkit.report.index import write_index

        write_index(Path(out))
    return ReportResult(folder, Path(out) / "index.html", tuple(files), tuple(failures))


def _last_day(source: str, given: Mapping[str, Any], known: set[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """(the period of a remote source for which none is given, as far as some notebook knows it; what to tell of it)."""
    from flowkit.opening import period_of

    since_s, until_s, notes = period_of(source, given.get("since", ""), given.get("until", ""))
    day = {"since": str(since_s), "until": str(until_s)} if notes else {}
    return {name: at_s for name, at_s in day.items() if name in known}, notes


def _read(
    source: str, wanted: Mapping[str, Any], settled: Mapping[str, dict[str, Any]]
) -> tuple[tuple[int, int], dict[str, Any]]:
    """Read the logs, so that each notebook finds them read; (the period, how they were read, for the report's JSON).

    What a notebook could not find again by itself is handed over: standard input can be read once, a remote source is
    not listed again, and a part, or a note on the reading, is nothing that a notebook is told by its parameters.
    """
    from flowkit.opening import handed_over, opened, prepared

    derived, inventory = prepared(source, **wanted)
    with opened(derived, inventory, source) as flows:
        period, part = flows.period, flows.part
    if source == "-" or is_remote(source) or part or wanted["notes"]:
        folder = handed_over(derived, source, inventory=wanted.get("inventory", ""), notes=wanted["notes"])
        for values in settled.values():
            values["source"] = folder
    return period, {"part": part.as_dict() if part else None, "notes": list(wanted["notes"])}


#: The common parameters that say what is read and how, and so the logs are opened with.
_READING = ("since", "until", "inventory", "log_format", "cidrs")


def _near() -> str | None:
    """Where a run's folder goes: the usual place, unless its name is too long for the sockets in it.

    A socket's whole path may have 107 characters (Linux; 103 on macOS), and the kernel's own part takes about 35.
    """
    usual = tempfile.gettempdir()
    short = "/tmp"  # noqa: S108 - the folder made in it is private to this user
    return short if len(usual) > 60 and os.access(short, os.W_OK) else None


def _paths(names: str | Sequence[str]) -> list[Path]:
    wanted: list[str] = []
    for name in [names] if isinstance(names, str) else names:
        wanted += list(REPORTS) if name == "all" else [name]
    paths = [find_notebook(name) for name in dict.fromkeys(wanted)]
    if not paths:
        raise ParameterError("No report was named. Use security, performance, cost, all or the path of a notebook.")
    stems = [path.stem for path in paths]
    for stem in stems:
        if stems.count(stem) > 1:
            raise ParameterError(f"Two notebooks are named '{stem}'; their reports would overwrite each other.")
    return paths


def _job(
    path: Path,
    values: dict[str, Any],
    period: dict[str, Any],
    reading: dict[str, Any],
    staging: Path,
    source: str,
    limits: Limits,
) -> Job:
    from flowkit import __version__
    from flowkit.report.places import notebooks_folder

    name = path.stem
    spec = {
        "folder": tempfile.mkdtemp(dir=staging, prefix="k"),  # short: sockets lie in it
        "name": name,
        "notebook": str(path.resolve()),
        "own": path.resolve().parent != notebooks_folder().resolve(),
        "parameters": values,
        "source": source,
        "period": period,
        "reading": reading,
        "cell_timeout_s": limits.cell_s,
        "run": {"at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "flowkit": __version__},
        **{kind: str(staging / f"{name}.{ending}") for kind, ending in
           (("executed", "ipynb"), ("html", "html"), ("json", "json"))},
    }  # fmt: skip
    return Job(name, spec)


def _publish(job: Job, folder: Path) -> ReportFile:
    places = {kind: folder / f"{job.name}.{kind}" for kind in ("json", "html")}
    content = {kind: Path(job.spec[kind]).read_bytes() for kind in places}
    for kind, place in places.items():
        write(place, content[kind])
    record = json.loads(content["json"])
    return ReportFile(job.name, places["html"], places["json"], folder / f"{job.name}.ipynb", tuple(record["findings"]))


def _failure(name: str, section: str, problem: str, folder: Path) -> str:
    where = f" in section '{section}'" if section else ""
    why = clean(" ".join(problem.split())).rstrip(".")
    return f"{name} failed{where}: {why[:400]}. As far as it ran: {folder / f'{name}.ipynb'}"
