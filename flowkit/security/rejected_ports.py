"""Rejected traffic by what it was for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.engines import bind
from flowkit.question import Answer, question

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["rejected_ports"]

_SQL = """
SELECT c.protocol, c.dstport, max(s.service) AS service, CAST(count(*) AS BIGINT) AS rejected,
       CAST(sum(CASE WHEN c.path = 'inbound' THEN 1 ELSE 0 END) AS BIGINT) AS inbound,
       CAST(sum(CASE WHEN c.path = 'internal' THEN 1 ELSE 0 END) AS BIGINT) AS internal,
       CAST(sum(CASE WHEN c.path = 'outbound' THEN 1 ELSE 0 END) AS BIGINT) AS outbound,
       CAST(count(DISTINCT c.src_id) AS BIGINT) AS sources, CAST(count(DISTINCT c.dst_id) AS BIGINT) AS targets,
       min(c.start_s) AS first_s, max(c.end_s) AS last_s
FROM conversations c
LEFT JOIN service_ports s ON s.port = c.dstport AND s.protocol = c.protocol
WHERE c.rejected AND c.in_period AND c.leg = ''
GROUP BY c.protocol, c.dstport
ORDER BY rejected DESC, c.protocol, c.dstport
LIMIT $top_n
"""


@question(needs=("action",), sharper_with=("tcp_flags", "inventory"))
def rejected_ports(flows: Flows, *, top_n: int = 20) -> Answer:
    """Which ports was rejected traffic for?

    Rows per protocol and port of the responding side: `rejected` conversations, split into `inbound` (from the
    internet), `internal` and `outbound`, with the number of `sources` and `targets`. ICMP has no ports and stands as
    port 0. Many sources on one port inbound is the internet's noise; few sources on one port internally is a missing
    rule.

    Blind spots: without TCP flags the responding side is told from known ports and from who is spoken to most. Source:
    AWS, "Flow log records" (action).

    >>> import flowkit
    >>> flowkit.security.rejected_ports(flowkit.open("sample:"), top_n=3).table.shape[0]
    3
    """
    return flows.ask(bind(_SQL, top_n=top_n))
