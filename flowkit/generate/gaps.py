"""Where the log says that it has nothing, or that it lost something: NODATA and SKIPDATA lines.

SKIPDATA swallows only refused background probes, which cost nothing, at a public interface and away from every
incident, so that the bill still equals what the records say. Real logs have a NODATA line for every idle window; here
a few stand for all, so that a small log is not mostly silence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flowkit.generate.company import Company
from flowkit.generate.draw import Ints, rng_for
from flowkit.generate.incidents import Incident
from flowkit.generate.records import Records, free_to_lose
from flowkit.generate.windows import Windows

__all__ = ["Gap", "idle", "lose"]

#: Of the whole period; at least one in every stretch of it that is written at a time.
_LOST_WINDOWS = 5
_NODATA_SHARE = 0.004


@dataclass(frozen=True, slots=True)
class Gap:
    """One line: an interface, a window's bounds in seconds after the start, NODATA or SKIPDATA."""

    interface: int
    start_s: int
    end_s: int
    status: str


def lose(
    company: Company, edge_s: int, share: float, records: Records, incidents: list[Incident]
) -> tuple[Records, list[Gap]]:
    """Drop the refused probes of a few windows of the load balancer, and say so.

    `share` is how much of the period these records are.
    """
    rng = rng_for(company.seed, "skipdata", edge_s)
    faces = [interface.index for interface in company.of("alb")]
    free = free_to_lose(records) & np.isin(records.interface, faces)
    for incident in incidents:
        # Handshakes beside a gap cannot be judged, and the load balancer may be where they stay half open.
        if incident.rule == "half_open":
            free &= (records.end_s < incident.first_s - 1800) | (records.start_s > incident.last_s + 1800)
    windows = np.unique(records.window[free])
    chosen = rng.permutation(windows)[: max(1, round(_LOST_WINDOWS * share))]
    swallowed = free_to_lose(records) & np.isin(records.window, chosen)
    gaps = []
    for window in np.sort(chosen).tolist():
        row = int(np.flatnonzero(swallowed & (records.window == window))[0])
        gaps.append(Gap(int(records.interface[row]), int(records.start_s[row]), int(records.end_s[row]), "SKIPDATA"))
    return records.take(np.flatnonzero(~swallowed)), gaps


def idle(seed: int, edge_s: int, step_s: int, records: Records, windows: Windows) -> list[Gap]:
    """A few of the windows in which the quietest interfaces saw nothing."""
    rng = rng_for(seed, "nodata", edge_s)
    low, high = windows.before(float(edge_s - step_s)), windows.before(float(edge_s))
    busy = np.unique(records.window)
    budget = max(1, int(_NODATA_SHARE * len(records)))
    found: list[Gap] = []
    for interface in rng.permutation(len(low)).tolist():
        silent: Ints = np.setdiff1d(np.arange(low[interface], high[interface]), busy)
        if len(silent) < 0.7 * (high[interface] - low[interface]):
            continue
        for window in silent[: budget - len(found)].tolist():
            start, end = windows.edges[window], windows.edges[window + 1] - 1
            if start >= 0 and end < windows.length_s:
                found.append(Gap(interface, int(start), int(end), "NODATA"))
        if len(found) >= budget:
            break
    return found
