"""Beacons: small calls to one address outside, at a steady pace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flowkit.engines import bind
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.wording import count_of, host, look_up, rows_of, service

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["beacon", "beacons"]

_KEY = "src_id, dst_id, protocol, dstport"

# Starts of conversations, never of records: a long connection has perfectly periodic records. Calls that began in the
# same window are one start. Medians by row numbers, which every engine has.
_SQL = f"""
WITH calls AS (
  SELECT {_KEY}, start_s, max(end_s) AS end_s, min(srcaddr) AS srcaddr, max(src_name) AS src_name,
         min(dstaddr) AS dstaddr,
         max(dst_aws_service) AS aws_service, sum(fwd_bytes) AS fwd_bytes, sum(rev_bytes) AS rev_bytes,
         max(CASE WHEN rev_packets > 0 AND NOT rejected THEN 1 ELSE 0 END) AS answered
  FROM conversations
  WHERE in_period AND leg = '' AND path = 'outbound' AND dst_scope IN ('public', 'aws') AND initiator_by <> 'unknown'
    AND (protocol = 6 OR (protocol = 17 AND dstport NOT IN (53, 123)))
  GROUP BY {_KEY}, start_s
), prevalence AS (
  SELECT dst_id, dstport, protocol, count(DISTINCT src_id) AS hosts FROM calls GROUP BY dst_id, dstport, protocol
), many AS (
  SELECT {_KEY} FROM calls GROUP BY {_KEY} HAVING count(*) >= $min_calls
), gaps AS (
  SELECT c.*, c.start_s - lag(c.start_s) OVER (PARTITION BY c.src_id, c.dst_id, c.protocol, c.dstport
         ORDER BY c.start_s) AS gap_s
  FROM calls c
  JOIN many m ON m.src_id = c.src_id AND m.dst_id = c.dst_id AND m.protocol = c.protocol AND m.dstport = c.dstport
), placed AS (
  SELECT g.*, row_number() OVER (PARTITION BY {_KEY} ORDER BY gap_s NULLS LAST, start_s) AS gap_place,
         row_number() OVER (PARTITION BY {_KEY} ORDER BY fwd_bytes, start_s) AS size_place, count(*)
         OVER (PARTITION BY {_KEY}) AS calls
  FROM gaps g
), middles AS (
  SELECT {_KEY}, max(CASE WHEN gap_place * 2 <= calls THEN gap_s END) AS period_s,
         max(CASE WHEN size_place * 2 <= calls + 1 THEN fwd_bytes END) AS size_bytes
  FROM placed GROUP BY {_KEY}
), off AS (
  SELECT p.*, m.period_s, m.size_bytes,
         row_number() OVER (PARTITION BY p.src_id, p.dst_id, p.protocol, p.dstport
         ORDER BY abs(p.gap_s - m.period_s) NULLS LAST, p.start_s) AS gap_off,
         row_number() OVER (PARTITION BY p.src_id, p.dst_id, p.protocol, p.dstport
         ORDER BY abs(p.fwd_bytes - m.size_bytes), p.start_s) AS size_off
  FROM placed p
  JOIN middles m ON m.src_id = p.src_id AND m.dst_id = p.dst_id AND m.protocol = p.protocol AND m.dstport = p.dstport
), steady AS (
  SELECT {_KEY}, min(srcaddr) AS srcaddr, max(src_name) AS src_name, min(dstaddr) AS dstaddr,
         max(aws_service) AS aws_service,
         CAST(max(calls) AS BIGINT) AS calls, max(period_s) AS period_s,
         max(CASE WHEN gap_off * 2 <= calls THEN abs(gap_s - period_s) END) AS off_s,
         CAST(max(size_bytes) AS BIGINT) AS size_bytes, CAST(max(CASE WHEN size_off * 2 <= calls + 1
         THEN abs(fwd_bytes - size_bytes) END) AS BIGINT) AS off_bytes,
         CAST(sum(answered) AS BIGINT) AS answered, min(start_s) AS first_s, max(start_s) AS latest_s,
         max(end_s) AS last_s
  FROM off GROUP BY {_KEY}
)
SELECT CASE WHEN s.period_s < 2 * $interval_s THEN 'too fast to tell'
            WHEN s.off_s * 100 > 29 * $interval_s + $most_jitter_percent * s.period_s THEN 'irregular'
            WHEN (s.calls - 1) * s.period_s * 10 < 8 * (s.latest_s - s.first_s)
              OR (s.calls - 1) * s.period_s * 8 > 10 * (s.latest_s - s.first_s) THEN 'interrupted'
            WHEN s.off_bytes * 5 > s.size_bytes THEN 'sizes differ'
            WHEN p.hosts > $most_hosts THEN 'common destination'
            WHEN s.latest_s - s.first_s < $shortest_s THEN 'short'
            WHEN s.answered = 0 THEN 'never answered'
            ELSE 'beacon' END AS reading,
       s.srcaddr, s.src_name, s.dstaddr, s.aws_service, s.protocol, s.dstport, s.calls, s.period_s, s.off_s,
       s.size_bytes, s.off_bytes,
       CAST(p.hosts AS BIGINT) AS hosts, s.answered, s.first_s, s.last_s$keys
FROM steady s
JOIN prevalence p ON p.dst_id = s.dst_id AND p.dstport = s.dstport AND p.protocol = s.protocol
ORDER BY CASE WHEN s.off_s * 100 <= 29 * $interval_s + $most_jitter_percent * s.period_s AND p.hosts <= $most_hosts
  THEN 0 ELSE 1 END,
         s.calls DESC, s.srcaddr, s.dstaddr, s.protocol, s.dstport
LIMIT $top_n
"""

_KEYS = ", s.src_id, s.dst_id"

_CAVEATS = (
    "A start is known to its window only: periods below twice the interval cannot be told, and read 'too fast to "
    "tell'.",
)


@question(
    needs=("srcaddr", "dstaddr", "dstport", "start_s"), sharper_with=("tcp_flags", "pkt_dst_aws_service", "inventory")
)
def beacons(
    flows: Flows,
    *,
    min_calls: int = 12,
    most_jitter_percent: int = 15,
    most_hosts: int = 2,
    shortest_s: int = 7200,
    top_n: int = 50,
) -> Answer:
    """Which hosts call one address outside at a steady pace?

    Rows per source, destination and port with at least `min_calls` conversations: `period_s` is the median time between
    starts, `off_s` the median deviation from it, `size_bytes` and `off_bytes` the same of what was sent, `hosts` how
    many of ours call there. `reading` is `beacon`, or the first thing that speaks against it: `too fast to tell`,
    `irregular`, `interrupted` (calls times period is not the time covered, within a quarter), `sizes differ` (median
    deviation over a fifth), `common destination` (more than `most_hosts` of our hosts: an update server, an agent's
    home), `short` (under `shortest_s`), `never answered`.

    `off_s` may be `most_jitter_percent` of the period (15 % is what a jitter of 30 % either way gives), and 0.29
    windows more: two starts, each known to its window, are off by that at the median. Calls at random have a median
    deviation of 69 % of their median.

    Blind spots: a partner that one program polls looks the same; name servers and time servers are left out; a pause in
    the night. Source: Active Countermeasures, RITA (median deviation of interval and size, prevalence).

    >>> import flowkit
    >>> flowkit.security.beacons(flowkit.open("sample:")).table.columns[0]
    'reading'
    """
    sql = bind(
        _SQL.replace("$keys", ""), min_calls=min_calls, most_jitter_percent=most_jitter_percent, most_hosts=most_hosts,
        shortest_s=shortest_s, interval_s=flows.interval_s, top_n=top_n,
    )  # fmt: skip
    return flows.ask(sql, caveats=_CAVEATS)


_EVIDENCE = """
SELECT start_s, end_s, srcport, fwd_bytes, rev_bytes, state FROM conversations
WHERE in_period AND leg = '' AND src_id = $src_id AND dst_id = $dst_id AND protocol = $protocol AND dstport = $dstport
ORDER BY start_s, srcport LIMIT 20
"""


def beacon(flows: Flows) -> list[Finding]:
    """Findings of `beacons`: medium; low where nobody ever answered or the destination is a service of AWS."""
    sql = bind(
        _SQL.replace("$keys", _KEYS), min_calls=12, most_jitter_percent=15, most_hosts=2, shortest_s=7200,
        interval_s=flows.interval_s, top_n=200,
    )  # fmt: skip
    rows = rows_of(flows.sql(sql))
    return [_finding(flows, row) for row in rows if row["reading"] in ("beacon", "never answered")]


def _finding(flows: Flows, row: Mapping[str, Any]) -> Finding:
    who, what = host(row["srcaddr"], row["src_name"]), service(row["dstport"], row["protocol"])
    harmless = row["reading"] != "beacon" or row["aws_service"] is not None
    subject = {name: row[name] for name in ("srcaddr", "dstaddr", "dstport", "protocol")}
    named = {name: row[name] for name in ("src_id", "dst_id", "protocol", "dstport")}
    return Finding(
        id=finding_id("beacon", subject),
        rule="beacon",
        title=f"{who} calls {row['dstaddr']} every {row['period_s']:,} seconds",
        severity="low" if harmless else "medium",
        confidence=0.4 if harmless else 0.7,
        subject=subject,
        first_seen=iso(row["first_s"]),
        last_seen=iso(row["last_s"]),
        count=row["calls"],
        explanation=(
            f"{who} called {what} of {row['dstaddr']} {row['calls']:,} times, one call every {row['period_s']:,} "
            f"s (half of them within {row['off_s']:,} s of that), "
            f"each of about {row['size_bytes']:,} bytes. Only {count_of(row['hosts'], 'host')} of yours speaks "
            "with that address. Programs that wait for "
            "orders call home like this." + (" Nobody ever answered." if row["answered"] == 0 else "")
        ),
        could_also_be="An agent, a licence check, a feed or a partner's interface that one program polls.",
        next_step=f"Find the program on {who} that opens these connections, and ask whose the address is. The host: "
        f"{look_up(row['srcaddr'])}",
        evidence=rows_of(flows.sql(bind(_EVIDENCE, **named))),
        attack=("T1071", "T1571") if row["dstport"] not in (80, 443) else ("T1071.001",),
    )
