"""The network as data: subnets, interfaces, addresses, and the lookups that traffic is routed by.

Addresses are numbered once; conversations and records carry the number. An address of ours belongs to an interface;
any other has a `kind` that says how it is reached.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

import numpy as np

from flowkit.generate.draw import Ints

__all__ = [
    "AMAZON",
    "INTERNET",
    "ON_PREMISES",
    "OURS",
    "S3",
    "SERVICES",
    "UNUSED",
    "AddressBook",
    "Interface",
    "Lookup",
    "Subnet",
    "Vpc",
]

#: How an address is reached: ours, over the Internet path, over the VPN, or a free address inside a VPC.
OURS, INTERNET, ON_PREMISES, UNUSED = range(4)

#: AWS's names of the address ranges in use, as `pkt-dst-aws-service` gives them. All are in the company's region.
SERVICES = ("-", "S3", "AMAZON")
S3, AMAZON = 1, 2


@dataclass(slots=True)
class Vpc:
    """A VPC. `label` is the short name used in code and in the inventory's names."""

    vpc_id: str
    label: str
    cidr: IPv4Network
    cidr6: IPv6Network | None = None


@dataclass(slots=True)
class Subnet:
    """A subnet in one availability zone. `nat` is the interface number of the NAT gateway it routes to, -1 for none."""

    index: int
    subnet_id: str
    name: str
    tier: str
    vpc: int
    zone: int
    cidr: IPv4Network
    route_table_id: str
    cidr6: IPv6Network | None = None
    nat: int = -1
    public: bool = False
    s3_endpoint: bool = False
    network_acl_id: str = ""


@dataclass(slots=True)
class Interface:
    """A network interface. `role` is its job in the company, `kind` AWS's interface type."""

    index: int
    interface_id: str
    name: str
    role: str
    kind: str
    subnet: Subnet
    address: str
    address_id: int
    instance_id: str = ""
    instance_type: str = ""
    owner: str = ""
    address6: str = ""
    address6_id: int = -1
    public_address: str = ""
    prefixes: list[str] = field(default_factory=list)
    pods: list[int] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    service: str = ""

    @property
    def zone(self) -> int:
        """The number of its availability zone, 0 to 2."""
        return self.subnet.zone

    @property
    def nitro(self) -> bool:
        """Whether its traffic paths tell gateway endpoints (7) and Internet gateways (8) apart."""
        return not self.instance_type.startswith(("t2.", "m4."))


class AddressBook:
    """Every address that occurs, numbered in the order in which it was first needed."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.interfaces: list[int] = []
        self.kinds: list[int] = []
        self.services: list[int] = []

    def add(self, text: str, *, interface: int = -1, kind: int = INTERNET, service: int = 0) -> int:
        """Number one address."""
        self.texts.append(text)
        self.interfaces.append(interface)
        self.kinds.append(OURS if interface >= 0 else kind)
        self.services.append(service)
        return len(self.texts) - 1

    def add_all(self, texts: list[str], *, kind: int = INTERNET, service: int = 0) -> Ints:
        """Number many addresses of one kind."""
        return np.array([self.add(text, kind=kind, service=service) for text in texts], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Lookup:
    """The network as arrays, for whole columns of conversations at once.

    By address: `interface`, `kind`, `service`, `v6`. By interface: `zone`, `vpc`, `subnet`, `primary` (its first IPv4
    address), `nat` (interface of its NAT gateway), `public`, `s3_endpoint`, `nitro`.
    """

    interface: Ints
    kind: Ints
    service: Ints
    v6: Ints
    zone: Ints
    vpc: Ints
    subnet: Ints
    primary: Ints
    nat: Ints
    public: Ints
    s3_endpoint: Ints
    nitro: Ints

    @staticmethod
    def of(book: AddressBook, interfaces: list[Interface]) -> Lookup:
        """The arrays as they stand now: addresses and faults must all have been added."""
        return Lookup(
            interface=np.array(book.interfaces, dtype=np.int64),
            kind=np.array(book.kinds, dtype=np.int64),
            service=np.array(book.services, dtype=np.int64),
            v6=np.array([":" in text for text in book.texts], dtype=bool),
            zone=np.array([interface.zone for interface in interfaces], dtype=np.int64),
            vpc=np.array([interface.subnet.vpc for interface in interfaces], dtype=np.int64),
            subnet=np.array([interface.subnet.index for interface in interfaces], dtype=np.int64),
            primary=np.array([interface.address_id for interface in interfaces], dtype=np.int64),
            nat=np.array([interface.subnet.nat for interface in interfaces], dtype=np.int64),
            public=np.array([interface.subnet.public for interface in interfaces], dtype=bool),
            s3_endpoint=np.array([interface.subnet.s3_endpoint for interface in interfaces], dtype=bool),
            nitro=np.array([interface.nitro for interface in interfaces], dtype=bool),
        )
