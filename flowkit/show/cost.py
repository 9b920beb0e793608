"""Pictures of the cost questions, each named as its question."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flowkit.show.format import ABSENT, shown
from flowkit.show.plots import bars, heatmap
from flowkit.show.view import View

if TYPE_CHECKING:
    from flowkit.question import Answer
from flowkit.question import rows as rows_in

__all__ = [
    "bill_estimate",
    "cross_az",
    "cross_az_pairs",
    "endpoint_candidates",
    "fixed_hours",
    "interface_endpoints",
    "internet_egress",
    "internet_egress_by_workload",
    "log_delivery",
    "nat_by_destination",
    "nat_by_workload",
    "nat_gateways",
    "transit_gateway_bytes",
    "vpn_egress",
]

_ESTIMATED = "estimated at list prices"


def bill_estimate(answer: Answer) -> View:
    """What each usage type is estimated to cost; what could not be estimated is left out."""
    return bars(answer, "usage_type", "estimated_usd", caption=f"Cost by usage type, {_ESTIMATED}")


def cross_az(answer: Answer) -> View:
    """Which zone pays for exchanging bytes with which other zone."""
    return heatmap(
        _billed(answer),
        "peer_az_id",
        "payer_az_id",
        "billed_bytes",
        caption="Bytes charged for crossing zones, by payer",
    )


def cross_az_pairs(answer: Answer) -> View:
    """Which pairs of hosts pay most for crossing zones, both sides together."""
    return bars(
        _named(answer, _pair), "pair", "estimated_usd", caption=f"Crossing zones by pair of hosts, {_ESTIMATED}"
    )


def nat_gateways(answer: Answer) -> View:
    """What each NAT gateway processed."""
    return bars(
        _named(answer, lambda row: _first(row, "name", "interface_id"), "gateway"), "gateway", "billed_bytes",
        caption="Bytes processed by NAT gateway",
    )  # fmt: skip


def nat_by_workload(answer: Answer) -> View:
    """Which workloads use the NAT gateways most, in the colours of the gateways."""
    named = _named(answer, lambda row: _first(row, "nat_name", "nat_interface_id"), "gateway")
    return bars(named, "workload", "billed_bytes", split="gateway", caption="Bytes through NAT gateways by workload")


def nat_by_destination(answer: Answer) -> View:
    """Where what goes through the NAT gateways goes, in the colours of the gateways."""
    named = _named(answer, lambda row: _first(row, "nat_name", "nat_interface_id"), "gateway")
    return bars(
        named, "destination", "billed_bytes", split="gateway", caption="Bytes through NAT gateways by destination"
    )


def endpoint_candidates(answer: Answer) -> View:
    """What an endpoint would save in a month, by service."""
    named = _named(answer, lambda row: _first(row, "nat_name", "nat_interface_id"), "gateway")
    return bars(
        named, ("aws_service", "gateway"), "saving_month_usd", caption="A month's saving by an endpoint, estimated"
    )


def internet_egress(answer: Answer) -> View:
    """What leaves for public addresses, by destination, in the colours of the way it takes."""
    return bars(answer, "destination", "carried_bytes", split="path", caption="Bytes leaving for public addresses")


def internet_egress_by_workload(answer: Answer) -> View:
    """Who sends what is charged as egress."""
    return bars(answer, "workload", "estimated_usd", caption=f"Egress by workload, {_ESTIMATED}")


def interface_endpoints(answer: Answer) -> View:
    """What goes through each interface endpoint."""
    named = _named(answer, lambda row: _first(row, "service", "vpc_endpoint_id", "interface_id"), "endpoint")
    return bars(named, ("endpoint", "az_id"), "billed_bytes", caption="Bytes through interface endpoints")


def fixed_hours(answer: Answer) -> View:
    """What costs by the hour, by kind of thing."""
    if not answer.answerable or answer.table.empty:
        return bars(answer, "what", "estimated_usd")
    summed = answer.table.dropna(subset=["estimated_usd"]).groupby("what", sort=True)["estimated_usd"].sum()
    frame = summed.reset_index().sort_values(["estimated_usd", "what"], ascending=[False, True], kind="stable")
    kinds = replace(answer, _table=frame.reset_index(drop=True))
    return bars(kinds, "what", "estimated_usd", caption=f"Costs by the hour, {_ESTIMATED}")


def log_delivery(answer: Answer) -> View:
    """What the delivery of each flow log costs."""
    return bars(answer, ("flow_log_id", "destination"), "estimated_usd", caption=f"Delivery of the logs, {_ESTIMATED}")


def vpn_egress(answer: Answer) -> View:
    """Who sends over the virtual private gateway."""
    return bars(answer, "workload", "billed_bytes", caption="Bytes leaving over VPN or Direct Connect")


def transit_gateway_bytes(answer: Answer) -> View:
    """What each attachment sends into its transit gateway."""
    return bars(answer, "attachment", "billed_bytes", caption="Bytes sent into transit gateways")


def _pair(row: Mapping[str, Any]) -> str:
    one, other = _first(row, "src_name", "srcaddr"), _first(row, "dst_name", "dstaddr")
    port = shown("dstport", row["dstport"])
    return one if other == ABSENT else f"{one} · {other} · {port}"


def _first(row: Mapping[str, Any], *columns: str) -> str:
    """The first of several columns that has a value, as text."""
    return next((text for column in columns if (text := shown(column, row[column])) != ABSENT), ABSENT)


def _named(answer: Answer, name: Callable[[Mapping[str, Any]], str], column: str = "pair") -> Answer:
    """The answer with one more column of text, which a chart names its rows by."""
    if not answer.answerable:
        return answer
    frame = answer.table.copy()
    frame[column] = [name(row) for row in rows_in(frame)]
    return replace(answer, _table=frame)


def _billed(answer: Answer) -> Answer:
    """The answer's rows that are charged, summed over sides and kinds."""
    if not answer.answerable:
        return answer
    frame = answer.table
    frame = frame[(frame["billed_bytes"] > 0).fillna(False)]
    summed = frame.groupby(["payer_az_id", "peer_az_id"], sort=True)["billed_bytes"].sum().astype(float).reset_index()
    return replace(answer, _table=summed)
