"""The footprint of a period's traffic: what later runs compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowkit.baseline import LISTS, VERSION

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["footprint"]

_SQL = {
    "hosts": """
SELECT h.home_network AS network, h.address, CAST(sum(u.n) AS BIGINT) AS records FROM (
  SELECT src_id AS endpoint_id, srcaddr AS address, count(*) AS n FROM conversations
  WHERE leg = '' AND in_period GROUP BY src_id, srcaddr
  UNION ALL
  SELECT dst_id, dstaddr, count(*) FROM conversations
  WHERE leg = '' AND in_period AND rev_packets > 0 GROUP BY dst_id, dstaddr
) u
JOIN (SELECT endpoint_id, address, min(home_network) AS home_network FROM addresses
      WHERE scope IN ('vpc', 'private') GROUP BY endpoint_id, address) h
  ON h.endpoint_id = u.endpoint_id AND h.address = u.address
GROUP BY h.home_network, h.address
ORDER BY records DESC, network, address
""",
    "services": """
SELECT dst_network AS network, dstaddr, protocol, dstport, CAST(count(DISTINCT src_id) AS BIGINT) AS clients,
       CAST(count(*) AS BIGINT) AS conversations
FROM conversations
WHERE in_period AND leg = '' AND state = 'answered' AND initiator_by <> 'unknown' AND protocol IN (6, 17)
  AND dst_scope IN ('vpc', 'private')
GROUP BY dst_network, dstaddr, protocol, dstport
ORDER BY clients DESC, conversations DESC, network, dstaddr, protocol, dstport
""",
    "exposed": """
SELECT dst_network AS network, dstaddr, protocol, dstport, CAST(count(DISTINCT src_id) AS BIGINT) AS sources,
       CAST(count(*) AS BIGINT) AS conversations
FROM conversations
WHERE in_period AND leg = '' AND state = 'answered' AND initiator_by <> 'unknown' AND protocol IN (6, 17)
  AND dst_scope IN ('vpc', 'private') AND src_scope IN ('public', 'aws')
  AND COALESCE(dst_role, '') NOT IN ('nat_gateway', 'regional_nat_gateway')
GROUP BY dst_network, dstaddr, protocol, dstport
ORDER BY sources DESC, conversations DESC, network, dstaddr, protocol, dstport
""",
    "peers": """
SELECT src_network, srcaddr, dst_network, dstaddr, protocol, dstport, CAST(count(*) AS BIGINT) AS conversations,
       CAST(sum(fwd_bytes + rev_bytes) AS BIGINT) AS bytes
FROM conversations
WHERE in_period AND leg = '' AND state = 'answered' AND initiator_by <> 'unknown' AND protocol IN (6, 17)
  AND src_scope IN ('vpc', 'private') AND dst_scope IN ('vpc', 'private')
GROUP BY src_network, srcaddr, dst_network, dstaddr, protocol, dstport
ORDER BY conversations DESC, bytes DESC, src_network, srcaddr, dst_network, dstaddr, protocol, dstport
""",
    "talkers": """
SELECT network, address, CAST(sum(sent_bytes) AS BIGINT) AS sent_bytes FROM (
  SELECT src_network AS network, srcaddr AS address, fwd_bytes AS sent_bytes FROM conversations
  WHERE leg = '' AND src_scope IN ('vpc', 'private') AND dst_scope IN ('public', 'aws')
  UNION ALL
  SELECT dst_network, dstaddr, rev_bytes FROM conversations
  WHERE leg = '' AND dst_scope IN ('vpc', 'private') AND src_scope IN ('public', 'aws')
) AS sent GROUP BY network, address
HAVING sum(sent_bytes) > 0
ORDER BY sent_bytes DESC, network, address
""",
}


def footprint(flows: Flows) -> dict[str, Any]:
    """What a later run needs to tell new, gone and grown, as plain JSON types: the report's `baseline` block.

    Lists with `columns` and `rows`: `hosts`, answered `services` of yours with their clients, those `exposed` to the
    internet, `peers` among your hosts (who asked whom for which service) and `talkers` with the bytes they sent
    outside. Each is capped, the least used left out, and `left_out` says how many.
    """
    since_s, until_s = flows.period
    made: dict[str, Any] = {"flowkit_footprint": VERSION, "period_s": until_s - since_s}
    for name, (keys, measures, cap) in LISTS.items():
        rows = flows.arrow(_SQL[name])
        kept = rows.slice(0, cap).to_pylist()
        columns = [*keys, *measures]
        made[name] = {
            "columns": columns,
            "rows": [[row[column] for column in columns] for row in kept],
            "cap": cap,
            "left_out": max(0, rows.num_rows - cap),
        }
    return made
