"""The generator's planted incidents, of all rooms.

An incident is found when a finding of its rule has its least severity or more and the same values for every field of
its subject (lists as sets).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.detection.parts.generated import reviewed
from benchmarks.detection.parts.job import Job, Report, Settings, said, table
from benchmarks.detection.scoring import wilson
from flowkit.finding import at_least

__all__ = ["jobs", "report", "run"]

_HOURS, _RECORDS = 24, 60_000


@dataclass
class Planted:
    """What one log gave: (rule, found) per incident, rules that it could not show, and lines to print."""

    incidents: list[tuple[str, bool]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)


def jobs(settings: Settings) -> list[Job]:
    """One log per seed and variant; of twenty seeds every other one, since a log takes longer than a lab."""
    seeds = settings.seeds[:1] if settings.quick else settings.seeds[::2]
    return [Job("planted", seed, variant) for variant in settings.variants for seed in seeds]


def run(job: Job) -> Planted:
    """Generate, review, compare with the truth."""
    findings, truth, _ = reviewed(
        job, hours=_HOURS, records=_RECORDS, clean=False, rooms=("security", "performance", "cost")
    )
    told, where, explained = Planted(), f"seed {job.seed} {job.variant[0]}/{job.variant[1]}", set()
    for incident in truth:
        hits = [f["id"] for f in findings if _matches(f, incident)]
        explained |= set(hits)
        if not incident.get("detectable", True):
            told.skipped.append(incident["rule"])
            continue
        told.incidents.append((incident["rule"], bool(hits)))
        if not hits:
            told.missed.append(f"{where}: {incident['rule']} {_brief(incident['subject'])} ({incident['note']})")
    told.beside = [
        f"{where}: {f['severity']} {f['rule']}: {f['title']}"
        for f in findings
        if at_least(f["severity"], "medium") and f["id"] not in explained
    ]
    return told


def _matches(finding: Mapping[str, Any], incident: Mapping[str, Any]) -> bool:
    return (
        finding["rule"] == incident["rule"]
        and at_least(finding["severity"], incident["severity"])
        and all(_same(finding["subject"].get(name), value) for name, value in incident["subject"].items())
    )


def _same(one: Any, other: Any) -> bool:
    as_set = [set(value) if isinstance(value, list) else {value} for value in (one, other)]
    return as_set[0] == as_set[1]


def _brief(subject: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={f'{len(v)} of them' if isinstance(v, list) else v}" for k, v in subject.items())


def report(results: Sequence[tuple[Job, Planted]], settings: Settings) -> Report:
    """Found of planted per rule and variant; what was missed; what was found beside, by rule."""
    told = Report(["## The generator's incidents"])
    count: dict[str, Counter[tuple[str, bool]]] = defaultdict(Counter)
    for job, one in results:
        for rule, found in one.incidents:
            count[rule][said(job.variant), found] += 1
    names, rows = [said(one) for one in settings.variants], []
    for rule, ours in sorted(count.items()):
        cells = [f"{ours[v, True]} of {ours[v, True] + ours[v, False]}" for v in names]
        found, planted = sum(ours[v, True] for v in names), sum(ours.values())
        low, high = wilson(found, planted)
        rows.append([rule, *cells, f"{found} of {planted}", f"{low:.3f} to {high:.3f}"])
    told.lines += ["", f"{_HOURS} hours and about {_RECORDS:,} records a log, with the inventory."]
    told.lines += table(["rule", *names, "all", "95 % interval"], rows)
    skipped = Counter(rule for _, one in results for rule in one.skipped)
    if skipped:
        said_so = ", ".join(f"{n} {rule}" for rule, n in sorted(skipped.items()))
        told.lines += ["", f"Planted but not detectable by construction, not counted: {said_so}."]
    missed = [entry for _, one in results for entry in one.missed]
    told.lines += ["", "Missed:", "", *[f"- {entry}" for entry in missed[:30]]] if missed else []
    beside: dict[str, list[str]] = defaultdict(list)
    for _, one in results:
        for entry in one.beside:
            beside[entry.split(": ", 2)[1]].append(entry)
    if beside:
        told.lines += [
            "",
            "Beside the planted incidents, of medium severity or above (one incident may have two findings):",
            "",
        ]
        told.lines += [f"- {kind}: {len(ours)}, such as {ours[0]}" for kind, ours in sorted(beside.items())]
    return told
