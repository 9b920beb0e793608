"""Beacons: calls to one address outside, at a steady pace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flowkit.engines import bind
from flowkit.engines.ctes import matching, share
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.wording import count_of, host, look_up, rows_of, service

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["beacon", "beacons"]

share("paced", "known_hosts")

#: Fewer calls make no rhythm: of eleven gaps between calls at random, nine lie within half of their median in 0.3 % of
#: all cases (binomial, 0.35 each, see PACE_SHARE), of six gaps, five do in 2 %.
MIN_CALLS = 12
#: How far a gap may lie from the median one, in % of it. Programs that jitter by 30 % about a schedule leave gaps of
#: 40 to 160 %, and 97 % of them lie within 50 to 150 %.
MOST_JITTER_PERCENT = 50
#: How many gaps must lie that near, in %. Of calls at random (exponential gaps) 35 % do, of jittered ones 97 %; a fifth
#: may be lost calls or cut windows.
PACE_SHARE = 80
#: Median deviation of the bytes sent, in % of their median: a request that carries an answer is larger than one that
#: carries none, but not by a fifth at every other call.
SIZE_OFF_PERCENT = 20
#: How much of the time from the first call to the last the calls fill at that pace, in %.
LEAST_FILLED, MOST_FILLED = 80, 125
#: More hosts of ours at one address (or its /24, as large services spread over theirs) make it common: an update
#: server, the home of an agent. RITA calls it prevalence.
MOST_HOSTS = 2
#: A host with as many steady destinations is a monitor or a collector: malware has one home, or few.
MANY_ALIKE = 5
#: Below two hours a polling page in a browser or a build that waits looks the same.
SHORTEST_S = 7_200
#: Shortest period that can be told, in windows (sampling theorem), and from how many on an unanswered call and its
#: retry in the next window count as one.
LEAST_WINDOWS, RETRY_WINDOWS = 2, 4

_KEY = "src_id, dst_id, protocol, dstport"


def _on(one: str, other: str) -> str:
    return matching(_KEY, one, other)


def _of(alias: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in _KEY.split(", "))


# Starts of conversations, never of records: a long connection has perfectly periodic records. Calls that began in the
# same window are one start; a retry in the next window belongs to its call, where nobody ever answered and the pace is
# slow enough to tell (`wide_s`, the median of the longer gaps). Medians by row numbers, which every engine has.
_SQL = f"""
WITH starts AS (
  SELECT {_KEY}, start_s, max(end_s) AS end_s, CAST(sum(fwd_bytes) AS BIGINT) AS fwd_bytes,
         max(CASE WHEN rev_packets > 0 AND NOT rejected THEN 1 ELSE 0 END) AS answered,
         max(CASE WHEN rejected THEN 0 ELSE 1 END) AS let_out
  FROM conversations
  WHERE in_period AND leg = '' AND path = 'outbound' AND dst_scope IN ('public', 'aws') AND initiator_by <> 'unknown'
    AND (protocol = 6 OR (protocol = 17 AND dstport NOT IN (53, 123)))
  GROUP BY {_KEY}, start_s
), many AS (
  SELECT {_KEY} FROM starts GROUP BY {_KEY} HAVING count(*) >= $min_calls
), raw AS (
  SELECT s.*, s.start_s - lag(s.start_s) OVER (PARTITION BY {_of("s")} ORDER BY s.start_s) AS gap_s
  FROM starts s JOIN many m ON {_on("m", "s")}
), raw_placed AS (
  SELECT {_KEY}, gap_s, answered, row_number() OVER (PARTITION BY {_KEY} ORDER BY gap_s, start_s) AS place,
         count(*) OVER (PARTITION BY {_KEY}) AS gaps,
         CAST(sum(CASE WHEN gap_s <= $interval_s THEN 1 ELSE 0 END) OVER (PARTITION BY {_KEY}) AS BIGINT) AS narrow
  FROM raw WHERE gap_s IS NOT NULL
), paces AS (
  SELECT {_KEY}, max(CASE WHEN place * 2 <= gaps + 1 THEN gap_s END) AS raw_s, max(answered) AS ever,
         max(CASE WHEN place > narrow AND (place - narrow) * 2 <= gaps - narrow + 1 THEN gap_s END) AS wide_s
  FROM raw_placed GROUP BY {_KEY}
), marked AS (
  SELECT r.*, p.raw_s, CAST(sum(CASE WHEN r.gap_s > 0 AND (r.gap_s > $interval_s
           OR p.ever = 1 OR p.wide_s IS NULL OR p.wide_s < $retry_windows * $interval_s) THEN 1 ELSE 0 END)
         OVER (PARTITION BY {_of("r")} ORDER BY r.start_s ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS BIGINT)
         AS call_number
  FROM raw r JOIN paces p ON {_on("p", "r")}
), calls AS (
  SELECT {_KEY}, call_number, min(start_s) AS start_s, max(end_s) AS end_s, CAST(sum(fwd_bytes) AS BIGINT) AS fwd_bytes,
         max(answered) AS answered, max(let_out) AS let_out, max(raw_s) AS raw_s
  FROM marked GROUP BY {_KEY}, call_number
), gaps AS (
  SELECT c.*, start_s - lag(start_s) OVER (PARTITION BY {_KEY} ORDER BY start_s) AS gap_s FROM calls c
), placed AS (
  SELECT g.*, row_number() OVER (PARTITION BY {_KEY} ORDER BY gap_s NULLS LAST, start_s) AS gap_place,
         row_number() OVER (PARTITION BY {_KEY} ORDER BY fwd_bytes, start_s) AS size_place,
         count(*) OVER (PARTITION BY {_KEY}) AS calls
  FROM gaps g
), middles AS (
  SELECT {_KEY}, max(CASE WHEN gap_place * 2 <= calls THEN gap_s END) AS period_s,
         max(CASE WHEN size_place * 2 <= calls + 1 THEN fwd_bytes END) AS size_bytes
  FROM placed GROUP BY {_KEY} HAVING count(*) >= $min_calls
), off AS (
  SELECT p.*, m.period_s, m.size_bytes,
         row_number() OVER (PARTITION BY {_of("p")}
           ORDER BY abs(p.gap_s - m.period_s) NULLS LAST, p.start_s) AS gap_off,
         row_number() OVER (PARTITION BY {_of("p")} ORDER BY abs(p.fwd_bytes - m.size_bytes), p.start_s) AS size_off
  FROM placed p JOIN middles m ON {_on("m", "p")}
), timed AS (
  SELECT {_KEY}, CAST(max(calls) AS BIGINT) AS calls, max(raw_s) AS raw_s, max(period_s) AS period_s,
         max(CASE WHEN gap_off * 2 <= calls THEN abs(gap_s - period_s) END) AS off_s,
         CAST(sum(CASE WHEN abs(gap_s - period_s) * 100 <= $most_jitter_percent * period_s THEN 1 ELSE 0 END)
           AS BIGINT) AS on_pace,
         CAST(max(size_bytes) AS BIGINT) AS size_bytes,
         CAST(max(CASE WHEN size_off * 2 <= calls + 1 THEN abs(fwd_bytes - size_bytes) END) AS BIGINT) AS off_bytes,
         CAST(sum(answered) AS BIGINT) AS answered, max(let_out) AS let_out,
         min(start_s) AS first_s, max(start_s) AS latest_s, max(end_s) AS last_s
  FROM off GROUP BY {_KEY}
), paced AS (
  SELECT t.*, CASE WHEN period_s < $least_windows * $interval_s
                     OR (raw_s < $least_windows * $interval_s AND period_s < $retry_windows * $interval_s)
                     THEN 'too fast to tell'
                   WHEN on_pace * 100 < $pace_share * (calls - 1) THEN 'irregular'
                   WHEN (calls - 1) * period_s * 100 < $least_filled * (latest_s - first_s)
                     OR (calls - 1) * period_s * 100 > $most_filled * (latest_s - first_s) THEN 'interrupted'
                   WHEN answered > 0 AND off_bytes * 100 > $size_off_percent * size_bytes THEN 'sizes differ'
                   ELSE 'steady' END AS timing
  FROM timed t
), hosts AS (
  SELECT endpoint_id, min(address) AS address, max(name) AS name, max(aws_service) AS aws_service, min(scope) AS scope,
         min(substr(addr_key, 1, CASE WHEN address LIKE '%:%' THEN 16 ELSE 30 END)) AS block
  FROM addresses GROUP BY endpoint_id
), known_hosts AS (
  SELECT h.block, u.dstport, u.protocol, count(DISTINCT u.src_id) AS hosts
  FROM (SELECT DISTINCT {_KEY} FROM starts) u JOIN hosts h ON h.endpoint_id = u.dst_id
  GROUP BY h.block, u.dstport, u.protocol
), alike AS (
  SELECT src_id, dstport, protocol, count(*) AS targets FROM paced WHERE timing = 'steady'
  GROUP BY src_id, dstport, protocol
)
SELECT CASE WHEN j.timing <> 'steady' THEN j.timing
            WHEN k.hosts > $most_hosts THEN 'common destination'
            WHEN a.targets >= $many_alike THEN 'many alike'
            WHEN j.latest_s - j.first_s < $shortest_s THEN 'short'
            WHEN j.let_out = 0 THEN 'blocked'
            WHEN j.answered = 0 THEN 'never answered'
            ELSE 'beacon' END AS reading,
       s.address AS srcaddr, s.name AS src_name, d.address AS dstaddr, d.aws_service, j.protocol, j.dstport, j.calls,
       j.period_s, j.off_s, CAST(j.on_pace AS DOUBLE) / (j.calls - 1) AS on_pace_share, j.size_bytes,
       j.off_bytes, CAST(k.hosts AS BIGINT) AS hosts, j.answered, j.first_s, j.last_s$keys
FROM paced j
JOIN hosts s ON s.endpoint_id = j.src_id
JOIN hosts d ON d.endpoint_id = j.dst_id
JOIN known_hosts k ON k.block = d.block AND k.dstport = j.dstport AND k.protocol = j.protocol
LEFT JOIN alike a ON a.src_id = j.src_id AND a.dstport = j.dstport AND a.protocol = j.protocol
ORDER BY CASE WHEN j.timing = 'steady' AND k.hosts <= $most_hosts THEN 0 ELSE 1 END, j.calls DESC, s.address, d.address,
         j.protocol, j.dstport
LIMIT $top_n
"""

_KEYS = ", j.src_id, j.dst_id"

_CAVEATS = (
    "A start is known to its window only: periods below twice the interval are not detectable, and read 'too fast to "
    "tell'.",
)

_TIMES = {
    "pace_share": PACE_SHARE, "size_off_percent": SIZE_OFF_PERCENT, "least_filled": LEAST_FILLED,
    "most_filled": MOST_FILLED, "many_alike": MANY_ALIKE, "least_windows": LEAST_WINDOWS,
    "retry_windows": RETRY_WINDOWS,
}  # fmt: skip


@question(
    needs=("srcaddr", "dstaddr", "dstport", "start_s"), sharper_with=("tcp_flags", "pkt_dst_aws_service", "inventory")
)
def beacons(
    flows: Flows,
    *,
    min_calls: int = MIN_CALLS,
    most_jitter_percent: int = MOST_JITTER_PERCENT,
    most_hosts: int = MOST_HOSTS,
    shortest_s: int = SHORTEST_S,
    top_n: int = 50,
) -> Answer:
    """Which hosts call one address outside at a steady pace?

    Rows per source, destination and port with at least `min_calls` calls: `period_s` is the median time between their
    starts, `off_s` the median deviation from it, `on_pace_share` the share of gaps within `most_jitter_percent` of it,
    `size_bytes` and `off_bytes` the median of what was sent and its deviation, `hosts` how many of ours call there.
    `reading` is `beacon`, or `never answered` (the same, at a server that is gone), or the first thing that speaks
    against it: `too fast to tell` (a period below two windows is not detectable), `irregular` (less than four of
    five gaps on pace), `interrupted` (calls times period is not the time covered), `sizes differ` (median deviation
    over a fifth), `common destination` (more than `most_hosts` of our hosts call this address or its neighbours of the
    same /24 or IPv6 /64: an update server, an agent's home), `many alike` (the host calls five addresses like that: a
    monitor), `short` (under `shortest_s`), `blocked` (our own rules refuse every call: a misconfigured agent).

    Calls within one window count as one; where nobody answers and the period spans four windows, so do retries in the
    next.

    Blind spots: a partner that one program polls looks the same; a jitter far over 30 %; a connection that stays open;
    one home behind many addresses; name servers and time servers (UDP 53 and 123) are left out; a pause in the night.
    Source: Active Countermeasures, RITA (dispersion of interval and size, duration, prevalence). Where RITA averages
    scores, the share of gaps near their median is tested, since its distribution for calls at random is known.

    >>> import flowkit
    >>> flowkit.security.beacons(flowkit.open("sample:")).table.columns[0]
    'reading'
    """
    sql = bind(
        _SQL.replace("$keys", ""), min_calls=min_calls, most_jitter_percent=most_jitter_percent, most_hosts=most_hosts,
        shortest_s=shortest_s, interval_s=flows.interval_s, top_n=top_n, **_TIMES,
    )  # fmt: skip
    return flows.ask(sql, caveats=_CAVEATS)


_EVIDENCE = """
SELECT start_s, end_s, srcport, fwd_bytes, rev_bytes, state FROM conversations
WHERE in_period AND leg = '' AND src_id = $src_id AND dst_id = $dst_id AND protocol = $protocol AND dstport = $dstport
ORDER BY start_s, srcport LIMIT 20
"""


def beacon(flows: Flows) -> list[Finding]:
    """Findings of `beacons`: medium, answered or not; low where the destination is a service of AWS."""
    sql = bind(
        _SQL.replace("$keys", _KEYS), min_calls=MIN_CALLS, most_jitter_percent=MOST_JITTER_PERCENT,
        most_hosts=MOST_HOSTS, shortest_s=SHORTEST_S, interval_s=flows.interval_s, top_n=200, **_TIMES,
    )  # fmt: skip
    rows = rows_of(flows.sql(sql))
    return [_finding(flows, row) for row in rows if row["reading"] in ("beacon", "never answered")]


def _finding(flows: Flows, row: Mapping[str, Any]) -> Finding:
    who, what = host(row["srcaddr"], row["src_name"]), service(row["dstport"], row["protocol"])
    at_aws, dead = row["aws_service"] is not None, row["reading"] == "never answered"
    subject = {name: row[name] for name in ("srcaddr", "dstaddr", "dstport", "protocol")}
    named = {name: row[name] for name in ("src_id", "dst_id", "protocol", "dstport")}
    return Finding(
        id=finding_id("beacon", subject),
        rule="beacon",
        title=f"{who} calls {row['dstaddr']} every {row['period_s']:,} seconds" + (", unanswered" if dead else ""),
        severity="low" if at_aws else "medium",
        confidence=0.4 if at_aws else 0.5 if dead else 0.7,
        subject=subject,
        first_seen=iso(row["first_s"]),
        last_seen=iso(row["last_s"]),
        count=row["calls"],
        explanation=(
            f"{who} called {what} of {row['dstaddr']} {row['calls']:,} times, one call every {row['period_s']:,} s "
            f"(half of them within {row['off_s']:,} s of that), each of about {row['size_bytes']:,} bytes. Only "
            f"{count_of(row['hosts'], 'host')} of yours speaks with that address or its neighbours. Programs that wait "
            "for orders call home like this."
            + (" Nobody ever answered, and it goes on: perhaps its home was taken down." if dead else "")
        ),
        could_also_be="An agent, a licence check, a feed or a partner's interface that one program polls"
        + (", and that is no longer there." if dead else "."),
        next_step=f"Find the program on {who} that opens these connections, and ask whose the address is. The host: "
        f"{look_up(row['srcaddr'])}",
        evidence=rows_of(flows.sql(bind(_EVIDENCE, **named))),
        attack=("T1071", "T1571") if row["dstport"] not in (80, 443) else ("T1071.001",),
    )
