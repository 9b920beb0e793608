"""Records on their way to conversations: one row each, then what each observer saw of each stretch of a tuple.

While conversations are built, an end is one number, `endpoint_id * 65536 + port`, and the smaller end of the two,
called `a`, carries the protocol too (`* 256 + protocol`), so that joins and groups work on two integers. `dir` 0 is
from a to b.
"""

from __future__ import annotations

from collections.abc import Sequence

from flowkit.engines import bind
from flowkit.tables.records import DIRECTION, ELECTED_JOIN, ELECTED_WHERE, late_parts

__all__ = ["LEGS", "LONG_TUPLES", "SESSIONS", "legs_sql", "or_flags", "sides_sql"]


def or_flags(flags: str, bits: Sequence[int]) -> str:
    """The OR of a column of TCP flags over a group: the maximum of each bit, in arithmetic that every engine has.

    `bits` are those that occur at all: each costs a column of the group. Null where no record of the group has flags.
    """
    each = [f"max({flags} % {2 * bit} - {flags} % {bit})" for bit in bits]
    return f"CAST({' + '.join(each) or f'max({flags} % 1)'} AS INTEGER)"


# One row per record that may count. The packet-level addresses make the inner legs of a NAT gateway, and pods behind a
# node, meet their client's records. `side` says where the observer stands: 0 at the sender, 1 at the receiver, 2
# between.
# `leg`: 0 counts; 1 inner and 2 outer leg of a NAT gateway whose packet addresses are not logged; 3 outer leg of one
# whose
# are, so that its inner legs tell the same bytes; 4 traffic wrapped for a gateway load balancer.
_PLACED = """
  SELECT i.observer_id, r.record_kind, COALESCE(r.protocol, 255) AS protocol, COALESCE(r.srcport, 0) AS srcport,
         COALESCE(r.dstport, 0) AS dstport, COALESCE(r.bytes, 0) AS bytes, COALESCE(r.packets, 0) AS packets,
         COALESCE(r.start_s, 0) AS start_s, COALESCE(r.end_s, r.start_s, 0) AS end_s, r.tcp_flags AS flags,
         CASE WHEN r.action = 'REJECT' AND NOT $late THEN 1 ELSE 0 END AS refused,
         CASE WHEN r.action = 'ACCEPT' THEN 1 ELSE 0 END AS passed, CASE WHEN $late THEN 1 ELSE 0 END AS late,
         i.role, i.observer,
         $direction AS direction,
         COALESCE(r.pkt_srcaddr, r.srcaddr) AS src, COALESCE(r.pkt_dstaddr, r.dstaddr) AS dst,
         r.pkt_srcaddr IS NOT NULL OR r.pkt_dstaddr IS NOT NULL AS has_packet_address,
         COALESCE(r.tgw_src_vpc_id, i.network) AS src_net, COALESCE(r.tgw_dst_vpc_id, i.network) AS dst_net
  FROM records r JOIN all_interfaces i ON i.observer = r.observer$joins
  WHERE r.status = 'OK' AND r.srcaddr IS NOT NULL AND r.dstaddr IS NOT NULL$where
"""

_LEGS = """
WITH placed AS ($placed), ends AS (
  SELECT p.*, (s.endpoint_id + d.endpoint_id) % $shares AS share,
         s.endpoint_id * 65536 + p.srcport AS src_end, d.endpoint_id * 65536 + p.dstport AS dst_end,
         s.interface_id AS src_owner, d.interface_id AS dst_owner, s.scope IN ('vpc', 'private') AS src_inside,
         d.scope IN ('vpc', 'private') AS dst_inside
  FROM placed p
  JOIN addresses s ON s.network = p.src_net AND s.address = p.src AND p.start_s >= s.valid_from_s
    AND p.start_s < s.valid_to_s
  JOIN addresses d ON d.network = p.dst_net AND d.address = p.dst AND p.start_s >= d.valid_from_s
    AND p.start_s < d.valid_to_s
)
SELECT share, observer_id, CAST(CASE WHEN record_kind = 'transit_gateway' THEN 1 ELSE 0 END AS TINYINT) AS transit,
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


def legs_sql(*, shares: int, late: bool, overlap: bool, from_s: int | None, to_s: int | None) -> str:
    """All legs, each in one of `shares` by its two hosts, so that what belongs together lies together.

    `from_s` and `to_s` include the halo.
    """
    where = ELECTED_WHERE if overlap else ""
    if from_s is not None:
        where += bind("\n    AND r.start_s >= $from_s AND r.start_s < $to_s", from_s=from_s, to_s=to_s)

    text = (
        _PLACED.replace("$direction", DIRECTION)
        .replace("$joins", "$late_join" + (ELECTED_JOIN if overlap else ""))
        .replace("$where", f"$which{where}")
    )
    both = "UNION ALL".join(
        text.replace("$which", which).replace("$late_join", join).replace("$late", is_late)
        for which, join, is_late in late_parts(late)
    )
    return _LEGS.replace("$placed", both).replace("$shares", str(int(shares)))


# Those of one share that count. Rule 3: a transit gateway's records tell what interfaces told already, unless no
# interface saw the traffic.
LEGS = """
SELECT * FROM $share WHERE transit = 0
UNION ALL
SELECT t.* FROM $share t
LEFT JOIN (SELECT DISTINCT a, b FROM $share WHERE transit = 0) s ON s.a = t.a AND s.b = t.b
WHERE t.transit = 1 AND s.a IS NULL
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

_SEEN = """
SELECT a, b, $nth AS nth, dir, observer_id, max(side) AS side, max(leg) AS leg, max(transit) AS transit,
       CAST(sum(bytes) AS BIGINT) AS all_bytes, $counts,
       min(start_s) AS start_s, max(start_s) AS last_start_s, max(end_s) AS end_s, $flags AS flags,
       max(CASE WHEN flags % 4 >= 2 AND flags % 32 < 16 THEN 1 ELSE 0 END) AS syn,
       max(CASE WHEN flags % 4 >= 2 AND flags % 32 >= 16 THEN 1 ELSE 0 END) AS syn_ack,
       max(refused) AS refused, max(passed) AS passed, CAST(sum(late) AS BIGINT) AS late_rejects
"""

_SIDES = f"""
{_SEEN.replace("$nth", "CAST(1 AS BIGINT)")}
FROM legs l WHERE NOT EXISTS (SELECT 1 FROM long_tuples t WHERE t.a = l.a AND t.b = l.b)
GROUP BY a, b, dir, observer_id
UNION ALL
{_SEEN.replace("$nth", "nth")}
FROM sessions GROUP BY a, b, nth, dir, observer_id
"""


def sides_sql(inside: str, flag_bits: Sequence[int]) -> str:
    """`sides`: what each observer saw of each direction of each conversation.

    `inside` says of a record that it lies in the period; bytes, packets and records count there alone.
    """
    counted = [("bytes", "bytes"), ("packets", "packets"), ("1", "records")]
    counts = [f"CAST(sum(CASE WHEN {inside} THEN {what} ELSE 0 END) AS BIGINT) AS {name}" for what, name in counted]
    return _SIDES.replace("$counts", ",\n       ".join(counts)).replace("$flags", or_flags("flags", flag_bits))
