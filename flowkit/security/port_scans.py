"""Vertical scans: one source, one target, many ports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowkit.engines import bind
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.attempts import ATTEMPTS, CLIENTS_FROM, CONTACTS, RELAYS, walk
from flowkit.security.block_scans import block_findings
from flowkit.security.distributed_scans import crowd_findings
from flowkit.security.wording import count_of, host, look_up, one_or_list, protocol_name, rows_of

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["port_scan", "port_scans"]

#: Ports of one target refused at first contact. Zeek's scan policy draws the line at 15 distinct ports; as a walk it
#: stands for a likelihood ratio of 4**15, one false alarm in a thousand million comparisons.
MIN_PORTS = 15
#: Without SYN evidence, refused ports below 1024 that no server's answers to a client explain: five, as in `attempts`.
MIN_LOW_PORTS = 5
#: From the internet, new ports within an hour. Above the busiest source of the background noise, see the docstring.
OUTSIDE_PORTS = 300
#: The same where a port that is no web service answered: who finds a door and goes on means this host.
OUTSIDE_OPEN_PORTS = 100
#: A scanner whose source port varies less than once in so many ports looks like one server's answers.
PORTS_PER_SOURCE_PORT = 4
#: Scans of so many targets by one source are told as one finding with a list.
MERGED_TARGETS = 5
#: Scans of one target by so many sources from the internet, with no more than an hour between, are one too.
MERGED_SOURCES = 3
#: Surety grows with the walk: from 50 steps on even a host that fails half of its first contacts does not get there.
SURE_WALK = 50

_PAIR = "source, dst_id, protocol"

# A port counts once per pair of hosts, answered or not in the whole period. `fresh` counts first contacts within an
# hour, in hours that begin on the hour and on the half hour, so that no half hour is cut in two.
_SQL = f"""
WITH {CONTACTS.strip()}
, many AS (
  SELECT source, dst_id, protocol FROM contacts WHERE answered = 0
  GROUP BY source, dst_id, protocol HAVING count(*) >= $min_ports
), candidates AS (
  SELECT c.* FROM contacts c JOIN many m ON m.source = c.source AND m.dst_id = c.dst_id AND m.protocol = c.protocol
), fresh AS (
  SELECT {_PAIR}, max(ports) AS ports FROM (
    SELECT {_PAIR}, first_s - first_s % 3600 AS hour_s, count(*) AS ports FROM candidates GROUP BY {_PAIR},
           first_s - first_s % 3600
    UNION ALL
    SELECT {_PAIR}, first_s - (first_s + 1800) % 3600, count(*) FROM candidates GROUP BY {_PAIR},
           first_s - (first_s + 1800) % 3600
  ) AS hours GROUP BY {_PAIR}
), {walk("candidates", _PAIR).strip()}
, pairs AS (
  SELECT c.source, c.dst_id, c.protocol, max(inside) AS inside, CAST(count(*) AS BIGINT) AS ports,
         CAST(sum(answered) AS BIGINT) AS answered_ports,
         CAST(sum(CASE WHEN answered = 1 AND (s.kind IS NULL OR s.kind <> 'web') THEN 1
         ELSE 0 END) AS BIGINT) AS opened_ports,
         CAST(sum(CASE WHEN answered = 0 AND dstport < 1024 THEN 1 ELSE 0 END) AS BIGINT) AS low_ports,
         CAST(sum(CASE WHEN answered = 0 AND dstport < $clients_from THEN 1 ELSE 0 END) AS BIGINT) AS service_ports,
         min(srcport) AS srcport,
         CAST(count(DISTINCT c.srcport) AS BIGINT) AS source_ports, max(shown) AS shown,
         CAST(sum(attempts) AS BIGINT) AS attempts, min(first_s) AS first_s,
         max(CASE WHEN answered = 0 THEN last_s END) AS last_s
  FROM candidates c
  LEFT JOIN service_ports s ON s.port = c.dstport AND s.protocol = c.protocol
  GROUP BY source, dst_id, c.protocol
)
SELECT CASE
         WHEN w.walk < $min_ports THEN 'mostly answered'
         WHEN NOT p.inside AND (COALESCE(d.role, '') IN ('nat_gateway', 'regional_nat_gateway')
           OR (f.ports < $outside_ports
           AND (f.ports < $outside_open_ports OR p.opened_ports = 0))) THEN 'background'
         WHEN COALESCE(s.role, '') IN $relays THEN 'many behind one'
         WHEN p.protocol = 17 AND p.low_ports < $min_ports THEN 'unclear'
         WHEN p.protocol = 6 AND p.shown = 0 AND p.source_ports * $ports_per_source_port < p.ports
           AND p.low_ports < $min_low_ports AND (p.srcport < $clients_from OR p.service_ports < $min_ports)
           THEN 'unclear'
         ELSE 'scan' END AS reading,
       s.address AS srcaddr, s.name AS src_name, p.inside, d.address AS dstaddr, d.name AS dst_name, p.protocol,
       p.ports, p.answered_ports, p.attempts, CAST(f.ports AS BIGINT) AS most_ports_in_an_hour, w.walk,
       p.first_s, p.last_s$keys
FROM pairs p
JOIN walked w ON w.source = p.source AND w.dst_id = p.dst_id AND w.protocol = p.protocol
JOIN fresh f ON f.source = p.source AND f.dst_id = p.dst_id AND f.protocol = p.protocol
JOIN hosts s ON s.endpoint_id = p.source
JOIN hosts d ON d.endpoint_id = p.dst_id
ORDER BY CASE WHEN w.walk >= $min_ports AND p.inside THEN 0 ELSE 1 END, p.ports DESC, s.address, d.address, p.protocol
LIMIT $top_n
"""

#: Columns for the rule alone: which rows of `attempts` a pair stands for.
_KEYS = ", p.source, p.dst_id"

_CAVEATS = (
    "A port counts once per pair of hosts. Slow scans from the internet cannot be told from its background noise, "
    "and are counted there.",
)


def _bound(keys: str, min_ports: int, min_low_ports: int, outside_ports: int, outside_open_ports: int, n: int) -> str:
    return bind(
        _SQL.replace("$keys", keys), min_ports=min_ports, min_low_ports=min_low_ports, outside_ports=outside_ports,
        outside_open_ports=outside_open_ports, ports_per_source_port=PORTS_PER_SOURCE_PORT, clients_from=CLIENTS_FROM,
        relays=RELAYS, top_n=n,
    )  # fmt: skip


@question(needs=("srcaddr", "dstaddr", "dstport"), sharper_with=("tcp_flags", "action", "inventory"))
def port_scans(
    flows: Flows,
    *,
    min_ports: int = MIN_PORTS,
    min_low_ports: int = MIN_LOW_PORTS,
    outside_ports: int = OUTSIDE_PORTS,
    outside_open_ports: int = OUTSIDE_OPEN_PORTS,
    top_n: int = 50,
) -> Answer:
    """Who tried many ports of one host, most of them in vain?

    Rows per source and target with at least `min_ports` ports refused, `reading` first: `scan`; `background` (from the
    internet, at the pace of its noise, or at a NAT gateway, where nothing listens); `mostly answered`; `unclear` (could
    be answers to a client, see below). `walk` is how far the sequential test went: each port refused at first contact
    is a step up, each answered one a step down. 15 steps stand for a likelihood ratio of 4**15, one false alarm in a
    thousand million comparisons if four of five honest first contacts succeed; Zeek's scan policy also draws the line
    at 15 ports.

    Inside, no honest host meets 15 closed ports on one other, however slowly, so time does not matter. Outside it does:
    on genuine records of a small cluster the busiest internet source tried 218 TCP ports of one public address in ten
    minutes, and hardly one tries more, since mass scanners spread over the address space (Durumeric, Bailey, Halderman,
    "An Internet-Wide View of Internet-Wide Scanning", USENIX Security 2014). So from there a scan needs `outside_ports`
    new ports within an hour, or `outside_open_ports` and an answer from a port that is no web service.

    Without SYN evidence, one source port and less than `min_low_ports` refused ports below 1024 may be a server's
    answers to a client (operating systems and NAT gateways hand out 1024 and above), unless the source port is one that
    clients have, 32,768 or above, and `min_ports` refused ports are not. Over UDP only ports below 1024
    count, since voice, games and peer-to-peer use any other.

    Blind spots: a scan split over many sources; ports inside one interface's pod network. Source: Jung et al., "Fast
    Portscan Detection Using Sequential Hypothesis Testing", IEEE S&P 2004; Zeek `policy/misc/scan.zeek`.

    >>> import flowkit
    >>> flowkit.security.port_scans(flowkit.open("sample:")).table.columns[0]
    'reading'
    """
    sql = _bound("", min_ports, min_low_ports, outside_ports, outside_open_ports, top_n)
    return flows.ask(sql, caveats=_CAVEATS)


_EVIDENCE = f"""
WITH {ATTEMPTS}
SELECT min(srcaddr) AS srcaddr, min(dstaddr) AS dstaddr, dstport, protocol, max(answered) = 1 AS answered,
       count(*) AS attempts,
       CAST(sum(CASE WHEN rejected THEN 1 ELSE 0 END) AS BIGINT) AS rejected, min(start_s) AS first_s,
       max(end_s) AS last_s
FROM attempts WHERE source IN $sources AND dst_id IN $targets AND protocol = $protocol
GROUP BY dst_id, dstport, protocol ORDER BY max(answered) DESC, min(start_s), dstport, dst_id LIMIT 20
"""

_SOURCES = f"""
WITH {ATTEMPTS}
SELECT DISTINCT srcaddr FROM attempts WHERE source IN $sources AND dst_id IN $targets AND protocol = $protocol
       ORDER BY srcaddr
"""


def port_scan(
    flows: Flows, *, min_ports: int = MIN_PORTS, outside_ports: int = OUTSIDE_PORTS,
    outside_open_ports: int = OUTSIDE_OPEN_PORTS,
) -> list[Finding]:  # fmt: skip
    """Findings of `port_scans`: a scan from inside is high, from the internet medium; `unclear` ones from inside are
    low.

    Three or more internet sources at one target within the same hours are one finding.
    """
    rows = rows_of(flows.sql(_bound(_KEYS, min_ports, MIN_LOW_PORTS, outside_ports, outside_open_ports, 500)))
    scans = [row for row in rows if row["reading"] == "scan"]
    unclear = [row for row in rows if row["reading"] == "unclear" and row["inside"]]
    crowds = crowd_findings(flows, "ports")
    told = {pair for _, pairs in crowds for pair in pairs}
    scans = [row for row in scans if (row["source"], row["dst_id"], row["protocol"]) not in told]
    return [
        *(crowd for crowd, _ in crowds),
        *(_finding(flows, group) for group in _together(scans)),
        *block_findings(flows),
        *(_unclear(flows, row) for row in unclear),
    ]


def _together(rows: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Rows that make one finding: internet sources at one target by three, targets of one of ours by five."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["inside"], row["source" if row["inside"] else "dst_id"], row["protocol"]), []).append(
            row
        )
    crowds = [
        group
        for (inside, *_), group in groups.items()
        if len(group) >= (MERGED_TARGETS if inside else MERGED_SOURCES) and _overlap(group)
    ]
    crowded = {id(row) for group in crowds for row in group}
    return [[row] for row in rows if id(row) not in crowded] + crowds


def _overlap(group: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the rows follow one another with no more than an hour between."""
    ordered = sorted(group, key=lambda row: row["first_s"])
    last_s = ordered[0]["last_s"]
    for row in ordered[1:]:
        if row["first_s"] > last_s + 3600:
            return False
        last_s = max(last_s, row["last_s"])
    return True


def _finding(flows: Flows, group: Sequence[Mapping[str, Any]]) -> Finding:
    row = group[0]
    targets = {one["dst_id"]: one["dstaddr"] for one in group}
    named = {"sources": [one["source"] for one in group], "targets": list(targets), "protocol": row["protocol"]}
    addresses = flows.arrow(bind(_SOURCES, **named)).column("srcaddr").to_pylist()
    inside = bool(row["inside"])
    who = (
        host(row["srcaddr"], row["src_name"])
        if len(addresses) == 1
        else count_of(len(addresses), "address", "addresses")
    )
    whom = host(row["dstaddr"], row["dst_name"]) if len(targets) == 1 else f"each of {len(targets):,} hosts"
    first_s, last_s = min(one["first_s"] for one in group), max(one["last_s"] for one in group)
    ports, opened = max(one["ports"] for one in group), max(one["answered_ports"] for one in group)
    subject = {"srcaddr": one_or_list(addresses), "dstaddr": one_or_list(targets.values()), "protocol": row["protocol"]}
    found = f"{count_of(opened, 'port')} answered, the others were refused or silent."
    if not opened:
        found = "All were refused or silent."
    origin = (
        "The source is one of your own hosts or networks, so either somebody tests it or it is no longer only yours."
        if inside
        else "The pace is well above that of the internet's background noise, so somebody means this host."
    )
    return Finding(
        id=finding_id("port_scan", {**subject, "srcaddr": addresses}),
        rule="port_scan",
        title=f"{who} scanned {ports:,} {protocol_name(row['protocol'])} ports of {whom}",
        severity="high" if inside else "medium",
        confidence=0.95 if row["walk"] >= SURE_WALK else 0.8,
        subject=subject,
        first_seen=iso(first_s),
        last_seen=iso(last_s),
        count=ports,
        explanation=(f"{who} tried {count_of(ports, 'port')} of {whom} in {_span(last_s - first_s)}. {found} {origin}"),
        could_also_be="A vulnerability scanner or an inventory tool that you run yourselves; a test that somebody "
        "ordered.",
        next_step=(
            f"See what runs on the source and what else it did in this period. Whose it is: {look_up(addresses[0])}"
            if inside
            else ("Check that the ports which answered are meant to be public, and see " if opened else "See ")
            + "what else the source did. The target's security groups: "
            + look_up(row["dstaddr"], show="NetworkInterfaces[].Groups[]")
        ),
        evidence=rows_of(flows.sql(bind(_EVIDENCE, **named))),
        attack=("T1046",) if inside else ("T1595.001", "T1046"),
    )


def _unclear(flows: Flows, row: Mapping[str, Any]) -> Finding:
    who, whom = host(row["srcaddr"], row["src_name"]), host(row["dstaddr"], row["dst_name"])
    named = {"sources": [row["source"]], "targets": [row["dst_id"]], "protocol": row["protocol"]}
    return Finding(
        id=finding_id("port_scan", {"srcaddr": row["srcaddr"], "dstaddr": row["dstaddr"], "protocol": row["protocol"]}),
        rule="port_scan",
        title=f"{who} sent to {row['ports']:,} {protocol_name(row['protocol'])} ports of {whom} without an answer",
        severity="low",
        confidence=0.3,
        subject={"srcaddr": row["srcaddr"], "dstaddr": row["dstaddr"], "protocol": row["protocol"]},
        first_seen=iso(row["first_s"]),
        last_seen=iso(row["last_s"]),
        count=row["ports"],
        explanation=(
            "Many ports of one host were refused or silent, but they may be answers to that host: hardly one of "
            "the ports lies below 1024, and this log does not tell who began."
        ),
        could_also_be="A server's answers to a client, of which this log has one direction only.",
        next_step=f"Add tcp-flags to the log format: it tells who began. The source: {look_up(row['srcaddr'])}",
        evidence=rows_of(flows.sql(bind(_EVIDENCE, **named))),
        attack=("T1046",),
    )


def _span(seconds: int) -> str:
    if seconds < 120:
        return count_of(max(1, seconds), "second")
    return count_of(round(seconds / 60), "minute") if seconds < 7200 else f"{seconds / 3600:.1f} hours"
