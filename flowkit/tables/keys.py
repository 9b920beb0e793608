"""Addresses as sortable text: 32 hex digits of the 16-byte address, so that a range of addresses is a `BETWEEN`."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flowkit.reference import address_classes

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["address_key", "address_keys", "cidr_range", "class_ranges", "disjoint"]

_LAST = (1 << 128) - 1


def address_key(address: str) -> str:
    """The key of one address.

    >>> address_key("10.0.0.1")
    '00000000000000000000ffff0a000001'
    """
    return f"{_number(ipaddress.ip_address(address)):032x}"


def address_keys(addresses: pa.ChunkedArray) -> pa.Array:
    """The keys of a column of addresses. Text that is no address has none."""
    import pyarrow as pa

    keys: list[str | None] = []
    for address in addresses.to_pylist():
        try:
            if ":" in address:
                keys.append(socket.inet_pton(socket.AF_INET6, address).hex())
            else:
                keys.append("00000000000000000000ffff" + socket.inet_pton(socket.AF_INET, address).hex())
        except OSError:
            keys.append(None)
    return pa.array(keys, pa.string())


def cidr_range(cidr: str) -> tuple[str, str]:
    """First and last key of a CIDR block (host bits are ignored)."""
    low, high = _numbers(cidr)
    return f"{low:032x}", f"{high:032x}"


def class_ranges(classes: Iterable[tuple[str, str]] | None = None) -> list[tuple[str, str, str]]:
    """The address classes as disjoint (low key, high key, scope), the narrowest block winning.

    They cover every address: what no class claims is `public`. IPv4 behind NAT64 (64:ff9b::/96) is left public: the
    host behind it is on the other side of the translation.
    """
    given = [(*cidr_range(cidr), scope) for cidr, scope in (address_classes() if classes is None else classes)]
    return disjoint([(f"{0:032x}", f"{_LAST:032x}", "public"), *given])


def disjoint(blocks: Iterable[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """CIDR blocks (low key, high key, label) as disjoint ranges, the narrowest block winning.

    CIDR blocks nest or lie apart, so one pass over them in order, with the open ones on a stack, is enough. Of equal
    blocks the label that sorts last wins, whatever the order they came in.
    """
    edges = sorted(
        ((int(low, 16), int(high, 16), label) for low, high, label in blocks), key=lambda b: (b[0], -b[1], b[2])
    )
    pieces: list[tuple[int, int, str]] = []
    stack: list[tuple[int, str]] = []
    at = 0

    def close_until(place: int) -> None:
        nonlocal at
        while stack and stack[-1][0] < place:
            high, label = stack.pop()
            if at <= high:
                pieces.append((at, high, label))
                at = high + 1

    for low, high, label in edges:
        close_until(low)
        if stack and at < low:
            pieces.append((at, low - 1, stack[-1][1]))
        at = low
        stack.append((high, label))
    close_until(_LAST + 1)
    return [(f"{low:032x}", f"{high:032x}", label) for low, high, label in pieces if low <= high]


def _number(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    return int(address) + (0xFFFF << 32) if address.version == 4 else int(address)


def _numbers(cidr: str) -> tuple[int, int]:
    block = ipaddress.ip_network(cidr, strict=False)
    return _number(block.network_address), _number(block.broadcast_address)
