"""Hosts that reach further than they should: from host to host, somewhere new, and a rule that is far too wide."""

from __future__ import annotations

import numpy as np

from flowkit.generate.draw import between
from flowkit.generate.incidents.plan import Plan

__all__ = ["plant"]


def plant(plan: Plan) -> None:
    """All three."""
    _lateral_movement(plan)
    _new_peer(plan)
    _open_rule(plan)


def _lateral_movement(plan: Plan) -> None:
    """A session over SSH from one analytics worker to the next, and from there on, within the session before.

    Nobody logs in from worker to worker otherwise: bastion and build host only administer the shop.
    """
    rng, company = plan.rng("lateral"), plan.company
    workers = company.of("analyst")
    path = [workers[place] for place in rng.permutation(len(workers))[: min(len(workers), int(rng.integers(4, 6)))]]
    rule = {"protocol": "6", "from_port": 22, "to_port": 22, "cidr": str(company.vpcs[1].cidr), "description": "SSH"}
    company.extra_ingress.setdefault("analyst", []).append(rule)
    interval, length = plan.scene.interval_s, plan.scene.length_s
    hops = len(path) - 1
    # Longer than a window apart, so that the order shows; late enough that hours without it can be seen before.
    pause = rng.uniform(1.3 * interval, 1.3 * interval + 600, hops)
    whole = float(pause.sum()) + 900
    first = float(rng.uniform(0.3 * length, max(0.31 * length, 0.9 * length - whole)))
    at = first + np.concatenate(([0.0], np.cumsum(pause[:-1])))
    lasts = pause + rng.uniform(120, 600, hops)
    plan.talk.tcp(
        np.array([host.address_id for host in path[:-1]]),
        np.array([host.address_id for host in path[1:]]),
        22,
        at,
        lasts,
        20_000 + 60 * lasts,
        60_000 + 220 * lasts,
        rtt_s=0.001,
    )
    note = "SSH from " + " to ".join(host.name for host in path) + ", each hop while the one before lasted"
    subject = {
        "srcaddr": [host.address for host in path[:-1]],
        "dstaddr": [host.address for host in path[1:]],
        "dstport": 22,
        "protocol": 6,
    }
    late = "ends outside the period" if at[-1] > length - 120 else ""
    plan.record("lateral_movement", "medium", subject, at[0], float((at + lasts).max()), note, late)


def _new_peer(plan: Plan) -> None:
    """Late in the period a resolver begins to ask a database or cache, which no resolver ever did."""
    rng, company = plan.rng("new-peer"), plan.company
    source = company.of("resolver")[int(rng.integers(0, 2))]
    role = ("database-replica", "cache")[int(rng.integers(0, 2))]
    target = company.of(role)[0]
    group, port = ("cache", 6379) if role == "cache" else ("database", 5432)
    rule = {"protocol": "6", "from_port": port, "to_port": port, "cidr": str(source.subnet.cidr), "description": "test"}
    company.extra_ingress.setdefault(group, []).append(rule)
    length = plan.scene.length_s
    count = int(rng.integers(3, 12))
    at = np.sort(rng.uniform(0.8 * length, 0.95 * length, count))
    plan.talk.tcp(
        source.address_id,
        target.address_id,
        port,
        at,
        between(rng, 2, 60, count),
        between(rng, 2_000, 60_000, count),
        between(rng, 20_000, 3_000_000, count),
        rtt_s=0.001,
    )
    short = "too little of the period lies before it to call it new" if length < 12 * 3600 else ""
    note = f"{source.name} begins to ask {target.name} on port {port}: {count} times in the period's last fifth"
    subject = {"srcaddr": source.address, "dstaddr": target.address, "dstport": port, "protocol": 6}
    plan.record("new_peer", "low", subject, at[0], at[-1] + 60, note, short)


def _open_rule(plan: Plan) -> None:
    """A group of private hosts lets the whole world in to far more than anybody uses. No other traffic meets it."""
    rng, company = plan.rng("open-rule"), plan.company
    group, roles = (
        ("database", ("database-primary", "database-replica")),
        ("cache", ("cache",)),
        ("backup", ("backup",)),
        ("build", ("build",)),
    )[int(rng.integers(0, 4))]
    low, high = ((0, 65535), (1024, 65535), (22, 22), (3389, 3389))[int(rng.integers(0, 4))]
    rule = {"protocol": "6", "from_port": low, "to_port": high, "cidr": "0.0.0.0/0", "description": "migration"}
    company.extra_ingress.setdefault(group, []).append(rule)
    hosts = company.of(*roles)
    ids = [host.interface_id for host in hosts]
    subject = {"interface_id": ids if len(ids) > 1 else ids[0], "protocol": 6}
    ports = f"port {low}" if low == high else f"ports {low} to {high}"
    note = f"the security group {group} lets 0.0.0.0/0 in to TCP {ports}; nobody from outside its VPCs needs it"
    plan.record("policy_open", "medium", subject, 0.0, plan.scene.length_s - 1.0, note)
