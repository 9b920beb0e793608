"""`addresses`: whose address it is, in which network, and when."""

from __future__ import annotations

__all__ = ["ADDRESSES", "CLAIMS", "FOREVER_S", "OWNERS", "SEEN", "SEEN_KEYED"]

#: The end of time for an address that nobody took over (the year 9999).
FOREVER_S = 253_402_300_800

# Networks: a transit gateway record names the VPCs of both ends; any other record has the one of its observer.
SEEN = """
WITH told AS (
  SELECT i.network, r.srcaddr AS address, NULLIF(r.pkt_src_aws_service, '') AS service,
         r.pkt_srcaddr, r.record_kind, r.tgw_src_vpc_id AS tgw_vpc
  FROM records r JOIN all_interfaces i ON i.observer = r.observer WHERE r.status = 'OK'
  UNION ALL
  SELECT i.network, r.dstaddr, NULLIF(r.pkt_dst_aws_service, ''), r.pkt_dstaddr, r.record_kind, r.tgw_dst_vpc_id
  FROM records r JOIN all_interfaces i ON i.observer = r.observer WHERE r.status = 'OK'
), grouped AS (
  SELECT CASE WHEN record_kind = 'transit_gateway' THEN COALESCE(tgw_vpc, network) ELSE network END AS network,
         address, pkt_srcaddr AS pkt_address, max(service) AS service
  FROM told
  GROUP BY CASE WHEN record_kind = 'transit_gateway' THEN COALESCE(tgw_vpc, network) ELSE network END, address,
    pkt_srcaddr
)
SELECT network, address, max(service) AS service FROM (
  SELECT network, address, CASE WHEN pkt_address IS NULL OR pkt_address = address THEN service END AS service
  FROM grouped WHERE address IS NOT NULL
  UNION ALL
  SELECT network, pkt_address, service FROM grouped WHERE pkt_address IS NOT NULL AND pkt_address <> address
) AS both_kinds
GROUP BY network, address
"""

# `address_keys` has the key of every distinct address: no engine but Trino can compute it, so the caller does.
SEEN_KEYED = """
SELECT s.network, s.address, s.service, k.addr_key FROM seen s JOIN address_keys k ON k.address = s.address
"""

# Who claims an address. 1: an interface whose own address it is, by the records. 2: the inventory. 3: a pod or
# secondary
# address behind an interface that is no middle box: `pkt-*` differs from the collapsed primary address.
CLAIMS = """
SELECT i.network, o.address, i.observer AS interface_id, 1 AS rank,
       COALESCE(i.first_s, 0) AS first_s, COALESCE(i.last_s, 0) AS last_s
FROM own_addresses o JOIN all_interfaces i ON i.observer = o.observer
UNION ALL
SELECT network, address, interface_id, 2, first_s, last_s FROM inventory_addresses
UNION ALL
SELECT i.network, b.address, i.observer, 3, min(b.first_s), max(b.last_s)
FROM (
  SELECT observer, srcaddr AS own, pkt_srcaddr AS address, COALESCE(min(start_s), 0) AS first_s, COALESCE(max(end_s),
    0) AS last_s
  FROM records WHERE status = 'OK' AND flow_direction = 'egress' AND pkt_srcaddr <> srcaddr
  GROUP BY observer, srcaddr, pkt_srcaddr
  UNION ALL
  SELECT observer, dstaddr, pkt_dstaddr, COALESCE(min(start_s), 0), COALESCE(max(end_s), 0)
  FROM records WHERE status = 'OK' AND flow_direction = 'ingress' AND pkt_dstaddr <> dstaddr
  GROUP BY observer, dstaddr, pkt_dstaddr
) b
JOIN all_interfaces i ON i.observer = b.observer AND b.own IN (i.own_address, i.own_ipv6)
WHERE i.instance_id IS NOT NULL AND COALESCE(i.role, 'instance') = 'instance'
GROUP BY i.network, b.address, i.observer
"""

# Claims of the best rank. Two owners one after the other: the address was recycled. Two at once: nobody can say.
OWNERS = """
WITH best AS (
  SELECT network, address, min(rank) AS rank FROM claims GROUP BY network, address
), held AS (
  SELECT c.network, c.address, c.interface_id, min(c.first_s) AS first_s, max(c.last_s) AS last_s
  FROM claims c JOIN best b ON b.network = c.network AND b.address = c.address AND b.rank = c.rank
  GROUP BY c.network, c.address, c.interface_id
), ordered AS (
  SELECT network, address, interface_id, first_s, last_s,
         lag(last_s) OVER (PARTITION BY network, address ORDER BY first_s, last_s, interface_id) AS before_s,
         lead(first_s) OVER (PARTITION BY network, address ORDER BY first_s, last_s, interface_id) AS next_s
  FROM held
), disputed AS (
  SELECT DISTINCT network, address FROM ordered WHERE before_s > first_s
)
SELECT o.network, o.address, o.interface_id,
       CASE WHEN o.before_s IS NULL THEN 0 ELSE o.first_s END AS valid_from_s,
       COALESCE(o.next_s, 253402300800) AS valid_to_s
FROM ordered o LEFT JOIN disputed d ON d.network = o.network AND d.address = o.address
WHERE d.address IS NULL
"""

# `seen_keyed` is `seen` with keys. Home: the owner's network; a VPC whose CIDRs hold the address (the observer's own
# first); none for public addresses; the observer's network otherwise. IPv6 of a VPC is global unicast, and some VPCs
# use
# public IPv4 space: a neighbour (/64, /24) of an interface's own address counts as inside.
ADDRESSES = """
WITH elsewhere AS (
  SELECT address, min(network) AS network FROM owners GROUP BY address HAVING count(DISTINCT network) = 1
), here_range AS (
  SELECT DISTINCT s.network, s.address FROM seen_keyed s
  JOIN vpc_ranges v ON v.network = s.network AND s.addr_key BETWEEN v.low_key AND v.high_key
  UNION
  SELECT s.network, s.address FROM seen_keyed s JOIN given_ranges g ON s.addr_key BETWEEN g.low_key AND g.high_key
), other_range AS (
  SELECT s.network, s.address, min(v.network) AS vpc_id FROM seen_keyed s
  JOIN vpc_ranges v ON v.network <> s.network AND s.addr_key BETWEEN v.low_key AND v.high_key
  GROUP BY s.network, s.address HAVING count(DISTINCT v.network) = 1
), own_blocks AS (
  SELECT DISTINCT i.network, CASE WHEN o.v4 THEN substr(o.addr_key, 1, 30) ELSE substr(o.addr_key, 1, 16) END AS block
  FROM own_addresses o JOIN all_interfaces i ON i.observer = o.observer
), classed AS (
  SELECT s.network, s.address, s.addr_key, s.service, c.scope AS class,
         o.address IS NOT NULL AS owned_here, e.network AS owner_elsewhere,
         h.address IS NOT NULL OR b.block IS NOT NULL AS inside_here, x.vpc_id AS inside_other,
         a.service AS range_service
  FROM seen_keyed s
  JOIN address_classes c ON s.addr_key BETWEEN c.low_key AND c.high_key
  LEFT JOIN (SELECT DISTINCT network, address FROM owners) o ON o.network = s.network AND o.address = s.address
  LEFT JOIN elsewhere e ON e.address = s.address
  LEFT JOIN here_range h ON h.network = s.network AND h.address = s.address
  LEFT JOIN other_range x ON x.network = s.network AND x.address = s.address
  LEFT JOIN own_blocks b ON b.network = s.network
   AND b.block = CASE WHEN substr(s.addr_key, 1, 24) = '00000000000000000000ffff' THEN substr(s.addr_key, 1, 30)
                      ELSE substr(s.addr_key, 1, 16) END AND c.scope = 'public'
  LEFT JOIN aws_ranges a ON s.addr_key BETWEEN a.low_key AND a.high_key
), homes AS (
  SELECT network, address, addr_key, service, class, range_service,
         CASE WHEN owned_here OR inside_here THEN network
              WHEN class IN ('multicast', 'loopback', 'unspecified', 'reserved', 'link_local') THEN ''
              WHEN owner_elsewhere IS NOT NULL THEN owner_elsewhere
              WHEN inside_other IS NOT NULL THEN inside_other
              WHEN class = 'public' THEN '' ELSE network END AS home_network,
         CASE WHEN owned_here OR inside_here THEN 'vpc'
              WHEN class IN ('multicast', 'loopback', 'unspecified', 'reserved', 'link_local') THEN class
              WHEN owner_elsewhere IS NOT NULL OR inside_other IS NOT NULL THEN 'vpc'
              WHEN class = 'public' AND COALESCE(service, range_service) IS NOT NULL THEN 'aws' ELSE class END AS scope
  FROM classed
), hosts AS (
  SELECT network, h.address, h.addr_key, h.service, h.range_service, h.home_network, h.scope, h.interface_id,
         h.valid_from_s, h.valid_to_s,
         dense_rank() OVER (ORDER BY h.home_network, h.addr_key, h.valid_from_s) AS endpoint_id
  FROM (
    SELECT p.network, p.address, p.addr_key, p.service, p.range_service, p.home_network, p.scope, o.interface_id,
           COALESCE(o.valid_from_s, 0) AS valid_from_s, COALESCE(o.valid_to_s, 253402300800) AS valid_to_s
    FROM homes p LEFT JOIN owners o ON o.network = p.home_network AND o.address = p.address
  ) h
)
SELECT CAST(h.endpoint_id AS BIGINT) AS endpoint_id, h.network, h.address, h.addr_key, h.home_network, h.scope,
       h.interface_id, COALESCE(i.instance_id, v.instance_id) AS instance_id,
       COALESCE(i.subnet_id, v.subnet_id, s.subnet_id) AS subnet_id, COALESCE(i.az_id, v.az_id, s.az_id) AS az_id,
       COALESCE(i.name, v.name) AS name, COALESCE(i.role, v.role) AS role,
       COALESCE(h.service, CASE WHEN h.scope = 'aws' THEN h.range_service END) AS aws_service,
       h.valid_from_s, h.valid_to_s
FROM hosts h
LEFT JOIN all_interfaces i ON i.observer = h.interface_id
LEFT JOIN inventory_interfaces v ON v.interface_id = h.interface_id
LEFT JOIN subnet_ranges s ON s.network = h.home_network AND h.addr_key BETWEEN s.low_key AND s.high_key
"""
