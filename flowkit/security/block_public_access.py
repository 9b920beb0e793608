"""What VPC Block Public Access and encryption controls refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.engines import bind
from flowkit.question import Answer, question

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["block_public_access"]

_SQL = """
SELECT f.reject_reason, f.observer AS interface_id, max(i.name) AS name, COALESCE(f.direction, 'unknown') AS direction,
       f.protocol, CASE WHEN f.direction = 'ingress' THEN f.dstport END AS dstport,
       CAST(count(*) AS BIGINT) AS records, CAST(sum(f.packets) AS BIGINT) AS packets,
       CAST(count(DISTINCT CASE WHEN f.direction = 'ingress' THEN f.srcaddr ELSE f.dstaddr END) AS BIGINT) AS peers,
       min(CASE WHEN f.direction = 'ingress' THEN f.srcaddr ELSE f.dstaddr END) AS first_peer,
       min(f.start_s) AS first_s, max(f.end_s) AS last_s
FROM flows f
JOIN interfaces i ON i.observer = f.observer
WHERE f.reject_reason IS NOT NULL AND f.action = 'REJECT'
GROUP BY f.reject_reason, f.observer, COALESCE(f.direction, 'unknown'), f.protocol,
         CASE WHEN f.direction = 'ingress' THEN f.dstport END
ORDER BY records DESC, f.reject_reason, interface_id, direction, f.protocol, dstport NULLS FIRST
LIMIT $top_n
"""

_CAVEATS = ("Records of what Block Public Access refused have no bytes, and AWS tells of none that were skipped.",)


@question(needs=("reject_reason", "action"), sharper_with=("flow_direction", "inventory"))
def block_public_access(flows: Flows, *, top_n: int = 50) -> Answer:
    """What did VPC Block Public Access refuse?

    Rows per interface, direction, protocol and (of what came in) port: `reject_reason` is `BPA` (Block Public Access)
    or `EC` (an endpoint refused it because of encryption controls), `records` and `packets` refused, `peers` addresses
    on the other side and the `first_peer` of them in order of text. What leaves and is refused is a way out that
    somebody still uses; what comes and is refused is the protection at work.

    Blind spots: every other reason is absent from the field, so that security groups and network ACLs are not told
    apart; records, not conversations, since such traffic never became one. Source: AWS, "Block public access to VPCs
    and subnets" and the field `reject-reason`.

    >>> import flowkit
    >>> flowkit.security.block_public_access(flowkit.open("sample:")).missing
    ('reject_reason',)
    """
    return flows.ask(bind(_SQL, top_n=top_n), caveats=_CAVEATS)
