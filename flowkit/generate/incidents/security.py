"""Scans, a sweep, a forced login, a beacon, and a theft."""

from __future__ import annotations

import numpy as np

from flowkit.generate.conversations import DROP_AT_DESTINATION, FIN, OPEN, RST, SYN_ACK
from flowkit.generate.draw import Ints, between, internet_v4
from flowkit.generate.incidents.plan import Plan
from flowkit.generate.network import UNUSED

__all__ = ["plant"]

#: Ports that no rule of the company lets in.
_SWEPT = (23, 135, 139, 445, 1433, 2375, 3389, 5985, 6379, 9042, 11211, 27017)


def plant(plan: Plan) -> None:
    """All six. The forced login comes first: it opens a port that scans then find open."""
    _brute_force(plan)
    _vertical_scan(plan)
    _slow_scan(plan)
    _sweep(plan)
    _beacon(plan)
    _exfiltration(plan)


def _vertical_scan(plan: Plan) -> None:
    """Hundreds of ports of one host within minutes, from the Internet or from inside."""
    rng = plan.rng("vertical")
    inside = rng.random() < 0.5
    if inside:
        scanner, target = plan.pair(rng, ("app", "web", "build"), ("search", "web", "broker", "node"))
        source, name = scanner.address_id, scanner.address
        ports = _refused_ports(rng, 10_000)[: int(rng.integers(200, 450))]
    else:
        target = plan.host(rng, "bastion", "reporting")
        plan.taken.discard(target.index)
        name = internet_v4(rng, 1)[0]
        source = plan.company.addresses.add(name)
        ports = rng.permutation(np.arange(1, 20_000))[: int(rng.integers(400, 800))]
    first, last = plan.span(rng, 120, 900)
    at = np.sort(rng.uniform(first, last, len(ports)))
    open_here = {port for interface, port in plan.company.open_ports if interface == target.index}
    opened = np.isin(ports, list(open_here))
    plan.talk.probe(
        source,
        target.address_id,
        ports,
        at,
        sport=int(rng.integers(33_000, 60_000)),
        block=np.where(opened, OPEN, DROP_AT_DESTINATION),
        answer=np.where(opened, SYN_ACK, 0),
        size_bytes=44,
    )
    where = "inside" if inside else "the Internet"
    minutes = (last - first) / 60
    note = f"{len(ports)} ports of {target.name} probed from {where} in {minutes:.0f} minutes"
    subject = {"srcaddr": name, "dstaddr": target.address, "protocol": 6}
    plan.record("port_scan", "medium", subject, at[0], at[-1], note)


def _slow_scan(plan: Plan) -> None:
    """One port every few minutes, for most of the period: too slow for a threshold on rates."""
    rng = plan.rng("slow")
    scanner, target = plan.pair(rng, ("web", "app", "node"), ("search", "broker", "node", "web"))
    length = plan.scene.length_s
    count = int(np.clip(length / float(rng.uniform(240, 600)), 60, 150))
    first, last = plan.span(rng, 0.55 * length, 0.85 * length)
    at = np.linspace(first, last, count) + rng.uniform(-0.3, 0.3, count) * (last - first) / count
    ports = _refused_ports(rng, 12_000)[:count]
    plan.talk.probe(scanner.address_id, target.address_id, ports, at, block=DROP_AT_DESTINATION, size_bytes=60)
    note = f"{count} ports of {target.name}, one every {(last - first) / count:.0f} s"
    subject = {"srcaddr": scanner.address, "dstaddr": target.address, "protocol": 6}
    plan.record("port_scan", "medium", subject, at.min(), at.max(), note)


def _refused_ports(rng: np.random.Generator, below: int) -> Ints:
    """Ports in random order, without those that some rule between hosts lets in."""
    return rng.permutation(np.setdiff1d(np.arange(1, below), (22, 8080, 9000, 9092, 9100, 9103, 9200, 9300, 10250)))


def _sweep(plan: Plan) -> None:
    """One port on most addresses of a neighbouring subnet. Most of them are free and stay silent."""
    rng, company = plan.rng("sweep"), plan.company
    sweeper = plan.host(rng, "web", "app", "search", "batch")
    tiers = [tier for tier in ("web", "app", "nodes") if tier != sweeper.subnet.tier]
    tier = tiers[int(rng.integers(0, len(tiers)))]
    # In its own zone, so that nobody can argue who pays for a refused packet between zones.
    subnet = next(s for s in company.subnets if (s.vpc, s.tier, s.zone) == (0, tier, sweeper.zone))
    port = int(rng.choice(_SWEPT))
    count = int(rng.integers(90, 190))
    lowest = int(rng.integers(4, 250 - count))
    texts = [str(subnet.cidr[offset]) for offset in range(lowest, lowest + count)]
    known = {i.address: i.address_id for i in company.interfaces}
    addresses = np.array([known[t] if t in known else company.addresses.add(t, kind=UNUSED) for t in texts])
    there = np.array([t in known for t in texts])
    first, last = plan.span(rng, 90, 900)
    at = np.sort(rng.uniform(first, last, count))
    order = rng.permutation(count)
    plan.talk.probe(
        sweeper.address_id,
        addresses[order],
        port,
        at,
        packets=rng.integers(1, 4, count),
        block=np.where(there[order], DROP_AT_DESTINATION, OPEN),
        size_bytes=60,
    )
    note = f"port {port} on {count} addresses of {subnet.name} in {(last - first) / 60:.0f} minutes"
    subject = {"srcaddr": sweeper.address, "dstaddr": texts, "dstport": port, "protocol": 6}
    plan.record("host_sweep", "high", subject, at[0], at[-1] + 2, note)


def _brute_force(plan: Plan) -> None:
    """Failing SSH logins by the hundred, then one that holds."""
    rng, company = plan.rng("brute"), plan.company
    if rng.random() < 0.7:
        target = company.of("bastion")[0]
        company.extra_ingress.setdefault("bastion", []).append(
            {
                "protocol": "6",
                "from_port": 22,
                "to_port": 22,
                "cidr": "0.0.0.0/0",
                "description": "temporary, remote work",
            }
        )
        company.open_ports.add((target.index, 22))
        name = internet_v4(rng, 1)[0]
        source = company.addresses.add(name)
    else:
        attacker, target = plan.pair(rng, ("batch", "web", "app"), ("app", "search", "broker"))
        group = target.role
        company.extra_ingress.setdefault(group, []).append(
            {"protocol": "6", "from_port": 22, "to_port": 22, "cidr": str(company.vpcs[0].cidr), "description": "SSH"}
        )
        name, source = attacker.address, attacker.address_id
    count = int(rng.integers(150, 400))
    first, last = plan.span(rng, count * 2.5, count * 6.0)
    at = np.sort(rng.uniform(first, last, count))
    plan.talk.tcp(
        source,
        target.address_id,
        22,
        at,
        between(rng, 1.2, 4, count),
        rng.integers(1_400, 2_300, count),
        rng.integers(1_900, 3_000, count),
        close=FIN if rng.random() < 0.6 else RST,
        rtt_s=0.05,
    )
    login, lasts = at[-1] + 8, min(float(rng.uniform(600, 2_400)), plan.scene.length_s - last - 60)
    plan.talk.tcp(source, target.address_id, 22, login, lasts, 40_000 + 90 * lasts, 150_000 + 700 * lasts, rtt_s=0.05)
    note = f"{count} failing SSH logins at {target.name}, then a session of {lasts / 60:.0f} minutes"
    subject = {"srcaddr": name, "dstaddr": target.address, "dstport": 22, "protocol": 6}
    plan.record("brute_force", "high", subject, at[0], login + lasts, note)


def _beacon(plan: Plan) -> None:
    """A small call to one address outside, at a steady period several times the aggregation interval."""
    rng, scene = plan.rng("beacon"), plan.scene
    host = plan.host(rng, "app", "web", "search", "build", "batch")
    name = internet_v4(rng, 1)[0]
    outside = plan.company.addresses.add(name)
    port = int(rng.choice([443, 8443, 4444, 8080, 53, 1443]))
    low, high = (360, 840) if scene.interval_s == 60 else (2_400, 3_300)
    # In a short period it calls more often, so that there is a rhythm to see, but stays above three intervals.
    faster = float(np.clip(0.8 * scene.length_s / 20 / high, 3 * scene.interval_s / low, 1.0))
    period = float(rng.uniform(low, high)) * faster
    first, last = plan.span(rng, 0.75 * scene.length_s, 0.93 * scene.length_s)
    jitter = float(rng.uniform(0.0, 0.05))
    at = np.arange(first, last, period)
    at = at + rng.uniform(-jitter, jitter, len(at)) * period
    size = len(at)
    plan.talk.tcp(
        host.address_id,
        outside,
        port,
        at,
        between(rng, 0.5, 2.0, size),
        rng.integers(480, 560, size),
        rng.integers(900, 1_000, size),
        rtt_s=0.06,
    )
    few = f"only {size} calls fit into the period" if size < 12 else ""
    note = f"{size} calls from {host.name}, one every {period:.0f} s, within {100 * jitter:.0f} %"
    subject = {"srcaddr": host.address, "dstaddr": name, "dstport": port, "protocol": 6}
    plan.record("beacon", "medium", subject, at.min(), at.max() + 2, note, few)


def _exfiltration(plan: Plan) -> None:
    """Gigabytes from one host to an address nobody else speaks with."""
    rng = plan.rng("exfiltration")
    host = plan.host(rng, "app", "search", "batch", "build")
    name = internet_v4(rng, 1)[0]
    outside = plan.company.addresses.add(name)
    port = int(rng.choice([443, 22, 8443, 21, 990, 9001]))
    first, last = plan.span(rng, 1_500, 4_500)
    rate = float(rng.uniform(2.5e6, 8e6))
    pieces = int(rng.integers(1, 5))
    edges = np.linspace(first, last, pieces + 1)
    lasts = np.diff(edges) - 5
    plan.talk.tcp(host.address_id, outside, port, edges[:-1], lasts, rate * lasts, rate * lasts / 800, rtt_s=0.05)
    note = f"{rate * lasts.sum() / 1e9:.1f} GB from {host.name} in {(last - first) / 60:.0f} minutes"
    subject = {"srcaddr": host.address, "dstaddr": name, "dstport": port, "protocol": 6}
    plan.record("exfiltration", "high", subject, first, last, note)
