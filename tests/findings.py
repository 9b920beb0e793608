"""Hand-made findings for tests: only what matters, the rest filled in."""

from __future__ import annotations

from typing import Any

from flowkit.finding import Finding

_DEFAULTS: dict[str, Any] = {
    "id": "port_scan-000000000001",
    "rule": "port_scan",
    "title": "A scan",
    "severity": "high",
    "confidence": 0.8,
    "subject": {"srcaddr": "10.0.9.5", "dstaddr": "10.0.1.7", "protocol": 6},
    "first_seen": "2026-11-02T03:00:00Z",
    "last_seen": "2026-11-02T04:00:00Z",
    "count": 150,
    "explanation": "It tried 150 ports.",
    "could_also_be": "A test.",
    "next_step": "Look: aws ec2 describe-vpcs",
}


def finding(**fields: Any) -> Finding:
    """One finding: an internal port scan, unless told otherwise."""
    return Finding(**{**_DEFAULTS, **fields})
