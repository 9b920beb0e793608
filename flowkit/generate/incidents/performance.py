"""A host at the limit of its network, and handshakes that never end."""

from __future__ import annotations

import numpy as np

from flowkit.generate.company import BANDWIDTH
from flowkit.generate.conversations import SYN, SYN_ACK
from flowkit.generate.draw import internet_v4
from flowkit.generate.incidents.plan import Plan

__all__ = ["plant"]


def plant(plan: Plan) -> None:
    """Both. (The rejected application path is in `reach`, since it is a rule that is missing.)"""
    _saturated(plan)
    _half_open(plan)


def _saturated(plan: Plan) -> None:
    """Throughput flat at the instance type's baseline for the better part of an hour, to or from the backup host."""
    rng, company = plan.rng("saturated"), plan.company
    backup = company.of("backup")[0]
    host = plan.host(rng, "batch", "web", "app", "search", zone=backup.zone)
    baseline = BANDWIDTH[host.instance_type][0]
    first, last = plan.span(rng, 2_700, 6_000)
    streams = int(rng.integers(3, 7))
    restoring = rng.random() < 0.5
    # A little below the limit: headers come on top, and the host has other traffic too.
    rate = 0.955 * baseline * 1e9 / 8 / streams
    lasts = last - first - rng.uniform(0, 4, streams)
    volume = rate * lasts
    at = first + rng.uniform(0, 4, streams)
    # The host opens the connections either way; a restore is the same connection with the load downwards.
    up, down = (volume / 3_000, volume) if restoring else (volume, volume / 3_000)
    plan.talk.tcp(host.address_id, backup.address_id, 9103, at, lasts, up, down, rtt_s=0.001)
    what = "restores from" if restoring else "copies to"
    note = f"{host.name} ({host.instance_type}, baseline {baseline} Gbit/s) {what} {backup.name} at its limit"
    subject = {"interface_id": host.interface_id}
    whole_windows = (last - first) / plan.scene.interval_s
    few = "too short for three whole windows" if whole_windows < 4 else ""
    plan.record("saturated_interface", "medium", subject, first, last, note, few)


def _half_open(plan: Plan) -> None:
    """SYN, then SYN-ACK again and again, and nothing more. One packet one way and several back, none with data:

    even without TCP flags this cannot be a handshake that was finished, since that takes two packets of the opener.
    """
    rng, company = plan.rng("half-open"), plan.company
    if rng.random() < 0.5:
        target = company.of("alb")[int(rng.integers(0, 3))]
        port = 443
        names = internet_v4(rng, int(rng.integers(1, 4)))
        sources = company.addresses.add_all(names)
    else:
        client, target = plan.pair(rng, ("web", "build", "app"), ("app", "search", "broker", "web"))
        port = {"app": 9000, "search": 9200, "broker": 9092, "web": 8080}[target.role]
        rule = {
            "protocol": "6",
            "from_port": port,
            "to_port": port,
            "cidr": str(client.subnet.cidr),
            "description": client.name,
        }
        company.extra_ingress.setdefault(target.role, []).append(rule)
        names, sources = [client.address], np.array([client.address_id])
    count = int(rng.integers(250, 600))
    first, last = plan.span(rng, 600, 2_400)
    at = np.sort(rng.uniform(first, last, count))
    answers = rng.integers(4, 7, count)
    plan.talk.add(
        src=sources[rng.integers(0, len(sources), count)],
        dst=target.address_id,
        dport=port,
        protocol=6,
        f0_s=at,
        f1_s=at,
        r0_s=at + 0.01,
        r1_s=at + 31,
        f_packets=1,
        f_bytes=60,
        r_packets=answers,
        r_bytes=60 * answers,
        f_open=SYN,
        f_close=SYN,
        r_open=SYN_ACK,
        r_close=SYN_ACK,
    )
    note = f"{count} handshakes with {target.name} that were never finished"
    subject = {
        "srcaddr": names if len(names) > 1 else names[0],
        "dstaddr": target.address,
        "dstport": port,
        "protocol": 6,
    }
    plan.record("half_open", "medium", subject, at[0], at[-1] + 31, note)
