"""Hops: a conversation's way from interface to interface, and the two address pairs that every interface shows.

A conversation inside the VPC, over peering, the VPN, a gateway endpoint or an own public address is one hop. Through
a zonal NAT gateway it is two: the inner one from the client's interface to the gateway's, still in the packet's
addresses, and the outer one in the gateway's address and a port of its own. A hop end that is not ours has interface
-1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flowkit.generate.conversations import spread
from flowkit.generate.draw import Ints
from flowkit.generate.network import INTERNET, ON_PREMISES, S3, Lookup

__all__ = ["DIRECT", "NAT_INNER", "NAT_OUTER", "Hops", "route"]

DIRECT, NAT_INNER, NAT_OUTER = range(3)

#: traffic-path codes (AWS VPC User Guide, "Flow log records").
SAME_VPC, GATEWAY_MERGED, VPN, PEERING, GATEWAY_ENDPOINT, INTERNET_GATEWAY = 1, 2, 3, 4, 7, 8

_NAT_FIRST_PORT, _NAT_PORTS, _NAT_STRIDE = 1024, 64512, 9973


@dataclass(frozen=True, slots=True)
class Hops:
    """Columns of hops. `talk` holds the conversation's columns, row for row; the rest is the hop's own."""

    talk: dict[str, Ints]
    a: Ints  # the opener's interface on this hop, -1 if not ours
    b: Ints  # the responder's
    kind: Ints
    a_path: Ints  # traffic-path of what leaves a
    b_path: Ints  # traffic-path of what leaves b

    def __len__(self) -> int:
        return len(self.a)


def route(talk: dict[str, Ints], net: Lookup) -> Hops:
    """Send every conversation on its way."""
    src, dst = talk["src"], talk["dst"]
    a, b = net.interface[src], net.interface[dst]
    to_s3 = (net.service[dst] == S3) & (a >= 0) & net.s3_endpoint[a]
    inner = (a >= 0) & (b < 0) & (net.kind[dst] == INTERNET) & ~net.public[a] & ~to_s3 & ~net.v6[dst]
    gateway = np.where(inner, net.nat[a], -1)
    kind = np.where(inner, NAT_INNER, DIRECT)
    near = Hops(
        talk,
        a,
        np.where(inner, gateway, b),
        kind,
        _path(a, b, dst, net, inner, to_s3),
        _path(b, a, src, net, inner, to_s3),
    )
    # What leaves the gateway for its client stays inside the VPC.
    near = Hops(near.talk, near.a, near.b, kind, near.a_path, np.where(inner, SAME_VPC, near.b_path))

    rows = np.flatnonzero(inner)
    if not len(rows):
        return near
    outer = {name: column[rows] for name, column in talk.items()}
    outer["src"] = net.primary[gateway[rows]]
    ports = _NAT_FIRST_PORT + spread(
        gateway[rows], outer["dst"], outer["dport"], outer["f0_s"], _NAT_PORTS, _NAT_STRIDE
    )
    outer["sport"] = np.where(outer["protocol"] == 1, 0, ports)
    ones = np.ones(len(rows), dtype=np.int64)
    return Hops(
        {name: np.concatenate((near.talk[name], outer[name])) for name in talk},
        np.concatenate((near.a, gateway[rows])),
        np.concatenate((near.b, -ones)),
        np.concatenate((near.kind, NAT_OUTER * ones)),
        np.concatenate((near.a_path, INTERNET_GATEWAY * ones)),
        np.concatenate((near.b_path, ones)),
    )


def _path(at: Ints, peer: Ints, peer_address: Ints, net: Lookup, inner: Ints, to_s3: Ints) -> Ints:
    """The traffic-path code of what leaves interface `at` for `peer` (or for an address that is not ours)."""
    inside = np.where(net.vpc[at] == net.vpc[peer], SAME_VPC, PEERING)
    gateway = np.where(net.nitro[at], INTERNET_GATEWAY, GATEWAY_MERGED)
    endpoint = np.where(net.nitro[at], GATEWAY_ENDPOINT, GATEWAY_MERGED)
    outside = np.where(net.kind[peer_address] == INTERNET, np.where(to_s3, endpoint, gateway), SAME_VPC)
    outside = np.where(net.kind[peer_address] == ON_PREMISES, VPN, outside)
    return np.asarray(np.where(inner, SAME_VPC, np.where(peer >= 0, inside, outside)))
