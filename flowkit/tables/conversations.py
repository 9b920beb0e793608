"""`conversations`, `conversation_parts`, `services_hour`: records of one tuple put together, each byte once."""

from __future__ import annotations

from flowkit.engines import bind

__all__ = [
    "COLUMNS",
    "CONVERSATIONS",
    "COUNTED",
    "FAN_IN",
    "HOSTS",
    "LEGS",
    "PARTS",
    "SERVICES_HOUR",
    "SESSIONS",
    "SIDES",
    "SKIPPED",
    "UNSEEN_TRANSIT",
    "legs_sql",
    "or_flags",
]


def or_flags(flags: str) -> str:
    """The OR of a column of TCP flags over a group: the maximum of each bit, in arithmetic that every engine has."""
    bits = [f"max({flags} % 2)"]
    bits += [f"max({flags} % {2 * bit} - {flags} % {bit})" for bit in (2, 4, 8, 16, 32)]
    return f"CAST({' + '.join(bits)} AS INTEGER)"


# One row per record that may count: both ends as endpoint ids, in a fixed order (a, b) so that both directions meet.
# The packet-level addresses make the inner legs of a NAT gateway, and pods behind a node, meet their client's records.
# `side` says where in the conversation the observer stands: at the sender, at the receiver, or in the middle.
LEGS = """
WITH placed AS (
  SELECT r.observer, r.record_kind, r.protocol, COALESCE(r.srcport, 0) AS srcport, COALESCE(r.dstport, 0) AS dstport,
         COALESCE(r.bytes, 0) AS bytes, COALESCE(r.packets, 0) AS packets,
         COALESCE(r.start_s, 0) AS start_s, COALESCE(r.end_s, r.start_s, 0) AS end_s, r.tcp_flags AS flags,
         r.action, $late AS late, i.role, i.own_address,
         COALESCE(r.flow_direction,
           CASE WHEN r.srcaddr = i.own_address OR r.srcaddr = i.own_ipv6 THEN 'egress'
                WHEN r.dstaddr = i.own_address OR r.dstaddr = i.own_ipv6 THEN 'ingress' END) AS direction,
         COALESCE(r.pkt_srcaddr, r.srcaddr) AS src, COALESCE(r.pkt_dstaddr, r.dstaddr) AS dst,
         r.pkt_srcaddr IS NOT NULL OR r.pkt_dstaddr IS NOT NULL AS has_packet_address,
         CASE WHEN r.record_kind = 'transit_gateway' THEN COALESCE(r.tgw_src_vpc_id, i.network) ELSE i.network END AS src_net,
         CASE WHEN r.record_kind = 'transit_gateway' THEN COALESCE(r.tgw_dst_vpc_id, i.network) ELSE i.network END AS dst_net
  FROM records r JOIN all_interfaces i ON i.observer = r.observer
  $late_join$elected_join
  WHERE r.status = 'OK' AND r.srcaddr IS NOT NULL AND r.dstaddr IS NOT NULL
    AND r.record_kind $kind 'transit_gateway'$halo$elected
)
SELECT p.observer, p.record_kind, COALESCE(p.protocol, -1) AS protocol, p.bytes, p.packets, p.start_s, p.end_s, p.flags,
       p.action, p.late,
       CASE WHEN p.role IN ('nat_gateway', 'regional_nat_gateway', 'transit_gateway', 'gateway_load_balancer', 'vpc_endpoint_gwlb')
              OR p.direction IS NULL OR p.record_kind <> 'interface' THEN 'middle'
            WHEN p.direction = 'egress' THEN 'sender' ELSE 'receiver' END AS side,
       CASE WHEN p.protocol = 17 AND (p.srcport = 6081 OR p.dstport = 6081) THEN 'encapsulated'
            WHEN p.role = 'nat_gateway' AND p.has_packet_address
             AND ((p.direction = 'egress' AND s.interface_id = p.observer)
               OR (p.direction = 'ingress' AND d.interface_id = p.observer)) THEN 'nat_outer'
            WHEN p.record_kind = 'regional_nat' AND s.scope <> 'vpc' AND s.scope <> 'private'
             AND d.scope <> 'vpc' AND d.scope <> 'private' THEN 'nat_outer'
            WHEN p.role = 'nat_gateway' AND NOT p.has_packet_address
             AND s.scope IN ('vpc', 'private') AND d.scope IN ('vpc', 'private') THEN 'nat_inner'
            WHEN p.role = 'nat_gateway' AND NOT p.has_packet_address THEN 'nat_outer_plain'
            ELSE '' END AS leg,
       CASE WHEN s.endpoint_id < d.endpoint_id OR (s.endpoint_id = d.endpoint_id AND p.srcport <= p.dstport)
            THEN 0 ELSE 1 END AS dir,
       CASE WHEN s.endpoint_id < d.endpoint_id OR (s.endpoint_id = d.endpoint_id AND p.srcport <= p.dstport)
            THEN s.endpoint_id ELSE d.endpoint_id END AS a_id,
       CASE WHEN s.endpoint_id < d.endpoint_id OR (s.endpoint_id = d.endpoint_id AND p.srcport <= p.dstport)
            THEN p.srcport ELSE p.dstport END AS a_port,
       CASE WHEN s.endpoint_id < d.endpoint_id OR (s.endpoint_id = d.endpoint_id AND p.srcport <= p.dstport)
            THEN d.endpoint_id ELSE s.endpoint_id END AS b_id,
       CASE WHEN s.endpoint_id < d.endpoint_id OR (s.endpoint_id = d.endpoint_id AND p.srcport <= p.dstport)
            THEN p.dstport ELSE p.srcport END AS b_port
FROM placed p
JOIN addresses s ON s.network = p.src_net AND s.address = p.src AND p.start_s >= s.valid_from_s AND p.start_s < s.valid_to_s
JOIN addresses d ON d.network = p.dst_net AND d.address = p.dst AND p.start_s >= d.valid_from_s AND p.start_s < d.valid_to_s
"""

_LATE_JOIN = """LEFT JOIN late_rejects l
    ON r.action = 'REJECT' AND l.observer = r.observer AND l.srcaddr = r.srcaddr AND l.dstaddr = r.dstaddr
   AND l.srcport = r.srcport AND l.dstport = r.dstport AND l.protocol = r.protocol
   AND l.start_s = r.start_s AND l.end_s = r.end_s
  """
_ELECTED_JOIN = """LEFT JOIN elected e
    ON e.observer = r.observer AND e.verdict = COALESCE(r.action, '') AND e.hour_s = r.start_s - r.start_s % 3600
  """
_ELECTED_WHERE = """
    AND (e.flow_log_id IS NULL OR e.flow_log_id = r.flow_log_id OR r.end_s <= e.log_first_s OR r.start_s >= e.log_last_s)"""


def legs_sql(*, transit: bool, late: bool, overlap: bool, from_s: int | None, to_s: int | None) -> str:
    """`legs` from interface records, or (`transit`) from transit gateway records; from `from_s` to `to_s`, halo included."""
    halo = ""
    if from_s is not None:
        halo = bind("\n    AND r.start_s >= $from_s AND r.start_s < $to_s", from_s=from_s, to_s=to_s)
    return (
        LEGS.replace("$late_join", _LATE_JOIN if late else "")
        .replace("$elected_join", _ELECTED_JOIN if overlap else "")
        .replace("$late", "l.observer IS NOT NULL" if late else "FALSE")
        .replace("$kind", "=" if transit else "<>")
        .replace("$halo", halo)
        .replace("$elected", _ELECTED_WHERE if overlap else "")
    )


# Rule 7: silence longer than `gap_s`, or a fresh SYN after a FIN or RST, begins a new conversation. A fresh SYN is one in
# a window that begins after the window of the FIN ended: within one window the order cannot be told, so the number of
# conversations is a lower bound. `nth` counts the conversations of a tuple.
SESSIONS = """
WITH looked_back AS (
  SELECT legs.*,
         max(end_s) OVER w AS before_s,
         max(CASE WHEN flags % 2 >= 1 OR flags % 8 >= 4 THEN end_s END) OVER w AS closed_s
  FROM legs
  WINDOW w AS (PARTITION BY protocol, a_id, a_port, b_id, b_port
               ORDER BY start_s, end_s, observer, dir, action, bytes, packets, flags
               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
SELECT observer, record_kind, protocol, bytes, packets, start_s, end_s, flags, action, late, side, leg, dir,
       a_id, a_port, b_id, b_port,
       CAST(sum(CASE WHEN before_s IS NULL OR start_s - before_s > $gap_s
                       OR (flags % 4 >= 2 AND flags % 32 < 16 AND start_s > closed_s) THEN 1 ELSE 0 END)
            OVER (PARTITION BY protocol, a_id, a_port, b_id, b_port
                  ORDER BY start_s, end_s, observer, dir, action, bytes, packets, flags
                  ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS BIGINT) AS nth
FROM looked_back
"""

# What each observer saw of each direction of each conversation.
SIDES = f"""
SELECT protocol, a_id, a_port, b_id, b_port, nth, dir, observer, max(side) AS side, max(leg) AS leg,
       max(record_kind) AS record_kind,
       CAST(sum(bytes) AS BIGINT) AS all_bytes,
       CAST(sum(CASE WHEN $inside THEN bytes ELSE 0 END) AS BIGINT) AS bytes,
       CAST(sum(CASE WHEN $inside THEN packets ELSE 0 END) AS BIGINT) AS packets,
       CAST(sum(CASE WHEN $inside THEN 1 ELSE 0 END) AS BIGINT) AS records,
       min(start_s) AS start_s, max(end_s) AS end_s, {or_flags("flags")} AS flags,
       max(CASE WHEN flags % 4 >= 2 AND flags % 32 < 16 THEN 1 ELSE 0 END) AS syn,
       max(CASE WHEN flags % 4 >= 2 AND flags % 32 >= 16 THEN 1 ELSE 0 END) AS syn_ack,
       max(CASE WHEN action = 'REJECT' AND NOT late THEN 1 ELSE 0 END) AS refused,
       max(CASE WHEN action = 'ACCEPT' THEN 1 ELSE 0 END) AS passed,
       CAST(sum(CASE WHEN late THEN 1 ELSE 0 END) AS BIGINT) AS late_rejects
FROM sessions
GROUP BY protocol, a_id, a_port, b_id, b_port, nth, dir, observer
"""

# Rule 1: one observer per conversation and direction, the one with most bytes; tie: at the sender.
COUNTED = """
WITH ranked AS (
  SELECT protocol, a_id, a_port, b_id, b_port, nth, dir, observer,
         row_number() OVER (PARTITION BY protocol, a_id, a_port, b_id, b_port, nth, dir
           ORDER BY all_bytes DESC, CASE side WHEN 'sender' THEN 0 WHEN 'receiver' THEN 1 ELSE 2 END, observer) AS place
  FROM sides
)
SELECT protocol, a_id, a_port, b_id, b_port, nth, dir, observer FROM ranked WHERE place = 1
"""

# Rule 8b: an address and port that at least three peer ports spoke to is a server. Who only spoke and was never spoken to
# (a scanner with a fixed source port) is not.
FAN_IN = """
SELECT protocol, id, port FROM (
  SELECT protocol, b_id AS id, b_port AS port, a_id AS peer, a_port AS peer_port FROM sides
  WHERE dir = 0 AND protocol IN (6, 17)
  UNION
  SELECT protocol, a_id, a_port, b_id, b_port FROM sides WHERE dir = 1 AND protocol IN (6, 17)
) AS spoken_to
GROUP BY protocol, id, port HAVING count(*) >= 3
"""

_EVIDENCE = """
WITH told AS (
  SELECT protocol, a_id, a_port, b_id, b_port, nth, min(start_s) AS start_s, max(end_s) AS end_s,
         max(CASE WHEN dir = 0 THEN syn END) AS syn_a, max(CASE WHEN dir = 1 THEN syn END) AS syn_b,
         max(CASE WHEN dir = 0 THEN syn_ack END) AS syn_ack_a, max(CASE WHEN dir = 1 THEN syn_ack END) AS syn_ack_b,
         max(CASE WHEN dir = 0 THEN flags END) IS NOT NULL OR max(CASE WHEN dir = 1 THEN flags END) IS NOT NULL AS has_flags,
         max(CASE WHEN dir = 0 THEN 1 ELSE 0 END) AS has_a, max(CASE WHEN dir = 1 THEN 1 ELSE 0 END) AS has_b,
         min(CASE WHEN dir = 0 THEN start_s END) AS first_a, min(CASE WHEN dir = 1 THEN start_s END) AS first_b,
         max(refused) AS refused, max(passed) AS passed, max(leg) AS leg, CAST(sum(late_rejects) AS BIGINT) AS late_rejects,
         min(record_kind) AS record_kind, max(record_kind) AS last_kind
  FROM sides GROUP BY protocol, a_id, a_port, b_id, b_port, nth
), weighed AS (
  SELECT t.*, fa.id IS NOT NULL AS fan_a, fb.id IS NOT NULL AS fan_b, pa.port IS NOT NULL AS known_a, pb.port IS NOT NULL AS known_b
  FROM told t
  LEFT JOIN fan_in fa ON fa.protocol = t.protocol AND fa.id = t.a_id AND fa.port = t.a_port
  LEFT JOIN fan_in fb ON fb.protocol = t.protocol AND fb.id = t.b_id AND fb.port = t.b_port
  LEFT JOIN service_ports pa ON pa.protocol = t.protocol AND pa.port = t.a_port
  LEFT JOIN service_ports pb ON pb.protocol = t.protocol AND pb.port = t.b_port
), judged AS (
  SELECT w.*,
    CASE
      WHEN protocol = 6 AND COALESCE(syn_a, 0) + COALESCE(syn_ack_b, 0) > 0 AND COALESCE(syn_b, 0) + COALESCE(syn_ack_a, 0) = 0 THEN 'a.syn'
      WHEN protocol = 6 AND COALESCE(syn_b, 0) + COALESCE(syn_ack_a, 0) > 0 AND COALESCE(syn_a, 0) + COALESCE(syn_ack_b, 0) = 0 THEN 'b.syn'
      WHEN protocol = 6 AND COALESCE(syn_ack_a, 0) = 1 AND COALESCE(syn_ack_b, 0) = 1 THEN 'unknown'
      WHEN protocol IN (1, 58) AND has_a + has_b = 2 THEN 'unknown'
      WHEN refused = 1 AND passed = 0 AND has_b = 0 AND NOT (known_a AND NOT known_b AND b_port >= 1024) THEN 'a.one_way'
      WHEN refused = 1 AND passed = 0 AND has_a = 0 AND NOT (known_b AND NOT known_a AND a_port >= 1024) THEN 'b.one_way'
      WHEN fan_b AND NOT fan_a AND NOT (b_port >= 32768 AND known_a) THEN 'a.fan_in'
      WHEN fan_a AND NOT fan_b AND NOT (a_port >= 32768 AND known_b) THEN 'b.fan_in'
      WHEN protocol IN (6, 17) AND known_b AND NOT known_a AND a_port >= 1024 THEN 'a.service_port'
      WHEN protocol IN (6, 17) AND known_a AND NOT known_b AND b_port >= 1024 THEN 'b.service_port'
      WHEN first_b - first_a > $interval_s THEN 'a.order'
      WHEN first_a - first_b > $interval_s THEN 'b.order'
      WHEN has_b = 0 AND NOT (known_a AND NOT known_b) THEN 'a.one_way'
      WHEN has_a = 0 AND NOT (known_b AND NOT known_a) THEN 'b.one_way'
      ELSE 'unknown' END AS verdict
  FROM weighed w
)
SELECT j.*, CASE WHEN substr(verdict, 1, 2) = 'b.' THEN 1 ELSE 0 END AS turned,
       CASE WHEN verdict = 'unknown' THEN 'unknown' ELSE substr(verdict, 3) END AS initiator_by
FROM judged j
"""

# The conversation's two directions side by side: `fwd` from the initiator, `rev` back. Verdicts per interface: a direction
# is refused at an observer where any of its records, late ones left out, is a REJECT.
_WIDE = f"""
WITH evidence AS ({_EVIDENCE}), faced AS (
  SELECT s.*, e.turned, CASE WHEN s.dir = e.turned THEN 'fwd' ELSE 'rev' END AS way,
         c.observer IS NOT NULL AS counted
  FROM sides s
  JOIN evidence e ON e.protocol = s.protocol AND e.a_id = s.a_id AND e.a_port = s.a_port AND e.b_id = s.b_id AND e.b_port = s.b_port AND e.nth = s.nth
  LEFT JOIN counted c ON c.protocol = s.protocol AND c.a_id = s.a_id AND c.a_port = s.a_port AND c.b_id = s.b_id AND c.b_port = s.b_port
   AND c.nth = s.nth AND c.dir = s.dir AND c.observer = s.observer
), wide AS (
  SELECT protocol, a_id, a_port, b_id, b_port, nth,
         max(CASE WHEN counted AND way = 'fwd' THEN bytes END) AS fwd_bytes,
         max(CASE WHEN counted AND way = 'fwd' THEN packets END) AS fwd_packets,
         max(CASE WHEN counted AND way = 'fwd' THEN records END) AS fwd_records,
         max(CASE WHEN counted AND way = 'rev' THEN bytes END) AS rev_bytes,
         max(CASE WHEN counted AND way = 'rev' THEN packets END) AS rev_packets,
         max(CASE WHEN counted AND way = 'rev' THEN records END) AS rev_records,
         max(CASE WHEN way = 'fwd' THEN 1 ELSE 0 END) AS has_fwd, max(CASE WHEN way = 'rev' THEN 1 ELSE 0 END) AS has_rev,
         {or_flags("CASE WHEN way = 'fwd' THEN flags END")} AS fwd_flags,
         {or_flags("CASE WHEN way = 'rev' THEN flags END")} AS rev_flags,
         max(CASE WHEN way = 'rev' THEN syn_ack END) AS rev_syn_ack, max(CASE WHEN way = 'fwd' THEN syn END) AS fwd_syn,
         max(CASE WHEN way = 'fwd' AND side = 'sender' THEN 2 * refused + passed END) AS fwd_src,
         max(CASE WHEN way = 'fwd' AND side = 'receiver' THEN 2 * refused + passed END) AS fwd_dst,
         max(CASE WHEN way = 'fwd' AND side = 'middle' THEN refused ELSE 0 END) AS fwd_middle,
         max(CASE WHEN way = 'rev' AND side = 'receiver' THEN 2 * refused + passed END) AS rev_src,
         max(CASE WHEN way = 'rev' AND side = 'sender' THEN 2 * refused + passed END) AS rev_dst,
         max(CASE WHEN (way = 'fwd' AND side = 'sender') OR (way = 'rev' AND side = 'receiver') THEN 1 ELSE 0 END) AS at_src,
         max(CASE WHEN (way = 'fwd' AND side = 'receiver') OR (way = 'rev' AND side = 'sender') THEN 1 ELSE 0 END) AS at_dst
  FROM faced GROUP BY protocol, a_id, a_port, b_id, b_port, nth
)
"""

_ACTION = "CASE WHEN {0} >= 2 THEN 'REJECT' WHEN {0} = 1 THEN 'ACCEPT' END"

# `hosts` has one row per endpoint. Cut: the conversation touches the edge of what was read, or a SKIPDATA hour of one of its
# interfaces, so that what is missing may only not have been read.
CONVERSATIONS = (
    _WIDE
    + f"""
, joined AS (
  SELECT e.protocol, e.a_id, e.a_port, e.b_id, e.b_port, e.nth, e.turned, e.initiator_by, e.start_s, e.end_s,
         e.leg, e.late_rejects, e.record_kind, e.last_kind,
         CASE WHEN e.turned = 1 THEN e.b_id ELSE e.a_id END AS src_id, CASE WHEN e.turned = 1 THEN e.b_port ELSE e.a_port END AS srcport,
         CASE WHEN e.turned = 1 THEN e.a_id ELSE e.b_id END AS dst_id, CASE WHEN e.turned = 1 THEN e.a_port ELSE e.b_port END AS dstport,
         w.fwd_bytes, w.fwd_packets, w.fwd_records, w.rev_bytes, w.rev_packets, w.rev_records, w.has_fwd, w.has_rev,
         w.fwd_flags, w.rev_flags, w.rev_syn_ack, w.fwd_syn, w.at_src, w.at_dst,
         {_ACTION.format("w.fwd_src")} AS fwd_src_action, {_ACTION.format("w.fwd_dst")} AS fwd_dst_action,
         {_ACTION.format("w.rev_src")} AS rev_src_action, {_ACTION.format("w.rev_dst")} AS rev_dst_action,
         COALESCE(w.fwd_src >= 2, FALSE) OR COALESCE(w.fwd_dst >= 2, FALSE) OR w.fwd_middle = 1 AS refused,
         e.start_s - $first_s <= $gap_s AND COALESCE(w.fwd_syn, 0) = 0 AS cut_left,
         $last_s - e.end_s <= $gap_s AND COALESCE(w.fwd_flags % 2 + w.rev_flags % 2, 0) = 0 AS cut_right,
         e.start_s - $first_s <= $interval_s AND COALESCE(w.fwd_syn, 0) = 0 AS at_first,
         $last_s - e.end_s <= $interval_s AS at_last
  FROM evidence e
  JOIN wide w ON w.protocol = e.protocol AND w.a_id = e.a_id AND w.a_port = e.a_port AND w.b_id = e.b_id AND w.b_port = e.b_port AND w.nth = e.nth
)
SELECT row_number() OVER (ORDER BY j.start_s, j.protocol, j.a_id, j.a_port, j.b_id, j.b_port, j.nth) AS conversation_id,
       j.a_id, j.a_port, j.b_id, j.b_port, j.nth, j.turned,
       NULLIF(j.protocol, -1) AS protocol, s.address AS srcaddr, j.srcport, d.address AS dstaddr, j.dstport, j.src_id, j.dst_id,
       s.home_network AS src_network, d.home_network AS dst_network, s.scope AS src_scope, d.scope AS dst_scope,
       s.interface_id AS src_interface_id, d.interface_id AS dst_interface_id, s.subnet_id AS src_subnet_id, d.subnet_id AS dst_subnet_id,
       s.az_id AS src_az_id, d.az_id AS dst_az_id, s.instance_id AS src_instance_id, d.instance_id AS dst_instance_id,
       s.name AS src_name, d.name AS dst_name, s.role AS src_role, d.role AS dst_role,
       s.aws_service AS src_aws_service, d.aws_service AS dst_aws_service,
       j.start_s, j.end_s, j.initiator_by,
       COALESCE(j.fwd_bytes, 0) AS fwd_bytes, COALESCE(j.fwd_packets, 0) AS fwd_packets,
       COALESCE(j.rev_bytes, 0) AS rev_bytes, COALESCE(j.rev_packets, 0) AS rev_packets,
       COALESCE(j.fwd_records, 0) AS fwd_records, COALESCE(j.rev_records, 0) AS rev_records, j.fwd_flags, j.rev_flags,
       j.fwd_src_action, j.fwd_dst_action, j.rev_src_action, j.rev_dst_action,
       j.refused AS rejected, j.late_rejects,
       CASE
         WHEN j.refused THEN 'rejected'
         WHEN j.protocol NOT IN (1, 58) AND COALESCE(s.subnet_id <> d.subnet_id, TRUE)
          AND ((j.rev_src_action = 'REJECT' AND j.fwd_src_action = 'ACCEPT')
            OR (j.rev_dst_action = 'REJECT' AND j.fwd_dst_action = 'ACCEPT')) THEN 'return_rejected'
         WHEN j.has_fwd = 0 AND j.at_first THEN 'cut'
         WHEN j.has_fwd = 0 AND j.protocol = 6 AND j.rev_syn_ack = 1 AND g.observer IS NULL THEN 'backscatter'
         WHEN j.has_fwd = 0 THEN 'one_sided'
         WHEN j.has_rev = 0 AND (j.at_first OR j.at_last OR g.observer IS NOT NULL) THEN 'cut'
         WHEN j.has_rev = 0 THEN 'no_reply'
         WHEN j.protocol = 6 AND j.fwd_syn = 1 AND j.rev_syn_ack = 0 AND j.rev_flags % 8 >= 4 THEN 'reset'
         WHEN j.protocol = 6 AND j.fwd_syn = 1 AND j.rev_syn_ack = 1 AND j.fwd_flags % 2 = 0 AND j.rev_flags % 2 = 0
          AND j.fwd_flags % 8 < 4 AND j.rev_flags % 8 < 4 AND NOT j.at_last AND g.observer IS NULL
          AND j.fwd_bytes <= 64 * j.fwd_packets AND j.rev_bytes <= 64 * j.rev_packets AND NOT $one_action THEN 'half_open'
         ELSE 'answered' END AS state,
       CASE WHEN j.last_kind = 'transit_gateway' AND j.record_kind = 'transit_gateway' THEN 'transit_gateway'
            WHEN j.at_src = 1 AND j.at_dst = 1 THEN 'both' WHEN j.at_src = 1 THEN 'source'
            WHEN j.at_dst = 1 THEN 'destination' ELSE 'middle' END AS observers,
       CASE WHEN s.scope IN ('vpc', 'private') AND d.scope IN ('vpc', 'private', 'multicast', 'link_local') THEN 'internal'
            WHEN s.scope IN ('vpc', 'private') THEN 'outbound' WHEN d.scope IN ('vpc', 'private') THEN 'inbound'
            ELSE 'transit' END AS path,
       CASE WHEN j.leg = 'nat_outer_plain' AND p.dst_id IS NOT NULL THEN 'nat_outer'
            WHEN j.leg = 'nat_outer_plain' THEN '' ELSE j.leg END AS leg,
       j.cut_left, j.cut_right, $in_period AS in_period
FROM joined j
JOIN hosts s ON s.endpoint_id = j.src_id
JOIN hosts d ON d.endpoint_id = j.dst_id
LEFT JOIN (SELECT DISTINCT observer, hour_s FROM skipped) g
  ON g.observer = COALESCE(d.interface_id, s.interface_id) AND g.hour_s = j.start_s - j.start_s % 3600
LEFT JOIN (SELECT DISTINCT protocol, dst_id, dstport FROM (
             SELECT protocol, b_id AS dst_id, b_port AS dstport FROM sides WHERE leg = ''
             UNION ALL SELECT protocol, a_id, a_port FROM sides WHERE leg = '') direct) p
  ON p.protocol = j.protocol AND p.dst_id = j.dst_id AND p.dstport = j.dstport AND j.leg = 'nat_outer_plain'
WHERE COALESCE(j.fwd_records, 0) + COALESCE(j.rev_records, 0) > 0
"""
)

#: The columns of `conversations`, in order, without the keys that only building needs.
COLUMNS = (
    "conversation_id, protocol, srcaddr, srcport, dstaddr, dstport, src_id, dst_id, src_network, "
    "dst_network, src_scope, dst_scope, src_interface_id, dst_interface_id, src_subnet_id, dst_subnet_id, "
    "src_az_id, dst_az_id, src_instance_id, dst_instance_id, src_name, dst_name, src_role, dst_role, "
    "src_aws_service, dst_aws_service, start_s, end_s, initiator_by, fwd_bytes, fwd_packets, rev_bytes, "
    "rev_packets, fwd_records, rev_records, fwd_flags, rev_flags, fwd_src_action, fwd_dst_action, "
    "rev_src_action, rev_dst_action, rejected, late_rejects, state, observers, path, leg, cut_left, "
    "cut_right, in_period"
)

# One row per host; where a host is seen from several networks its facts are the same or null.
HOSTS = """
SELECT endpoint_id, min(address) AS address, min(home_network) AS home_network, min(scope) AS scope,
       max(interface_id) AS interface_id, max(subnet_id) AS subnet_id, max(az_id) AS az_id,
       max(instance_id) AS instance_id, max(name) AS name, max(role) AS role, max(aws_service) AS aws_service
FROM addresses GROUP BY endpoint_id
"""

SKIPPED = """
SELECT DISTINCT observer, start_s - start_s % 3600 AS hour_s FROM records WHERE status IN ('SKIPDATA', 'INCOMPLETEDATA')
"""

# Rule 3: a transit gateway's records tell what interfaces told already, unless no interface saw the traffic.
UNSEEN_TRANSIT = """
SELECT t.* FROM transit_legs t
LEFT JOIN (SELECT DISTINCT protocol, a_id, a_port, b_id, b_port FROM legs) s
  ON s.protocol = t.protocol AND s.a_id = t.a_id AND s.a_port = t.a_port AND s.b_id = t.b_id AND s.b_port = t.b_port
WHERE s.protocol IS NULL
"""

PARTS = f"""
SELECT s.start_s - s.start_s % 3600 AS hour_s, c.conversation_id,
       CASE WHEN s.dir = c.turned THEN 'fwd' ELSE 'rev' END AS direction,
       CAST(sum(s.bytes) AS BIGINT) AS bytes, CAST(sum(s.packets) AS BIGINT) AS packets,
       CAST(count(*) AS BIGINT) AS records, {or_flags("s.flags")} AS flags
FROM sessions s
JOIN counted k ON k.protocol = s.protocol AND k.a_id = s.a_id AND k.a_port = s.a_port AND k.b_id = s.b_id AND k.b_port = s.b_port
 AND k.nth = s.nth AND k.dir = s.dir AND k.observer = s.observer
JOIN conversation_keys c ON c.protocol = s.protocol AND c.a_id = s.a_id AND c.a_port = s.a_port AND c.b_id = s.b_id
 AND c.b_port = s.b_port AND c.nth = s.nth
WHERE $inside
GROUP BY s.start_s - s.start_s % 3600, c.conversation_id, CASE WHEN s.dir = c.turned THEN 'fwd' ELSE 'rev' END
"""

_STATES = ("rejected", "answered", "no_reply", "reset", "half_open", "return_rejected")
_SERVICE = (
    "protocol, srcaddr, dstaddr, dstport, src_id, dst_id, src_network, dst_network, src_scope, dst_scope, src_az_id, dst_az_id, "
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
  SELECT conversation_id, protocol, srcaddr, dstaddr, dstport, src_id, dst_id, src_network, dst_network, src_scope, dst_scope,
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
