"""The figures that stand at the head of a report: few, each in its unit, each counted once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["headlines"]

_SECURITY = """
SELECT CAST(count(*) AS BIGINT) AS conversations,
       CAST(sum(CASE WHEN rejected THEN 1 ELSE 0 END) AS BIGINT) AS rejected,
       CAST(sum(CASE WHEN rejected AND path = 'inbound' THEN 1 ELSE 0 END) AS BIGINT) AS rejected_inbound,
       CAST(sum(CASE WHEN rejected AND path = 'internal' THEN 1 ELSE 0 END) AS BIGINT) AS rejected_internal,
       CAST(count(DISTINCT CASE WHEN path = 'inbound' AND rejected THEN srcaddr END) AS BIGINT) AS rejected_sources,
       CAST(count(DISTINCT CASE WHEN path = 'inbound' AND state = 'answered' AND initiator_by <> 'unknown'
                                THEN concat(dstaddr, ' ', CAST(protocol AS VARCHAR), ' ',
                                  CAST(dstport AS VARCHAR)) END) AS BIGINT) AS exposed
FROM conversations WHERE in_period AND leg = ''
"""

_HOURS = "SELECT count(DISTINCT start_s - start_s % 3600) AS hours FROM windows"

_PERFORMANCE = """
SELECT CAST(sum(fwd_bytes + rev_bytes) AS BIGINT) AS bytes,
       CAST(sum(CASE WHEN in_period THEN 1 ELSE 0 END) AS BIGINT) AS conversations
FROM conversations WHERE leg = ''
"""


def headlines(flows: Flows, room: str, **parameters: Any) -> list[dict[str, Any]]:
    """The headline figures of a room: `key`, `label`, `value`, `unit`, `note`. `parameters`: prices, for cost."""
    reading = _figure("records", "Records", flows.records, note=_hours(flows))
    return [reading, *{"security": _security, "performance": _performance, "cost": _cost}[room](flows, **parameters)]


def _hours(flows: Flows) -> str:
    """How long the records cover: the whole period, or only some of its hours."""
    since_s, until_s = flows.period
    hours = (until_s - since_s) / 3600
    seen = flows.arrow(_HOURS).column(0)[0].as_py() or 0
    if seen + 2 >= hours:
        return f"over {hours:,.1f} hours"
    return f"in {seen:,} of {hours:,.0f} hours"


def _figure(key: str, label: str, value: Any, *, unit: str = "", note: str = "") -> dict[str, Any]:
    return {"key": key, "label": label, "value": value, "unit": unit, "note": note}


def _row(flows: Flows, sql: str) -> dict[str, int]:
    return {name: value or 0 for name, value in flows.arrow(sql).to_pylist()[0].items()}


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} % of them" if whole else ""


def _security(flows: Flows, **_: Any) -> list[dict[str, Any]]:
    row = _row(flows, _SECURITY)
    figures = [_figure("conversations", "Conversations", row["conversations"])]
    if flows.share("action"):
        figures += [
            _figure("rejected", "Rejected", row["rejected"], note=_share(row["rejected"], row["conversations"])),
            _figure("rejected_sources", "Internet sources rejected", row["rejected_sources"]),
        ]
    figures.append(_figure("exposed", "Services reached from the internet", row["exposed"], note="and that answered"))
    return figures


def _performance(flows: Flows, **_: Any) -> list[dict[str, Any]]:
    from flowkit.performance.connection_health import internal_attempts

    row = _row(flows, _PERFORMANCE) | internal_attempts(flows)
    return [
        _figure("bytes", "Traffic, each byte once", row["bytes"], unit="bytes"),
        _figure("conversations", "Conversations", row["conversations"]),
        _figure(
            "failed", "Internal connections that failed", row["failed"], note=_share(row["failed"], row["attempts"])
        ),
        _figure("interfaces", "Interfaces", len(flows.interfaces)),
    ]


def _cost(flows: Flows, *, book: Any = None, region: str = "", **_: Any) -> list[dict[str, Any]]:
    from flowkit import cost

    return cost.headlines(flows, book=book, region=region)
