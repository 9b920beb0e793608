"""Hops between two of our own interfaces, each counted once, as SQL that the zone questions share.

A hop is what goes from one interface straight to another: `srcaddr` and `dstaddr`, not the packet's own addresses,
since zone transfer is charged where bytes cross, be it only as far as a NAT gateway. Both ends may log it, in other
windows and with other totals; per pair of interfaces, protocol and ports the side with most bytes is taken whole
(tie: the sender's), so traffic seen at one side only is kept and nothing is added twice. Packets that the receiver's
interface refused do not count.

Blind spots: MSK and other services without a role of their own count as EC2; a peer in an account that is neither
logged nor in the inventory has no zone and is listed as such; NAT gateways and load balancers hide what lies behind
them.
"""

from __future__ import annotations

from flowkit.engines import bind
from flowkit.engines.ctes import share
from flowkit.flows import Flows
from flowkit.prices import PriceBook

__all__ = ["hops_sql", "zones_known"]

share("hops")

# `places`: our interfaces, and addresses of ours whose interface nobody names. `tuples`: one row per hop, what each end
# logged of it side by side. UDP 6081 is Gateway Load Balancer traffic wrapped around other traffic, which is logged
# (and counted) unwrapped as well. A zone id begins with its region in at most five characters (`use1-`, `apne2`).
_HOPS = """
peers AS (
  SELECT network, address, valid_from_s, valid_to_s, az_id, scope,
         COALESCE(interface_id, home_network || ' ' || address) AS place
  FROM addresses WHERE az_id IS NOT NULL OR scope = 'vpc'
), places AS (
  SELECT place, max(az_id) AS az_id, max(role) AS role, max(network) AS network,
         COALESCE(max(own_address), min(address)) AS address, max(name) AS name, max(region) AS region
  FROM (
    SELECT observer AS place, az_id, role, network, own_address, CAST(NULL AS VARCHAR) AS address, name, region
    FROM interfaces
    UNION ALL
    SELECT COALESCE(interface_id, home_network || ' ' || address), az_id, role, home_network, NULL, address, name, NULL
    FROM addresses WHERE az_id IS NOT NULL OR scope = 'vpc'
  ) AS known
  GROUP BY place
), tuples AS (
  SELECT CASE WHEN f.direction = 'egress' THEN f.observer ELSE p.place END AS sender,
         CASE WHEN f.direction = 'egress' THEN p.place ELSE f.observer END AS receiver,
         f.protocol, f.srcport, f.dstport,
         CAST(sum(CASE WHEN COALESCE(f.action, 'ACCEPT') = 'ACCEPT' AND f.direction = 'egress'
                       THEN f.bytes ELSE 0 END) AS BIGINT) AS sent_bytes,
         CAST(sum(CASE WHEN COALESCE(f.action, 'ACCEPT') = 'ACCEPT' AND f.direction = 'ingress'
                       THEN f.bytes ELSE 0 END) AS BIGINT) AS received_bytes,
         max(CASE WHEN f.action = 'REJECT' AND f.direction = 'ingress' THEN 1 ELSE 0 END) AS refused,
         min(f.start_s) AS first_s, max(f.end_s) AS last_s
  FROM flows f
  JOIN interfaces i ON i.observer = f.observer
  JOIN peers p ON p.network = f.network
   AND p.address = CASE WHEN f.direction = 'egress' THEN f.dstaddr ELSE f.srcaddr END
   AND COALESCE(f.start_s, 0) >= p.valid_from_s AND COALESCE(f.start_s, 0) < p.valid_to_s
  WHERE f.direction IS NOT NULL AND f.record_kind = 'interface'
    AND NOT (COALESCE(f.protocol, 0) = 17 AND COALESCE(f.dstport, 0) = 6081)
    AND (i.az_id <> p.az_id OR (p.scope = 'vpc' AND (i.az_id IS NULL OR p.az_id IS NULL)))
  GROUP BY CASE WHEN f.direction = 'egress' THEN f.observer ELSE p.place END,
           CASE WHEN f.direction = 'egress' THEN p.place ELSE f.observer END, f.protocol, f.srcport, f.dstport
), peered AS (
  SELECT DISTINCT f.network AS one, a.home_network AS other
  FROM flows f JOIN addresses a ON a.network = f.network AND a.address = f.dstaddr
  WHERE f.traffic_path = 4 AND a.home_network <> f.network
), kinds AS (
  SELECT t.sender, t.receiver, s.az_id AS sender_az_id, r.az_id AS receiver_az_id, s.network AS sender_network,
         r.network AS receiver_network, s.address AS sender_address, r.address AS receiver_address,
         s.name AS sender_name, r.name AS receiver_name, s.role AS sender_role, r.role AS receiver_role,
         COALESCE(s.region, r.region, $region) AS region, t.protocol, t.srcport, t.dstport, t.first_s, t.last_s,
         CASE WHEN t.refused = 0 AND t.sent_bytes >= t.received_bytes
              THEN t.sent_bytes ELSE t.received_bytes END AS hop_bytes,
         t.sent_bytes > 0 AS sender_logged, t.received_bytes > 0 AS receiver_logged,
         CASE WHEN s.az_id IS NULL OR r.az_id IS NULL THEN 'zone_unknown'
              WHEN substr(s.az_id, 1, 5) <> substr(r.az_id, 1, 5) THEN 'inter_region'
              WHEN s.role = 'vpc_endpoint' OR r.role = 'vpc_endpoint' THEN 'vpc_endpoint'
              WHEN s.role = 'transit_gateway' OR r.role = 'transit_gateway' THEN 'transit_gateway'
              WHEN s.network <> r.network AND (p.one IS NOT NULL OR q.one IS NOT NULL) THEN 'peering'
              WHEN s.network <> r.network AND s.network || ' ' || r.network IN $peerings THEN 'peering'
              WHEN s.network <> r.network THEN 'vpc_path_unknown'
              WHEN s.role = 'nat_gateway' OR r.role = 'nat_gateway' THEN 'nat_gateway'
              WHEN s.role = 'load_balancer' OR r.role = 'load_balancer' THEN 'load_balancer'
              WHEN s.role = 'network_load_balancer' OR r.role = 'network_load_balancer' THEN 'network_load_balancer'
              WHEN s.role = r.role AND s.role IN ('rds', 'elasticache') THEN 'rds_replication'
              WHEN s.role = 'elasticache' OR r.role = 'elasticache' THEN 'elasticache'
              ELSE 'ec2' END AS kind
  FROM tuples t
  JOIN places s ON s.place = t.sender
  JOIN places r ON r.place = t.receiver
  LEFT JOIN peered p ON p.one = s.network AND p.other = r.network
  LEFT JOIN peered q ON q.one = r.network AND q.other = s.network
  WHERE t.received_bytes > 0 OR (t.sent_bytes > 0 AND t.refused = 0)
), hops AS (
  SELECT k.*,
         $judge AND (k.sender_role IS NULL OR k.receiver_role IS NULL) AS role_unknown,
         CASE WHEN k.kind IN $both THEN 1
              WHEN k.kind IN $one AND COALESCE(k.sender_role, '') <> 'elasticache' THEN 1 ELSE 0 END AS sender_pays,
         CASE WHEN k.kind IN $both THEN 1
              WHEN k.kind IN $one AND COALESCE(k.sender_role, '') = 'elasticache' THEN 1 ELSE 0 END AS receiver_pays
  FROM kinds k
)
"""


def hops_sql(flows: Flows, book: PriceBook, region: str) -> str:
    """The CTEs `peers` to `hops` (without WITH). `hops` is one row per hop between zones, each byte once.

    Columns: `sender`, `receiver` (interface, else network and address), their `_az_id`, `_role`, `_network`,
    `_address`, `_name`; `region`, `protocol`, `srcport`, `dstport`, `hop_bytes`, `sender_logged`, `receiver_logged`,
    `kind`, `sender_pays` and `receiver_pays` (0 or 1, by the price book's multipliers), `role_unknown` (without an
    inventory: an end might be a load balancer or a managed service, and is taken for EC2), `first_s`, `last_s`.
    """
    sides = {kind: book.sides(kind).sides for kind in book.kinds()}
    peerings = flows.inventory.peerings if flows.inventory else ()
    pairs = sorted({f"{a} {b}" for one in peerings for a in one.vpc_ids for b in one.vpc_ids if a != b})
    return bind(
        _HOPS,
        region=region,
        peerings=pairs,
        judge=flows.inventory is None,
        both=[kind for kind, pay in sides.items() if pay == 2],
        one=[kind for kind, pay in sides.items() if pay == 1],
    )


def zones_known(flows: Flows) -> bool:
    """Whether anything tells the zone of an interface: `az-id` in the records, or the inventory."""
    return flows.share("az_id") > 0 or flows.share("inventory") > 0
