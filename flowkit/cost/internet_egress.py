"""What leaves for the Internet and for public addresses of AWS, and who sends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from flowkit.cost.egress import egress_sql
from flowkit.cost.money import book_or_default, priced, region_of
from flowkit.cost.natlegs import unlogged_gateways
from flowkit.cost.regions import ranges_known
from flowkit.engines import bind
from flowkit.flows import Flows
from flowkit.prices import PriceBook
from flowkit.question import Answer, question

__all__ = ["egress_caveats", "internet_egress", "internet_egress_by_workload"]


def egress_caveats(flows: Flows) -> tuple[str, ...]:
    """What the numbers about egress rest on, for this log."""
    said = ["Estimated: the first 100 GB of a month are free for the whole organisation and are not taken off."]
    if not ranges_known(flows) and flows.share("pkt_dst_aws_service") == 0:
        said.append(
            "Of AWS's own services only S3 is told from other addresses, in the regions whose ranges are bundled; what "
            "goes to the others counts as Internet egress, an upper bound. Add aws_ranges to the inventory."
        )
    elif not ranges_known(flows):
        said.append(
            "The records name AWS's services but not their region: services count as free, hosts as another region's. "
            "Add aws_ranges to the inventory."
        )
    if flows.share("traffic_path") == 0:
        how = "the public addresses of the inventory" if flows.inventory else "not being a client of a NAT gateway"
        said.append(f"The logs lack traffic-path: whether an interface has a public path is told by {how}.")
    return (*said, *unlogged_gateways(flows))


_BY_PATH = """
SELECT path, destination, region, item, CAST(sum(carried_bytes) AS BIGINT) AS carried_bytes,
       CAST(sum(billed_bytes) AS BIGINT) AS billed_bytes, CAST(count(DISTINCT peer) AS BIGINT) AS peers,
       CAST(count(DISTINCT observer) AS BIGINT) AS interfaces
FROM egress
GROUP BY path, destination, region, item
ORDER BY billed_bytes DESC, carried_bytes DESC, path, destination, region
"""


@question(
    needs=("srcaddr", "dstaddr", "bytes"),
    sharper_with=("traffic_path", "pkt_dstaddr", "pkt_dst_aws_service", "flow_direction", "inventory"),
)
def internet_egress(
    flows: Flows, *, book: PriceBook | str | None = None, region: str = "", used_gb: Mapping[str, Decimal] | None = None
) -> Answer:
    """What leaves for public addresses, by which way, and what of it is charged?

    `used_gb` is how much of this month's tiers is used already, per item. Rows per path (`internet_gateway`,
    `nat_gateway`, `gateway_endpoint`, `assumed`) and destination (`internet`, `aws_service_same_region`,
    `aws_other_region`, ...): `carried_bytes`, `billed_bytes`, how many `peers` and `interfaces`. Destinations that
    are free are listed with 0 billed.

    Blind spots: see `flowkit.cost.egress`. Source: AWS EC2 on-demand pricing, "Data transfer".
    """
    book = book_or_default(book)
    home, said = region_of(flows, region)
    answer = flows.ask("WITH " + egress_sql(flows, home) + _BY_PATH.rstrip(), caveats=(*egress_caveats(flows), *said))
    return priced(answer, book, used_gb=used_gb)


_BY_WORKLOAD = """
, sent AS (
  SELECT e.region, e.item, e.path,
         COALESCE(a.interface_id, CASE WHEN e.client IS NULL THEN e.observer END) AS interface_id,
         CASE WHEN e.client IS NULL THEN COALESCE(i.name, i.instance_id, e.observer)
              ELSE COALESCE(a.name, a.instance_id, a.interface_id) END AS workload,
         COALESCE(e.client, i.own_address) AS address, e.peer, e.billed_bytes
  FROM egress e
  JOIN interfaces i ON i.observer = e.observer
  LEFT JOIN (SELECT network, address, max(interface_id) AS interface_id, max(name) AS name,
                    max(instance_id) AS instance_id
             FROM addresses GROUP BY network, address) a ON a.network = e.network AND a.address = e.client
  WHERE e.billed_bytes > 0
), summed AS (
  SELECT workload, max(address) AS address, max(interface_id) AS interface_id, path, region, item,
         CAST(sum(billed_bytes) AS BIGINT) AS billed_bytes, CAST(count(DISTINCT peer) AS BIGINT) AS peers
  FROM sent GROUP BY workload, path, region, item
), placed AS (
  SELECT s.*, CASE WHEN workload IS NULL THEN 0 ELSE CAST(row_number() OVER (
                ORDER BY CASE WHEN workload IS NULL THEN 1 ELSE 0 END, billed_bytes DESC, workload, path, region, item
              ) AS BIGINT) END AS place
  FROM summed s
)
SELECT CASE WHEN place = 0 THEN $top_n + 2 ELSE place END AS place, COALESCE(workload, 'unattributed') AS workload,
       CASE WHEN place = 0 THEN NULL ELSE address END AS srcaddr, interface_id, path, region, item, billed_bytes, peers
FROM placed WHERE place <= $top_n
UNION ALL
SELECT $top_n + 1, 'all others', NULL, NULL, NULL, region, item, CAST(sum(billed_bytes) AS BIGINT), CAST(NULL AS BIGINT)
FROM placed WHERE place > $top_n GROUP BY region, item
ORDER BY place, workload, region, item, path
"""


@question(
    needs=("srcaddr", "dstaddr", "bytes"),
    sharper_with=("traffic_path", "pkt_dstaddr", "pkt_dst_aws_service", "flow_direction", "inventory"),
)
def internet_egress_by_workload(
    flows: Flows, *, top_n: int = 15, book: PriceBook | str | None = None, region: str = ""
) -> Answer:
    """Who sends what is charged as egress?

    The `top_n` workloads (name, else instance, else interface) per path, then `all others`, and `unattributed` for
    clients of NAT gateways that are nobody we know. The rows add up to `internet_egress`. Without `pkt-*` the sender
    behind a NAT gateway is the gateway.

    Blind spots: as in `internet_egress`; behind a load balancer the sender is the load balancer. Source: as there.
    """
    book = book_or_default(book)
    home, said = region_of(flows, region)
    sql = "WITH " + egress_sql(flows, home) + bind(_BY_WORKLOAD, top_n=top_n).rstrip()
    answer = priced(flows.ask(sql, caveats=(*egress_caveats(flows), *said)), book)
    return replace(answer, _table=answer.table.drop(columns=["place"]))
