"""Believable flow logs with planted truth: what is in them is known, to the byte, before any question is asked.

A company is founded, its conversations are simulated and sent from interface to interface, and records are derived from
that as AWS does. Beside the logs stand `truth.json` (what was planted, in the words of the finding contract),
`bill.csv` (what it would cost, computed before the log layer) and `inventory.json`. It imports no question. The same
arguments give the same bytes.

Blind spots: one account and region, no transit gateway, no regional NAT gateway, no inter-region traffic, packets
spread evenly within a conversation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowkit.generate.run import Order

__all__ = ["GenerateSummary", "generate", "sample"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateSummary:
    """What was written. `records` are lines with traffic; `gap_lines` the NODATA and SKIPDATA lines beside them."""

    dest: Path
    seed: int
    account_id: str
    region: str
    since_s: int
    until_s: int
    records: int
    gap_lines: int
    objects: int
    text_bytes: int
    incidents: int
    flow_log_ids: tuple[str, ...]


def generate(
    dest: str | Path,
    *,
    seed: int = 1,
    hours: int = 24,
    records: int = 100_000,
    format: str = "v5",
    interval_s: int = 60,
    clean: bool = False,
    start: str = "",
    account: str = "",
    progress: Callable[[str], None] | None = None,
) -> GenerateSummary:
    """Write a period of flow logs under `dest`, which must not hold any yet.

    `records` is reached within 15 %. `format` is `v2` (the default format), `v5` (all fields up to version 5) or
    `v11` (all 54). `interval_s` is 60 or 600. `clean` leaves out every incident; everything else is the same company.
    `start` is an ISO 8601 date or UTC instant, 2026-11-02 if empty. `account` is 12 digits, drawn from the seed if
    empty.
    """
    from flowkit.generate.run import checked

    order = checked(dest, seed, hours, records, {0: format, 1: format}, interval_s, clean, start, account)
    return _run(order, progress)


def sample(dest: str | Path) -> GenerateSummary:
    """Write the bundled sample: `data/sample` is exactly this.

    A day with incidents: one flow log with all fields of version 5 (the shop), one in the default format (analytics).
    """
    from flowkit.generate.run import checked

    order = checked(dest, 20261102, 24, 34_000, {0: "v5", 1: "v2"}, 60, False, "2026-11-02", "", level=9)
    return _run(order, None)


def _run(order: Order, progress: Callable[[str], None] | None) -> GenerateSummary:
    from flowkit.generate.run import run

    return run(order, progress)
