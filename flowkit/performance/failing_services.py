"""An application path that never works: refused or unanswered, and tried again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flowkit.engines import bind
from flowkit.finding import Finding, finding_id, iso
from flowkit.flows import Flows
from flowkit.performance.connection_health import ATTEMPTS, caveats
from flowkit.question import Answer, question

__all__ = ["failing_service", "failing_services", "findings"]

# `echoes`: without packet-level addresses, the sender's interface logs the address it called (a pod's, say) and the receiver's
# interface its own primary address. Same client port and server port at the same time: one attempt, told twice. The one that says
# REJECT is kept, with the address that was called beside it.
# `since`: a path that worked and then stopped counts from its last success on.
_SQL = f"""
WITH {ATTEMPTS.strip()}, echoes AS (
  SELECT r.conversation_id, min(n.dstaddr) AS called, n.conversation_id AS echo_id
  FROM attempts r
  JOIN attempts n ON n.src_id = r.src_id AND n.srcport = r.srcport AND n.dstport = r.dstport AND n.dst_id <> r.dst_id
   AND n.start_s <= r.end_s + $interval_s AND r.start_s <= n.end_s + $interval_s
  WHERE r.state = 'rejected' AND r.observers = 'destination' AND n.state = 'no_reply' AND n.observers = 'source'
  GROUP BY r.conversation_id, n.conversation_id
), told AS (
  SELECT a.*, CASE WHEN a.failed = 0 THEN a.start_s END AS worked_s, e.called
  FROM attempts a
  LEFT JOIN (SELECT conversation_id, min(called) AS called FROM echoes GROUP BY conversation_id) e ON e.conversation_id = a.conversation_id
  LEFT JOIN (SELECT DISTINCT echo_id FROM echoes) x ON x.echo_id = a.conversation_id
  WHERE x.echo_id IS NULL AND a.path IN ('internal', 'outbound')
), outcomes AS (
  SELECT t.*, max(worked_s) OVER (PARTITION BY src_id, dst_id, dstport, protocol) AS last_worked_s FROM told t
), pairs AS (
  SELECT src_id, dst_id, dstport, protocol, path, min(srcaddr) AS srcaddr, max(src_name) AS src_name, min(dstaddr) AS dstaddr,
         max(dst_name) AS dst_name, min(called) AS called_address, max(dst_interface_id) AS dst_interface_id,
         CAST(count(*) AS BIGINT) AS attempts, CAST(sum(failed) AS BIGINT) AS failed,
         CAST(sum(CASE WHEN last_worked_s IS NULL OR start_s > last_worked_s THEN failed ELSE 0 END) AS BIGINT) AS failed_since,
         CAST(sum(CASE WHEN state = 'rejected' THEN 1 ELSE 0 END) AS BIGINT) AS rejected,
         CAST(sum(CASE WHEN state = 'return_rejected' THEN 1 ELSE 0 END) AS BIGINT) AS return_rejected,
         CAST(sum(CASE WHEN state = 'reset' THEN 1 ELSE 0 END) AS BIGINT) AS reset,
         CAST(sum(CASE WHEN state = 'no_reply' THEN 1 ELSE 0 END) AS BIGINT) AS no_reply,
         CAST(sum(CASE WHEN fwd_src_action = 'REJECT' THEN 1 ELSE 0 END) AS BIGINT) AS refused_at_source,
         CAST(sum(CASE WHEN fwd_dst_action = 'ACCEPT' THEN 1 ELSE 0 END) AS BIGINT) AS let_in,
         min(CASE WHEN failed = 1 THEN start_s END) AS first_s, max(CASE WHEN failed = 1 THEN end_s END) AS last_s,
         min(CASE WHEN failed = 1 AND (last_worked_s IS NULL OR start_s > last_worked_s) THEN start_s END) AS since_s
  FROM outcomes
  GROUP BY src_id, dst_id, dstport, protocol, path
)
SELECT p.srcaddr, p.src_name, p.dstaddr, p.dst_name, p.called_address, p.dst_interface_id, p.dstport, p.protocol, s.service, p.path,
       p.attempts, p.failed, CAST(p.failed AS DOUBLE) / p.attempts AS failed_share, p.failed_since, p.rejected, p.return_rejected,
       p.reset, p.no_reply, p.refused_at_source, p.let_in, p.first_s, p.last_s, p.since_s
FROM pairs p
LEFT JOIN service_ports s ON s.port = p.dstport AND s.protocol = p.protocol
WHERE (p.failed >= $min_attempts AND p.failed >= $min_failed_share * p.attempts AND p.last_s - p.first_s >= $min_span_s)
   OR (p.failed_since >= $min_attempts AND p.last_s - p.since_s >= $min_span_s)
ORDER BY p.failed DESC, p.srcaddr, p.dstaddr, p.dstport, p.protocol, p.path, p.src_id, p.dst_id
LIMIT $top_n
"""

_KINDS = {
    "rejected": "refused",
    "return_rejected": "answered, but the answers are refused",
    "reset": "answered by a reset",
    "no_reply": "not answered",
}


@question(needs=("srcaddr", "dstaddr", "dstport", "action"), sharper_with=("tcp_flags", "pkt_dstaddr", "inventory"))
def failing_services(
    flows: Flows, *, min_attempts: int = 20, min_failed_share: float = 0.9, min_span_s: int = 900, top_n: int = 200
) -> Answer:
    """Which services do our own hosts keep trying in vain?

    TCP paths (client, server, port) with at least `min_attempts` failures over at least `min_span_s` seconds, where
    `min_failed_share` of all attempts failed or all of them since the last success did. Twenty tries over a quarter of an hour are past what a deployment or a
    restart explains, and past what a scan spends on one port of one host. Columns: the path, `called_address` (the
    address the client used, where the server's interface logged its primary address in its place), `attempts`, `failed`,
    `failed_since` (after the last success), how they failed, `refused_at_source` (by the client's own security group or network
    ACL), `let_in` (accepted at the server's interface), `first_s`, `last_s`, `since_s`.

    Blind spots: UDP, where silence may be normal; paths used less than `min_attempts` times; attempts repeated from one port within
    the idle gap count once. Source: AWS VPC User Guide, "Flow log record examples", accepted and rejected traffic.

    >>> import flowkit as fk
    >>> answer = fk.performance.failing_services(fk.open("sample:", progress=False))
    """
    sql = bind(
        _SQL, interval_s=flows.interval_s, min_attempts=min_attempts, min_failed_share=min_failed_share, min_span_s=min_span_s,
        top_n=top_n,
    )  # fmt: skip
    return flows.ask(sql, caveats=caveats(flows))


def failing_service(flows: Flows, *, min_attempts: int = 20, min_span_s: int = 900) -> list[Finding]:
    """The rule: every path of `failing_services`, one finding per server and port, or per client where it fails everywhere."""
    answer = failing_services(flows, min_attempts=min_attempts, min_span_s=min_span_s)
    return findings(answer, flows) if answer.answerable else []


def findings(answer: Answer, flows: Flows) -> list[Finding]:  # noqa: ARG001 - the signature that all rules share
    """Findings of an answer of `failing_services`.

    Medium where one of our own hosts is known to stand at the other end and the path is internal; low where the server is
    outside, or nobody knows whether it exists.
    """
    rows = answer.table.astype(object).where(answer.table.notna(), None).to_dict("records")
    return [_finding(group) for group in _grouped(rows)]


def _grouped(rows: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Paths that belong together: many clients of one server, or one client whose every server of a kind fails."""
    by_client: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        by_client.setdefault((row["srcaddr"], row["dstport"], _kind(row)), []).append(row)
    wide = {key for key, group in by_client.items() if len(group) >= 3}
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        client = (row["srcaddr"], row["dstport"], _kind(row))
        key = ("client", *client) if client in wide else ("server", row["dstaddr"], row["dstport"], _kind(row))
        groups.setdefault(key, []).append(row)
    return list(groups.values())


def _kind(row: Mapping[str, Any]) -> str:
    """How most of the attempts failed; of equals the more telling."""
    return max(_KINDS, key=lambda kind: int(row[kind]))


def _finding(rows: Sequence[Mapping[str, Any]]) -> Finding:
    kind, first = _kind(rows[0]), rows[0]
    clients, servers = sorted({str(row["srcaddr"]) for row in rows}), sorted({str(row["dstaddr"]) for row in rows})
    attempts, failed = sum(int(row["attempts"]) for row in rows), sum(int(row["failed"]) for row in rows)
    port = f"TCP port {first['dstport']}" + (f" ({first['service']})" if first["service"] else "")
    known = kind in ("rejected", "return_rejected", "reset") or all(row["dst_interface_id"] for row in rows)
    internal = all(row["path"] == "internal" for row in rows)
    subject = {"srcaddr": _one(clients), "dstaddr": _one(servers), "dstport": int(first["dstport"]), "protocol": 6}
    stable = {"dstport": subject["dstport"], **({"srcaddr": clients} if len(servers) > 1 else {"dstaddr": servers})}
    return Finding(
        id=finding_id("failing_service", stable),
        rule="failing_service",
        title=f"{_named(servers, rows, 'dst', 'servers')}, {port}: attempts of {_named(clients, rows, 'src', 'clients')} are {_KINDS[kind]}",
        severity="medium" if internal and known else "low",
        confidence=_confidence(kind, failed, attempts, known),
        subject=subject,
        first_seen=iso(min(int(row["first_s"]) for row in rows)),
        last_seen=iso(max(int(row["last_s"]) for row in rows)),
        count=failed,
        evidence=[_evidence(row) for row in rows[:20]],
        explanation=f"{failed:,} of {attempts:,} attempts failed. {_why(kind, rows)}{_called(rows)}",
        could_also_be=_other(kind),
        next_step=_next(kind, rows),
    )


def _confidence(kind: str, failed: int, attempts: int, known: bool) -> float:
    sure = {"rejected": 0.95, "return_rejected": 0.9, "reset": 0.85, "no_reply": 0.7}[kind]
    return round(sure - (0.0 if known else 0.2) - (0.1 if failed < 0.9 * attempts else 0.0), 2)


def _one(values: Sequence[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)


def _named(addresses: Sequence[str], rows: Sequence[Mapping[str, Any]], side: str, noun: str) -> str:
    if len(addresses) > 1:
        return f"{len(addresses)} {noun}"
    name = rows[0][f"{side}_name"]
    return f"{name} ({addresses[0]})" if name else addresses[0]


def _why(kind: str, rows: Sequence[Mapping[str, Any]]) -> str:
    if kind == "rejected":
        if sum(int(row["refused_at_source"]) for row in rows):
            return "The client's own interface refused the packets: no outbound rule of its security group or network ACL allows them."
        return "The server's interface refused the packets: no inbound rule of its security group or network ACL allows them."
    if kind == "return_rejected":
        return "The packets were let in and answered, but the answers were refused: a network ACL, which needs a rule for each direction."
    if kind == "reset":
        return "The packets reached a host that answered each with a reset: nothing listens on this port, or it turns clients away."
    if sum(int(row["let_in"]) for row in rows):
        return "The server's interface let the packets in, and nothing came back: the host or its own firewall drops them."
    return "The packets left the client, and nothing came back. The server's interface did not log them: they were lost on the way, or it is not logged."


def _called(rows: Sequence[Mapping[str, Any]]) -> str:
    called = sorted({str(row["called_address"]) for row in rows if row["called_address"]})
    if not called:
        return ""
    return f" The clients called {', '.join(called)}, an address that this interface carries for a pod or as a secondary one."


def _other(kind: str) -> str:
    return {
        "rejected": "A client that should have been taken away, or somebody inside who tries a port that is closed on purpose.",
        "return_rejected": "Answers that came after the connection had ended, if the rule seems right.",
        "reset": "A service that is down, or a health check of a port that is not in use any more.",
        "no_reply": "A host that was taken away, an overloaded server, or answers on a path that is not logged.",
    }[kind]


def _next(kind: str, rows: Sequence[Mapping[str, Any]]) -> str:
    port = rows[0]["dstport"]
    if kind == "rejected" and sum(int(row["refused_at_source"]) for row in rows):
        return f"If the path is wanted, allow outbound TCP {port} in the client's security group and its subnet's network ACL; else stop the client."
    if kind == "rejected":
        return f"If the path is wanted, allow inbound TCP {port} from these clients in the server's security group; else stop the clients."
    if kind == "return_rejected":
        return "Allow TCP 1024-65535 back to the clients in the network ACL of the subnet that refused the answers."
    if kind == "reset":
        return f"Check that the service runs and listens on port {port} of that address, not only on the loopback address."
    return "Check that the host runs, that its route back exists, and what its own firewall drops; look at both interfaces' logs."


def _evidence(row: Mapping[str, Any]) -> dict[str, Any]:
    keep = ("srcaddr", "dstaddr", "called_address", "dstport", "attempts", "failed", "rejected", "return_rejected", "reset", "no_reply", "first_s", "last_s")
    return {name: row[name] for name in keep if row[name] is not None}
