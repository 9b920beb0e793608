"""Programs with many partners on the internet: peer-to-peer, a crawler, video and QUIC."""

from __future__ import annotations

import numpy as np

from benchmarks.detection.lab import Lab
from benchmarks.detection.quiet.servers import day, names
from flowkit.generate.conversations import RST
from flowkit.generate.draw import between

__all__ = ["crawler", "peer_to_peer", "video"]


def peer_to_peer(lab: Lab, rng: np.random.Generator) -> set[str]:
    """Hundreds of peers at any port, half of them gone, over TCP and UDP, and others who call back."""
    host, peers = lab.host(public=rng.random() < 0.5), lab.outside(int(rng.integers(200, 600)))
    ports = rng.integers(1_025, 65_000, len(peers))
    ports[rng.random(len(peers)) < 0.3] = 6_881
    first, last = lab.span(rng, 3 * 3600, 20 * 3600)
    size = int(rng.integers(600, 1_500))
    to = rng.integers(0, len(peers), size)
    alive = to < len(peers) * 0.5
    at = rng.uniform(first, last, size)
    up, down = between(rng, 200, 300_000, size).astype(int), between(rng, 200, 3_000_000, size).astype(int)
    count = int(alive.sum())
    lab.talk.tcp(host.address_id, peers[to[alive]], ports[to[alive]], at[alive], between(rng, 2, 600, count), up[alive],
                 down[alive], rtt_s=0.08)  # fmt: skip
    lab.talk.probe(host.address_id, peers[to[~alive]], ports[to[~alive]], at[~alive], packets=3, size_bytes=60,
                   answer=np.where(rng.random(size - count) < 0.2, RST, 0))  # fmt: skip
    told = rng.random(size) < 0.6
    lab.talk.udp(
        host.address_id, peers[to], ports[to], rng.uniform(first, last, size), 100, np.where(told, 300, 0), sport=6_881
    )
    if host.subnet.public:
        back = rng.integers(0, len(peers), 300)
        lab.talk.tcp(
            peers[back],
            host.address_id,
            6_881,
            rng.uniform(first, last, 300),
            between(rng, 2, 300, 300),
            between(rng, 300, 90_000, 300).astype(int),
            between(rng, 300, 900_000, 300).astype(int),
            rtt_s=0.08,
        )
    return names(host) | set(lab.texts(peers))


def crawler(lab: Lab, rng: np.random.Generator) -> set[str]:
    """Thousands of pages of hundreds of web servers, some of them dead."""
    host, servers = lab.host(public=rng.random() < 0.5), lab.outside(int(rng.integers(300, 900)))
    first, last = lab.span(rng, 1_200, 12 * 3600)
    size = int(rng.integers(900, 2_000))
    to = rng.integers(0, len(servers), size)
    alive = to > len(servers) * 0.12
    at, port, count = rng.uniform(first, last, size), rng.choice([80, 443, 443], size), int(alive.sum())
    lab.talk.tcp(
        host.address_id,
        servers[to[alive]],
        port[alive],
        at[alive],
        between(rng, 0.2, 20, count),
        between(rng, 300, 3_000, count).astype(int),
        between(rng, 2_000, 3e6, count).astype(int),
        rtt_s=0.08,
    )
    reset = np.where(rng.random(size - count) < 0.3, RST, 0)
    lab.talk.probe(
        host.address_id, servers[to[~alive]], port[~alive], at[~alive], packets=2, size_bytes=60, answer=reset
    )
    return names(host) | set(lab.texts(servers))


def video(lab: Lab, rng: np.random.Generator) -> set[str]:
    """Calls and films over UDP: megabits for an hour, both ways or one; QUIC to a server of ours."""
    people, relays, server = lab.hosts(int(rng.integers(4, 10))), lab.outside(4), lab.host(public=True)
    for one in people:
        at, lasts = day(lab, rng, 2), between(rng, 600, 5_400, 2)
        rate = between(rng, 60, 400, 2)
        packets = (lasts * rate).astype(int)
        both = (packets, packets * 900)
        lab.stream(
            one.address_id,
            relays[rng.integers(0, 4, 2)],
            int(rng.choice([3_478, 3_480, 8_801, 19_305])),
            at,
            lasts,
            both,
            both,
        )
        film = (packets * 4, packets * 4 * 1_250)
        lab.stream(one.address_id, relays[0], 443, day(lab, rng, 2), lasts, (packets, packets * 70), film)
    size = int(rng.integers(300, 900))
    packets = between(rng, 10, 4_000, size).astype(int)
    lasts = between(rng, 1, 400, size)
    clients = lab.outside(200)
    up = (np.maximum(packets // 6, 3), np.maximum(packets // 6, 3) * 90)
    lab.stream(
        clients[rng.integers(0, 200, size)],
        server.address_id,
        443,
        day(lab, rng, size),
        lasts,
        up,
        (packets, packets * 1_200),
    )
    games = lab.host(public=True)
    players = lab.outside(40)
    packets = between(rng, 5_000, 90_000, 60).astype(int)
    lab.stream(
        rng.choice(players, 60),
        games.address_id,
        27_015,
        day(lab, rng, 60),
        packets / 30,
        (packets, packets * 90),
        (packets, packets * 300),
    )
    return names(server, games, *people) | set(lab.texts(relays))
