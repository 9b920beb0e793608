"""Bytes spread over each record's window, as SQL that the throughput questions share.

A record says how much went by between two moments, not when. For pictures its bytes are spread evenly over its
window, from `start_s` to the end of second `end_s`, and cut at the edges of bins. Each cut takes what lies before it,
rounded down, and the last piece takes the rest: the pieces of a record add up to it, to the byte. Bins start at
multiples of their width since 1970 UTC, so that two reports of adjacent periods have the same bins.

Blind spots: what happened inside a window. A burst of one second looks as if it had lasted for the whole of it.
"""

from __future__ import annotations

from flowkit.engines import bind
from flowkit.flows import Flows

__all__ = ["BLUR", "bin_width_s", "pieces_sql"]

#: Widths that people read: a minute to a day.
WIDTHS_S = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)

#: As many bins as a chart of a page's width can show.
MOST_BINS = 300

BLUR = (
    "Bytes are spread evenly over the window that each record covers (up to {interval} s here): shorter bursts are "
    "flattened, and the bins at both ends of the period are only partly filled."
)

# One row per window and kind, since most records of an interface share their windows. `$extra` are columns to keep
# apart.
_PIECES = """
spans AS (
  SELECT $extra, start_s, CASE WHEN end_s >= start_s THEN end_s - start_s + 1 ELSE 1 END AS length_s,
         CAST(sum(bytes) AS BIGINT) AS bytes, CAST(sum(COALESCE(packets, 0)) AS BIGINT) AS packets
  FROM $relation
  WHERE bytes IS NOT NULL AND start_s IS NOT NULL
  GROUP BY $extra, start_s, CASE WHEN end_s >= start_s THEN end_s - start_s + 1 ELSE 1 END
), steps AS (
  SELECT $steps AS step FROM $digits
), cuts AS (
  SELECT w.*, s.step, w.start_s - w.start_s % $bin_s + s.step * $bin_s AS bin_s,
         s.step * $bin_s - w.start_s % $bin_s AS before_s, (s.step + 1) * $bin_s - w.start_s % $bin_s AS until_s
  FROM spans w JOIN steps s ON s.step * $bin_s < w.start_s % $bin_s + w.length_s
), pieces AS (
  SELECT $extra, bin_s,
         $bytes_until - $bytes_before AS bytes,
         $packets_until - $packets_before AS packets
  FROM cuts
)"""

_DIGITS = "(VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS {name} (d)"


def bin_width_s(flows: Flows, bin_s: int = 0) -> int:
    """How wide bins are, in seconds: `bin_s`, or at most 300 for the hours with traffic, none below a window."""
    if bin_s > 0:
        return bin_s
    hours = flows.arrow("SELECT count(DISTINCT start_s - start_s % 3600) AS n FROM windows").column(0)[0].as_py()
    since_s, until_s = flows.period
    wanted = max(flows.interval_s, min(until_s - since_s, hours * 3600) / MOST_BINS)
    return next((width for width in WIDTHS_S if width >= wanted), int(-(-wanted // 86400)) * 86400)


def pieces_sql(flows: Flows, bin_s: int, *, keep: str, relation: str = "windows") -> str:
    """CTEs that end in `pieces`: the columns `keep` of `relation`, `bin_s`, `bytes`, `packets`."""
    longest = flows.arrow("SELECT max(end_s - start_s) AS s FROM windows").column(0)[0].as_py() or 0
    names = ["a", "b", "c", "d"][: max(1, len(str(max(0, int(longest)) // bin_s + 1)))]
    text = _PIECES.replace("$extra", keep).replace("$relation", relation)
    text = text.replace("$steps", " + ".join(f"{10**place} * {name}.d" for place, name in enumerate(names)))
    text = text.replace("$digits", " CROSS JOIN ".join(_DIGITS.format(name=name) for name in names))
    for measure in ("bytes", "packets"):
        text = text.replace(f"${measure}_until", _share_until(measure, "until_s"))
        text = text.replace(
            f"${measure}_before", f"CASE WHEN step = 0 THEN 0 ELSE {_share_until(measure, 'before_s')} END"
        )
    return bind(text, bin_s=bin_s)


def _share_until(measure: str, moment: str) -> str:
    """How much of a measure comes before a moment, counted from the window's start; all of it from its end on."""
    share = f"CAST(floor(CAST({measure} AS DOUBLE) * {moment} / length_s) AS BIGINT)"
    return f"CASE WHEN {moment} >= length_s THEN {measure} ELSE {share} END"
