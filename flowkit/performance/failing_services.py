"""An application path that never works: refused or unanswered, and tried again and again."""

from __future__ import annotations

from flowkit.engines import bind
from flowkit.flows import Flows
from flowkit.performance.connection_health import ATTEMPTS, caveats
from flowkit.question import Answer, question

__all__ = ["failing_services"]

# A path that worked and then stopped counts from its last success on.
_SQL = f"""
WITH {ATTEMPTS.strip()}, told AS (
  SELECT a.*, CASE WHEN a.failed = 0 THEN a.start_s END AS worked_s FROM attempts a
  WHERE a.path IN ('internal', 'outbound')
), paths AS (
  SELECT t.*, max(worked_s) OVER (PARTITION BY src_id, dst_id, dstport, protocol) AS last_worked_s FROM told t
), pairs AS (
  SELECT src_id, dst_id, dstport, protocol, path, min(srcaddr) AS srcaddr, max(src_name) AS src_name,
         max(src_network) AS src_network, min(dstaddr) AS dstaddr, max(dst_name) AS dst_name,
         max(dst_network) AS dst_network, min(called) AS called_address, max(dst_interface_id) AS dst_interface_id,
         CAST(count(*) AS BIGINT) AS attempts, CAST(sum(failed) AS BIGINT) AS failed,
         CAST(sum(CASE WHEN last_worked_s IS NULL OR start_s > last_worked_s THEN failed ELSE 0 END) AS BIGINT)
           AS failed_since,
         CAST(sum(CASE WHEN state = 'rejected' THEN 1 ELSE 0 END) AS BIGINT) AS rejected,
         CAST(sum(CASE WHEN state = 'return_rejected' THEN 1 ELSE 0 END) AS BIGINT) AS return_rejected,
         CAST(sum(CASE WHEN state = 'reset' THEN 1 ELSE 0 END) AS BIGINT) AS reset,
         CAST(sum(CASE WHEN state = 'no_reply' THEN 1 ELSE 0 END) AS BIGINT) AS no_reply,
         CAST(sum(CASE WHEN fwd_src_action = 'REJECT' THEN 1 ELSE 0 END) AS BIGINT) AS refused_at_source,
         CAST(sum(CASE WHEN fwd_dst_action = 'ACCEPT' THEN 1 ELSE 0 END) AS BIGINT) AS let_in,
         min(CASE WHEN failed = 1 THEN start_s END) AS first_s, max(CASE WHEN failed = 1 THEN end_s END) AS last_s,
         min(CASE WHEN failed = 1 AND (last_worked_s IS NULL OR start_s > last_worked_s) THEN start_s END) AS since_s
  FROM paths
  GROUP BY src_id, dst_id, dstport, protocol, path
)
SELECT p.srcaddr, p.src_name, p.src_network, p.dstaddr, p.dst_name, p.dst_network, p.called_address,
       p.dst_interface_id, p.dstport, p.protocol, s.service, p.path, p.attempts, p.failed,
       CAST(p.failed AS DOUBLE) / p.attempts AS failed_share, p.failed_since, p.rejected, p.return_rejected, p.reset,
       p.no_reply, p.refused_at_source, p.let_in, p.first_s, p.last_s, p.since_s
FROM pairs p
LEFT JOIN service_ports s ON s.port = p.dstport AND s.protocol = p.protocol
WHERE (p.failed >= $min_attempts AND p.failed >= $min_failed_share * p.attempts AND p.last_s - p.first_s >= $min_span_s)
   OR (p.failed_since >= $min_attempts AND p.last_s - p.since_s >= $min_span_s)
ORDER BY p.failed DESC, p.srcaddr, p.dstaddr, p.dstport, p.protocol, p.path, p.src_id, p.dst_id
LIMIT $top_n
"""


@question(needs=("srcaddr", "dstaddr", "dstport", "action"), sharper_with=("tcp_flags", "pkt_dstaddr", "inventory"))
def failing_services(
    flows: Flows, *, min_attempts: int = 20, min_failed_share: float = 0.9, min_span_s: int = 900, top_n: int = 200
) -> Answer:
    """Which services do our own hosts keep trying in vain?

    TCP paths (client, server, port) with at least `min_attempts` failures over at least `min_span_s` seconds, where
    `min_failed_share` of all attempts failed or all of them since the last success did. Twenty tries over a quarter
    of an hour are past what a deployment or a restart explains, and past what a scan spends on one port of one host.
    Columns: the path, `called_address` (the address the client used, where the server's interface logged its primary
    address in its place), `attempts`, `failed`, `failed_since` (after the last success), how they failed,
    `refused_at_source` (by the client's own security group or network ACL), `let_in` (accepted at the server's
    interface), `first_s`, `last_s`, `since_s`.

    Blind spots: UDP, where silence may be normal; paths used less than `min_attempts` times; attempts repeated from
    one port within the idle gap count once. Source: AWS VPC User Guide, "Flow log record examples", accepted and
    rejected traffic.

    >>> import flowkit as fk
    >>> answer = fk.performance.failing_services(fk.open("sample:", progress=False))
    """
    sql = bind(
        _SQL,
        interval_s=flows.interval_s,
        min_attempts=min_attempts,
        min_failed_share=min_failed_share,
        min_span_s=min_span_s,
        top_n=top_n,
    )
    return flows.ask(sql, caveats=caveats(flows))
