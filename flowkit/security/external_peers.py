"""Who outside is spoken with most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.engines import bind
from flowkit.question import Answer, question

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["external_peers"]

_SQL = """
WITH outside AS (
  SELECT CASE WHEN c.path = 'outbound' THEN c.dstaddr ELSE c.srcaddr END AS peer,
         CASE WHEN c.path = 'outbound' THEN c.dst_id ELSE c.src_id END AS peer_id,
         CASE WHEN c.path = 'outbound' THEN c.src_id ELSE c.dst_id END AS own_id,
         CASE WHEN c.path = 'outbound' THEN c.dst_aws_service ELSE c.src_aws_service END AS aws_service, c.path,
         CASE WHEN c.path = 'outbound' THEN c.fwd_bytes ELSE c.rev_bytes END AS sent_bytes,
         CASE WHEN c.path = 'outbound' THEN c.rev_bytes ELSE c.fwd_bytes END AS received_bytes,
         CASE WHEN c.in_period THEN 1 ELSE 0 END AS begun, c.dstport, c.protocol, c.start_s, c.end_s
  FROM conversations c
  WHERE c.leg = '' AND c.path IN ('inbound', 'outbound') AND NOT c.rejected
), totals AS (
  SELECT sum(sent_bytes + received_bytes) AS bytes FROM outside
)
SELECT o.peer AS address, max(o.aws_service) AS aws_service, CAST(sum(o.sent_bytes) AS BIGINT) AS sent_bytes,
       CAST(sum(o.received_bytes) AS BIGINT) AS received_bytes,
       CASE WHEN max(t.bytes) > 0 THEN CAST(sum(o.sent_bytes + o.received_bytes) AS DOUBLE) / CAST(max(t.bytes)
         AS DOUBLE) END AS bytes_share,
       CAST(sum(o.begun) AS BIGINT) AS conversations,
       CAST(sum(CASE WHEN o.path = 'outbound' THEN o.begun ELSE 0 END) AS BIGINT) AS begun_by_us,
       CAST(count(DISTINCT o.own_id) AS BIGINT) AS own_hosts,
       CAST(count(DISTINCT o.dstport) AS BIGINT) AS ports, min(o.dstport) AS lowest_port, min(o.start_s) AS first_s,
       max(o.end_s) AS last_s
FROM outside o CROSS JOIN totals t
GROUP BY o.peer, o.peer_id
ORDER BY sum(o.sent_bytes + o.received_bytes) DESC, o.peer, o.peer_id
LIMIT $top_n
"""

_CAVEATS = ("Bytes count once and lie inside the period. Rejected conversations are left out.",)


@question(needs=("srcaddr", "dstaddr", "bytes"), sharper_with=("pkt_dst_aws_service", "tcp_flags", "inventory"))
def external_peers(flows: Flows, *, top_n: int = 20) -> Answer:
    """Which addresses outside exchanged most with us?

    Rows per public address: `sent_bytes` to it and `received_bytes` from it, `bytes_share` of all such bytes,
    `conversations` and how many of them were `begun_by_us`, `own_hosts` that spoke with it, `ports` used and the lowest
    of them, `aws_service` where the address belongs to one.

    Blind spots: names (look them up in your resolver's logs); who is behind a content network's address; hosts behind a
    NAT gateway whose own interfaces are not logged. Source: AWS, "Flow log records" (pkt-dst-aws-service).

    >>> import flowkit
    >>> flowkit.security.external_peers(flowkit.open("sample:"), top_n=3).table.shape[0]
    3
    """
    return flows.ask(bind(_SQL, top_n=top_n), caveats=_CAVEATS)
