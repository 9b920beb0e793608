"""What each interface let in, and which rules of its security groups would have let it in: as CTEs for other questions.

`let_in` has a row per interface, service and source address; `admitted` one per such row and rule. Each rule that would
have let the traffic in gets the credit, since logs do not name the one that did. `group_rules` has a row per rule,
interface and range of addresses; a range of IPv6 addresses, `::/0` too, never means IPv4 addresses.
"""

from __future__ import annotations

__all__ = ["LET_IN", "V4"]

#: How the key of an IPv4 address begins.
V4 = "00000000000000000000ffff"


def _v4(key: str) -> str:
    return f"CASE WHEN substr({key}, 1, 24) = '{V4}' THEN 1 ELSE 0 END"


LET_IN = f"""let_in AS (
  SELECT c.dst_interface_id AS interface_id, c.protocol, c.dstport, a.addr_key,
         max(CASE WHEN c.src_scope IN ('public', 'aws') THEN 1 ELSE 0 END) AS outside,
         CAST(count(*) AS BIGINT) AS conversations,
         CAST(sum(CASE WHEN c.state IN ('answered', 'return_rejected') THEN 1 ELSE 0 END) AS BIGINT) AS answered,
         max(c.end_s) AS last_s
  FROM conversations c
  JOIN (SELECT DISTINCT endpoint_id, address, addr_key FROM addresses) a
    ON a.endpoint_id = c.src_id AND a.address = c.srcaddr
  WHERE c.in_period AND c.leg = '' AND c.initiator_by <> 'unknown' AND NOT c.rejected AND c.dst_interface_id IS NOT NULL
    AND c.state IN ('answered', 'half_open', 'no_reply', 'reset', 'return_rejected')
  GROUP BY c.dst_interface_id, c.protocol, c.dstport, a.addr_key
), admitted AS (
  SELECT DISTINCT r.group_id, r.rule_id, l.interface_id, l.protocol, l.dstport, l.addr_key, l.outside, l.conversations,
         l.answered, l.last_s
  FROM let_in l
  JOIN group_rules r ON r.interface_id = l.interface_id AND (r.protocol = -1 OR r.protocol = l.protocol)
   AND (r.protocol = -1 OR l.protocol NOT IN (6, 17, 132) OR l.dstport BETWEEN r.from_port AND r.to_port)
   AND l.addr_key BETWEEN r.low_key AND r.high_key AND {_v4("l.addr_key")} = {_v4("r.low_key")}
)"""
