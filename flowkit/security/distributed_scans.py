"""Distributed scans: many sources that share a search, each trying little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowkit.engines import bind
from flowkit.engines.ctes import matching
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.attempts import ATTEMPTS, CONTACTS, RELAYS, REPEATED_ROUNDS
from flowkit.security.wording import count_of, host, look_up, one_or_list, protocol_name, rows_of, service

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["crowd_findings", "distributed_scans"]

#: Least sources: two may meet by chance.
MIN_SOURCES = 3
#: What each must have tried at the target within the hour to be counted: from the internet three ports, since nine of
#: ten sources of the background noise try one or two; inside two, which no client does that looks for one service.
FEW_OUTSIDE, FEW_INSIDE = 3, 2
#: What they must have tried together within an hour: the lines for one source (`port_scans`, `host_sweeps`).
OUTSIDE_PORTS, INSIDE_PORTS, INSIDE_HOSTS = 300, 15, 25
#: How much of that must remain without the busiest of them, in %: else it is that one's scan.
WITHOUT_BUSIEST = 50
#: Who shares a search gives each door to one: attempts in % of distinct doors. Independent scanners repeat one another
#: on the popular ports, and clients of a dead service all look for the same.
MOST_OVERLAP = 150
#: Refused ports below 1024 that make sure, where no SYN does, that these are no answers to a client.
MIN_LOW_PORTS = 5

_CROWD = "shape, target, protocol, port, inside"
_HOUR = f"{_CROWD}, phase, hour_s"


# A crowd is looked for at one target (its items are ports) and inside on one port of one /24 (its items are hosts).
# Doors that answered anybody are left out: whoever goes there has business. Hours begin on the hour (phase 0) and on
# the half hour (phase 1), so that no half hour is cut in two.
_FOUND = f"""
WITH {CONTACTS.strip()}
, open_doors AS (
  SELECT DISTINCT dst_id, protocol, dstport FROM contacts WHERE answered = 1
), refused AS (
  SELECT c.source, c.dst_id, c.protocol, c.dstport, c.inside, c.shown, c.rounds, c.first_s, c.last_s, t.block,
         CASE WHEN c.dstport < 1024 THEN 1 ELSE 0 END AS low
  FROM contacts c
  JOIN hosts s ON s.endpoint_id = c.source
  JOIN hosts t ON t.endpoint_id = c.dst_id
  LEFT JOIN open_doors o ON o.dst_id = c.dst_id AND o.protocol = c.protocol AND o.dstport = c.dstport
  WHERE c.answered = 0 AND c.target_inside AND o.dst_id IS NULL AND COALESCE(s.role, '') NOT IN $relays
    AND COALESCE(t.role, '') NOT IN ('nat_gateway', 'regional_nat_gateway')
), items AS (
  SELECT 'ports' AS shape, CAST(dst_id AS VARCHAR) AS target, 0 AS port, CAST(dstport AS BIGINT) AS item, r.*
  FROM refused r
  UNION ALL
  SELECT 'hosts', block, dstport, dst_id, r.* FROM refused r WHERE inside
), timed AS (
  SELECT 0 AS phase, first_s - first_s % 3600 AS hour_s, i.* FROM items i
  UNION ALL
  SELECT 1, first_s - (first_s + 1800) % 3600, i.* FROM items i
), members AS (
  SELECT {_HOUR}, source, count(*) AS tried FROM timed GROUP BY {_HOUR}, source
  HAVING count(*) >= CASE WHEN inside THEN $few_inside ELSE $few_outside END
), hours AS (
  SELECT {_HOUR} FROM members GROUP BY {_HOUR}
  HAVING count(*) >= $min_sources
     AND (sum(tried) - max(tried)) * 100 >= $without_busiest
       * CASE WHEN NOT inside THEN $outside_ports WHEN shape = 'ports' THEN $inside_ports ELSE $inside_hosts END
), told AS (
  SELECT t.* FROM timed t
  JOIN hours h ON {matching(_HOUR, "h", "t")}
  JOIN members m ON {matching(_HOUR, "m", "t")} AND m.source = t.source
), busy AS (
  SELECT {_HOUR} FROM told GROUP BY {_HOUR}
  HAVING count(DISTINCT item) >= CASE WHEN NOT inside THEN $outside_ports WHEN shape = 'ports' THEN $inside_ports
                                      ELSE $inside_hosts END
     AND count(*) * 100 <= $most_overlap * count(DISTINCT item) AND sum(rounds) <= $repeated_rounds * count(*)
     AND CASE WHEN protocol = 17 THEN sum(low) >= $inside_ports
              ELSE max(shown) = 1 OR sum(low) >= $min_low_ports OR (shape = 'hosts' AND max(low) = 1) END
), crowds AS (
  SELECT DISTINCT {", ".join(f"t.{name}" for name in _CROWD.split(", "))}, t.source, t.dst_id, t.dstport, t.first_s,
         t.last_s
  FROM told t JOIN busy b ON {matching(_HOUR, "b", "t")}
)
"""

_ROWS = f"""
SELECT c.shape, c.inside, min(d.address) AS dstaddr, max(CASE WHEN c.shape = 'ports' THEN d.name END) AS dst_name,
       c.protocol, NULLIF(c.port, 0) AS dstport, CAST(count(DISTINCT c.source) AS BIGINT) AS sources,
       CAST(count(DISTINCT c.dstport) AS BIGINT) AS ports, CAST(count(DISTINCT c.dst_id) AS BIGINT) AS hosts,
       CAST(count(*) AS BIGINT) AS doors, min(c.first_s) AS first_s, max(c.last_s) AS last_s$keys
FROM crowds c JOIN hosts d ON d.endpoint_id = c.dst_id
GROUP BY {", ".join(f"c.{name}" for name in _CROWD.split(", "))}
ORDER BY CASE WHEN c.inside THEN 0 ELSE 1 END, doors DESC, dstaddr, c.shape, c.protocol, c.port
LIMIT $top_n
"""

_CAVEATS = ("A door, a port of a host, counts once per source. Doors that answered anybody are left out.",)


def _bound(sql: str, **more: object) -> str:
    return bind(
        sql, min_sources=MIN_SOURCES, few_outside=FEW_OUTSIDE, few_inside=FEW_INSIDE, outside_ports=OUTSIDE_PORTS,
        inside_ports=INSIDE_PORTS, inside_hosts=INSIDE_HOSTS, without_busiest=WITHOUT_BUSIEST,
        most_overlap=MOST_OVERLAP, min_low_ports=MIN_LOW_PORTS, repeated_rounds=REPEATED_ROUNDS, relays=RELAYS, **more,
    )  # fmt: skip


@question(needs=("srcaddr", "dstaddr", "dstport"), sharper_with=("tcp_flags", "action", "inventory"))
def distributed_scans(flows: Flows, *, top_n: int = 50) -> Answer:
    """Who was scanned by many sources that shared the work?

    Rows per target (`shape` is `ports`: many ports of one host) or per port and /24 (`shape` is `hosts`; inside only):
    `sources` that took part, `ports`, `hosts` and `doors` (a port of a host) that were refused. At least three sources
    tried some each within the same hour, together as many as one scanner would need (from the internet 300 ports;
    inside 15 ports or 25 hosts), hardly ever the same door twice, and not again and again.

    Sharing without repeating is what tells a crowd from the background noise: on genuine records of a small cluster
    some 200 sources an hour tried one public address, nine of ten one or two ports and many the same. A lost service
    that many clients look for is the same few doors for all.

    Blind spots: one or two ports per source; a crowd slower than these lines in every hour; sources from the internet
    that share hosts rather than ports; NAT gateways as targets. Source: Gates, "Coordinated Scan Detection", NDSS 2009
    (coverage and overlap of scans that belong together).

    >>> import flowkit
    >>> flowkit.security.distributed_scans(flowkit.open("sample:")).table.columns[0]
    'shape'
    """
    return flows.ask(_bound(_FOUND + _ROWS.replace("$keys", ""), top_n=top_n), caveats=_CAVEATS)


_MEMBERS = """
SELECT DISTINCT c.shape, c.target, c.protocol, c.port, c.inside, c.source, s.address AS srcaddr, d.address AS dstaddr,
       c.dst_id
FROM crowds c JOIN hosts s ON s.endpoint_id = c.source JOIN hosts d ON d.endpoint_id = c.dst_id
ORDER BY c.shape, c.target, c.protocol, c.port, srcaddr, dstaddr
"""

_EVIDENCE = f"""
WITH {ATTEMPTS}
SELECT srcaddr, dstaddr, dstport, protocol, count(*) AS attempts, min(start_s) AS first_s, max(end_s) AS last_s
FROM attempts
WHERE source IN $sources AND dst_id IN $targets AND protocol = $protocol AND answered = 0
GROUP BY srcaddr, dstaddr, dstport, protocol ORDER BY min(start_s), srcaddr, dstaddr, dstport LIMIT 20
"""


def crowd_findings(flows: Flows, shape: str) -> list[tuple[Finding, set[tuple[int, int, int]]]]:
    """Findings of `distributed_scans` of one `shape`, each with the (source, target, protocol) ids that it tells of.

    For the rules `port_scan` (`ports`) and `host_sweep` (`hosts`): high inside, medium from the internet.
    """
    asked = flows.ask(_bound(_FOUND + _ROWS.replace("$keys", ", c.target, c.port"), top_n=500))  # both rules ask it
    rows = [row for row in rows_of(asked.table) if row["shape"] == shape]
    if not rows:
        return []
    members = rows_of(flows.sql(_bound(_FOUND + _MEMBERS)))
    names = ("shape", "target", "protocol", "port", "inside")
    found = []
    for row in rows:
        own = [one for one in members if all(one[name] == row[name] for name in names)]
        told = {(one["source"], one["dst_id"], one["protocol"]) for one in own}
        found.append((_finding(flows, row, own), told))
    return found


def _finding(flows: Flows, row: Mapping[str, Any], members: Sequence[Mapping[str, Any]]) -> Finding:
    sources, targets = ({one[name] for one in members} for name in ("srcaddr", "dstaddr"))
    inside, ports = bool(row["inside"]), row["shape"] == "ports"
    rule = "port_scan" if ports else "host_sweep"
    who = f"{count_of(len(sources), 'address', 'addresses')} {'inside' if inside else 'on the internet'}"
    what = f"{row['ports']:,} {protocol_name(row['protocol'])} ports of {host(row['dstaddr'], row['dst_name'])}"
    if not ports:
        what = f"{service(row['dstport'], row['protocol'])} of {count_of(row['hosts'], 'host')}"
    first = min(sources)
    subject = {"srcaddr": one_or_list(sources), "dstaddr": one_or_list(targets), "protocol": row["protocol"]}
    named = {
        "sources": sorted({one["source"] for one in members}), "targets": sorted({one["dst_id"] for one in members}),
        "protocol": row["protocol"],
    }  # fmt: skip
    return Finding(
        id=finding_id(rule, {"srcaddr": "many", "dstaddr": row["dstaddr"], "dstport": row["dstport"]}),
        rule=rule,
        title=f"{who} scanned {what} together",
        severity="high" if inside else "medium",
        confidence=0.8,
        subject=subject if ports else {**subject, "dstport": row["dstport"]},
        first_seen=iso(row["first_s"]),
        last_seen=iso(row["last_s"]),
        count=row["doors"],
        explanation=(
            f"{who} tried {what} within the same hours, {row['doors']:,} doors in all, and hardly one of them twice. "
            "Each tried little; that they never repeat one another means that somebody shares out the work."
        ),
        could_also_be="A scanning service that you ordered, with many workers; for sources inside, a discovery tool "
        "that runs on every host.",
        next_step=(
            f"See what all these sources run that others do not. Whose the first one is: {look_up(first)}"
            if inside
            else "Limits on one address do not stop this: close what need not be open. The target's security groups: "
            + look_up(row["dstaddr"], show="NetworkInterfaces[].Groups[]")
        ),
        evidence=rows_of(flows.sql(bind(_EVIDENCE, **named))),
        attack=("T1046",) if inside else ("T1595.001", "T1046"),
    )
