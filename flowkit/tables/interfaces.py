"""`interfaces`: who took the records, its own address, and what it is."""

from __future__ import annotations

__all__ = ["ALL_INTERFACES", "INTERFACES", "NAT_BY_BYTES", "NAT_BY_PACKETS", "OBSERVERS", "OWN_ADDRESSES"]

OBSERVERS = """
SELECT observer, max(vpc_id) AS vpc_id, max(NULLIF(account_id, 'unknown')) AS account_id, max(subnet_id) AS subnet_id,
       max(az_id) AS az_id, max(region) AS region, max(instance_id) AS instance_id,
         max(interface_type) AS interface_type,
       max(record_kind) AS record_kind, CAST(count(*) AS BIGINT) AS records, min(start_s) AS first_s,
         max(end_s) AS last_s
FROM records WHERE status = 'OK' GROUP BY observer
"""

# Rule 4. `flow-direction` tells: an egress record's source and an ingress record's destination are the interface's own.
# Without it, own is the one address that is in (nearly) all records of the interface, per family. An interface that
# only
# ever spoke with one peer has two such addresses; the one that is another interface's own drops out in a second round.
OWN_ADDRESSES = """
WITH sides AS (
  SELECT observer, srcaddr AS address, src_key AS addr_key,
         CAST(sum(CASE WHEN flow_direction = 'egress' THEN 1 ELSE 0 END) AS BIGINT) AS told,
           CAST(count(*) AS BIGINT) AS n
  FROM records WHERE status = 'OK' AND record_kind = 'interface' AND srcaddr IS NOT NULL
  GROUP BY observer, srcaddr, src_key
  UNION ALL
  SELECT observer, dstaddr, dst_key,
         CAST(sum(CASE WHEN flow_direction = 'ingress' THEN 1 ELSE 0 END) AS BIGINT),
         CAST(sum(CASE WHEN dstaddr = srcaddr THEN 0 ELSE 1 END) AS BIGINT)
  FROM records WHERE status = 'OK' AND record_kind = 'interface' AND dstaddr IS NOT NULL
  GROUP BY observer, dstaddr, dst_key
), per_address AS (
  SELECT observer, address, addr_key, substr(addr_key, 1, 24) = '00000000000000000000ffff' AS v4,
         CAST(sum(told) AS BIGINT) AS told, CAST(sum(n) AS BIGINT) AS n
  FROM sides GROUP BY observer, address, addr_key
), totals AS (
  SELECT observer, substr(src_key, 1, 24) = '00000000000000000000ffff' AS v4, CAST(count(*) AS BIGINT) AS rows_seen,
         CAST(sum(CASE WHEN flow_direction IS NOT NULL THEN 1 ELSE 0 END) AS BIGINT) AS rows_told
  FROM records WHERE status = 'OK' AND record_kind = 'interface' AND srcaddr IS NOT NULL
  GROUP BY observer, substr(src_key, 1, 24) = '00000000000000000000ffff'
), candidates AS (
  SELECT p.observer, p.v4, p.address, p.addr_key, t.rows_told > 0 AS by_direction,
         CAST(count(*) OVER (PARTITION BY p.observer, p.v4) AS BIGINT) AS rivals
  FROM per_address p JOIN totals t ON t.observer = p.observer AND t.v4 = p.v4
  WHERE (t.rows_told > 0 AND p.told * 10 >= t.rows_told * 9) OR (t.rows_told = 0 AND p.n * 100 >= t.rows_seen * 95)
), sure AS (
  SELECT observer, v4, address, addr_key FROM candidates WHERE rivals = 1
), second AS (
  SELECT c.observer, c.v4, c.address, c.addr_key,
         CAST(count(*) OVER (PARTITION BY c.observer, c.v4) AS BIGINT) AS left_over
  FROM candidates c LEFT JOIN sure s ON s.address = c.address AND s.observer <> c.observer
  WHERE c.rivals > 1 AND s.address IS NULL
)
SELECT observer, v4, address, addr_key FROM sure
UNION ALL
SELECT observer, v4, address, addr_key FROM second WHERE left_over = 1
"""

# A NAT gateway by its four legs: a packet that comes in for somebody else (`pkt-dstaddr` is not the interface's
# address)
# leaves from the interface's own address to that same somebody.
NAT_BY_PACKETS = """
WITH inner_leg AS (
  SELECT DISTINCT r.observer, r.pkt_dstaddr AS peer
  FROM records r JOIN own_addresses o ON o.observer = r.observer AND o.address = r.dstaddr
  WHERE r.status = 'OK' AND r.record_kind = 'interface' AND r.pkt_dstaddr <> r.dstaddr
), outer_leg AS (
  SELECT DISTINCT r.observer, r.dstaddr AS peer
  FROM records r JOIN own_addresses o ON o.observer = r.observer AND o.address = r.srcaddr
  WHERE r.status = 'OK' AND r.record_kind = 'interface' AND r.pkt_srcaddr = r.srcaddr AND r.pkt_dstaddr = r.dstaddr
)
SELECT DISTINCT i.observer FROM inner_leg i JOIN outer_leg o ON o.observer = i.observer AND o.peer = i.peer
"""

# A NAT gateway without `pkt-*`: what private clients send to its own address on a port, it sends to public addresses on
# that same port, byte for byte. At least three public peers, two ports' worth of agreement over 80 % of the bytes.
NAT_BY_BYTES = """
WITH legs AS (
  SELECT r.observer, r.dstport, r.dstaddr = o.address AS inward, r.bytes,
         CASE WHEN r.srcaddr = o.address THEN r.dstaddr END AS peer
  FROM records r JOIN own_addresses o ON o.observer = r.observer AND (o.address = r.srcaddr OR o.address = r.dstaddr)
  JOIN private_ranges src ON r.src_key BETWEEN src.low_key AND src.high_key
  LEFT JOIN private_ranges dst ON r.dst_key BETWEEN dst.low_key AND dst.high_key
  WHERE r.status = 'OK' AND r.action = 'ACCEPT' AND r.record_kind = 'interface' AND r.dstport < 32768
    AND r.protocol IN (6, 17) AND r.pkt_srcaddr IS NULL AND r.flow_direction IS NULL
    AND (r.dstaddr = o.address OR dst.low_key IS NULL)
), ports AS (
  SELECT observer, dstport, CAST(sum(CASE WHEN inward THEN bytes ELSE 0 END) AS BIGINT) AS in_bytes,
         CAST(sum(CASE WHEN inward THEN 0 ELSE bytes END) AS BIGINT) AS out_bytes
  FROM legs GROUP BY observer, dstport
), peers AS (
  SELECT observer, count(DISTINCT peer) AS public_peers FROM legs GROUP BY observer
)
SELECT p.observer FROM ports p JOIN peers q ON q.observer = p.observer
WHERE q.public_peers >= 3
GROUP BY p.observer
HAVING sum(p.in_bytes) > 0
   AND sum(CASE WHEN p.in_bytes < p.out_bytes THEN p.in_bytes ELSE p.out_bytes END) * 10
     >= sum(CASE WHEN p.in_bytes > p.out_bytes THEN p.in_bytes ELSE p.out_bytes END) * 8
"""

# What the record says beats the inventory; the inventory beats what is inferred.
ALL_INTERFACES = """
WITH own AS (
  SELECT observer, max(CASE WHEN v4 THEN address END) AS own_v4, max(CASE WHEN v4 THEN NULL ELSE address END) AS own_v6
  FROM own_addresses GROUP BY observer
)
SELECT row_number() OVER (ORDER BY o.observer) AS observer_id, o.observer, COALESCE(o.vpc_id, v.vpc_id, o.account_id,
  v.account_id, '') AS network,
       COALESCE(o.account_id, v.account_id) AS account_id,
       COALESCE(w.own_v4, v.own_address, w.own_v6, v.own_ipv6) AS own_address, COALESCE(w.own_v6,
         v.own_ipv6) AS own_ipv6,
       COALESCE(o.vpc_id, v.vpc_id) AS vpc_id, COALESCE(o.subnet_id, v.subnet_id) AS subnet_id,
       COALESCE(o.az_id, v.az_id) AS az_id, COALESCE(o.region, v.region) AS region,
       COALESCE(o.instance_id, v.instance_id) AS instance_id, v.instance_type, v.name,
       CASE WHEN o.record_kind = 'regional_nat' THEN 'regional_nat_gateway'
            WHEN o.record_kind = 'transit_gateway' THEN 'transit_gateway'
            ELSE COALESCE(o.interface_type, v.role, n.role,
                          CASE WHEN COALESCE(o.instance_id, v.instance_id) IS NOT NULL THEN 'instance' END) END AS role,
       CASE WHEN o.record_kind <> 'interface' OR o.interface_type IS NOT NULL THEN 'record'
            WHEN v.role IS NOT NULL THEN 'inventory'
            WHEN n.role IS NOT NULL THEN 'inferred'
            WHEN o.instance_id IS NOT NULL THEN 'record'
            WHEN v.instance_id IS NOT NULL THEN 'inventory' END AS role_source,
       o.records, o.first_s, o.last_s
FROM observers o
LEFT JOIN own w ON w.observer = o.observer
LEFT JOIN inventory_interfaces v ON v.interface_id = o.observer
LEFT JOIN (SELECT DISTINCT observer, 'nat_gateway' AS role FROM nat_observers) n ON n.observer = o.observer
"""

INTERFACES = """
SELECT i.observer, i.network, i.account_id, i.own_address, i.own_ipv6, i.vpc_id, i.subnet_id, i.az_id, i.region,
       i.instance_id, i.instance_type, i.name, i.role, i.role_source,
       COALESCE(f.records, 0) AS records, f.first_s, f.last_s
FROM all_interfaces i
LEFT JOIN (SELECT observer, CAST(sum(records) AS BIGINT) AS records, min(start_s) AS first_s, max(end_s) AS last_s
           FROM windows GROUP BY observer) f ON f.observer = i.observer
"""
