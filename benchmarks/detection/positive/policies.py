"""From host to host, past the resolvers, to ports and addresses with which no host of ours has business."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from benchmarks.detection.lab import Lab
from benchmarks.detection.scoring import Positive
from flowkit.generate.draw import between, internet_v4
from flowkit.generate.network import Interface

__all__ = ["BYPASSES", "LISTED", "MOVES", "NEW", "UNUSUAL"]

_ADMIN = (22, 22, 3389, 445, 5985, 5986)


def _daily_work(lab: Lab, rng: np.random.Generator, hosts: list[Interface]) -> None:
    """What shows that hosts are there all day: calls to one inner service."""
    server = lab.host()
    for host in hosts:
        at = np.arange(rng.uniform(30, 600), lab.length_s - 60, float(rng.uniform(900, 2_400)))
        lab.talk.tcp(host.address_id, server.address_id, 443, at, 1.0, 900, 3_000, rtt_s=0.001)


def _move(lab: Lab, rng: np.random.Generator) -> Positive:
    """A session to a host, and from there to the next, while the one before lasts or soon after."""
    many = int(rng.integers(3, 7))
    hosts = lab.hosts(many)
    _daily_work(lab, rng, hosts)
    at = float(rng.uniform(7.5 * 3600, 16 * 3600))
    port = int(rng.choice(_ADMIN))
    for one, other in pairwise(hosts):
        lasts = float(between(rng, 90, 2_400, 1)[0])
        up, down = between(rng, 9_000, 500_000, 2).astype(int)
        lab.talk.tcp(one.address_id, other.address_id, port, at, lasts, up, down, rtt_s=0.001)
        at += 2 * lab.variant[1] + float(rng.uniform(0, 900))
        port = port if rng.random() < 0.7 else int(rng.choice(_ADMIN))
    names = [one.address for one in hosts]
    return Positive(
        rules=("lateral_movement",), kind=f"{many - 1} hops", intensity=many - 1, unit="hops",
        subject={"srcaddr": frozenset(names[:-1]), "dstaddr": frozenset(names[1:])}, actors=frozenset(names),
        note=f"{' to '.join(names)}, last port {port}",
    )  # fmt: skip


def _bypass(lab: Lab, rng: np.random.Generator) -> Positive:
    """One host asks a public resolver, over DNS or DNS over TLS, although others are meant to be asked."""
    host, server = lab.host(public=rng.random() < 0.3), lab.outside()
    count, tls = round(float(between(rng, 1, 2_000, 1)[0])), rng.random() < 0.2
    first, last = lab.span(rng, 60, 20 * 3600)
    at = np.sort(rng.uniform(first, last, count))
    if tls:
        lab.talk.tcp(host.address_id, server, 853, at, between(rng, 1, 30, count), 800, 5_000, rtt_s=0.02)
    else:
        lab.talk.udp(host.address_id, server, 53, at, rng.integers(30, 90, count), rng.integers(60, 500, count))
    name = lab.texts(server)[0]
    return Positive(
        rules=("dns_bypass",), kind="DNS over TLS" if tls else "DNS", intensity=count, unit="questions",
        subject={"srcaddr": host.address, "dstaddr": name}, actors=frozenset([host.address, name]),
        note=f"{count} questions from {host.address} to {name}", parameters={"dns_resolvers": ["10.255.0.2"]},
    )  # fmt: skip


def _mining(lab: Lab, rng: np.random.Generator) -> Positive:
    """A thin connection to a pool, for hours."""
    host, pool = lab.host(public=rng.random() < 0.3), lab.outside()
    port = int(rng.choice([3333, 3334, 4444, 5555, 7777, 9999, 14444, 45700]))
    first, last = lab.span(rng, 2_400, 20 * 3600)
    lasts = last - first
    lab.talk.tcp(
        host.address_id,
        pool,
        port,
        first,
        lasts,
        int(lasts * rng.uniform(3, 60)),
        int(lasts * rng.uniform(3, 90)),
        rtt_s=0.1,
    )
    return _unusual("mining", host.address, lab.texts(pool), port, round(lasts / 60), "minutes")


def _tor(lab: Lab, rng: np.random.Generator) -> Positive:
    """A few guards, each for long."""
    host, many = lab.host(public=rng.random() < 0.3), int(rng.integers(2, 6))
    guards, port = lab.outside(many), int(rng.choice([9001, 9001, 9030]))
    first, last = lab.span(rng, 1_200, 12 * 3600)
    volume = between(rng, 50_000, 90_000_000, many).astype(int)
    lab.talk.tcp(
        host.address_id, guards, port, first + np.arange(many) * 20, last - first, volume // 5, volume, rtt_s=0.1
    )
    return _unusual("TOR", host.address, lab.texts(guards), port, round((last - first) / 60), "minutes")


def _spam(lab: Lab, rng: np.random.Generator) -> Positive:
    """A host that takes no mail brings it to many servers."""
    host, many = lab.host(public=rng.random() < 0.5), round(float(between(rng, 12, 400, 1)[0]))
    servers, size = lab.outside(many), many * int(rng.integers(1, 5))
    first, last = lab.span(rng, 600, 12 * 3600)
    src = np.concatenate([servers, rng.choice(servers, size - many)])
    lab.talk.tcp(
        host.address_id,
        src,
        25,
        rng.uniform(first, last, size),
        between(rng, 0.5, 12, size),
        between(rng, 900, 40_000, size).astype(int),
        between(rng, 400, 1_200, size).astype(int),
        rtt_s=0.05,
    )
    return _unusual("mail", host.address, lab.texts(servers), 25, many, "servers")


def _unusual(kind: str, host: str, peers: list[str], port: int, intensity: float, unit: str) -> Positive:
    return Positive(
        rules=("unusual_port",), kind=kind, intensity=intensity, unit=unit, actors=frozenset([host, *peers]),
        subject={"srcaddr": host, "dstport": port}, note=f"{host} to {len(peers)} addresses at port {port}",
    )  # fmt: skip


def _listed(lab: Lab, rng: np.random.Generator) -> Positive:
    """A host calls a listed address; the list has it alone or in a block."""
    host = lab.host(public=rng.random() < 0.3)
    name = internet_v4(rng, 1)[0]
    server = lab.known([name])
    count, port = (
        round(float(between(rng, 1, 200, 1)[0])),
        int(rng.choice([80, 443, 8080, int(rng.integers(1_025, 60_000))])),
    )
    first, last = lab.span(rng, 60, 20 * 3600)
    at = np.sort(rng.uniform(first, last, count))
    lab.talk.tcp(
        host.address_id,
        server,
        port,
        at,
        between(rng, 0.3, 60, count),
        between(rng, 200, 90_000, count).astype(int),
        between(rng, 200, 900_000, count).astype(int),
        rtt_s=0.06,
    )
    block = f"{name.rsplit('.', 1)[0]}.0/24"
    return Positive(
        rules=("threat_list",),
        kind="called by a host of ours",
        intensity=count,
        unit="conversations",
        subject={"srcaddr": host.address, "dstaddr": name},
        actors=frozenset([host.address, name]),
        note=f"{count} conversations of {host.address} with {name}:{port}",
        listed=name if rng.random() < 0.5 else block,
    )


def _first_contact(lab: Lab, rng: np.random.Generator) -> Positive:
    """Two hosts that are there all day; what is new against the baseline is that one uses a risky port of the other."""
    source, target = lab.hosts(2)
    _daily_work(lab, rng, [source, target])
    port = int(rng.choice([*_ADMIN, 1433, 3306, 5432, 6379, 27017, 389, 636]))
    count = round(float(between(rng, 1, 60, 1)[0]))
    first, last = lab.span(rng, 600, 12 * 3600)
    at, lasts = np.sort(rng.uniform(first, last, count)), between(rng, 0.5, 600, count)
    up, down = between(rng, 900, 90_000, count).astype(int), between(rng, 900, 900_000, count).astype(int)
    lab.later.append(lambda: lab.talk.tcp(source.address_id, target.address_id, port, at, lasts, up, down, rtt_s=0.001))
    return Positive(
        rules=("new_peer",), kind="first use of the port", intensity=count, unit="conversations",
        subject={"srcaddr": source.address, "dstaddr": target.address},
        actors=frozenset([source.address, target.address]),
        note=f"{count} conversations of {source.address} with port {port} of {target.address}",
    )  # fmt: skip


MOVES = ((_move, 1),)
NEW = ((_first_contact, 1),)
BYPASSES = ((_bypass, 1),)
UNUSUAL = ((_mining, 2), (_tor, 1), (_spam, 2))
LISTED = ((_listed, 1),)
