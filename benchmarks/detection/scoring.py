"""When a finding counts, and how sure a share is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowkit.finding import Finding, at_least
from flowkit.security.wording import MOST_LISTED

__all__ = ["Outcome", "Positive", "addresses_of", "grave", "is_about", "judged", "wilson"]


@dataclass(frozen=True, kw_only=True)
class Positive:
    """One planted thing. `rules`: the rules that may name it, the one it counts for first.

    `subject` is what a finding must name: AWS field -> value, or a set of which four fifths must be listed.
    `intensity` says how much of it there was, in `unit`. `counted` is False below the line that the rule documents,
    where finding it is welcome and missing it is not an error. `actors`: addresses whose findings this explains.
    `parameters`: what the rules must be told; `listed`: what the threat list must hold.
    """

    rules: tuple[str, ...]
    kind: str
    subject: Mapping[str, Any]
    intensity: float
    unit: str
    actors: frozenset[str]
    note: str
    counted: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)
    listed: str = ""


@dataclass
class Outcome:
    """What one lab gave: (rule, kind, counted, intensity, unit, found) per positive, true and false findings."""

    tries: list[tuple[str, str, bool, float, str, bool]] = field(default_factory=list)
    true: list[str] = field(default_factory=list)
    false: list[tuple[str, str]] = field(default_factory=list)
    missed: list[tuple[str, str]] = field(default_factory=list)


def grave(findings: Iterable[Finding]) -> list[Finding]:
    """Those of medium severity or above."""
    return [one for one in findings if at_least(one.severity, "medium")]


def addresses_of(finding: Finding) -> set[str]:
    """Every address that the subject of a finding names."""
    named = [finding.subject.get(name) for name in ("srcaddr", "dstaddr")]
    return {str(one) for value in named if value is not None for one in _listed(value)}


def is_about(finding: Finding, subject: Mapping[str, Any]) -> bool:
    """Whether a finding names this subject: equal values, and four fifths of what is a set."""
    for name, wanted in subject.items():
        got, want = set(_listed(finding.subject.get(name))), set(_listed(wanted))
        if len(got & want) < 0.8 * min(len(want), MOST_LISTED):
            return False
    return True


def judged(findings: Sequence[Finding], planted: Sequence[Positive], where: str) -> Outcome:
    """Compare what was found with what was planted.

    A finding is true if it names a positive of its rule, and nobody's fault if it only touches one of another rule (a
    sweep for SSH may rightly be called two things). Every other one is false.
    """
    outcome, told = Outcome(), grave(findings)
    explained: set[str] = set()
    for one in planted:
        hits = [f for f in told if f.rule in one.rules and is_about(f, one.subject)]
        explained |= {f.id for f in hits}
        outcome.tries.append((one.rules[0], one.kind, one.counted, one.intensity, one.unit, bool(hits)))
        if one.counted and not hits:
            near = [f"{f.severity} {f.rule}" for f in findings if addresses_of(f) & one.actors]
            outcome.missed.append(
                (one.rules[0], f"{where}: {one.kind}: {one.note} (beside: {', '.join(near) or 'nothing'})")
            )
    for finding in told:
        about = [one for one in planted if addresses_of(finding) & one.actors]
        if finding.id in explained:
            outcome.true.append(finding.rule)
        elif not about or any(finding.rule in one.rules and one.counted for one in about):
            outcome.false.append((finding.rule, f"{where}: {finding.severity} {finding.title}"))
    return outcome


def wilson(found: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share after Wilson (1927)."""
    if not of:
        return 0.0, 1.0
    z, share = 1.96, found / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * (share * (1 - share) / of + z * z / (4 * of * of)) ** 0.5 / (1 + z * z / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def _listed(value: Any) -> Iterable[Any]:
    if value is None:
        return ()
    return value if isinstance(value, (list, tuple, set, frozenset)) else (value,)
