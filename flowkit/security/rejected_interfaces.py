"""Rejected traffic by the interface that refused it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.engines import bind
from flowkit.question import Answer, question

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["rejected_interfaces"]

# Records, not conversations: a verdict belongs to the interface that gave it.
_SQL = """
SELECT f.observer AS interface_id, max(i.name) AS name, max(i.role) AS role, max(i.own_address) AS address,
       CAST(sum(CASE WHEN f.action = 'REJECT' AND NOT f.late THEN f.records ELSE 0 END) AS BIGINT) AS rejected,
       CAST(sum(CASE WHEN f.action = 'REJECT' AND NOT f.late AND f.direction = 'ingress' THEN f.records
       ELSE 0 END) AS BIGINT) AS rejected_ingress,
       CAST(sum(CASE WHEN f.action = 'REJECT' AND NOT f.late AND f.direction = 'egress' THEN f.records
       ELSE 0 END) AS BIGINT) AS rejected_egress,
       CAST(sum(CASE WHEN f.late THEN f.records ELSE 0 END) AS BIGINT) AS late,
       CAST(sum(f.records) AS BIGINT) AS records,
       CAST(sum(CASE WHEN f.action = 'REJECT' AND NOT f.late THEN f.records ELSE 0 END) AS DOUBLE)
         / sum(f.records) AS rejected_share
FROM windows f
LEFT JOIN interfaces i ON i.observer = f.observer
WHERE f.action IS NOT NULL
GROUP BY f.observer
HAVING sum(CASE WHEN f.action = 'REJECT' THEN 1 ELSE 0 END) > 0
ORDER BY rejected DESC, f.observer
LIMIT $top_n
"""


@question(needs=("action",), sharper_with=("flow_direction", "tcp_flags", "inventory"))
def rejected_interfaces(flows: Flows, *, top_n: int = 20) -> Answer:
    """Which interfaces rejected most?

    Rows per interface, in records (not conversations, since each interface gives its own verdict): `rejected`, of those
    `rejected_ingress` and `rejected_egress`, `late` ones beside them (packets after the end of their connection, which
    no rule refused), all its `records`, and `rejected_share` of them.

    Blind spots: whether a security group or a network ACL refused; where the interface's own address is unknown the
    direction is. Source: AWS, "Flow log records" (action, flow-direction).

    >>> import flowkit
    >>> flowkit.security.rejected_interfaces(flowkit.open("sample:"), top_n=3).table.shape[0]
    3
    """
    return flows.ask(bind(_SQL, top_n=top_n))
