"""Money that need not be spent: a talkative pair across zones, and object storage through the NAT gateway."""

from __future__ import annotations

import numpy as np

from flowkit.generate.incidents.plan import Plan

__all__ = ["plant"]


def plant(plan: Plan) -> None:
    """Both."""
    _chatter(plan)
    _storage_through_nat(plan)


def _chatter(plan: Plan) -> None:
    """Two hosts of different zones exchange hundreds of gigabytes; one of them could move."""
    rng, company = plan.rng("chatter"), plan.company
    couples = [
        (one, other)
        for one in company.of("broker", "app", "node")
        for other in company.of("broker", "search", "node")
        if one.zone != other.zone and not {one.index, other.index} & plan.taken
    ]
    if not couples:
        raise LookupError("no free pair in different zones")
    one, other = couples[int(rng.integers(0, len(couples)))]
    plan.taken |= {one.index, other.index}
    port = {"broker": 9092, "search": 9200, "node": 10250}[other.role]
    rule = {"protocol": "6", "from_port": port, "to_port": port, "cidr": str(one.subnet.cidr), "description": one.name}
    company.extra_ingress.setdefault(other.role, []).append(rule)
    first, last = plan.span(rng, 6_000, 12_000)
    lanes = int(rng.integers(2, 4))
    rate = float(rng.uniform(8e6, 1.8e7)) / lanes
    share = float(rng.uniform(0.1, 0.5))
    length = last - first
    at = first + rng.uniform(0, 5, lanes)
    plan.talk.tcp(
        one.address_id,
        other.address_id,
        port,
        at,
        length - 10,
        np.full(lanes, rate * length),
        np.full(lanes, rate * share * length),
        rtt_s=0.001,
    )
    note = f"{lanes * rate * (1 + share) * length / 1e9:.0f} GB between {one.name} and {other.name}, in different zones"
    subject = {"srcaddr": one.address, "dstaddr": other.address, "dstport": port, "protocol": 6}
    plan.record("cross_az_chatter", "low", subject, first, last, note)


def _storage_through_nat(plan: Plan) -> None:
    """The analytics route table has no route to a gateway endpoint, so object storage goes through the NAT gateway.

    The traffic itself is the ordinary night's work, the same as in a clean run.
    """
    company = plan.company
    workers = company.of("analyst")
    for worker in workers:
        worker.subnet.s3_endpoint = False
    nat = company.interfaces[workers[0].subnet.nat]
    spans = plan.scene.night()
    note = f"{nat.name} carries the S3 traffic of {len(workers)} workers; a gateway endpoint carries it free of charge"
    subject = {
        "srcaddr": [w.address for w in workers],
        "interface_id": nat.interface_id,
        "vpc_id": company.vpcs[1].vpc_id,
    }
    plan.record("gateway_endpoint_missing", "low", subject, spans[0][0], spans[-1][1], note)
