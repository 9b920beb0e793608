"""Vertical scans: one source, one target, many ports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowkit.engines import bind
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.attempts import ATTEMPTS, walk
from flowkit.security.wording import count_of, host, look_up, one_or_list, protocol_name, rows_of

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["port_scan", "port_scans"]

_PAIR = "source, dst_id, protocol"

# A port counts once per pair of hosts, answered or not in the whole period. `fresh` counts first contacts within an
# hour, in hours that begin on the hour and on the half hour, so that no half hour is cut in two.
_SQL = f"""
WITH {ATTEMPTS}
, contacts AS (
  SELECT source, dst_id, protocol, dstport, max(answered) AS answered, max(shown) AS shown, count(*) AS attempts,
         min(srcaddr) AS srcaddr, max(src_name) AS src_name, max(src_role) AS src_role, min(dstaddr) AS dstaddr,
         max(dst_name) AS dst_name, max(dst_role) AS dst_role, max(inside) AS inside, min(srcport) AS srcport,
         min(start_s) AS first_s, max(end_s) AS last_s
  FROM attempts GROUP BY source, dst_id, protocol, dstport
), many AS (
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
), {walk("candidates", _PAIR, "dstport").strip()}
, pairs AS (
  SELECT c.source, c.dst_id, c.protocol, min(srcaddr) AS srcaddr, max(src_name) AS src_name, max(src_role) AS src_role,
         min(dstaddr) AS dstaddr,
         max(dst_name) AS dst_name, max(dst_role) AS dst_role, max(inside) AS inside, CAST(count(*) AS BIGINT) AS ports,
         CAST(sum(answered) AS BIGINT) AS answered_ports,
         CAST(sum(CASE WHEN answered = 1 AND (s.kind IS NULL OR s.kind <> 'web') THEN 1
         ELSE 0 END) AS BIGINT) AS opened_ports,
         CAST(sum(CASE WHEN answered = 0 AND dstport < 1024 THEN 1 ELSE 0 END) AS BIGINT) AS low_ports,
         CAST(count(DISTINCT c.srcport) AS BIGINT) AS source_ports, max(shown) AS shown,
         CAST(sum(attempts) AS BIGINT) AS attempts, min(first_s) AS first_s,
         max(CASE WHEN answered = 0 THEN last_s END) AS last_s
  FROM candidates c
  LEFT JOIN service_ports s ON s.port = c.dstport AND s.protocol = c.protocol
  GROUP BY source, dst_id, c.protocol
)
SELECT CASE
         WHEN w.walk < $min_ports THEN 'mostly answered'
         WHEN NOT p.inside AND (COALESCE(p.dst_role, '') IN ('nat_gateway', 'regional_nat_gateway')
           OR (f.ports < $outside_ports
           AND (f.ports < $outside_open_ports OR p.opened_ports = 0))) THEN 'background'
         WHEN p.protocol = 17 AND p.low_ports < $min_ports THEN 'unclear'
         WHEN p.protocol = 6 AND p.shown = 0 AND p.source_ports * 4 < p.ports AND p.low_ports < $min_low_ports
           THEN 'unclear'
         ELSE 'scan' END AS reading,
       p.srcaddr, p.src_name, p.inside, p.dstaddr, p.dst_name, p.protocol, p.ports, p.answered_ports, p.attempts,
       CAST(f.ports AS BIGINT) AS most_ports_in_an_hour, w.walk, p.first_s, p.last_s$keys
FROM pairs p
JOIN walked w ON w.source = p.source AND w.dst_id = p.dst_id AND w.protocol = p.protocol
JOIN fresh f ON f.source = p.source AND f.dst_id = p.dst_id AND f.protocol = p.protocol
ORDER BY CASE WHEN w.walk >= $min_ports AND p.inside THEN 0 ELSE 1 END, p.ports DESC, p.srcaddr, p.dstaddr, p.protocol
LIMIT $top_n
"""

#: Columns for the rule alone: which rows of `attempts` a pair stands for.
_KEYS = ", p.source, p.dst_id"

_CAVEATS = (
    "A port counts once per pair of hosts. Slow scans from the internet cannot be told from its background noise, "
    "and are counted there.",
)


@question(needs=("srcaddr", "dstaddr", "dstport"), sharper_with=("tcp_flags", "action", "inventory"))
def port_scans(
    flows: Flows,
    *,
    min_ports: int = 15,
    min_low_ports: int = 5,
    outside_ports: int = 300,
    outside_open_ports: int = 100,
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

    Without SYN evidence, one source port and no more than `min_low_ports` refused ports below 1024 may be a server's
    answers to a client: operating systems and NAT gateways hand out 1024 and above. Over UDP only ports below 1024
    count, since voice, games and peer-to-peer use any other.

    Blind spots: a scan split over many sources; ports inside one interface's pod network. Source: Jung et al., "Fast
    Portscan Detection Using Sequential Hypothesis Testing", IEEE S&P 2004; Zeek `policy/misc/scan.zeek`.

    >>> import flowkit
    >>> flowkit.security.port_scans(flowkit.open("sample:")).table.columns[0]
    'reading'
    """
    sql = bind(
        _SQL.replace("$keys", ""), min_ports=min_ports, min_low_ports=min_low_ports, outside_ports=outside_ports,
        outside_open_ports=outside_open_ports, top_n=top_n,
    )  # fmt: skip
    return flows.ask(sql, caveats=_CAVEATS)


_EVIDENCE = f"""
WITH {ATTEMPTS}
SELECT min(srcaddr) AS srcaddr, min(dstaddr) AS dstaddr, dstport, protocol, max(answered) = 1 AS answered,
       count(*) AS attempts,
       CAST(sum(CASE WHEN rejected THEN 1 ELSE 0 END) AS BIGINT) AS rejected, min(start_s) AS first_s,
       max(end_s) AS last_s
FROM attempts WHERE source IN $sources AND dst_id = $dst_id AND protocol = $protocol
GROUP BY dstport, protocol ORDER BY max(answered) DESC, min(start_s), dstport LIMIT 20
"""

_SOURCES = f"""
WITH {ATTEMPTS}
SELECT DISTINCT srcaddr FROM attempts WHERE source IN $sources AND dst_id = $dst_id AND protocol = $protocol
       ORDER BY srcaddr
"""


def port_scan(
    flows: Flows, *, min_ports: int = 15, outside_ports: int = 300, outside_open_ports: int = 100
) -> list[Finding]:
    """Findings of `port_scans`: a scan from inside is high, from the internet medium; `unclear` ones from inside are
    low.

    Three or more internet sources at one target within the same hours are one finding.
    """
    sql = bind(
        _SQL.replace("$keys", _KEYS), min_ports=min_ports, min_low_ports=5, outside_ports=outside_ports,
        outside_open_ports=outside_open_ports, top_n=500,
    )  # fmt: skip
    rows = rows_of(flows.sql(sql))
    scans = [row for row in rows if row["reading"] == "scan"]
    unclear = [row for row in rows if row["reading"] == "unclear" and row["inside"]]
    return [_finding(flows, group) for group in _together(scans)] + [_unclear(flows, row) for row in unclear]


def _together(rows: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Rows that make one finding: outside sources at one target by three or more, else each alone."""
    at_target: dict[tuple[Any, Any], list[Mapping[str, Any]]] = {}
    for row in rows:
        if not row["inside"]:
            at_target.setdefault((row["dst_id"], row["protocol"]), []).append(row)
    crowds = [group for group in at_target.values() if len(group) >= 3 and _overlap(group)]
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
    target = {"dst_id": row["dst_id"], "protocol": row["protocol"]}
    named = {"sources": [one["source"] for one in group], **target}
    addresses = flows.arrow(bind(_SOURCES, **named)).column("srcaddr").to_pylist()
    inside = bool(row["inside"])
    who = (
        host(row["srcaddr"], row["src_name"])
        if len(addresses) == 1
        else count_of(len(addresses), "address", "addresses")
    )
    whom = host(row["dstaddr"], row["dst_name"])
    first_s, last_s = min(one["first_s"] for one in group), max(one["last_s"] for one in group)
    ports, opened = max(one["ports"] for one in group), max(one["answered_ports"] for one in group)
    found = f"{count_of(opened, 'port')} answered, the others were refused or silent."
    if not opened:
        found = "All were refused or silent."
    origin = (
        "The source is one of your own hosts or networks, so either somebody tests it or it is no longer only yours."
        if inside
        else "The pace is well above that of the internet's background noise, so somebody means this host."
    )
    return Finding(
        id=finding_id("port_scan", {"srcaddr": addresses, "dstaddr": row["dstaddr"], "protocol": row["protocol"]}),
        rule="port_scan",
        title=f"{who} scanned {ports:,} {protocol_name(row['protocol'])} ports of {whom}",
        severity="high" if inside else "medium",
        confidence=0.95 if row["walk"] >= 50 else 0.8,
        subject={"srcaddr": one_or_list(addresses), "dstaddr": row["dstaddr"], "protocol": row["protocol"]},
        first_seen=iso(first_s),
        last_seen=iso(last_s),
        count=ports,
        explanation=(f"{who} tried {count_of(ports, 'port')} of {whom} in {_span(last_s - first_s)}. {found} {origin}"),
        could_also_be="A vulnerability scanner or an inventory tool that you run yourselves; a test that somebody "
        "ordered.",
        next_step=(
            f"See what runs on the source and what else it did in this period. Whose it is: {look_up(addresses[0])}"
            if inside
            else "Check that the ports which answered are meant to be public, and see what else the source did. The "
            f"target: {look_up(row['dstaddr'])}"
        ),
        evidence=rows_of(flows.sql(bind(_EVIDENCE, **named))),
        attack=("T1046",) if inside else ("T1595.001", "T1046"),
    )


def _unclear(flows: Flows, row: Mapping[str, Any]) -> Finding:
    who, whom = host(row["srcaddr"], row["src_name"]), host(row["dstaddr"], row["dst_name"])
    named = {"sources": [row["source"]], "dst_id": row["dst_id"], "protocol": row["protocol"]}
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
        next_step="Add the field tcp-flags to the log format: it tells who began. The source: "
        + look_up(row["srcaddr"]),
        evidence=rows_of(flows.sql(bind(_EVIDENCE, **named))),
        attack=("T1046",),
    )


def _span(seconds: int) -> str:
    if seconds < 120:
        return count_of(max(1, seconds), "second")
    return count_of(round(seconds / 60), "minute") if seconds < 7200 else f"{seconds / 3600:.1f} hours"
