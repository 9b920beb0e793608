"""How many connections an interface has at once, between a lower and an upper bound."""

from __future__ import annotations

from flowkit.engines import bind
from flowkit.flows import Flows
from flowkit.question import Answer, question

__all__ = ["concurrency"]

# One row per tuple and interface, both directions together: the ends in a fixed order. A tuple is surely alive from
# the end of its first window to the start of its last one. `change` is summed in time order, births before deaths at
# one instant.
_SQL = """
WITH tuples AS (
  SELECT observer, protocol,
         CASE WHEN src_key < dst_key OR (src_key = dst_key AND srcport <= dstport) THEN src_key
          ELSE dst_key END AS a_key,
         CASE WHEN src_key < dst_key OR (src_key = dst_key AND srcport <= dstport) THEN srcport
          ELSE dstport END AS a_port,
         CASE WHEN src_key < dst_key OR (src_key = dst_key AND srcport <= dstport) THEN dst_key
          ELSE src_key END AS b_key,
         CASE WHEN src_key < dst_key OR (src_key = dst_key AND srcport <= dstport) THEN dstport
          ELSE srcport END AS b_port,
         start_s, end_s
  FROM flows WHERE protocol IN (6, 17) AND srcport > 0 AND dstport > 0 AND action = 'ACCEPT'
), lives AS (
  SELECT observer, protocol, a_key, a_port, b_key, b_port, min(end_s) AS born_s, max(start_s) AS last_s
  FROM tuples GROUP BY observer, protocol, a_key, a_port, b_key, b_port
), changes AS (
  SELECT observer, born_s AS at_s, 1 AS change FROM lives WHERE last_s >= born_s
  UNION ALL
  SELECT observer, last_s + 1, -1 FROM lives WHERE last_s >= born_s
), moments AS (
  SELECT observer, at_s, CAST(sum(change) AS BIGINT) AS change FROM changes GROUP BY observer, at_s
), alive AS (
  SELECT observer, at_s, CAST(sum(change) OVER (PARTITION BY observer ORDER BY at_s
                              ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS BIGINT) AS n
  FROM moments
), windows AS (
  SELECT observer, start_s, CAST(count(*) AS BIGINT) AS n FROM (
    SELECT DISTINCT observer, start_s - start_s % $interval_s AS start_s, protocol, a_key, a_port, b_key, b_port
    FROM tuples
  ) AS distinct_tuples GROUP BY observer, start_s
)
SELECT i.observer, i.name, i.role, COALESCE(a.n, 0) AS connections_at_least, w.n AS connections_at_most
FROM (SELECT observer, max(n) AS n FROM windows GROUP BY observer) w
JOIN interfaces i ON i.observer = w.observer
LEFT JOIN (SELECT observer, max(n) AS n FROM alive GROUP BY observer) a ON a.observer = w.observer
ORDER BY connections_at_least DESC, connections_at_most DESC, i.observer
LIMIT $top_n
"""


@question(needs=("srcaddr", "dstaddr", "srcport", "dstport", "start_s", "end_s"), sharper_with=("inventory",))
def concurrency(flows: Flows, *, top_n: int = 20) -> Answer:
    """How many connections does each interface have at once, at least and at most?

    Rows per interface, the `top_n` with most: `connections_at_least` were surely open at one moment, since packets of
    theirs were seen both before and after it; `connections_at_most` is the largest number of different TCP and UDP
    tuples within one aggregation interval, which need not have been open together. The true maximum lies between.
    Accepted records only.

    Blind spots: connections shorter than a window only raise the upper bound; an idle connection without packets in
    the period is not seen; a NAT gateway's limit (55,000 per destination and address) is per destination, this count
    is not. Source: rows of one window overlap by construction, so counting rows says nothing (docs/tables.md).
    """
    return flows.ask(
        bind(_SQL, interval_s=flows.interval_s, top_n=top_n),
        caveats=("The lower bound is what judgements rest on; the upper bound counts what shared a window.",),
    )
