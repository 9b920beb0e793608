"""Attempts: conversations as a scan detector sees them, whoever logged them and in whichever format.

One row per conversation whose initiator is known, TCP or UDP, each byte once. `answered` is 1 where the other side was
there: it spoke, and not only to refuse. A refusal is a REJECT at either end, silence, or a RST. Without TCP flags a RST
is known by its shape: as many packets back as forth, none larger than a bare header. REJECT-only logs have refusals
alone, ACCEPT-only logs lack those of security groups; every rule here works on both.

Source and target are the initiator and the responder, turned back where a scan without flags got them turned around.

Left out: conversations that only consist of late REJECTs, UDP between two equal ports (time servers, name broadcasts,
IKE: who asked cannot be told), traceroute's UDP ports (33434 to 33534), and whatever NAT shows a second time.
"""

from __future__ import annotations

__all__ = ["ATTEMPTS", "walk"]

# Without TCP flags, a scan with one source port that meets resets looks turned around: its own port is the one that
# many speak to. Refusals from five ports below 512 give it away, since no client begins from there (NFS and rsh begin
# from 512 to 1023). `doors` are such ports; what went to them and is shaped like a refusal is turned back.
_SHAPED = """protocol = 6 AND fwd_flags IS NULL AND rev_flags IS NULL AND rev_packets BETWEEN 1 AND 3
    AND fwd_packets = rev_packets AND rev_bytes <= 60 * rev_packets
          """
_TURNED = f"initiator_by = 'fan_in' AND in_period AND leg = '' AND {_SHAPED} AND fwd_bytes <= 60 * fwd_packets"
_SIDE = ("id", "scope", "name", "role", "interface_id")


def _ends(src: str, dst: str) -> str:
    """The columns of both ends, the initiator's (`src`) first."""
    ends = [f"c.{end}{what} AS {new}{what}" for end, new in ((src, "src"), (dst, "dst")) for what in ("addr", "port")]
    return ", ".join(ends + [f"c.{e}_{what} AS {n}_{what}" for e, n in ((src, "src"), (dst, "dst")) for what in _SIDE])


# `source` is the endpoint id; outside addresses of one IPv6 /64 share the lowest, since one machine owns all of it.
# `inside` and `target_inside`: one of our own networks, VPC or private. `shown` tells whether a SYN proves who began.
ATTEMPTS = f"""
blocks AS (
  SELECT endpoint_id, min(first_id) AS source FROM (
    SELECT endpoint_id, min(endpoint_id) OVER (PARTITION BY substr(addr_key, 1, 16)) AS first_id FROM addresses
    WHERE scope IN ('public', 'aws') AND address LIKE '%:%'
  ) AS blocks_of GROUP BY endpoint_id
), doors AS (
  SELECT dst_id AS door_id, dstport AS door FROM (
    SELECT DISTINCT dst_id, dstport, src_id, srcport FROM conversations WHERE {_TURNED} AND srcport < 512
  ) AS low GROUP BY dst_id, dstport HAVING count(*) >= 5
), begun AS (
  SELECT {_ends("src", "dst")}, c.protocol, c.start_s, c.end_s, c.rejected,
         CASE WHEN c.fwd_flags % 4 >= 2 AND c.fwd_flags % 32 < 16 THEN 1 ELSE 0 END AS shown,
         CASE WHEN c.rejected OR c.state IN ('no_reply', 'reset') THEN 0
              WHEN c.rev_packets = 0 AND c.state = 'cut' THEN 0
              WHEN {_SHAPED} THEN 0
              ELSE 1 END AS answered,
         c.fwd_packets, c.rev_packets, c.fwd_bytes, c.rev_bytes
  FROM conversations c
  LEFT JOIN doors d ON d.door_id = c.dst_id AND d.door = c.dstport AND {_TURNED}
  WHERE d.door IS NULL AND c.in_period AND c.leg = '' AND c.initiator_by <> 'unknown' AND c.state <> 'backscatter'
    AND c.protocol IN (6, 17) AND c.dstport > 0 AND (c.late_rejects = 0 OR c.rejected OR c.rev_packets > 0)
    AND NOT (c.protocol = 17 AND (c.srcport = c.dstport OR c.dstport BETWEEN 33434 AND 33534))
  UNION ALL
  SELECT {_ends("dst", "src")}, c.protocol, c.start_s, c.end_s, c.rejected, 0, 0,
         c.rev_packets, c.fwd_packets, c.rev_bytes, c.fwd_bytes
  FROM conversations c JOIN doors d ON d.door_id = c.dst_id AND d.door = c.dstport
  WHERE {_TURNED}
), attempts AS (
  SELECT COALESCE(b.source, c.src_id) AS source, c.src_id, c.srcaddr, c.src_name, c.src_role, c.srcport, c.dst_id,
         c.dstaddr, c.dst_name, c.dst_role, c.dstport,
         c.dst_interface_id, c.protocol, c.start_s, c.end_s, c.rejected,
         c.src_scope IN ('vpc', 'private') AS inside, c.dst_scope IN ('vpc', 'private') AS target_inside,
         c.shown, c.answered, c.fwd_packets, c.rev_packets, c.fwd_bytes, c.rev_bytes
  FROM begun c
  LEFT JOIN blocks b ON b.endpoint_id = c.src_id
  WHERE c.src_scope IN ('vpc', 'private', 'public', 'aws') AND c.dst_scope IN ('vpc', 'private', 'public', 'aws')
)"""


def walk(contacts: str, group: str, order: str) -> str:
    """The highest point of the random walk over first contacts, per `group`, as CTEs of which `walked` is the last.

    Each first contact that was refused is a step up, each that was answered a step down, never below the ground. A step
    stands for a likelihood ratio of 4: an honest first contact succeeds in four of five cases, a scanner's in one.
    Within one window the order is unknown: answered ones come first, so that the walk is a lower bound.

    Source: Jung, Paxson, Berger, Balakrishnan, "Fast Portscan Detection Using Sequential Hypothesis Testing", IEEE S&P
    2004 (Threshold Random Walk); restarting at the ground makes it a CUSUM, so that a long honest past does not hide a
    scan.
    """
    window = (
        f"OVER (PARTITION BY {group} ORDER BY first_s, answered DESC, {order} "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    )
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
