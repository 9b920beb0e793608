"""What goes between availability zones, and which side pays for it."""

from __future__ import annotations

from dataclasses import replace

from flowkit.cost.hops import hops_sql, zones_known
from flowkit.cost.money import book_or_default, priced, region_of
from flowkit.engines import bind
from flowkit.flows import Flows
from flowkit.prices import PriceBook
from flowkit.question import Answer, question

__all__ = ["cross_az", "cross_az_pairs"]

_CAVEATS = (
    "Estimated from what the interfaces logged: AWS charges the sender and the receiver, each for the same bytes.",
    "A side that was not logged is imputed from the other one, and is charged to whoever owns that interface.",
)

_WITHOUT_INVENTORY = (
    "Without an inventory load balancers and managed services look like EC2 hosts, so the estimate is an upper bound; "
    "uncertain_bytes is the part that may be free."
)

# What nobody pays for, or what could not be judged, is one row per kind, each byte once.
_BY_SIDE = """
, sides AS (
  SELECT 'sender' AS side, sender_az_id AS payer_az_id, receiver_az_id AS peer_az_id, kind, region, hop_bytes,
         sender_logged AS logged, role_unknown
  FROM hops WHERE sender_pays = 1
  UNION ALL
  SELECT 'receiver', receiver_az_id, sender_az_id, kind, region, hop_bytes, receiver_logged, role_unknown
  FROM hops WHERE receiver_pays = 1
)
SELECT side, payer_az_id, peer_az_id, kind, CAST(sum(hop_bytes) AS BIGINT) AS carried_bytes,
       CAST(sum(hop_bytes) AS BIGINT) AS billed_bytes,
       CAST(sum(CASE WHEN logged THEN 0 ELSE hop_bytes END) AS BIGINT) AS imputed_bytes,
       CAST(sum(CASE WHEN role_unknown THEN hop_bytes ELSE 0 END) AS BIGINT) AS uncertain_bytes, region,
       CASE WHEN kind = 'peering' THEN 'peering_cross_az_bytes' ELSE 'cross_az_bytes' END AS item
FROM sides
GROUP BY side, payer_az_id, peer_az_id, kind, region
UNION ALL
SELECT NULL, NULL, NULL, kind, CAST(sum(hop_bytes) AS BIGINT), CAST(0 AS BIGINT), CAST(0 AS BIGINT), CAST(0 AS BIGINT),
       region, NULL
FROM hops WHERE sender_pays + receiver_pays = 0
GROUP BY kind, region
ORDER BY billed_bytes DESC, carried_bytes DESC, kind, side DESC NULLS LAST, payer_az_id NULLS LAST,
         peer_az_id NULLS LAST, region
"""


@question(needs=("srcaddr", "dstaddr", "bytes"), sharper_with=("az_id", "flow_direction", "inventory"))
def cross_az(flows: Flows, *, book: PriceBook | str | None = None, region: str = "") -> Answer:
    """What does traffic between availability zones cost, and which side pays?

    `region` gives the prices where a record does not say its own. Rows per side (`sender`, `receiver`), zone of the
    payer and of the peer, and kind of pair: `carried_bytes` went across, `billed_bytes` are charged to this side,
    `imputed_bytes` of those were seen only by the other side, `uncertain_bytes` of those have an end of unknown kind
    that is taken for EC2 (only without an inventory). Kinds that cost nothing (load balancer to target, replication of
    a managed database, endpoints) have one row each, without a side. So have `zone_unknown` and `vpc_path_unknown`,
    which could not be judged: the most they could add is twice their `carried_bytes`.

    Blind spots: the record does not say how AWS's meter counts; MSK brokers look like EC2; traffic between pods of
    one node never reaches an interface. Source: AWS EC2 on-demand pricing, "Data transfer within the same AWS
    Region".
    """
    if flows.records and not zones_known(flows):
        return Answer("", missing=("az_id",))
    book = book_or_default(book)
    home, said = region_of(flows, region)
    said = (*said, *(() if flows.inventory else (_WITHOUT_INVENTORY,)))
    answer = flows.ask("WITH " + hops_sql(flows, book, home).strip() + _BY_SIDE.rstrip(), caveats=(*_CAVEATS, *said))
    return priced(answer, book)


# `turned`: the receiver has the lower port, so it is shown as the destination.
_PAIRS = """
, turned AS (
  SELECT h.*, COALESCE(srcport, 0) < COALESCE(dstport, 0) AS back FROM hops h WHERE sender_pays + receiver_pays > 0
), pairs AS (
  SELECT CASE WHEN back THEN receiver ELSE sender END AS src, CASE WHEN back THEN sender ELSE receiver END AS dst,
         CASE WHEN back THEN receiver_name ELSE sender_name END AS src_name,
         CASE WHEN back THEN receiver_address ELSE sender_address END AS srcaddr,
         CASE WHEN back THEN receiver_az_id ELSE sender_az_id END AS src_az_id,
         CASE WHEN back THEN sender_name ELSE receiver_name END AS dst_name,
         CASE WHEN back THEN sender_address ELSE receiver_address END AS dstaddr,
         CASE WHEN back THEN sender_az_id ELSE receiver_az_id END AS dst_az_id,
         protocol, CASE WHEN back THEN srcport ELSE dstport END AS dstport, kind, region, hop_bytes,
         hop_bytes * (sender_pays + receiver_pays) AS billed_bytes, first_s, last_s
  FROM turned
), summed AS (
  SELECT max(src_name) AS src_name, max(srcaddr) AS srcaddr, max(src_az_id) AS src_az_id, max(dst_name) AS dst_name,
         max(dstaddr) AS dstaddr, max(dst_az_id) AS dst_az_id, protocol, dstport, kind, region,
         CAST(sum(hop_bytes) AS BIGINT) AS carried_bytes, CAST(sum(billed_bytes) AS BIGINT) AS billed_bytes,
         min(first_s) AS first_s, max(last_s) AS last_s,
         CAST(row_number() OVER (ORDER BY sum(billed_bytes) DESC, src, dst, protocol NULLS LAST, dstport NULLS LAST,
                                 kind, region) AS BIGINT) AS place
  FROM pairs
  GROUP BY src, dst, protocol, dstport, kind, region
)
SELECT place, src_name, srcaddr, src_az_id, dst_name, dstaddr, dst_az_id, protocol, dstport, kind,
       carried_bytes, billed_bytes, first_s, last_s, region,
       CASE WHEN kind = 'peering' THEN 'peering_cross_az_bytes' ELSE 'cross_az_bytes' END AS item
FROM summed WHERE place <= $top_n
UNION ALL
SELECT $top_n + 1, 'all others', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       CAST(sum(carried_bytes) AS BIGINT), CAST(sum(billed_bytes) AS BIGINT), min(first_s), max(last_s), region,
       'cross_az_bytes'
FROM summed WHERE place > $top_n GROUP BY region
ORDER BY place, region
"""


@question(
    needs=("srcaddr", "dstaddr", "srcport", "dstport", "bytes"), sharper_with=("az_id", "flow_direction", "inventory")
)
def cross_az_pairs(flows: Flows, *, top_n: int = 15, book: PriceBook | str | None = None, region: str = "") -> Answer:
    """Which pairs of hosts pay for crossing availability zones?

    The `top_n` pairs by what is billed on both sides together, the rest in rows `all others` (one per region, so that
    the rows add up to `cross_az`). The side with the lower port is shown as the destination; two ephemeral ports make
    that a guess. `carried_bytes` count once, `billed_bytes` per paying side.

    Blind spots: as in `cross_az`. Source: as there.
    """
    if flows.records and not zones_known(flows):
        return Answer("", missing=("az_id",))
    book = book_or_default(book)
    home, said = region_of(flows, region)
    sql = "WITH " + hops_sql(flows, book, home).strip() + bind(_PAIRS, top_n=top_n).rstrip()
    answer = flows.ask(sql, caveats=(*_CAVEATS, *said))
    answer = priced(answer, book)
    return replace(answer, _table=answer.table.drop(columns=["place"]))
