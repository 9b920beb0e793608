"""Floods: SYNs, datagrams, pings, unasked answers; at a host of ours and by one."""

from __future__ import annotations

import numpy as np

from benchmarks.detection.lab import Lab
from benchmarks.detection.scoring import Positive
from flowkit.generate.conversations import DROP_AT_DESTINATION, OPEN, SYN, SYN_ACK
from flowkit.generate.draw import between

__all__ = ["FLOODS"]

#: Ports whose answers are large: DNS, NTP, LDAP, SSDP, memcached (CISA alert TA14-017A), with the bytes of an answer.
_AMPLIFIERS = {53: 1_400, 123: 482, 389: 1_450, 1900: 350, 11211: 1_400}


def _syn(lab: Lab, rng: np.random.Generator) -> Positive:
    """Handshakes that lead to nothing, from forged addresses or from some dozens of hosts."""
    target, count = lab.host(public=True), round(float(between(rng, 500, 9_000, 1)[0]))
    forged = rng.random() < 0.6
    sources = lab.outside(max(50, count // 2) if forged else int(rng.integers(10, 120)))
    port = int(rng.choice([22, 25, 80, 443, 443, 8080]))
    first, last = lab.span(rng, 30, 550)
    at, tries = rng.uniform(first, last, count), rng.integers(1, 4, count)
    way = rng.integers(0, 3)  # the listener answers, or is drowned, or a rule refuses
    answers = tries if way == 0 else np.zeros(count, dtype=np.int64)
    lab.talk.add(
        src=rng.choice(sources, count), dst=target.address_id, dport=port, sport=rng.integers(1_025, 65_000, count),
        protocol=6, f0_s=at, f1_s=at + tries - 1, r0_s=at + 0.01, r1_s=at + tries, f_packets=tries, f_bytes=44 * tries,
        r_packets=answers, r_bytes=44 * answers, f_open=SYN, f_close=SYN, r_open=SYN_ACK, r_close=SYN_ACK,
        block=DROP_AT_DESTINATION if way == 2 else OPEN,
    )  # fmt: skip
    packets = int(tries.sum())
    note = f"{packets} SYNs at port {port} of {target.address} from {len(sources)} sources in {last - first:.0f} s"
    return _against(target.address, 6, "SYN, victim", packets, note, packets >= 4_500)


def _datagrams(lab: Lab, rng: np.random.Generator, protocol: int, kind: str) -> Positive:
    target, many = lab.host(public=True), round(float(between(rng, 1, 60, 1)[0]))
    sources, packets = lab.outside(many), float(between(rng, 30_000, 5_000_000, 1)[0])
    first, last = lab.span(rng, 60, 550)
    each = np.full(many, max(1, int(packets / many)))
    sport = 0 if protocol == 1 else -1
    dport = (
        0 if protocol == 1 else rng.integers(1, 65_000, many) if rng.random() < 0.5 else int(rng.integers(1, 65_000))
    )
    lab.talk.add(
        src=sources, dst=target.address_id, dport=dport, sport=sport, protocol=protocol, f0_s=first, f1_s=last,
        f_packets=each, f_bytes=each * int(rng.integers(60, 1_400)),
        block=DROP_AT_DESTINATION if rng.random() < 0.4 else OPEN,
    )  # fmt: skip
    note = f"{packets:.0f} packets at {target.address} from {many} sources in {last - first:.0f} s"
    return _against(target.address, protocol, kind, packets, note, packets >= 150_000)


def _udp(lab: Lab, rng: np.random.Generator) -> Positive:
    return _datagrams(lab, rng, 17, "UDP, victim")


def _icmp(lab: Lab, rng: np.random.Generator) -> Positive:
    return _datagrams(lab, rng, 1, "ICMP, victim")


def _amplified(lab: Lab, rng: np.random.Generator) -> Positive:
    """Answers of open servers to questions that somebody else asked in the victim's name."""
    target, many = lab.host(public=True), int(rng.integers(20, 400))
    port = int(rng.choice(list(_AMPLIFIERS)))
    packets = float(between(rng, 5_000, 2_000_000, 1)[0])
    first, last = lab.span(rng, 60, 550)
    each = np.full(many, max(1, int(packets / many)))
    lab.talk.add(
        src=lab.outside(many), dst=target.address_id, sport=port, protocol=17, f0_s=first, f1_s=last, f_packets=each,
        f_bytes=each * _AMPLIFIERS[port], block=DROP_AT_DESTINATION if rng.random() < 0.4 else OPEN,
        dport=rng.integers(1_025, 65_000, many) if rng.random() < 0.5 else int(rng.integers(1_025, 65_000)),
    )  # fmt: skip
    note = f"{packets:.0f} answers from port {port} of {many} servers to {target.address} in {last - first:.0f} s"
    return _against(target.address, 17, "amplified, victim", packets, note, packets >= 10_000)


def _sending(lab: Lab, rng: np.random.Generator) -> Positive:
    """A host of ours takes part: SYNs or datagrams at one address outside."""
    host, victim, udp = lab.host(public=rng.random() < 0.5), lab.outside(), rng.random() < 0.5
    first, last = lab.span(rng, 60, 550)
    if udp:
        packets = float(between(rng, 150_000, 5_000_000, 1)[0])
        lab.talk.add(
            src=host.address_id,
            dst=victim,
            dport=int(rng.integers(1, 60_000)),
            protocol=17,
            f0_s=first,
            f1_s=last,
            f_packets=int(packets),
            f_bytes=int(packets) * int(rng.integers(60, 1_400)),
        )
    else:
        packets = float(round(float(between(rng, 4_500, 9_000, 1)[0])))
        count = int(packets)
        lab.talk.probe(host.address_id, victim, int(rng.choice([80, 443, 22])), rng.uniform(first, last, count),
                       sport=rng.permutation(np.arange(1_025, 65_000))[:count])  # fmt: skip
    name = lab.texts(victim)[0]
    protocol = 17 if udp else 6
    return Positive(
        rules=("flood",),
        kind=f"{'UDP' if udp else 'SYN'}, source",
        intensity=packets,
        unit="packets",
        subject={"srcaddr": host.address, "dstaddr": name, "protocol": protocol},
        actors=frozenset([host.address, name]),
        note=f"{packets:.0f} packets from {host.address} to {name} in {last - first:.0f} s",
    )


def _reflecting(lab: Lab, rng: np.random.Generator) -> Positive:
    """A server of ours answers questions that were asked in the victim's name."""
    host, victim = lab.host(public=True), lab.outside()
    port = int(rng.choice([53, 123, 389, 1900, 11211]))
    packets = round(float(between(rng, 60_000, 500_000, 1)[0]))
    first, last = lab.span(rng, 60, 550)
    lab.stream(
        victim,
        host.address_id,
        port,
        first,
        last - first,
        (packets, packets * 70),
        (packets, packets * _AMPLIFIERS[port] * 2),
        sport=int(rng.integers(1_025, 65_000)),
    )
    name = lab.texts(victim)[0]
    return Positive(
        rules=("flood",), kind="reflected, source", intensity=packets, unit="packets",
        subject={"srcaddr": host.address, "dstaddr": name, "protocol": 17}, actors=frozenset([host.address, name]),
        note=f"{packets} answers from port {port} of {host.address} to {name} in {last - first:.0f} s",
    )  # fmt: skip


def _against(target: str, protocol: int, kind: str, packets: float, note: str, counted: bool) -> Positive:
    return Positive(
        rules=("flood",), kind=kind, intensity=packets, unit="packets", note=note, counted=counted,
        subject={"dstaddr": target, "protocol": protocol}, actors=frozenset([target]),
    )  # fmt: skip


FLOODS = ((_syn, 4), (_udp, 2), (_icmp, 1), (_amplified, 2), (_sending, 2), (_reflecting, 1))
