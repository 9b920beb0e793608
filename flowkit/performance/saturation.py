"""Interfaces at the limit of their network."""

from __future__ import annotations

from flowkit.engines import bind
from flowkit.flows import Flows
from flowkit.question import Answer, question

__all__ = ["saturation"]

_SUSPECTED = (
    "Suspected: windows hide bursts, and only the instance's own counters (ENA allowance exceeded) say that packets "
    "were held back."
)
_NO_BASELINE = (
    "No baseline bandwidth is known (it comes from the inventory): only levels that look like a ceiling can be shown."
)

# The rate of a host is a staircase: each window adds its bytes, spread evenly over it, from its start to its end.
# Summing steps gives the exact level between any two moments, with no bins to blur it. A host is an instance (its
# interfaces share one allowance), else an interface. `plateau`: the level that is exceeded 1 % of the time; a ceiling
# is a level near it that lasts while half of the time is far below.
_SQL = """
WITH limits AS (
  SELECT observer, host, baseline_bps FROM $limits
), named AS (
  SELECT i.observer, COALESCE(l.host, i.observer) AS host, l.baseline_bps FROM interfaces i
  LEFT JOIN limits l ON l.observer = i.observer
), totals AS (
  SELECT n.host, f.direction, max(n.baseline_bps) AS baseline_bps, CAST(sum(f.bytes) AS BIGINT) AS bytes
  FROM windows f JOIN named n ON n.observer = f.observer
  WHERE f.direction IS NOT NULL AND f.bytes IS NOT NULL AND COALESCE(f.action, 'ACCEPT') = 'ACCEPT'
  GROUP BY n.host, f.direction
), ranked AS (
  SELECT host, direction, baseline_bps,
         row_number() OVER (PARTITION BY CASE WHEN baseline_bps IS NULL THEN 1 ELSE 0 END
                            ORDER BY CAST(bytes AS DOUBLE) / COALESCE(baseline_bps, 1) DESC, host, direction) AS place
  FROM totals
), loads AS (
  SELECT n.host, f.direction, f.start_s,
         CASE WHEN f.end_s >= f.start_s THEN f.end_s + 1 ELSE f.start_s + 1 END AS stop_s,
         CAST(sum(f.bytes) AS BIGINT) AS bytes
  FROM windows f
  JOIN named n ON n.observer = f.observer
  JOIN ranked r ON r.host = n.host AND r.direction = f.direction AND r.place <= $top_n
  WHERE f.bytes IS NOT NULL AND f.start_s IS NOT NULL AND COALESCE(f.action, 'ACCEPT') = 'ACCEPT'
  GROUP BY n.host, f.direction, f.start_s, CASE WHEN f.end_s >= f.start_s THEN f.end_s + 1 ELSE f.start_s + 1 END
), rates AS (
  SELECT host, direction, start_s, stop_s,
         CAST(floor(CAST(bytes AS DOUBLE) * 8 / (stop_s - start_s)) AS BIGINT) AS bps
  FROM loads
), steps AS (
  SELECT host, direction, start_s AS at_s, bps AS step_bps FROM rates
  UNION ALL
  SELECT host, direction, stop_s, -bps FROM rates
), moments AS (
  SELECT host, direction, at_s, CAST(sum(step_bps) AS BIGINT) AS step_bps FROM steps GROUP BY host, direction, at_s
), stairs AS (
  SELECT host, direction, at_s AS from_s, lead(at_s) OVER (PARTITION BY host, direction ORDER BY at_s) AS to_s,
         CAST(sum(step_bps) OVER (PARTITION BY host, direction ORDER BY at_s
                                  ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS BIGINT) AS bps
  FROM moments
), levels AS (
  SELECT s.host, s.direction, s.from_s, s.to_s, s.to_s - s.from_s AS lasts_s, s.bps, r.baseline_bps
  FROM stairs s JOIN ranked r ON r.host = s.host AND r.direction = s.direction
  WHERE s.to_s IS NOT NULL AND s.bps > 0
), placed AS (
  SELECT l.*,
         sum(lasts_s) OVER (PARTITION BY host, direction ORDER BY bps, from_s
                            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS below_s,
         sum(lasts_s) OVER (PARTITION BY host, direction) AS busy_s
  FROM levels l
), marks AS (
  SELECT host, direction,
         CASE WHEN ($period_s - max(busy_s)) * 100 >= 99 * $period_s THEN 0
              ELSE min(CASE WHEN (below_s + $period_s - busy_s) * 100 >= 99 * $period_s THEN bps END)
              END AS plateau_bps,
         CASE WHEN ($period_s - max(busy_s)) * 100 >= 50 * $period_s THEN 0
              ELSE min(CASE WHEN (below_s + $period_s - busy_s) * 100 >= 50 * $period_s THEN bps END)
              END AS p50_bps
  FROM placed GROUP BY host, direction
), judged AS (
  SELECT l.*, m.plateau_bps, m.p50_bps,
         CASE WHEN l.baseline_bps IS NULL THEN l.bps * 100 >= 93 * m.plateau_bps AND l.bps * 100 <= 107 * m.plateau_bps
              ELSE l.bps * 10 >= 9 * l.baseline_bps END AS high
  FROM levels l JOIN marks m ON m.host = l.host AND m.direction = l.direction
), parted AS (
  SELECT host, direction, from_s, to_s, lasts_s, bps, baseline_bps,
         from_s - lag(to_s) OVER (PARTITION BY host, direction ORDER BY from_s) AS pause_s
  FROM judged WHERE high
), numbered AS (
  SELECT p.*, sum(CASE WHEN pause_s IS NULL OR pause_s > $gap_s THEN 1 ELSE 0 END)
           OVER (PARTITION BY host, direction ORDER BY from_s ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS run
  FROM parted p
), runs AS (
  SELECT host, direction, run, CAST(sum(lasts_s) AS BIGINT) AS lasts_s, min(from_s) AS first_s, max(to_s) - 1 AS last_s,
         CAST(sum(bps * lasts_s) AS DOUBLE) / sum(lasts_s) AS mean_bps,
         CAST(sum(CASE WHEN baseline_bps IS NULL OR bps * 10 <= 11 * baseline_bps THEN lasts_s ELSE 0 END) AS BIGINT)
           AS flat_s
  FROM numbered GROUP BY host, direction, run
), longest AS (
  SELECT r.*, row_number() OVER (PARTITION BY host, direction ORDER BY lasts_s DESC, first_s) AS place FROM runs r
), main_interface AS (
  SELECT n.host, f.observer, row_number() OVER (PARTITION BY n.host ORDER BY sum(f.bytes) DESC, f.observer) AS place,
         count(*) OVER (PARTITION BY n.host) AS interfaces
  FROM windows f JOIN named n ON n.observer = f.observer WHERE f.bytes IS NOT NULL GROUP BY n.host, f.observer
), summed AS (
  SELECT host, direction, max(baseline_bps) AS baseline_bps, max(bps) AS max_bps, max(plateau_bps) AS plateau_bps,
         max(p50_bps) AS p50_bps,
         CAST(sum(CASE WHEN bps * 10 >= 7 * baseline_bps THEN lasts_s ELSE 0 END) AS BIGINT) AS above_70_s,
         CAST(sum(CASE WHEN bps * 10 >= 9 * baseline_bps THEN lasts_s ELSE 0 END) AS BIGINT) AS above_90_s,
         CAST(sum(CASE WHEN bps >= baseline_bps THEN lasts_s ELSE 0 END) AS BIGINT) AS above_100_s
  FROM judged GROUP BY host, direction
)
SELECT m.observer AS interface_id, i.name, i.instance_id, i.instance_type, i.role, m.interfaces, s.direction,
       s.baseline_bps, s.max_bps, s.plateau_bps, s.p50_bps,
       CASE WHEN s.baseline_bps IS NULL THEN NULL ELSE s.above_70_s END AS above_70_s,
       CASE WHEN s.baseline_bps IS NULL THEN NULL ELSE s.above_90_s END AS above_90_s,
       CASE WHEN s.baseline_bps IS NULL THEN NULL ELSE s.above_100_s END AS above_100_s,
       COALESCE(r.lasts_s, 0) AS longest_high_s, COALESCE(r.flat_s, 0) AS flat_s, r.mean_bps AS high_bps,
       r.first_s, r.last_s
FROM summed s
JOIN main_interface m ON m.host = s.host AND m.place = 1
LEFT JOIN interfaces i ON i.observer = m.observer
LEFT JOIN longest r ON r.host = s.host AND r.direction = s.direction AND r.place = 1
ORDER BY CASE WHEN s.baseline_bps IS NULL THEN 1 ELSE 0 END, COALESCE(s.above_90_s, 0) DESC, s.max_bps DESC,
         m.observer, s.direction
LIMIT $top_n
"""

_NO_LIMITS = (
    "(SELECT CAST(NULL AS VARCHAR) AS observer, CAST(NULL AS VARCHAR) AS host, CAST(NULL AS BIGINT) AS baseline_bps)"
    " AS none_known"
)


@question(needs=("bytes", "start_s", "end_s"), sharper_with=("flow_direction", "inventory"))
def saturation(flows: Flows, *, top_n: int = 100) -> Answer:
    """Which interfaces run at the limit of their instance's bandwidth?

    Rows per instance (or interface) and direction, of the `top_n` with most bytes for their baseline: `baseline_bps`
    from the inventory, `max_bps` the highest level, `plateau_bps` the level exceeded 1 % of the time, `p50_bps`;
    seconds at or above 70, 90 and 100 % of the baseline (`above_70_s`, `above_90_s`, `above_100_s`). `longest_high_s`
    is the longest stretch at or above 90 % of the baseline (without a baseline: within 7 % of the plateau), `flat_s`
    how much of it stayed below 110 %, `high_bps` its mean level, from `first_s` to `last_s`. An instance's interfaces
    share one allowance and are added; `interface_id` is the one with most bytes, `interfaces` how many there are.

    Blind spots: levels are means over windows of up to the aggregation interval, so short bursts are missed; ingress
    that a host could not take is not in its log; the limits of single flows and of packets per second are other
    limits. Source: AWS EC2 User Guide, "Amazon EC2 instance network bandwidth" (baseline and burst, allowances per
    instance).

    >>> import flowkit as fk
    >>> answer = fk.performance.saturation(fk.open("sample:", progress=False), top_n=5)
    """
    since_s, until_s = flows.period
    limits = _limits(flows)
    text = _SQL.replace("$limits", limits or _NO_LIMITS)
    sql = bind(text, period_s=max(1, until_s - since_s), gap_s=flows.interval_s, top_n=top_n)
    return flows.ask(sql, caveats=(_SUSPECTED,) if limits or not flows.records else (_SUSPECTED, _NO_BASELINE))


def _limits(flows: Flows) -> str:
    """The baselines of the inventory as a relation (observer, host, baseline_bps); empty text where there is none."""
    if flows.inventory is None:
        return ""
    rows = []
    for interface in flows.inventory.interfaces:
        instance = flows.inventory.instance(interface.instance_id) if interface.instance_id else None
        if instance is not None and instance.baseline_gbps:
            values = {"o": interface.interface_id, "h": instance.instance_id, "b": round(instance.baseline_gbps * 1e9)}
            rows.append(bind("($o, $h, $b)", **values))
    return f"(VALUES {', '.join(sorted(rows))}) AS known (observer, host, baseline_bps)" if rows else ""
