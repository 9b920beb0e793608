"""Block scans: one source, some ports of some hosts, too few of each to stand out alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flowkit.engines import bind
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.attempts import ATTEMPTS, CONTACTS, RELAYS, REPEATED_ROUNDS, walk
from flowkit.security.wording import count_of, host, look_up, one_or_list, protocol_name, rows_of

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["block_findings", "block_scans"]

#: Doors (a port of a host) refused at first contact, counted beside those of a vertical scan or of a sweep: twice the
#: 15 that one host takes, since an application that lost its cluster meets some on several hosts.
MIN_DOORS = 30
#: Least ports. Clustered services (Kafka, Redis, Cassandra, Kubernetes) use four at most, so that a lost
#: cluster is many hosts on few ports. (Hosts are three at least: two have 28 doors before one is a vertical scan.)
MIN_PORTS = 5
#: What a vertical scan and a sweep need; pairs and ports that reach it are told there.
VERTICAL_PORTS, SWEPT_HOSTS = 15, 25
#: In a block each port is tried on several hosts and each host on several ports. Without SYN evidence both must hold on
#: average, or it may be one server's answers to the ephemeral ports of its clients.
EACH = 2

_KEY = "source, protocol"

# `pair_doors` and `port_doors`: refused doors of the same source at that host, and at that port of any.
_FOUND = f"""
WITH {CONTACTS.strip()}
, many AS (
  SELECT {_KEY} FROM contacts WHERE answered = 0 AND inside AND target_inside
  GROUP BY {_KEY} HAVING count(*) >= $min_doors
), counted AS (
  SELECT c.*, sum(1 - c.answered) OVER (PARTITION BY c.source, c.protocol, c.dst_id) AS pair_doors,
         sum(1 - c.answered) OVER (PARTITION BY c.source, c.protocol, c.dstport) AS port_doors
  FROM contacts c JOIN many m ON m.source = c.source AND m.protocol = c.protocol
  WHERE c.target_inside
), rest AS (
  SELECT * FROM counted WHERE pair_doors < $vertical_ports AND port_doors < $swept_hosts
), {walk("rest", _KEY).strip()}
, blocks_of AS (
  SELECT {_KEY}, CAST(sum(1 - answered) AS BIGINT) AS doors, CAST(sum(answered) AS BIGINT) AS answered_doors,
         CAST(count(DISTINCT CASE WHEN answered = 0 THEN dst_id END) AS BIGINT) AS hosts,
         CAST(count(DISTINCT CASE WHEN answered = 0 THEN dstport END) AS BIGINT) AS ports, max(shown) AS shown,
         CAST(sum(CASE WHEN answered = 0 THEN rounds ELSE 0 END) AS BIGINT) AS rounds,
         CAST(sum(attempts) AS BIGINT) AS attempts, min(CASE WHEN answered = 0 THEN first_s END) AS first_s,
         max(CASE WHEN answered = 0 THEN last_s END) AS last_s
  FROM rest GROUP BY {_KEY} HAVING sum(1 - answered) >= $min_doors
), judged AS (
  SELECT CASE WHEN w.walk < $min_doors THEN 'mostly answered'
              WHEN b.ports < $min_ports THEN 'one service'
              WHEN COALESCE(s.role, '') IN $relays THEN 'many behind one'
              WHEN b.rounds > $repeated_rounds * b.doors THEN 'repeated'
              WHEN (b.protocol = 17 OR b.shown = 0) AND (b.doors < $each * b.ports OR b.doors < $each * b.hosts)
                THEN 'unclear'
              ELSE 'scan' END AS reading,
         b.source, s.address AS srcaddr, s.name AS src_name, b.protocol, b.hosts, b.ports, b.doors, b.answered_doors,
         b.attempts, w.walk, b.first_s, b.last_s
  FROM blocks_of b
  JOIN walked w ON w.source = b.source AND w.protocol = b.protocol
  JOIN hosts s ON s.endpoint_id = b.source
)
"""

_COLUMNS = "reading, srcaddr, src_name, protocol, hosts, ports, doors, answered_doors, attempts, walk, first_s, last_s"
_ORDER = "ORDER BY CASE WHEN reading = 'scan' THEN 0 ELSE 1 END, doors DESC, srcaddr, protocol LIMIT $top_n"

_CAVEATS = ("A door, a port of a host, counts once per source. Only sources and targets inside are looked at.",)


def _bound(sql: str, top_n: int) -> str:
    return bind(
        sql, min_doors=MIN_DOORS, min_ports=MIN_PORTS, vertical_ports=VERTICAL_PORTS,
        swept_hosts=SWEPT_HOSTS, repeated_rounds=REPEATED_ROUNDS, each=EACH, relays=RELAYS, top_n=top_n,
    )  # fmt: skip


@question(needs=("srcaddr", "dstaddr", "dstport"), sharper_with=("tcp_flags", "action", "inventory"))
def block_scans(flows: Flows, *, top_n: int = 50) -> Answer:
    """Who of ours tried some ports of many hosts, few of each, most of them in vain?

    Rows per source inside and protocol with at least 30 doors refused at first contact, a door being a port of a host:
    `hosts`, `ports` and `doors` refused, `answered_doors`, `walk` as in `port_scans`. What makes a vertical scan (15
    ports of one host) or a sweep (25 hosts on one port) by itself is left to those. `reading` is `scan`, or what speaks
    against it: `mostly answered`; `one service` (under 5 ports: a cluster that is down); `many behind one`
    (a NAT gateway or load balancer speaks for others); `repeated` (the same doors in more than four stretches of ten
    minutes: a program that retries); `unclear` (no SYN is seen, and ports do not recur: perhaps answers to clients).

    Blind spots: fewer than 30 doors; from the internet this is background noise. Source: Staniford, Hoagland,
    McAlerney, "Practical Automated Detection of Stealthy Portscans", Journal of Computer Security 2002 (the shapes of
    scans); Jung et al., IEEE S&P 2004 (the walk).

    >>> import flowkit
    >>> flowkit.security.block_scans(flowkit.open("sample:")).table.columns[0]
    'reading'
    """
    return flows.ask(_bound(f"{_FOUND}SELECT {_COLUMNS} FROM judged {_ORDER}", top_n), caveats=_CAVEATS)


_TARGETS = f"""
WITH {ATTEMPTS}
SELECT min(srcaddr) AS srcaddr, dstaddr, dstport, protocol, max(answered) = 1 AS answered, count(*) AS attempts,
       min(start_s) AS first_s, max(end_s) AS last_s
FROM attempts WHERE source = $source AND protocol = $protocol AND target_inside
GROUP BY dst_id, dstaddr, dstport, protocol
HAVING max(answered) = 0 AND min(start_s) >= $first_s AND max(end_s) <= $last_s
ORDER BY min(start_s), dstaddr, dstport
"""


def block_findings(flows: Flows) -> list[Finding]:
    """Findings of `block_scans` for the rule `port_scan`: high."""
    rows = rows_of(flows.sql(_bound(f"{_FOUND}SELECT source, {_COLUMNS} FROM judged {_ORDER}", 500)))
    return [_finding(flows, row) for row in rows if row["reading"] == "scan"]


def _finding(flows: Flows, row: Mapping[str, Any]) -> Finding:
    named = {name: row[name] for name in ("source", "protocol", "first_s", "last_s")}
    doors = rows_of(flows.sql(bind(_TARGETS, **named)))
    who = host(row["srcaddr"], row["src_name"])
    found = f"{count_of(row['answered_doors'], 'other')} answered" if row["answered_doors"] else "none answered"
    kind = protocol_name(row["protocol"])
    return Finding(
        id=finding_id("port_scan", {"srcaddr": row["srcaddr"], "dstaddr": "many", "protocol": row["protocol"]}),
        rule="port_scan",
        title=f"{who} scanned {row['ports']:,} {kind} ports across {row['hosts']:,} hosts",
        severity="high",
        confidence=0.85,
        subject={
            "srcaddr": row["srcaddr"],
            "dstaddr": one_or_list(door["dstaddr"] for door in doors),
            "protocol": row["protocol"],
        },
        first_seen=iso(row["first_s"]),
        last_seen=iso(row["last_s"]),
        count=row["doors"],
        explanation=(
            f"{who} tried {count_of(row['ports'], 'port')} on {count_of(row['hosts'], 'host')} of yours, "
            f"{row['doors']:,} combinations that were refused or silent; {found}. No single host and no single port "
            "stands out, and that is how a careful search looks: programs know which doors they need."
        ),
        could_also_be="A vulnerability scanner or an inventory tool that you run yourselves; a host whose security "
        "group rules are all missing.",
        next_step=f"See what runs on the source and what else it did in this period. Whose it is: "
        f"{look_up(row['srcaddr'])}",
        evidence=doors[:20],
        attack=("T1046",),
    )
