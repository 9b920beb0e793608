"""What goes from where to where: availability zones and subnets."""

from __future__ import annotations

from flowkit.engines import bind
from flowkit.flows import Flows
from flowkit.question import Answer, question

__all__ = ["az_matrix", "subnet_matrix"]

_ELSEWHERE = (
    "Where a host's {place} is not known, its row or column says what its address is: internet, AWS services, private "
    "(not ours to see), or unknown."
)

# Every conversation as two streams, one per direction, from the side that sent the bytes.
_MATRIX = """
WITH streams AS (
  SELECT src_$place AS sender_place, src_scope AS sender_scope, dst_$place AS receiver_place,
         dst_scope AS receiver_scope,
         fwd_bytes AS bytes, fwd_packets AS packets
  FROM conversations WHERE leg = ''
  UNION ALL
  SELECT dst_$place, dst_scope, src_$place, src_scope, rev_bytes, rev_packets FROM conversations WHERE leg = ''
), named AS (
  SELECT COALESCE(sender_place, $sender_else) AS sender, COALESCE(receiver_place, $receiver_else) AS receiver,
         CASE WHEN sender_place IS NULL OR receiver_place IS NULL THEN NULL
              ELSE sender_place <> receiver_place END AS crosses,
         bytes, packets
  FROM streams
), whole AS (
  SELECT CAST(sum(bytes) AS BIGINT) AS bytes FROM named
), cells AS (
  SELECT sender, receiver, crosses, CAST(sum(bytes) AS BIGINT) AS bytes, CAST(sum(packets) AS BIGINT) AS packets
  FROM named GROUP BY sender, receiver, crosses
)
SELECT c.sender AS sender_$word, c.receiver AS receiver_$word, c.crosses, c.bytes,
       CASE WHEN w.bytes > 0 THEN CAST(c.bytes AS DOUBLE) / w.bytes END AS bytes_share, c.packets
FROM cells c CROSS JOIN whole w
WHERE c.bytes > 0
ORDER BY c.bytes DESC, c.sender, c.receiver
LIMIT $top_n
"""

_ELSE = (
    "CASE {scope} WHEN 'public' THEN 'internet' WHEN 'aws' THEN 'AWS services' "
    "WHEN 'private' THEN 'private' ELSE 'unknown' END"
)


@question(needs=("srcaddr", "dstaddr", "bytes"), sharper_with=("az_id", "inventory"))
def az_matrix(flows: Flows, *, top_n: int = 400) -> Answer:
    """How much goes from each availability zone to each other one?

    Rows per sending and receiving zone (`sender_zone`, `receiver_zone`, by zone id): `bytes` and `packets`, each
    counted once; `crosses` says whether the two zones differ (absent where one is not known); `bytes_share` of all
    traffic. Needs the zone of the hosts, from `az-id` or from the inventory.

    Blind spots: a host behind a load balancer or NAT gateway is one hop further than the row says; what it costs is
    in the cost review. Source: AWS VPC User Guide, "Flow log records" (`az-id`).

    >>> import flowkit as fk
    >>> answer = fk.performance.az_matrix(fk.open("sample:", progress=False))
    """
    return _matrix(flows, "az_id", "zone", top_n)


@question(needs=("srcaddr", "dstaddr", "bytes"), sharper_with=("subnet_id", "inventory"))
def subnet_matrix(flows: Flows, *, top_n: int = 400) -> Answer:
    """How much goes from each subnet to each other one?

    The `top_n` largest of all pairs of sending and receiving subnet (`sender_subnet`, `receiver_subnet`): columns as
    in `az_matrix`. Needs the subnet of the hosts, from `subnet-id` or from the inventory.

    Blind spots: as in `az_matrix`. Source: AWS VPC User Guide, "Flow log records" (`subnet-id`).

    >>> import flowkit as fk
    >>> answer = fk.performance.subnet_matrix(fk.open("sample:", progress=False))
    """
    return _matrix(flows, "subnet_id", "subnet", top_n)


def _matrix(flows: Flows, place: str, word: str, top_n: int) -> Answer:
    known = flows.arrow(f"SELECT 1 AS known FROM addresses WHERE {place} IS NOT NULL LIMIT 1").num_rows
    if flows.records and not known:
        return Answer("", missing=(place,))
    text = _MATRIX.replace("$place", place).replace("$word", word)
    for side in ("sender", "receiver"):
        text = text.replace(f"${side}_else", _ELSE.format(scope=f"{side}_scope"))
    return flows.ask(bind(text, top_n=top_n), caveats=(_ELSEWHERE.format(place=word),))
