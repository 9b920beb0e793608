"""When traffic is a flood: per target and ten minutes, against thresholds, peers that talk, and other time."""

from __future__ import annotations

from flowkit.engines.ctes import matching, share
from flowkit.security.flood_traffic import BIN_S, COUNTS, FLOOD_TRAFFIC

__all__ = ["FLOODS", "MANY_SOURCES"]

share("flood_rows")

# What makes a flood, per target (of SYNs: target and port) in ten minutes. Reasons:
# - SYN: 1,000 that lead to nothing, from 50 sources or more, or 2,000 from fewer (three a second, all the time; a
#   client that meets a closed door backs off). Between two of ours 30,000, since a service that is missing a rule is
#   called so by its own. The backlog of a Linux listener holds 128 to 4,096.
# - UDP and ICMP: 60,000 packets, 100 a second. A monitor's pings are one a second, a file-sharing host that went away
#   is still asked some tens of times a second.
# - Amplified: 1,000 answers from 10 hosts, or 10,000, that nobody asked for. Jonker et al., "Millions of Targets Under
#   Attack", IMC 2017, take 100 packets at one reflector for an attack.
# - Reflected: 10 MB of answers, 5 times as large as the questions (of DNS 10 times: signed zones answer large).
_LEAST = {"syn": 1_000, "udp": 60_000, "icmp": 60_000, "amplified": 1_000, "reflected": 1_000}
MANY_SOURCES, _FEW_SYNS, _MANY_REFLECTORS, _FEW_AMPLIFIED = 50, 2_000, 10, 10_000
_FEW_SYNS_INSIDE = 30_000
_REFLECTED_BYTES = 10_000_000
#: One way streams (a camera, a broadcast) use few ports and have a peer that talks otherwise, or last hours.
_STREAM_PORTS, _STREAM_S, _STREAM_WEIGHT = 4, 7_200, 6_000_000
#: Backscatter counts from 25 packets over a minute: Moore et al., "Inferring Internet Denial-of-Service Activity",
#: 2006.
_BACKSCATTER = 25
#: A baseline takes four hours of log at least. A flood is three times the median, and nine deviations above it.
_BASELINE_BINS = 24

_KEY = "kind, key_id, key_port"


def _on(one: str, other: str, *more: str) -> str:
    return matching(", ".join((_KEY, *more)), one, other)


_LOUD = " ".join(f"WHEN '{kind}' THEN {least}" for kind, least in _LEAST.items())

# keyed -> loud stretches -> pairs in them -> those that count -> stretches judged -> against the other time -> rows.
FLOODS = f"""
WITH {FLOOD_TRAFFIC.strip()}
, keyed AS (
  SELECT w.*, CASE WHEN kind = 'reflected' THEN from_id ELSE to_id END AS key_id,
         CASE WHEN kind = 'reflected' THEN to_id ELSE from_id END AS other_id,
         CASE kind WHEN 'syn' THEN to_port WHEN 'reflected' THEN from_port ELSE -1 END AS key_port
  FROM weighed w
), stretches AS (
  SELECT {_KEY}, bin_s, sum(weight) AS weight FROM keyed GROUP BY {_KEY}, bin_s
), loud AS (
  SELECT * FROM stretches WHERE weight >= CASE kind {_LOUD} END
), pairs AS (
  SELECT k.kind, k.key_id, k.key_port, k.bin_s, k.other_id, max(k.from_scope IN ('vpc', 'private')) AS ours,
         max(k.to_scope IN ('vpc', 'private')) AS theirs,
         count(*) AS tuples, count(DISTINCT k.to_port) AS ports, max(k.end_s - k.start_s) AS longest_s,
         sum(k.weight) AS weight, max(k.protocol) AS protocol, sum(CASE WHEN k.mild THEN k.weight ELSE 0 END) AS mild,
         sum(CASE WHEN k.unsure THEN k.weight ELSE 0 END) AS unsure, sum(k.packets) AS packets, sum(k.bytes) AS bytes,
         sum(k.back_bytes) AS back_bytes, sum(CASE WHEN k.rejected THEN k.packets ELSE 0 END) AS refused,
         min(k.start_s) AS first_s, max(k.end_s) AS last_s
  FROM keyed k JOIN loud l ON {_on("l", "k", "bin_s")}
  GROUP BY k.kind, k.key_id, k.key_port, k.bin_s, k.other_id
), talk AS (
  SELECT DISTINCT src_id, dst_id, dstport FROM conversations c
  WHERE {COUNTS} AND state = 'answered' AND fwd_packets >= 3 AND rev_packets >= 2
    AND (fwd_bytes > 64 * fwd_packets OR rev_bytes > 64 * rev_packets) AND protocol IN (6, 17)
), partners AS (
  SELECT src_id AS one, dst_id AS other FROM talk UNION SELECT dst_id, src_id FROM talk
), counted AS (
  SELECT p.* FROM pairs p
  LEFT JOIN talk t ON t.src_id = p.other_id AND t.dst_id = p.key_id AND t.dstport = p.key_port
  LEFT JOIN partners q ON q.one = p.other_id AND q.other = p.key_id
  WHERE NOT (p.kind = 'syn' AND t.src_id IS NOT NULL)
    AND NOT (p.kind = 'udp' AND p.tuples <= {_STREAM_PORTS} AND p.weight < {_STREAM_WEIGHT}
      AND (q.one IS NOT NULL OR p.longest_s >= {_STREAM_S}))
    AND NOT (p.kind = 'udp' AND p.ports >= 1000 AND p.packets <= 3 * p.ports)
), judged AS (
  SELECT kind, key_id, key_port, bin_s, sum(weight) AS weight,
         CASE kind
           WHEN 'syn' THEN (count(*) >= {MANY_SOURCES} AND sum(weight) >= {_LEAST["syn"]})
             OR (sum(weight - mild) >= {_FEW_SYNS} AND NOT max(ours AND theirs))
             OR sum(weight - mild) >= {_FEW_SYNS_INSIDE}
           WHEN 'amplified' THEN count(*) >= {_MANY_REFLECTORS} OR sum(weight) >= {_FEW_AMPLIFIED}
           WHEN 'reflected' THEN sum(bytes) >= {_REFLECTED_BYTES}
             AND sum(bytes) >= CASE WHEN key_port = 53 THEN 10 ELSE 5 END * sum(back_bytes)
           ELSE TRUE END AND sum(weight) >= CASE kind {_LOUD} END AS loud,
         2 * sum(unsure) > sum(weight) AND NOT (count(*) >= 3 AND sum(weight) >= 6000 * count(*)) AS unsure
  FROM counted GROUP BY kind, key_id, key_port, bin_s
), bins AS (
  SELECT DISTINCT start_s - start_s % {BIN_S} AS bin_s FROM flows WHERE start_s IS NOT NULL
), grid AS (
  SELECT k.kind, k.key_id, k.key_port, COALESCE(s.weight, 0) AS weight, count(*) OVER (PARTITION BY k.kind, k.key_id,
         k.key_port) AS bins, row_number() OVER (PARTITION BY k.kind, k.key_id, k.key_port
         ORDER BY COALESCE(s.weight, 0), b.bin_s) AS place
  FROM (SELECT DISTINCT {_KEY} FROM loud) k CROSS JOIN bins b
  LEFT JOIN stretches s ON {_on("s", "k")} AND s.bin_s = b.bin_s
), middles AS (
  SELECT {_KEY}, max(bins) AS bins, max(CASE WHEN place * 2 <= bins + 1 THEN weight END) AS middle
  FROM grid GROUP BY {_KEY}
), off AS (
  SELECT g.kind, g.key_id, g.key_port, g.bins, abs(g.weight - m.middle) AS off,
         row_number() OVER (PARTITION BY g.kind, g.key_id, g.key_port
         ORDER BY abs(g.weight - m.middle), g.place) AS place
  FROM grid g JOIN middles m ON {_on("m", "g")}
), usual AS (
  SELECT o.kind, o.key_id, o.key_port, max(o.bins) AS bins, max(m.middle) AS middle,
         max(CASE WHEN o.place * 2 <= o.bins + 1 THEN o.off END) AS spread
  FROM off o JOIN middles m ON {_on("m", "o")} GROUP BY o.kind, o.key_id, o.key_port
), read AS (
  SELECT l.kind, l.key_id, l.key_port, l.bin_s, COALESCE(j.weight, l.weight) AS weight, u.middle,
         CASE WHEN NOT COALESCE(j.loud, FALSE) THEN 'known peers'
              WHEN u.bins >= {_BASELINE_BINS} AND (j.weight < 3 * u.middle OR j.weight < u.middle + 9 * u.spread)
                THEN 'usual'
              WHEN j.unsure THEN 'both ways' ELSE 'flood' END AS reading
  FROM loud l
  LEFT JOIN judged j ON {_on("j", "l", "bin_s")}
  JOIN usual u ON {_on("u", "l")}
), best AS (
  SELECT {_KEY}, CASE WHEN max(reading = 'flood') THEN 'flood' WHEN max(reading = 'both ways') THEN 'both ways'
         WHEN max(reading = 'usual') THEN 'usual' ELSE 'known peers' END AS reading
  FROM read GROUP BY {_KEY}
), ends AS (
  SELECT endpoint_id, min(address) AS address, max(name) AS name,
         max(CASE WHEN scope IN ('vpc', 'private') THEN 1 ELSE 0 END) AS inside
  FROM addresses GROUP BY endpoint_id
), told AS (
  SELECT b.reading, r.kind, r.key_id, r.key_port,
         2 * sum(CASE WHEN p.ours THEN p.weight ELSE 0 END) >= sum(p.weight) AS ours,
         count(DISTINCT p.other_id) AS others, min(p.other_id) AS other_id, max(p.protocol) AS protocol,
         sum(p.packets) AS packets, sum(p.bytes) AS bytes, sum(p.refused) AS refused, max(r.weight) AS peak,
         max(r.middle) AS middle, min(p.first_s) AS first_s, max(p.last_s) AS last_s
  FROM read r
  JOIN best b ON {_on("b", "r")} AND b.reading = r.reading
  JOIN (SELECT * FROM counted UNION ALL SELECT p.* FROM pairs p JOIN read n ON {_on("n", "p", "bin_s")}
        WHERE n.reading = 'known peers') p ON {_on("p", "r", "bin_s")}
  GROUP BY b.reading, r.kind, r.key_id, r.key_port
), flood_rows AS (
  SELECT t.reading, t.kind, CASE WHEN t.kind = 'reflected' OR t.ours THEN 'source' ELSE 'victim' END AS role,
         CASE WHEN t.kind = 'reflected' THEN k.address WHEN t.others = 1 THEN o.address END AS srcaddr,
         CASE WHEN t.kind = 'reflected' THEN k.name WHEN t.others = 1 THEN o.name END AS src_name,
         CASE WHEN t.kind <> 'reflected' THEN k.address WHEN t.others = 1 THEN o.address END AS dstaddr,
         CASE WHEN t.kind <> 'reflected' THEN k.name WHEN t.others = 1 THEN o.name END AS dst_name,
         t.protocol, k.inside, t.key_id, t.key_port, t.others, t.packets, t.bytes, t.refused, t.peak, t.middle,
         t.first_s, t.last_s
  FROM told t
  JOIN ends k ON k.endpoint_id = t.key_id
  JOIN ends o ON o.endpoint_id = t.other_id
  UNION ALL
  SELECT 'backscatter', 'backscatter', 'spoofed', max(c.dstaddr), max(c.dst_name),
         CASE WHEN count(DISTINCT c.src_id) = 1 THEN max(c.srcaddr) END,
         CASE WHEN count(DISTINCT c.src_id) = 1 THEN max(c.src_name) END,
         6, 0, c.dst_id, c.dstport, count(DISTINCT c.src_id), sum(c.rev_packets), sum(c.rev_bytes), 0,
         sum(c.rev_packets), 0, min(c.start_s), max(c.end_s)
  FROM conversations c
  WHERE {COUNTS} AND c.protocol IN (1, 6, 17, 58) AND c.state = 'backscatter'
    AND c.src_scope IN ('vpc', 'private') AND c.dst_scope IN ('public', 'aws')
  GROUP BY c.dst_id, c.dstport
  HAVING sum(c.rev_packets) >= {_BACKSCATTER} AND max(c.end_s) - min(c.start_s) >= 60
)
SELECT reading, kind, role, srcaddr, src_name, dstaddr, dst_name, protocol,
       CASE WHEN key_port >= 0 THEN key_port END AS port,
       CAST(others AS BIGINT) AS peers, CAST(packets AS BIGINT) AS packets, CAST(bytes AS BIGINT) AS bytes,
       CAST(refused AS DOUBLE) / packets AS refused_share, CAST(peak AS DOUBLE) / {BIN_S} AS peak_pps,
       CAST(middle AS DOUBLE) / {BIN_S} AS usual_pps, first_s, last_s$keys
FROM flood_rows
ORDER BY CASE reading WHEN 'flood' THEN 0 WHEN 'both ways' THEN 1 ELSE 2 END, packets DESC, kind, key_id, key_port
LIMIT $top_n
"""
