"""Large amounts sent to an address outside that hardly anybody else knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flowkit.engines import bind
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.wording import count_of, host, look_up, rows_of, service

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["exfiltration", "exfiltrations"]

# Bytes by the hour of their records. `elsewhere_bytes`: what the same host sent to all other addresses outside, AWS's
# services apart, in the whole period: its own measure.
_SQL = """
WITH sent AS (
  SELECT s.hour_s, s.src_id, s.dst_id, s.srcaddr, s.src_name, s.dstaddr, s.dst_scope, s.protocol, s.dstport,
         s.fwd_bytes, s.rev_bytes
  FROM services_hour s
  WHERE s.path = 'outbound' AND s.initiator_known AND s.dst_scope IN ('public', 'aws')
), prevalence AS (
  SELECT dst_id, count(DISTINCT src_id) AS hosts FROM sent GROUP BY dst_id
), services AS (
  SELECT endpoint_id, max(aws_service) AS aws_service FROM addresses GROUP BY endpoint_id
), pairs AS (
  SELECT src_id, dst_id, protocol, dstport, min(srcaddr) AS srcaddr, max(src_name) AS src_name, min(dstaddr) AS dstaddr,
         max(dst_scope) AS dst_scope,
         CAST(sum(fwd_bytes) AS BIGINT) AS sent_bytes, CAST(sum(rev_bytes) AS BIGINT) AS received_bytes,
         CAST(count(DISTINCT CASE WHEN fwd_bytes > 0 THEN hour_s - hour_s % 86400 END) AS BIGINT) AS days,
         CAST(count(DISTINCT CASE WHEN fwd_bytes > 0 THEN hour_s END) AS BIGINT) AS hours
  FROM sent GROUP BY src_id, dst_id, protocol, dstport HAVING sum(fwd_bytes) >= $min_bytes
), own AS (
  SELECT src_id, sum(fwd_bytes) AS bytes FROM sent WHERE dst_scope = 'public' GROUP BY src_id
), seen AS (
  SELECT c.src_id, c.dst_id, c.protocol, c.dstport, min(c.start_s) AS first_s, max(c.end_s) AS last_s,
         CAST(count(*) AS BIGINT) AS conversations
  FROM conversations c
  JOIN pairs p ON p.src_id = c.src_id AND p.dst_id = c.dst_id AND p.protocol = c.protocol AND p.dstport = c.dstport
  WHERE c.leg = '' GROUP BY c.src_id, c.dst_id, c.protocol, c.dstport
)
SELECT CASE WHEN a.aws_service IS NOT NULL OR p.dst_scope = 'aws' THEN 'service of AWS'
            WHEN v.hosts > $most_hosts THEN 'common destination'
            WHEN p.sent_bytes < 10 * p.received_bytes THEN 'both ways'
            WHEN p.sent_bytes < 3 * (o.bytes - p.sent_bytes) THEN 'usual for this host'
            WHEN $period_s >= 4 * 3600 AND p.hours * 4 * 3600 >= 3 * $period_s THEN 'steady'
            WHEN p.days >= 3 THEN 'recurring'
            ELSE 'unusual' END AS reading,
       p.srcaddr, p.src_name, p.dstaddr, p.protocol, p.dstport, p.sent_bytes, p.received_bytes,
       CAST(COALESCE(o.bytes, 0) - CASE WHEN p.dst_scope = 'public' THEN p.sent_bytes
       ELSE 0 END AS BIGINT) AS elsewhere_bytes,
       CAST(v.hosts AS BIGINT) AS hosts, p.hours, p.days, s.conversations, s.first_s, s.last_s$keys
FROM pairs p
JOIN prevalence v ON v.dst_id = p.dst_id
JOIN seen s ON s.src_id = p.src_id AND s.dst_id = p.dst_id AND s.protocol = p.protocol AND s.dstport = p.dstport
LEFT JOIN own o ON o.src_id = p.src_id
LEFT JOIN services a ON a.endpoint_id = p.dst_id
ORDER BY p.sent_bytes DESC, p.srcaddr, p.dstaddr, p.protocol, p.dstport
LIMIT $top_n
"""

_KEYS = ", p.src_id, p.dst_id"

_CAVEATS = (
    "Bytes count once, headers included. What a web server sends its visitors is not sent out in this sense: they "
    "began.",
)


@question(needs=("srcaddr", "dstaddr", "bytes"), sharper_with=("pkt_dst_aws_service", "tcp_flags", "inventory"))
def exfiltrations(flows: Flows, *, min_bytes: int = 1_000_000_000, most_hosts: int = 2, top_n: int = 50) -> Answer:
    """Who sent unusually much to one address outside?

    Rows per source, destination and port with at least `min_bytes` sent in conversations that our side began:
    `received_bytes` back, `elsewhere_bytes` to all other public addresses, `hosts` of ours that speak with the
    destination, `hours` and `days` in which it happened. `reading` is `unusual`, or the first thing that speaks against
    it: `service of AWS`, `common destination` (more than `most_hosts` hosts), `both ways` (less than ten sent for each
    byte received), `usual for this host` (not three times what it sends elsewhere), `steady` (in three of four hours of
    the period: a feed, a camera), `recurring` (three days or more).

    Blind spots: theft in small pieces, or through a service everybody uses; data that the outside fetches. Source: the
    measures of asymmetry, rarity and own baseline follow Marchetti, Pierazzi, Colajanni, Guido, "Analysis of high
    volumes of network traffic for Advanced Persistent Threat detection", Computer Networks 2016.

    >>> import flowkit
    >>> flowkit.security.exfiltrations(flowkit.open("sample:")).table.columns[0]
    'reading'
    """
    return flows.ask(_bound(flows, min_bytes, most_hosts, top_n, keys=""), caveats=_CAVEATS)


def _bound(flows: Flows, min_bytes: int, most_hosts: int, top_n: int, *, keys: str) -> str:
    since_s, until_s = flows.period
    return bind(
        _SQL.replace("$keys", keys), min_bytes=min_bytes, most_hosts=most_hosts, top_n=top_n, period_s=until_s - since_s
    )


_EVIDENCE = """
SELECT start_s, end_s, srcport, fwd_bytes, rev_bytes, state FROM conversations
WHERE leg = '' AND src_id = $src_id AND dst_id = $dst_id AND protocol = $protocol AND dstport = $dstport
ORDER BY fwd_bytes DESC, start_s, srcport LIMIT 20
"""


def exfiltration(flows: Flows, *, min_bytes: int = 1_000_000_000) -> list[Finding]:
    """Findings of `exfiltrations`: unusual ones are high, recurring ones low."""
    rows = rows_of(flows.sql(_bound(flows, min_bytes, 2, 200, keys=_KEYS)))
    return [_finding(flows, row) for row in rows if row["reading"] in ("unusual", "recurring")]


def _finding(flows: Flows, row: Mapping[str, Any]) -> Finding:
    who, what = host(row["srcaddr"], row["src_name"]), service(row["dstport"], row["protocol"])
    subject = {name: row[name] for name in ("srcaddr", "dstaddr", "dstport", "protocol")}
    named = {name: row[name] for name in ("src_id", "dst_id", "protocol", "dstport")}
    unusual = row["reading"] == "unusual"
    return Finding(
        id=finding_id("exfiltration", subject),
        rule="exfiltration",
        title=f"{who} sent {row['sent_bytes'] / 1e9:,.1f} GB to {row['dstaddr']}",
        severity="high" if unusual else "low",
        confidence=0.7 if unusual else 0.3,
        subject=subject,
        first_seen=iso(row["first_s"]),
        last_seen=iso(row["last_s"]),
        count=row["conversations"],
        explanation=(
            f"{who} sent {row['sent_bytes']:,} bytes to {what} of {row['dstaddr']} and got "
            f"{row['received_bytes']:,} back; to all other public addresses "
            f"together it sent {row['elsewhere_bytes']:,}. {count_of(row['hosts'], 'host')} of yours "
            f"{'speaks' if row['hosts'] == 1 else 'speak'} with that address."
            + ("" if unusual else f" It happened on {row['days']} days, as a regular job does.")
        ),
        could_also_be="A backup, an upload or a delivery to a partner; a migration that somebody ordered.",
        next_step=f"Ask the owner of {who} what it sends there, and stop it if nobody knows: {look_up(row['srcaddr'])}",
        evidence=rows_of(flows.sql(bind(_EVIDENCE, **named))),
        attack=("T1048",),
    )
