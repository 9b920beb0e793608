"""What leaves over VPN connections and Direct Connect, and what enters transit gateways."""

from __future__ import annotations

from flowkit.cost.money import book_or_default, priced, region_of
from flowkit.engines import bind
from flowkit.flows import Flows
from flowkit.prices import PriceBook
from flowkit.question import Answer, question

__all__ = ["transit_gateway_bytes", "vpn_egress"]

_VPN = """
SELECT COALESCE(i.name, i.instance_id, f.observer) AS workload, f.observer AS interface_id, i.own_address AS srcaddr,
       COALESCE(i.region, $region) AS region, 'vpn_egress_bytes' AS item, CAST(sum(f.bytes) AS BIGINT) AS billed_bytes,
       CAST(count(DISTINCT f.dstaddr) AS BIGINT) AS peers
FROM flows f JOIN interfaces i ON i.observer = f.observer
WHERE f.traffic_path = 3 AND f.direction = 'egress' AND COALESCE(f.action, 'ACCEPT') = 'ACCEPT'
GROUP BY COALESCE(i.name, i.instance_id, f.observer), f.observer, i.own_address, COALESCE(i.region, $region)
ORDER BY billed_bytes DESC, interface_id
"""


@question(needs=("traffic_path", "bytes"), sharper_with=("flow_direction", "inventory"))
def vpn_egress(flows: Flows, *, book: PriceBook | str | None = None, region: str = "") -> Answer:
    """What leaves through the virtual private gateway, over VPN or Direct Connect?

    Egress records with `traffic-path` 3, by interface. Priced as a VPN connection; records do not tell a VPN from
    Direct Connect, which costs less. Receiving is free.

    Blind spots: connections that end at a transit gateway; connection hours. Source: AWS VPC User Guide,
    `traffic-path`.
    """
    book = book_or_default(book)
    home, said = region_of(flows, region)
    caveat = "Estimated at the price of a VPN connection; Direct Connect looks the same in the records and costs less."
    return priced(flows.ask(bind(_VPN, region=home), caveats=(caveat, *said)), book)


# Rule 21: at the attachment's own interface, what a workload sends into the gateway comes in (ingress) for somebody
# else. Transit gateway records repeat the same bytes, so they count only for attachments whose interface is not logged.
_TRANSIT = """
WITH by_interface AS (
  SELECT f.observer AS attachment, i.vpc_id, COALESCE(i.region, $region) AS region,
         CAST(sum(f.bytes) AS BIGINT) AS billed_bytes
  FROM flows f JOIN interfaces i ON i.observer = f.observer
  WHERE i.role = 'transit_gateway' AND f.record_kind = 'interface' AND f.direction = 'ingress'
    AND f.dstaddr = COALESCE(i.own_address, f.dstaddr) AND f.pkt_dstaddr <> f.dstaddr
    AND COALESCE(f.action, 'ACCEPT') = 'ACCEPT'
  GROUP BY f.observer, i.vpc_id, COALESCE(i.region, $region)
), by_record AS (
  SELECT f.tgw_attachment_id AS attachment, f.tgw_src_vpc_id AS vpc_id, COALESCE(max(f.region), $region) AS region,
         CAST(sum(f.bytes) AS BIGINT) AS billed_bytes
  FROM flows f
  WHERE f.record_kind = 'transit_gateway' AND f.flow_direction = 'ingress'
  GROUP BY f.tgw_attachment_id, f.tgw_src_vpc_id
)
SELECT attachment, vpc_id, region, 'transit_gateway_bytes' AS item, billed_bytes, 'interface records' AS attributed_by
FROM by_interface
UNION ALL
SELECT r.attachment, r.vpc_id, r.region, 'transit_gateway_bytes', r.billed_bytes, 'transit gateway records'
FROM by_record r LEFT JOIN (SELECT DISTINCT vpc_id FROM by_interface) i ON i.vpc_id = r.vpc_id
WHERE i.vpc_id IS NULL
ORDER BY billed_bytes DESC, attachment, vpc_id NULLS LAST
"""


@question(needs=("bytes",), sharper_with=("pkt_dstaddr", "inventory"))
def transit_gateway_bytes(flows: Flows, *, book: PriceBook | str | None = None, region: str = "") -> Answer:
    """What is sent into transit gateways, and by which attachment?

    Per attachment: from transit gateway records, or from the records of its interface in the VPC (which then is named
    instead); never both for one VPC. The owner of the sending VPC pays.

    Blind spots: peering attachments are billed differently and are not told apart; without `pkt-*` interface records
    say nothing here. Source: AWS Transit Gateway pricing.
    """
    book = book_or_default(book)
    home, said = region_of(flows, region)
    return priced(flows.ask(bind(_TRANSIT, region=home), caveats=said), book)
