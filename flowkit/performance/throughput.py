"""How much goes through the interfaces, and when."""

from __future__ import annotations

from flowkit.engines import bind
from flowkit.flows import Flows
from flowkit.performance.spreading import BLUR, bin_width_s, pieces_sql
from flowkit.question import Answer, question

__all__ = ["throughput", "throughput_by_interface"]

_TWICE = "Traffic between two logged interfaces is in it twice: as egress of one and as ingress of the other."

_TOTAL = """
SELECT bin_s, direction, CAST(sum(bytes) AS BIGINT) AS bytes, CAST(sum(packets) AS BIGINT) AS packets,
       CAST(sum(bytes) * 8 AS DOUBLE) / $bin_s AS mean_bps
FROM pieces
GROUP BY bin_s, direction
ORDER BY bin_s, direction
"""

_BY_INTERFACE = """
, totals AS (
  SELECT interface_id, CAST(sum(bytes) AS BIGINT) AS bytes FROM pieces GROUP BY interface_id
), ranked AS (
  SELECT interface_id, row_number() OVER (ORDER BY bytes DESC, interface_id) AS place FROM totals
)
SELECT p.interface_id, max(i.name) AS name, p.bin_s, CAST(sum(p.bytes) AS BIGINT) AS bytes,
       CAST(sum(p.packets) AS BIGINT) AS packets, CAST(sum(p.bytes) * 8 AS DOUBLE) / $bin_s AS mean_bps
FROM pieces p
JOIN ranked r ON r.interface_id = p.interface_id
LEFT JOIN interfaces i ON i.observer = p.interface_id
WHERE r.place <= $top_n
GROUP BY p.interface_id, p.bin_s
ORDER BY max(r.place), p.interface_id, p.bin_s
"""


@question(needs=("bytes", "start_s", "end_s"), sharper_with=("flow_direction",))
def throughput(flows: Flows, *, bin_s: int = 0) -> Answer:
    """How much traffic goes in and out of the interfaces over time?

    `bin_s` is the width of a bin in seconds; 0 lets it follow from the period. Rows per bin and direction (`ingress`,
    `egress`, or `unknown` where neither the record nor the interface's address tells): `bytes` and `packets` that
    fell into the bin, `mean_bps` bits per second over the bin. The bytes of all rows add up to the bytes of all
    records, accepted or not.

    Blind spots: bursts shorter than a window; a window that begins in the period and ends after it is drawn past its
    end. Source: AWS VPC User Guide, "Flow log records" (`start` and `end` bound the aggregation window).

    >>> import flowkit as fk
    >>> answer = fk.performance.throughput(fk.open("sample:", progress=False))
    """
    width_s = bin_width_s(flows, bin_s)
    kept = "(SELECT COALESCE(direction, 'unknown') AS direction, start_s, end_s, bytes, packets FROM windows) AS seen"
    sql = "WITH " + pieces_sql(flows, width_s, keep="direction", relation=kept).strip() + bind(_TOTAL, bin_s=width_s)
    return flows.ask(sql, caveats=(BLUR.format(interval=flows.interval_s), _TWICE))


@question(needs=("bytes", "start_s", "end_s"), sharper_with=("inventory",))
def throughput_by_interface(flows: Flows, *, bin_s: int = 0, top_n: int = 12) -> Answer:
    """When is each of the busiest interfaces busy?

    The `top_n` interfaces with most bytes, both directions together. Rows per interface and bin that has traffic:
    `bytes`, `packets`, `mean_bps` over the bin. `bin_s` as in `throughput`.

    Blind spots: as in `throughput`. Source: as there.

    >>> import flowkit as fk
    >>> answer = fk.performance.throughput_by_interface(fk.open("sample:", progress=False), top_n=3)
    """
    width_s = bin_width_s(flows, bin_s)
    kept = "(SELECT observer AS interface_id, start_s, end_s, bytes, packets FROM windows) AS seen"
    pieces = pieces_sql(flows, width_s, keep="interface_id", relation=kept).strip()
    sql = "WITH " + pieces + bind(_BY_INTERFACE, bin_s=width_s, top_n=top_n)
    return flows.ask(sql, caveats=(BLUR.format(interval=flows.interval_s),))
