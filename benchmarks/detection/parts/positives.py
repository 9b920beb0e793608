"""Recall and precision: at least 200 random positives per rule, among quiet cases that look like them."""

from __future__ import annotations

import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.detection.lab import Lab
from benchmarks.detection.parts.job import Job, Report, Settings, found_in, said, share, table
from benchmarks.detection.positive import PLANTERS, TOGETHER, parameters_of, plant
from benchmarks.detection.quiet import CASES
from benchmarks.detection.scoring import Outcome, judged, wilson
from flowkit.generate.draw import rng_for
from flowkit.review import review
from flowkit.security import RULES

__all__ = ["TARGETS", "jobs", "report", "run"]

#: Rule -> least recall and least precision, each as the lower end of its interval.
TARGETS = {
    "port_scan": (0.95, 0.9),
    "host_sweep": (0.95, 0.9),
    "brute_force": (0.95, 0.9),
    "flood": (0.95, 0.9),
    "beacon": (0.8, 0.9),
}

#: Positives of each rule in one lab, and quiet cases beside them.
_EACH, _QUIET = 10, 4

Results = Sequence[tuple[Job, Outcome]]


def jobs(settings: Settings) -> list[Job]:
    """As many labs per variant and group of rules as the least number of positives takes, and a quarter more.

    Some of what is drawn lies below the line.
    """
    labs = 1 if settings.quick else -(-settings.positives * 5 // 4 // (_EACH * len(settings.variants)))
    rng = rng_for(settings.seeds[0], "positives")
    return [
        Job("positives", int(rng.integers(1, 1 << 40)), variant, group)
        for variant in settings.variants
        for group in TOGETHER
        if _known(group)
        for _ in range(labs)
    ]


def _known(group: Sequence[str]) -> list[str]:
    """The rules of a group that flowkit has."""
    return [rule for rule in group if rule in RULES]


def run(job: Job) -> Outcome:
    """One lab: positives of a group of rules, and some quiet cases, in one log."""
    lab, rng = Lab(job.seed, job.variant), rng_for(job.seed, "positives")
    planted = [one for rule in _known(job.detail) for one in plant(lab, rng, rule, _EACH)]
    for name in rng.permutation(list(CASES))[:_QUIET]:
        CASES[str(name)](lab, rng_for(job.seed, name))
    lab.everyday()
    with tempfile.TemporaryDirectory() as folder:
        told = parameters_of(planted, Path(folder))
        if lab.later:
            told["baseline"] = _baseline(lab, Path(folder))
        with lab.flows() as flows:
            findings = found_in(flows, **told)
    return judged(findings, planted, f"seed {job.seed} {job.variant[0]}/{job.variant[1]}")


def _baseline(lab: Lab, folder: Path) -> str:
    """The report of the day as it was; then what is new joins the lab."""
    path = folder / "baseline.json"
    with lab.flows() as flows:
        path.write_text(json.dumps(review(flows, "security").as_dict(), default=str), encoding="utf-8")
    for add in lab.later:
        add()
    return str(path)


def report(results: Results, settings: Settings) -> Report:
    """Recall and precision per rule, recall per kind and variant, recall against intensity, and what was missed."""
    told = Report(["## Positives"])
    tries = [one for _, outcome in results for one in outcome.tries]
    true = Counter(rule for _, outcome in results for rule in outcome.true)
    false = Counter(rule for _, outcome in results for rule, _ in outcome.false)
    rows = []
    for rule in PLANTERS:
        counted = [found for name, _, counts, _, _, found in tries if name == rule and counts]
        if not counted:
            continue
        recall, precision = wilson(sum(counted), len(counted)), wilson(true[rule], true[rule] + false[rule])
        rows.append(
            [
                rule,
                share(sum(counted), len(counted)),
                f"{recall[0]:.3f} to {recall[1]:.3f}",
                share(true[rule], true[rule] + false[rule]),
                f"{precision[0]:.3f} to {precision[1]:.3f}",
                "{:.2f}, {:.2f}".format(*TARGETS[rule]) if rule in TARGETS else "",
            ]
        )
        for what, low, target in zip(
            ("recall", "precision"), (recall[0], precision[0]), TARGETS.get(rule, (0, 0)), strict=True
        ):
            if low < target and not settings.quick:
                told.below.append(f"{rule}: the lower bound of its {what} is {low:.3f}, the target {target}")
    others = sorted(rule for rule in false if rule not in PLANTERS)
    head = ["rule", "recall", "95 % interval", "precision", "95 % interval", "targets"]
    told.lines += table(head, rows)
    if others:
        told.lines += [
            "",
            "False findings of other rules: " + ", ".join(f"{false[rule]} {rule}" for rule in others) + ".",
        ]
    told.lines += [
        "",
        "### By kind and variant",
        *_kinds(results, settings),
        "",
        "### By intensity",
        *_intensity(tries),
    ]
    for title, entries in (
        ("Missed", [one for _, outcome in results for one in outcome.missed]),
        ("False", [one for _, outcome in results for one in outcome.false]),
    ):
        if entries:
            told.lines += ["", f"### {title}", "", *_listed(entries)]
    return told


def _kinds(results: Results, settings: Settings) -> list[str]:
    counts: dict[tuple[str, str], Counter[tuple[str, bool]]] = defaultdict(Counter)
    for job, outcome in results:
        for rule, kind, counted, _, _, found in outcome.tries:
            if counted:
                counts[rule, kind][said(job.variant), found] += 1
    names = [said(one) for one in settings.variants]
    rows = []
    for (rule, kind), count in sorted(counts.items()):
        cells = [share(count[name, True], count[name, True] + count[name, False]) for name in names]
        rows.append([f"{rule}: {kind}", *cells])
    return table(["kind", *names], rows)


def _intensity(tries: Sequence[tuple[str, str, bool, float, str, bool]]) -> list[str]:
    """Recall in the five fifths of a rule's intensities, those below the line included."""
    rows = []
    for rule, unit in dict.fromkeys((one[0], one[4]) for one in tries):
        ours = sorted((one[3], one[5]) for one in tries if (one[0], one[4]) == (rule, unit))
        fifths = [part for part in np.array_split(np.arange(len(ours)), 5) if len(part)]
        cells = []
        for part in fifths:
            low, high = ours[part[0]][0], ours[part[-1]][0]
            cells.append(f"{_round(low)} to {_round(high)}: {np.mean([ours[i][1] for i in part]):.2f}")
        rows.append([f"{rule}, {unit}", *cells, *[""] * (5 - len(cells))])
    return table(["rule", "lowest fifth", "second", "third", "fourth", "highest"], rows)


def _round(value: float) -> str:
    """Two or three digits that count, without exponents."""
    if value < 10:
        return f"{value:.2g}"
    return f"{round(value, 2 - len(str(int(value)))):,.0f}"


def _listed(entries: Sequence[tuple[str, str]], most: int = 8) -> list[str]:
    """Up to `most` per rule, and how many more."""
    groups: dict[str, list[str]] = defaultdict(list)
    for rule, entry in entries:
        groups[rule].append(entry)
    lines = []
    for rule, group in sorted(groups.items()):
        lines += [f"- {rule}: {entry}" for entry in group[:most]]
        lines += [f"- {rule}: and {len(group) - most} more"] if len(group) > most else []
    return lines
