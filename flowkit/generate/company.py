"""Who there is: a shop with a production VPC in three zones and an analytics VPC that works at night.

The production VPC holds a load balancer, web, app, search and message broker hosts, a database with a replica, a
cache, Kubernetes nodes whose pods have addresses of their own, a bastion, resolvers, monitoring, backup, build and
batch hosts, two zonal NAT gateways for three zones, interface endpoints and a VPN to `192.168.0.0/16`. The analytics
VPC is peered with it and has one NAT gateway for two zones. Only names, types and addresses are decided here; what is
allowed is in `rules`, what is said in `traffic`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import numpy as np

from flowkit.generate.draw import aws_id, internet_v4, rng_for
from flowkit.generate.network import AddressBook, Interface, Lookup, Subnet, Vpc

__all__ = ["REGION", "Company", "found"]

REGION = "us-east-1"

#: Tier -> third octet inside its zone's block of 40. Nodes take four, for their pods' prefixes.
_TIERS = {"public": 0, "web": 4, "app": 8, "data": 12, "ops": 16, "nodes": 20, "batch": 24}

#: Baseline and burst bandwidth in Gbit/s, from AWS's instance type pages (EC2 user guide, network specifications).
BANDWIDTH = {
    "t2.small": (0.128, None),
    "t3.medium": (0.256, 5.0),
    "c5.large": (0.75, 10.0),
    "m4.large": (0.45, None),
    "m5.large": (0.75, 10.0),
    "r5.large": (0.75, 10.0),
    "m5.xlarge": (1.25, 10.0),
    "m5.2xlarge": (2.5, 10.0),
    "m5.4xlarge": (5.0, 10.0),
}


@dataclass
class Company:
    """Everything that stands before the first packet. Faults are added by the incidents before traffic begins."""

    account_id: str
    seed: int
    zones: tuple[str, str, str]
    vpcs: list[Vpc] = field(default_factory=list)
    subnets: list[Subnet] = field(default_factory=list)
    interfaces: list[Interface] = field(default_factory=list)
    addresses: AddressBook = field(default_factory=AddressBook)
    ids: dict[str, str] = field(default_factory=dict)
    #: Planted faults: extra ingress rules by group name, extra entries by network ACL name, open (interface, port).
    extra_ingress: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    acl_entries: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    open_ports: set[tuple[int, int]] = field(default_factory=set)

    def of(self, *roles: str, zone: int | None = None) -> list[Interface]:
        """The interfaces with one of these roles, in order."""
        return [i for i in self.interfaces if i.role in roles and zone in (None, i.zone)]

    def ids_of(self, *roles: str, zone: int | None = None) -> np.ndarray[Any, Any]:
        """Their addresses' numbers."""
        return np.array([i.address_id for i in self.of(*roles, zone=zone)], dtype=np.int64)

    def hosts(self) -> list[Interface]:
        """The instances, which are what agents, monitoring and backups run on."""
        return [i for i in self.interfaces if i.instance_id and i.subnet.vpc == 0]

    def id(self, name: str) -> str:
        """The identifier made for a name; the same each time. `sg/web` gives `sg-0...`."""
        if name not in self.ids:
            self.ids[name] = aws_id(name.split("/")[0], rng_for(self.seed, "id", name))
        return self.ids[name]

    def lookup(self) -> Lookup:
        """The network as arrays."""
        return Lookup.of(self.addresses, self.interfaces)

    def group(self, name: str) -> str:
        """The identifier of a security group."""
        return self.id(f"sg/{name}")


class _Builder:
    """Hands out identifiers and free addresses while the company is put together."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.rng = rng_for(company.seed, "company")
        self.taken: set[str] = set()

    def subnet(
        self, vpc: int, tier: str, zone: int, cidr: IPv4Network, cidr6: IPv6Network | None, table: str
    ) -> Subnet:
        name = f"{self.company.vpcs[vpc].label}-{tier}-{zone + 1}"
        subnet = Subnet(
            len(self.company.subnets),
            self.company.id(f"subnet/{name}"),
            name,
            tier,
            vpc,
            zone,
            cidr,
            self.company.id(f"rtb/{table}"),
            cidr6,
            public=tier == "public",
        )
        subnet.network_acl_id = self.company.id(f"acl/{self.company.vpcs[vpc].label}-{tier}")
        self.company.subnets.append(subnet)
        return subnet

    def free(self, subnet: Subnet) -> str:
        """A host address in the subnet's first /24; AWS keeps the first four for itself."""
        while True:
            text = str(subnet.cidr[int(self.rng.integers(10, 250))])
            if text not in self.taken:
                self.taken.add(text)
                return text

    def interface(self, name: str, role: str, subnet: Subnet, groups: tuple[str, ...], **more: Any) -> Interface:
        company = self.company
        index = len(company.interfaces)
        address = self.free(subnet)
        number = company.addresses.add(address, interface=index)
        kind = more.pop("kind", "interface")
        interface = Interface(index, company.id(f"eni/{name}"), name, role, kind, subnet, address, number, **more)
        interface.groups = [company.group(group) for group in groups]
        company.interfaces.append(interface)
        return interface

    def instance(self, name: str, role: str, subnet: Subnet, instance_type: str, groups: tuple[str, ...]) -> Interface:
        made = self.interface(name, role, subnet, groups, instance_type=instance_type)
        made.instance_id = self.company.id(f"i/{name}")
        if subnet.public:
            made.public_address = internet_v4(self.rng, 1)[0]
        return made


def found(seed: int, records: int, account: str = "") -> Company:
    """Found the company. Larger logs get a larger company: one to three hosts per tier and zone."""
    rng = rng_for(seed, "found")
    per_zone = 1 if records < 150_000 else 2 if records < 600_000 else 3
    zones = tuple(f"use1-az{z}" for z in sorted(rng.permutation(6)[:3] + 1))
    company = Company(account or f"{int(rng.integers(10**10, 10**12)):012d}", seed, (zones[0], zones[1], zones[2]))
    octets = rng.permutation(np.arange(8, 200))[:2].tolist()
    for label, octet in zip(("shop", "analytics"), octets, strict=True):
        cidr = IPv4Network(f"10.{octet}.0.0/16")
        v6 = (
            IPv6Network(f"2600:1f18:{int(rng.integers(0x1000, 0xFFFF)):x}:{octet:x}00::/56")
            if label == "shop"
            else None
        )
        company.vpcs.append(Vpc(company.id(f"vpc/{label}"), label, cidr, v6))
    build = _Builder(company)
    _shop_subnets(build)
    _shop_front(build, per_zone)
    _shop_middle(build, per_zone)
    _shop_operations(build)
    _analytics(build, per_zone)
    return company


def _shop_subnets(build: _Builder) -> None:
    vpc = build.company.vpcs[0]
    v6 = list(_v6(vpc).subnets(new_prefix=64))
    for zone in range(3):
        for place, (tier, offset) in enumerate(_TIERS.items()):
            base = vpc.cidr[(zone * 40 + offset) * 256]
            size = 22 if tier == "nodes" else 24
            network = IPv4Network(f"{base}/{size}")
            table = "shop-public" if tier == "public" else f"shop-private-{zone + 1}"
            build.subnet(0, tier, zone, network, v6[zone * 16 + place] if tier == "public" else None, table)


def _v6(owner: Vpc | Subnet) -> IPv6Network:
    if owner.cidr6 is None:
        raise LookupError(f"{owner} has no IPv6 range")
    return owner.cidr6


def _tier(company: Company, tier: str, zone: int, vpc: int = 0) -> Subnet:
    return next(s for s in company.subnets if (s.vpc, s.tier, s.zone) == (vpc, tier, zone))


def _nat(build: _Builder, name: str, subnet: Subnet) -> Interface:
    nat = build.interface(name, "nat", subnet, (), kind="nat_gateway", owner=build.company.id(f"nat/{name}"))
    nat.public_address = internet_v4(build.rng, 1)[0]
    return nat


def _shop_front(build: _Builder, per_zone: int) -> None:
    company = build.company
    arn = f"arn:aws:elasticloadbalancing:{REGION}:{company.account_id}:loadbalancer/app/shop/"
    arn += f"{int(build.rng.integers(0, 1 << 62)):016x}"
    for zone in range(3):
        public = _tier(company, "public", zone)
        node = build.interface(f"alb-{zone + 1}", "alb", public, ("alb",), kind="load_balancer", owner=arn)
        node.public_address = internet_v4(build.rng, 1)[0]
        network = _v6(public)
        node.address6 = str(network[int(build.rng.integers(1 << 32, 1 << 60))])
        node.address6_id = company.addresses.add(node.address6, interface=node.index)
    gateways = [_nat(build, f"shop-nat-{zone + 1}", _tier(company, "public", zone)) for zone in range(2)]
    for subnet in company.subnets:
        if not subnet.public:
            # The third zone has no NAT gateway of its own and uses a neighbour's, as thrifty companies do.
            subnet.nat = gateways[subnet.zone if subnet.zone < 2 else company.seed % 2].index
            subnet.s3_endpoint = True
    build.instance("bastion", "bastion", _tier(company, "public", 0), "t2.small", ("bastion",))
    build.instance("reporting", "reporting", _tier(company, "public", 1), "m5.large", ("reporting",))
    for zone in range(3):
        for n in range(per_zone):
            build.instance(f"web-{zone + 1}{'abc'[n]}", "web", _tier(company, "web", zone), "c5.large", ("web",))


def _shop_middle(build: _Builder, per_zone: int) -> None:
    company = build.company
    for zone in range(3):
        app, data, nodes = (_tier(company, tier, zone) for tier in ("app", "data", "nodes"))
        for n in range(per_zone):
            build.instance(f"app-{zone + 1}{'abc'[n]}", "app", app, "m5.large", ("app",))
            node = build.instance(f"node-{zone + 1}{'abc'[n]}", "node", nodes, "m5.xlarge", ("node",))
            prefix = list(nodes.cidr.subnets(new_prefix=28))[17 + n]
            node.prefixes = [str(prefix)]
            node.pods = [company.addresses.add(str(prefix[p]), interface=node.index) for p in (1, 2, 3, 4, 5)]
        build.instance(f"search-{zone + 1}", "search", app, "r5.large", ("search",))
        build.instance(f"broker-{zone + 1}", "broker", app, "m5.xlarge", ("broker",))
        build.interface(f"cache-{zone + 1}", "cache", data, ("cache",), kind="elasticache", owner="shop-cache")
        for service in ("logs", "ecr.api"):
            endpoint = company.id(f"vpce/{service}")
            name = f"{service}-{zone + 1}"
            build.interface(name, "endpoint", data, ("endpoint",), kind="vpc_endpoint", owner=endpoint, service=service)
    for zone, name in ((0, "database-primary"), (1, "database-replica")):
        build.interface(name, name, _tier(company, "data", zone), ("database",), kind="rds", owner="shop-database")
    for zone in (0, 1):
        build.interface(
            f"cluster-api-{zone + 1}", "cluster-api", _tier(company, "nodes", zone), ("cluster",), owner="shop-eks"
        )


def _shop_operations(build: _Builder) -> None:
    company = build.company
    for zone in (0, 1):
        ops, batch = _tier(company, "ops", zone), _tier(company, "batch", zone)
        build.instance(f"resolver-{zone + 1}", "resolver", ops, "c5.large", ("resolver",))
        build.instance(f"batch-{zone + 1}", "batch", batch, "t3.medium", ("batch",))
        # A container task has no instance; its identity is in the ECS fields of version 7.
        build.interface(f"worker-{zone + 1}", "task", batch, ("batch",), owner="shop-tasks", service="mailer")
    build.instance("monitor", "monitor", _tier(company, "ops", 0), "m5.2xlarge", ("monitor",))
    build.instance("backup", "backup", _tier(company, "ops", 1), "m5.4xlarge", ("backup",))
    build.instance("build", "build", _tier(company, "ops", 0), "m4.large", ("build",))


def _analytics(build: _Builder, per_zone: int) -> None:
    company, vpc = build.company, 1
    for zone in (0, 1):
        for offset, tier in enumerate(("public", "workers")):
            network = IPv4Network(f"{company.vpcs[vpc].cidr[(zone * 16 + offset) * 256]}/24")
            build.subnet(vpc, tier, zone, network, None, f"analytics-{'public' if tier == 'public' else 'private'}")
    nat = _nat(build, "analytics-nat", _tier(company, "public", 0, vpc))
    for zone in (0, 1):
        workers = _tier(company, "workers", zone, vpc)
        workers.nat, workers.s3_endpoint = nat.index, True
        for n in range(1 + per_zone):
            build.instance(f"worker-{'ab'[zone]}{n + 1}", "analyst", workers, "m5.xlarge", ("analyst",))
