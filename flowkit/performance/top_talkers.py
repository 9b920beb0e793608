"""Which hosts, and which pairs of hosts, exchange most."""

from __future__ import annotations

from flowkit.engines import bind
from flowkit.flows import Flows
from flowkit.question import Answer, question

__all__ = ["top_pairs", "top_talkers"]

_TWO_ENDS = "Each byte has a sender and a receiver, so the shares of all hosts add up to 200 %."
_PODS = (
    "Without pkt-srcaddr and pkt-dstaddr, traffic to a pod or secondary address is logged under two addresses and is "
    "in twice when both ends are logged."
)

_HOSTS = """
WITH ends AS (
  SELECT src_id AS host_id, srcaddr AS address, src_name AS name, src_role AS role, src_scope AS scope,
         dst_id AS peer_id, fwd_bytes AS sent_bytes, rev_bytes AS received_bytes,
         fwd_packets + rev_packets AS packets, in_period
  FROM conversations WHERE leg = ''
  UNION ALL
  SELECT dst_id, dstaddr, dst_name, dst_role, dst_scope, src_id, rev_bytes, fwd_bytes, fwd_packets + rev_packets,
         in_period
  FROM conversations WHERE leg = ''
), whole AS (
  SELECT CAST(sum(fwd_bytes + rev_bytes) AS BIGINT) AS bytes FROM conversations WHERE leg = ''
), hosts AS (
  SELECT host_id, min(address) AS address, max(name) AS name, max(role) AS role, max(scope) AS scope,
         CAST(sum(sent_bytes) AS BIGINT) AS sent_bytes, CAST(sum(received_bytes) AS BIGINT) AS received_bytes,
         CAST(sum(sent_bytes + received_bytes) AS BIGINT) AS bytes, CAST(sum(packets) AS BIGINT) AS packets,
         count(DISTINCT peer_id) AS peers, CAST(sum(CASE WHEN in_period THEN 1 ELSE 0 END) AS BIGINT) AS conversations
  FROM ends GROUP BY host_id
)
SELECT h.address, h.name, h.role, h.scope, h.bytes,
       CASE WHEN w.bytes > 0 THEN CAST(h.bytes AS DOUBLE) / w.bytes END AS bytes_share,
       h.sent_bytes, h.received_bytes, h.packets, h.peers, h.conversations
FROM hosts h CROSS JOIN whole w
ORDER BY h.bytes DESC, h.address, h.host_id
LIMIT $top_n
"""

_PAIRS = """
WITH named AS (
  SELECT src_id, dst_id, srcaddr, src_name, dstaddr, dst_name, protocol, path, fwd_bytes, rev_bytes, start_s, end_s,
         in_period,
         CASE WHEN initiator_by = 'unknown' THEN NULL ELSE dstport END AS dstport
  FROM conversations WHERE leg = ''
), whole AS (
  SELECT CAST(sum(fwd_bytes + rev_bytes) AS BIGINT) AS bytes FROM named
), pairs AS (
  SELECT src_id, dst_id, protocol, dstport, path, min(srcaddr) AS srcaddr, max(src_name) AS src_name,
         min(dstaddr) AS dstaddr, max(dst_name) AS dst_name, CAST(sum(fwd_bytes) AS BIGINT) AS fwd_bytes,
         CAST(sum(rev_bytes) AS BIGINT) AS rev_bytes, CAST(sum(fwd_bytes + rev_bytes) AS BIGINT) AS bytes,
         CAST(sum(CASE WHEN in_period THEN 1 ELSE 0 END) AS BIGINT) AS conversations, min(start_s) AS first_s,
         max(end_s) AS last_s
  FROM named GROUP BY src_id, dst_id, protocol, dstport, path
)
SELECT p.srcaddr, p.src_name, p.dstaddr, p.dst_name, p.protocol, p.dstport, s.service, p.path, p.bytes,
       CASE WHEN w.bytes > 0 THEN CAST(p.bytes AS DOUBLE) / w.bytes END AS bytes_share,
       p.fwd_bytes, p.rev_bytes, p.conversations, p.first_s, p.last_s
FROM pairs p CROSS JOIN whole w
LEFT JOIN service_ports s ON s.port = p.dstport AND s.protocol = p.protocol
ORDER BY p.bytes DESC, p.srcaddr, p.dstaddr, p.protocol NULLS LAST, p.dstport NULLS LAST, p.path, p.src_id, p.dst_id
LIMIT $top_n
"""


@question(needs=("srcaddr", "dstaddr", "bytes"), sharper_with=("pkt_srcaddr", "pkt_dstaddr", "inventory"))
def top_talkers(flows: Flows, *, top_n: int = 20) -> Answer:
    """Which hosts send and receive most?

    The `top_n` hosts by `bytes`, each byte counted once per host whoever logged it: `sent_bytes`, `received_bytes`,
    `packets`, `peers` (distinct hosts), `conversations` that began in the period (a lower bound), `bytes_share` of
    all traffic.

    Blind spots: hosts behind a load balancer or a NAT gateway that hides them; traffic that no interface logged.
    Source: AWS VPC User Guide, "Flow log record examples".

    >>> import flowkit as fk
    >>> answer = fk.performance.top_talkers(fk.open("sample:", progress=False), top_n=3)
    """
    return flows.ask(bind(_HOSTS, top_n=top_n), caveats=(_TWO_ENDS, *_two_addresses(flows)))


@question(needs=("srcaddr", "dstaddr", "bytes"), sharper_with=("pkt_srcaddr", "pkt_dstaddr", "tcp_flags", "inventory"))
def top_pairs(flows: Flows, *, top_n: int = 20) -> Answer:
    """Which pairs of hosts exchange most, over which service?

    The `top_n` combinations of client, server, protocol and server port by `bytes`: `fwd_bytes` from client to
    server, `rev_bytes` back, `bytes_share` of all traffic, `conversations` that began in the period, `first_s`,
    `last_s`. Where the log does not tell who is the client, `dstport` is absent and the order of the two is
    arbitrary.

    Blind spots: as in `top_talkers`. Source: as there.

    >>> import flowkit as fk
    >>> answer = fk.performance.top_pairs(fk.open("sample:", progress=False), top_n=3)
    """
    return flows.ask(bind(_PAIRS, top_n=top_n), caveats=_two_addresses(flows))


def _two_addresses(flows: Flows) -> tuple[str, ...]:
    return () if not flows.records or flows.share("pkt_dstaddr") else (_PODS,)
