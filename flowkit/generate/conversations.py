"""Conversations: who talked to whom, when, how much, and how it began and ended. No interface, no window yet.

One row is one conversation. `f*` columns are the opener's packets, `r*` the reply's: first and last moment in seconds
after the period's start (`f0_s`, `f1_s`), packets, bytes, and the TCP flags of the first and of the last packet.
Packets are spread evenly between the first and the last. `block` says which security group or network ACL stops it,
if any.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowkit.generate.draw import Floats, Ints

__all__ = [
    "DROP_AT_DESTINATION",
    "DROP_AT_SOURCE",
    "DROP_REPLY_AT_DESTINATION",
    "DROP_REPLY_AT_SOURCE",
    "FIN",
    "NOISE",
    "OPEN",
    "RST",
    "SYN",
    "SYN_ACK",
    "Talk",
    "spread",
]

FIN, SYN, RST, SYN_ACK = 1, 2, 4, 18

#: Who refuses: nobody; the opener's interface; the responder's; the responder's refuses the reply; the opener's does.
OPEN, DROP_AT_SOURCE, DROP_AT_DESTINATION, DROP_REPLY_AT_DESTINATION, DROP_REPLY_AT_SOURCE = range(5)

#: `tag` of background probing, which costs nothing and may be lost to SKIPDATA. 0 is other ordinary traffic.
NOISE = 1

_COLUMNS: dict[str, Any] = {
    "src": np.int64,
    "dst": np.int64,
    "sport": np.int64,
    "dport": np.int64,
    "protocol": np.int64,
    "f0_s": np.float64,
    "f1_s": np.float64,
    "r0_s": np.float64,
    "r1_s": np.float64,
    "f_packets": np.int64,
    "f_bytes": np.int64,
    "r_packets": np.int64,
    "r_bytes": np.int64,
    "f_open": np.int64,
    "f_close": np.int64,
    "r_open": np.int64,
    "r_close": np.int64,
    "block": np.int64,
    "tag": np.int64,
}

_SEGMENT = 1448  # payload of a full Ethernet frame with TCP timestamps
_HEADER = 52  # IPv4 and TCP headers with timestamps; a SYN carries 8 more
_FIRST_PORT, _PORTS, _STRIDE = 32768, 28232, 7919  # Linux's ephemeral range; the stride shares no factor with its size


class Talk:
    """Collects conversations. Every adding method takes scalars or arrays and broadcasts them."""

    def __init__(self, length_s: int) -> None:
        self.length_s = length_s
        self._chunks: list[dict[str, Any]] = []

    def add(self, **values: Any) -> None:
        """Add rows as they are. A missing column is 0, a missing `sport` is drawn when the table is made."""
        size = max(np.size(value) for value in values.values())
        chunk = {}
        for name, dtype in _COLUMNS.items():
            value = values.get(name, -1 if name == "sport" else 0)
            chunk[name] = np.broadcast_to(np.asarray(value, dtype=dtype), (size,))
        if size:
            self._chunks.append(chunk)

    def tcp(
        self,
        src: Any,
        dst: Any,
        dport: Any,
        at_s: Any,
        lasts_s: Any,
        up_bytes: Any,
        down_bytes: Any,
        *,
        sport: Any = -1,
        close: int = FIN,
        rtt_s: float = 0.01,
        tag: int = 0,
    ) -> None:
        """A connection that is opened, carries `up_bytes` and `down_bytes` of payload, and is closed by FIN or RST."""
        at = np.asarray(at_s, dtype=np.float64)
        up, down = np.asarray(up_bytes, dtype=np.int64), np.asarray(down_bytes, dtype=np.int64)
        end = self._end(at, lasts_s)
        up_segments, down_segments = -(-up // _SEGMENT), -(-down // _SEGMENT)
        f_packets = 3 + up_segments + down_segments // 2
        r_packets = 2 + down_segments + up_segments // 2
        self.add(
            src=src,
            dst=dst,
            sport=sport,
            dport=dport,
            protocol=6,
            f0_s=at,
            f1_s=end,
            r0_s=np.minimum(at + rtt_s, end),
            r1_s=end,
            f_packets=f_packets,
            f_bytes=up + _HEADER * f_packets + 8,
            r_packets=r_packets,
            r_bytes=down + _HEADER * r_packets + 8,
            f_open=SYN,
            f_close=close,
            r_open=SYN_ACK,
            r_close=FIN if close == FIN else 0,
            tag=tag,
        )

    def udp(
        self, src: Any, dst: Any, dport: Any, at_s: Any, up_bytes: Any, down_bytes: Any, *, sport: Any = -1
    ) -> None:
        """One datagram and its answer; `down_bytes` 0 means no answer."""
        at, down = np.asarray(at_s, dtype=np.float64), np.asarray(down_bytes, dtype=np.int64)
        later = np.minimum(at + 0.02, self.length_s - 1.0)
        self.add(
            src=src,
            dst=dst,
            sport=sport,
            dport=dport,
            protocol=17,
            f0_s=at,
            f1_s=at,
            r0_s=later,
            r1_s=later,
            f_packets=1,
            f_bytes=np.asarray(up_bytes) + 28,
            r_packets=np.where(down > 0, 1, 0),
            r_bytes=np.where(down > 0, down + 28, 0),
        )

    def ping(self, src: Any, dst: Any, at_s: Any, packets: Any, *, answered: bool = True, tag: int = 0) -> None:
        """ICMP echo, one packet a second. ICMP has no ports: both are 0."""
        at, count = np.asarray(at_s, dtype=np.float64), np.asarray(packets, dtype=np.int64)
        end = self._end(at, count - 1.0)
        self.add(
            src=src,
            dst=dst,
            sport=0,
            protocol=1,
            f0_s=at,
            f1_s=end,
            r0_s=at,
            r1_s=end,
            f_packets=count,
            f_bytes=84 * count,
            r_packets=count if answered else 0,
            r_bytes=84 * count if answered else 0,
            tag=tag,
        )

    def probe(
        self,
        src: Any,
        dst: Any,
        dport: Any,
        at_s: Any,
        *,
        packets: Any = 1,
        sport: Any = -1,
        block: Any = OPEN,
        answer: Any = 0,
        protocol: int = 6,
        size_bytes: int = 44,
        tag: int = 0,
    ) -> None:
        """A lone SYN or datagram, sent again each second.

        `answer` is 0 for silence, RST, or SYN_ACK, which the prober resets.
        """
        at, count, reply = np.asarray(at_s, dtype=np.float64), np.asarray(packets), np.asarray(answer)
        tcp = protocol == 6
        opened = (reply == SYN_ACK) if tcp else np.zeros_like(reply, dtype=bool)
        sent = count + np.where(opened, 1, 0)
        end = np.where(sent > 1, self._end(at, sent - 1.0), at)
        later = np.minimum(at + 0.01, end + 0.01)
        self.add(
            src=src,
            dst=dst,
            sport=sport,
            dport=dport,
            protocol=protocol,
            f0_s=at,
            f1_s=end,
            r0_s=later,
            r1_s=later,
            f_packets=sent,
            f_bytes=size_bytes * sent,
            r_packets=np.where(reply > 0, 1, 0),
            r_bytes=np.where(reply > 0, 44, 0),
            f_open=SYN if tcp else 0,
            f_close=np.where(opened, RST, SYN if tcp else 0),
            r_open=np.where(reply > 0, reply, 0),
            block=block,
            tag=tag,
        )

    def _end(self, at: Floats, lasts_s: Any) -> Floats:
        """Everything ends inside the period, so that the totals of the records and of the bill are the same."""
        return np.asarray(np.minimum(at + lasts_s, self.length_s - 1.0))

    def table(self) -> dict[str, Ints]:
        """All conversations as columns, every one with a source port."""
        columns = {name: np.concatenate([chunk[name] for chunk in self._chunks]) for name in _COLUMNS}
        for side in ("f", "r"):
            alone = columns[f"{side}_packets"] <= 1
            columns[f"{side}1_s"] = np.where(alone, columns[f"{side}0_s"], columns[f"{side}1_s"])
        drawn = columns["sport"] < 0
        columns["sport"] = np.where(drawn, _source_ports(columns), columns["sport"])
        return columns


def _source_ports(columns: dict[str, Ints]) -> Ints:
    """Ephemeral ports, never the same twice in a row between two endpoints."""
    return _FIRST_PORT + spread(columns["src"], columns["dst"], columns["dport"], columns["f0_s"], _PORTS, _STRIDE)


def spread(one: Ints, two: Ints, three: Ints, at_s: Floats, size: int, stride: int) -> Ints:
    """A number below `size` per row: counted up by `stride` within each group of (one, two, three), in time order."""
    order = np.lexsort((at_s, three, two, one))
    a, b, c = one[order], two[order], three[order]
    first = np.ones(len(a), dtype=bool)
    first[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1]) | (c[1:] != c[:-1])
    place = np.arange(len(a))
    rank = place - np.maximum.accumulate(np.where(first, place, 0))
    numbers = np.empty(len(a), dtype=np.int64)
    numbers[order] = (a * 40503 + b * 30011 + c * 9973 + rank * stride) % size
    return numbers
