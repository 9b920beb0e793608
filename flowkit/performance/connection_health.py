"""Whether connections come about: attempts, answers, refusals, resets and silence."""

from __future__ import annotations

from flowkit.engines import bind
from flowkit.engines.ctes import share
from flowkit.flows import Flows
from flowkit.question import Answer, question, rows

__all__ = ["connection_health", "failing_pairs", "internal_attempts"]

share("echoes")

_PROBING = (
    "Attempts from outside at a port that never answered one are left out: that is probing, and stands in the "
    "security review."
)
_NO_FLAGS = (
    "This log lacks tcp-flags: any packet back counts as an answer, a reset too (see without_data), and half-open "
    "handshakes are not told apart here."
)
_ONE_SIDED = (
    "Attempts whose outcome lies beyond the edge of what was read, or beside records that AWS lost, are not counted."
)

# An attempt is a TCP conversation that began in the period, whose initiator is known and whose outcome can be told.
# `echoes`: without packet-level addresses, the client's interface logs the address that was called (a pod's, say) and
# the server's interface its own primary address. Same client and ports at the same time, seen only at the client
# under one address and only at the server under another: one attempt, told twice. The server's telling is kept, with
# the address that was `called`.
ATTEMPTS = """
outcomes AS (
  SELECT conversation_id, src_id, dst_id, srcaddr, src_name, src_network, dstaddr, dst_name, dst_network, srcport,
         dstport, protocol, path, state, start_s, end_s, dst_interface_id, fwd_src_action, fwd_dst_action, observers,
         CASE WHEN state IN ('rejected', 'return_rejected', 'reset', 'no_reply') THEN 1 ELSE 0 END AS failed,
         CASE WHEN state = 'answered' AND fwd_bytes <= 64 * fwd_packets AND rev_bytes <= 64 * rev_packets THEN 1
              ELSE 0 END AS without_data
  FROM conversations
  WHERE in_period AND leg = '' AND protocol = 6 AND initiator_by <> 'unknown'
    AND state IN ('answered', 'half_open', 'rejected', 'return_rejected', 'reset', 'no_reply')
), echoes AS (
  SELECT DISTINCT r.conversation_id, n.conversation_id AS echo_id, n.dstaddr AS called
  FROM outcomes r
  JOIN outcomes n ON n.src_id = r.src_id AND n.srcport = r.srcport AND n.dstport = r.dstport AND n.dst_id <> r.dst_id
   AND n.start_s <= r.end_s + $interval_s AND r.start_s <= n.end_s + $interval_s
  WHERE r.observers = 'destination' AND n.observers = 'source'
   AND (r.state = n.state OR (r.state = 'rejected' AND n.state = 'no_reply'))
), attempts AS (
  SELECT o.*, e.called
  FROM outcomes o
  LEFT JOIN (SELECT conversation_id, min(called) AS called FROM echoes GROUP BY conversation_id) e
   ON e.conversation_id = o.conversation_id
  LEFT JOIN (SELECT DISTINCT echo_id FROM echoes) x ON x.echo_id = o.conversation_id
  WHERE x.echo_id IS NULL
)"""


COUNTS = ", ".join(
    [
        "CAST(count(*) AS BIGINT) AS attempts",
        "CAST(sum(CASE WHEN a.state = 'answered' THEN 1 ELSE 0 END) AS BIGINT) AS answered",
        "CAST(sum(a.failed) AS BIGINT) AS failed",
        "CAST(sum(a.failed) AS DOUBLE) / count(*) AS failed_share",
        *(
            f"CAST(sum(CASE WHEN a.state = '{state}' THEN 1 ELSE 0 END) AS BIGINT) AS {state}"
            for state in ("rejected", "return_rejected", "reset", "no_reply", "half_open")
        ),
        "CAST(sum(a.without_data) AS BIGINT) AS without_data",
    ]
)

_INTERNAL = f"""
WITH {ATTEMPTS.strip()}
SELECT CAST(count(*) AS BIGINT) AS attempts, COALESCE(CAST(sum(failed) AS BIGINT), 0) AS failed
FROM attempts WHERE path = 'internal'
"""

_SERVICES = f"""
WITH {ATTEMPTS.strip()}, services AS (
  SELECT a.path, a.dstport, a.protocol, {COUNTS},
         count(DISTINCT a.src_id) AS clients, count(DISTINCT a.dst_id) AS servers
  FROM attempts a
  GROUP BY a.path, a.dstport, a.protocol
  HAVING count(*) >= $min_attempts
     AND NOT (a.path IN ('inbound', 'transit') AND sum(CASE WHEN a.failed = 0 THEN 1 ELSE 0 END) = 0)
)
SELECT s.path, s.dstport, p.service, s.attempts, s.answered, s.failed, s.failed_share, s.rejected, s.return_rejected,
       s.reset, s.no_reply, s.half_open, s.without_data, s.clients, s.servers
FROM services s
LEFT JOIN service_ports p ON p.port = s.dstport AND p.protocol = s.protocol
ORDER BY s.failed DESC, s.attempts DESC, s.path, s.dstport
LIMIT $top_n
"""

_PAIRS = f"""
WITH {ATTEMPTS.strip()}, pairs AS (
  SELECT a.src_id, a.dst_id, a.dstport, a.protocol, a.path, min(a.srcaddr) AS srcaddr, max(a.src_name) AS src_name,
         min(a.dstaddr) AS dstaddr, max(a.dst_name) AS dst_name, {COUNTS}, min(a.start_s) AS first_s,
         max(a.end_s) AS last_s
  FROM attempts a
  WHERE a.path IN ('internal', 'outbound')
  GROUP BY a.src_id, a.dst_id, a.dstport, a.protocol, a.path
  HAVING sum(a.failed) > 0 AND count(*) >= $min_attempts
)
SELECT t.srcaddr, t.src_name, t.dstaddr, t.dst_name, t.dstport, p.service, t.path, t.attempts, t.failed,
       t.failed_share, t.rejected, t.return_rejected, t.reset, t.no_reply, t.first_s, t.last_s
FROM pairs t
LEFT JOIN service_ports p ON p.port = t.dstport AND p.protocol = t.protocol
ORDER BY t.failed DESC, t.failed_share DESC, t.srcaddr, t.dstaddr, t.dstport, t.path, t.src_id, t.dst_id
LIMIT $top_n
"""


@question(needs=("srcaddr", "dstaddr", "dstport", "action"), sharper_with=("tcp_flags", "inventory"))
def connection_health(flows: Flows, *, min_attempts: int = 5, top_n: int = 30) -> Answer:
    """Which services are reached, and which refuse, reset or stay silent?

    TCP attempts per service port and path (`internal`, `outbound`, `inbound`), the `top_n` with most failures of
    those with at least `min_attempts` attempts (a scan tries many ports once). `attempts` = `answered` + `failed` +
    `half_open`; `failed` = `rejected` (a security group or network ACL refused the packets) + `return_rejected` (it
    refused the answers) + `reset` (answered by a reset instead of a handshake: no listener) + `no_reply` (silence).
    `without_data` counts the answered ones that carried no payload: port checks, and resets where the log has no TCP
    flags. `clients` and `servers` are distinct hosts.

    Blind spots: retries within one window and from the same port are one attempt, so counts are lower bounds; flow
    logs have no round-trip times; health checks look like any client. Source: RFC 9293 section 3.5 for the handshake;
    AWS VPC User Guide, "Flow log records" (`tcp-flags` are OR-ed over a window).

    >>> import flowkit as fk
    >>> answer = fk.performance.connection_health(fk.open("sample:", progress=False))
    """
    return flows.ask(
        bind(_SERVICES, interval_s=flows.interval_s, min_attempts=min_attempts, top_n=top_n),
        caveats=(*caveats(flows), _PROBING),
    )


@question(needs=("srcaddr", "dstaddr", "dstport", "action"), sharper_with=("tcp_flags", "inventory"))
def failing_pairs(flows: Flows, *, min_attempts: int = 3, top_n: int = 30) -> Answer:
    """Between which of our hosts and whom do connections fail?

    TCP attempts of our own hosts per client, server and port, the `top_n` with most failures of those with at least
    `min_attempts` attempts; columns as in `connection_health`, with `first_s` and `last_s` of the attempts.

    Blind spots: as in `connection_health`. Source: as there.

    >>> import flowkit as fk
    >>> answer = fk.performance.failing_pairs(fk.open("sample:", progress=False))
    """
    return flows.ask(
        bind(_PAIRS, interval_s=flows.interval_s, min_attempts=min_attempts, top_n=top_n),
        caveats=caveats(flows),
    )


def internal_attempts(flows: Flows) -> dict[str, int]:
    """`attempts` between hosts of ours, and how many of them `failed`: the headline of the connections section."""
    row = rows(flows.ask(bind(_INTERNAL, interval_s=flows.interval_s)).table)[0]
    return {name: int(value) for name, value in row.items()}


def caveats(flows: Flows) -> tuple[str, ...]:
    """What to say beside every count of attempts."""
    return (_ONE_SIDED,) if not flows.records or flows.share("tcp_flags") else (_ONE_SIDED, _NO_FLAGS)
