"""What the NAT gateways process, and for which workloads."""

from __future__ import annotations

from dataclasses import replace

from flowkit.cost.money import book_or_default, priced, region_of
from flowkit.cost.natlegs import nat_sql, unlogged_gateways
from flowkit.engines import bind
from flowkit.flows import Flows
from flowkit.prices import PriceBook
from flowkit.question import Answer, question

__all__ = ["nat_by_workload", "nat_gateways"]

_WITHOUT_PACKETS = (
    "The logs lack pkt-srcaddr and pkt-dstaddr: what a private NAT gateway forwards to private networks counts twice."
)

_GATEWAYS = """
, inner_sums AS (
  SELECT observer, CAST(sum(CASE WHEN direction = 'fwd' THEN bytes ELSE 0 END) AS BIGINT) AS out_bytes,
         CAST(sum(CASE WHEN direction = 'rev' THEN bytes ELSE 0 END) AS BIGINT) AS back_bytes,
         count(DISTINCT client) AS clients,
         CAST(sum(CASE WHEN by_packet THEN bytes ELSE 0 END) AS BIGINT) AS packet_bytes
  FROM nat_legs GROUP BY observer
), outer_sums AS (
  SELECT observer, CAST(sum(CASE WHEN direction = 'fwd' THEN bytes ELSE 0 END) AS BIGINT) AS outer_out_bytes
  FROM outer_legs GROUP BY observer
)
SELECT n.observer AS interface_id, n.name, n.az_id, n.role, n.role_source, n.region,
       CASE WHEN n.role = 'regional_nat_gateway' THEN 'regional_nat_gateway_bytes' ELSE 'nat_gateway_bytes' END AS item,
       COALESCE(i.out_bytes, 0) AS out_bytes, COALESCE(i.back_bytes, 0) AS back_bytes,
       COALESCE(i.out_bytes, 0) + COALESCE(i.back_bytes, 0) AS billed_bytes,
       CASE WHEN n.role = 'nat_gateway'
            THEN COALESCE(i.out_bytes, 0) - COALESCE(o.outer_out_bytes, 0) END AS unforwarded_bytes,
       COALESCE(CAST(i.clients AS BIGINT), 0) AS clients,
       CASE WHEN n.role = 'regional_nat_gateway' THEN 'VPC addresses at the gateway'
            WHEN COALESCE(i.packet_bytes, 0) > 0 THEN 'packet addresses at the gateway'
            ELSE 'private addresses at the gateway' END AS attributed_by
FROM nats n
LEFT JOIN inner_sums i ON i.observer = n.observer
LEFT JOIN outer_sums o ON o.observer = n.observer
ORDER BY billed_bytes DESC, interface_id
"""


@question(
    needs=("srcaddr", "dstaddr", "bytes"), sharper_with=("pkt_srcaddr", "pkt_dstaddr", "flow_direction", "inventory")
)
def nat_gateways(flows: Flows, *, book: PriceBook | str | None = None, region: str = "") -> Answer:
    """How much does each NAT gateway process?

    `billed_bytes` is `out_bytes` (from clients) plus `back_bytes` (to clients), at the gateway's own interface: the
    control total for `nat_by_workload` and `nat_by_destination`. `unforwarded_bytes` is what came in from clients
    less what went out to peers: 0 but for windows cut by the period and for what the gateway dropped. A `role_source`
    of `inferred` means that neither record nor inventory says that this is a NAT gateway; it behaves like one.

    Blind spots: gateways whose interface is not logged; hours, which are in `fixed_hours`. Source: AWS VPC User Guide,
    "Flow log record examples", traffic through a NAT gateway.
    """
    book = book_or_default(book)
    home, said = region_of(flows, region)
    caveats = (*said, *unlogged_gateways(flows), *(() if flows.share("pkt_dstaddr") else (_WITHOUT_PACKETS,)))
    return priced(flows.ask("WITH " + nat_sql(flows, home) + _GATEWAYS.rstrip(), caveats=caveats), book)


_WORKLOADS = """
, owned AS (
  SELECT l.observer, l.direction, l.bytes, l.first_s, l.last_s, a.interface_id,
         COALESCE(a.name, a.instance_id, a.interface_id) AS workload,
         CASE WHEN a.interface_id IS NULL AND a.name IS NULL THEN NULL ELSE l.client END AS client, a.az_id, a.subnet_id
  FROM nat_legs l
  LEFT JOIN addresses a ON a.network = l.network AND a.address = l.client
   AND COALESCE(l.first_s, 0) >= a.valid_from_s AND COALESCE(l.first_s, 0) < a.valid_to_s
), summed AS (
  SELECT observer, workload, max(client) AS client, max(interface_id) AS interface_id, max(az_id) AS az_id,
         max(subnet_id) AS subnet_id,
         CAST(sum(CASE WHEN direction = 'fwd' THEN bytes ELSE 0 END) AS BIGINT) AS out_bytes,
         CAST(sum(CASE WHEN direction = 'rev' THEN bytes ELSE 0 END) AS BIGINT) AS back_bytes,
         CAST(sum(bytes) AS BIGINT) AS billed_bytes
  FROM owned GROUP BY observer, workload
), placed AS (
  SELECT s.*, CASE WHEN workload IS NULL THEN 0 ELSE CAST(row_number() OVER (
                ORDER BY CASE WHEN workload IS NULL THEN 1 ELSE 0 END, billed_bytes DESC, observer, workload
              ) AS BIGINT) END AS place
  FROM summed s
), shown AS (
  SELECT CASE WHEN place = 0 THEN $top_n + 2 ELSE place END AS place, observer,
         COALESCE(workload, 'unattributed') AS workload, client, interface_id, az_id, subnet_id,
         out_bytes, back_bytes, billed_bytes
  FROM placed WHERE place <= $top_n
  UNION ALL
  SELECT $top_n + 1, observer, 'all others', NULL, NULL, NULL, NULL, CAST(sum(out_bytes) AS BIGINT),
         CAST(sum(back_bytes) AS BIGINT), CAST(sum(billed_bytes) AS BIGINT)
  FROM placed WHERE place > $top_n GROUP BY observer
)
SELECT s.place, s.workload, s.client AS srcaddr, s.interface_id, s.subnet_id, s.az_id, n.observer AS nat_interface_id,
       n.name AS nat_name, n.az_id AS nat_az_id, n.region,
       CASE WHEN n.role = 'regional_nat_gateway' THEN 'regional_nat_gateway_bytes' ELSE 'nat_gateway_bytes' END AS item,
       s.out_bytes, s.back_bytes, s.billed_bytes
FROM shown s JOIN nats n ON n.observer = s.observer
ORDER BY s.place, nat_interface_id
"""


@question(needs=("srcaddr", "dstaddr", "bytes"), sharper_with=("pkt_srcaddr", "pkt_dstaddr", "inventory"))
def nat_by_workload(flows: Flows, *, top_n: int = 15, book: PriceBook | str | None = None, region: str = "") -> Answer:
    """Which workloads use the NAT gateways?

    One row per workload (name, else instance, else interface) and gateway, the `top_n` largest; then `all others`, and
    `unattributed` for clients that are nobody we know. The rows of a gateway add up to its row in `nat_gateways`.

    Blind spots: behind a proxy or a node, only the proxy or the node is seen. Source: as in `nat_gateways`.
    """
    book = book_or_default(book)
    home, said = region_of(flows, region)
    caveats = (*said, *(() if flows.share("pkt_dstaddr") else (_WITHOUT_PACKETS,)))
    sql = "WITH " + nat_sql(flows, home) + bind(_WORKLOADS, top_n=top_n).rstrip()
    answer = priced(flows.ask(sql, caveats=caveats), book)
    return replace(answer, _table=answer.table.drop(columns=["place"]))
