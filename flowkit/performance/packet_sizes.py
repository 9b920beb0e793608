"""How large packets are, per service, and which services load the network with small ones."""

from __future__ import annotations

from flowkit.engines import bind
from flowkit.flows import Flows
from flowkit.question import Answer, question

__all__ = ["packet_sizes", "packet_sizes_by_service", "small_packets"]

_MEANS = "A record tells bytes and packets, not single packets: sizes are means per conversation, direction and hour."

# Bounds in bytes: bare acknowledgements, small messages, ..., a full Ethernet frame's payload, jumbo frames.
_SIZED = """
sized AS (
  SELECT c.protocol, CASE WHEN c.initiator_by = 'unknown' THEN NULL ELSE c.dstport END AS dstport,
         p.bytes, p.packets, p.hour_s,
         CASE WHEN p.bytes <= 64 * p.packets THEN 0
              WHEN p.bytes <= 128 * p.packets THEN 65
              WHEN p.bytes <= 256 * p.packets THEN 129
              WHEN p.bytes <= 512 * p.packets THEN 257
              WHEN p.bytes <= 1024 * p.packets THEN 513
              WHEN p.bytes <= 1500 * p.packets THEN 1025
              ELSE 1501 END AS packet_from_bytes
  FROM conversation_parts p JOIN conversations c ON c.conversation_id = p.conversation_id
  WHERE c.leg = '' AND p.packets > 0
)"""

_NAMED = """
named AS (
  SELECT z.*, CASE WHEN z.protocol IN (1, 58) THEN 'icmp' WHEN z.dstport IS NULL THEN 'client not known'
                   WHEN s.service IS NOT NULL THEN s.service || ' ' || CAST(z.dstport AS VARCHAR)
                   WHEN z.protocol = 6 THEN 'tcp ' || CAST(z.dstport AS VARCHAR)
                   WHEN z.protocol = 17 THEN 'udp ' || CAST(z.dstport AS VARCHAR)
                   ELSE 'protocol ' || COALESCE(CAST(z.protocol AS VARCHAR), 'not known') END AS service
  FROM sized z LEFT JOIN service_ports s ON s.port = z.dstport AND s.protocol = z.protocol
)"""

_UPPER = (
    "CASE packet_from_bytes WHEN 0 THEN 64 WHEN 65 THEN 128 WHEN 129 THEN 256 WHEN 257 THEN 512 "
    "WHEN 513 THEN 1024 WHEN 1025 THEN 1500 END"
)

_OVERALL = f"""
WITH {_SIZED.strip()}, whole AS (
  SELECT CAST(sum(packets) AS BIGINT) AS packets, CAST(sum(bytes) AS BIGINT) AS bytes FROM sized
)
SELECT z.packet_from_bytes, {_UPPER} AS packet_to_bytes, CAST(sum(z.packets) AS BIGINT) AS packets,
       CAST(sum(z.packets) AS DOUBLE) / max(w.packets) AS packets_share, CAST(sum(z.bytes) AS BIGINT) AS bytes,
       CASE WHEN max(w.bytes) > 0 THEN CAST(sum(z.bytes) AS DOUBLE) / max(w.bytes) END AS bytes_share
FROM sized z CROSS JOIN whole w
GROUP BY z.packet_from_bytes
ORDER BY z.packet_from_bytes
"""

_SERVICES = f"""
WITH {_SIZED.strip()}, {_NAMED.strip()}, services AS (
  SELECT service, CAST(sum(packets) AS BIGINT) AS packets,
         row_number() OVER (ORDER BY sum(packets) DESC, service) AS place
  FROM named GROUP BY service
)
SELECT n.service, n.packet_from_bytes, {_UPPER.replace("packet_from_bytes", "n.packet_from_bytes")} AS packet_to_bytes,
       CAST(sum(n.packets) AS BIGINT) AS packets, CAST(sum(n.packets) AS DOUBLE) / max(s.packets) AS packets_share,
       CAST(sum(n.bytes) AS BIGINT) AS bytes
FROM named n JOIN services s ON s.service = n.service
WHERE s.place <= $top_n
GROUP BY n.service, s.place, n.packet_from_bytes
ORDER BY s.place, n.service, n.packet_from_bytes
"""

_SMALL = f"""
WITH {_SIZED.strip()}, {_NAMED.strip()}, services AS (
  SELECT service, CAST(sum(packets) AS BIGINT) AS packets, CAST(sum(bytes) AS BIGINT) AS bytes,
         CAST(sum(CASE WHEN packet_from_bytes <= 65 THEN packets ELSE 0 END) AS BIGINT) AS small_packets
  FROM named GROUP BY service
), hours AS (
  SELECT service, hour_s, sum(CASE WHEN packet_from_bytes <= 65 THEN packets ELSE 0 END) AS small_packets FROM named
  GROUP BY service, hour_s
), peaks AS (
  SELECT service, CAST(max(small_packets) AS BIGINT) AS most_small_packets FROM hours GROUP BY service
)
SELECT s.service, s.small_packets, CAST(s.small_packets AS DOUBLE) / s.packets AS small_share, s.packets, s.bytes,
       CAST(s.bytes AS DOUBLE) / s.packets AS mean_packet_bytes,
       CAST(p.most_small_packets AS DOUBLE) / 3600 AS busiest_hour_pps
FROM services s JOIN peaks p ON p.service = s.service
WHERE s.small_packets > 0
ORDER BY s.small_packets DESC, s.service
LIMIT $top_n
"""


@question(needs=("bytes", "packets"))
def packet_sizes(flows: Flows) -> Answer:
    """How large are the packets?

    Rows per size class, from `packet_from_bytes` to `packet_to_bytes` (absent for the last, over 1,500: jumbo frames,
    or segments counted before they were cut): `packets` and `bytes` in it, each counted once, and their shares of
    all.

    Blind spots: a mix of full and empty packets in one conversation looks like medium ones; whether bytes are counted
    with or without the Ethernet header is not documented. Source: RFC 2544 section 9 for the usual size classes.

    >>> import flowkit as fk
    >>> answer = fk.performance.packet_sizes(fk.open("sample:", progress=False))
    """
    return flows.ask(_OVERALL, caveats=(_MEANS,))


@question(needs=("bytes", "packets", "dstport"), sharper_with=("tcp_flags",))
def packet_sizes_by_service(flows: Flows, *, top_n: int = 12) -> Answer:
    """How large are the packets of each service?

    The `top_n` services with most packets (name and port where known); rows per service and size class as in
    `packet_sizes`, with `packets_share` of the service's own packets.

    Blind spots: as in `packet_sizes`; where the log does not tell who is the client, traffic is under `client not
    known`. Source: as there.

    >>> import flowkit as fk
    >>> answer = fk.performance.packet_sizes_by_service(fk.open("sample:", progress=False))
    """
    return flows.ask(bind(_SERVICES, top_n=top_n), caveats=(_MEANS,))


@question(needs=("bytes", "packets", "dstport"), sharper_with=("tcp_flags",))
def small_packets(flows: Flows, *, top_n: int = 20) -> Answer:
    """Which services load the network with small packets?

    The `top_n` services with most packets in conversations whose mean packet is at most 128 bytes: `small_packets`,
    `small_share` of the service's packets, `mean_packet_bytes`, `busiest_hour_pps` small packets per second in their
    busiest hour. Instances are limited in packets per second as well as in bits: small packets meet the first limit
    long before the second.

    Blind spots: bursts inside the hour; the limit itself is not published, only the counter pps_allowance_exceeded.
    Source: AWS EC2 User Guide, "Monitor network performance for your EC2 instance".

    >>> import flowkit as fk
    >>> answer = fk.performance.small_packets(fk.open("sample:", progress=False))
    """
    return flows.ask(bind(_SMALL, top_n=top_n), caveats=(_MEANS,))
