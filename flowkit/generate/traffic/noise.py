"""The Internet's background noise: many sources, few probes each, at everything that has a public address.

Security groups refuse it (REJECT). A NAT gateway has none, so there it is ACCEPT and never answered, as measured on
genuine records. A few sources are busy all day across all addresses, as the large scanning projects are; one probe of a
port that is open gets an answer and is reset.
"""

from __future__ import annotations

import numpy as np

from flowkit.generate.conversations import DROP_AT_DESTINATION, NOISE, OPEN, SYN_ACK
from flowkit.generate.draw import Ints, internet_v4, internet_v6
from flowkit.generate.scene import Scene, pick

__all__ = ["talk"]

_KNOCKED = (22, 23, 80, 443, 445, 1433, 2375, 3306, 3389, 5432, 5555, 5900, 6379, 8080, 8443, 9200, 27017)
_KNOCKED_UDP = (53, 123, 161, 1900, 5060, 11211)


def talk(scene: Scene) -> None:
    """Probes over TCP and UDP, pings, and a little of it over IPv6."""
    rng, company = scene.rng("noise"), scene.company
    at = scene.moments(rng, 110, depth=0.05)
    size = len(at)
    quiet = company.addresses.add_all(internet_v4(rng, max(10, size // 2)))
    # Busy sources grow in number with the log, so that none probes more than some dozens of ports.
    busy = company.addresses.add_all(internet_v4(rng, max(3, size // 300)))
    src = np.where(rng.random(size) < 0.2, pick(rng, busy, size), pick(rng, quiet, size))
    faces = [i for i in company.interfaces if i.public_address and i.subnet.vpc == 0]
    face = rng.integers(0, len(faces), size)
    common = rng.random(size) < 0.6
    port = np.where(common, pick(rng, _KNOCKED, size), rng.integers(1, 65536, size))
    _knock(
        scene,
        rng,
        src,
        np.array([f.address_id for f in faces])[face],
        np.array([f.index for f in faces])[face],
        port,
        at,
    )

    at = scene.moments(rng, 7, depth=0.05)
    size = len(at)
    face = rng.integers(0, len(faces), size)
    nat = np.array([f.role == "nat" for f in faces])[face]
    scene.talk.probe(
        pick(rng, quiet, size),
        np.array([f.address_id for f in faces])[face],
        pick(rng, _KNOCKED_UDP, size),
        at,
        protocol=17,
        size_bytes=72,
        block=np.where(nat, OPEN, DROP_AT_DESTINATION),
        tag=NOISE,
        sport=rng.integers(1024, 65536, size),
    )

    nodes = company.of("alb")
    at = scene.moments(rng, 1.5, depth=0.05)
    size = len(at)
    face = rng.integers(0, len(nodes), size)
    strangers = company.addresses.add_all(internet_v6(rng, 8))
    src, dst = pick(rng, strangers, size), np.array([n.address6_id for n in nodes])[face]
    _knock(scene, rng, src, dst, np.array([n.index for n in nodes])[face], pick(rng, _KNOCKED, size), at)

    at = scene.moments(rng, 2, depth=0.05)
    face = rng.integers(0, len(nodes), len(at))
    sent = rng.integers(1, 3, len(at))
    dst = np.array([n.address_id for n in nodes])[face]
    end = np.minimum(at + sent - 1, scene.length_s - 1.0)
    scene.talk.add(
        src=pick(rng, quiet, len(at)),
        dst=dst,
        sport=0,
        protocol=1,
        f0_s=at,
        f1_s=end,
        f_packets=sent,
        f_bytes=sent * 60,
        block=DROP_AT_DESTINATION,
        tag=NOISE,
    )


def _knock(scene: Scene, rng: np.random.Generator, src: Ints, dst: Ints, face: Ints, port: Ints, at: Ints) -> None:
    company = scene.company
    nat = np.isin(face, [i.index for i in company.of("nat")])
    alb = np.isin(face, [i.index for i in company.of("alb")])
    answers = alb & np.isin(port, (80, 443))
    for interface, number in company.open_ports:
        answers |= (face == interface) & (port == number)
    scene.talk.probe(
        src,
        dst,
        port,
        at,
        packets=np.where(rng.random(len(at)) < 0.2, 2, 1),
        sport=rng.integers(1024, 65536, len(at)),
        block=np.where(nat | answers, OPEN, DROP_AT_DESTINATION),
        answer=np.where(answers, SYN_ACK, 0),
        tag=NOISE,
    )
