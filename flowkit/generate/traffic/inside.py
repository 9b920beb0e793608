"""Behind the window: web to app, app to database, cache and search, brokers, and the pods of the cluster."""

from __future__ import annotations

import numpy as np

from flowkit.generate.conversations import DROP_AT_DESTINATION, FIN
from flowkit.generate.draw import Ints, between
from flowkit.generate.network import Interface
from flowkit.generate.scene import Scene, pick

__all__ = ["talk"]


def talk(scene: Scene) -> None:
    """Every pair of tiers that needs one another."""
    _tiers(scene)
    _replication(scene)
    _brokers(scene)
    _cluster(scene)
    _late_packets(scene)


def _near(
    rng: np.random.Generator, clients: list[Interface], servers: list[Interface], size: int, at_home: float
) -> tuple[Ints, Ints]:
    """Client and server per conversation; a server in the client's zone with a chance of `at_home`."""
    client = rng.integers(0, len(clients), size)
    server = rng.integers(0, len(servers), size)
    homes: dict[int, list[int]] = {}
    for index, one in enumerate(servers):
        homes.setdefault(one.zone, []).append(index)
    stay = rng.random(size) < at_home
    for zone, indexes in homes.items():
        rows = np.flatnonzero(stay & np.array([c.zone == zone for c in clients])[client])
        server[rows] = pick(rng, indexes, len(rows))
    return np.array([c.address_id for c in clients])[client], np.array([s.address_id for s in servers])[server]


#: client roles, server roles, port, connections an hour, lasts s, payload up and down (low, high), zone loyalty
_TIERS = (
    (("web",), ("app",), 9000, 45, (1, 120), (1_500, 60_000), (4_000, 500_000), 0.7),
    (("app",), ("database-primary",), 5432, 7, (120, 900), (20_000, 2_000_000), (100_000, 9_000_000), 0.0),
    (("app",), ("database-replica",), 5432, 3, (120, 900), (10_000, 500_000), (200_000, 12_000_000), 0.0),
    (("app", "node"), ("cache",), 6379, 6, (60, 600), (10_000, 900_000), (30_000, 4_000_000), 0.8),
    (("app",), ("search",), 9200, 9, (2, 90), (2_000, 60_000), (10_000, 1_500_000), 0.7),
    (("app", "web"), ("broker",), 9092, 4, (120, 600), (50_000, 3_000_000), (5_000, 200_000), 0.7),
    (("batch", "task"), ("database-replica",), 5432, 2, (20, 400), (5_000, 100_000), (300_000, 20_000_000), 0.5),
)


def _tiers(scene: Scene) -> None:
    for clients, servers, port, per_hour, lasts, up, down, at_home in _TIERS:
        rng = scene.rng(f"tier/{clients}/{servers}")
        at = scene.moments(rng, per_hour)
        size = len(at)
        src, dst = _near(rng, scene.company.of(*clients), scene.company.of(*servers), size, at_home)
        scene.talk.tcp(
            src,
            dst,
            port,
            at,
            between(rng, *lasts, size),
            between(rng, *up, size),
            between(rng, *down, size),
            rtt_s=0.001,
        )


def _replication(scene: Scene) -> None:
    """The replica follows the primary; the service pays this transfer itself."""
    rng, company = scene.rng("replication"), scene.company
    at = scene.moments(rng, 1.2, depth=0.3)
    size = len(at)
    lasts, volume = between(rng, 200, 900, size), between(rng, 5e6, 8e7, size)
    replica, primary = company.ids_of("database-replica"), company.ids_of("database-primary")
    scene.talk.tcp(replica, primary, 5432, at, lasts, volume / 50, volume, rtt_s=0.001)


def _brokers(scene: Scene) -> None:
    rng, brokers = scene.rng("brokers"), scene.company.ids_of("broker")
    at = scene.moments(rng, 2, depth=0.3)
    size = len(at)
    one = rng.integers(0, 3, size)
    other = (one + rng.integers(1, 3, size)) % 3
    volume = between(rng, 1e6, 3e7, size)
    scene.talk.tcp(
        brokers[one], brokers[other], 9092, at, between(rng, 60, 400, size), volume / 40, volume, rtt_s=0.001
    )


def _cluster(scene: Scene) -> None:
    """Pods call pods and the cluster's resolvers, nodes call the cluster's API."""
    rng, company = scene.rng("cluster"), scene.company
    nodes = company.of("node")
    pods = np.array([pod for node in nodes for pod in node.pods[:4]])
    resolvers = np.array([node.pods[4] for node in nodes[:2]])
    home = np.array([index for index, node in enumerate(nodes) for _ in node.pods[:4]])

    at = scene.moments(rng, 26)
    size = len(at)
    caller = rng.integers(0, len(pods), size)
    called = rng.integers(0, len(pods), size)
    # Calls between pods of one node never reach an interface.
    called = np.where(home[called] == home[caller], (called + 4) % len(pods), called)
    port = pick(rng, [8080, 8443, 15012], size)
    scene.talk.tcp(
        pods[caller],
        pods[called],
        port,
        at,
        between(rng, 0.2, 60, size),
        between(rng, 800, 30_000, size),
        between(rng, 2_000, 200_000, size),
        rtt_s=0.001,
    )

    at = scene.moments(rng, 24)
    size = len(at)
    caller, called = rng.integers(0, len(pods), size), rng.integers(0, len(resolvers), size)
    away = home[caller] != called
    scene.talk.udp(
        pods[caller][away],
        resolvers[called][away],
        53,
        at[away],
        rng.integers(35, 70, size)[away],
        rng.integers(80, 300, size)[away],
    )

    at = scene.moments(rng, 4, depth=0.1)
    size = len(at)
    src, dst = _near(rng, nodes, company.of("cluster-api"), size, 0.9)
    scene.talk.tcp(
        src,
        dst,
        443,
        at,
        between(rng, 60, 600, size),
        between(rng, 8_000, 90_000, size),
        between(rng, 20_000, 400_000, size),
        rtt_s=0.001,
    )


def _late_packets(scene: Scene) -> None:
    """A connection ends, and the client's last packet comes when the server's security group has forgotten it."""
    rng, company = scene.rng("late"), scene.company
    at = scene.moments(rng, 1.5)
    at = at[at < scene.length_s - 60]
    size = len(at)
    if not size:
        return
    # Both in one zone: a refused packet is no transfer that somebody could argue about.
    src, dst = _near(rng, company.of("web"), company.of("app"), size, 1.0)
    sport = 62_000 + np.arange(size) % 3_000
    lasts = between(rng, 1, 20, size)
    scene.talk.tcp(
        src,
        dst,
        9000,
        at,
        lasts,
        between(rng, 1_000, 9_000, size),
        between(rng, 2_000, 90_000, size),
        sport=sport,
        rtt_s=0.001,
    )
    end = at + lasts + 8
    scene.talk.add(
        src=src,
        dst=dst,
        sport=sport,
        dport=9000,
        protocol=6,
        f0_s=end,
        f1_s=end,
        f_packets=1,
        f_bytes=52,
        f_open=FIN,
        f_close=FIN,
        block=DROP_AT_DESTINATION,
    )
