"""Who began a conversation, and which observer's word counts for each of its directions."""

from __future__ import annotations

from collections.abc import Sequence

from flowkit.tables.legs import or_flags

__all__ = ["FAN_IN", "SPOKEN_TO", "faced_sql"]

# Rule 8b: an address and port that at least three peer ports spoke to is a server. Who only spoke and was never spoken
# to
# (a scanner with a fixed source port) is not. `server` is the end with its protocol.
#
# How many spoke to an end, as one share of the legs tells; every tuple lies in one share.
SPOKEN_TO = """
SELECT server, CAST(count(*) AS BIGINT) AS peers FROM (
  SELECT b * 256 + a % 256 AS server FROM (SELECT DISTINCT a, b FROM $share WHERE dir = 0 AND a % 256 IN (6, 17)) to_b
  UNION ALL
  SELECT a FROM (SELECT DISTINCT a, b FROM $share WHERE dir = 1 AND a % 256 IN (6, 17)) to_a
) AS spoken_to
GROUP BY server
"""

FAN_IN = "SELECT server FROM spoken_to GROUP BY server HAVING sum(peers) >= 3"


def _of(direction: int, what: str, how: str = "max") -> str:
    return f"{how}(CASE WHEN dir = {direction} THEN {what} END)"


def _pair(name: str, what: str) -> str:
    return f"{_of(0, what)} AS {name}_a, {_of(1, what)} AS {name}_b"


# Rule 1: one observer per conversation and direction counts, the one with most bytes; tie: at the sender; then the
# first by
# name. As one 64-bit number, larger is better, never equal for two of up to 2^20 observers, so that `max_by` has no
# ties to
# break. Two observers that both saw over 2 TiB of one conversation count as equal in bytes here.
_WORTH = (
    "(CASE WHEN all_bytes < 2199023255550 THEN all_bytes ELSE 2199023255550 END * 4 + 3 - side) * 1048576 "
    "+ 1048575 - observer_id"
)


def _counted(name: str, what: str) -> str:
    """What the observer that counts says, for each direction; only meaningful where the direction was seen at all."""
    picks = [f"max_by({what}, CASE WHEN dir = {dir_} THEN worth ELSE -1 END)" for dir_ in (0, 1)]
    return f"{picks[0]} AS {name}_a, {picks[1]} AS {name}_b"


# The conversation's two directions side by side, and who began (rule 8).
_FACED = f"""
WITH told AS (
  SELECT a, b, nth, min(start_s) AS start_s, max(last_start_s) AS last_start_s, max(end_s) AS end_s,
         {_pair("syn", "syn")}, {_pair("syn_ack", "syn_ack")},
         {_of(0, "start_s", "min")} AS first_a, {_of(1, "start_s", "min")} AS first_b,
         max(refused) AS refused, max(passed) AS passed, max(leg) AS leg, min(transit) AS transit,
         CAST(sum(late_rejects) AS BIGINT) AS late_rejects,
         {_counted("bytes", "bytes")}, {_counted("packets", "packets")}, {_counted("records", "records")},
         {_pair("most", "worth")},
         $flags_a AS flags_a, $flags_b AS flags_b,
         {_pair("sent", "CASE WHEN side = 0 THEN 2 * refused + passed END")},
         {_pair("got", "CASE WHEN side = 1 THEN 2 * refused + passed END")},
         {_pair("between", "CASE WHEN side = 2 THEN refused END")}
  FROM (SELECT s.*, {_WORTH} AS worth FROM sides s) valued GROUP BY a, b, nth
), weighed AS (
  SELECT t.*, first_a IS NOT NULL AS has_a, first_b IS NOT NULL AS has_b,
         1048575 - most_a % 1048576 AS counted_a, 1048575 - most_b % 1048576 AS counted_b,
         CAST(a % 256 AS INTEGER) AS protocol,
         CAST((a % 16777216 - a % 256) / 256 AS INTEGER) AS port_a, CAST(b % 65536 AS INTEGER) AS port_b,
         fa.server IS NOT NULL AS fan_a, fb.server IS NOT NULL AS fan_b
  FROM told t LEFT JOIN fan_in fa ON fa.server = t.a LEFT JOIN fan_in fb ON fb.server = t.b * 256 + t.a % 256
), known AS (
  SELECT w.*, pa.port IS NOT NULL AS known_a, pb.port IS NOT NULL AS known_b
  FROM weighed w
  LEFT JOIN service_ports pa ON pa.protocol = w.protocol AND pa.port = w.port_a
  LEFT JOIN service_ports pb ON pb.protocol = w.protocol AND pb.port = w.port_b
)
SELECT k.*,
    CASE
      WHEN protocol = 6 AND COALESCE(syn_a, 0) + COALESCE(syn_ack_b, 0) > 0 AND COALESCE(syn_b,
        0) + COALESCE(syn_ack_a, 0) = 0 THEN 'a.syn'
      WHEN protocol = 6 AND COALESCE(syn_b, 0) + COALESCE(syn_ack_a, 0) > 0 AND COALESCE(syn_a,
        0) + COALESCE(syn_ack_b, 0) = 0 THEN 'b.syn'
      WHEN protocol = 6 AND COALESCE(syn_ack_a, 0) = 1 AND COALESCE(syn_ack_b, 0) = 1 THEN 'unknown'
      WHEN protocol IN (1, 58) AND has_a AND has_b THEN 'unknown'
      WHEN refused = 1 AND passed = 0 AND NOT has_b AND NOT (known_a AND NOT known_b AND port_b >= 1024)
        THEN 'a.one_way'
      WHEN refused = 1 AND passed = 0 AND NOT has_a AND NOT (known_b AND NOT known_a AND port_a >= 1024)
        THEN 'b.one_way'
      WHEN fan_b AND NOT fan_a AND NOT (port_b >= 32768 AND known_a) THEN 'a.fan_in'
      WHEN fan_a AND NOT fan_b AND NOT (port_a >= 32768 AND known_b) THEN 'b.fan_in'
      WHEN protocol IN (6, 17) AND known_b AND NOT known_a AND port_a >= 1024 THEN 'a.service_port'
      WHEN protocol IN (6, 17) AND known_a AND NOT known_b AND port_b >= 1024 THEN 'b.service_port'
      WHEN first_b - first_a > $interval_s THEN 'a.order'
      WHEN first_a - first_b > $interval_s THEN 'b.order'
      WHEN NOT has_b AND NOT (known_a AND NOT known_b) THEN 'a.one_way'
      WHEN NOT has_a AND NOT (known_b AND NOT known_a) THEN 'b.one_way'
      ELSE 'unknown' END AS verdict
FROM known k
"""


def faced_sql(flag_bits: Sequence[int]) -> str:
    """`faced`: one row per conversation, both directions side by side, and who began (rule 8)."""
    turned = {name: or_flags(f"CASE WHEN dir = {at} THEN flags END", flag_bits) for at, name in ((0, "a"), (1, "b"))}
    return _FACED.replace("$flags_a", turned["a"]).replace("$flags_b", turned["b"])
