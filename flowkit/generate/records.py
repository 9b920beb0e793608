"""From hops to records, as the log layer makes them.

Every end of a hop that is one of our interfaces sees both directions. A sighting (hop, end, direction) gives one
record per window of that interface in which it has packets: bytes and packets of that window, flags OR-ed, the
window's shared start and end. The two ends of a hop cut the same packets differently; their sums are equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from flowkit.generate.conversations import (
    DROP_AT_DESTINATION,
    DROP_AT_SOURCE,
    DROP_REPLY_AT_DESTINATION,
    DROP_REPLY_AT_SOURCE,
    NOISE,
)
from flowkit.generate.draw import Floats, Ints
from flowkit.generate.hops import Hops
from flowkit.generate.network import Lookup
from flowkit.generate.windows import Windows

__all__ = ["Records", "Sightings", "free_to_lose", "packets_before", "size_of"]


@dataclass(frozen=True, slots=True)
class Records:
    """Columns of records. Addresses and interfaces are numbers; times are whole seconds after the period's start."""

    interface: Ints
    peer: Ints  # the interface at the other end of the hop, -1 if not ours
    window: Ints
    start_s: Ints
    end_s: Ints
    src: Ints
    dst: Ints
    pkt_src: Ints
    pkt_dst: Ints
    sport: Ints
    dport: Ints
    protocol: Ints
    packets: Ints
    bytes: Ints
    flags: Ints
    rejected: Ints
    egress: Ints
    path: Ints
    tag: Ints

    def __len__(self) -> int:
        return len(self.interface)

    def take(self, rows: Ints) -> Records:
        """Some of the rows, in the given order."""
        return Records(*(getattr(self, name)[rows] for name in Records.__slots__))

    @staticmethod
    def join(parts: list[Records]) -> Records:
        """Rows of several tables, one after the other."""
        return Records(*(np.concatenate([getattr(p, name) for p in parts]) for name in Records.__slots__))


def packets_before(at_s: Floats, first_s: Floats, last_s: Floats, packets: Ints) -> Ints:
    """How many of `packets`, spread evenly from the first to the last moment, come before a moment."""
    length = np.maximum(last_s - first_s, 1e-9)
    share = np.clip((at_s - first_s) / length, 0.0, 1.0)
    middle = np.minimum(1 + np.floor(share * (packets - 1)).astype(np.int64), packets)
    inside = np.where((at_s <= last_s) & (packets > 1), np.minimum(middle, packets - 1), packets)
    return np.asarray(np.where(at_s <= first_s, 0, inside))


def size_of(count: Ints, packets: Ints, size_bytes: Ints) -> Ints:
    """The bytes of the first `count` of `packets` packets; exact, and all bytes at the last packet."""
    each, rest = np.divmod(size_bytes, np.maximum(packets, 1))
    return np.asarray(each * count + rest * count // np.maximum(packets, 1))


class Sightings:
    """Who saw what: every (hop, end, direction) that leaves records, and the records of any stretch of time."""

    def __init__(self, hops: Hops, net: Lookup, windows: Windows) -> None:
        talk, block = hops.talk, hops.talk["block"]
        self.hops, self.net, self.windows = hops, net, windows
        reached = block != DROP_AT_SOURCE
        delivered = reached & (block != DROP_AT_DESTINATION)
        returned = delivered & (block != DROP_REPLY_AT_DESTINATION)
        #: In the order: forward at a, forward at b, reply at b, reply at a.
        seen = (
            (hops.a >= 0) & (talk["f_packets"] > 0),
            (hops.b >= 0) & (talk["f_packets"] > 0) & reached,
            (hops.b >= 0) & (talk["r_packets"] > 0) & delivered,
            (hops.a >= 0) & (talk["r_packets"] > 0) & returned,
        )
        rows = [np.flatnonzero(mask) for mask in seen]
        self.hop = np.concatenate(rows)
        self.view = np.repeat(np.arange(4), [len(r) for r in rows])
        self.at_b = (self.view == 1) | (self.view == 2)
        self.forward = self.view < 2
        self.interface = np.where(self.at_b, hops.b[self.hop], hops.a[self.hop])
        self.first_s = np.where(self.forward, talk["f0_s"][self.hop], talk["r0_s"][self.hop])
        self.last_s = np.where(self.forward, talk["f1_s"][self.hop], talk["r1_s"][self.hop])
        self.from_window = windows.of(self.interface, self.first_s)
        self.to_window = windows.of(self.interface, self.last_s)

    def count(self) -> int:
        """How many records there are in all, without making them."""
        return sum(len(self._cut(low, high)[0]) for low, high in self._stretches(3600 * 4))

    def _stretches(self, step_s: int) -> Iterator[tuple[Ints, Ints]]:
        low = self.windows.first
        edge = step_s
        while True:
            high = self.windows.before(float(edge))
            yield low, high
            if edge > self.windows.length_s:
                return
            low, edge = high, edge + step_s

    def by_time(self, step_s: int) -> Iterator[tuple[int, Records]]:
        """The records of the windows that begin in each stretch of `step_s` seconds, with the stretch's end."""
        edge = step_s
        for low, high in self._stretches(step_s):
            yield edge, self._records(low, high)
            edge += step_s

    def _cut(self, low: Ints, high: Ints) -> tuple[Ints, Ints, Ints, Ints]:
        """(sighting, window, packets, packets before that window) of every record in a range of windows."""
        first = np.maximum(self.from_window, low[self.interface])
        last = np.minimum(self.to_window, high[self.interface] - 1)
        rows = np.flatnonzero(first <= last)
        each = (last - first)[rows] + 1
        sighting = np.repeat(rows, each)
        start = np.repeat(np.cumsum(each) - each, each)
        window = np.repeat(first[rows], each) + np.arange(len(sighting)) - start
        hop, talk = self.hop[sighting], self.hops.talk
        total = np.where(self.forward[sighting], talk["f_packets"][hop], talk["r_packets"][hop])
        begin, end = self.windows.bounds(window)
        one, two = self.first_s[sighting], self.last_s[sighting]
        before = packets_before(begin, one, two, total)
        packets = packets_before(end, one, two, total) - before
        there = packets > 0
        return sighting[there], window[there], packets[there], before[there]

    def _records(self, low: Ints, high: Ints) -> Records:
        sighting, window, packets, before = self._cut(low, high)
        talk, hops, net = self.hops.talk, self.hops, self.net
        hop, forward, at_b = self.hop[sighting], self.forward[sighting], self.at_b[sighting]
        interface = self.interface[sighting]
        total = np.where(forward, talk["f_packets"][hop], talk["r_packets"][hop])
        volume = np.where(forward, talk["f_bytes"][hop], talk["r_bytes"][hop])
        size = size_of(before + packets, total, volume) - size_of(before, total, volume)
        opening = np.where(forward, talk["f_open"][hop], talk["r_open"][hop])
        closing = np.where(forward, talk["f_close"][hop], talk["r_close"][hop])
        flags = np.where(before == 0, opening, 0) | np.where(before + packets == total, closing, 0)
        src = np.where(forward, talk["src"][hop], talk["dst"][hop])
        dst = np.where(forward, talk["dst"][hop], talk["src"][hop])
        egress = forward != at_b
        # On its own side an interface shows its primary IPv4 address, whatever the packet says: pods, NAT.
        own = net.primary[interface]
        start_s, end_s = self._shared_bounds(sighting, window)
        made = Records(
            interface=interface,
            peer=np.where(at_b, hops.a[hop], hops.b[hop]),
            window=window,
            start_s=start_s,
            end_s=end_s,
            src=np.where(egress & ~net.v6[src], own, src),
            dst=np.where(~egress & ~net.v6[dst], own, dst),
            pkt_src=src,
            pkt_dst=dst,
            sport=np.where(forward, talk["sport"][hop], talk["dport"][hop]),
            dport=np.where(forward, talk["dport"][hop], talk["sport"][hop]),
            protocol=talk["protocol"][hop],
            packets=packets,
            bytes=size,
            flags=flags,
            rejected=_refused(self.view[sighting], talk["block"][hop]),
            egress=egress,
            path=np.where(egress, np.where(at_b, hops.b_path[hop], hops.a_path[hop]), 0),
            tag=talk["tag"][hop],
        )
        return _merged(made)

    def _shared_bounds(self, sighting: Ints, window: Ints) -> tuple[Ints, Ints]:
        """First and last packet that the interface saw in each window: what all of its records there share."""
        begin, end = self.windows.bounds(window)
        base = int(window.min()) if len(window) else 0
        span = int(window.max()) - base + 1 if len(window) else 1
        first, last = np.full(span, np.inf), np.full(span, -np.inf)
        np.minimum.at(first, window - base, np.maximum(begin, self.first_s[sighting]))
        np.maximum.at(last, window - base, np.minimum(end - 1, self.last_s[sighting]))
        start_s = np.floor(first[window - base]).astype(np.int64)
        return start_s, np.maximum(np.floor(last[window - base]).astype(np.int64), start_s)


def _merged(records: Records) -> Records:
    """One record where two conversations of one tuple meet in one window: a late packet and its connection."""
    names = ("window", "egress", "pkt_src", "pkt_dst", "sport", "dport", "protocol", "rejected")
    key = np.zeros(len(records), dtype=np.uint64)
    for name in names:
        key = (key ^ getattr(records, name).astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    order = np.argsort(key, kind="stable")
    again = np.zeros(len(records), dtype=bool)
    again[1:] = key[order][1:] == key[order][:-1]
    if not again.any():
        return records
    place = np.maximum.accumulate(np.where(again, 0, np.arange(len(order))))
    later, first = order[again], order[place[again]]
    np.add.at(records.packets, first, records.packets[later])
    np.add.at(records.bytes, first, records.bytes[later])
    np.bitwise_or.at(records.flags, first, records.flags[later])
    keep = np.ones(len(records), dtype=bool)
    keep[later] = False
    return records.take(np.flatnonzero(keep))


def _refused(view: Ints, block: Ints) -> Ints:
    """Whether this end logs this direction as REJECT: forward at a, forward at b, reply at b, reply at a."""
    refuses = np.array([DROP_AT_SOURCE, DROP_AT_DESTINATION, DROP_REPLY_AT_DESTINATION, DROP_REPLY_AT_SOURCE])
    return np.asarray(refuses[view] == block)


def free_to_lose(records: Records) -> Ints:
    """Refused background probes, which cost nothing: all that SKIPDATA may swallow."""
    return np.asarray((records.tag == NOISE) & records.rejected)
