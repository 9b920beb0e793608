"""A job of one part, and what a part reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from benchmarks.detection.lab import Variant
from flowkit.finding import Finding
from flowkit.flows import Flows

__all__ = ["Job", "Report", "Settings", "found_in", "said", "share", "table"]


@dataclass(frozen=True)
class Settings:
    """How much to do. `positives` is the least number per rule, over all variants."""

    seeds: tuple[int, ...]
    variants: tuple[Variant, ...]
    positives: int = 200
    quick: bool = False


@dataclass(frozen=True)
class Job:
    """One lab or one generated log."""

    part: str
    seed: int
    variant: Variant
    detail: tuple[Any, ...] = ()


@dataclass
class Report:
    """Lines of Markdown, and what is below a target."""

    lines: list[str] = field(default_factory=list)
    below: list[str] = field(default_factory=list)


def found_in(flows: Flows, **parameters: Any) -> list[Finding]:
    """What all security rules find, with their defaults but for `parameters`."""
    from flowkit.review import review

    return list(review(flows, "security", **parameters).findings)


def said(variant: Variant) -> str:
    """`v2, 60 s`."""
    return f"{variant[0]}, {variant[1]} s"


def share(found: int, of: int) -> str:
    """`0.98 of 204`; a dash where there is nothing to share."""
    return f"{found / of:.2f} of {of:,}" if of else "-"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table, with an empty line before it."""
    rule = "|" + "|".join("---" if n == 0 else "---:" for n in range(len(head))) + "|"
    return ["", f"| {' | '.join(head)} |", rule, *[f"| {' | '.join(row)} |" for row in rows]]
