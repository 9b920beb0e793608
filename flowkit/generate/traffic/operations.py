"""The people and machines that keep it running: monitoring, backups, administrators, deployments.

Lookalikes: one host that polls every other host, and pings them; one host that every other host uploads to at night;
a build host that opens SSH on many hosts within minutes.
"""

from __future__ import annotations

import numpy as np

from flowkit.generate.draw import between
from flowkit.generate.network import ON_PREMISES
from flowkit.generate.scene import Scene, pick

__all__ = ["talk"]


def talk(scene: Scene) -> None:
    """Monitoring, backups, SSH."""
    _monitoring(scene)
    _backups(scene)
    _administration(scene)


def _monitoring(scene: Scene) -> None:
    rng, company = scene.rng("monitoring"), scene.company
    monitor = company.ids_of("monitor")
    hosts = np.array([i.address_id for i in company.hosts() if i.role != "monitor"])
    member, at = scene.rounds(rng, len(hosts), 1800, 15)
    size = len(at)
    scene.talk.tcp(
        monitor,
        hosts[member],
        9100,
        at,
        between(rng, 0.05, 0.4, size),
        320,
        between(rng, 8_000, 45_000, size),
        rtt_s=0.001,
    )
    member, at = scene.rounds(rng, len(hosts), 10_800, 60)
    scene.talk.ping(monitor, hosts[member], at, 3)


def _backups(scene: Scene) -> None:
    """Every host once a night, in zone order, well below any interface's baseline."""
    rng, company = scene.rng("backups"), scene.company
    backup = company.ids_of("backup")
    roles = ("web", "app", "search", "broker", "node", "batch", "build", "reporting")
    hosts = company.ids_of(*roles)
    nights = len(scene.night())
    src = np.tile(hosts, nights)
    at = scene.at_night(rng, len(src), 420)
    lasts = between(rng, 60, 360, len(src))
    scene.talk.tcp(
        rng.permutation(src),
        backup,
        9103,
        at,
        lasts,
        lasts * between(rng, 3e5, 3e6, len(src)),
        between(rng, 5_000, 20_000, len(src)),
        rtt_s=0.001,
    )


def _administration(scene: Scene) -> None:
    """Administrators come over the VPN to the bastion and go on from there; the build host deploys."""
    rng, company = scene.rng("administration"), scene.company
    desks = company.addresses.add_all(["192.168.20.11", "192.168.20.12", "192.168.21.30"], kind=ON_PREMISES)
    bastion, build = company.ids_of("bastion"), company.ids_of("build")
    targets = company.ids_of("web", "app", "search", "batch")
    at = scene.moments(rng, 0.5, depth=0.9)
    at = at[at < scene.length_s - 120]
    lasts = between(rng, 60, 1_500, len(at))
    scene.talk.tcp(pick(rng, desks, len(at)), bastion, 22, at, lasts, lasts * 60, lasts * 220, rtt_s=0.04)
    scene.talk.tcp(bastion, pick(rng, targets, len(at)), 22, at + 5, lasts * 0.8, lasts * 50, lasts * 200, rtt_s=0.001)
    rollouts = max(1, round(2 * scene.hours / 24))
    for moment in np.sort(rng.uniform(60, max(61, scene.length_s - 900), rollouts)):
        at = moment + 12.0 * np.arange(len(targets))
        size = len(targets)
        scene.talk.tcp(
            build,
            rng.permutation(targets),
            22,
            np.minimum(at, scene.length_s - 60),
            between(rng, 4, 25, size),
            between(rng, 300_000, 6_000_000, size),
            between(rng, 20_000, 90_000, size),
            rtt_s=0.001,
        )
