"""What the network costs, for whom, and what could be saved. One question per file.

Every byte is counted once where it is charged, priced with the dated price book, and every number is an estimate: the
AWS bill is the authority.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowkit.cost.bill_estimate import bill_estimate, estimated_total
from flowkit.cost.cross_az import cross_az, cross_az_pairs
from flowkit.cost.cross_az_chatter import cross_az_chatter
from flowkit.cost.endpoint_candidates import endpoint_candidates, gateway_endpoint_missing
from flowkit.cost.fixed_hours import fixed_hours
from flowkit.cost.interface_endpoints import interface_endpoints
from flowkit.cost.internet_egress import internet_egress, internet_egress_by_workload
from flowkit.cost.log_delivery import log_delivery
from flowkit.cost.nat_destinations import nat_by_destination
from flowkit.cost.nat_gateways import nat_by_workload, nat_gateways
from flowkit.cost.private_links import transit_gateway_bytes, vpn_egress
from flowkit.finding import Finding
from flowkit.flows import Flows
from flowkit.prices import PriceBook

__all__ = [
    "RULES",
    "bill_estimate",
    "cross_az",
    "cross_az_pairs",
    "endpoint_candidates",
    "estimated_total",
    "fixed_hours",
    "headlines",
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

#: Rule name to the function that finds it. Parameters of the functions are those of the notebook.
RULES: dict[str, Callable[..., list[Finding]]] = {
    "cross_az_chatter": cross_az_chatter,
    "gateway_endpoint_missing": gateway_endpoint_missing,
}


def headlines(flows: Flows, *, book: PriceBook | str | None = None, region: str = "") -> list[dict[str, Any]]:
    """The figures at the head of the cost report, at the prices of `book`: the estimate, and its largest parts."""
    answer = bill_estimate(flows, book=book, region=region)
    if not answer.answerable:
        return []
    rows = answer.table.to_dict("records")
    note = "list prices; the AWS bill is the authority"
    figures = [_figure("estimated_usd", "Estimated for the period", float(estimated_total(answer)), "usd", note)]
    wanted = (
        ("nat_bytes", "Through NAT gateways", "NatGateway-Bytes", "both directions"),
        ("cross_az_bytes", "Across zones", "DataTransfer-Regional-Bytes", "each byte once per side that pays"),
        ("egress_bytes", "To the internet", "DataTransfer-Out-Bytes", "leaving"),
    )
    for key, label, usage, note in wanted:
        known = [int(row["quantity"]) for row in rows if row["usage_type"] == usage and row["price_status"] is not None]
        if known:
            figures.append(_figure(key, label, sum(known), "bytes", note))
    return figures


def _figure(key: str, label: str, value: Any, unit: str, note: str) -> dict[str, Any]:
    return {"key": key, "label": label, "value": value, "unit": unit, "note": note}
