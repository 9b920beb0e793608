"""An IP address in its one text form, and as the 32 hex digits that make a range of addresses a BETWEEN.

Only distinct values come here. IPv6 is written as RFC 5952 says: lower case, the longest run of zero groups shortened.
"""

from __future__ import annotations

import socket
import struct
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from flowkit.parse.arrays import number_array, text_array, true_at

__all__ = ["address", "addresses"]

_MAPPED = "00000000000000000000ffff"
_HEX = np.array([f"{value:02x}" for value in range(256)], dtype="S2").view(np.uint8).reshape(256, 2)


def address(text: str) -> tuple[str, str] | None:
    """(text form, key) of an address, or None when it is none. The key of IPv4 is that of its mapped IPv6 address.

    >>> address("10.0.0.1")
    ('10.0.0.1', '00000000000000000000ffff0a000001')
    >>> address("2001:DB8:0::1")
    ('2001:db8::1', '20010db8000000000000000000000001')
    """
    try:
        if ":" not in text:
            packed = socket.inet_pton(socket.AF_INET, text)
            return text, _MAPPED + packed.hex()
        packed = socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return None
    return _written(packed), packed.hex()


def addresses(values: pa.StringArray, *, keyed: bool) -> tuple[pa.StringArray, pa.StringArray | None] | None:
    """(text forms, keys) of many addresses, or None when one of them is none. Only IPv6 takes a Python loop.

    The keys are left out unless `keyed`.
    """
    longer = pc.match_substring(values, ":")
    at = true_at(longer)
    octets = _ipv4_octets(values.filter(pc.invert(longer)) if len(at) else values)
    if octets is None:
        return None
    keys = _ipv4_keys(octets) if keyed else None
    if not len(at):
        return values, keys
    written = values.take(number_array(at)).to_pylist()
    known = [_ipv6(text) for text in written]
    if None in known:
        return None
    meant = [one[0] for one in known if one]
    forms = values if meant == written else pc.replace_with_mask(values, longer, text_array(meant))
    if keys is None:
        return forms, None
    places = np.empty(len(values), dtype=np.int64)
    places[at] = np.arange(len(at)) + len(keys)
    places[true_at(pc.invert(longer))] = np.arange(len(keys))
    both = pa.concat_arrays([keys, text_array([one[1] for one in known if one])])
    return forms, both.take(number_array(places))


#: The same addresses come in block after block.
_ipv6 = lru_cache(maxsize=65_536)(address)


def _ipv4_octets(values: pa.StringArray) -> npt.NDArray[np.uint16] | None:
    """The four numbers of each dotted quad, or None when one is not of four numbers up to 255 without leading zeros."""
    count = len(values)
    if count == 0:
        return np.empty((0, 4), dtype=np.uint16)
    edges = np.frombuffer(values.buffers()[1], dtype=np.int32)[values.offset : values.offset + count + 1]
    if edges[0] == edges[-1]:
        return None
    text = np.frombuffer(values.buffers()[2], dtype=np.uint8)[edges[0] : edges[-1]]
    marks = text - np.uint8(ord("0"))
    dots = np.flatnonzero(marks > 9)
    if len(dots) != 3 * count or not (text[dots] == ord(".")).all():
        return None
    # each number ends at a dot, the fourth with its value; where a value has more or fewer dots, one has no size
    ends = np.empty((count, 4), dtype=np.int64)
    ends[:, :3] = dots.reshape(count, 3)
    ends[:, 3] = edges[1:] - edges[0]
    starts = np.empty_like(ends)
    starts[:, 0] = edges[:-1] - edges[0]
    starts[:, 1:] = ends[:, :3] + 1
    sizes = ends - starts
    if sizes.min() < 1 or sizes.max() > 3 or ((sizes > 1) & (marks[starts] == 0)).any():
        return None
    octets: npt.NDArray[np.uint16] = marks[ends - 1].astype(np.uint16)
    two, three = sizes > 1, sizes > 2
    octets[two] += marks[ends[two] - 2].astype(np.uint16) * np.uint16(10)
    octets[three] += marks[ends[three] - 3].astype(np.uint16) * np.uint16(100)
    return None if octets.max() > 255 else octets


def _ipv4_keys(octets: npt.NDArray[np.uint16]) -> pa.StringArray:
    """The keys of addresses given by their four numbers."""
    count = len(octets)
    keys = np.empty((count, 32), dtype=np.uint8)
    keys[:, :24] = np.frombuffer(_MAPPED.encode(), dtype=np.uint8)
    keys[:, 24:] = _HEX[octets].reshape(count, 8)
    offsets = np.arange(0, 32 * (count + 1), 32, dtype=np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(keys))


def _written(packed: bytes) -> str:
    """RFC 5952, by hand: the C library and the versions of Python differ on addresses that hold an IPv4 one."""
    if packed[:12] == b"\0" * 10 + b"\xff\xff":
        return "::ffff:" + socket.inet_ntop(socket.AF_INET, packed[12:])
    groups = struct.unpack(">8H", packed)
    best_at, best_size = 0, 1
    at = 0
    while at < 8:
        size = 0
        while at + size < 8 and groups[at + size] == 0:
            size += 1
        if size > best_size:
            best_at, best_size = at, size
        at += size or 1
    words = [f"{group:x}" for group in groups]
    if best_size < 2:
        return ":".join(words)
    return ":".join(words[:best_at]) + "::" + ":".join(words[best_at + best_size :])
