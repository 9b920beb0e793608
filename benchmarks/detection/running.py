"""The parts by name, and their jobs spread over processes."""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from types import ModuleType
from typing import Any

from benchmarks.detection.parts import beacons, clean, negatives, planted, positives
from benchmarks.detection.parts.job import Job

__all__ = ["PARTS", "run", "run_one"]

PARTS: dict[str, ModuleType] = {
    "positives": positives,
    "negatives": negatives,
    "beacons": beacons,
    "clean": clean,
    "planted": planted,
}


def run(jobs: list[Job], workers: int) -> list[tuple[Job, Any]]:
    """Every job with what it gave, in the order of the jobs."""
    results: list[tuple[Job, Any]] = []
    with ProcessPoolExecutor(max_workers=max(1, workers), mp_context=get_context("spawn")) as pool:
        for number, (job, got) in enumerate(zip(jobs, pool.map(run_one, jobs), strict=True), 1):
            results.append((job, got))
            if number % 10 == 0 or number == len(jobs):
                print(f"{number} of {len(jobs)}: {job.part} {job.variant[0]}/{job.variant[1]}", file=sys.stderr)
    return results


def run_one(job: Job) -> Any:
    """One job, in this process."""
    return PARTS[job.part].run(job)
