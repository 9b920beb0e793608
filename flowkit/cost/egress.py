"""What leaves for public addresses, by its way and by what the address is, as SQL that the egress questions share.

The way: `traffic-path` at the interface that has the public path (8, or 2 where gateway endpoint and Internet gateway
are not told apart); NAT gateways by their inner legs (outer ones without `pkt-*`), so that bytes are counted once and
keep their client. Without `traffic-path` an interface has a public path if the inventory gives it a public address or
the packet is IPv6; without an inventory, if it is not a client of a NAT gateway (`assumed`).

The address: AWS's own services in the same region cost nothing over the Internet path; hosts in AWS (EC2 ranges) and
one's own public addresses pay the zone price per side; another region pays inter-region. A record tells the service
but not the region: that takes the published ranges in the inventory.

Blind spots: the free 100 GB; Local and Wavelength Zones (`traffic-path` 6) are left out; egress through a transit
gateway or a firewall in another account is seen where that account is logged.
"""

from __future__ import annotations

from flowkit.cost.natlegs import nat_sql
from flowkit.cost.regions import ranges_sql
from flowkit.engines import bind
from flowkit.engines.ctes import share
from flowkit.flows import Flows

__all__ = ["egress_sql"]


share("egress")

_EGRESS = """
, direct AS (
  SELECT f.observer, f.network, CASE WHEN f.direction = 'egress' THEN 'out' ELSE 'in' END AS way,
         CASE WHEN f.direction = 'egress' THEN COALESCE(f.pkt_dstaddr, f.dstaddr)
              ELSE COALESCE(f.pkt_srcaddr, f.srcaddr) END AS peer,
         CASE WHEN f.direction = 'egress' THEN NULLIF(f.pkt_dst_aws_service, '')
              ELSE NULLIF(f.pkt_src_aws_service, '') END AS service,
         f.traffic_path, CAST(sum(f.bytes) AS BIGINT) AS bytes
  FROM flows f
  JOIN (SELECT DISTINCT network, address FROM addresses WHERE scope IN ('public', 'aws')) o ON o.network = f.network
   AND o.address = CASE WHEN f.direction = 'egress' THEN COALESCE(f.pkt_dstaddr, f.dstaddr)
                        ELSE COALESCE(f.pkt_srcaddr, f.srcaddr) END
  WHERE COALESCE(f.action, 'ACCEPT') = 'ACCEPT' AND f.direction IS NOT NULL AND f.record_kind = 'interface'
    AND f.observer NOT IN (SELECT observer FROM nats)
  GROUP BY f.observer, f.network, CASE WHEN f.direction = 'egress' THEN 'out' ELSE 'in' END,
           CASE WHEN f.direction = 'egress' THEN COALESCE(f.pkt_dstaddr, f.dstaddr)
                ELSE COALESCE(f.pkt_srcaddr, f.srcaddr) END,
           CASE WHEN f.direction = 'egress' THEN NULLIF(f.pkt_dst_aws_service, '')
                ELSE NULLIF(f.pkt_src_aws_service, '') END,
           f.traffic_path
), clients AS (
  SELECT DISTINCT network, client FROM nat_legs
), public_places AS (
  SELECT DISTINCT a.network, a.address, a.aws_service, p.place_service, p.place_region
  FROM addresses a
  LEFT JOIN aws_places p ON a.addr_key BETWEEN p.low_key AND p.high_key
  WHERE a.scope IN ('public', 'aws')
), paths AS (
  SELECT d.observer, d.network, CAST(NULL AS VARCHAR) AS client, d.peer, d.service, d.way, d.bytes,
         CASE WHEN d.traffic_path = 7 THEN 'gateway_endpoint'
              WHEN d.traffic_path = 2 AND COALESCE(d.service, p.aws_service) IN ('S3', 'DYNAMODB')
                  THEN 'gateway_endpoint'
              WHEN d.traffic_path IN (2, 8) THEN 'internet_gateway'
              WHEN d.traffic_path IS NOT NULL THEN 'inside'
              WHEN d.peer LIKE '%:%' OR d.observer IN $public THEN 'internet_gateway'
              WHEN $listed AND i.subnet_id IS NOT NULL THEN 'inside'
              WHEN c.client IS NOT NULL THEN 'inside' ELSE 'assumed' END AS path
  FROM direct d
  JOIN interfaces i ON i.observer = d.observer
  JOIN public_places p ON p.network = d.network AND p.address = d.peer
  LEFT JOIN clients c ON c.network = d.network AND c.client = i.own_address
  UNION ALL
  SELECT observer, network, client, peer, service, CASE WHEN direction = 'fwd' THEN 'out' ELSE 'in' END,
         bytes, 'nat_gateway'
  FROM nat_legs WHERE peer IS NOT NULL
  UNION ALL
  SELECT observer, network, NULL, peer, service, CASE WHEN direction = 'fwd' THEN 'out' ELSE 'in' END,
         bytes, 'nat_gateway'
  FROM outer_legs WHERE NOT by_packet
), classed AS (
  SELECT h.observer, h.network, h.client, h.peer, h.way, h.bytes, h.path, COALESCE(i.region, $region) AS region,
         COALESCE(h.service, p.place_service, p.aws_service) AS aws_service, p.place_region,
         CASE WHEN h.path = 'gateway_endpoint' THEN 'gateway_endpoint'
              WHEN h.peer IN $own_public THEN 'own_public_address'
              WHEN COALESCE(h.service, p.place_service, p.aws_service) = 'CLOUDFRONT' THEN 'cloudfront'
              WHEN p.place_region = COALESCE(i.region, $region) AND COALESCE(h.service, p.place_service) = 'EC2'
                  THEN 'aws_host_same_region'
              WHEN p.place_region = COALESCE(i.region, $region) THEN 'aws_service_same_region'
              WHEN p.place_region = 'GLOBAL' THEN 'internet'
              WHEN p.place_region IS NOT NULL THEN 'aws_other_region'
              WHEN COALESCE(h.service, p.aws_service) = 'EC2' THEN 'aws_host_region_unknown'
              WHEN COALESCE(h.service, p.aws_service) IS NOT NULL THEN 'aws_service_region_unknown'
              ELSE 'internet' END AS destination
  FROM paths h
  JOIN interfaces i ON i.observer = h.observer
  JOIN public_places p ON p.network = h.network AND p.address = h.peer
  WHERE h.path <> 'inside'
), egress AS (
  SELECT observer, network, client, peer, way, path, destination, aws_service, region, bytes AS carried_bytes,
         CASE WHEN destination = 'internet' THEN 'internet_egress_bytes'
              WHEN destination IN ('aws_other_region', 'aws_host_region_unknown') THEN 'inter_region_bytes'
              WHEN destination IN ('aws_host_same_region', 'own_public_address') THEN 'cross_az_bytes' END AS item,
         CASE WHEN destination IN ('internet', 'aws_other_region', 'aws_host_region_unknown', 'aws_host_same_region')
              THEN bytes
              WHEN destination = 'own_public_address' THEN bytes * 2 ELSE 0 END AS billed_bytes
  FROM classed
  WHERE way = 'out' OR (destination = 'aws_host_same_region' AND path <> 'gateway_endpoint')
)
"""


def egress_sql(flows: Flows, region: str) -> str:
    """The CTEs of `nat_sql`, `aws_places` and those down to `egress` (without WITH).

    `egress(observer, network, client, peer, way, path, destination, aws_service, region, carried_bytes, item,
    billed_bytes)`. `way` is `in` only for hosts in AWS of the same region, where receiving is charged too.
    """
    interfaces = flows.inventory.interfaces if flows.inventory else ()
    gateways = flows.inventory.nat_gateways if flows.inventory else ()
    public = [one for one in interfaces if one.public_address]
    own = {one.public_address for one in public} | {address for one in gateways for address in one.public_addresses}
    text = bind(
        _EGRESS,
        region=region,
        public=sorted(one.interface_id for one in public),
        own_public=sorted(own),
        listed=bool(interfaces),
    )
    return f"{nat_sql(flows, region)}, {ranges_sql(flows)}{text.rstrip()}"
