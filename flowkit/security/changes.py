"""New, gone and grown since a baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flowkit.baseline import LISTS, Footprint, Key
from flowkit.baseline import footprint as earlier
from flowkit.question import Answer, question
from flowkit.security.footprint import footprint

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["changes"]

#: What is compared, in words, in the order of the table.
_WHAT = {"exposed": "exposed service", "services": "service", "peers": "pair", "hosts": "host", "talkers": "sender"}

#: Grown: three times as much per hour as in the baseline, and this much more per hour in whole. Small numbers double
#: by chance; a service that two more addresses found has not grown.
_FACTOR = 3
_LEAST_MORE = {"exposed": 10, "talkers": 50_000_000}

_COLUMNS = (
    "change", "what", "network", "srcaddr", "dstaddr", "protocol", "dstport", "measure", "before", "now",
    "before_per_hour", "now_per_hour",
)  # fmt: skip
_WORDS = ("change", "what", "network", "srcaddr", "dstaddr", "measure")
_NUMBERS = ("protocol", "dstport", "before", "now")
_ORDER = ("new", "grown", "gone")


@question(needs=("srcaddr", "dstaddr", "dstport"), sharper_with=("tcp_flags", "inventory", "flow_direction"))
def changes(flows: Flows, *, baseline: str = "", top_n: int = 200) -> Answer:
    """What is new, gone or grown since the baseline?

    Rows per `change` (`new`, `grown`, `gone`) and `what`: `exposed service` (answers the internet), `service` (answers
    your own hosts), `pair` (who asked whom for which service), `host`, `sender` (bytes sent outside). `measure` names
    what is counted, `before` and `now` are its values, also `per_hour`, since periods differ in length. Grown means
    three times as much per hour, and at least ten sources more (exposed services) or 50 MB an hour more (senders).
    Empty without a baseline.

    Blind spots: what the baseline left out (its lists are capped) may pass for new, and what is left out now for gone;
    an address that changed hands is one host here. Source: the `baseline` block of an earlier report.
    """
    before = earlier(baseline)
    now = footprint(flows)
    caveats = []
    if before is None:
        caveats.append("There is no baseline to compare with: give the .json of an earlier report.")
    elif before.partial:
        lists = ", ".join(sorted(_WHAT[name] for name in before.partial))
        caveats.append(f"The baseline had more than it keeps ({lists}), so that some of this may not be new.")
    answer = flows.ask(_SQL, caveats=caveats)
    rows = _compared(before, now) if before is not None else []
    return replace(answer, _table=_framed(rows[:top_n]))


# What is compared comes from the footprint; the query only says how much there was to compare.
_SQL = "SELECT CAST(count(*) AS BIGINT) AS conversations FROM conversations WHERE in_period AND leg = ''"


def _framed(rows: list[dict[str, Any]]) -> Any:
    import pandas as pd

    kinds: dict[str, str] = dict.fromkeys(_COLUMNS, "float64") | dict.fromkeys(_WORDS, "string")
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(kinds | dict.fromkeys(_NUMBERS, "Int64"))


def _compared(before: Footprint, now: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    hours_then, hours_now = max(before.period_s, 1) / 3600, max(int(now["period_s"]), 1) / 3600
    for name in _WHAT:
        keys, measures, _ = LISTS[name]
        there = {tuple(row[: len(keys)]): tuple(row[len(keys) :]) for row in now[name]["rows"]}
        then = before.lists[name]
        for key in dict.fromkeys([*there, *then]):
            change = _change(name, then.get(key), there.get(key), hours_then, hours_now)
            if change:
                values = [one[0] if one else None for one in (then.get(key), there.get(key))]
                rows.append(_row(name, change, dict(zip(keys, key, strict=True)), measures[0], values,
                                 (hours_then, hours_now)))  # fmt: skip
    rank = list(_WHAT.values())
    rows.sort(key=lambda row: (_ORDER.index(row["change"]), rank.index(row["what"])))
    return rows


def _change(name: str, then: Key | None, now: Key | None, hours_then: float, hours_now: float) -> str:
    """How one key changed, or nothing."""
    if then is None or now is None:
        return "" if name == "talkers" else "new" if then is None else "gone"
    more = _LEAST_MORE.get(name)
    if more is None:
        return ""
    if name == "exposed":  # sources are counted once however long the period, so no rate is taken of them
        return "grown" if now[0] >= _FACTOR * then[0] and now[0] - then[0] >= more else ""
    rate_then, rate_now = then[0] / hours_then, now[0] / hours_now
    return "grown" if rate_now >= _FACTOR * rate_then and rate_now - rate_then >= more else ""


def _row(
    name: str, change: str, key: Mapping[str, Any], measure: str, values: list[Any], hours: tuple[float, float]
) -> dict[str, Any]:
    rates = [None if value is None else value / length for value, length in zip(values, hours, strict=True)]
    return {
        "change": change,
        "what": _WHAT[name],
        "network": key.get("network", key.get("dst_network")),
        "srcaddr": key.get("srcaddr", key.get("address")),
        "dstaddr": key.get("dstaddr"),
        "protocol": key.get("protocol"),
        "dstport": key.get("dstport"),
        "measure": measure,
        "before": values[0],
        "now": values[1],
        "before_per_hour": rates[0],
        "now_per_hour": rates[1],
    }
