"""Attempts: conversations as a scan detector sees them, whoever logged them and in whichever format.

One row per conversation whose initiator is known, TCP or UDP, each byte once. `answered` is 1 where the other side was
there: it spoke, and not only to refuse. A refusal is a REJECT at either end, silence, or a RST. Without TCP flags a RST
is known by its shape: bare headers back, as many as went forth or fewer than SYNs did. REJECT-only logs have refusals
alone, ACCEPT-only logs lack those of security groups; every rule here works on both.

Source and target are the initiator and the responder, turned back where a scan without flags got them turned around,
and told from the whole of a scan where single conversations do not tell.

Left out: conversations that only consist of late REJECTs, UDP between two equal ports (time servers, name broadcasts,
IKE: who asked cannot be told), traceroute's UDP ports (33434 to 33534), and whatever NAT shows a second time.
"""

from __future__ import annotations

from flowkit.engines.ctes import share

__all__ = ["ATTEMPTS", "CONTACTS", "RELAYS", "REPEATED_ROUNDS", "walk"]

#: Roles of an interface that speaks for others: what it is refused, somebody behind it asked for.
RELAYS = (
    "nat_gateway", "regional_nat_gateway", "load_balancer", "network_load_balancer", "gateway_load_balancer",
)  # fmt: skip

#: Whoever tries the same doors in more stretches of ten minutes than this, on average, retries: a program whose way is
#: closed. Who searches comes once, or a few times where the first packet may be lost.
REPEATED_ROUNDS = 4

# Without TCP flags, a refusal with a RST looks the same from both sides, and a scan with one source port looks turned
# around: its own port is the one that many speak to. `small` are conversations shaped like a refusal whose beginner is
# unknown or told by fan-in. `faces` shows them both ways, from s to t. Signs that t was looked for:
# `doors`: refusals from five ports below 512 to one port, since no client begins from there;
# `fans`: the same port of five hosts, against five ports of s, or against a port that clients have;
# `scanned`: a host of ours refused on five ports below 512, or on fifteen that clients do not have to ports they do.
# What speaks for both sides or neither stays as it was.

#: So many make sure: one or two coincide.
FEW, SOME = 5, 15
#: No client begins below 512 (NFS and rsh begin from 512 to 1023); Linux and Windows begin from 32,768 on.
RESERVED_BELOW, CLIENTS_FROM = 512, 32_768

share("settled", "contacts")

# Packets of 60 bytes each are SYNs as Linux sends them, tried again: the ACK or RST after an answer has 52 at most.
_SHAPED = """protocol = 6 AND fwd_flags IS NULL AND rev_flags IS NULL AND rev_packets BETWEEN 1 AND 3
    AND (fwd_packets = rev_packets OR (fwd_packets > rev_packets AND fwd_bytes = 60 * fwd_packets))
    AND rev_bytes <= 60 * rev_packets
          """
_SMALL = """protocol = 6 AND fwd_flags IS NULL AND rev_flags IS NULL AND in_period AND leg = ''
    AND rev_packets BETWEEN 1 AND 3 AND rev_bytes <= 60 * rev_packets
    AND fwd_packets <= 3 AND fwd_bytes <= 60 * fwd_packets AND initiator_by IN ('fan_in', 'unknown')"""
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
), small AS (
  SELECT conversation_id, initiator_by, src_id, srcport, src_scope, src_role, dst_id, dstport, dst_scope, dst_role
  FROM conversations WHERE {_SMALL}
), faces AS (
  SELECT conversation_id, initiator_by, 1 AS turned, dst_id AS s_id, dstport AS s_port, src_id AS t_id,
         srcport AS t_port, dstport >= {CLIENTS_FROM} AND srcport < {CLIENTS_FROM} AS ranged,
         src_scope IN ('vpc', 'private') AND COALESCE(src_role, '') NOT LIKE '%nat_gateway' AS ours
  FROM small
  UNION ALL
  SELECT conversation_id, initiator_by, 0, src_id, srcport, dst_id, dstport,
         srcport >= {CLIENTS_FROM} AND dstport < {CLIENTS_FROM},
         dst_scope IN ('vpc', 'private') AND COALESCE(dst_role, '') NOT LIKE '%nat_gateway'
  FROM small WHERE initiator_by = 'unknown'
), doors AS (
  SELECT s_id, s_port FROM (
    SELECT DISTINCT s_id, s_port, t_id, t_port FROM faces WHERE t_port < {RESERVED_BELOW}
  ) AS low GROUP BY s_id, s_port HAVING count(*) >= {FEW}
), fans AS (
  SELECT s_id, t_port, initiator_by = 'unknown' AND NOT ranged AS unranged FROM faces
  WHERE ranged OR initiator_by = 'unknown' GROUP BY s_id, t_port, initiator_by = 'unknown' AND NOT ranged
  HAVING count(DISTINCT t_id) >= {FEW} AND (max(ranged) OR count(DISTINCT s_port) >= {FEW})
), scanned AS (
  SELECT t_id FROM faces WHERE ours AND (ranged OR initiator_by = 'unknown') GROUP BY t_id
  HAVING count(DISTINCT CASE WHEN initiator_by = 'unknown' AND t_port < {RESERVED_BELOW} THEN t_port END) >= {FEW}
      OR count(DISTINCT CASE WHEN ranged THEN t_port END) >= {SOME}
), scanners AS (
  SELECT f.s_id, f.t_id FROM faces f JOIN scanned x ON x.t_id = f.t_id WHERE f.ranged OR f.t_port < {RESERVED_BELOW}
  GROUP BY f.s_id, f.t_id HAVING count(DISTINCT f.t_port) >= 2
), settled AS (
  SELECT f.conversation_id, min(f.turned) AS turned FROM faces f
  LEFT JOIN doors d ON d.s_id = f.s_id AND d.s_port = f.s_port
  LEFT JOIN fans n ON n.s_id = f.s_id AND n.t_port = f.t_port
    AND n.unranged = (f.initiator_by = 'unknown' AND NOT f.ranged) AND (f.ranged OR f.initiator_by = 'unknown')
  LEFT JOIN scanners x ON x.s_id = f.s_id AND x.t_id = f.t_id
    AND (f.initiator_by = 'unknown' OR f.s_port >= {CLIENTS_FROM})
  WHERE d.s_id IS NOT NULL OR n.s_id IS NOT NULL OR x.s_id IS NOT NULL
  GROUP BY f.conversation_id HAVING min(f.turned) = max(f.turned)
), begun AS (
  SELECT {_ends("src", "dst")}, c.protocol, c.start_s, c.end_s, c.rejected,
         CASE WHEN c.fwd_flags % 4 >= 2 AND c.fwd_flags % 32 < 16 THEN 1 ELSE 0 END AS shown,
         CASE WHEN c.rejected OR c.state IN ('no_reply', 'reset') THEN 0
              WHEN c.rev_packets = 0 AND c.state = 'cut' THEN 0
              WHEN {_SHAPED} THEN 0
              ELSE 1 END AS answered,
         c.fwd_packets, c.rev_packets, c.fwd_bytes, c.rev_bytes
  FROM conversations c
  LEFT JOIN settled z ON z.conversation_id = c.conversation_id
  WHERE z.turned IS NULL AND c.in_period AND c.leg = '' AND c.initiator_by <> 'unknown' AND c.state <> 'backscatter'
    AND c.protocol IN (6, 17) AND c.dstport > 0 AND (c.late_rejects = 0 OR c.rejected OR c.rev_packets > 0)
    AND NOT (c.protocol = 17 AND (c.srcport = c.dstport OR c.dstport BETWEEN 33434 AND 33534))
  UNION ALL
  SELECT {_ends("src", "dst")}, c.protocol, c.start_s, c.end_s, c.rejected, 0, 0,
         c.fwd_packets, c.rev_packets, c.fwd_bytes, c.rev_bytes
  FROM conversations c JOIN settled z ON z.conversation_id = c.conversation_id AND z.turned = 0
  UNION ALL
  SELECT {_ends("dst", "src")}, c.protocol, c.start_s, c.end_s, c.rejected, 0, 0,
         c.rev_packets, c.fwd_packets, c.rev_bytes, c.fwd_bytes
  FROM conversations c JOIN settled z ON z.conversation_id = c.conversation_id AND z.turned = 1
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

# First contacts: a port of a host counts once per source. `rounds` is in how many stretches of ten minutes it was tried
# in vain. Only numbers, so that grouping stays cheap; `hosts` has the names.
CONTACTS = f"""{ATTEMPTS}, contacts AS (
  SELECT source, dst_id, protocol, dstport, max(answered) AS answered, max(shown) AS shown, count(*) AS attempts,
         count(DISTINCT CASE WHEN answered = 0 THEN start_s - start_s % 600 END) AS rounds, max(inside) AS inside,
         max(target_inside) AS target_inside, min(srcport) AS srcport, min(start_s) AS first_s, max(end_s) AS last_s
  FROM attempts GROUP BY source, dst_id, protocol, dstport
), hosts AS (
  SELECT endpoint_id, min(address) AS address, max(name) AS name, max(role) AS role,
         min(substr(addr_key, 1, CASE WHEN address LIKE '%:%' THEN 16 ELSE 30 END)) AS block
  FROM addresses GROUP BY endpoint_id
)"""


def walk(contacts: str, group: str) -> str:
    """The highest point of the random walk over first contacts, per `group`, as CTEs of which `walked` is the last.

    Each first contact that was refused is a step up, each that was answered a step down, never below the ground. A step
    stands for a likelihood ratio of 4: an honest first contact succeeds in four of five cases, a scanner's in one.
    Within one window the order is unknown, so that only its balance counts: the walk is a lower bound.

    Source: Jung, Paxson, Berger, Balakrishnan, "Fast Portscan Detection Using Sequential Hypothesis Testing", IEEE S&P
    2004 (Threshold Random Walk); restarting at the ground makes it a CUSUM, so that a long honest past does not hide a
    scan.
    """
    so_far = f"OVER (PARTITION BY {group} ORDER BY first_s ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    return f"""
steps AS (
  SELECT {group}, first_s, sum(CASE WHEN answered = 1 THEN -1 ELSE 1 END) AS step
  FROM {contacts} GROUP BY {group}, first_s
), heights AS (
  SELECT {group}, first_s, sum(step) {so_far} AS height FROM steps
), grounds AS (
  SELECT {group}, height, min(height) {so_far} AS ground FROM heights
), walked AS (
  SELECT {group}, CAST(max(height - CASE WHEN ground < 0 THEN ground ELSE 0 END) AS BIGINT) AS walk
  FROM grounds GROUP BY {group}
)"""
