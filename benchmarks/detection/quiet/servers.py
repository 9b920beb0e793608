"""Servers with many partners: load balancers, gateways, resolvers, mail, meshes."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.detection.lab import Lab
from flowkit.generate.conversations import DROP_AT_DESTINATION, RST
from flowkit.generate.draw import between, times
from flowkit.generate.network import Interface

__all__ = ["load_balancer", "mail_relay", "nat_gateway", "port_forwarding", "resolver", "service_mesh"]


def ids(hosts: list[Interface]) -> np.ndarray[Any, Any]:
    """The addresses' numbers of some hosts."""
    return np.array([one.address_id for one in hosts])


def names(*hosts: Interface) -> set[str]:
    """The addresses of some hosts."""
    return {one.address for one in hosts}


def day(lab: Lab, rng: np.random.Generator, count: int) -> np.ndarray[Any, Any]:
    """Moments in the rhythm of a day."""
    return np.minimum(times(rng, count, 0, lab.length_s), lab.length_s - 300)


def load_balancer(lab: Lab, rng: np.random.Generator) -> set[str]:
    """Hundreds of clients in front, a few targets behind, health checks all day, and one target that is down."""
    front, targets = lab.host(public=True, kind="load_balancer"), lab.hosts(int(rng.integers(3, 8)))
    clients, port = lab.outside(int(rng.integers(150, 400))), int(rng.choice([80, 8080, 8443, 30_080]))
    size = int(rng.integers(1_000, 2_500))
    at, down = day(lab, rng, size), between(rng, 2_000, 400_000, size).astype(int)
    lasts, up = between(rng, 0.1, 60, size), between(rng, 300, 5_000, size).astype(int)
    lab.talk.tcp(clients[rng.integers(0, len(clients), size)], front.address_id, 443, at, lasts, up, down, rtt_s=0.06)
    lab.talk.tcp(front.address_id, rng.choice(ids(targets), size), port, at, lasts, up, down, rtt_s=0.001)
    for place, target in enumerate(targets):
        checks = np.arange(20 + place, lab.length_s - 30, float(rng.choice([60, 120])))
        if place == 0:  # down for hours: refused by a RST, or by a rule that is missing
            lab.talk.probe(front.address_id, target.address_id, port, checks, packets=2, answer=RST,
                           block=DROP_AT_DESTINATION if rng.random() < 0.5 else 0)  # fmt: skip
        else:
            lab.talk.tcp(front.address_id, target.address_id, port, checks, 0.05, 120, 250, rtt_s=0.001)
    return names(front, *targets) | set(lab.texts(clients))


def nat_gateway(lab: Lab, rng: np.random.Generator) -> set[str]:
    """Dozens of clients, hundreds of destinations of which some are dead, and the internet knocking at the gateway."""
    clients, servers = lab.hosts(int(rng.integers(15, 40))), lab.outside(int(rng.integers(200, 500)))
    size = int(rng.integers(1_500, 3_000))
    to = rng.integers(0, len(servers), size)
    alive = to >= len(servers) // 20
    at, src = day(lab, rng, size), rng.choice(ids(clients), size)
    port = rng.choice([80, 443, 443, 443], size)
    up, down = between(rng, 400, 9_000, size).astype(int), between(rng, 2_000, 900_000, size).astype(int)
    lab.talk.tcp(src[alive], servers[to][alive], port[alive], at[alive], between(rng, 0.2, 90, int(alive.sum())),
                 up[alive], down[alive], rtt_s=0.03)  # fmt: skip
    lab.talk.probe(src[~alive], servers[to][~alive], port[~alive], at[~alive], packets=3, size_bytes=60)
    noise = int(rng.integers(800, 2_000))
    knockers = lab.outside(noise // 6)
    ports = rng.integers(1, 65_000, noise)
    lab.talk.probe(
        knockers[rng.integers(0, len(knockers), noise)],
        lab.nat.address_id,
        ports,
        rng.uniform(5, lab.length_s - 5, noise),
    )
    busiest = lab.outside()
    lab.talk.probe(busiest, lab.nat.address_id, rng.permutation(65_000)[:700], np.sort(rng.uniform(9_000, 12_000, 700)),
                   sport=55_000)  # fmt: skip
    return names(lab.nat, *clients) | set(lab.texts(servers)) | set(lab.texts(busiest))


def port_forwarding(lab: Lab, rng: np.random.Generator) -> set[str]:
    """An NLB that keeps client addresses, many listeners, and a forwarder that reaches one host at dozens of ports."""
    front, forwarder = lab.host(public=True, kind="network_load_balancer"), lab.host(public=True)
    target, behind = lab.host(), lab.hosts(3)
    ports = rng.permutation(np.arange(20_000, 26_000))[: int(rng.integers(20, 60))]
    clients, size = lab.outside(int(rng.integers(60, 150))), int(rng.integers(600, 1_200))
    at, which = day(lab, rng, size), rng.integers(0, len(ports), size)
    lasts, up, down = between(rng, 0.5, 200, size), between(rng, 300, 9_000, size), between(rng, 500, 90_000, size)
    src = clients[rng.integers(0, len(clients), size)]
    lab.talk.tcp(src, forwarder.address_id, ports[which], at, lasts, up.astype(int), down.astype(int), rtt_s=0.07)
    lab.talk.tcp(
        forwarder.address_id, target.address_id, ports[which], at, lasts, up.astype(int), down.astype(int), rtt_s=0.001
    )
    lab.talk.tcp(src, front.address_id, 443, at + 20, lasts, up.astype(int), down.astype(int), rtt_s=0.07)
    lab.talk.tcp(src, rng.choice(ids(behind), size), 443, at + 20, lasts, up.astype(int), down.astype(int), rtt_s=0.07)
    for host in behind:
        checks = np.arange(30, lab.length_s - 30, 60.0) + rng.uniform(0, 20)
        lab.talk.tcp(front.address_id, host.address_id, 443, checks, 0.02, 0, 0, close=RST, rtt_s=0.001)
    return names(front, forwarder, target, *behind) | set(lab.texts(clients))


def resolver(lab: Lab, rng: np.random.Generator) -> set[str]:
    """Hosts ask it, it asks hundreds of name servers, some of which stay silent."""
    servers, hosts = [lab.host(), lab.host()], lab.hosts(int(rng.integers(15, 40)))
    world, size = lab.outside(int(rng.integers(150, 400))), int(rng.integers(1_500, 3_000))
    asked, one = rng.choice(ids(servers), size), between(rng, 30, 90, size).astype(int)
    lab.talk.udp(
        rng.choice(ids(hosts), size), asked, 53, day(lab, rng, size), one, between(rng, 60, 900, size).astype(int)
    )
    to, answered = rng.integers(0, len(world), size), rng.random(size) > 0.1
    answered &= to > len(world) // 12
    down = np.where(answered, between(rng, 80, 1_200, size).astype(int), 0)
    lab.talk.udp(asked, world[to], 53, day(lab, rng, size), one, down)
    big = rng.integers(0, size, 60)
    lab.talk.tcp(asked[big], world[to[big]], 53, day(lab, rng, 60), 0.2, 60, 2_500, rtt_s=0.04)
    return names(*servers, *hosts) | set(lab.texts(world))


def mail_relay(lab: Lab, rng: np.random.Generator) -> set[str]:
    """It takes mail from everywhere and brings it everywhere; some servers are down or make it wait."""
    relay, senders = lab.host(public=True), lab.outside(int(rng.integers(100, 250)))
    servers, size = lab.outside(int(rng.integers(150, 400))), int(rng.integers(700, 1_500))
    at, lasts = day(lab, rng, size), between(rng, 0.8, 20, size)
    lab.talk.tcp(
        senders[rng.integers(0, len(senders), size)],
        relay.address_id,
        25,
        at,
        lasts,
        between(rng, 900, 200_000, size).astype(int),
        between(rng, 500, 1_500, size).astype(int),
        rtt_s=0.06,
    )
    to = rng.integers(0, len(servers), size)
    dead = to < len(servers) // 8
    at = day(lab, rng, size)
    count = int((~dead).sum())
    lab.talk.tcp(
        relay.address_id,
        servers[to[~dead]],
        25,
        at[~dead],
        lasts[~dead],
        between(rng, 600, 200_000, count).astype(int),
        between(rng, 500, 1_500, count).astype(int),
        rtt_s=0.06,
    )
    lab.talk.probe(relay.address_id, servers[to[dead]], 25, at[dead], packets=4, size_bytes=60)
    clients = lab.hosts(8)
    lab.talk.tcp(rng.choice(ids(clients), 300), relay.address_id, 587, day(lab, rng, 300), between(rng, 0.5, 5, 300),
                 between(rng, 900, 90_000, 300).astype(int), 900, rtt_s=0.001)  # fmt: skip
    return names(relay, *clients) | set(lab.texts(senders)) | set(lab.texts(servers))


def service_mesh(lab: Lab, rng: np.random.Generator) -> set[str]:
    """A dozen services that all speak with each other on many ports; one is restarted and refuses for some minutes."""
    hosts, ports = (
        lab.hosts(int(rng.integers(8, 16))),
        rng.permutation(np.arange(8_000, 9_500))[: int(rng.integers(8, 14))],
    )
    size = int(rng.integers(2_000, 4_000))
    src, dst = rng.integers(0, len(hosts), size), rng.integers(0, len(hosts), size)
    src = np.where(src == dst, (src + 1) % len(hosts), src)
    up, down = between(rng, 300, 4_000, size).astype(int), between(rng, 300, 40_000, size).astype(int)
    to = rng.choice(ports, size)
    lab.talk.tcp(
        ids(hosts)[src], ids(hosts)[dst], to, day(lab, rng, size), between(rng, 0.01, 30, size), up, down, rtt_s=0.001
    )
    first = float(rng.uniform(20_000, 60_000))
    for caller in hosts[1:]:
        for port in ports:
            if rng.random() < 0.7:
                again = np.arange(first + rng.uniform(0, 10), first + 300, 20.0)
                lab.talk.probe(caller.address_id, hosts[0].address_id, int(port), again, answer=RST, size_bytes=60)
    return names(*hosts)
