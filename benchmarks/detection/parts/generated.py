"""Generated logs on disk, reviewed the way a user does it, with the inventory beside them."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.detection.parts.job import Job

__all__ = ["hosts_of", "reviewed"]


def reviewed(
    job: Job, *, hours: int, records: int, clean: bool, rooms: tuple[str, ...]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Any]]:
    """(findings, planted incidents, inventory) of one run of the generator."""
    import flowkit as fk
    from flowkit.generate import generate

    log_format, interval_s = job.variant
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FLOWKIT_CACHE_DIR"] = str(Path(folder) / "cache")
        logs = Path(folder) / "logs"
        generate(
            logs, seed=job.seed, hours=hours, records=records, format=log_format, interval_s=interval_s, clean=clean
        )
        truth = json.loads((logs / "truth.json").read_text(encoding="utf-8"))
        inventory = json.loads((logs / "inventory.json").read_text(encoding="utf-8"))
        with fk.open(str(logs), progress=False) as flows:
            findings = [one.as_dict() for room in rooms for one in fk.review.review(flows, room).findings]
    return findings, truth["incidents"], inventory


def hosts_of(inventory: dict[str, Any]) -> int:
    """How many hosts an inventory has: instances, containers, databases; not gateways, balancers or endpoints."""
    return sum(one["interface_type"] in ("interface", "rds", "elasticache") for one in inventory["interfaces"])
