"""`conversation_parts` and `services_hour`: conversations by the hour."""

from __future__ import annotations

from flowkit.tables.legs import or_flags

__all__ = ["PARTS", "SERVICES_HOUR"]

# A conversation within one hour is one part per direction already; only the others go back to their records.
PARTS = f"""
WITH brief AS (
  SELECT * FROM keyed_conversations WHERE start_s - start_s % 3600 = last_start_s - last_start_s % 3600
), drawn_out AS (
  SELECT conversation_id, a, b, nth, turned, fwd_counted, rev_counted FROM keyed_conversations
  WHERE start_s - start_s % 3600 <> last_start_s - last_start_s % 3600
), rows_of AS (
  SELECT l.a, l.b, CAST(1 AS BIGINT) AS nth, l.dir, l.observer_id, l.bytes, l.packets, l.flags, l.start_s
  FROM legs l WHERE NOT EXISTS (SELECT 1 FROM long_tuples t WHERE t.a = l.a AND t.b = l.b)
  UNION ALL
  SELECT a, b, nth, dir, observer_id, bytes, packets, flags, start_s FROM sessions
)
SELECT start_s - start_s % 3600 AS hour_s, conversation_id, 'fwd' AS direction,
       fwd_bytes AS bytes, fwd_packets AS packets, fwd_records AS records, fwd_flags AS flags
FROM brief WHERE fwd_records > 0
UNION ALL
SELECT start_s - start_s % 3600, conversation_id, 'rev', rev_bytes, rev_packets, rev_records, rev_flags
FROM brief WHERE rev_records > 0
UNION ALL
SELECT s.start_s - s.start_s % 3600, c.conversation_id,
       CASE WHEN (s.dir = 1) = c.turned THEN 'fwd' ELSE 'rev' END,
       CAST(sum(s.bytes) AS BIGINT), CAST(sum(s.packets) AS BIGINT), CAST(count(*) AS BIGINT), {or_flags("s.flags")}
FROM drawn_out c
JOIN rows_of s ON s.a = c.a AND s.b = c.b AND s.nth = c.nth
 AND s.observer_id = CASE WHEN (s.dir = 1) = c.turned THEN c.fwd_counted ELSE c.rev_counted END
WHERE $inside
GROUP BY s.start_s - s.start_s % 3600, c.conversation_id, CASE WHEN (s.dir = 1) = c.turned THEN 'fwd' ELSE 'rev' END
"""

_STATES = ("rejected", "answered", "no_reply", "reset", "half_open", "return_rejected")
_SERVICE = (
    "protocol, srcaddr, dstaddr, dstport, src_id, dst_id, src_network, dst_network, "
    "src_scope, dst_scope, src_az_id, dst_az_id, "
    "src_subnet_id, dst_subnet_id, src_name, dst_name, src_role, dst_role, path, initiator_known"
)

# Counts by the hour in which the conversation began, bytes by the hour of their records.
SERVICES_HOUR = f"""
WITH counts AS (
  SELECT start_s - start_s % 3600 AS hour_s, conversation_id, 1 AS conversations,
         {", ".join(f"CASE WHEN state = '{state}' THEN 1 ELSE 0 END AS {state}" for state in _STATES)},
         0 AS fwd_bytes, 0 AS rev_bytes, 0 AS fwd_packets, 0 AS rev_packets
  FROM conversations WHERE in_period AND leg = ''
  UNION ALL
  SELECT hour_s, conversation_id, 0, {", ".join("0" for _ in _STATES)},
         CASE WHEN direction = 'fwd' THEN bytes ELSE 0 END, CASE WHEN direction = 'rev' THEN bytes ELSE 0 END,
         CASE WHEN direction = 'fwd' THEN packets ELSE 0 END, CASE WHEN direction = 'rev' THEN packets ELSE 0 END
  FROM conversation_parts
), named AS (
  SELECT conversation_id, protocol, srcaddr, dstaddr, dstport, src_id, dst_id, src_network, dst_network, src_scope,
    dst_scope,
         src_az_id, dst_az_id, src_subnet_id, dst_subnet_id, src_name, dst_name, src_role, dst_role, path,
         initiator_by <> 'unknown' AS initiator_known
  FROM conversations WHERE leg = ''
)
SELECT c.hour_s, {", ".join(f"n.{column.strip()}" for column in _SERVICE.split(","))},
       CAST(sum(c.conversations) AS BIGINT) AS conversations,
       {", ".join(f"CAST(sum(c.{state}) AS BIGINT) AS {state}" for state in _STATES)},
       CAST(sum(c.fwd_bytes) AS BIGINT) AS fwd_bytes, CAST(sum(c.rev_bytes) AS BIGINT) AS rev_bytes,
       CAST(sum(c.fwd_packets) AS BIGINT) AS fwd_packets, CAST(sum(c.rev_packets) AS BIGINT) AS rev_packets
FROM counts c JOIN named n ON n.conversation_id = c.conversation_id
GROUP BY c.hour_s, {", ".join(f"n.{column.strip()}" for column in _SERVICE.split(","))}
"""
