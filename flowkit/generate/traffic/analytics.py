"""The analytics VPC: workers that are busy at night, read object storage and the replica, and sort among themselves.

Object storage is a large part of it. Whether that goes through a gateway endpoint or through the NAT gateway is the
route table's affair.
"""

from __future__ import annotations

import numpy as np

from flowkit.generate.draw import between, internet_v4
from flowkit.generate.network import S3
from flowkit.generate.scene import Scene, pick
from flowkit.generate.traffic.outside import S3_ADDRESSES

__all__ = ["talk"]


def talk(scene: Scene) -> None:
    """A night's work."""
    rng, company = scene.rng("analytics"), scene.company
    workers = company.ids_of("analyst")
    per_night = max(60, round(80 * scene.scale))
    nights = len(scene.night())

    storage = company.addresses.add_all(list(S3_ADDRESSES), service=S3)
    at = scene.at_night(rng, per_night * nights, 320)
    size = len(at)
    scene.talk.tcp(
        pick(rng, workers, size),
        pick(rng, storage, size),
        443,
        at,
        between(rng, 60, 300, size),
        between(rng, 20_000, 2_000_000, size),
        between(rng, 2e8, 2e9, size) * min(1.0, 60.0 / per_night),
    )

    # Workers in the replica's zone read it over the peering; inside one zone that costs nothing.
    at = scene.at_night(rng, max(5, per_night // 4) * nights, 200)
    size = len(at)
    replica = company.of("database-replica")[0]
    near = company.ids_of("analyst", zone=replica.zone)
    scene.talk.tcp(
        pick(rng, near, size),
        replica.address_id,
        5432,
        at,
        between(rng, 5, 180, size),
        between(rng, 3_000, 50_000, size),
        between(rng, 1e6, 9e7, size),
        rtt_s=0.001,
    )

    at = scene.at_night(rng, max(10, per_night // 2) * nights, 200)
    size = len(at)
    one = rng.integers(0, len(workers), size)
    other = (one + rng.integers(1, len(workers), size)) % len(workers)
    scene.talk.tcp(
        workers[one],
        workers[other],
        7337,
        at,
        between(rng, 5, 120, size),
        between(rng, 5e4, 5e6, size),
        between(rng, 5e5, 4e7, size),
        rtt_s=0.001,
    )

    mirrors = company.addresses.add_all(internet_v4(rng, 2))
    at = scene.at_night(rng, 8 * nights, 60)
    size = len(at)
    scene.talk.tcp(
        pick(rng, workers, size),
        pick(rng, mirrors, size),
        443,
        at,
        between(rng, 2, 30, size),
        np.full(size, 4_000),
        between(rng, 1e5, 2e7, size),
        rtt_s=0.03,
    )
