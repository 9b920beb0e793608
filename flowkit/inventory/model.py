"""What a snapshot lists: one frozen record per kind of AWS resource.

Text that is not known is `""`, numbers and times that are not known are None. Times are whole seconds since
1970-01-01 UTC; the file has them as ISO 8601. The metadata of a field says how its value is checked:
`address`, `cidr`, `time`, `protocol`, or a tuple of the only allowed words; `required` fields may not be missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "AclEntry",
    "AwsRange",
    "FlowLog",
    "Instance",
    "Interface",
    "LoadBalancer",
    "NatGateway",
    "NetworkAcl",
    "Peering",
    "PrefixList",
    "Route",
    "RouteTable",
    "Rule",
    "SecurityGroup",
    "Subnet",
    "Vpc",
    "VpcEndpoint",
]


def _id() -> Any:
    return field(metadata={"required": True})


def _text(check: object = None) -> Any:
    return field(default="", metadata={"check": check})


def _list(check: object = None) -> Any:
    return field(default=(), metadata={"check": check})


def _time() -> Any:
    return field(default=None, metadata={"check": "time"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Vpc:
    """A VPC with its address ranges."""

    vpc_id: str = _id()
    account_id: str = ""
    region: str = ""
    cidrs: tuple[str, ...] = _list("cidr")
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """A subnet in one availability zone, named by the zone's id."""

    subnet_id: str = _id()
    vpc_id: str = ""
    az_id: str = ""
    cidrs: tuple[str, ...] = _list("cidr")
    name: str = ""
    route_table_id: str = ""
    network_acl_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A network interface. The first private address is the primary one; `prefixes` are delegated to pods."""

    interface_id: str = _id()
    account_id: str = ""
    vpc_id: str = ""
    subnet_id: str = ""
    az_id: str = ""
    interface_type: str = "interface"
    private_addresses: tuple[str, ...] = _list("address")
    ipv6_addresses: tuple[str, ...] = _list("address")
    prefixes: tuple[str, ...] = _list("cidr")
    public_address: str = _text("address")
    instance_id: str = ""
    security_groups: tuple[str, ...] = ()
    owner: str = ""
    name: str = ""
    source_dest_check: bool = True
    valid_from: int | None = _time()
    valid_to: int | None = _time()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its private and IPv6 addresses, the primary one first, without the public one and the prefixes."""
        return self.private_addresses + self.ipv6_addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An instance. Bandwidths in gigabits per second, where the snapshot says so."""

    instance_id: str = _id()
    instance_type: str = ""
    name: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    baseline_gbps: float | None = None
    burst_gbps: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NatGateway:
    """A NAT gateway. A regional one has no interface, subnet or zone."""

    nat_gateway_id: str = _id()
    vpc_id: str = ""
    subnet_id: str = ""
    az_id: str = ""
    interface_id: str = ""
    private_addresses: tuple[str, ...] = _list("address")
    public_addresses: tuple[str, ...] = _list("address")
    availability_mode: str = field(default="zonal", metadata={"check": ("zonal", "regional")})
    created_at: int | None = _time()


@dataclass(frozen=True, slots=True, kw_only=True)
class VpcEndpoint:
    """A gateway, interface or Gateway Load Balancer endpoint."""

    vpc_endpoint_id: str = _id()
    vpc_id: str = ""
    endpoint_type: str = field(
        default="Interface",
        metadata={"check": ("Gateway", "Interface", "GatewayLoadBalancer", "Resource", "ServiceNetwork")},
    )
    service_name: str = ""
    interface_ids: tuple[str, ...] = ()
    route_table_ids: tuple[str, ...] = ()
    created_at: int | None = _time()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancer:
    """A load balancer and its interfaces."""

    name: str = _id()
    arn: str = ""
    type: str = field(default="application", metadata={"check": ("application", "network", "gateway", "classic")})
    interface_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A security group rule. The peer is `cidr`, a prefix list or another group; protocol "-1" is any."""

    protocol: str = field(default="-1", metadata={"check": "protocol"})
    rule_id: str = ""
    from_port: int | None = None
    to_port: int | None = None
    cidr: str = _text("cidr")
    prefix_list_id: str = ""
    source_group_id: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroup:
    """A security group with its rules."""

    group_id: str = _id()
    vpc_id: str = ""
    name: str = ""
    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AclEntry:
    """An entry of a network ACL. Ports without values are any port; protocol "-1" is any."""

    rule_number: int = _id()
    egress: bool = False
    protocol: str = field(default="-1", metadata={"check": "protocol"})
    from_port: int | None = None
    to_port: int | None = None
    cidr: str = field(metadata={"required": True, "check": "cidr"})
    action: str = field(metadata={"required": True, "check": ("allow", "deny")})


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkAcl:
    """A network ACL with the subnets it guards."""

    network_acl_id: str = _id()
    vpc_id: str = ""
    subnet_ids: tuple[str, ...] = ()
    entries: tuple[AclEntry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route: where to, through what."""

    destination: str = _id()
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """A route table with the subnets that name it."""

    route_table_id: str = _id()
    vpc_id: str = ""
    subnet_ids: tuple[str, ...] = ()
    main: bool = False
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixList:
    """What `pl-..` stands for in rules and routes."""

    prefix_list_id: str = _id()
    name: str = ""
    cidrs: tuple[str, ...] = _list("cidr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peering:
    """A peering connection between two VPCs."""

    peering_id: str = _id()
    vpc_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsRange:
    """One range that AWS publishes: which service has it, in which region."""

    cidr: str = field(metadata={"required": True, "check": "cidr"})
    region: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowLog:
    """A flow log. Its aggregation interval is the configured maximum, in seconds; Nitro instances use 60."""

    flow_log_id: str = _id()
    resource_id: str = ""
    traffic_type: str = field(default="ALL", metadata={"check": ("ALL", "ACCEPT", "REJECT")})
    log_format: str = ""
    log_destination_type: str = ""
    max_aggregation_interval: int | None = None
