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

#: Sent to one address: what somebody should know of, whatever the host does otherwise.
MIN_BYTES = 1_000_000_000
#: The same where the address is new, and took far more in an hour than the host usually sends.
NEW_BYTES = 100_000_000
#: More hosts of ours speak with a common destination.
MOST_HOSTS = 2
#: Bytes sent for each received, at least: what is fetched or talked over goes both ways.
ASYMMETRY = 10
#: So many times what the host sends to all other addresses together: its own measure.
OVER_ELSEWHERE = 3
#: Robust standard deviations of the host's own hours that a new contact's busiest hour must exceed (1.4826 times the
#: median absolute deviation is one; Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993, draw at 3.5, and
#: hours of a network have longer tails than theirs).
DEVIATIONS = 6
#: Peers are the hosts of the same subnet: what half of four or more of them send to common destinations, a third of it
#: at least, is their work.
MIN_PEERS, PEER_PART = 4, 3
#: A host that so many of ours send to, and that passes on no more than twice what it got, collects for them.
COLLECTS_FROM = 10
#: New means: not seen in the first part of the period, in %, and not in the first six hours.
NEW_AFTER_PERCENT, NEW_AFTER_S = 25, 6 * 3600
#: A feed sends in three of four hours, in a period of four hours or more; a job on three days.
STEADY_PERCENT, STEADY_S, RECURRING_DAYS = 75, 4 * 3600, 3
#: In as many hours, on two days or more, it drips.
DRIP_HOURS, DRIP_DAYS = 12, 2

# Bytes by the hour of their records. `elsewhere_bytes`: what the same host sent to all other addresses outside, AWS's
# services apart, in the whole period. `usual_bytes` is the median over all hours of the log of what it sent outside
# without this destination, `off_bytes` the median deviation; `peak_bytes` is the destination's busiest hour. What goes
# to several ports of one address is several rows.
_SQL = """
WITH sent AS (
  SELECT s.hour_s, s.src_id, s.dst_id, s.src_network, s.src_subnet_id, s.dst_scope, s.protocol, s.dstport, s.fwd_bytes,
         s.rev_bytes
  FROM services_hour s
  WHERE s.path = 'outbound' AND s.initiator_known AND s.dst_scope IN ('public', 'aws')
), prevalence AS (
  SELECT dst_id, count(DISTINCT src_id) AS hosts FROM sent GROUP BY dst_id
), hosts AS (
  SELECT endpoint_id, min(address) AS address, max(name) AS name, max(aws_service) AS aws_service
  FROM addresses GROUP BY endpoint_id
), pairs AS (
  SELECT src_id, dst_id, protocol, dstport, max(dst_scope) AS dst_scope,
         max(COALESCE(src_subnet_id, src_network)) AS neighbourhood,
         CAST(sum(fwd_bytes) AS BIGINT) AS sent_bytes, CAST(sum(rev_bytes) AS BIGINT) AS received_bytes,
         CAST(count(DISTINCT CASE WHEN fwd_bytes > 0 THEN hour_s - hour_s % 86400 END) AS BIGINT) AS days,
         CAST(count(DISTINCT CASE WHEN fwd_bytes > 0 THEN hour_s END) AS BIGINT) AS hours
  FROM sent GROUP BY src_id, dst_id, protocol, dstport HAVING sum(fwd_bytes) >= $least_bytes
), own AS (
  SELECT src_id, sum(fwd_bytes) AS bytes FROM sent WHERE dst_scope = 'public' GROUP BY src_id
), at_work AS (
  SELECT s.src_id, max(COALESCE(s.src_subnet_id, s.src_network)) AS neighbourhood,
         sum(CASE WHEN v.hosts > $most_hosts THEN s.fwd_bytes ELSE 0 END) AS bytes
  FROM sent s JOIN prevalence v ON v.dst_id = s.dst_id GROUP BY s.src_id
), peers AS (
  SELECT p.src_id, p.dst_id, p.protocol, p.dstport, count(*) AS peers,
         sum(CASE WHEN o.bytes * $peer_part >= p.sent_bytes THEN 1 ELSE 0 END) AS alike
  FROM pairs p JOIN at_work o ON o.neighbourhood = p.neighbourhood AND o.src_id <> p.src_id
  GROUP BY p.src_id, p.dst_id, p.protocol, p.dstport
), collected AS (
  SELECT s.dst_id AS src_id, count(DISTINCT s.src_id) AS givers, sum(s.fwd_bytes) AS bytes
  FROM services_hour s JOIN (SELECT DISTINCT src_id FROM pairs) p ON p.src_id = s.dst_id
  WHERE s.path = 'internal' GROUP BY s.dst_id
), log_hours AS (
  SELECT DISTINCT hour_s FROM services_hour
), host_hours AS (
  SELECT src_id, dst_id, hour_s, sum(fwd_bytes) AS bytes FROM sent WHERE src_id IN (SELECT src_id FROM pairs)
  GROUP BY src_id, dst_id, hour_s
), by_hour AS (
  SELECT p.src_id, p.dst_id, p.protocol, p.dstport, l.hour_s,
         CAST(COALESCE(sum(CASE WHEN h.dst_id = p.dst_id THEN 0 ELSE h.bytes END), 0) AS BIGINT) AS other_bytes,
         CAST(COALESCE(sum(CASE WHEN h.dst_id = p.dst_id THEN h.bytes ELSE 0 END), 0) AS BIGINT) AS pair_bytes
  FROM pairs p CROSS JOIN log_hours l
  LEFT JOIN host_hours h ON h.src_id = p.src_id AND h.hour_s = l.hour_s
  GROUP BY p.src_id, p.dst_id, p.protocol, p.dstport, l.hour_s
), ranked AS (
  SELECT h.*, row_number() OVER (PARTITION BY src_id, dst_id, protocol, dstport ORDER BY other_bytes, hour_s) AS place,
         count(*) OVER (PARTITION BY src_id, dst_id, protocol, dstport) AS hours
  FROM by_hour h
), usual AS (
  SELECT src_id, dst_id, protocol, dstport, max(CASE WHEN place * 2 <= hours + 1 THEN other_bytes END) AS usual_bytes,
         max(pair_bytes) AS peak_bytes
  FROM ranked GROUP BY src_id, dst_id, protocol, dstport
), strayed AS (
  SELECT r.src_id, r.dst_id, r.protocol, r.dstport, u.usual_bytes, u.peak_bytes, r.hours,
         abs(r.other_bytes - u.usual_bytes) AS stray_bytes,
         row_number() OVER (PARTITION BY r.src_id, r.dst_id, r.protocol, r.dstport
                            ORDER BY abs(r.other_bytes - u.usual_bytes), r.hour_s) AS place
  FROM ranked r
  JOIN usual u ON u.src_id = r.src_id AND u.dst_id = r.dst_id AND u.protocol = r.protocol AND u.dstport = r.dstport
), measured AS (
  SELECT src_id, dst_id, protocol, dstport, max(usual_bytes) AS usual_bytes, max(peak_bytes) AS peak_bytes,
         max(CASE WHEN place * 2 <= hours + 1 THEN stray_bytes END) AS off_bytes
  FROM strayed GROUP BY src_id, dst_id, protocol, dstport
), seen AS (
  SELECT c.src_id, c.dst_id, c.protocol, c.dstport, min(c.start_s) AS first_s, max(c.end_s) AS last_s,
         max(c.end_s - c.start_s) AS longest_s, CAST(count(*) AS BIGINT) AS conversations
  FROM conversations c
  JOIN pairs p ON p.src_id = c.src_id AND p.dst_id = c.dst_id AND p.protocol = c.protocol AND p.dstport = c.dstport
  WHERE c.leg = '' GROUP BY c.src_id, c.dst_id, c.protocol, c.dstport
), arrived AS (
  SELECT src_id, min(hour_s) AS arrived_s FROM services_hour WHERE src_id IN (SELECT src_id FROM pairs) GROUP BY src_id
), told AS (
  SELECT p.*, v.hosts, s.first_s, s.last_s, s.longest_s, s.conversations, m.usual_bytes, m.peak_bytes, m.off_bytes,
         COALESCE(e.peers, 0) AS peers, COALESCE(e.alike, 0) AS alike, COALESCE(g.givers, 0) AS givers,
         COALESCE(g.bytes, 0) AS given_bytes, a.aws_service, h.address AS srcaddr, h.name AS src_name,
         a.address AS dstaddr,
         COALESCE(o.bytes, 0) - CASE WHEN p.dst_scope = 'public' THEN p.sent_bytes ELSE 0 END AS elsewhere_bytes,
         s.first_s >= $known_s AND r.arrived_s < $known_s AS first_contact
  FROM pairs p
  JOIN prevalence v ON v.dst_id = p.dst_id
  JOIN seen s ON s.src_id = p.src_id AND s.dst_id = p.dst_id AND s.protocol = p.protocol AND s.dstport = p.dstport
  JOIN measured m ON m.src_id = p.src_id AND m.dst_id = p.dst_id AND m.protocol = p.protocol AND m.dstport = p.dstport
  JOIN hosts h ON h.endpoint_id = p.src_id
  JOIN hosts a ON a.endpoint_id = p.dst_id
  JOIN arrived r ON r.src_id = p.src_id
  LEFT JOIN own o ON o.src_id = p.src_id
  LEFT JOIN peers e ON e.src_id = p.src_id AND e.dst_id = p.dst_id AND e.protocol = p.protocol AND e.dstport = p.dstport
  LEFT JOIN collected g ON g.src_id = p.src_id
)
SELECT CASE WHEN t.aws_service IS NOT NULL OR t.dst_scope = 'aws' THEN 'service of AWS'
            WHEN t.hosts > $most_hosts THEN 'common destination'
            WHEN t.sent_bytes < $asymmetry * t.received_bytes THEN 'both ways'
            WHEN t.sent_bytes < $over_elsewhere * t.elsewhere_bytes THEN 'usual for this host'
            WHEN t.peers >= $min_peers AND t.alike * 2 >= t.peers THEN 'usual among its peers'
            WHEN t.givers >= $collects_from AND t.sent_bytes <= 2 * t.given_bytes THEN 'collected'
            WHEN t.first_contact AND t.hours >= $drip_hours AND t.days >= $drip_days THEN 'drip'
            WHEN t.sent_bytes < $min_bytes AND NOT (t.first_contact
              AND t.peak_bytes * 10000 > t.usual_bytes * 10000 + $deviations * 14826 * t.off_bytes) THEN 'small'
            WHEN $period_s >= $steady_s AND t.hours * 3600 * 100 >= $steady_percent * $period_s THEN 'steady'
            WHEN t.days >= $recurring_days THEN 'recurring'
            ELSE 'unusual' END AS reading,
       t.srcaddr, t.src_name, t.dstaddr, t.protocol, t.dstport, t.sent_bytes, t.received_bytes,
       CAST(t.elsewhere_bytes AS BIGINT) AS elsewhere_bytes, t.usual_bytes AS usual_hour_bytes,
       t.peak_bytes AS peak_hour_bytes, CAST(t.hosts AS BIGINT) AS hosts, t.first_contact, t.hours, t.days, t.longest_s,
       t.conversations, t.first_s, t.last_s$keys
FROM told t
ORDER BY t.sent_bytes DESC, t.srcaddr, t.dstaddr, t.protocol, t.dstport
LIMIT $top_n
"""

_KEYS = ", t.src_id, t.dst_id"

_CAVEATS = (
    "Bytes count once, headers included. What a web server sends its visitors is not sent out in this sense: they "
    "began.",
)


@question(needs=("srcaddr", "dstaddr", "bytes"), sharper_with=("pkt_dst_aws_service", "tcp_flags", "inventory"))
def exfiltrations(flows: Flows, *, min_bytes: int = MIN_BYTES, most_hosts: int = MOST_HOSTS, top_n: int = 50) -> Answer:
    """Who sent unusually much to one address outside?

    Rows per source, destination and port with 100 MB or more sent in conversations that our side began:
    `received_bytes` back, `elsewhere_bytes` to all other public addresses, `usual_hour_bytes` the median of what the
    host sends outside in an hour otherwise, `peak_hour_bytes` the most to this destination in an hour, `hosts` of ours
    that speak with it, `first_contact` (not seen in the first quarter of the period, six hours at least, though the
    host was), `hours` and `days` in which it happened, `longest_s` the longest conversation.

    `reading` is `unusual` (`min_bytes`, or less where the contact is new and its busiest hour stands six robust
    standard deviations above the host's own), `drip` (a new contact that takes its part in twelve hours or more, over
    two days at least), or the first thing that speaks against it: `service of AWS`, `common destination` (more than
    `most_hosts` hosts), `both ways` (less than ten sent for each byte received), `usual for this host` (not three times
    what it sends elsewhere), `usual among its peers` (half of its subnet sends a third of that or more to common
    destinations), `collected` (ten hosts sent it what it passes on: a backup or log server), `small`, `steady` (three
    of four hours or more: a feed, a camera), `recurring` (three days or more).

    Blind spots: theft in small pieces from the first hour on, or through a service everybody uses; data that the
    outside fetches. Source: the measures of asymmetry, rarity and own baseline follow Marchetti, Pierazzi, Colajanni,
    Guido, "Analysis of high volumes of network traffic for Advanced Persistent Threat detection", Computer Networks
    2016.

    >>> import flowkit
    >>> flowkit.security.exfiltrations(flowkit.open("sample:")).table.columns[0]
    'reading'
    """
    return flows.ask(_bound(flows, min_bytes, most_hosts, top_n, keys=""), caveats=_CAVEATS)


def _bound(flows: Flows, min_bytes: int, most_hosts: int, top_n: int, *, keys: str) -> str:
    since_s, until_s = flows.period
    known_s = since_s + max(NEW_AFTER_S, (until_s - since_s) * NEW_AFTER_PERCENT // 100)
    return bind(
        _SQL.replace("$keys", keys), min_bytes=min_bytes, least_bytes=min(min_bytes, NEW_BYTES), most_hosts=most_hosts,
        asymmetry=ASYMMETRY, over_elsewhere=OVER_ELSEWHERE, deviations=DEVIATIONS, min_peers=MIN_PEERS,
        peer_part=PEER_PART, collects_from=COLLECTS_FROM, known_s=known_s, steady_percent=STEADY_PERCENT,
        steady_s=STEADY_S, recurring_days=RECURRING_DAYS, drip_hours=DRIP_HOURS, drip_days=DRIP_DAYS,
        period_s=until_s - since_s, top_n=top_n,
    )  # fmt: skip


_EVIDENCE = """
SELECT start_s, end_s, srcport, fwd_bytes, rev_bytes, state FROM conversations
WHERE leg = '' AND src_id = $src_id AND dst_id = $dst_id AND protocol = $protocol AND dstport = $dstport
ORDER BY fwd_bytes DESC, start_s, srcport LIMIT 20
"""


#: Reading -> severity and confidence. Small amounts to a new address may be anything new.
_WORTH = {"unusual": ("high", 0.7), "drip": ("medium", 0.5), "recurring": ("low", 0.3), "collected": ("low", 0.3)}


def exfiltration(flows: Flows, *, min_bytes: int = MIN_BYTES) -> list[Finding]:
    """Findings of `exfiltrations`: unusual ones are high, below `min_bytes` medium, as drips are; recurring and
    collected ones low.
    """
    rows = rows_of(flows.sql(_bound(flows, min_bytes, MOST_HOSTS, 200, keys=_KEYS)))
    return [_finding(flows, row, min_bytes) for row in rows if row["reading"] in _WORTH]


def _finding(flows: Flows, row: Mapping[str, Any], min_bytes: int) -> Finding:
    who, what = host(row["srcaddr"], row["src_name"]), service(row["dstport"], row["protocol"])
    subject = {name: row[name] for name in ("srcaddr", "dstaddr", "dstport", "protocol")}
    named = {name: row[name] for name in ("src_id", "dst_id", "protocol", "dstport")}
    severity, confidence = _WORTH[row["reading"]]
    if row["reading"] == "unusual" and row["sent_bytes"] < min_bytes:
        severity, confidence = "medium", 0.5
    told = {
        "drip": f" They were strangers, then it sent in {row['hours']} hours of {row['days']} days, little at a time.",
        "recurring": f" It happened on {row['days']} days, as a regular job does.",
        "collected": " Other hosts of yours sent it as much, as they do to a backup or log server.",
        "unusual": " It did not speak with it in the first quarter of this period." if row["first_contact"] else "",
    }[row["reading"]]
    return Finding(
        id=finding_id("exfiltration", subject),
        rule="exfiltration",
        title=f"{who} sent {row['sent_bytes'] / 1e9:,.1f} GB to {row['dstaddr']}",
        severity=severity,
        confidence=confidence,
        subject=subject,
        first_seen=iso(row["first_s"]),
        last_seen=iso(row["last_s"]),
        count=row["conversations"],
        explanation=(
            f"{who} sent {row['sent_bytes']:,} bytes to {what} of {row['dstaddr']} and got "
            f"{row['received_bytes']:,} back; to all other public addresses "
            f"together it sent {row['elsewhere_bytes']:,}. {count_of(row['hosts'], 'host')} of yours "
            f"{'speaks' if row['hosts'] == 1 else 'speak'} with that address."
            + " Much that leaves for one address which hardly anybody else of yours knows is what theft looks like."
            + f" Apart from that, the median of its hours is {row['usual_hour_bytes']:,} bytes; the busiest hour here "
            f"took {row['peak_hour_bytes']:,}, the longest conversation {row['longest_s'] / 3600:,.1f} hours." + told
        ),
        could_also_be="A backup, an upload or a delivery to a partner; a migration that somebody ordered.",
        next_step=f"Ask the owner of {who} what it sends there, and cut it off if nobody knows. Its interface, with "
        f"owner and security groups: {look_up(row['srcaddr'])}",
        evidence=rows_of(flows.sql(bind(_EVIDENCE, **named))),
        attack=("T1048",),
    )
