"""Where what goes through the NAT gateways goes to."""

from __future__ import annotations

from dataclasses import replace

from flowkit.cost.money import book_or_default, priced, region_of
from flowkit.cost.natlegs import nat_sql
from flowkit.cost.regions import ranges_sql
from flowkit.engines import bind
from flowkit.flows import Flows
from flowkit.prices import PriceBook
from flowkit.question import Answer, question

__all__ = ["DESTINATIONS", "nat_by_destination"]

# Without `pkt-*` the outer legs tell the peer: those towards a peer, and those back from a peer that was spoken to. The
# control total stays that of the inner legs, so what the outer ones do not explain is `unattributed`.
DESTINATIONS = """
, spoken AS (
  SELECT DISTINCT observer, peer FROM outer_legs WHERE direction = 'fwd'
), told AS (
  SELECT observer, network, direction, client, peer, service, bytes, first_s, last_s
  FROM nat_legs WHERE peer IS NOT NULL
  UNION ALL
  SELECT o.observer, o.network, o.direction, NULL, o.peer, o.service, o.bytes, o.first_s, o.last_s
  FROM outer_legs o LEFT JOIN spoken s ON s.observer = o.observer AND s.peer = o.peer
  WHERE NOT o.by_packet AND (o.direction = 'fwd' OR s.peer IS NOT NULL)
), places AS (
  SELECT DISTINCT a.network, a.address, a.aws_service, p.place_service, p.place_region
  FROM addresses a LEFT JOIN aws_places p ON a.addr_key BETWEEN p.low_key AND p.high_key
), destinations AS (
  SELECT t.observer, t.network, t.direction, t.client, t.peer, t.bytes, t.first_s, t.last_s,
         COALESCE(t.service, p.place_service, p.aws_service) AS aws_service, p.place_region AS aws_region
  FROM told t LEFT JOIN places p ON p.network = t.network AND p.address = t.peer
)
"""

_BY_DESTINATION = """
, summed AS (
  SELECT observer, COALESCE(aws_service, peer) AS destination, aws_service, aws_region,
         CAST(sum(CASE WHEN direction = 'fwd' THEN bytes ELSE 0 END) AS BIGINT) AS out_bytes,
         CAST(sum(CASE WHEN direction = 'rev' THEN bytes ELSE 0 END) AS BIGINT) AS back_bytes,
         CAST(count(DISTINCT peer) AS BIGINT) AS peers
  FROM destinations GROUP BY observer, COALESCE(aws_service, peer), aws_service, aws_region
), control AS (
  SELECT observer, CAST(sum(CASE WHEN direction = 'fwd' THEN bytes ELSE 0 END) AS BIGINT) AS out_bytes,
         CAST(sum(CASE WHEN direction = 'rev' THEN bytes ELSE 0 END) AS BIGINT) AS back_bytes
  FROM nat_legs GROUP BY observer
), explained AS (
  SELECT observer, CAST(sum(out_bytes) AS BIGINT) AS out_bytes, CAST(sum(back_bytes) AS BIGINT) AS back_bytes
  FROM summed GROUP BY observer
), ordered AS (
  SELECT s.*, CAST(row_number() OVER (
                ORDER BY out_bytes + back_bytes DESC, observer, destination, aws_region NULLS LAST
              ) AS BIGINT) AS place
  FROM summed s
), shown AS (
  SELECT place, observer, destination, aws_service, aws_region, out_bytes, back_bytes, peers
  FROM ordered WHERE place <= $top_n
  UNION ALL
  SELECT $top_n + 1, observer, 'all others', NULL, NULL, CAST(sum(out_bytes) AS BIGINT),
         CAST(sum(back_bytes) AS BIGINT), CAST(sum(peers) AS BIGINT)
  FROM ordered WHERE place > $top_n GROUP BY observer
  UNION ALL
  SELECT $top_n + 2, c.observer, 'unattributed', NULL, NULL, c.out_bytes - COALESCE(e.out_bytes, 0),
         c.back_bytes - COALESCE(e.back_bytes, 0), NULL
  FROM control c LEFT JOIN explained e ON e.observer = c.observer
  WHERE c.out_bytes <> COALESCE(e.out_bytes, 0) OR c.back_bytes <> COALESCE(e.back_bytes, 0)
)
SELECT s.place, s.destination, s.aws_service, s.aws_region, n.observer AS nat_interface_id, n.name AS nat_name,
       n.region,
       CASE WHEN n.role = 'regional_nat_gateway' THEN 'regional_nat_gateway_bytes' ELSE 'nat_gateway_bytes' END AS item,
       s.out_bytes, s.back_bytes, s.out_bytes + s.back_bytes AS billed_bytes, s.peers
FROM shown s JOIN nats n ON n.observer = s.observer
ORDER BY s.place, nat_interface_id
"""


@question(needs=("srcaddr", "dstaddr", "bytes"), sharper_with=("pkt_dstaddr", "pkt_dst_aws_service", "inventory"))
def nat_by_destination(
    flows: Flows, *, top_n: int = 15, book: PriceBook | str | None = None, region: str = ""
) -> Answer:
    """Which AWS services and which other addresses are reached through the NAT gateways?

    One row per AWS service and region (region by the published ranges, else absent), and one per
    address that is no AWS service; the `top_n` largest, then `all others`. `unattributed` is what the gateway
    processed and no peer explains: 0 with `pkt-*`; without it, windows of the outer legs that the period cut, and
    packets that the gateway dropped. It can be negative then. The rows of a gateway add up to its row in
    `nat_gateways`.

    Blind spots: one address can serve many names. Source: as in `nat_gateways`.
    """
    book = book_or_default(book)
    home, said = region_of(flows, region)
    rows = bind(_BY_DESTINATION, top_n=top_n).rstrip()
    sql = f"WITH {nat_sql(flows, home)}, {ranges_sql(flows)}{DESTINATIONS.rstrip()}{rows}"
    answer = priced(flows.ask(sql, caveats=said), book)
    return replace(answer, _table=answer.table.drop(columns=["place"]))
