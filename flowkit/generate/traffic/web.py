"""The shop window: customers and crawlers to the load balancer, the load balancer to the web hosts, health checks.

Lookalikes: a crawler that opens thousands of connections, health checks every few seconds from three addresses, and
packets that arrive after a connection has ended and are logged as REJECT.
"""

from __future__ import annotations

import numpy as np

from flowkit.generate.conversations import DROP_AT_DESTINATION, FIN, RST
from flowkit.generate.draw import Floats, Ints, between, internet_v4, internet_v6
from flowkit.generate.scene import Scene, pick

__all__ = ["talk"]


def talk(scene: Scene) -> None:
    """Customers, then what the load balancer does with them."""
    _customers(scene)
    _crawlers(scene)
    _targets(scene)
    _health_checks(scene)


def _request(scene: Scene, rng: np.random.Generator, src: Ints, dst: Ints, at: Floats, largest: float) -> None:
    size = len(at)
    port = np.where(rng.random(size) < 0.06, 80, 443)
    up, down = between(rng, 700, 15_000, size), between(rng, 2_000, largest, size)
    lasts = between(rng, 0.3, 45, size)
    close = np.where(rng.random(size) < 0.1, RST, FIN)
    sport = rng.integers(1024, 65536, size)
    for flag in (FIN, RST):
        rows = close == flag
        if rows.any():
            scene.talk.tcp(
                src[rows],
                dst[rows],
                port[rows],
                at[rows],
                lasts[rows],
                up[rows],
                down[rows],
                sport=sport[rows],
                close=flag,
                rtt_s=0.08,
            )
    # Some clients send one more packet after the load balancer has forgotten the connection.
    late = (rng.random(size) < 0.03) & (at + lasts + 6 < scene.length_s - 2)
    if late.any():
        flags = pick(rng, [0, FIN, RST], int(late.sum()))
        scene.talk.add(
            src=src[late],
            dst=dst[late],
            sport=sport[late],
            dport=port[late],
            protocol=6,
            f0_s=(at + lasts)[late] + 5,
            f1_s=(at + lasts)[late] + 5,
            r0_s=0,
            r1_s=0,
            f_packets=1,
            f_bytes=40,
            f_open=flags,
            f_close=flags,
            block=DROP_AT_DESTINATION,
        )


def _customers(scene: Scene) -> None:
    rng, company = scene.rng("customers"), scene.company
    at = scene.moments(rng, 95)
    people = max(20, len(at) // 6)
    four = company.addresses.add_all(internet_v4(rng, people))
    six = company.addresses.add_all(internet_v6(rng, max(5, people // 8)))
    # A few customers come often, most come once or twice.
    visits = np.minimum((people * rng.random(len(at)) ** 2).astype(np.int64), people - 1)
    nodes = company.of("alb")
    node = rng.integers(0, len(nodes), len(at))
    by_six = rng.random(len(at)) < 0.14
    src = np.where(by_six, six[visits % len(six)], four[visits])
    dst4 = np.array([n.address_id for n in nodes])[node]
    dst6 = np.array([n.address6_id for n in nodes])[node]
    _request(scene, rng, src, np.where(by_six, dst6, dst4), at, 600_000)


def _crawlers(scene: Scene) -> None:
    rng, company = scene.rng("crawlers"), scene.company
    robots = company.addresses.add_all(internet_v4(rng, 3))
    at = scene.moments(rng, 9, depth=0.1)
    _request(scene, rng, pick(rng, robots, len(at)), pick(rng, company.ids_of("alb"), len(at)), at, 120_000)


def _targets(scene: Scene) -> None:
    rng, company = scene.rng("targets"), scene.company
    at = scene.moments(rng, 70)
    size = len(at)
    scene.talk.tcp(
        pick(rng, company.ids_of("alb"), size),
        pick(rng, company.ids_of("web"), size),
        8080,
        at,
        between(rng, 5, 180, size),
        between(rng, 3_000, 80_000, size),
        between(rng, 10_000, 900_000, size),
        rtt_s=0.001,
    )


def _health_checks(scene: Scene) -> None:
    rng, company = scene.rng("health"), scene.company
    pairs = [(node, web) for node in company.of("alb") for web in company.of("web", zone=node.zone)]
    member, at = scene.rounds(rng, len(pairs), 300, 5)
    src = np.array([node.address_id for node, _ in pairs])[member]
    dst = np.array([web.address_id for _, web in pairs])[member]
    scene.talk.tcp(src, dst, 8080, at, 0.05, 130, 250, rtt_s=0.001)
