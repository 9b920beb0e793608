"""Suppressions: findings that somebody has looked at and does not want to be woken by, each with a reason and an end.

A YAML file, a list of entries:

    - rule: port_scan
      subject:
        srcaddr: 10.0.9.0/28
      reason: The scanner of the security team runs on Mondays.
      expires: 2027-03-31
      owner: security@example.com

Nothing is hidden: what an entry suppressed is counted and listed with its reason, an entry that has expired or that
matched nothing is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flowkit.finding import Finding
from flowkit.review.entries import Entry, read_entries

__all__ = ["Suppressed", "Suppressions", "suppress"]


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A finding that an entry suppressed."""

    finding: Finding
    entry: Entry

    def as_dict(self) -> dict[str, Any]:
        """The finding as plain JSON types, with the entry's number, reason, last day and owner as `suppression`."""
        return {**self.finding.as_dict(), "suppression": self.entry.as_dict()}


@dataclass(frozen=True, slots=True)
class Suppressions:
    """What a file of suppressions did to a review: the findings left, those suppressed, and sentences about entries
    that did nothing. `entries` has each entry with its `state` (`acting`, `expired` or `unmatched`) and `count`.
    """

    findings: tuple[Finding, ...]
    suppressed: tuple[Suppressed, ...] = ()
    entries: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()


def suppress(
    findings: Sequence[Finding],
    path: str,
    *,
    until_s: int,
    rules: Mapping[str, str],
    room: str,
) -> Suppressions:
    """Sort out the findings that the entries of the file at `path` match.

    An entry acts on a review whose last day (UTC, from `until_s`, the end of the period) is not after its `expires`,
    so that the same period gives the same report whenever it is made. `rules` gives the room of each rule: an entry
    for another room than `room` is left alone. The first entry that matches is the one that is told. Raises
    ParameterError, naming file and entry, where the file cannot be used.
    """
    if not path:
        return Suppressions(tuple(findings))
    entries = [entry for entry in read_entries(path, tuple(rules)) if entry.rooms(rules) & {room, ""}]
    last_day = datetime.fromtimestamp(max(until_s - 1, 0), UTC).date()
    acting = [entry for entry in entries if last_day <= entry.expires]
    matches = {finding.id: [entry for entry in acting if entry.matches(finding)] for finding in findings}
    suppressed = tuple(Suppressed(f, matches[f.id][0]) for f in findings if matches[f.id])
    told, notes = [], []
    for entry in entries:
        count = sum(entry in found for found in matches.values())
        state = "expired" if entry not in acting else "acting" if count else "unmatched"
        told.append({**entry.as_dict(), "state": state, "count": count})
        if state == "expired":
            again = sum(entry.matches(finding) for finding in findings)
            notes.append(f"{path}: {entry.name} expired on {entry.expires} and no longer acts" + _again(again))
        elif state == "unmatched":
            notes.append(
                f"{path}: {entry.name} matched no finding of this {room} review. If it never will, take it out."
            )
    return Suppressions(tuple(f for f in findings if not matches[f.id]), suppressed, tuple(told), tuple(notes))


def _again(count: int) -> str:
    if not count:
        return ". It would match nothing: take it out."
    what = "a finding that is" if count == 1 else f"{count:,} findings that are"
    return f"; it would match {what} told again. Look once more, then give it a later date or take it out."
