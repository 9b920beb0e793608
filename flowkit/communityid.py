"""The Community ID of a conversation: the same short text in Zeek, Suricata, Wireshark and here."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import struct

from flowkit.errors import ParameterError

__all__ = ["WITH_PORTS", "community_id"]

#: Protocols whose ports are part of the ID: TCP, UDP, SCTP.
WITH_PORTS = (6, 17, 132)

#: ICMP types that ask, and those that answer them, both ways; what is not here goes one way only.
_COUNTERPARTS = {
    1: {8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 10: 9, 9: 10, 17: 18, 18: 17},
    58: {128: 129, 129: 128, 133: 134, 134: 133, 135: 136, 136: 135, 130: 131, 131: 130, 139: 140, 140: 139,
         144: 145, 145: 144},
}  # fmt: skip


def community_id(srcaddr: str, dstaddr: str, srcport: int, dstport: int, protocol: int, seed: int = 0) -> str:
    """The Community ID (version 1) of a conversation, `1:` and 28 letters, the same for both directions.

    `srcaddr` and `dstaddr` are addresses of one family, `protocol` is the IANA number. `srcport` and `dstport` count
    for TCP, UDP and SCTP; for ICMP (1) and ICMPv6 (58) they are type and code; for other protocols they are ignored.
    `seed` (0 to 65535) keeps the IDs of separate networks apart, and must be what the other tool uses: 0 unless
    somebody changed it. Raises ParameterError for what is no address, port, protocol or seed.

    Flow logs have neither ICMP type nor code (both ports are 0), so an ICMP record has no ID to compare. Behind a NAT
    or a load balancer each leg has its own. Source: "Community ID Flow Hashing",
    https://github.com/corelight/community-id-spec.

    >>> community_id("128.232.110.120", "66.35.250.204", 34855, 80, 6)
    '1:LQU9qZlK+B5F3KDmev6m5PMibrg='
    """
    source, target = _packed(srcaddr), _packed(dstaddr)
    if len(source) != len(target):
        raise ParameterError(f"{srcaddr} and {dstaddr} are addresses of two families; a conversation has one.")
    for name, value, most in (("protocol", protocol, 255), ("seed", seed, 65535)):
        _in_range(name, value, most)
    ports: tuple[int, ...] = ()
    turn = source > target
    if protocol in WITH_PORTS or protocol in _COUNTERPARTS:
        _in_range("srcport", srcport, 65535)
        _in_range("dstport", dstport, 65535)
        answer = _COUNTERPARTS[protocol].get(srcport) if protocol in _COUNTERPARTS else dstport
        ports = (srcport, dstport if answer is None else answer)
        turn = answer is not None and (source, ports[0]) > (target, ports[1])
    if turn:
        source, target, ports = target, source, ports[::-1]
    told = struct.pack("!H", seed) + source + target + struct.pack("!BB", protocol, 0)
    digest = hashlib.sha1(told + struct.pack(f"!{len(ports)}H", *ports), usedforsecurity=False).digest()
    return f"1:{base64.b64encode(digest).decode('ascii')}"


def _packed(address: str) -> bytes:
    try:
        return ipaddress.ip_address(address).packed
    except ValueError:
        raise ParameterError(f"{address!r} is not an IP address.") from None


def _in_range(name: str, value: int, most: int) -> None:
    if not 0 <= value <= most:
        raise ParameterError(f"{name} {value} is not between 0 and {most}.")
