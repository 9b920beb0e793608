"""What AWS would charge for the hops, per day, before any log was written. It shares no code with the cost questions.

Bytes are whole, by the day in which their packets went. Charged are: both directions through NAT gateways, every zone
crossing once per paying side, what leaves for the Internet, both directions at interface endpoints, the hours of
gateways and endpoints, and the delivery of the logs themselves. Refused packets are not charged; traffic to AWS's
services in the same region is no Internet transfer.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np

from flowkit.generate.company import REGION, Company
from flowkit.generate.conversations import OPEN
from flowkit.generate.draw import Ints
from flowkit.generate.hops import DIRECT, GATEWAY_MERGED, INTERNET_GATEWAY, NAT_INNER, Hops
from flowkit.generate.network import INTERNET, Interface, Lookup
from flowkit.generate.records import packets_before, size_of
from flowkit.prices import PriceBook

__all__ = ["Bill", "of_hops"]

#: Usage type -> item of the price book.
_ITEMS = {
    "NatGateway-Bytes": "nat_gateway_bytes",
    "NatGateway-Hours": "nat_gateway_hour",
    "DataTransfer-Regional-Bytes": "cross_az_bytes",
    "DataTransfer-Out-Bytes": "internet_egress_bytes",
    "VpcEndpoint-Bytes": "vpc_endpoint_bytes",
    "VpcEndpoint-Hours": "vpc_endpoint_hour",
    "S3-Egress-Bytes": "logs_to_s3_bytes",
}


class Bill:
    """Quantities by day, usage type and resource."""

    def __init__(self, start_s: int) -> None:
        self.start_s = start_s
        self.quantities: dict[tuple[str, str, str], int] = defaultdict(int)

    def add(self, at_s: int, usage_type: str, resource: str, quantity: int) -> None:
        """Add a quantity on the day of a moment, in seconds after the start."""
        if quantity:
            day = datetime.fromtimestamp(self.start_s + at_s, UTC).strftime("%Y-%m-%d")
            self.quantities[day, usage_type, resource] += quantity

    def write(self, path: Path) -> None:
        """Write the bill, priced with the bundled price book at the first tier of the month."""
        prices = PriceBook.load()
        with path.open("w", encoding="utf-8", newline="") as out:
            rows = csv.writer(out, lineterminator="\n")
            rows.writerow(["day", "usage_type", "resource", "quantity", "unit", "cost_usd"])
            for (day, usage_type, resource), quantity in sorted(self.quantities.items()):
                item = _ITEMS[usage_type]
                if usage_type.endswith("-Hours"):
                    unit, cost = "hours", prices.price(item, REGION).usd * quantity
                else:
                    unit, cost = "bytes", prices.usd(item, REGION, quantity)
                rows.writerow([day, usage_type, resource, quantity, unit, f"{cost.quantize(Decimal('0.000001'))}"])


def of_hops(company: Company, hops: Hops, net: Lookup, start_s: int, length_s: int) -> Bill:
    """The bill of everything but the logs' own delivery."""
    bill = Bill(start_s)
    for first, last in _days(start_s, length_s):
        forward, back = _sizes(hops, first, last)
        _gateways(bill, company, hops, (first, last), forward + back)
        _zones(bill, company, hops, net, first, forward + back)
        _outward(bill, company, hops, net, first, forward, back)
        for interface in company.of("endpoint"):
            mine = (hops.b == interface.index) | (hops.a == interface.index)
            bill.add(first, "VpcEndpoint-Bytes", interface.owner, int((forward + back)[mine].sum()))
            bill.add(first, "VpcEndpoint-Hours", interface.owner, _hours(first, last))
    return bill


def _days(start_s: int, length_s: int) -> list[tuple[int, int]]:
    """The period cut at midnight UTC."""
    edges = [0, *range(86400 - start_s % 86400, length_s, 86400), length_s]
    return [(a, b) for a, b in pairwise(edges) if b > a]


def _hours(first_s: int, last_s: int) -> int:
    return -(-(last_s - first_s) // 3600)


def _sizes(hops: Hops, first_s: int, last_s: int) -> tuple[Ints, Ints]:
    """Delivered bytes of each hop, forward and back, inside a day."""
    talk = hops.talk
    sizes = []
    for side in ("f", "r"):
        count, size = talk[f"{side}_packets"], talk[f"{side}_bytes"]
        edges = [
            packets_before(np.array(float(at)), talk[f"{side}0_s"], talk[f"{side}1_s"], count)
            for at in (first_s, last_s)
        ]
        sizes.append((size_of(edges[1], count, size) - size_of(edges[0], count, size)) * (talk["block"] == OPEN))
    return sizes[0], sizes[1]


def _gateways(bill: Bill, company: Company, hops: Hops, day: tuple[int, int], size: Ints) -> None:
    for interface in company.of("nat"):
        inner = (hops.kind == NAT_INNER) & (hops.b == interface.index)
        bill.add(day[0], "NatGateway-Bytes", interface.owner, int(size[inner].sum()))
        bill.add(day[0], "NatGateway-Hours", interface.owner, _hours(*day))


def _zones(bill: Bill, company: Company, hops: Hops, net: Lookup, first_s: int, size: Ints) -> None:
    """Every byte between two zones, once per side that pays."""
    both = (hops.a >= 0) & (hops.b >= 0)
    crossing = both & (net.zone[hops.a] != net.zone[hops.b])
    count = len(company.interfaces)
    couples, place = np.unique(hops.a[crossing] * count + hops.b[crossing], return_inverse=True)
    amounts = np.zeros(len(couples), dtype=np.int64)
    np.add.at(amounts, place, size[crossing])
    for couple, amount in zip(couples.tolist(), amounts.tolist(), strict=True):
        one, other = company.interfaces[couple // count], company.interfaces[couple % count]
        for payer in _payers(one, other):
            bill.add(first_s, "DataTransfer-Regional-Bytes", payer.interface_id, amount)


def _payers(one: Interface, other: Interface) -> list[Interface]:
    """Whose side of a zone crossing is charged, by the kinds of the two interfaces (AWS pricing pages)."""
    kinds = {one.kind, other.kind}
    if kinds & {"load_balancer", "vpc_endpoint"} or kinds == {"rds"} or kinds == {"elasticache"}:
        return []
    return [interface for interface in (one, other) if interface.kind != "elasticache"]


def _outward(bill: Bill, company: Company, hops: Hops, net: Lookup, first_s: int, forward: Ints, back: Ints) -> None:
    """What leaves for the Internet: questions of ours, and answers to questions from there."""
    talk = hops.talk
    asked = (hops.a >= 0) & (hops.b < 0) & (hops.kind != NAT_INNER) & (net.kind[talk["dst"]] == INTERNET)
    asked &= (net.service[talk["dst"]] == 0) & np.isin(hops.a_path, (GATEWAY_MERGED, INTERNET_GATEWAY))
    answered = (hops.a < 0) & (hops.b >= 0) & (hops.kind == DIRECT) & (net.kind[talk["src"]] == INTERNET)
    for interface in company.interfaces:
        amount = int(forward[asked & (hops.a == interface.index)].sum())
        amount += int(back[answered & (hops.b == interface.index)].sum())
        bill.add(first_s, "DataTransfer-Out-Bytes", interface.interface_id, amount)
