"""`conversations`, `conversation_parts`, `services_hour`: records of one tuple put together, each byte once.

    legs -> (most tuples at once, the others through `sessions`) -> sides -> faced -> conversations -> parts,
      services_hour

While they are built, an end of a conversation is one number: `(endpoint_id * 65536 + port)`, and the smaller end,
  called
`a`, carries the protocol too, so that joins and groups work on two integers. `dir` 0 is from a to b.
"""

from __future__ import annotations

from flowkit.engines import bind

__all__ = [
    "COLUMNS",
    "CONVERSATIONS",
    "FACED",
    "FAN_IN",
    "HOSTS",
    "LONG_TUPLES",
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


# One row per record that may count. The packet-level addresses make the inner legs of a NAT gateway, and pods behind a
# node, meet their client's records. `side` says where the observer stands: 0 at the sender, 1 at the receiver, 2
# between.
# `leg`: 0 counts; 1 inner and 2 outer leg of a NAT gateway whose packet addresses are not logged; 3 outer leg of one
# whose
# are, so that its inner legs tell the same bytes; 4 traffic wrapped for a gateway load balancer.
_LEGS = """
WITH placed AS (
  SELECT i.observer_id, r.record_kind, COALESCE(r.protocol, 255) AS protocol, COALESCE(r.srcport, 0) AS srcport,
         COALESCE(r.dstport, 0) AS dstport, COALESCE(r.bytes, 0) AS bytes, COALESCE(r.packets, 0) AS packets,
         COALESCE(r.start_s, 0) AS start_s, COALESCE(r.end_s, r.start_s, 0) AS end_s, r.tcp_flags AS flags,
         CASE WHEN r.action = 'REJECT' AND NOT $late THEN 1 ELSE 0 END AS refused,
         CASE WHEN r.action = 'ACCEPT' THEN 1 ELSE 0 END AS passed, CASE WHEN $late THEN 1 ELSE 0 END AS late,
         i.role, i.observer,
         COALESCE(r.flow_direction,
           CASE WHEN r.srcaddr = i.own_address OR r.srcaddr = i.own_ipv6 THEN 'egress'
                WHEN r.dstaddr = i.own_address OR r.dstaddr = i.own_ipv6 THEN 'ingress' END) AS direction,
         COALESCE(r.pkt_srcaddr, r.srcaddr) AS src, COALESCE(r.pkt_dstaddr, r.dstaddr) AS dst,
         r.pkt_srcaddr IS NOT NULL OR r.pkt_dstaddr IS NOT NULL AS has_packet_address,
         $src_net AS src_net, $dst_net AS dst_net
  FROM records r JOIN all_interfaces i ON i.observer = r.observer
  $joins
  WHERE r.status = 'OK' AND r.srcaddr IS NOT NULL AND r.dstaddr IS NOT NULL
    AND r.record_kind $kind 'transit_gateway'$where
), ends AS (
  SELECT p.*, s.endpoint_id * 65536 + p.srcport AS src_end, d.endpoint_id * 65536 + p.dstport AS dst_end,
         s.interface_id AS src_owner, d.interface_id AS dst_owner, s.scope IN ('vpc', 'private') AS src_inside,
         d.scope IN ('vpc', 'private') AS dst_inside
  FROM placed p
  JOIN addresses s ON s.network = p.src_net AND s.address = p.src AND p.start_s >= s.valid_from_s
    AND p.start_s < s.valid_to_s
  JOIN addresses d ON d.network = p.dst_net AND d.address = p.dst AND p.start_s >= d.valid_from_s
    AND p.start_s < d.valid_to_s
)
SELECT observer_id, CAST(CASE WHEN record_kind = 'transit_gateway' THEN 1 ELSE 0 END AS TINYINT) AS transit,
       CASE WHEN src_end <= dst_end THEN src_end ELSE dst_end END * 256 + protocol AS a,
       CASE WHEN src_end <= dst_end THEN dst_end ELSE src_end END AS b,
       CAST(CASE WHEN src_end <= dst_end THEN 0 ELSE 1 END AS TINYINT) AS dir,
       bytes, packets, start_s, end_s, flags, CAST(refused AS TINYINT) AS refused, CAST(passed AS TINYINT) AS passed,
       CAST(late AS TINYINT) AS late,
       CAST(CASE WHEN direction IS NULL OR record_kind <> 'interface'
              OR role IN ('nat_gateway', 'regional_nat_gateway', 'transit_gateway', 'gateway_load_balancer') THEN 2
            WHEN direction = 'egress' THEN 0 ELSE 1 END AS TINYINT) AS side,
       CAST(CASE WHEN protocol = 17 AND (srcport = 6081 OR dstport = 6081) THEN 4
            WHEN role = 'nat_gateway' AND has_packet_address
             AND ((direction = 'egress' AND src_owner = observer) OR (direction = 'ingress'
               AND dst_owner = observer)) THEN 3
            WHEN record_kind = 'regional_nat' AND NOT src_inside AND NOT dst_inside THEN 3
            WHEN role = 'nat_gateway' AND NOT has_packet_address AND src_inside AND dst_inside THEN 1
            WHEN role = 'nat_gateway' AND NOT has_packet_address THEN 2 ELSE 0 END AS TINYINT) AS leg
FROM ends
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
    AND (e.flow_log_id IS NULL OR e.flow_log_id = r.flow_log_id
      OR r.end_s <= e.log_first_s OR r.start_s >= e.log_last_s)"""


def legs_sql(*, transit: bool, late: bool, overlap: bool, from_s: int | None, to_s: int | None) -> str:
    """`legs` from interface records, or from transit gateway records; `from_s` and `to_s` include the halo."""
    where = _ELECTED_WHERE if overlap else ""
    if from_s is not None:
        where += bind("\n    AND r.start_s >= $from_s AND r.start_s < $to_s", from_s=from_s, to_s=to_s)
    return (
        _LEGS.replace("$joins", (_LATE_JOIN if late else "") + (_ELECTED_JOIN if overlap else ""))
        .replace("$where", where)
        .replace("$late", "l.observer IS NOT NULL" if late else "FALSE")
        .replace("$kind", "=" if transit else "<>")
        .replace("$src_net", "COALESCE(r.tgw_src_vpc_id, i.network)" if transit else "i.network")
        .replace("$dst_net", "COALESCE(r.tgw_dst_vpc_id, i.network)" if transit else "i.network")
    )


# Rule 3: a transit gateway's records tell what interfaces told already, unless no interface saw the traffic.
UNSEEN_TRANSIT = """
SELECT t.* FROM transit_legs t
LEFT JOIN (SELECT DISTINCT a, b FROM legs) s ON s.a = t.a AND s.b = t.b
WHERE s.a IS NULL
"""

# Tuples that may be more than one conversation: only these need to be looked at record by record.
LONG_TUPLES = """
SELECT a, b FROM legs GROUP BY a, b
HAVING max(end_s) - min(start_s) > $gap_s
    OR max(CASE WHEN flags % 4 >= 2 AND flags % 32 < 16 THEN start_s END)
       > min(CASE WHEN flags % 2 >= 1 OR flags % 8 >= 4 THEN end_s END)
"""

# Rule 7: silence longer than `gap_s`, or a fresh SYN after a FIN or RST, begins a new conversation. A fresh SYN is one
# in
# a window that begins after the window of the FIN ended: within one window the order cannot be told, so the number of
# conversations is a lower bound. `nth` counts the conversations of a tuple.
SESSIONS = """
WITH looked_back AS (
  SELECT l.*,
         max(end_s) OVER w AS before_s,
         max(CASE WHEN flags % 2 >= 1 OR flags % 8 >= 4 THEN end_s END) OVER w AS closed_s
  FROM legs l JOIN long_tuples t ON t.a = l.a AND t.b = l.b
  WINDOW w AS (PARTITION BY l.a, l.b ORDER BY start_s, end_s, observer_id, dir, refused, bytes, packets, flags
               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
SELECT observer_id, transit, a, b, dir, bytes, packets, start_s, end_s, flags, refused, passed, late, side, leg,
       CAST(sum(CASE WHEN before_s IS NULL OR start_s - before_s > $gap_s
                       OR (flags % 4 >= 2 AND flags % 32 < 16 AND start_s > closed_s) THEN 1 ELSE 0 END)
            OVER (PARTITION BY a, b ORDER BY start_s, end_s, observer_id, dir, refused, bytes, packets, flags
                  ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS BIGINT) AS nth
FROM looked_back
"""

_SEEN = f"""
SELECT a, b, $nth AS nth, dir, observer_id, max(side) AS side, max(leg) AS leg, max(transit) AS transit,
       CAST(sum(bytes) AS BIGINT) AS all_bytes,
       CAST(sum(CASE WHEN $inside THEN bytes ELSE 0 END) AS BIGINT) AS bytes,
       CAST(sum(CASE WHEN $inside THEN packets ELSE 0 END) AS BIGINT) AS packets,
       CAST(sum(CASE WHEN $inside THEN 1 ELSE 0 END) AS BIGINT) AS records,
       min(start_s) AS start_s, max(start_s) AS last_start_s, max(end_s) AS end_s, {or_flags("flags")} AS flags,
       max(CASE WHEN flags % 4 >= 2 AND flags % 32 < 16 THEN 1 ELSE 0 END) AS syn,
       max(CASE WHEN flags % 4 >= 2 AND flags % 32 >= 16 THEN 1 ELSE 0 END) AS syn_ack,
       max(refused) AS refused, max(passed) AS passed, CAST(sum(late) AS BIGINT) AS late_rejects
"""

# What each observer saw of each direction of each conversation.
SIDES = f"""
{_SEEN.replace("$nth", "CAST(1 AS BIGINT)")}
FROM legs l WHERE NOT EXISTS (SELECT 1 FROM long_tuples t WHERE t.a = l.a AND t.b = l.b)
GROUP BY a, b, dir, observer_id
UNION ALL
{_SEEN.replace("$nth", "nth")}
FROM sessions GROUP BY a, b, nth, dir, observer_id
"""

# Rule 8b: an address and port that at least three peer ports spoke to is a server. Who only spoke and was never spoken
# to
# (a scanner with a fixed source port) is not. `server` is the end with its protocol.
FAN_IN = """
SELECT server FROM (
  SELECT b * 256 + a % 256 AS server FROM (SELECT DISTINCT a, b FROM sides WHERE dir = 0 AND a % 256 IN (6, 17)) to_b
  UNION ALL
  SELECT a FROM (SELECT DISTINCT a, b FROM sides WHERE dir = 1 AND a % 256 IN (6, 17)) to_a
) AS spoken_to
GROUP BY server HAVING count(*) >= 3
"""


def _of(direction: int, what: str, how: str = "max") -> str:
    return f"{how}(CASE WHEN dir = {direction} THEN {what} END)"


def _pair(name: str, what: str) -> str:
    return f"{_of(0, what)} AS {name}_a, {_of(1, what)} AS {name}_b"


# Rule 1: one observer per conversation and direction counts, the one with most bytes; tie: at the sender; then the
# first by
# name. As one 64-bit number, larger is better, never equal for two of up to 2^20 observers, so that `max_by` has no
# ties to
# break. Two observers that both saw over 2 TiB of one conversation count as equal in bytes here.
_WORTH = (
    "(CASE WHEN all_bytes < 2199023255550 THEN all_bytes ELSE 2199023255550 END * 4 + 3 - side) * 1048576 "
    "+ 1048575 - observer_id"
)


def _counted(name: str, what: str) -> str:
    """What the observer that counts says, for each direction; only meaningful where the direction was seen at all."""
    picks = [f"max_by({what}, CASE WHEN dir = {dir_} THEN worth ELSE -1 END)" for dir_ in (0, 1)]
    return f"{picks[0]} AS {name}_a, {picks[1]} AS {name}_b"


# The conversation's two directions side by side, and who began (rule 8).
FACED = f"""
WITH told AS (
  SELECT a, b, nth, min(start_s) AS start_s, max(last_start_s) AS last_start_s, max(end_s) AS end_s,
         {_pair("syn", "syn")}, {_pair("syn_ack", "syn_ack")},
         {_of(0, "1")} IS NOT NULL AS has_a, {_of(1, "1")} IS NOT NULL AS has_b,
         {_of(0, "start_s", "min")} AS first_a, {_of(1, "start_s", "min")} AS first_b,
         max(refused) AS refused, max(passed) AS passed, max(leg) AS leg, min(transit) AS transit,
         CAST(sum(late_rejects) AS BIGINT) AS late_rejects,
         {_counted("bytes", "bytes")}, {_counted("packets", "packets")}, {_counted("records", "records")},
         {_counted("counted", "observer_id")},
         {or_flags("CASE WHEN dir = 0 THEN flags END")} AS flags_a,
           {or_flags("CASE WHEN dir = 1 THEN flags END")} AS flags_b,
         {_pair("sent", "CASE WHEN side = 0 THEN 2 * refused + passed END")},
         {_pair("got", "CASE WHEN side = 1 THEN 2 * refused + passed END")},
         {_pair("between", "CASE WHEN side = 2 THEN refused END")}
  FROM (SELECT s.*, {_WORTH} AS worth FROM sides s) valued GROUP BY a, b, nth
), weighed AS (
  SELECT t.*, CAST(a % 256 AS INTEGER) AS protocol,
         CAST((a % 16777216 - a % 256) / 256 AS INTEGER) AS port_a, CAST(b % 65536 AS INTEGER) AS port_b,
         fa.server IS NOT NULL AS fan_a, fb.server IS NOT NULL AS fan_b
  FROM told t LEFT JOIN fan_in fa ON fa.server = t.a LEFT JOIN fan_in fb ON fb.server = t.b * 256 + t.a % 256
), known AS (
  SELECT w.*, pa.port IS NOT NULL AS known_a, pb.port IS NOT NULL AS known_b
  FROM weighed w
  LEFT JOIN service_ports pa ON pa.protocol = w.protocol AND pa.port = w.port_a
  LEFT JOIN service_ports pb ON pb.protocol = w.protocol AND pb.port = w.port_b
)
SELECT k.*,
    CASE
      WHEN protocol = 6 AND COALESCE(syn_a, 0) + COALESCE(syn_ack_b, 0) > 0 AND COALESCE(syn_b,
        0) + COALESCE(syn_ack_a, 0) = 0 THEN 'a.syn'
      WHEN protocol = 6 AND COALESCE(syn_b, 0) + COALESCE(syn_ack_a, 0) > 0 AND COALESCE(syn_a,
        0) + COALESCE(syn_ack_b, 0) = 0 THEN 'b.syn'
      WHEN protocol = 6 AND COALESCE(syn_ack_a, 0) = 1 AND COALESCE(syn_ack_b, 0) = 1 THEN 'unknown'
      WHEN protocol IN (1, 58) AND has_a AND has_b THEN 'unknown'
      WHEN refused = 1 AND passed = 0 AND NOT has_b AND NOT (known_a AND NOT known_b AND port_b >= 1024)
        THEN 'a.one_way'
      WHEN refused = 1 AND passed = 0 AND NOT has_a AND NOT (known_b AND NOT known_a AND port_a >= 1024)
        THEN 'b.one_way'
      WHEN fan_b AND NOT fan_a AND NOT (port_b >= 32768 AND known_a) THEN 'a.fan_in'
      WHEN fan_a AND NOT fan_b AND NOT (port_a >= 32768 AND known_b) THEN 'b.fan_in'
      WHEN protocol IN (6, 17) AND known_b AND NOT known_a AND port_a >= 1024 THEN 'a.service_port'
      WHEN protocol IN (6, 17) AND known_a AND NOT known_b AND port_b >= 1024 THEN 'b.service_port'
      WHEN first_b - first_a > $interval_s THEN 'a.order'
      WHEN first_a - first_b > $interval_s THEN 'b.order'
      WHEN NOT has_b AND NOT (known_a AND NOT known_b) THEN 'a.one_way'
      WHEN NOT has_a AND NOT (known_b AND NOT known_a) THEN 'b.one_way'
      ELSE 'unknown' END AS verdict
FROM known k
"""

#: Pairs of columns by initiator instead of by the order of the ends: name -> the two columns.
_TURNED = {
    "fwd_bytes": "bytes", "fwd_packets": "packets", "fwd_records": "records", "fwd_flags": "flags", "fwd_syn": "syn",
    "fwd_sent": "sent", "fwd_got": "got", "fwd_between": "between", "has_fwd": "has", "srcport": "port",
    "fwd_counted": "counted",
}  # fmt: skip


def _turned() -> str:
    back = {name.replace("fwd", "rev") if "fwd" in name else "dstport": base for name, base in _TURNED.items()}
    columns = [f"CASE WHEN turned THEN {base}_b ELSE {base}_a END AS {name}" for name, base in _TURNED.items()]
    columns += [f"CASE WHEN turned THEN {base}_a ELSE {base}_b END AS {name}" for name, base in back.items()]
    columns.append("CASE WHEN turned THEN syn_ack_a ELSE syn_ack_b END AS rev_syn_ack")
    return ",\n         ".join(columns)


_ACTION = "CASE WHEN {0} >= 2 THEN 'REJECT' WHEN {0} = 1 THEN 'ACCEPT' END"

# Verdicts: at the initiator's interface what it sent forward (`fwd_sent`) and got back (`rev_got`); at the responder's
# what
# it got (`fwd_got`) and sent back (`rev_sent`). A reply is blocked where, at one and the same interface, the forward
# packets
# passed and the reply did not. Cut: the conversation touches the edge of what was read, or an hour in which its
# interface
# lost records, so that what is missing may only not have been read.
CONVERSATIONS = f"""
WITH faced_on AS (
  SELECT f.*, substr(verdict, 1, 2) = 'b.' AS turned,
         CASE WHEN verdict = 'unknown' THEN 'unknown' ELSE substr(verdict, 3) END AS initiator_by,
         CAST((a - a % 16777216) / 16777216 AS BIGINT) AS id_a, CAST((b - b % 65536) / 65536 AS BIGINT) AS id_b
  FROM faced f
), oriented AS (
  SELECT a, b, nth, turned, protocol, initiator_by, start_s, last_start_s, end_s, leg, late_rejects, transit,
         CASE WHEN turned THEN id_b ELSE id_a END AS src_id, CASE WHEN turned THEN id_a ELSE id_b END AS dst_id,
         {_turned()}
  FROM faced_on
), judged AS (
  SELECT o.*, {_ACTION.format("fwd_sent")} AS fwd_src_action, {_ACTION.format("fwd_got")} AS fwd_dst_action,
         {_ACTION.format("rev_got")} AS rev_src_action, {_ACTION.format("rev_sent")} AS rev_dst_action,
         COALESCE(fwd_sent, 0) >= 2 OR COALESCE(fwd_got, 0) >= 2 OR COALESCE(fwd_between, 0) = 1 AS refused,
         fwd_sent IS NOT NULL OR rev_got IS NOT NULL AS at_src, fwd_got IS NOT NULL OR rev_sent IS NOT NULL AS at_dst,
         start_s - $first_s <= $gap_s AND COALESCE(fwd_syn, 0) = 0 AS cut_left,
         $last_s - end_s <= $gap_s AND COALESCE(fwd_flags % 2, 0) + COALESCE(rev_flags % 2, 0) = 0 AS cut_right,
         start_s - $first_s <= $interval_s AND COALESCE(fwd_syn, 0) = 0 AS at_first,
         $last_s - end_s <= $interval_s AS at_last
  FROM oriented o
)
SELECT row_number() OVER (ORDER BY j.start_s, j.a, j.b, j.nth) AS conversation_id,
       j.a, j.b, j.nth, j.turned, j.last_start_s,
       CASE WHEN j.has_fwd THEN j.fwd_counted END AS fwd_counted, CASE WHEN j.has_rev
         THEN j.rev_counted END AS rev_counted,
       NULLIF(j.protocol, 255) AS protocol, s.address AS srcaddr, j.srcport, d.address AS dstaddr, j.dstport, j.src_id,
         j.dst_id,
       s.home_network AS src_network, d.home_network AS dst_network, s.scope AS src_scope, d.scope AS dst_scope,
       s.interface_id AS src_interface_id, d.interface_id AS dst_interface_id, s.subnet_id AS src_subnet_id,
         d.subnet_id AS dst_subnet_id,
       s.az_id AS src_az_id, d.az_id AS dst_az_id, s.instance_id AS src_instance_id, d.instance_id AS dst_instance_id,
       s.name AS src_name, d.name AS dst_name, s.role AS src_role, d.role AS dst_role,
       s.aws_service AS src_aws_service, d.aws_service AS dst_aws_service,
       j.start_s, j.end_s, j.initiator_by,
       CASE WHEN j.has_fwd THEN j.fwd_bytes ELSE 0 END AS fwd_bytes, CASE WHEN j.has_fwd THEN j.fwd_packets
         ELSE 0 END AS fwd_packets,
       CASE WHEN j.has_rev THEN j.rev_bytes ELSE 0 END AS rev_bytes, CASE WHEN j.has_rev THEN j.rev_packets
         ELSE 0 END AS rev_packets,
       CASE WHEN j.has_fwd THEN j.fwd_records ELSE 0 END AS fwd_records, CASE WHEN j.has_rev THEN j.rev_records
         ELSE 0 END AS rev_records, j.fwd_flags, j.rev_flags,
       j.fwd_src_action, j.fwd_dst_action, j.rev_src_action, j.rev_dst_action, j.refused AS rejected, j.late_rejects,
       CASE
         WHEN j.refused THEN 'rejected'
         WHEN j.protocol NOT IN (1, 58) AND COALESCE(s.subnet_id <> d.subnet_id, TRUE)
          AND ((j.rev_src_action = 'REJECT' AND j.fwd_src_action = 'ACCEPT')
            OR (j.rev_dst_action = 'REJECT' AND j.fwd_dst_action = 'ACCEPT')) THEN 'return_rejected'
         WHEN NOT j.has_fwd AND j.at_first THEN 'cut'
         WHEN NOT j.has_fwd AND j.protocol = 6 AND j.rev_syn_ack = 1 AND g.observer IS NULL THEN 'backscatter'
         WHEN NOT j.has_fwd THEN 'one_sided'
         WHEN NOT j.has_rev AND (j.at_first OR j.at_last OR g.observer IS NOT NULL) THEN 'cut'
         WHEN NOT j.has_rev THEN 'no_reply'
         WHEN j.protocol = 6 AND j.fwd_syn = 1 AND j.rev_syn_ack = 0 AND j.rev_flags % 8 >= 4 THEN 'reset'
         WHEN j.protocol = 6 AND j.fwd_syn = 1 AND j.rev_syn_ack = 1 AND j.fwd_flags % 2 = 0 AND j.rev_flags % 2 = 0
          AND j.fwd_flags % 8 < 4 AND j.rev_flags % 8 < 4 AND NOT j.at_last AND g.observer IS NULL
          AND j.fwd_bytes <= 64 * j.fwd_packets AND j.rev_bytes <= 64 * j.rev_packets AND NOT $one_action
            THEN 'half_open'
         ELSE 'answered' END AS state,
       CASE WHEN j.transit = 1 THEN 'transit_gateway' WHEN j.at_src AND j.at_dst THEN 'both' WHEN j.at_src THEN 'source'
            WHEN j.at_dst THEN 'destination' ELSE 'middle' END AS observers,
       CASE WHEN s.scope IN ('vpc', 'private') AND d.scope IN ('vpc', 'private', 'multicast', 'link_local')
         THEN 'internal'
            WHEN s.scope IN ('vpc', 'private') THEN 'outbound' WHEN d.scope IN ('vpc', 'private') THEN 'inbound'
            ELSE 'transit' END AS path,
       CASE WHEN j.leg = 1 THEN 'nat_inner' WHEN j.leg = 3 OR (j.leg = 2 AND p.server IS NOT NULL) THEN 'nat_outer'
            WHEN j.leg = 4 THEN 'encapsulated' ELSE '' END AS leg,
       j.cut_left, j.cut_right, $in_period AS in_period
FROM judged j
JOIN hosts s ON s.endpoint_id = j.src_id
JOIN hosts d ON d.endpoint_id = j.dst_id
LEFT JOIN skipped g ON g.observer = COALESCE(d.interface_id, s.interface_id) AND g.hour_s = j.start_s - j.start_s % 3600
LEFT JOIN (SELECT DISTINCT b * 256 + a % 256 AS server FROM sides WHERE leg = 0
           UNION SELECT DISTINCT a FROM sides WHERE leg = 0) p
  ON j.leg = 2 AND p.server = (j.dst_id * 65536 + j.dstport) * 256 + j.protocol
WHERE (j.has_fwd AND j.fwd_records > 0) OR (j.has_rev AND j.rev_records > 0)
"""

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
