"""`conversations`: both directions of what belongs together, by who began, with verdicts and how it ended.

legs -> (most tuples at once, the others through `sessions`) -> sides -> faced -> judged -> conversations, parts,
services_hour
"""

from __future__ import annotations

__all__ = ["CONVERSATIONS", "HOSTS", "JUDGED", "SERVED", "SKIPPED"]

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
JUDGED = f"""
WITH faced_on AS (
  SELECT f.*, substr(verdict, 1, 2) = 'b.' AS turned,
         CASE WHEN verdict = 'unknown' THEN 'unknown' ELSE substr(verdict, 3) END AS initiator_by,
         CAST((a - a % 16777216) / 16777216 AS BIGINT) AS id_a, CAST((b - b % 65536) / 65536 AS BIGINT) AS id_b
  FROM faced f
), oriented AS (
  SELECT a, b, nth, turned, protocol, initiator_by, start_s, last_start_s, end_s, leg AS leg_code, late_rejects,
         transit,
         CASE WHEN turned THEN id_b ELSE id_a END AS src_id, CASE WHEN turned THEN id_a ELSE id_b END AS dst_id,
         {_turned()}
  FROM faced_on
), seen_at AS (
  SELECT o.*, {_ACTION.format("fwd_sent")} AS fwd_src_action, {_ACTION.format("fwd_got")} AS fwd_dst_action,
         {_ACTION.format("rev_got")} AS rev_src_action, {_ACTION.format("rev_sent")} AS rev_dst_action,
         COALESCE(fwd_sent, 0) >= 2 OR COALESCE(fwd_got, 0) >= 2 OR COALESCE(fwd_between, 0) = 1 AS refused,
         fwd_sent IS NOT NULL OR rev_got IS NOT NULL AS at_src, fwd_got IS NOT NULL OR rev_sent IS NOT NULL AS at_dst,
         start_s - $first_s <= $gap_s AND COALESCE(fwd_syn, 0) = 0 AS cut_left,
         $last_s - end_s <= $gap_s AND COALESCE(fwd_flags % 2, 0) + COALESCE(rev_flags % 2, 0) = 0 AS cut_right,
         start_s - $first_s <= $interval_s AND COALESCE(fwd_syn, 0) = 0 AS at_first,
         $last_s - end_s <= $interval_s AS at_last, $in_period AS in_period
  FROM oriented o
), numbered AS (
  SELECT a, b, nth, row_number() OVER (ORDER BY start_s, a, b, nth) AS place FROM faced
)
SELECT (n.place - 1) * $shares + $share + 1 AS conversation_id, j.*,
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
       CASE WHEN s.scope IN ('vpc', 'private') AND d.scope IN ('vpc', 'private', 'multicast', 'link_local')
         THEN 'internal'
            WHEN s.scope IN ('vpc', 'private') THEN 'outbound' WHEN d.scope IN ('vpc', 'private') THEN 'inbound'
            ELSE 'transit' END AS path,
       CASE WHEN j.leg_code = 1 THEN 'nat_inner' WHEN j.leg_code = 3 OR (j.leg_code = 2 AND p.server IS NOT NULL)
              THEN 'nat_outer'
            WHEN j.leg_code = 4 THEN 'encapsulated' ELSE '' END AS leg
FROM seen_at j
JOIN numbered n ON n.a = j.a AND n.b = j.b AND n.nth = j.nth
JOIN hosts s ON s.endpoint_id = j.src_id
JOIN hosts d ON d.endpoint_id = j.dst_id
LEFT JOIN skipped g ON g.observer = COALESCE(d.interface_id, s.interface_id) AND g.hour_s = j.start_s - j.start_s % 3600
LEFT JOIN served p ON j.leg_code = 2 AND p.server = (j.dst_id * 65536 + j.dstport) * 256 + j.protocol
WHERE (j.has_fwd AND j.fwd_records > 0) OR (j.has_rev AND j.rev_records > 0)
"""

# The same with the facts about both hosts.
_HOST = ("interface_id", "subnet_id", "az_id", "instance_id", "name", "role")
CONVERSATIONS = f"""
SELECT j.conversation_id, NULLIF(j.protocol, 255) AS protocol, s.address AS srcaddr, j.srcport, d.address AS dstaddr,
       j.dstport, j.src_id, j.dst_id, s.home_network AS src_network, d.home_network AS dst_network,
       s.scope AS src_scope, d.scope AS dst_scope,
       {", ".join(f"s.{what} AS src_{what}, d.{what} AS dst_{what}" for what in _HOST)},
       s.aws_service AS src_aws_service, d.aws_service AS dst_aws_service,
       j.start_s, j.end_s, j.initiator_by,
       CASE WHEN j.has_fwd THEN j.fwd_bytes ELSE 0 END AS fwd_bytes,
       CASE WHEN j.has_fwd THEN j.fwd_packets ELSE 0 END AS fwd_packets,
       CASE WHEN j.has_rev THEN j.rev_bytes ELSE 0 END AS rev_bytes,
       CASE WHEN j.has_rev THEN j.rev_packets ELSE 0 END AS rev_packets,
       CASE WHEN j.has_fwd THEN j.fwd_records ELSE 0 END AS fwd_records,
       CASE WHEN j.has_rev THEN j.rev_records ELSE 0 END AS rev_records, j.fwd_flags, j.rev_flags,
       j.fwd_src_action, j.fwd_dst_action, j.rev_src_action, j.rev_dst_action, j.refused AS rejected, j.late_rejects,
       j.state,
       CASE WHEN j.transit = 1 THEN 'transit_gateway' WHEN j.at_src AND j.at_dst THEN 'both' WHEN j.at_src THEN 'source'
            WHEN j.at_dst THEN 'destination' ELSE 'middle' END AS observers,
       j.path, j.leg, j.cut_left, j.cut_right, j.in_period
FROM judged j
JOIN hosts s ON s.endpoint_id = j.src_id
JOIN hosts d ON d.endpoint_id = j.dst_id
"""

# Ends that a NAT gateway spoke to in the name of others (leg 2), and that somebody spoke to by himself.
SERVED = """
WITH outer_ends AS (
  SELECT b * 256 + a % 256 AS server FROM legs_shared WHERE leg = 2 UNION SELECT a FROM legs_shared WHERE leg = 2
), own AS (
  SELECT b * 256 + a % 256 AS server FROM legs_shared WHERE leg = 0 UNION SELECT a FROM legs_shared WHERE leg = 0
)
SELECT w.server FROM own w JOIN outer_ends o ON o.server = w.server
"""

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
