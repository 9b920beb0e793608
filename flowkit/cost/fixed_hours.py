"""What costs by the hour, whether or not anything goes through it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flowkit.cost.money import book_or_default, priced, region_of
from flowkit.flows import Flows
from flowkit.inventory import Inventory
from flowkit.prices import PriceBook
from flowkit.question import Answer, question

__all__ = ["fixed_hours"]

HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class _Thing:
    """One thing that is charged by the hour. `units` is how many hours an hour of it counts."""

    resource: str
    what: str
    region: str
    item: str
    units: int
    created_s: int | None


@question(needs=(), sharper_with=("inventory",))
def fixed_hours(flows: Flows, *, book: PriceBook | str | None = None, region: str = "") -> Answer:
    """What do gateways, endpoints, attachments and public addresses cost by the hour?

    From the inventory, for the hours that the period touches (a part of an hour is billed whole); a thing that was
    created later counts from then. `units` is per zone for endpoints and regional gateways. Empty without an
    inventory.

    Blind spots: things deleted before, or created after, the snapshot; addresses that are reserved but not in use,
    since the snapshot lists those of interfaces only. Source: the NAT gateway, PrivateLink, Transit Gateway and VPC
    public IPv4 pricing pages.
    """
    book = book_or_default(book)
    home, said = region_of(flows, region)
    since, until = flows.period
    rows: list[dict[str, Any]] = []
    for thing in _things(flows.inventory, home) if flows.inventory else ():
        start = max(since, thing.created_s or since)
        hours = max(0, -(-until // HOUR_S) - start // HOUR_S) if until > start else 0
        rows.append(
            {
                "resource": thing.resource,
                "what": thing.what,
                "region": thing.region,
                "item": thing.item,
                "units": thing.units,
                "billed_hours": hours * thing.units,
            }
        )
    rows.sort(key=lambda row: (row["item"], -row["billed_hours"], row["resource"]))
    caveats = (
        said
        if flows.inventory
        else (*said, "Without an inventory nothing says which gateways and endpoints there are.")
    )
    answer = Answer("", caveats=caveats, records=flows.records, _table=_table(rows))
    return priced(answer, book, amount="billed_hours")


def _things(inventory: Inventory, home: str) -> Iterator[_Thing]:
    for nat in inventory.nat_gateways:
        regional = nat.availability_mode == "regional"
        zones = {subnet.az_id for subnet in inventory.subnets if subnet.vpc_id == nat.vpc_id and subnet.az_id}
        item = "regional_nat_gateway_hour" if regional else "nat_gateway_hour"
        units = max(1, len(zones)) if regional else 1
        region = inventory.region_of(nat.vpc_id) or home
        yield _Thing(nat.nat_gateway_id, "NAT gateway", region, item, units, nat.created_at)
    for endpoint in inventory.vpc_endpoints:
        region = inventory.region_of(endpoint.vpc_id) or home
        if endpoint.endpoint_type == "Interface":
            units = len(endpoint.interface_ids)
            yield _Thing(
                endpoint.vpc_endpoint_id, "interface endpoint", region, "vpc_endpoint_hour", units, endpoint.created_at
            )
        elif endpoint.endpoint_type == "GatewayLoadBalancer":
            yield _Thing(
                endpoint.vpc_endpoint_id, "Gateway Load Balancer endpoint", region,
                "gateway_load_balancer_endpoint_hour", len(endpoint.interface_ids), endpoint.created_at,
            )  # fmt: skip
    attachments: dict[tuple[str, str], int | None] = defaultdict(lambda: None)
    for interface in inventory.interfaces:
        region = inventory.region_of(interface.vpc_id) or home
        if interface.interface_type == "transit_gateway":
            attachments[interface.owner or interface.vpc_id, region] = interface.valid_from
    for (owner, region), created in sorted(attachments.items()):
        yield _Thing(owner, "transit gateway attachment", region, "transit_gateway_hour", 1, created)
    for address, (region, created) in sorted(_public_addresses(inventory, home).items()):
        yield _Thing(address, "public IPv4 address", region, "public_ipv4_hour", 1, created)


def _public_addresses(inventory: Inventory, home: str) -> dict[str, tuple[str, int | None]]:
    """Public IPv4 addresses of interfaces and NAT gateways, each once."""
    found: dict[str, tuple[str, int | None]] = {}
    for nat in inventory.nat_gateways:
        for address in nat.public_addresses:
            found[address] = (inventory.region_of(nat.vpc_id) or home, nat.created_at)
    for interface in inventory.interfaces:
        if interface.public_address and ":" not in interface.public_address:
            place = (inventory.region_of(interface.vpc_id) or home, interface.valid_from)
            found.setdefault(interface.public_address, place)
    return found


def _table(rows: list[dict[str, Any]]) -> Any:
    import pandas as pd

    kinds = {
        "resource": "string",
        "what": "string",
        "region": "string",
        "item": "string",
        "units": "Int64",
        "billed_hours": "Int64",
    }
    return pd.DataFrame(rows, columns=list(kinds)).astype(kinds)
