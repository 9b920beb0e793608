"""From the inside out: time, names, updates, mail, vendors' agents, object storage, endpoints, and the VPN.

Lookalikes: agents that call one address every few minutes day and night (from many hosts), time servers asked at
perfect intervals, resolvers that speak with hundreds of name servers, a large upload to object storage, a nightly
upload to a partner.
"""

from __future__ import annotations

import numpy as np

from flowkit.generate.draw import Ints, between, internet_v4
from flowkit.generate.network import AMAZON, ON_PREMISES, S3
from flowkit.generate.scene import Scene, pick

__all__ = ["S3_ADDRESSES", "talk"]

#: Addresses inside ranges that AWS publishes for its services in us-east-1 (ip-ranges.json, 2026).
S3_ADDRESSES = ("52.216.36.216", "52.217.71.94", "54.231.128.17", "3.5.25.141", "52.216.213.57")
_AMAZON_ADDRESSES = ("52.46.142.91", "52.46.155.17", "52.94.233.129")


def talk(scene: Scene) -> None:
    """Everything that leaves the production VPC."""
    _time(scene)
    _names(scene)
    _vendors(scene)
    _storage(scene)
    _endpoints(scene)
    _vpn(scene)


def _time(scene: Scene) -> None:
    """Some hosts ask the public pool, each on its own clock. (The others use AWS's, which flow logs never show.)"""
    rng, company = scene.rng("time"), scene.company
    pool = company.addresses.add_all(internet_v4(rng, 6))
    asking = company.ids_of("web", "search", "build", "batch")
    member, at = scene.rounds(rng, len(asking), 2048, 64)
    scene.talk.udp(asking[member], pool[(member + rng.integers(0, 2, len(at)) * 3) % 6], 123, at, 48, 48, sport=123)


def _names(scene: Scene) -> None:
    """Hosts ask the company's two resolvers, which ask the world's name servers."""
    rng, company = scene.rng("names"), scene.company
    at = scene.moments(rng, 55)
    size = len(at)
    hosts = np.array([i.address_id for i in company.hosts() if i.role != "resolver" and not i.subnet.public])
    resolvers = company.ids_of("resolver")
    scene.talk.udp(
        pick(rng, hosts, size),
        pick(rng, resolvers, size),
        53,
        at,
        rng.integers(30, 70, size),
        rng.integers(70, 400, size),
    )
    servers = company.addresses.add_all(internet_v4(rng, 60))
    at = scene.moments(rng, 12)
    size = len(at)
    answered = rng.random(size) < 0.97
    scene.talk.udp(
        pick(rng, resolvers, size),
        pick(rng, servers, size),
        53,
        at,
        rng.integers(30, 70, size),
        np.where(answered, rng.integers(80, 900, size), 0),
    )


def _vendors(scene: Scene) -> None:
    rng, company = scene.rng("vendors"), scene.company
    hosts = np.array([i.address_id for i in company.hosts() if not i.subnet.public])
    agents = company.addresses.add_all(internet_v4(rng, 2))
    member, at = scene.rounds(rng, len(hosts), 4800, 60)
    size = len(at)
    scene.talk.tcp(
        hosts[member],
        agents[member % 2],
        443,
        at,
        between(rng, 0.3, 3, size),
        between(rng, 1_500, 9_000, size),
        between(rng, 600, 3_000, size),
        rtt_s=0.02,
    )
    mirrors = company.addresses.add_all(internet_v4(rng, 5))
    at = scene.moments(rng, 2.5)
    size = len(at)
    scene.talk.tcp(
        pick(rng, hosts, size),
        pick(rng, mirrors, size),
        pick(rng, [80, 443], size),
        at,
        between(rng, 1, 60, size),
        between(rng, 900, 20_000, size),
        between(rng, 50_000, 60_000_000, size),
        rtt_s=0.03,
    )
    mail = company.addresses.add_all(internet_v4(rng, 2))
    at = scene.moments(rng, 4)
    size = len(at)
    scene.talk.tcp(
        pick(rng, company.ids_of("task"), size),
        pick(rng, mail, size),
        587,
        at,
        between(rng, 0.5, 8, size),
        between(rng, 4_000, 90_000, size),
        between(rng, 900, 2_500, size),
        rtt_s=0.03,
    )
    # The nightly export to a partner: one host, one address, far more up than down.
    partner = company.addresses.add_all(internet_v4(rng, 1))
    at = scene.at_night(rng, max(1, round(scene.hours / 24)), 240)
    size = len(at)
    scene.talk.tcp(
        company.ids_of("reporting"), partner, 22, at, 200.0, between(rng, 8e7, 2.5e8, size), 40_000, rtt_s=0.03
    )
    services = company.addresses.add_all(list(_AMAZON_ADDRESSES), service=AMAZON)
    at = scene.moments(rng, 4)
    size = len(at)
    scene.talk.tcp(
        pick(rng, company.ids_of("app", "task", "build"), size),
        pick(rng, services, size),
        443,
        at,
        between(rng, 0.2, 4, size),
        between(rng, 1_500, 12_000, size),
        between(rng, 3_000, 30_000, size),
    )


def _storage(scene: Scene) -> None:
    """Product pictures and exports, through the gateway endpoint that the private route tables have."""
    rng, company = scene.rng("storage"), scene.company
    storage = company.addresses.add_all(list(S3_ADDRESSES), service=S3)
    at = scene.moments(rng, 12)
    size = len(at)
    scene.talk.tcp(
        pick(rng, company.ids_of("app", "web", "task", "build"), size),
        pick(rng, storage, size),
        443,
        at,
        between(rng, 0.3, 30, size),
        between(rng, 2_000, 3_000_000, size),
        between(rng, 5_000, 8_000_000, size),
    )
    # The nightly copy of the backups.
    at = scene.at_night(rng, max(2, round(3 * scene.hours / 24)), 1_500)
    size = len(at)
    volume = between(rng, 1.5e9, 5e9, size)
    scene.talk.tcp(
        company.ids_of("backup"),
        pick(rng, storage, size),
        443,
        at,
        between(rng, 400, 1_200, size),
        volume,
        volume / 4_000,
    )


def _endpoints(scene: Scene) -> None:
    rng, company = scene.rng("endpoints"), scene.company
    at = scene.moments(rng, 22)
    size = len(at)
    callers = np.array([i.address_id for i in company.hosts() if not i.subnet.public])
    scene.talk.tcp(
        pick(rng, callers, size),
        pick(rng, company.ids_of("endpoint"), size),
        443,
        at,
        between(rng, 0.5, 40, size),
        between(rng, 3_000, 700_000, size),
        between(rng, 2_000, 40_000, size),
        rtt_s=0.001,
    )


def _vpn(scene: Scene) -> None:
    """The office: people at the build host, hosts at the directory, the copy of the backups on tape."""
    rng, company = scene.rng("vpn"), scene.company
    people = company.addresses.add_all(_office(rng, 25), kind=ON_PREMISES)
    directory = company.addresses.add("192.168.10.5", kind=ON_PREMISES)
    tape = company.addresses.add("192.168.40.9", kind=ON_PREMISES)
    at = scene.moments(rng, 7, depth=0.8)
    size = len(at)
    scene.talk.tcp(
        pick(rng, people, size),
        company.ids_of("build"),
        443,
        at,
        between(rng, 0.5, 60, size),
        between(rng, 2_000, 60_000, size),
        between(rng, 5_000, 4_000_000, size),
        rtt_s=0.04,
    )
    at = scene.moments(rng, 5)
    size = len(at)
    scene.talk.tcp(
        pick(rng, company.ids_of("app", "build"), size),
        directory,
        636,
        at,
        between(rng, 0.2, 10, size),
        between(rng, 900, 6_000, size),
        between(rng, 1_500, 30_000, size),
        rtt_s=0.04,
    )
    at = scene.at_night(rng, max(1, round(scene.hours / 24)), 1_200)
    volume = between(rng, 4e8, 1.5e9, len(at))
    scene.talk.tcp(company.ids_of("backup"), tape, 9103, at, 900.0, volume, volume / 4_000, rtt_s=0.04)


def _office(rng: np.random.Generator, size: int) -> list[str]:
    hosts: Ints = rng.permutation(np.arange(20, 250))[:size]
    return [f"192.168.{20 + int(h) % 4}.{int(h)}" for h in hosts]
