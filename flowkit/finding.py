"""The finding: one thing that somebody should look at, in the words of AWS's own fields."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

__all__ = ["SEVERITIES", "Finding", "at_least", "aws_cli", "finding_id", "iso", "look_up", "rank"]

#: From worst to mildest. `--fail-on` and ranking use this order.
SEVERITIES = ("critical", "high", "medium", "low", "info")


def iso(epoch_s: int | None) -> str | None:
    """Seconds since the epoch as an ISO 8601 UTC instant, `2026-11-02T03:04:05Z`."""
    if epoch_s is None:
        return None
    return datetime.fromtimestamp(int(epoch_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def aws_cli(*words: object) -> str:
    """An AWS CLI call as one line for a shell: `aws` and the words, each quoted where a shell would take it apart.

    It stands at the very end of a next step, after a colon, so that a report can set it apart and offer it for copying.
    """
    return shlex.join(["aws", *map(str, words)])


def look_up(*addresses: str, show: str = "") -> str:
    """The AWS CLI call that says whose the `addresses` are, of one family, private ones by any address of an interface.

    `show` is a JMESPath query, such as `NetworkInterfaces[].Groups[]`, for where only a part is wanted.
    """
    first = ipaddress.ip_address(addresses[0])
    outside = "association.public-ip" if first.is_global else "addresses.private-ip-address"
    name = "ipv6-addresses.ipv6-address" if first.version == 6 else outside
    query = ("--query", show) if show else ()
    return aws_cli(
        "ec2", "describe-network-interfaces", "--filters", f"Name={name},Values={','.join(addresses)}", *query
    )


def finding_id(rule: str, inputs: Mapping[str, Any]) -> str:
    """A short id from the rule and the inputs that the rule names.

    It stays the same while a finding's evidence grows, so that a suppression or a comparison with an
    earlier run goes on matching.
    """
    text = json.dumps([rule, inputs], sort_keys=True, default=str)
    return f"{rule}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One row of a review.

    `subject` maps AWS field names to a value or a list: `srcaddr` is who did it, `dstaddr` to whom.
    `confidence` is between 0 and 1. `evidence` holds at most 20 rows; `count` is the whole number.
    """

    id: str
    rule: str
    title: str
    severity: str
    confidence: float
    subject: Mapping[str, Any]
    first_seen: str | None
    last_seen: str | None
    count: int
    explanation: str
    could_also_be: str
    next_step: str
    evidence: Sequence[Mapping[str, Any]] = ()
    attack: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity {self.severity!r} is not one of {', '.join(SEVERITIES)}")
        if len(self.evidence) > 20:
            raise ValueError(f"{self.rule}: {len(self.evidence)} rows of evidence, at most 20 are kept")

    def as_dict(self) -> dict[str, Any]:
        """The finding as plain JSON types."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return plain


def at_least(severity: str, floor: str) -> bool:
    """Whether `severity` is as bad as `floor` or worse."""
    return SEVERITIES.index(severity) <= SEVERITIES.index(floor)


def rank(findings: Sequence[Finding]) -> list[Finding]:
    """Worst first, then most certain, then by rule and id, so that ties never shuffle."""
    return sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), -f.confidence, f.rule, f.id))
