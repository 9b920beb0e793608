"""The stage that traffic and incidents share: the company, the period, the scale, and the conversations so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from flowkit.generate.company import Company
from flowkit.generate.conversations import Talk
from flowkit.generate.draw import Floats, Ints, rng_for, times

__all__ = ["Scene", "pick"]


@dataclass(slots=True)
class Scene:
    """`scale` multiplies the ordinary traffic; 1 is about 4,000 records an hour. Incidents do not scale."""

    company: Company
    talk: Talk
    start_s: int
    length_s: int
    interval_s: int
    scale: float = 1.0

    @property
    def hours(self) -> float:
        """The period's length."""
        return self.length_s / 3600

    def rng(self, name: str) -> np.random.Generator:
        """The generator of one kind of traffic; a different one for every name."""
        return rng_for(self.company.seed, "traffic", name)

    def moments(self, rng: np.random.Generator, per_hour: float, depth: float = 0.55) -> Floats:
        """When an ordinary thing happens: `per_hour` times the scale, by the rhythm of the day."""
        count = max(1, round(per_hour * self.scale * self.hours))
        return times(rng, count, self.start_s, self.length_s, depth)

    def rounds(self, rng: np.random.Generator, members: int, period_s: float, shortest_s: float) -> tuple[Ints, Floats]:
        """A thing that every member does every `period_s`, each with its own phase: (member, moment).

        The scale shortens the period, but never below `shortest_s`.
        """
        period = max(shortest_s, period_s / self.scale)
        turns = max(1, int((self.length_s - 3) // period))
        phase = rng.uniform(0, min(period, self.length_s - 3), members)
        at = phase[:, None] + period * np.arange(turns)[None, :] + rng.uniform(0, 0.4, (members, turns))
        member = np.repeat(np.arange(members), turns)
        flat = at.ravel() + 1.0
        keep = flat < self.length_s - 2
        return member[keep], flat[keep]

    def night(self) -> list[tuple[float, float]]:
        """The hours after midnight UTC, when backups and analytics run, in seconds after the start.

        Where the period has no night of three hours in it, its first third stands in.
        """
        spans = []
        midnight = -(self.start_s % 86400)
        while midnight < self.length_s:
            first, last = max(midnight + 600, 60), min(midnight + 6 * 3600, self.length_s - 60)
            if last - first >= 3 * 3600:
                spans.append((float(first), float(last)))
            midnight += 86400
        return spans or [(60.0, max(600.0, self.length_s / 3))]

    def at_night(self, rng: np.random.Generator, count: int, lasts_s: float = 0.0) -> Floats:
        """`count` moments in the nights, early enough to last `lasts_s`."""
        spans = self.night()
        which = rng.integers(0, len(spans), count)
        first = np.array([span[0] for span in spans])[which]
        last = np.array([max(span[0] + 1, span[1] - lasts_s) for span in spans])[which]
        return np.sort(rng.uniform(first, last))


def pick(rng: np.random.Generator, values: Any, size: int) -> Ints:
    """`size` draws, evenly."""
    return np.asarray(values)[rng.integers(0, len(values), size)]
