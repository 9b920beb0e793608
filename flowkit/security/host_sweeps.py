"""Sweeps: one source, one port, many hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flowkit.engines import bind
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.attempts import ATTEMPTS, walk
from flowkit.security.wording import MOST_LISTED, count_of, host, look_up, one_or_list, rows_of, service

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["host_sweep", "host_sweeps"]

_KEY = "source, protocol, dstport"

# A host counts once per source and port. `rounds` is in how many ten-minute stretches the average refused host was
# tried.
_SQL = f"""
WITH {ATTEMPTS}
, contacts AS (
  SELECT source, protocol, dstport, dst_id, max(answered) AS answered, count(*) AS attempts, min(srcaddr) AS srcaddr,
         max(src_name) AS src_name, max(src_role) AS src_role, max(inside) AS inside,
         max(target_inside) AS target_inside,
         count(DISTINCT start_s - start_s % 600) AS rounds, min(start_s) AS first_s, max(end_s) AS last_s
  FROM attempts GROUP BY source, protocol, dstport, dst_id
), many AS (
  SELECT {_KEY} FROM contacts WHERE answered = 0 GROUP BY {_KEY} HAVING count(*) >= $min_hosts
), candidates AS (
  SELECT c.* FROM contacts c
  JOIN many m ON m.source = c.source AND m.protocol = c.protocol AND m.dstport = c.dstport
), partners AS (
  SELECT source, protocol, count(DISTINCT dst_id) AS hosts FROM contacts GROUP BY source, protocol
), fresh AS (
  SELECT {_KEY}, max(hosts) AS hosts FROM (
    SELECT {_KEY}, first_s - first_s % 3600 AS hour_s, count(*) AS hosts FROM candidates GROUP BY {_KEY},
           first_s - first_s % 3600
    UNION ALL
    SELECT {_KEY}, first_s - (first_s + 1800) % 3600, count(*) FROM candidates GROUP BY {_KEY},
           first_s - (first_s + 1800) % 3600
  ) AS hours GROUP BY {_KEY}
), {walk("candidates", _KEY, "dst_id").strip()}
, swept AS (
  SELECT {_KEY}, min(srcaddr) AS srcaddr, max(src_name) AS src_name, max(src_role) AS src_role, max(inside) AS inside,
         CAST(count(*) AS BIGINT) AS hosts, CAST(sum(answered) AS BIGINT) AS answered_hosts,
         CAST(sum(CASE WHEN answered = 0 AND target_inside THEN 1 ELSE 0 END) AS BIGINT) AS refused_inside,
         CAST(sum(attempts) AS BIGINT) AS attempts, CAST(sum(CASE WHEN answered = 0
         THEN rounds END) AS DOUBLE) / sum(1 - answered) AS rounds,
         min(CASE WHEN answered = 0 THEN first_s END) AS first_s, max(CASE WHEN answered = 0 THEN last_s END) AS last_s
  FROM candidates GROUP BY {_KEY}
)
SELECT CASE
         WHEN w.walk < $min_hosts THEN 'mostly answered'
         WHEN NOT s.inside THEN 'background'
         WHEN COALESCE(s.src_role, '') IN ('nat_gateway', 'regional_nat_gateway') THEN 'many behind one'
         WHEN s.rounds > $most_rounds THEN 'repeated'
         WHEN s.refused_inside >= $min_hosts THEN 'sweep'
         WHEN s.hosts * 5 < p.hosts THEN 'many services'
         WHEN f.hosts >= $outward_hosts AND (COALESCE(k.kind, '') NOT IN ('web', 'infrastructure') OR f.hosts
           >= 10 * $outward_hosts)
           THEN 'sweep'
         ELSE 'blocked egress' END AS reading,
       s.srcaddr, s.src_name, s.inside, s.protocol, s.dstport, s.hosts, s.answered_hosts, s.attempts,
       CAST(f.hosts AS BIGINT) AS most_hosts_in_an_hour, w.walk, s.first_s, s.last_s$keys
FROM swept s
JOIN walked w ON w.source = s.source AND w.protocol = s.protocol AND w.dstport = s.dstport
JOIN fresh f ON f.source = s.source AND f.protocol = s.protocol AND f.dstport = s.dstport
JOIN partners p ON p.source = s.source AND p.protocol = s.protocol
LEFT JOIN service_ports k ON k.port = s.dstport AND k.protocol = s.protocol
ORDER BY CASE WHEN w.walk >= $min_hosts AND s.inside THEN 0 ELSE 1 END, s.hosts DESC, s.srcaddr, s.protocol, s.dstport
LIMIT $top_n
"""

_KEYS = ", s.source"

_CAVEATS = (
    "A host counts once per source and port. Sources on the internet sweep every public address there is; they "
    "are background.",
)


@question(needs=("srcaddr", "dstaddr", "dstport"), sharper_with=("tcp_flags", "action", "inventory"))
def host_sweeps(
    flows: Flows, *, min_hosts: int = 25, outward_hosts: int = 50, most_rounds: int = 4, top_n: int = 50
) -> Answer:
    """Who tried one port on many hosts, most of them in vain?

    Rows per source, protocol and port with at least `min_hosts` hosts refused, `reading` first: `sweep`; `background`
    (from the internet); `mostly answered`; `repeated` (the same hosts again and again, on average in more than
    `most_rounds` stretches of ten minutes: a poller whose security group rule is missing, not a search); `many
    services` (outward, and the port is less than a fifth of the source's peers: peer-to-peer); `blocked egress`
    (outward to web, time and name servers, or slowly: a client whose way out is closed); `many behind one` (a NAT
    gateway speaks for others).

    `walk` is the sequential test over first contacts as in `port_scans`: refused hosts up, answered ones down. Zeek's
    scan policy draws the line at 25 hosts. A poller, a crawler, a mail server and a resolver reach most of whom they
    call, so their walk stays on the ground. Outward, `outward_hosts` new hosts within an hour are asked for.

    Blind spots: a sweep whose targets mostly answer; ICMP, whose records have no ports. Source: Jung et al., "Fast
    Portscan Detection Using Sequential Hypothesis Testing", IEEE S&P 2004; Zeek `policy/misc/scan.zeek`.

    >>> import flowkit
    >>> flowkit.security.host_sweeps(flowkit.open("sample:")).table.columns[0]
    'reading'
    """
    sql = bind(
        _SQL.replace("$keys", ""),
        min_hosts=min_hosts,
        outward_hosts=outward_hosts,
        most_rounds=most_rounds,
        top_n=top_n,
    )
    return flows.ask(sql, caveats=_CAVEATS)


# What belongs to a sweep: hosts that were refused, and hosts that answered a probe of the same kind while it went on (a
# few packets; a session of the same source on the same port is its daily work).
_TARGETS = f"""
WITH {ATTEMPTS}
SELECT srcaddr, dstaddr, min(dst_name) AS dst_name, dstport, protocol, max(answered) = 1 AS answered,
       count(*) AS attempts,
       min(start_s) AS first_s, max(end_s) AS last_s, min(dst_id) AS dst_id
FROM attempts
WHERE source = $source AND protocol = $protocol AND dstport = $dstport
GROUP BY srcaddr, dstaddr, dstport, protocol
HAVING max(answered) = 0 OR (min(start_s) >= $first_s AND max(end_s) <= $last_s AND max(fwd_packets) <= 6)
ORDER BY max(answered) DESC, min(start_s), dstaddr
"""


def host_sweep(flows: Flows, *, min_hosts: int = 25, outward_hosts: int = 50) -> list[Finding]:
    """Findings of `host_sweeps`: a sweep from inside is high, a repeated one low."""
    sql = bind(_SQL.replace("$keys", _KEYS), min_hosts=min_hosts, outward_hosts=outward_hosts, most_rounds=4, top_n=500)
    rows = rows_of(flows.sql(sql))
    return [_finding(flows, row) for row in rows if row["reading"] in ("sweep", "repeated")]


def _finding(flows: Flows, row: Mapping[str, Any]) -> Finding:
    named = {name: row[name] for name in ("source", "protocol", "dstport", "first_s", "last_s")}
    targets = rows_of(flows.sql(bind(_TARGETS, **named)).drop(columns=["dst_id"]))
    addresses = {one["dstaddr"] for one in targets}
    opened = sum(bool(one["answered"]) for one in targets)
    found = f"{opened:,}" if opened else "none"
    who, what = host(row["srcaddr"], row["src_name"]), service(row["dstport"], row["protocol"])
    subject = {
        "srcaddr": one_or_list(one["srcaddr"] for one in targets),
        "dstaddr": one_or_list(addresses),
        "dstport": row["dstport"],
        "protocol": row["protocol"],
    }
    again = row["reading"] == "repeated"
    listed = f" The subject lists the first {MOST_LISTED:,}." if len(addresses) > MOST_LISTED else ""
    said = {
        "title": f"{who} keeps calling {what} of {len(addresses):,} hosts without an answer"
        if again
        else f"{who} swept {what} across {len(addresses):,} hosts",
        "explanation": (
            f"{who} tried {what} of {count_of(len(addresses), 'host')}; {found} answered. "
            + (
                "It tries the same hosts again and again, as a program does whose way is closed."
                if again
                else "Whoever knows a network does not knock at addresses where nobody is: this looks for "
                "something to get into."
            )
            + listed
        ),
        "could_also_be": "A missing security group rule for a monitoring or deployment host."
        if again
        else "An inventory, vulnerability or discovery tool that you run yourselves; a cluster that lost its members.",
    }
    return Finding(
        id=finding_id(
            "host_sweep", {"srcaddr": row["srcaddr"], "protocol": row["protocol"], "dstport": row["dstport"]}
        ),
        rule="host_sweep",
        severity="low" if again else "high",
        confidence=0.3 if again else 0.95 if row["walk"] >= 50 else 0.8,
        subject=subject,
        first_seen=iso(row["first_s"]),
        last_seen=iso(row["last_s"]),
        count=len(addresses),
        next_step=(
            "Look first at the hosts that answered, and at what the source did next. Whose the source is: "
            f"{look_up(row['srcaddr'])}"
        ),
        evidence=targets[:20],
        attack=("T1046", "T1018"),
        **said,
    )
