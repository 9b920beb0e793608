"""Scans of one host, of blocks and over many hosts, from inside and from the internet."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.detection.lab import Lab
from benchmarks.detection.scoring import Positive
from flowkit.generate.conversations import DROP_AT_DESTINATION, OPEN, RST, SYN_ACK
from flowkit.generate.draw import Ints, between

__all__ = ["HOST_SWEEPS", "PORT_SCANS"]

#: Ports that attackers sweep for (SANS ISC, "Top 10 Ports", and Durumeric et al. 2014), and any other.
_SWEPT = (21, 22, 23, 80, 135, 139, 443, 445, 1433, 2375, 3306, 3389, 5432, 5900, 5985, 6379, 8080, 9200, 27017)


def _many(rng: np.random.Generator, low: float, high: float) -> int:
    return round(float(between(rng, low, high, 1)[0]))


def _refusal(rng: np.random.Generator, size: int, open_share: float, blocks: bool = True) -> dict[str, Any]:
    """How the targets react: a few answer, the others are refused by rules, or by a RST, or are silent."""
    opened = rng.random(size) < open_share
    way = int(rng.integers(0 if blocks else 1, 3))
    block = np.where(opened, OPEN, DROP_AT_DESTINATION if way == 0 else OPEN)
    answer = np.where(opened, SYN_ACK, RST if way == 1 else 0)
    return {"block": block, "answer": answer}


def _probing(rng: np.random.Generator, size: int, one_port: float = 0.5) -> dict[str, Any]:
    """What the tool sends: from one source port or from many, 40 to 60 bytes, once or up to three times."""
    return {
        "sport": int(rng.integers(33_000, 61_000)) if rng.random() < one_port else -1,
        "size_bytes": int(rng.choice([40, 44, 60])),
        "packets": 1 if rng.random() < 0.5 else rng.integers(1, 4, size),
    }


def _how(probes: dict[str, Any]) -> str:
    """How a scan was made and met, for the list of what was missed."""
    met = "reset" if (probes["answer"] == RST).any() else "refused" if (probes["block"] != OPEN).any() else "silent"
    return f"from {'many source ports' if probes['sport'] == -1 else 'one source port'}, {met}"


def _ports(rng: np.random.Generator, count: int) -> Ints:
    """The ports of a scan: the lowest, the known ones first, or any."""
    way = rng.integers(0, 3)
    top = 1024 if way == 0 and count < 900 else 10_000 if way == 1 and count < 9_000 else 65_000
    return rng.permutation(np.arange(1, top))[:count]


def _vertical(lab: Lab, rng: np.random.Generator) -> Positive:
    source, target = lab.hosts(2)
    count = _many(rng, 10, 1_500)
    first, last = lab.span(rng, max(5, count / 100), 3 * 3600)
    at, ports = np.sort(rng.uniform(first, last, count)), _ports(rng, count)
    more = _refusal(rng, count, float(rng.uniform(0, 0.1))) | _probing(rng, count)
    lab.talk.probe(source.address_id, target.address_id, ports, at, **more)
    return _pair(source.address, target.address, 6, "from inside", count, last - first, _how(more), count >= 25)


def _slow(lab: Lab, rng: np.random.Generator) -> Positive:
    source, target = lab.hosts(2)
    pause = _many(rng, 120, 1_200)
    count = min(_many(rng, 25, 200), (lab.length_s - 3_600) // pause)
    first, last = lab.span(rng, count * pause, count * pause + 1)
    at = np.sort(np.linspace(first, last, count) + rng.uniform(-0.3, 0.3, count) * pause)
    more = _refusal(rng, count, 0.03) | _probing(rng, count)
    lab.talk.probe(source.address_id, target.address_id, _ports(rng, count), at, **more)
    return _pair(source.address, target.address, 6, "slow, from inside", count, last - first, _how(more))


def _udp(lab: Lab, rng: np.random.Generator) -> Positive:
    source, target = lab.hosts(2)
    count = _many(rng, 25, 800)
    first, last = lab.span(rng, 30, 3 * 3600)
    at, ports = np.sort(rng.uniform(first, last, count)), rng.permutation(np.arange(1, 1024))[:count]
    block = DROP_AT_DESTINATION if rng.random() < 0.5 else OPEN
    lab.talk.probe(source.address_id, target.address_id, ports, at, protocol=17, block=block, size_bytes=28)
    return _pair(source.address, target.address, 17, "UDP, from inside", count, last - first, "from many source ports")


def _outside(lab: Lab, rng: np.random.Generator) -> Positive:
    target, source = lab.host(public=True), lab.outside()
    count = _many(rng, 100, 6_000)
    first, last = lab.span(rng, max(10, count / 200), 2_400)
    at, ports = np.sort(rng.uniform(first, last, count)), _ports(rng, count)
    more = _refusal(rng, count, float(rng.choice([0, 0.003]))) | _probing(rng, count)
    lab.talk.probe(source, target.address_id, ports, at, **more)
    name = lab.texts(source)[0]
    return _pair(name, target.address, 6, "from the internet", count, last - first, _how(more), count >= 320)


def _distributed(lab: Lab, rng: np.random.Generator) -> Positive:
    target, many = lab.host(public=True), _many(rng, 4, 60)
    sources, count = lab.outside(many), _many(rng, 500, 6_000)
    first, last = lab.span(rng, 120, 2_400)
    at, ports = np.sort(rng.uniform(first, last, count)), _ports(rng, count)
    more = _refusal(rng, count, 0.0) | _probing(rng, count)
    lab.talk.probe(sources[rng.integers(0, many, count)], target.address_id, ports, at, **more)
    texts = frozenset(lab.texts(sources))
    note = f"{count} TCP ports of {target.address} from {many} sources in {last - first:.0f} s, {_how(more)}"
    return Positive(
        rules=("port_scan",), kind="distributed", intensity=count, unit="ports", note=note,
        subject={"srcaddr": texts, "dstaddr": target.address, "protocol": 6}, actors=texts | {target.address},
    )  # fmt: skip


def _block(lab: Lab, rng: np.random.Generator) -> Positive:
    """Some ports on some hosts: few for a vertical scan, few for a sweep, many together."""
    source, targets = lab.host(), lab.hosts(_many(rng, 6, 24))
    free = lab.unused(_many(rng, 2, 30))
    ids = np.concatenate([[one.address_id for one in targets], free])
    ports = _ports(rng, _many(rng, 5, 60))
    pairs = rng.permutation(len(ids) * len(ports))
    first, last = lab.span(rng, max(10, len(pairs) / 100), 3 * 3600)
    at = np.sort(rng.uniform(first, last, len(pairs)))
    there = pairs // len(ports) < len(targets)
    more = _refusal(rng, len(pairs), 0.02) | _probing(rng, len(pairs))
    more["block"], more["answer"] = np.where(there, more["block"], OPEN), np.where(there, more["answer"], 0)
    lab.talk.probe(source.address_id, ids[pairs // len(ports)], ports[pairs % len(ports)], at, **more)
    note = f"{len(ports)} ports of {len(ids)} hosts by {source.address} in {last - first:.0f} s, {_how(more)}"
    return Positive(
        rules=("port_scan", "host_sweep"), kind="block, from inside", intensity=len(pairs), unit="ports", note=note,
        subject={"srcaddr": source.address}, actors=frozenset([source.address]), counted=len(pairs) >= 100,
    )  # fmt: skip


def _pair(
    source: str, target: str, protocol: int, kind: str, count: int, lasts_s: float, how: str, counted: bool = True
) -> Positive:
    return Positive(
        rules=("port_scan",), kind=kind, intensity=count, unit="ports", counted=counted,
        subject={"srcaddr": source, "dstaddr": target, "protocol": protocol}, actors=frozenset([source, target]),
        note=f"{count} ports of {target} by {source} in {lasts_s:.0f} s, {how}",
    )  # fmt: skip


def _sweep(lab: Lab, rng: np.random.Generator, low_s: float, high_s: float, kind: str, low: int) -> Positive:
    source, port = lab.host(), int(rng.choice(_SWEPT) if rng.random() < 0.7 else rng.integers(1, 30_000))
    count = _many(rng, low, 500)
    there = lab.hosts(min(count // 3, int(rng.integers(2, 12))))
    ids = rng.permutation(np.concatenate([[one.address_id for one in there], lab.unused(count - len(there))]))
    known = np.isin(ids, [one.address_id for one in there])
    first, last = lab.span(rng, low_s, high_s)
    at = np.sort(rng.uniform(first, last, count))
    more = _refusal(rng, count, 0.3) | _probing(rng, count)
    more["block"], more["answer"] = np.where(known, more["block"], OPEN), np.where(known, more["answer"], 0)
    lab.talk.probe(source.address_id, ids, port, at, **more)
    return _swept(source.address, port, count, kind, last - first, _how(more), count >= 40)


def _inside(lab: Lab, rng: np.random.Generator) -> Positive:
    return _sweep(lab, rng, 5, 3 * 3600, "inside", 15)


def _slowly(lab: Lab, rng: np.random.Generator) -> Positive:
    return _sweep(lab, rng, 6 * 3600, 22 * 3600, "inside, slow", 32)


def _outward(lab: Lab, rng: np.random.Generator) -> Positive:
    """An infected host looks for victims on the internet."""
    source, port = (
        lab.host(public=rng.random() < 0.5),
        int(rng.choice([22, 23, 445, 1433, 2323, 3389, 5555, 6379, 7547])),
    )
    count = _many(rng, 70, 2_500)
    first, last = lab.span(rng, max(10, count / 100), 2_400)
    more = _refusal(rng, count, 0.02, blocks=False) | _probing(rng, count, one_port=0.3)
    lab.talk.probe(source.address_id, lab.outside(count), port, np.sort(rng.uniform(first, last, count)), **more)
    return _swept(source.address, port, count, "outward", last - first, _how(more))


def _swept(source: str, port: int, count: int, kind: str, lasts_s: float, how: str, counted: bool = True) -> Positive:
    return Positive(
        rules=("host_sweep",), kind=kind, intensity=count, unit="hosts", counted=counted,
        subject={"srcaddr": source, "dstport": port, "protocol": 6}, actors=frozenset([source]),
        note=f"port {port} of {count} hosts by {source} in {lasts_s:.0f} s, {how}",
    )  # fmt: skip


PORT_SCANS = ((_vertical, 4), (_slow, 3), (_udp, 1), (_outside, 3), (_distributed, 2), (_block, 2))
HOST_SWEEPS = ((_inside, 4), (_slowly, 2), (_outward, 2))
