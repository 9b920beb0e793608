"""What leaves: calls at a steady pace, and much data to an address nobody else knows."""

from __future__ import annotations

import numpy as np

from benchmarks.detection.lab import Lab
from benchmarks.detection.scoring import Positive
from flowkit.generate.draw import between

__all__ = ["BEACONS", "THEFTS", "beacon_at"]


def beacon_at(
    lab: Lab, rng: np.random.Generator, period_s: float, jitter: float, *, hours: float, kind: str, udp: bool = False
) -> Positive:
    """One host calls one address every `period_s`, each call early or late by up to `jitter` of it."""
    host, server = lab.host(public=rng.random() < 0.3), lab.outside()
    port = int(rng.choice([443, 443, 80, 8443, 4444, 8080, 1443, int(rng.integers(1_025, 60_000))]))
    first, last = lab.span(rng, hours * 3600, hours * 3600 + 1)
    at = np.arange(first, last, period_s)
    at = np.sort(np.clip(at + rng.uniform(-jitter, jitter, len(at)) * period_s, 1, lab.length_s - 30))
    up, down = rng.uniform(150, 2_000), rng.uniform(150, 4_000)
    spread = float(rng.uniform(0, 0.15))
    ups, downs = (mean * rng.uniform(1 - spread, 1 + spread, len(at)) for mean in (up, down))
    if udp:
        lab.talk.udp(host.address_id, server, port, at, ups.astype(int), downs.astype(int))
    else:
        lasts = between(rng, 0.2, 3.0, len(at))
        lab.talk.tcp(host.address_id, server, port, at, lasts, ups.astype(int), downs.astype(int), rtt_s=0.06)
    name = lab.texts(server)[0]
    note = f"{len(at)} calls from {host.address} to {name}:{port}, one every {period_s:.0f} s, jitter {jitter:.0%}"
    return Positive(
        rules=("beacon",), kind=kind, intensity=len(at), unit="calls", note=note,
        subject={"srcaddr": host.address, "dstaddr": name, "dstport": port}, actors=frozenset([host.address, name]),
    )  # fmt: skip


def _steady(lab: Lab, rng: np.random.Generator) -> Positive:
    period_s = float(between(rng, 2.5 * lab.variant[1], 3_600, 1)[0])
    hours = min(22.5, max(2.5, 20 * period_s / 3600) * float(between(rng, 1, 8, 1)[0]))
    udp = rng.random() < 0.15
    return beacon_at(lab, rng, period_s, float(rng.uniform(0, 0.3)), hours=hours, kind="UDP" if udp else "TCP", udp=udp)


def _theft(
    lab: Lab, rng: np.random.Generator, size: float, low_s: float, high_s: float, pieces: int, kind: str
) -> Positive:
    host, server = lab.host(public=rng.random() < 0.3), lab.outside()
    port = int(rng.choice([443, 22, 21, 8443, 990, 80, int(rng.integers(1_025, 60_000))]))
    first, last = lab.span(rng, low_s, high_s)
    edges = np.linspace(first, last, pieces + 1)
    lasts = np.diff(edges) * 0.9
    volume = np.full(pieces, size / pieces)
    lab.talk.tcp(
        host.address_id, server, port, edges[:-1], lasts, volume, volume / float(rng.uniform(100, 2_000)), rtt_s=0.05
    )
    name = lab.texts(server)[0]
    return Positive(
        rules=("exfiltration",), kind=kind, intensity=size / 1e9, unit="GB", actors=frozenset([host.address, name]),
        subject={"srcaddr": host.address, "dstaddr": name}, counted=size >= 1.1e9,
        note=f"{size / 1e9:.1f} GB from {host.address} to {name}:{port} in {pieces} pieces over {last - first:.0f} s",
    )  # fmt: skip


def _at_once(lab: Lab, rng: np.random.Generator) -> Positive:
    size = float(between(rng, 5e8, 2e10, 1)[0])
    return _theft(lab, rng, size, 600, 3 * 3600, int(rng.integers(1, 6)), "at once")


def _in_pieces(lab: Lab, rng: np.random.Generator) -> Positive:
    size = float(between(rng, 1.2e9, 5e9, 1)[0])
    return _theft(lab, rng, size, 4 * 3600, 12 * 3600, int(rng.integers(10, 60)), "in pieces")


BEACONS = ((_steady, 1),)
THEFTS = ((_at_once, 2), (_in_pieces, 1))
