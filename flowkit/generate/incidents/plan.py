"""What every incident needs: its own hosts, its own time, its own random draws, and a line in the truth."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from flowkit.generate.company import Company
from flowkit.generate.conversations import OPEN, Talk
from flowkit.generate.draw import rng_for
from flowkit.generate.hops import Hops
from flowkit.generate.network import Interface
from flowkit.generate.scene import Scene

__all__ = ["Incident", "Plan"]


@dataclass(frozen=True, slots=True)
class Incident:
    """One planted thing, in the words of the finding contract. Times are seconds after the period's start."""

    rule: str
    severity: str
    subject: dict[str, Any]
    first_s: float
    last_s: float
    note: str
    detectable: bool = True
    why_not: str = ""
    #: For something that anybody may reach: (address number, port). Its times are those of whoever did.
    reached: tuple[int, int] | None = None

    def seen(self, hops: Hops) -> Incident:
        """The incident with the times at which it was really reached, noise included."""
        if self.reached is None:
            return self
        talk = hops.talk
        at = (
            (hops.a < 0)
            & (talk["dst"] == self.reached[0])
            & (talk["dport"] == self.reached[1])
            & (talk["block"] == OPEN)
        )
        return replace(self, first_s=float(talk["f0_s"][at].min()), last_s=float(talk["r1_s"][at].max()))


@dataclass
class Plan:
    """The scene, the hosts already taken, and the incidents so far.

    In a small company the draws of one attempt can use up the hosts that a later incident needs: LookupError. The next
    attempt draws anew, with a company founded anew.
    """

    scene: Scene
    attempt: int = 0
    incidents: list[Incident] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)

    @property
    def company(self) -> Company:
        """The company of the scene."""
        return self.scene.company

    @property
    def talk(self) -> Talk:
        """The conversations of the scene."""
        return self.scene.talk

    def rng(self, name: str) -> np.random.Generator:
        """The generator of one incident."""
        return rng_for(self.company.seed, "incident", name, self.attempt)

    def host(self, rng: np.random.Generator, *roles: str, zone: int | None = None) -> Interface:
        """A host that no other incident uses; one of the wanted roles and zone."""
        free = [i for i in self.company.of(*roles, zone=zone) if i.index not in self.taken]
        if not free:
            raise LookupError(f"no free host among {roles} in zone {zone}")
        chosen = free[int(rng.integers(0, len(free)))]
        self.taken.add(chosen.index)
        return chosen

    def pair(
        self, rng: np.random.Generator, ones: tuple[str, ...], others: tuple[str, ...]
    ) -> tuple[Interface, Interface]:
        """Two free hosts in different subnets of the same zone."""
        couples = [
            (one, other)
            for one in self.company.of(*ones)
            for other in self.company.of(*others)
            if one.zone == other.zone
            and one.subnet.index != other.subnet.index
            and not {one.index, other.index} & self.taken
        ]
        if not couples:
            raise LookupError(f"no free pair between {ones} and {others}")
        one, other = couples[int(rng.integers(0, len(couples)))]
        self.taken |= {one.index, other.index}
        return one, other

    def span(self, rng: np.random.Generator, low_s: float, high_s: float) -> tuple[float, float]:
        """A stretch of time of random length, away from the period's edges."""
        room = self.scene.length_s
        margin = min(900.0, room * 0.05)
        longest = room - 2 * margin
        length = min(float(rng.uniform(low_s, high_s)), longest * 0.9)
        first = margin + float(rng.uniform(0, longest - length))
        return first, first + length

    def record(
        self,
        rule: str,
        severity: str,
        subject: dict[str, Any],
        first_s: float,
        last_s: float,
        note: str,
        why_not: str = "",
        reached: tuple[int, int] | None = None,
    ) -> None:
        """Write down what was planted."""
        self.incidents.append(Incident(rule, severity, subject, first_s, last_s, note, not why_not, why_not, reached))
