"""Traffic that may be part of a flood, as SQL: conversations turned so that the sender stands first.

One row per conversation and kind of flood it may belong to, each byte once:

- `syn`: TCP without data that led to nothing: refused, unanswered, or a handshake left open. Resets are left out, since
  a closed port is no flood but an outage.
- `udp`: UDP without a word back.
- `icmp`: ICMP, in the direction that sent half as much again. Where both sent alike nobody can say who began, and both
  directions are rows (`unsure`), that to an outside host left out.
- `amplified`: UDP from a port that amplifies, of an outside host, that nobody of ours asked for.
- `reflected`: UDP from such a port of a host of ours, back to an outside address that seemed to ask.

`weight` is how many of the packets fall into the ten minutes (`bin_s`) in which the conversation begins: one that lasts
longer is spread evenly, so that a long stream weighs what it sends in ten minutes.
"""

from __future__ import annotations

__all__ = ["AMPLIFIERS", "BIN_S", "COUNTS", "FLOOD_TRAFFIC"]

#: UDP ports whose answers can be much larger than the question. Source: Rossow, "Amplification Hell", NDSS 2014; CISA
#: alert TA14-017A (amplification factors from 3.8 to 51,000).
AMPLIFIERS = (17, 19, 53, 69, 111, 123, 137, 161, 389, 520, 1900, 3283, 3702, 5353, 5683, 10001, 11211, 27015, 27960)

#: Ten minutes: the longest aggregation interval AWS has, so that both intervals are judged by one measure.
BIN_S = 600

_AMPLIFIER = f"IN ({', '.join(map(str, AMPLIFIERS))})"
_OURS = "IN ('vpc', 'private')"
_OUTSIDE = "IN ('public', 'aws')"


def _sent(sender: str) -> str:
    """The columns of a row whose sender is the initiator (`src`) or the responder (`dst`)."""
    target = "dst" if sender == "src" else "src"
    out, back = ("fwd", "rev") if sender == "src" else ("rev", "fwd")
    ends = [
        f"c.{end}_id AS {name}_id, c.{end}addr AS {name}_addr, c.{end}_name AS {name}_name, c.{end}_role AS "
        f"{name}_role, c.{end}_scope AS {name}_scope, c.{end}port AS {name}_port"
        for end, name in ((sender, "from"), (target, "to"))
    ]
    return (
        f"{', '.join(ends)}, c.protocol, c.start_s, c.end_s, c.rejected,\n         "
        f"c.{out}_packets AS packets, c.{out}_bytes AS bytes, c.{back}_packets AS back_packets, "
        f"c.{back}_bytes AS back_bytes"
    )


_ALONE = "(c.state IN ('rejected', 'no_reply') OR (c.state = 'cut' AND c.rev_packets = 0))"

# A handshake left open: at most a SYN and a reset went there, or a SYN some times again, and no fewer bare packets came
# back. (A connection that is opened and closed without data sends more than it gets.) Without TCP flags a closed port,
# one packet there and its reset back, looks the same, and is `mild`.
_OPEN = """(c.state = 'half_open' OR (c.state = 'answered' AND c.rev_packets > 0
       AND (c.fwd_packets <= 2 OR (c.fwd_packets <= 5 AND c.rev_packets >= c.fwd_packets))
       AND c.rev_bytes <= 64 * c.rev_packets AND COALESCE(c.fwd_flags % 2, 0) = 0
       AND COALESCE(c.rev_flags % 2, 0) = 0
       AND COALESCE(c.rev_flags % 8, 0) < 4))"""

COUNTS = """c.leg = '' AND c.in_period AND (c.late_rejects = 0 OR c.rejected OR c.rev_packets > 0)
    AND c.src_scope IN ('vpc', 'private', 'public', 'aws') AND c.dst_scope IN ('vpc', 'private', 'public', 'aws')"""

# What has no answer is told by its packets alone: an answer that nobody asked for turns the ends of a conversation
# around.
FLOOD_TRAFFIC = f"""
calls AS (
  SELECT c.* FROM conversations c
  WHERE {COUNTS} AND c.protocol IN (1, 17, 58)
), sent AS (
  SELECT 'syn' AS kind, {_sent("src")},
         c.fwd_flags IS NULL AND c.fwd_packets = 1 AND c.rev_packets = 1 AS mild, FALSE AS unsure
  FROM conversations c
  WHERE {COUNTS} AND c.protocol = 6 AND c.fwd_packets > 0
    AND c.fwd_bytes <= 64 * c.fwd_packets AND c.initiator_by <> 'unknown'
    AND ({_ALONE} OR {_OPEN})
  UNION ALL
  SELECT CASE WHEN c.srcport {_AMPLIFIER} AND c.src_scope {_OUTSIDE} AND c.dst_scope {_OURS} THEN 'amplified'
              ELSE 'udp' END, {_sent("src")}, FALSE, FALSE
  FROM calls c WHERE c.protocol = 17 AND c.fwd_packets > 0 AND c.rev_packets = 0
  UNION ALL
  SELECT CASE WHEN c.dstport {_AMPLIFIER} AND c.dst_scope {_OUTSIDE} AND c.src_scope {_OURS} THEN 'amplified'
              ELSE 'udp' END, {_sent("dst")}, FALSE, FALSE
  FROM calls c WHERE c.protocol = 17 AND c.fwd_packets = 0 AND c.rev_packets > 0
  UNION ALL
  SELECT 'icmp', {_sent("src")}, FALSE, 2 * c.fwd_packets < 3 * c.rev_packets
  FROM calls c WHERE c.protocol IN (1, 58) AND c.fwd_packets > 0 AND 2 * c.rev_packets < 3 * c.fwd_packets
  UNION ALL
  SELECT 'icmp', {_sent("dst")}, FALSE, 2 * c.rev_packets < 3 * c.fwd_packets
  FROM calls c WHERE c.protocol IN (1, 58) AND c.rev_packets > 0 AND 2 * c.fwd_packets < 3 * c.rev_packets
  UNION ALL
  SELECT 'reflected', {_sent("dst")}, FALSE, FALSE
  FROM calls c
  WHERE c.protocol = 17 AND c.dstport {_AMPLIFIER} AND c.dst_scope {_OURS} AND c.src_scope {_OUTSIDE}
    AND c.fwd_packets > 0 AND c.rev_packets > 0
  UNION ALL
  SELECT 'reflected', {_sent("src")}, FALSE, FALSE
  FROM calls c
  WHERE c.protocol = 17 AND c.srcport {_AMPLIFIER} AND c.src_scope {_OURS} AND c.dst_scope {_OUTSIDE}
    AND c.fwd_packets > 0 AND c.rev_packets > 0 AND c.initiator_by = 'unknown'
), weighed AS (
  SELECT s.*, s.start_s - s.start_s % {BIN_S} AS bin_s,
         CASE WHEN s.end_s - s.start_s >= {BIN_S} AND s.kind <> 'syn'
              THEN CAST(floor(CAST(s.packets AS DOUBLE) * {BIN_S} / (s.end_s - s.start_s + 1)) AS BIGINT)
              ELSE s.packets END AS weight
  FROM sent s
  WHERE NOT (s.unsure AND s.to_scope {_OUTSIDE})
)"""
