"""Pictures of scans and guesses that are spread out, each named as its question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.show.plots import bars

if TYPE_CHECKING:
    from flowkit.question import Answer
    from flowkit.show.view import View

__all__ = ["block_scans", "distributed_scans", "spread_guesses"]


def block_scans(answer: Answer) -> View:
    """Who of ours tried most doors, in the colours of how it reads."""
    return bars(
        answer, ("srcaddr", "protocol"), "doors", split="reading", caption="Doors refused to one source, on many hosts"
    )


def distributed_scans(answer: Answer) -> View:
    """What was scanned by many sources together, by shape."""
    return bars(
        answer,
        ("dstaddr", "dstport"),
        "doors",
        split="shape",
        caption="Doors tried by many sources that share the work",
    )


def spread_guesses(answer: Answer) -> View:
    """Where guesses are spread over many sources or targets, in the colours of how it reads."""
    return bars(
        answer, ("srcaddr", "dstaddr", "dstport"), "attempts", split="reading",
        caption="Short conversations with logins, spread over many",
    )  # fmt: skip
