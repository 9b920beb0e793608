"""Hard negatives: every quiet case in every variant and seed, all of them in one log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from benchmarks.detection.lab import Lab
from benchmarks.detection.parts.job import Job, Report, Settings, found_in, said, table
from benchmarks.detection.quiet import CASES
from benchmarks.detection.scoring import addresses_of, grave
from flowkit.generate.draw import rng_for

__all__ = ["jobs", "report", "run"]


def jobs(settings: Settings) -> list[Job]:
    """One lab per seed and variant."""
    seeds = settings.seeds[:1] if settings.quick else settings.seeds
    return [Job("negatives", seed, variant) for variant in settings.variants for seed in seeds]


def run(job: Job) -> list[tuple[str, str]]:
    """(case, finding) for everything of medium severity or above."""
    lab = Lab(job.seed, job.variant)
    actors = {name: case(lab, rng_for(job.seed, name)) for name, case in CASES.items()}
    lab.everyday()
    with lab.flows() as flows:
        findings = grave(found_in(flows))
    told = []
    for one in findings:
        cases = [name for name, ours in actors.items() if ours & addresses_of(one)] or ["none of them"]
        told += [
            (name, f"seed {job.seed} {job.variant[0]}/{job.variant[1]}: {one.severity} {one.rule}: {one.title}")
            for name in cases
        ]
    return told


def report(results: Sequence[tuple[Job, list[tuple[str, str]]]], settings: Settings) -> Report:
    """False findings per case and variant; each should have none."""
    told = Report(["## Hard negatives"])
    labs = Counter(said(job.variant) for job, _ in results)
    count = Counter((name, said(job.variant)) for job, findings in results for name, _ in findings)
    names = [said(one) for one in settings.variants]
    noisy = sorted({name for name, _ in count})
    quiet = [name for name in CASES if name not in noisy]
    seeds = "one seed" if max(labs.values()) == 1 else f"{max(labs.values())} seeds"
    told.lines += [
        "",
        f"Findings of medium severity or above over {seeds} in each variant. None at all: {', '.join(quiet)}.",
    ]
    if noisy:
        told.lines += table(["case", *names], [[name, *[str(count[name, v]) for v in names]] for name in noisy])
        entries = [entry for _, findings in results for entry in findings]
        told.lines += ["", *[f"- {name}: {entry}" for name, entry in entries[:40]]]
        told.below += [f"{name}: {sum(count[name, v] for v in names)} findings, the target is 0" for name in noisy]
    return told
