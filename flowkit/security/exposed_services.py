"""Services that answer the internet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flowkit.engines import bind
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.attempts import ATTEMPTS
from flowkit.security.wording import count_of, host, look_up, rows_of, sentence, service

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["exposed_service", "exposed_services"]

# `neighbourhoods`: sources by /16 (IPv4) or /32 (IPv6), so that one office with many addresses counts once.
_SQL = f"""
WITH {ATTEMPTS}
, outside AS (
  SELECT a.*, CASE WHEN srcaddr LIKE '%:%' THEN substr(k.addr_key, 1, 8)
         ELSE substr(k.addr_key, 1, 28) END AS neighbourhood
  FROM attempts a
  JOIN (SELECT endpoint_id, min(addr_key) AS addr_key FROM addresses GROUP BY endpoint_id) k ON k.endpoint_id = a.src_id
  WHERE NOT a.inside AND a.target_inside
), services AS (
  SELECT dst_id, protocol, dstport, min(dstaddr) AS dstaddr, max(dst_name) AS dst_name, max(dst_role) AS dst_role,
         max(dst_interface_id) AS interface_id, CAST(count(DISTINCT srcaddr) AS BIGINT) AS sources,
         CAST(count(DISTINCT neighbourhood) AS BIGINT) AS neighbourhoods, CAST(count(*) AS BIGINT) AS answered,
         CAST(sum(CASE WHEN fwd_packets >= 4 AND rev_packets >= 3 THEN 1 ELSE 0 END) AS BIGINT) AS used,
         CAST(sum(rev_bytes) AS BIGINT) AS sent_bytes, min(start_s) AS first_s, max(end_s) AS last_s
  FROM outside WHERE answered = 1 AND rev_packets > 0
  GROUP BY dst_id, protocol, dstport
), refused AS (
  SELECT dst_id, protocol, dstport, CAST(count(*) AS BIGINT) AS refused FROM outside WHERE answered = 0 GROUP BY dst_id,
         protocol, dstport
)
SELECT CASE WHEN COALESCE(s.dst_role, '') IN ('nat_gateway', 'regional_nat_gateway') THEN 'translation'
            WHEN k.kind IS NULL THEN 'unknown' ELSE k.kind END AS kind,
       k.service, s.dstaddr, s.dst_name, s.dst_role AS role, s.interface_id, s.protocol, s.dstport, s.sources,
       s.neighbourhoods,
       s.answered, s.used, COALESCE(r.refused, 0) AS refused, s.sent_bytes, s.first_s, s.last_s$keys
FROM services s
LEFT JOIN refused r ON r.dst_id = s.dst_id AND r.protocol = s.protocol AND r.dstport = s.dstport
LEFT JOIN service_ports k ON k.port = s.dstport AND k.protocol = s.protocol
ORDER BY s.sources DESC, s.answered DESC, s.dstaddr, s.protocol, s.dstport
LIMIT $top_n
"""

_KEYS = ", s.dst_id"

#: Kinds of service that the internet has no business with, and how bad it is that they answer it.
_SEVERITY = {"database": "high", "admin": "medium", "directory": "medium"}

_CAVEATS = (
    "Reached and answered, not merely reachable: a service that nobody called does not show. Behind a load "
    "balancer the load balancer is the one exposed.",
)


@question(needs=("srcaddr", "dstaddr", "dstport"), sharper_with=("tcp_flags", "inventory", "flow_direction"))
def exposed_services(flows: Flows, *, top_n: int = 50) -> Answer:
    """Which services answered the internet?

    Rows per address, protocol and port that answered a public address which began: `kind` (`web`, `mail`, `database`,
    `admin`, `directory`, `cleartext`, `infrastructure`, `other`, `unknown`, or `translation` for what a NAT gateway
    carries), `sources` (addresses), `neighbourhoods` (their /16, of IPv6 their /32), `answered` conversations, `used`
    (with enough packets to carry a question and an answer), `refused` ones, `sent_bytes` back.

    Blind spots: what nobody called; the real client behind a proxy; without TCP flags a source that reuses a known port
    may be taken for a client. Source: AWS, "Security groups": a REJECT is what a closed port looks like; an answer
    proves an open one.

    >>> import flowkit
    >>> flowkit.security.exposed_services(flowkit.open("sample:")).table.columns[0]
    'kind'
    """
    return flows.ask(bind(_SQL.replace("$keys", ""), top_n=top_n), caveats=_CAVEATS)


_EVIDENCE = f"""
WITH {ATTEMPTS}
SELECT srcaddr, count(*) AS conversations, CAST(sum(fwd_bytes) AS BIGINT) AS fwd_bytes,
       CAST(sum(rev_bytes) AS BIGINT) AS rev_bytes,
       min(start_s) AS first_s, max(end_s) AS last_s
FROM attempts WHERE NOT inside AND dst_id = $dst_id AND protocol = $protocol AND dstport = $dstport AND answered = 1
GROUP BY srcaddr ORDER BY rev_bytes DESC, srcaddr LIMIT 20
"""


def exposed_service(flows: Flows, *, min_neighbourhoods: int = 3) -> list[Finding]:
    """Findings of `exposed_services`: databases high, administration and directories medium.

    Fewer than `min_neighbourhoods` unrelated sources may be a list of allowed partners: low. One answer without data is
    enough where that many got one, since it proves that the port is open to all.
    """
    rows = rows_of(flows.sql(bind(_SQL.replace("$keys", _KEYS), top_n=1000)))
    return [_finding(flows, row, min_neighbourhoods) for row in rows if row["kind"] in _SEVERITY]


def _finding(flows: Flows, row: Mapping[str, Any], min_neighbourhoods: int) -> Finding:
    whom, what = host(row["dstaddr"], row["dst_name"]), service(row["dstport"], row["protocol"])
    to_all = row["neighbourhoods"] >= min_neighbourhoods
    subject = {"dstaddr": row["dstaddr"], "dstport": row["dstport"], "protocol": row["protocol"]}
    if row["interface_id"]:
        subject["interface_id"] = row["interface_id"]
    named = {name: row[name] for name in ("dst_id", "protocol", "dstport")}
    kind = {"database": "a database", "admin": "a way to administer the host", "directory": "a directory"}[row["kind"]]
    used = (
        f"{row['used']:,} of the conversations carried data."
        if row["used"]
        else "None of them went beyond the handshake so far."
    )
    return Finding(
        id=finding_id("exposed_service", subject),
        rule="exposed_service",
        title=f"{sentence(what)} of {whom} answers "
        f"{count_of(row['sources'], 'internet address', 'internet addresses')}",
        severity=_SEVERITY[row["kind"]] if to_all else "low",
        confidence=0.9 if to_all and row["used"] else 0.7 if to_all else 0.4,
        subject=subject,
        first_seen=iso(row["first_s"]),
        last_seen=iso(row["last_s"]),
        count=row["answered"],
        explanation=(
            f"{sentence(what)} is {kind}, and {whom} answered {count_of(row['answered'], 'conversation')} that "
            f"{count_of(row['sources'], 'public address', 'public addresses')} began. {used} "
            + (
                "Sources this unrelated mean that anybody may come."
                if to_all
                else "The sources are few and may be known ones."
            )
        ),
        could_also_be="A service that is meant to be public, or open to a list of partners only.",
        next_step=(
            "Name the allowed sources in the security group, or take the port off the internet. The groups it has: "
            + (
                f"aws ec2 describe-network-interfaces --network-interface-ids {row['interface_id']}"
                if row["interface_id"]
                else look_up(row["dstaddr"])
            )
        ),
        evidence=rows_of(flows.sql(bind(_EVIDENCE, **named))),
        attack=("T1190",) if row["kind"] == "database" else ("T1133",),
    )
