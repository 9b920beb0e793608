"""What operators run: monitoring, agents, checks, updates, time, backups, batches, administration."""

from __future__ import annotations

import numpy as np

from benchmarks.detection.lab import Lab
from benchmarks.detection.quiet.servers import day, ids, names
from flowkit.generate.conversations import DROP_AT_DESTINATION
from flowkit.generate.draw import between
from flowkit.generate.network import ON_PREMISES, S3

__all__ = [
    "administration", "agents", "backups", "batch_job", "health_checks", "monitoring", "time_servers", "updates",
]  # fmt: skip


def monitoring(lab: Lab, rng: np.random.Generator) -> set[str]:
    """One host asks all others every few minutes, also those that are gone, and pings them."""
    monitor, hosts = lab.host(), lab.hosts(int(rng.integers(25, 60)))
    gone = lab.unused(int(rng.integers(2, 20)))
    port, period = int(rng.choice([9100, 10_050, 5_666, 8_125])), float(rng.choice([300, 600, 900]))
    for host in hosts:
        at = np.arange(10 + rng.uniform(0, period), lab.length_s - 30, period)
        size = len(at)
        lab.talk.tcp(monitor.address_id, host.address_id, port, at, between(rng, 0.05, 0.5, size), 300,
                     between(rng, 8_000, 40_000, size).astype(int), rtt_s=0.001)  # fmt: skip
        lab.talk.ping(monitor.address_id, host.address_id, at[:: max(1, size // 24)], 3)
    for one in gone:
        at = np.arange(10 + rng.uniform(0, period), lab.length_s - 30, period)
        lab.talk.probe(monitor.address_id, one, port, at, packets=2, size_bytes=60)
    return names(monitor, *hosts) | set(lab.texts(gone))


def agents(lab: Lab, rng: np.random.Generator) -> set[str]:
    """An agent on every host calls its vendor at a steady pace."""
    hosts, vendor = lab.hosts(int(rng.integers(6, 20))), lab.outside(int(rng.integers(1, 3)))
    period = float(rng.choice([300, 600, 900, 1_800]))
    for place, host in enumerate(hosts):
        at = np.arange(10 + rng.uniform(0, period), lab.length_s - 30, period)
        at = at + rng.uniform(0, 0.02, len(at)) * period
        lab.talk.tcp(host.address_id, vendor[place % len(vendor)], 443, at, between(rng, 0.2, 2, len(at)),
                     rng.integers(1_500, 1_700, len(at)), rng.integers(600, 700, len(at)), rtt_s=0.03)  # fmt: skip
    return names(*hosts) | set(lab.texts(vendor))


def health_checks(lab: Lab, rng: np.random.Generator) -> set[str]:
    """A dozen checkers on the internet, each at a steady pace, and a load balancer's inside."""
    host, inner, port = lab.host(public=True), lab.host(), int(rng.choice([80, 443]))
    checker = lab.host(kind="load_balancer")
    for one in lab.outside(int(rng.integers(6, 16))):
        at = np.arange(10 + rng.uniform(0, 120), lab.length_s - 30, float(rng.choice([120, 300])))
        lab.talk.tcp(one, host.address_id, port, at, 0.2, 180, 900, rtt_s=0.05)
    at = np.arange(12, lab.length_s - 30, 30.0)
    lab.talk.tcp(checker.address_id, inner.address_id, 22 if rng.random() < 0.3 else 8080, at, 0.02, 0, 60, rtt_s=0.001)
    return names(host, inner, checker)


def updates(lab: Lab, rng: np.random.Generator) -> set[str]:
    """Hosts ask for updates every hour or so, and sometimes there are some."""
    hosts, mirrors = lab.hosts(int(rng.integers(8, 25))), lab.outside(int(rng.integers(1, 4)))
    period = float(rng.choice([1_800, 3_600, 7_200]))
    for host in hosts:
        at = np.arange(10 + rng.uniform(0, period), lab.length_s - 120, period) + rng.uniform(0, 60)
        size = len(at)
        down = np.where(rng.random(size) < 0.05, between(rng, 1e6, 2e8, size), rng.integers(2_000, 9_000, size))
        lab.talk.tcp(
            host.address_id,
            mirrors[rng.integers(0, len(mirrors), size)],
            rng.choice([80, 443]),
            at,
            between(rng, 0.3, 20, size),
            rng.integers(700, 1_300, size),
            down.astype(int),
            rtt_s=0.03,
        )
    return names(*hosts) | set(lab.texts(mirrors))


def time_servers(lab: Lab, rng: np.random.Generator) -> set[str]:
    """Clocks ask the public pool at perfect intervals, and one host of ours serves time to the others."""
    hosts, pool, server = lab.hosts(int(rng.integers(8, 20))), lab.outside(5), lab.host()
    for place, host in enumerate([server, *hosts]):
        at = np.arange(10 + rng.uniform(0, 900), lab.length_s - 30, float(rng.choice([256, 512, 1_024])))
        to = pool[place % 5] if place % 3 == 0 else server.address_id
        lab.talk.udp(host.address_id, to, 123, at, 48, 48, sport=123 if rng.random() < 0.7 else -1)
    return names(server, *hosts) | set(lab.texts(pool))


def backups(lab: Lab, rng: np.random.Generator) -> set[str]:
    """Every host sends gigabytes to one at night, which copies them to object storage and to the office."""
    server, hosts = lab.host(), lab.hosts(int(rng.integers(12, 30)))
    size, port = len(hosts), int(rng.choice([22, 873, 9_103, 10_000]))
    at, lasts = rng.uniform(600, 3 * 3600, size), between(rng, 120, 1_500, size)
    lab.talk.tcp(
        ids(hosts), server.address_id, port, at, lasts, between(rng, 5e7, 8e9, size).astype(int), 90_000, rtt_s=0.001
    )
    storage = lab.known(["52.216.36.216", "52.217.71.94", "3.5.25.141"], service=S3)
    volume = between(rng, 2e9, 2e10, 3)
    lab.talk.tcp(
        server.address_id,
        storage,
        443,
        4 * 3600.0 + np.arange(3) * 2_400,
        2_000,
        volume.astype(int),
        900_000,
        rtt_s=0.01,
    )
    tape = lab.known(["192.168.40.9"], kind=ON_PREMISES)
    lab.talk.tcp(server.address_id, tape, 9_103, 7 * 3600.0, 3_000, int(volume[0]), 900_000, rtt_s=0.04)
    return names(server, *hosts) | set(lab.texts(storage)) | set(lab.texts(tape))


def batch_job(lab: Lab, rng: np.random.Generator) -> set[str]:
    """A nightly job opens a connection to the database for every step, all of like size, hundreds within the hour."""
    job, database, share = lab.host(), lab.host(), lab.host()
    size, port = int(rng.integers(200, 900)), int(rng.choice([3306, 5432, 1433, 27_017]))
    at = 2 * 3600 + np.sort(rng.uniform(0, 3_000, size))
    lab.talk.tcp(job.address_id, database.address_id, port, at, between(rng, 0.02, 1, size),
                 rng.integers(900, 1_300, size), rng.integers(1_500, 6_000, size), rtt_s=0.001)  # fmt: skip
    at = 3 * 3600 + np.sort(rng.uniform(0, 2_000, 60))
    lab.talk.tcp(
        job.address_id,
        share.address_id,
        445,
        at,
        between(rng, 0.5, 9, 60),
        between(rng, 9_000, 9e6, 60).astype(int),
        between(rng, 5_000, 5e6, 60).astype(int),
        rtt_s=0.001,
    )
    return names(job, database, share)


def administration(lab: Lab, rng: np.random.Generator) -> set[str]:
    """People come over the VPN to a bastion and go on from there; a deployment opens SSH on all hosts, host by host."""
    bastion, tool, hosts = lab.host(public=True), lab.host(), lab.hosts(int(rng.integers(8, 20)))
    desks = lab.known([f"192.168.20.{n}" for n in rng.permutation(200)[:4] + 10], kind=ON_PREMISES)
    size = int(rng.integers(10, 30))
    at, lasts = day(lab, rng, size), between(rng, 60, 3_600, size)
    lab.talk.tcp(rng.choice(desks, size), bastion.address_id, 22, at, lasts, (4_000 + lasts * 60).astype(int),
                 (6_000 + lasts * 250).astype(int), rtt_s=0.04)  # fmt: skip
    lab.talk.tcp(
        bastion.address_id,
        rng.choice(ids(hosts), size),
        22,
        at + 8,
        lasts * 0.8,
        (4_000 + lasts * 50).astype(int),
        (6_000 + lasts * 200).astype(int),
        rtt_s=0.001,
    )
    for begin in rng.uniform(3_600, lab.length_s - 7_200, int(rng.integers(1, 4))):
        steps = int(rng.integers(1, 7))
        at = begin + np.arange(len(hosts) * steps) * float(rng.uniform(4, 12))
        lab.talk.tcp(
            tool.address_id,
            np.repeat(ids(hosts), steps),
            22,
            at,
            between(rng, 2, 20, len(at)),
            between(rng, 9_000, 2e6, len(at)).astype(int),
            between(rng, 6_000, 90_000, len(at)).astype(int),
            rtt_s=0.001,
        )
    gone = lab.host()
    lab.talk.probe(
        tool.address_id, gone.address_id, 22, rng.uniform(3_600, 80_000, 3), packets=3, block=DROP_AT_DESTINATION
    )
    return names(bastion, tool, gone, *hosts) | set(lab.texts(desks))
