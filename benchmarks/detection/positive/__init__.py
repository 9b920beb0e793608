"""Positives: what each rule should find, drawn at random. `PLANTERS` maps a rule to its kinds with their weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.detection.lab import Lab
from benchmarks.detection.positive import floods, logins, outward, policies, reach, scans
from benchmarks.detection.scoring import Positive

__all__ = ["PLANTERS", "TOGETHER", "parameters_of", "plant"]

Planter = Callable[[Lab, np.random.Generator], Positive]

PLANTERS: dict[str, tuple[tuple[Planter, int], ...]] = {
    "port_scan": scans.PORT_SCANS,
    "host_sweep": scans.HOST_SWEEPS,
    "brute_force": logins.GUESSES,
    "beacon": outward.BEACONS,
    "exfiltration": outward.THEFTS,
    "exposed_service": reach.EXPOSURES,
    "return_rejected": reach.RETURNS,
    "flood": floods.FLOODS,
    "lateral_movement": policies.MOVES,
    "dns_bypass": policies.BYPASSES,
    "unusual_port": policies.UNUSUAL,
    "threat_list": policies.LISTED,
    "new_peer": policies.NEW,
}

#: What else a threat list holds: blocks that nobody in a lab has to do with.
OTHERS_LISTED = ("203.0.113.0/24", "198.51.100.7", "2001:db8::/32")

#: Rules whose positives share a lab: different enough that none explains another's findings.
TOGETHER = (
    ("port_scan", "host_sweep"),
    ("brute_force", "exposed_service"),
    ("beacon", "exfiltration", "return_rejected"),
    ("flood",),
    ("lateral_movement", "dns_bypass", "unusual_port", "threat_list"),
    ("new_peer",),
)


def plant(lab: Lab, rng: np.random.Generator, rule: str, count: int) -> list[Positive]:
    """`count` independent positives of a rule, each with its own actors, their kinds drawn by weight."""
    makers, weights = zip(*PLANTERS[rule], strict=True)
    chosen = rng.choice(len(makers), count, p=np.array(weights) / sum(weights))
    return [makers[int(which)](lab, rng) for which in chosen]


def parameters_of(planted: list[Positive], folder: Path) -> dict[str, Any]:
    """What the rules need to be told about these positives; most need nothing. A threat list is a file in `folder`."""
    told = {name: value for one in planted for name, value in one.parameters.items()}
    listed = [one.listed for one in planted if one.listed]
    if listed:
        path = folder / "threats.csv"
        path.write_text("\n".join([*listed, *OTHERS_LISTED]) + "\n", encoding="utf-8")
        told["threat_list"] = str(path)
    return told
