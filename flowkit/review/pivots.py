"""From a finding into other tools: the Community ID of each conversation among its evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flowkit.communityid import WITH_PORTS, community_id
from flowkit.finding import Finding

__all__ = ["with_community_ids"]

_KEY = ("srcaddr", "dstaddr", "srcport", "dstport", "protocol")


def with_community_ids(finding: Finding) -> Finding:
    """The finding with a `community_id` in every row of evidence that is one conversation.

    That is a row which has a `srcport` of its own; whatever else it lacks is taken from the subject, where that names
    one value. Rows about many conversations get none, and neither does ICMP, whose type and code no flow log has.
    """
    rows = [_known(dict(row), finding) for row in finding.evidence]
    return replace(finding, evidence=rows) if any("community_id" in row for row in rows) else finding


def _known(row: dict[str, Any], finding: Finding) -> dict[str, Any]:
    key: list[Any] = [row.get(name, finding.subject.get(name)) for name in _KEY]
    if row.get("srcport") is None or not all(type(part) in (str, int) for part in key) or key[4] not in WITH_PORTS:
        return row
    srcaddr, dstaddr, srcport, dstport, protocol = key
    return {**row, "community_id": community_id(srcaddr, dstaddr, srcport, dstport, protocol)}
