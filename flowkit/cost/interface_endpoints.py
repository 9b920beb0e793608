"""What goes through interface endpoints."""

from __future__ import annotations

from flowkit.cost.money import book_or_default, priced, region_of
from flowkit.engines import bind
from flowkit.flows import Flows
from flowkit.prices import PriceBook
from flowkit.question import Answer, question

__all__ = ["interface_endpoints"]

_ENDPOINTS = """
WITH ends AS (
  SELECT f.observer AS interface_id, 'endpoint' AS seen_at,
         CASE WHEN f.direction = 'ingress' THEN f.bytes ELSE 0 END AS to_bytes,
         CASE WHEN f.direction = 'ingress' THEN 0 ELSE f.bytes END AS from_bytes, i.az_id, i.region,
         CASE WHEN f.direction = 'ingress' THEN f.srcaddr ELSE f.dstaddr END AS client
  FROM flows f JOIN interfaces i ON i.observer = f.observer
  WHERE i.role = 'vpc_endpoint' AND COALESCE(f.action, 'ACCEPT') = 'ACCEPT' AND f.direction IS NOT NULL
  UNION ALL
  SELECT a.interface_id, 'client', CASE WHEN f.direction = 'egress' THEN f.bytes ELSE 0 END,
         CASE WHEN f.direction = 'egress' THEN 0 ELSE f.bytes END, a.az_id, i.region, i.own_address
  FROM flows f
  JOIN interfaces i ON i.observer = f.observer
  JOIN addresses a ON a.network = f.network AND a.role = 'vpc_endpoint'
   AND a.address = CASE WHEN f.direction = 'egress' THEN f.dstaddr ELSE f.srcaddr END
   AND COALESCE(f.start_s, 0) >= a.valid_from_s AND COALESCE(f.start_s, 0) < a.valid_to_s
  WHERE COALESCE(f.action, 'ACCEPT') = 'ACCEPT' AND f.direction IS NOT NULL AND COALESCE(i.role, '') <> 'vpc_endpoint'
), summed AS (
  SELECT interface_id, seen_at, max(az_id) AS az_id, COALESCE(max(region), $region) AS region,
         CAST(sum(to_bytes) AS BIGINT) AS to_bytes, CAST(sum(from_bytes) AS BIGINT) AS from_bytes,
         CAST(count(DISTINCT client) AS BIGINT) AS clients
  FROM ends GROUP BY interface_id, seen_at
), best AS (
  SELECT s.*, CAST(row_number() OVER (
                PARTITION BY interface_id ORDER BY CASE WHEN seen_at = 'endpoint' THEN 0 ELSE 1 END
              ) AS BIGINT) AS rank
  FROM summed s
), endpoints AS (
  SELECT interface_id, endpoint_id, service, item
  FROM (VALUES $endpoints) AS v(interface_id, endpoint_id, service, item)
)
SELECT b.interface_id, e.endpoint_id AS vpc_endpoint_id, e.service, b.az_id, b.region,
       COALESCE(e.item, 'vpc_endpoint_bytes') AS item, b.to_bytes, b.from_bytes,
       b.to_bytes + b.from_bytes AS billed_bytes, b.clients, b.seen_at
FROM best b LEFT JOIN endpoints e ON e.interface_id = b.interface_id
WHERE b.rank = 1
ORDER BY billed_bytes DESC, interface_id
"""

_ITEMS = {"Interface": "vpc_endpoint_bytes", "GatewayLoadBalancer": "gateway_load_balancer_endpoint_bytes"}


@question(needs=("srcaddr", "dstaddr", "bytes"), sharper_with=("flow_direction", "inventory"))
def interface_endpoints(flows: Flows, *, book: PriceBook | str | None = None, region: str = "") -> Answer:
    """How much goes through each interface endpoint, in both directions?

    Counted at the endpoint's own interface; where that is not logged (`seen_at` is `client`), at its clients.
    `to_bytes` go to the endpoint, `from_bytes` come from it, both are charged. Crossing a zone to reach an endpoint
    costs nothing more.

    Blind spots: an endpoint is known by the inventory or by `interface-type`, so without either there is no row;
    between an endpoint and a Network Load Balancer nothing is logged. Source: AWS PrivateLink pricing.
    """
    book = book_or_default(book)
    home, said = region_of(flows, region)
    known = flows.inventory.vpc_endpoints if flows.inventory else ()
    rows = [
        bind(
            "($interface, $endpoint, $service, $item)",
            interface=interface,
            endpoint=one.vpc_endpoint_id,
            service=one.service_name,
            item=_ITEMS.get(one.endpoint_type, "vpc_endpoint_bytes"),
        )
        for one in known
        for interface in one.interface_ids
    ]
    values = (
        ", ".join(rows)
        or "(CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR))"
    )
    told = (
        ()
        if flows.inventory
        else ("Without an inventory endpoints are known only where the records say interface-type.",)
    )
    sql = bind(_ENDPOINTS.replace("$endpoints", "#rows#"), region=home).replace("#rows#", values)
    return priced(flows.ask(sql, caveats=(*said, *told)), book)
