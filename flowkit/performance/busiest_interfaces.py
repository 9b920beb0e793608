"""Which interfaces carry most, how steadily, and how high they peak."""

from __future__ import annotations

from flowkit.engines import bind
from flowkit.flows import Flows
from flowkit.performance.spreading import BLUR, pieces_sql
from flowkit.question import Answer, question

__all__ = ["busiest_interfaces"]

#: Five minutes, the usual sample of 95th percentiles, whatever the length of the period.
SAMPLE_S = 300

# Exact nearest-rank percentiles over all bins between an interface's first and last traffic, idle ones included: idle
# bins take the lowest ranks, then the others in order. The p-th percentile is the least value with rank * 100 >= p *
# bins.
_PERCENTILES = """
, filled AS (
  SELECT interface_id, bin_s, CAST(sum(bytes) AS BIGINT) AS bytes, CAST(sum(packets) AS BIGINT) AS packets,
         CAST(sum(CASE WHEN direction = 'ingress' THEN bytes ELSE 0 END) AS BIGINT) AS ingress_bytes,
         CAST(sum(CASE WHEN direction = 'egress' THEN bytes ELSE 0 END) AS BIGINT) AS egress_bytes
  FROM pieces GROUP BY interface_id, bin_s
), active AS (
  SELECT interface_id, min(bin_s) AS first_bin_s, max(bin_s) AS last_bin_s, count(*) AS busy_bins FROM filled
  GROUP BY interface_id
), counted AS (
  SELECT interface_id, busy_bins, CAST((last_bin_s - first_bin_s) AS DOUBLE) / $bin_s + 1 AS bins FROM active
), ranked AS (
  SELECT f.*, c.bins, c.bins - c.busy_bins AS idle_bins,
         c.bins - c.busy_bins + row_number() OVER (PARTITION BY f.interface_id ORDER BY f.bytes, f.bin_s) AS place
  FROM filled f JOIN counted c ON c.interface_id = f.interface_id
), summed AS (
  SELECT interface_id, CAST(sum(bytes) AS BIGINT) AS bytes, CAST(sum(ingress_bytes) AS BIGINT) AS ingress_bytes,
         CAST(sum(egress_bytes) AS BIGINT) AS egress_bytes, CAST(sum(packets) AS BIGINT) AS packets, max(bins) AS bins,
         CASE WHEN max(idle_bins) * 100 >= max(bins) * 50 THEN 0
          ELSE min(CASE WHEN place * 100 >= bins * 50 THEN bytes END) END AS p50_bytes,
         CASE WHEN max(idle_bins) * 100 >= max(bins) * 95 THEN 0
          ELSE min(CASE WHEN place * 100 >= bins * 95 THEN bytes END) END AS p95_bytes,
         max(bytes) AS max_bytes, max(packets) AS max_packets
  FROM ranked GROUP BY interface_id
)
SELECT s.interface_id, i.name, i.role, i.az_id, s.bytes, s.ingress_bytes, s.egress_bytes, s.packets,
       CAST(s.bytes * 8 AS DOUBLE) / (s.bins * $bin_s) AS mean_bps,
       CAST(s.p50_bytes * 8 AS DOUBLE) / $bin_s AS p50_bps, CAST(s.p95_bytes * 8 AS DOUBLE) / $bin_s AS p95_bps,
       CAST(s.max_bytes * 8 AS DOUBLE) / $bin_s AS max_bps,
       CASE WHEN s.bytes > 0 THEN CAST(s.max_bytes AS DOUBLE) * s.bins / s.bytes END AS burst_factor,
       CAST(s.max_packets AS DOUBLE) / $bin_s AS max_pps
FROM summed s LEFT JOIN interfaces i ON i.observer = s.interface_id
ORDER BY s.bytes DESC, s.interface_id
LIMIT $top_n
"""


@question(needs=("bytes", "start_s", "end_s"), sharper_with=("flow_direction", "inventory"))
def busiest_interfaces(flows: Flows, *, bin_s: int = 0, top_n: int = 20) -> Answer:
    """Which interfaces carry most traffic, and how unevenly?

    The `top_n` interfaces by `bytes` (in and out together; `ingress_bytes`, `egress_bytes` where the direction is
    known). Percentiles are exact (nearest rank) over the bins between an interface's first and last traffic, idle
    bins included: `p50_bps`, `p95_bps`, `max_bps` bits per second over one bin, `mean_bps` over all of them,
    `max_pps` packets per second. `burst_factor` is `max_bps` divided by `mean_bps`: 1 is perfectly even. `bin_s` is
    the width of a bin in seconds; 0 is five minutes, or one window where windows are longer.

    Blind spots: bursts shorter than a bin; a NAT gateway or a load balancer carries the same payload in and out.
    Source: Hyndman and Fan 1996, "Sample quantiles in statistical packages", definition 1; AWS VPC User Guide, "Flow
    log records".

    >>> import flowkit as fk
    >>> answer = fk.performance.busiest_interfaces(fk.open("sample:", progress=False), top_n=3)
    """
    width_s = bin_s if bin_s > 0 else max(SAMPLE_S, flows.interval_s)
    kept = (
        "(SELECT observer AS interface_id, COALESCE(direction, 'unknown') AS direction, start_s, end_s, bytes, packets"
        " FROM windows) AS seen"
    )
    pieces = pieces_sql(flows, width_s, keep="interface_id, direction", relation=kept).strip()
    sql = "WITH " + pieces + bind(_PERCENTILES, bin_s=width_s, top_n=top_n)
    bins = f"Percentiles and peaks are over bins of {width_s:,} s."
    return flows.ask(sql, caveats=(bins, BLUR.format(interval=flows.interval_s)))
