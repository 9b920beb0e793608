"""Attempts: conversations as a scan detector sees them, whoever logged them and in whichever format.

One row per conversation whose initiator is known, TCP or UDP, each byte once. `answered` is 1 where the other side was
there: it spoke, and not only to refuse. A refusal is a REJECT at either end, silence, or a RST. Without TCP flags a RST
is known by its shape: as many packets back as forth, none larger than a bare header. REJECT-only logs have refusals alone,
ACCEPT-only logs lack those of security groups; every rule here works on both.

Left out: conversations that only consist of late REJECTs, UDP between two equal ports (time servers, name broadcasts, IKE:
who asked cannot be told), traceroute's UDP ports (33434 to 33534), and whatever NAT shows a second time.
"""

from __future__ import annotations

__all__ = ["ATTEMPTS", "WALK_STEP", "walk"]

#: One step of the random walk: the likelihood ratio of a refused first contact, 0.8 / 0.2 in Jung et al., is 4.
WALK_STEP = 4

# `source` groups outside addresses of IPv6 by /64, since one machine owns all of it. `inside` and `target_inside`: one of
# our own networks, VPC or private. `shown` tells whether a SYN proves who began.
ATTEMPTS = """
blocks AS (
  SELECT endpoint_id, min(substr(addr_key, 1, 16)) AS block FROM addresses
  WHERE scope IN ('public', 'aws') AND address LIKE '%:%' GROUP BY endpoint_id
), attempts AS (
  SELECT CASE WHEN b.block IS NOT NULL THEN concat(b.block, '/64') ELSE CAST(c.src_id AS VARCHAR) END AS source,
         c.src_id, c.srcaddr, c.src_name, c.src_role, c.srcport, c.dst_id, c.dstaddr, c.dst_name, c.dst_role, c.dstport,
         c.dst_interface_id, c.protocol, c.start_s, c.end_s, c.rejected,
         c.src_scope IN ('vpc', 'private') AS inside, c.dst_scope IN ('vpc', 'private') AS target_inside,
         CASE WHEN c.fwd_flags % 4 >= 2 AND c.fwd_flags % 32 < 16 THEN 1 ELSE 0 END AS shown,
         CASE WHEN c.rejected OR c.state IN ('no_reply', 'reset') THEN 0
              WHEN c.rev_packets = 0 AND c.state = 'cut' THEN 0
              WHEN c.protocol = 6 AND c.fwd_flags IS NULL AND c.rev_flags IS NULL AND c.rev_packets BETWEEN 1 AND 3
               AND c.fwd_packets = c.rev_packets AND c.rev_bytes <= 60 * c.rev_packets THEN 0
              ELSE 1 END AS answered,
         c.fwd_packets, c.rev_packets, c.fwd_bytes, c.rev_bytes
  FROM conversations c
  LEFT JOIN blocks b ON b.endpoint_id = c.src_id
  WHERE c.in_period AND c.leg = '' AND c.initiator_by <> 'unknown' AND c.state <> 'backscatter'
    AND c.protocol IN (6, 17) AND c.dstport > 0
    AND c.src_scope IN ('vpc', 'private', 'public', 'aws') AND c.dst_scope IN ('vpc', 'private', 'public', 'aws')
    AND (c.late_rejects = 0 OR c.rejected OR c.rev_packets > 0)
    AND NOT (c.protocol = 17 AND (c.srcport = c.dstport OR c.dstport BETWEEN 33434 AND 33534))
)"""


def walk(contacts: str, group: str, order: str) -> str:
    """The highest point of the random walk over first contacts, per `group`, as two CTEs; the second is `walked`.

    Each first contact that was refused is a step up, each that was answered a step down, never below the ground. Within
    one window the order is unknown: answered ones come first, so that the walk is a lower bound.

    Source: Jung, Paxson, Berger, Balakrishnan, "Fast Portscan Detection Using Sequential Hypothesis Testing", IEEE S&P
    2004 (Threshold Random Walk); restarting at the ground makes it a CUSUM, so that a long honest past does not hide a scan.
    """
    window = f"OVER (PARTITION BY {group} ORDER BY first_s, answered DESC, {order} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    return f"""
heights AS (
  SELECT {group}, first_s, answered, {order}, sum(CASE WHEN answered = 1 THEN -1 ELSE 1 END) {window} AS height
  FROM {contacts}
), grounds AS (
  SELECT {group}, height, min(height) {window} AS ground FROM heights
), walked AS (
  SELECT {group}, CAST(max(height - CASE WHEN ground < 0 THEN ground ELSE 0 END) AS BIGINT) AS walk
  FROM grounds GROUP BY {group}
)"""
