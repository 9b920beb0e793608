"""A network made for one measurement: hosts and outside addresses on demand, conversations, and their records.

Conversations go the generator's way into records: routed over interfaces and a NAT gateway, cut into each interface's
own windows, flags and packet-level addresses only where the format has them. No file is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any

import numpy as np
import pyarrow as pa

from flowkit.fields import FIELDS_BY_COLUMN, arrow_type
from flowkit.flows import Flows, from_records
from flowkit.generate.company import REGION, Company
from flowkit.generate.conversations import Talk
from flowkit.generate.draw import Ints, aws_id, internet_v4, rng_for
from flowkit.generate.hops import route
from flowkit.generate.network import SERVICES, UNUSED, Interface, Subnet, Vpc
from flowkit.generate.records import Records, Sightings
from flowkit.generate.windows import Windows
from flowkit.tables.keys import address_keys

__all__ = ["VARIANTS", "Lab", "Variant"]

#: A log format and an aggregation interval in seconds.
Variant = tuple[str, int]
VARIANTS: tuple[Variant, ...] = (("v2", 60), ("v2", 600), ("v5", 60), ("v5", 600))

#: 2026-11-02T00:00:00Z, a Monday.
START_S = 1_793_577_600


@dataclass
class Lab:
    """One VPC of three zones with a NAT gateway. Times are seconds after the start."""

    seed: int
    variant: Variant
    hours: int = 24
    company: Company = field(init=False)
    talk: Talk = field(init=False)
    #: What a baseline must not know yet: called after it was taken.
    later: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.length_s = self.hours * 3600
        self.rng = rng_for(self.seed, "lab")
        self.talk = Talk(self.length_s)
        company = Company(
            f"{int(self.rng.integers(10**11, 10**12)):012d}", self.seed, ("use1-az1", "use1-az2", "use1-az4")
        )
        self.company = company
        cidr = IPv4Network(f"10.{int(self.rng.integers(8, 200))}.0.0/16")
        company.vpcs.append(Vpc(company.id("vpc/lab"), "lab", cidr))
        blocks = list(cidr.subnets(new_prefix=20))
        for place, (tier, zone) in enumerate((tier, zone) for tier in ("public", "private") for zone in range(3)):
            name = f"{tier}-{zone + 1}"
            company.subnets.append(
                Subnet(
                    place,
                    company.id(f"subnet/{name}"),
                    name,
                    tier,
                    0,
                    zone,
                    blocks[place],
                    company.id(f"rtb/{tier}"),
                    public=tier == "public",
                )
            )
        self._taken: set[str] = set()
        self.nat = self._interface("nat", company.subnets[0], kind="nat_gateway")
        for subnet in company.subnets[3:]:
            subnet.nat = self.nat.index

    def _interface(self, role: str, subnet: Subnet, kind: str = "interface") -> Interface:
        number = len(self.company.interfaces)
        text = self._free_text(subnet)
        known = self.company.addresses.add(text, interface=number)
        one = Interface(number, aws_id("eni", self.rng), f"{role}-{number}", role, kind, subnet, text, known)
        if kind == "interface":
            one.instance_id, one.instance_type = aws_id("i", self.rng), "m5.large"
        self.company.interfaces.append(one)
        return one

    def _free_text(self, subnet: Subnet) -> str:
        while True:
            text = str(subnet.cidr[int(self.rng.integers(10, subnet.cidr.num_addresses - 5))])
            if text not in self._taken:
                self._taken.add(text)
                return text

    def host(self, *, public: bool = False, role: str = "host", kind: str = "interface") -> Interface:
        """A new host in a random zone; `public` ones have an address of their own, the others go out through NAT."""
        zone = int(self.rng.integers(0, 3))
        return self._interface(role, self.company.subnets[zone if public else 3 + zone], kind)

    def hosts(self, count: int, *, public: bool = False) -> list[Interface]:
        """Several new hosts."""
        return [self.host(public=public) for _ in range(count)]

    def outside(self, count: int = 1, service: int = 0) -> Ints:
        """New addresses on the internet."""
        return self.company.addresses.add_all(internet_v4(self.rng, count), service=service)

    def known(self, texts: Sequence[str], service: int = 0, kind: int | None = None) -> Ints:
        """Given addresses that are not ours: on the internet, or of `kind`."""
        more: dict[str, Any] = {} if kind is None else {"kind": kind}
        return self.company.addresses.add_all(list(texts), service=service, **more)

    def unused(self, count: int) -> Ints:
        """Addresses of one private subnet that nobody has."""
        subnet = self.company.subnets[3 + int(self.rng.integers(0, 3))]
        return self.company.addresses.add_all([self._free_text(subnet) for _ in range(count)], kind=UNUSED)

    def texts(self, ids: Any) -> list[str]:
        """Addresses as text."""
        return [self.company.addresses.texts[int(one)] for one in np.atleast_1d(ids)]

    def span(self, rng: np.random.Generator, low_s: float, high_s: float) -> tuple[float, float]:
        """A stretch of random length (evenly on a logarithmic scale), away from the period's edges."""
        room = self.length_s - 1800
        length = min(float(np.exp(rng.uniform(np.log(low_s), np.log(high_s)))), room)
        first = 900 + float(rng.uniform(0, room - length))
        return first, first + length

    def stream(
        self, src: Any, dst: Any, dport: Any, at_s: Any, lasts_s: Any, up: tuple[Any, Any], down: tuple[Any, Any],
        *, protocol: int = 17, sport: Any = -1,
    ) -> None:  # fmt: skip
        """Datagrams both ways for a while: `up` and `down` are (packets, bytes)."""
        at = np.asarray(at_s, dtype=np.float64)
        end = np.minimum(at + lasts_s, self.length_s - 1.0)
        self.talk.add(
            src=src, dst=dst, dport=dport, sport=sport, protocol=protocol, f0_s=at, f1_s=end, r0_s=at + 0.01, r1_s=end,
            f_packets=up[0], f_bytes=up[1], r_packets=down[0], r_bytes=down[1],
        )  # fmt: skip

    def everyday(self) -> None:
        """What every host does besides: some calls to two services inside, which nobody plays a part of.

        A host that speaks with one other alone does not exist, and the default format would not tell which of the two
        addresses is whose.
        """
        rng = rng_for(self.seed, "everyday")
        hosts = np.array([one.address_id for one in self.company.interfaces if one.kind == "interface"])
        for server, port in zip(self.hosts(2), (443, 8_080), strict=True):
            src = np.repeat(hosts, 6)
            at = rng.uniform(30, self.length_s - 90, len(src))
            up, down = rng.integers(600, 4_000, len(src)), rng.integers(900, 40_000, len(src))
            self.talk.tcp(src, server.address_id, port, at, rng.uniform(0.05, 20, len(src)), up, down, rtt_s=0.001)

    def flows(self) -> Flows:
        """Everything said so far as `Flows`."""
        net = self.company.lookup()
        hops = route(self.talk.table(), net)
        windows = Windows.cut(
            rng_for(self.seed, "windows"), len(self.company.interfaces), self.length_s, self.variant[1]
        )
        parts = [part for _, part in Sightings(hops, net, windows).by_time(self.length_s)]
        return from_records(self._table(Records.join(parts)), source=f"lab {self.seed}")

    def _table(self, records: Records) -> pa.Table:
        company, size = self.company, len(records)
        texts = pa.array(company.addresses.texts)
        keys = address_keys(pa.chunked_array([texts]))
        by_interface = company.interfaces
        columns: dict[str, Any] = {
            "account_id": [company.account_id] * size,
            "interface_id": _taken([one.interface_id for one in by_interface], records.interface),
            "srcaddr": texts.take(pa.array(records.src)),
            "dstaddr": texts.take(pa.array(records.dst)),
            "srcport": records.sport,
            "dstport": records.dport,
            "protocol": records.protocol,
            "packets": records.packets,
            "bytes": records.bytes,
            "start_s": records.start_s + START_S,
            "end_s": records.end_s + START_S,
            "action": _taken(["ACCEPT", "REJECT"], records.rejected.astype(np.int64)),
            "log_status": ["OK"] * size,
            "version": np.full(size, int(self.variant[0][1:])),
        }
        if self.variant[0] != "v2":
            service = np.array(company.addresses.services)
            columns |= {
                "vpc_id": [company.vpcs[0].vpc_id] * size,
                "subnet_id": _taken([one.subnet.subnet_id for one in by_interface], records.interface),
                "instance_id": _taken([one.instance_id or None for one in by_interface], records.interface),
                "tcp_flags": records.flags,
                "type": ["IPv4"] * size,
                "pkt_srcaddr": texts.take(pa.array(records.pkt_src)),
                "pkt_dstaddr": texts.take(pa.array(records.pkt_dst)),
                "region": [REGION] * size,
                "az_id": _taken([company.zones[one.zone] for one in by_interface], records.interface),
                "pkt_src_aws_service": _taken([None, *SERVICES[1:]], service[records.pkt_src]),
                "pkt_dst_aws_service": _taken([None, *SERVICES[1:]], service[records.pkt_dst]),
                "flow_direction": _taken(["ingress", "egress"], records.egress.astype(np.int64)),
                "traffic_path": records.path,
            }
        typed = {name: pa.array(value).cast(arrow_type(FIELDS_BY_COLUMN[name])) for name, value in columns.items()}
        typed["src_key"], typed["dst_key"] = (keys.take(pa.array(end)) for end in (records.src, records.dst))
        for name, text in (("record_kind", "interface"), ("flow_log_id", "fl-lab"), ("row_kind", "record")):
            typed[name] = pa.array([text] * size)
        typed["object_id"] = pa.array(np.ones(size, dtype=np.int64))
        return pa.table(typed)


def _taken(texts: Sequence[str | None], numbers: Ints) -> pa.Array:
    return pa.array(texts, pa.string()).take(pa.array(numbers))
