"""How many connections an interface has at once, between a lower and an upper bound."""

from __future__ import annotations

from flowkit.engines import bind
from flowkit.flows import Flows
from flowkit.question import Answer, question

__all__ = ["concurrency"]

# `change` is summed in time order; all shares of a moment first.
_SQL = """
WITH moments AS (
  SELECT observer, at_s, CAST(sum(change) AS BIGINT) AS change, CAST(sum(seen) AS BIGINT) AS seen
  FROM connections_open GROUP BY observer, at_s
), alive AS (
  SELECT observer, seen, CAST(sum(change) OVER (PARTITION BY observer ORDER BY at_s
                              ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS BIGINT) AS n
  FROM moments
), most AS (
  SELECT observer, max(n) AS at_least, max(seen) AS at_most FROM alive GROUP BY observer
)
SELECT i.observer, i.name, i.role, m.at_least AS connections_at_least, m.at_most AS connections_at_most
FROM most m JOIN interfaces i ON i.observer = m.observer
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
        bind(_SQL, top_n=top_n),
        caveats=("The lower bound is what judgements rest on; the upper bound counts what shared a window.",),
    )
