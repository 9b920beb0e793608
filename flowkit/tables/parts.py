"""`conversation_parts` and `services_hour`: conversations by the hour. `connections_open`: how many at once."""

from __future__ import annotations

from collections.abc import Sequence

from flowkit.tables.legs import or_flags

__all__ = ["CONNECTIONS_OPEN", "SERVICES_HOUR", "parts_sql"]

# A conversation within one hour is one part per direction already; only the others go back to their records.
_PARTS = """
WITH brief AS (
  SELECT * FROM judged WHERE start_s - start_s % 3600 = last_start_s - last_start_s % 3600
), drawn_out AS (
  SELECT conversation_id, a, b, nth, turned, CASE WHEN has_fwd THEN fwd_counted END AS fwd_counted,
         CASE WHEN has_rev THEN rev_counted END AS rev_counted
  FROM judged WHERE start_s - start_s % 3600 <> last_start_s - last_start_s % 3600
), rows_of AS (
  SELECT l.a, l.b, CAST(1 AS BIGINT) AS nth, l.dir, l.observer_id, l.bytes, l.packets, l.flags, l.start_s
  FROM legs l WHERE NOT EXISTS (SELECT 1 FROM long_tuples t WHERE t.a = l.a AND t.b = l.b)
  UNION ALL
  SELECT a, b, nth, dir, observer_id, bytes, packets, flags, start_s FROM sessions
)
SELECT start_s - start_s % 3600 AS hour_s, conversation_id, 'fwd' AS direction,
       fwd_bytes AS bytes, fwd_packets AS packets, fwd_records AS records, fwd_flags AS flags
FROM brief WHERE has_fwd AND fwd_records > 0
UNION ALL
SELECT start_s - start_s % 3600, conversation_id, 'rev', rev_bytes, rev_packets, rev_records, rev_flags
FROM brief WHERE has_rev AND rev_records > 0
UNION ALL
SELECT s.start_s - s.start_s % 3600, c.conversation_id,
       CASE WHEN (s.dir = 1) = c.turned THEN 'fwd' ELSE 'rev' END,
       CAST(sum(s.bytes) AS BIGINT), CAST(sum(s.packets) AS BIGINT), CAST(count(*) AS BIGINT), $flags
FROM drawn_out c
JOIN rows_of s ON s.a = c.a AND s.b = c.b AND s.nth = c.nth
 AND s.observer_id = CASE WHEN (s.dir = 1) = c.turned THEN c.fwd_counted ELSE c.rev_counted END
WHERE $inside
GROUP BY s.start_s - s.start_s % 3600, c.conversation_id, CASE WHEN (s.dir = 1) = c.turned THEN 'fwd' ELSE 'rev' END
"""


def parts_sql(inside: str, flag_bits: Sequence[int]) -> str:
    """`conversation_parts` of one share; `inside` says of a record (alias `s`) that it lies in the period."""
    return _PARTS.replace("$inside", inside).replace("$flags", or_flags("s.flags", flag_bits))


_STATES = ("rejected", "answered", "no_reply", "reset", "half_open", "return_rejected")
_KEY = ("protocol", "src_id", "dst_id", "dstport", "path", "initiator_known")
_HOST = (
    ("home_network", "network"), ("scope", "scope"), ("az_id", "az_id"), ("subnet_id", "subnet_id"), ("name", "name"),
    ("role", "role"),
)  # fmt: skip
_SUMS = ("conversations", *_STATES, "fwd_bytes", "rev_bytes", "fwd_packets", "rev_packets")

# Counts by the hour in which the conversation began, bytes by the hour of their records. A service lies in one share,
# as its two hosts do.
SERVICES_HOUR = f"""
WITH kept AS (
  SELECT conversation_id, start_s - start_s % 3600 AS hour_s, state, in_period, NULLIF(protocol, 255) AS protocol,
         src_id, dst_id, dstport, path, initiator_by <> 'unknown' AS initiator_known
  FROM judged WHERE leg = ''
), counts AS (
  SELECT hour_s, {", ".join(_KEY)}, 1 AS conversations,
         {", ".join(f"CASE WHEN state = '{state}' THEN 1 ELSE 0 END AS {state}" for state in _STATES)},
         0 AS fwd_bytes, 0 AS rev_bytes, 0 AS fwd_packets, 0 AS rev_packets
  FROM kept WHERE in_period
  UNION ALL
  SELECT p.hour_s, {", ".join(f"k.{column}" for column in _KEY)}, 0, {", ".join("0" for _ in _STATES)},
         CASE WHEN direction = 'fwd' THEN bytes ELSE 0 END, CASE WHEN direction = 'rev' THEN bytes ELSE 0 END,
         CASE WHEN direction = 'fwd' THEN packets ELSE 0 END, CASE WHEN direction = 'rev' THEN packets ELSE 0 END
  FROM share_parts p JOIN kept k ON k.conversation_id = p.conversation_id
), summed AS (
  SELECT hour_s, {", ".join(_KEY)}, {", ".join(f"CAST(sum({one}) AS BIGINT) AS {one}" for one in _SUMS)}
  FROM counts GROUP BY hour_s, {", ".join(_KEY)}
)
SELECT c.hour_s, c.protocol, s.address AS srcaddr, d.address AS dstaddr, c.dstport, c.src_id, c.dst_id,
       {", ".join(f"s.{what} AS src_{name}, d.{what} AS dst_{name}" for what, name in _HOST)},
       c.path, c.initiator_known, {", ".join(f"c.{one}" for one in _SUMS)}
FROM summed c
JOIN hosts s ON s.endpoint_id = c.src_id
JOIN hosts d ON d.endpoint_id = c.dst_id
"""

# Rule 14. A tuple is surely alive at an interface from the end of its first window to the start of its last one.
# `change`: how many begin to be, less how many cease to be; `seen`: how many different ones had a window that began in
# the interval that begins then. Shares hold different tuples, so the rows of all of them add up.
CONNECTIONS_OPEN = """
WITH seen AS (
  SELECT observer_id, a, b, start_s, end_s FROM $share
  WHERE passed = 1 AND a % 256 IN (6, 17) AND a % 16777216 >= 256 AND b % 65536 > 0 AND $inside
), lives AS (
  SELECT observer_id, min(end_s) AS born_s, max(start_s) AS last_s FROM seen GROUP BY observer_id, a, b
), counted AS (
  SELECT observer_id, born_s AS at_s, 1 AS change, 0 AS seen FROM lives WHERE last_s >= born_s
  UNION ALL
  SELECT observer_id, last_s + 1, -1, 0 FROM lives WHERE last_s >= born_s
  UNION ALL
  SELECT observer_id, at_s, 0, 1 FROM (
    SELECT DISTINCT observer_id, start_s - start_s % $interval_s AS at_s, a, b FROM seen
  ) AS within_one
), summed AS (
  SELECT observer_id, at_s, CAST(sum(change) AS BIGINT) AS change, CAST(sum(seen) AS BIGINT) AS seen
  FROM counted GROUP BY observer_id, at_s
)
SELECT i.observer, s.at_s, s.change, s.seen FROM summed s JOIN all_interfaces i ON i.observer_id = s.observer_id
"""
