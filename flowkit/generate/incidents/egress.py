"""What should not arrive, and what should not leave: a flood, names asked elsewhere, and services of ill repute."""

from __future__ import annotations

import numpy as np

from flowkit.generate.conversations import DROP_AT_DESTINATION, SYN
from flowkit.generate.draw import between, internet_v4
from flowkit.generate.incidents.plan import Plan

__all__ = ["plant"]

#: Hosts with time for it: the analytics workers sleep by day, the others are as many as the company has.
_IDLE = ("analyst", "task", "web", "app", "search")
#: Ports whose answers are large, and how large (CISA alert TA14-017A).
_AMPLIFIERS = {53: 1_400, 123: 482, 389: 1_450, 1900: 350, 11211: 1_400}
_POOL_PORTS = (3333, 4444, 5555, 7777, 14444, 45700)


def plant(plan: Plan) -> None:
    """All three."""
    _flood(plan)
    _names_elsewhere(plan)
    _unusual_service(plan)


def _flood(plan: Plan) -> None:
    """SYNs from forged addresses, answers that nobody asked for, or datagrams that a host of ours sends."""
    rng = plan.rng("flood")
    kind = ("syn", "amplified", "source")[int(rng.integers(0, 3))]
    {"syn": _syns, "amplified": _answers, "source": _datagrams}[kind](plan, rng)


def _syns(plan: Plan, rng: np.random.Generator) -> None:
    """At the load balancer, which drowns and stays silent. Forged addresses send each SYN some times."""
    target = plan.company.of("alb")[int(rng.integers(0, 3))]
    sources = plan.company.addresses.add_all(internet_v4(rng, int(rng.integers(60, 200))))
    first, last = plan.span(rng, 120, 540)
    count = 2 * len(sources)
    at = np.sort(rng.uniform(first, last - 30, count))
    packets = rng.integers(30, 90, count)
    plan.talk.add(
        src=sources[np.arange(count) % len(sources)],
        dst=target.address_id,
        dport=443,
        protocol=6,
        f0_s=at,
        f1_s=at + rng.uniform(5, 30, count),
        f_packets=packets,
        f_bytes=44 * packets,
        f_open=SYN,
        f_close=SYN,
    )
    note = f"{packets.sum():,} SYNs at {target.name} from {len(sources)} forged addresses"
    subject = {"dstaddr": target.address, "dstport": 443, "protocol": 6}
    plan.record("flood", "medium", subject, at[0], last, note)


def _answers(plan: Plan, rng: np.random.Generator) -> None:
    """At a host with a public address, from servers that somebody else asked in its name; its rules refuse them."""
    company = plan.company
    target = company.of("bastion", "reporting")[int(rng.integers(0, 2))]
    servers = company.addresses.add_all(internet_v4(rng, int(rng.integers(30, 150))))
    port = int(rng.choice(list(_AMPLIFIERS)))
    first, last = plan.span(rng, 120, 540)
    packets = rng.integers(300, 3_000, len(servers))
    at = first + rng.uniform(0, 10, len(servers))
    plan.talk.add(
        src=servers,
        dst=target.address_id,
        sport=port,
        dport=int(rng.integers(1_025, 60_000)),
        protocol=17,
        f0_s=at,
        f1_s=last,
        f_packets=packets,
        f_bytes=_AMPLIFIERS[port] * packets,
        block=DROP_AT_DESTINATION,
    )
    note = f"{packets.sum():,} answers from port {port} of {len(servers)} servers to {target.name}, which asked none"
    subject = {"dstaddr": target.address, "protocol": 17}
    plan.record("flood", "medium", subject, at.min(), last, note)


def _datagrams(plan: Plan, rng: np.random.Generator) -> None:
    """From a host of ours to an address outside, which never says a word."""
    host, name = plan.host(rng, *_IDLE), internet_v4(rng, 1)[0]
    victim = plan.company.addresses.add(name)
    first, last = plan.span(rng, 120, 540)
    packets, size = int(rng.integers(200_000, 600_000)), int(rng.integers(60, 1_000))
    plan.talk.add(
        src=host.address_id,
        dst=victim,
        dport=int(rng.choice([80, 443, int(rng.integers(1_025, 60_000))])),
        protocol=17,
        f0_s=first,
        f1_s=last,
        f_packets=packets,
        f_bytes=packets * size,
    )
    note = f"{packets:,} datagrams from {host.name} in {(last - first) / 60:.0f} minutes, never answered"
    subject = {"srcaddr": host.address, "dstaddr": name, "protocol": 17}
    plan.record("flood", "high", subject, first, last, note)


def _names_elsewhere(plan: Plan) -> None:
    """One host asks a resolver outside, over DNS or DNS over TLS, where all others ask Amazon's or the company's."""
    rng = plan.rng("names-elsewhere")
    host, name = plan.host(rng, *_IDLE), internet_v4(rng, 1)[0]
    resolver = plan.company.addresses.add(name)
    first, last = plan.span(rng, 0.4 * plan.scene.length_s, 0.8 * plan.scene.length_s)
    size = int(rng.integers(20, 120))
    at = np.sort(rng.uniform(first, last, size))
    encrypted = rng.random() < 0.3
    if encrypted:
        plan.talk.tcp(host.address_id, resolver, 853, at, between(rng, 1, 20, size), 900, 5_000, rtt_s=0.02)
    else:
        plan.talk.udp(host.address_id, resolver, 53, at, rng.integers(30, 70, size), rng.integers(70, 400, size))
    port, protocol = (853, 6) if encrypted else (53, 17)
    note = f"{size} questions of {host.name} to a resolver outside, port {port}"
    subject = {"srcaddr": host.address, "dstaddr": name, "dstport": port, "protocol": protocol}
    plan.record("dns_bypass", "medium", subject, at[0], at[-1] + 20, note)


def _unusual_service(plan: Plan) -> None:
    """A miner's talk with its pool, TOR guards, or mail to many servers."""
    rng, company = plan.rng("unusual"), plan.company
    host = plan.host(rng, *_IDLE)
    first, last = plan.span(rng, 2_700, max(2_800, 0.6 * plan.scene.length_s))
    length = last - first
    kind = ("mining", "tor", "mail")[int(rng.integers(0, 3))]
    if kind == "mail":
        port, size = 25, int(rng.integers(14, 45))
        at, lasts = np.sort(rng.uniform(first, last, size)), between(rng, 0.5, 12, size)
        up, down = between(rng, 900, 40_000, size), between(rng, 400, 1_200, size)
        note = f"{host.name} brings mail to {size} servers by itself"
    elif kind == "tor":
        port, size = 9001, int(rng.integers(2, 5))
        later = 20.0 * np.arange(size, dtype=np.float64)
        at, lasts = first + later, length - later
        up, down = between(rng, 2e5, 3e6, size), between(rng, 1e6, 2e7, size)
        note = f"{host.name} keeps {size} connections with TOR guards for {length / 60:.0f} minutes"
    else:
        port, size = int(rng.choice(_POOL_PORTS)), 1
        at, lasts = np.array([first]), np.array([length])
        # Less than 200 bytes a second, in a packet every ten or twenty.
        up, down = length * rng.uniform(70, 120, 1), length * rng.uniform(70, 160, 1)
        note = f"{host.name} talks with a mining pool at port {port} for {length / 60:.0f} minutes"
    names = internet_v4(rng, size)
    plan.talk.tcp(host.address_id, company.addresses.add_all(names), port, at, lasts, up, down, rtt_s=0.08)
    subject = {
        "srcaddr": host.address,
        "dstaddr": names if size > 1 else names[0],
        "dstport": port,
        "protocol": 6,
    }
    plan.record("unusual_port", "medium", subject, at[0], float((at + lasts).max()), note)
