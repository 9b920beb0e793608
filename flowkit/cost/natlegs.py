"""What goes through NAT gateways, each byte once, as SQL that the NAT questions share.

A zonal gateway logs four legs; only the two inner ones (client to gateway, gateway to client) are billed traffic told
once. With `pkt-*` an inner leg is one whose far address is not one of the gateway's own addresses (testing against
`srcaddr` alone would double gateways with secondary addresses). Without `pkt-*` it is one whose near end is a
private or VPC address: right for public gateways, twice too much for a private one. A regional gateway shows real
addresses on all legs: inner are those with one end in the VPC.

Blind spots: a gateway whose interface is not logged is not seen; without `pkt-*` inner legs do not tell the peer.
"""

from __future__ import annotations

from flowkit.engines import bind
from flowkit.engines.ctes import share
from flowkit.flows import Flows

__all__ = ["nat_sql", "unlogged_gateways"]

share("moved")

# `nat_legs`: direction 'fwd' (client to peer) or 'rev', client, peer (null where unknown), bytes. Grouped by what the
# questions need, so that it is small. `first_s` picks the owner of a recycled address.
_NAT = """
nats AS (
  SELECT observer, network, az_id, name, role, role_source, COALESCE(region, $region) AS region, own_address
  FROM interfaces WHERE role IN ('nat_gateway', 'regional_nat_gateway')
), own AS (
  SELECT n.observer, a.address FROM nats n JOIN addresses a ON a.interface_id = n.observer
  UNION
  SELECT observer, own_address FROM nats WHERE own_address IS NOT NULL
  UNION
  SELECT n.observer, a.address FROM nats n JOIN addresses a ON a.address IN $own
), moved AS (
  SELECT f.observer, f.network, n.role, f.direction, f.srcaddr, f.dstaddr, f.pkt_srcaddr, f.pkt_dstaddr,
         NULLIF(f.pkt_src_aws_service, '') AS src_service, NULLIF(f.pkt_dst_aws_service, '') AS dst_service,
         min(f.start_s) AS first_s, max(f.end_s) AS last_s, CAST(sum(f.bytes) AS BIGINT) AS bytes
  FROM flows f JOIN nats n ON n.observer = f.observer
  WHERE COALESCE(f.action, 'ACCEPT') = 'ACCEPT'
  GROUP BY f.observer, f.network, n.role, f.direction, f.srcaddr, f.dstaddr, f.pkt_srcaddr, f.pkt_dstaddr,
           NULLIF(f.pkt_src_aws_service, ''), NULLIF(f.pkt_dst_aws_service, '')
), scopes AS (
  SELECT DISTINCT network, address, scope FROM addresses
), legs_placed AS (
  SELECT m.*, s.scope IN ('vpc', 'private') AS src_inside, d.scope IN ('vpc', 'private') AS dst_inside,
         os.address IS NOT NULL AS src_own, od.address IS NOT NULL AS dst_own,
         ps.address IS NOT NULL AS pkt_src_own, pd.address IS NOT NULL AS pkt_dst_own
  FROM moved m
  LEFT JOIN scopes s ON s.network = m.network AND s.address = m.srcaddr
  LEFT JOIN scopes d ON d.network = m.network AND d.address = m.dstaddr
  LEFT JOIN own os ON os.observer = m.observer AND os.address = m.srcaddr
  LEFT JOIN own od ON od.observer = m.observer AND od.address = m.dstaddr
  LEFT JOIN own ps ON ps.observer = m.observer AND ps.address = m.pkt_srcaddr
  LEFT JOIN own pd ON pd.observer = m.observer AND pd.address = m.pkt_dstaddr
), nat_legs AS (
  SELECT observer, network, 'fwd' AS direction, srcaddr AS client,
         CASE WHEN role = 'regional_nat_gateway' THEN dstaddr ELSE pkt_dstaddr END AS peer,
         dst_service AS service, first_s, last_s, bytes, pkt_dstaddr IS NOT NULL AS by_packet
  FROM legs_placed
  WHERE CASE WHEN role = 'regional_nat_gateway' THEN src_inside AND NOT COALESCE(dst_inside, FALSE)
             WHEN direction <> 'ingress' THEN FALSE
             WHEN pkt_dstaddr IS NOT NULL THEN NOT pkt_dst_own
             ELSE src_inside AND NOT src_own END
  UNION ALL
  SELECT observer, network, 'rev', dstaddr,
         CASE WHEN role = 'regional_nat_gateway' THEN srcaddr ELSE pkt_srcaddr END,
         src_service, first_s, last_s, bytes, pkt_srcaddr IS NOT NULL
  FROM legs_placed
  WHERE CASE WHEN role = 'regional_nat_gateway' THEN dst_inside AND NOT COALESCE(src_inside, FALSE)
             WHEN direction <> 'egress' THEN FALSE
             WHEN pkt_srcaddr IS NOT NULL THEN NOT pkt_src_own
             ELSE dst_inside AND NOT dst_own END
), outer_legs AS (
  SELECT observer, network, 'fwd' AS direction, dstaddr AS peer, dst_service AS service, first_s, last_s, bytes,
         pkt_srcaddr IS NOT NULL AS by_packet
  FROM legs_placed
  WHERE role = 'nat_gateway' AND direction = 'egress' AND NOT COALESCE(dst_inside, FALSE)
    AND (pkt_srcaddr IS NULL OR pkt_src_own)
  UNION ALL
  SELECT observer, network, 'rev', srcaddr, src_service, first_s, last_s, bytes, pkt_dstaddr IS NOT NULL
  FROM legs_placed
  WHERE role = 'nat_gateway' AND direction = 'ingress' AND NOT COALESCE(src_inside, FALSE)
    AND (pkt_dstaddr IS NULL OR pkt_dst_own)
)
"""


def nat_sql(flows: Flows, region: str) -> str:
    """The CTEs `nats` to `outer_legs` (without WITH).

    `nat_legs(observer, network, direction, client, peer, service, first_s, last_s, bytes, by_packet)` are the inner
    legs; `peer` is null without `pkt-*`. `outer_legs(observer, network, direction, peer, service, first_s, last_s,
    bytes, by_packet)` tell the peers of zonal gateways once more, unanswered probes from outside included.
    """
    gateways = flows.inventory.nat_gateways if flows.inventory else ()
    own = sorted({address for one in gateways for address in one.private_addresses})
    return bind(_NAT, region=region, own=own).strip()


def unlogged_gateways(flows: Flows) -> tuple[str, ...]:
    """A caveat that names the NAT gateways of the inventory of which there is no record; nothing if all are logged."""
    if flows.inventory is None:
        return ()
    logged = set(flows.interfaces)
    silent = [
        one.nat_gateway_id
        for one in flows.inventory.nat_gateways
        if not {one.interface_id, one.nat_gateway_id} & logged
    ]
    if not silent:
        return ()
    return (
        f"No records of {', '.join(sorted(silent))}: idle or not logged; what went through is not in these numbers.",
    )
