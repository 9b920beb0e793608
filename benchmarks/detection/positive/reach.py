"""What the internet reaches, and replies that a network ACL refuses."""

from __future__ import annotations

import numpy as np

from benchmarks.detection.lab import Lab
from benchmarks.detection.scoring import Positive
from flowkit.generate.conversations import DROP_REPLY_AT_DESTINATION, DROP_REPLY_AT_SOURCE, SYN, SYN_ACK
from flowkit.generate.draw import between

__all__ = ["EXPOSURES", "RETURNS"]

_DATABASES = (3306, 5432, 1433, 6379, 9200, 27017, 9042)
_ADMIN = (3389, 5900, 5985, 445, 2375)


def _exposed(lab: Lab, rng: np.random.Generator) -> Positive:
    host, database = lab.host(public=True), rng.random() < 0.6
    port = int(rng.choice(_DATABASES if database else _ADMIN))
    many, count = int(rng.integers(6, 60)), round(float(between(rng, 10, 400, 1)[0]))
    sources = lab.outside(many)
    src = sources[rng.integers(0, many, max(count, many))]
    src[:many] = sources
    first, last = lab.span(rng, 3_600, 20 * 3600)
    at, size = rng.uniform(first, last, len(src)), len(src)
    up, down = between(rng, 300, 20_000, size).astype(int), between(rng, 800, 200_000, size).astype(int)
    lab.talk.tcp(src, host.address_id, port, at, between(rng, 0.5, 60, size), up, down, rtt_s=0.08)
    note = f"port {port} of {host.address} answers {many} sources, {size} conversations"
    return Positive(
        rules=("exposed_service",), kind="database" if database else "administration", intensity=many, unit="sources",
        subject={"dstaddr": host.address, "dstport": port, "protocol": 6}, actors=frozenset([host.address]), note=note,
    )  # fmt: skip


def _returned(lab: Lab, rng: np.random.Generator) -> Positive:
    client, server = lab.hosts(2)
    while client.subnet.index == server.subnet.index:  # within a subnet no network ACL acts
        server = lab.host()
    port = int(rng.choice([443, 5671, 7001, 7443, 8080, 8444, 9443, int(rng.integers(1_025, 20_000))]))
    count = round(float(between(rng, 3, 400, 1)[0]))
    first, last = lab.span(rng, 300, 12 * 3600)
    at, at_server = np.sort(rng.uniform(first, last, count)), rng.random() < 0.5
    tries, answers = rng.integers(2, 6, count), rng.integers(3, 8, count)
    end = at + 2.0**tries / 2
    lab.talk.add(
        src=client.address_id, dst=server.address_id, dport=port, protocol=6, f0_s=at, f1_s=end, r0_s=at + 0.01,
        r1_s=end + 1, f_packets=tries, f_bytes=60 * tries, r_packets=answers, r_bytes=60 * answers, f_open=SYN,
        f_close=SYN, r_open=SYN_ACK, r_close=SYN_ACK,
        block=DROP_REPLY_AT_DESTINATION if at_server else DROP_REPLY_AT_SOURCE,
    )  # fmt: skip
    side = "outbound at the server" if at_server else "inbound at the client"
    return Positive(
        rules=("return_rejected",), kind=side, intensity=count, unit="conversations", counted=count >= 6,
        subject={"srcaddr": client.address, "dstaddr": server.address, "dstport": port, "protocol": 6},
        actors=frozenset([client.address, server.address]),
        note=f"{count} answers of {server.address}:{port} to {client.address} refused {side}",
    )  # fmt: skip


EXPOSURES = ((_exposed, 1),)
RETURNS = ((_returned, 1),)
