"""Beacons as a matrix: period by jitter by interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from benchmarks.detection.lab import Lab
from benchmarks.detection.parts.job import Job, Report, Settings, found_in, table
from benchmarks.detection.positive.outward import beacon_at
from benchmarks.detection.scoring import addresses_of, is_about, wilson
from flowkit.finding import at_least
from flowkit.generate.draw import rng_for

__all__ = ["jobs", "report", "run"]

_MINUTES, _JITTERS, _EACH = (1, 5, 15, 60), (0.0, 0.1, 0.3), 2
_FIRST_HOUR = 1

#: (minutes, jitter, what was said about it)
Cell = tuple[int, float, str]


def jobs(settings: Settings) -> list[Job]:
    """One lab per seed and variant, with two beacons in every cell."""
    seeds = settings.seeds[:1] if settings.quick else settings.seeds
    return [Job("beacons", seed, variant) for variant in settings.variants for seed in seeds]


def run(job: Job) -> tuple[list[Cell], list[str]]:
    """What became of each beacon, and the beacons told that are none."""
    from flowkit.security import beacons

    lab, rng = Lab(job.seed, job.variant), rng_for(job.seed, "matrix")
    planted = [
        (minutes, jitter, beacon_at(lab, rng, minutes * 60, jitter, hours=22, kind="matrix"))
        for minutes in _MINUTES
        for jitter in _JITTERS
        for _ in range(_EACH)
    ]
    lab.everyday()
    with lab.flows() as flows:
        told = [one for one in found_in(flows) if one.rule == "beacon"]
        rows = beacons(flows, top_n=1000).table
    readings = {(row.srcaddr, row.dstaddr): str(row.reading) for row in rows.itertuples()}
    cells: list[Cell] = []
    for minutes, jitter, one in planted:
        mine = [f for f in told if is_about(f, one.subject)]
        severity = min((f.severity for f in mine), key=("critical", "high", "medium", "low", "info").index, default="")
        pair = (str(one.subject["srcaddr"]), str(one.subject["dstaddr"]))
        found = "found" if severity and at_least(severity, "medium") else severity or readings.get(pair, "nothing")
        cells.append((minutes, jitter, found))
    ours = {address for _, _, one in planted for address in one.actors}
    return cells, [f.title for f in told if not addresses_of(f) & ours]


def report(results: Sequence[tuple[Job, tuple[list[Cell], list[str]]]], settings: Settings) -> Report:
    """The share found in each cell; where the period is below twice the interval, the share called too fast to tell."""
    told = Report(["## Beacons"])
    count: Counter[tuple[int, int, float, str]] = Counter()
    for job, (cells, _) in results:
        count.update((job.variant[1], minutes, jitter, said) for minutes, jitter, said in cells)
    rows = []
    for interval_s in sorted({interval_s for interval_s, *_ in count}):
        for minutes in _MINUTES:
            row = [f"{interval_s} s", f"{minutes} min"]
            for jitter in _JITTERS:
                cell = {said: n for (i, m, j, said), n in count.items() if (i, m, j) == (interval_s, minutes, jitter)}
                total = sum(cell.values())
                right = "found" if minutes * 60 >= 2 * interval_s else "too fast to tell"
                got = cell.get(right, 0)
                low, _ = wilson(got, total)
                other = ", ".join(f"{n} {said}" for said, n in sorted(cell.items()) if said != right)
                name = "" if right == "found" else "not detectable: "
                row.append(f"{name}{got} of {total}" + (f" ({other})" if other else ""))
                if right == "found" and low < 0.8 and not settings.quick:
                    what = f"beacons every {minutes} min, jitter {jitter:.0%}, interval {interval_s} s"
                    told.below.append(f"{what}: the lower bound of the recall is {low:.3f}, the target 0.8")
            rows.append(row)
    told.lines += table(["interval", "period", *[f"jitter {jitter:.0%}" for jitter in _JITTERS]], rows)
    false = [title for _, (_, titles) in results for title in titles]
    told.lines += ["", f"Findings that name no planted beacon: {len(false)}."]
    return told
