"""Sweeps: one source, one port, many hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowkit.engines import bind
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.attempts import ATTEMPTS, CONTACTS, RELAYS, REPEATED_ROUNDS, walk
from flowkit.security.distributed_scans import crowd_findings
from flowkit.security.wording import MOST_LISTED, count_of, host, look_up, one_or_list, rows_of, service

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["host_sweep", "host_sweeps"]

#: Hosts refused on one port at first contact: Zeek's scan policy draws the line at 25 distinct hosts.
MIN_HOSTS = 25
#: Outward, new hosts within an hour: twice as many, since a client whose way out is closed fails everywhere.
OUTWARD_HOSTS = 50
#: On ports that every client uses (web, name and time service) a closed way out looks like a sweep up to here.
OUTWARD_COMMON_HOSTS = 500
#: A source that meets refused hosts on many ports uses many services: where this port has less than one in so many of
#: its peers, it is peer-to-peer.
PEERS_PER_HOST = 5
#: Of the addresses of the internet, one in fifty at most answers on any one port (Durumeric, Wustrow, Halderman,
#: "ZMap", USENIX Security 2013). Where one in twenty does, the source was told whom to call. (Half of the peers of a
#: network may be gone, and without TCP flags many of those that answer are left out, as nobody knows who began.)
KNOWN_PERCENT = 5
#: Outside hosts that came to the source on the same port: peers, where the source also knows whom it calls.
CALLERS = 5
#: Most packets of a probe that was answered: handshake, a banner or a reset, and the end.
PROBE_PACKETS = 6
#: Sweeps for so many ports by one source are told as one finding with a list.
MERGED_PORTS = 5
#: Surety grows with the walk: from 50 steps on even a host that fails half of its first contacts does not get there.
SURE_WALK = 50

_KEY = "source, protocol, dstport"

# A host counts once per source and port. `rounds` is in how many ten-minute stretches the average refused host was
# tried. `lone_hosts` are outside, each on a port that the source asks of nobody else.
_SQL = f"""
WITH {CONTACTS.strip()}
, many AS (
  SELECT {_KEY} FROM contacts WHERE answered = 0 GROUP BY {_KEY} HAVING count(*) >= $min_hosts
), candidates AS (
  SELECT c.* FROM contacts c
  JOIN many m ON m.source = c.source AND m.protocol = c.protocol AND m.dstport = c.dstport
), partners AS (
  SELECT source, protocol, count(DISTINCT dst_id) AS hosts, count(DISTINCT CASE WHEN sharing = 1 AND NOT target_inside
         THEN dst_id END) AS lone_hosts
  FROM (
    SELECT c.source, c.protocol, c.dst_id, c.target_inside,
           count(*) OVER (PARTITION BY c.source, c.protocol, c.dstport) AS sharing
    FROM contacts c
    JOIN (SELECT DISTINCT source, protocol FROM many) m ON m.source = c.source AND m.protocol = c.protocol
  ) AS all_contacts GROUP BY source, protocol
), callers AS (
  SELECT c.dst_id, c.protocol, c.dstport, count(*) AS hosts FROM contacts c
  JOIN many m ON m.source = c.dst_id AND m.protocol = c.protocol AND m.dstport = c.dstport
  WHERE c.answered = 1 AND NOT c.inside GROUP BY c.dst_id, c.protocol, c.dstport
), fresh AS (
  SELECT {_KEY}, max(hosts) AS hosts FROM (
    SELECT {_KEY}, first_s - first_s % 3600 AS hour_s, count(*) AS hosts FROM candidates GROUP BY {_KEY},
           first_s - first_s % 3600
    UNION ALL
    SELECT {_KEY}, first_s - (first_s + 1800) % 3600, count(*) FROM candidates GROUP BY {_KEY},
           first_s - (first_s + 1800) % 3600
  ) AS hours GROUP BY {_KEY}
), {walk("candidates", _KEY).strip()}
, swept AS (
  SELECT {_KEY}, max(inside) AS inside,
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
         WHEN COALESCE(h.role, '') IN $relays THEN 'many behind one'
         WHEN s.rounds > $most_rounds THEN 'repeated'
         WHEN s.refused_inside >= $min_hosts THEN 'sweep'
         WHEN s.hosts * $peers_per_host < p.hosts THEN 'many services'
         WHEN s.answered_hosts * 100 >= $known_percent * s.hosts
           AND (p.lone_hosts >= s.hosts OR COALESCE(g.hosts, 0) >= $callers) THEN 'peers'
         WHEN f.hosts >= $outward_hosts
           AND (COALESCE(k.kind, '') NOT IN ('web', 'infrastructure') OR f.hosts >= $outward_common_hosts)
           THEN 'sweep'
         ELSE 'blocked egress' END AS reading,
       h.address AS srcaddr, h.name AS src_name, s.inside, s.protocol, s.dstport, s.hosts, s.answered_hosts, s.attempts,
       CAST(f.hosts AS BIGINT) AS most_hosts_in_an_hour, w.walk, s.first_s, s.last_s$keys
FROM swept s
JOIN walked w ON w.source = s.source AND w.protocol = s.protocol AND w.dstport = s.dstport
JOIN fresh f ON f.source = s.source AND f.protocol = s.protocol AND f.dstport = s.dstport
JOIN hosts h ON h.endpoint_id = s.source
JOIN partners p ON p.source = s.source AND p.protocol = s.protocol
LEFT JOIN callers g ON g.dst_id = s.source AND g.protocol = s.protocol AND g.dstport = s.dstport
LEFT JOIN service_ports k ON k.port = s.dstport AND k.protocol = s.protocol
ORDER BY CASE WHEN w.walk >= $min_hosts AND s.inside THEN 0 ELSE 1 END, s.hosts DESC, h.address, s.protocol, s.dstport
LIMIT $top_n
"""

_KEYS = ", s.source"

_CAVEATS = (
    "A host counts once per source and port. Sources on the internet sweep every public address there is; they "
    "are background.",
)


def _bound(keys: str, min_hosts: int, outward_hosts: int, most_rounds: int, top_n: int) -> str:
    return bind(
        _SQL.replace("$keys", keys), min_hosts=min_hosts, outward_hosts=outward_hosts, most_rounds=most_rounds,
        outward_common_hosts=OUTWARD_COMMON_HOSTS, peers_per_host=PEERS_PER_HOST, known_percent=KNOWN_PERCENT,
        callers=CALLERS, relays=RELAYS, top_n=top_n,
    )  # fmt: skip


@question(needs=("srcaddr", "dstaddr", "dstport"), sharper_with=("tcp_flags", "action", "inventory"))
def host_sweeps(
    flows: Flows, *, min_hosts: int = MIN_HOSTS, outward_hosts: int = OUTWARD_HOSTS,
    most_rounds: int = REPEATED_ROUNDS, top_n: int = 50,
) -> Answer:  # fmt: skip
    """Who tried one port on many hosts, most of them in vain?

    Rows per source, protocol and port with at least `min_hosts` hosts refused, `reading` first: `sweep`; `background`
    (from the internet); `mostly answered`; `repeated` (the same hosts again and again, on average in more than
    `most_rounds` stretches of ten minutes: a poller whose security group rule is missing, not a search); `many
    services` (outward, and the port is less than a fifth of the source's peers: peer-to-peer); `peers` (outward, one in
    twenty answered, and as many hosts again were called on ports of their own, or five came to the source on the same
    port: peer-to-peer with a usual port, many of whose peers are gone); `blocked egress` (outward to web, time and name
    servers, or slowly: a client whose way out is closed); `many behind one` (a NAT gateway speaks for others).

    `walk` is the sequential test over first contacts as in `port_scans`: refused hosts up, answered ones down. Zeek's
    scan policy draws the line at 25 hosts. A poller, a crawler, a mail server and a resolver reach most of whom they
    call, so their walk stays on the ground. Outward, `outward_hosts` new hosts within an hour are asked for.

    Blind spots: a sweep whose targets mostly answer, or one in twenty of them by a peer-to-peer host; ICMP, whose
    records have no ports. Source: Jung et al., "Fast Portscan Detection Using Sequential Hypothesis Testing", IEEE S&P
    2004; Zeek `policy/misc/scan.zeek`.

    >>> import flowkit
    >>> flowkit.security.host_sweeps(flowkit.open("sample:")).table.columns[0]
    'reading'
    """
    sql = _bound("", min_hosts, outward_hosts, most_rounds, top_n)
    return flows.ask(sql, caveats=_CAVEATS)


# What belongs to a sweep: hosts that were refused, and hosts that answered a probe of the same kind while it went on (a
# few packets; a session of the same source on the same port is its daily work).
_TARGETS = f"""
WITH {ATTEMPTS}
SELECT srcaddr, dstaddr, min(dst_name) AS dst_name, dstport, protocol, max(answered) = 1 AS answered,
       count(*) AS attempts,
       min(start_s) AS first_s, max(end_s) AS last_s, min(dst_id) AS dst_id
FROM attempts
WHERE source = $source AND protocol = $protocol AND dstport IN $ports
GROUP BY srcaddr, dstaddr, dstport, protocol
HAVING max(answered) = 0 OR (min(start_s) >= $first_s AND max(end_s) <= $last_s AND max(fwd_packets) <= $probe_packets)
ORDER BY max(answered) DESC, min(start_s), dstaddr, dstport
"""


def host_sweep(flows: Flows, *, min_hosts: int = MIN_HOSTS, outward_hosts: int = OUTWARD_HOSTS) -> list[Finding]:
    """Findings of `host_sweeps`, and those of `distributed_scans` about a /24: high, repeated ones low.

    Sweeps of one source for five ports and more are one finding.
    """
    rows = rows_of(flows.sql(_bound(_KEYS, min_hosts, outward_hosts, REPEATED_ROUNDS, 500)))
    crowds = crowd_findings(flows, "hosts")
    told = {(source, crowd.subject["dstport"]) for crowd, pairs in crowds for source, _, _ in pairs}
    sweeps: dict[tuple[Any, Any], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["reading"] == "sweep" and (row["source"], row["dstport"]) not in told:
            sweeps.setdefault((row["source"], row["protocol"]), []).append(row)
    groups: list[Sequence[Mapping[str, Any]]] = [[row] for row in rows if row["reading"] == "repeated"]
    for of_source in sweeps.values():
        groups += [of_source] if len(of_source) >= MERGED_PORTS else [[row] for row in of_source]
    return [crowd for crowd, _ in crowds] + [_finding(flows, group) for group in groups]


def _finding(flows: Flows, group: Sequence[Mapping[str, Any]]) -> Finding:
    row, ports = group[0], [one["dstport"] for one in group]
    first_s, last_s = min(one["first_s"] for one in group), max(one["last_s"] for one in group)
    named = {"source": row["source"], "protocol": row["protocol"], "first_s": first_s, "last_s": last_s, "ports": ports}
    targets = rows_of(flows.sql(bind(_TARGETS, **named, probe_packets=PROBE_PACKETS)).drop(columns=["dst_id"]))
    addresses = {one["dstaddr"] for one in targets}
    opened = sum(bool(one["answered"]) for one in targets)
    found = f"{opened:,}" if opened else "none"
    who = host(row["srcaddr"], row["src_name"])
    what = service(row["dstport"], row["protocol"]) if len(ports) == 1 else count_of(len(ports), "port")
    subject = {
        "srcaddr": one_or_list(one["srcaddr"] for one in targets),
        "dstaddr": one_or_list(addresses),
        "dstport": one_or_list(ports),
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
            "host_sweep",
            {"srcaddr": row["srcaddr"], "protocol": row["protocol"], "dstport": one_or_list(ports)},
        ),
        rule="host_sweep",
        severity="low" if again else "high",
        confidence=0.3 if again else 0.95 if row["walk"] >= SURE_WALK else 0.8,
        subject=subject,
        first_seen=iso(first_s),
        last_seen=iso(last_s),
        count=len(addresses),
        next_step=(
            "Find the program that keeps calling, and open the way or stop it. "
            if again
            else f"Look first at the {count_of(opened, 'host')} that answered, and at what the source did next. "
            if opened
            else "See what runs on the source and what it did next: nobody answered so far. "
        )
        + f"Whose the source is: {look_up(row['srcaddr'])}",
        evidence=targets[:20],
        attack=("T1046", "T1018"),
        **said,
    )
