"""Clean traffic of a company with about 50 hosts, generated without incidents: findings a day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from benchmarks.detection.parts.generated import hosts_of, reviewed
from benchmarks.detection.parts.job import Job, Report, Settings, said, table
from flowkit.finding import at_least

__all__ = ["jobs", "report", "run"]

_HOURS, _RECORDS, _MOST_A_DAY = 24, 160_000, 2.0


def jobs(settings: Settings) -> list[Job]:
    """A day per variant for every fourth seed: what varies between seeds varies little here."""
    seeds = settings.seeds[:1] if settings.quick else settings.seeds[::4]
    return [Job("clean", seed, variant) for variant in settings.variants for seed in seeds]


def run(job: Job) -> tuple[int, list[str]]:
    """How many hosts there are, and what is found of medium severity or above."""
    findings, _, company = reviewed(job, hours=_HOURS, records=_RECORDS, clean=True, rooms=("security",))
    told = [
        f"seed {job.seed} {job.variant[0]}/{job.variant[1]}: {f['severity']} {f['rule']}: {f['title']}"
        for f in findings
        if at_least(f["severity"], "medium")
    ]
    return hosts_of(company), told


def report(results: Sequence[tuple[Job, tuple[int, list[str]]]], settings: Settings) -> Report:
    """Findings a day per variant."""
    told = Report(["## Clean traffic"])
    days: dict[str, list[int]] = defaultdict(list)
    for job, (_, entries) in results:
        days[said(job.variant)].append(len(entries))
    hosts = max(hosts for _, (hosts, _) in results)
    told.lines += [
        "",
        f"Days of a company with {hosts} hosts (instances, containers, databases) and its balancers and gateways.",
    ]
    named = [(said(variant), days[said(variant)]) for variant in settings.variants if said(variant) in days]
    rows = [[name, str(len(one)), f"{sum(one) / len(one):.2f}", str(max(one))] for name, one in named]
    told.lines += table(["variant", "days", "of medium or above a day", "most on one day"], rows)
    entries = [entry for _, (_, those) in results for entry in those]
    told.lines += ["", *[f"- {entry}" for entry in entries[:20]]] if entries else []
    for name, one in named:
        if sum(one) / len(one) > _MOST_A_DAY:
            told.below.append(
                f"clean traffic, {name}: {sum(one) / len(one):.2f} findings a day, the target is {_MOST_A_DAY:g}"
            )
    return told
