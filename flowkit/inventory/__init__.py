"""The AWS snapshot that makes answers sharper: its JSON file, and how to look things up. Nothing here calls AWS.

Every list may be missing and a snapshot may be partial: an id that points to something not listed is fine.
It is the state at `taken_at`; an interface that existed only before or after is missing unless `valid_from`
and `valid_to` say when it did. The file is described, with an example, in docs/inventory.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from flowkit.errors import InventoryError
from flowkit.inventory.model import (
    AclEntry,
    AwsRange,
    FlowLog,
    Instance,
    Interface,
    LoadBalancer,
    NatGateway,
    NetworkAcl,
    Peering,
    PrefixList,
    Route,
    RouteTable,
    Rule,
    SecurityGroup,
    Subnet,
    Vpc,
    VpcEndpoint,
)
from flowkit.inventory.reading import build, plain

__all__ = [
    "AclEntry",
    "AwsRange",
    "FlowLog",
    "Instance",
    "Interface",
    "Inventory",
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

VERSION = 1

#: `interface_type` as the EC2 API writes it, to the role of docs/tables.md.
_ROLES = {
    "nat_gateway": "nat_gateway",
    "load_balancer": "load_balancer",
    "network_load_balancer": "network_load_balancer",
    "gateway_load_balancer": "gateway_load_balancer",
    "transit_gateway": "transit_gateway",
    "vpc_endpoint": "vpc_endpoint",
    "gateway_load_balancer_endpoint": "vpc_endpoint",
    "rds": "rds",
    "elasticache": "elasticache",
}

_LOAD_BALANCER_ROLES = {
    "application": "load_balancer",
    "classic": "load_balancer",
    "network": "network_load_balancer",
    "gateway": "gateway_load_balancer",
}


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """A snapshot of one or more VPCs. `taken_at` is in seconds since 1970-01-01 UTC, None if nobody said."""

    flowkit_inventory: int = VERSION
    taken_at: int | None = field(default=None, metadata={"check": "time"})
    region: str = ""
    vpcs: tuple[Vpc, ...] = ()
    subnets: tuple[Subnet, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    instances: tuple[Instance, ...] = ()
    nat_gateways: tuple[NatGateway, ...] = ()
    vpc_endpoints: tuple[VpcEndpoint, ...] = ()
    load_balancers: tuple[LoadBalancer, ...] = ()
    security_groups: tuple[SecurityGroup, ...] = ()
    network_acls: tuple[NetworkAcl, ...] = ()
    route_tables: tuple[RouteTable, ...] = ()
    prefix_lists: tuple[PrefixList, ...] = ()
    peerings: tuple[Peering, ...] = ()
    aws_ranges: tuple[AwsRange, ...] = ()
    flow_logs: tuple[FlowLog, ...] = ()

    @classmethod
    def load(cls, path: str | Path) -> Inventory:
        """Read an inventory file. Raises InventoryError that names the place of the first mistake."""
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except OSError as error:
            raise InventoryError(f"{path} cannot be read: {error.strerror or error}.") from error
        except UnicodeDecodeError as error:
            raise InventoryError(f"{path} is not UTF-8 text.") from error
        try:
            value = json.loads(text)
        except ValueError as error:
            raise InventoryError(f"{path} is not JSON: {error}.") from error
        except RecursionError as error:
            raise InventoryError(f"{path} is nested too deeply to be an inventory.") from error
        return cls.from_dict(value, where=str(path))

    @classmethod
    def from_dict(cls, value: object, *, where: str = "inventory") -> Inventory:
        """Make an inventory from parsed JSON. `where` begins the path that errors name."""
        if not isinstance(value, dict) or "flowkit_inventory" not in value:
            raise InventoryError(f'{where} is not a flowkit inventory: it has no "flowkit_inventory": {VERSION}.')
        if value["flowkit_inventory"] != VERSION:
            raise InventoryError(
                f"{where} has flowkit_inventory {value['flowkit_inventory']!r}; this flowkit reads {VERSION}."
            )
        made = build(cls, value, where)
        for name, key in _KEYS.items():
            seen: dict[str, int] = {}
            for index, item in enumerate(getattr(made, name)):
                first = seen.setdefault(getattr(item, key), index)
                if first != index:
                    raise InventoryError(
                        f"{where}.{name}[{index}].{key} is {getattr(item, key)!r}, as is {name}[{first}]. "
                        "Each may be listed once."
                    )
        return made

    def as_dict(self) -> dict[str, Any]:
        """The inventory as plain JSON types, without what is not known."""
        return plain(self)

    def to_json(self) -> str:
        """The inventory as the text of its file."""
        return json.dumps(self.as_dict(), indent=1) + "\n"

    def interface(self, interface_id: str) -> Interface | None:
        """The interface with this id, or None."""
        return self._by_id["interfaces"].get(interface_id)

    def instance(self, instance_id: str) -> Instance | None:
        """The instance with this id, or None."""
        return self._by_id["instances"].get(instance_id)

    def subnet(self, subnet_id: str) -> Subnet | None:
        """The subnet with this id, or None."""
        return self._by_id["subnets"].get(subnet_id)

    def vpc(self, vpc_id: str) -> Vpc | None:
        """The VPC with this id, or None."""
        return self._by_id["vpcs"].get(vpc_id)

    def nat_gateway(self, nat_gateway_id: str) -> NatGateway | None:
        """The NAT gateway with this id, or None."""
        return self._by_id["nat_gateways"].get(nat_gateway_id)

    def security_group(self, group_id: str) -> SecurityGroup | None:
        """The security group with this id, or None."""
        return self._by_id["security_groups"].get(group_id)

    def prefix_list(self, prefix_list_id: str) -> PrefixList | None:
        """The prefix list with this id, or None."""
        return self._by_id["prefix_lists"].get(prefix_list_id)

    def network_acl_of(self, subnet_id: str) -> NetworkAcl | None:
        """The network ACL of a subnet, or None."""
        subnet = self.subnet(subnet_id)
        named = subnet.network_acl_id if subnet else ""
        for acl in self.network_acls:
            if subnet_id in acl.subnet_ids or (named and acl.network_acl_id == named):
                return acl
        return None

    def route_table_of(self, subnet_id: str) -> RouteTable | None:
        """The route table of a subnet: its own, else the main one of its VPC, else None."""
        subnet = self.subnet(subnet_id)
        named = subnet.route_table_id if subnet else ""
        for table in self.route_tables:
            if subnet_id in table.subnet_ids or (named and table.route_table_id == named):
                return table
        for table in self.route_tables:
            if subnet and table.main and table.vpc_id == subnet.vpc_id:
                return table
        return None

    def region_of(self, vpc_id: str) -> str:
        """The region of a VPC: its own, else the inventory's, else `""`."""
        vpc = self.vpc(vpc_id)
        return (vpc.region if vpc else "") or self.region

    def az_of(self, interface_id: str) -> str:
        """The availability zone id of an interface: its own, else its subnet's, else `""`."""
        interface = self.interface(interface_id)
        if interface is None:
            return ""
        subnet = self.subnet(interface.subnet_id)
        return interface.az_id or (subnet.az_id if subnet else "")

    def role_of(self, interface_id: str) -> str:
        """What an interface is for, in the words of `interfaces.role` in docs/tables.md; `""` if not known."""
        listed = self._listed_roles.get(interface_id)
        if listed:
            return listed
        interface = self.interface(interface_id)
        if interface is None:
            return ""
        return _ROLES.get(interface.interface_type) or ("instance" if interface.instance_id else "")

    @cached_property
    def _listed_roles(self) -> dict[str, str]:
        """Interface id to role, from the lists of gateways, endpoints and load balancers."""
        roles = {nat.interface_id: "nat_gateway" for nat in self.nat_gateways if nat.interface_id}
        for endpoint in self.vpc_endpoints:
            roles.update(dict.fromkeys(endpoint.interface_ids, "vpc_endpoint"))
        for balancer in self.load_balancers:
            roles.update(dict.fromkeys(balancer.interface_ids, _LOAD_BALANCER_ROLES[balancer.type]))
        return roles

    @cached_property
    def _by_id(self) -> dict[str, dict[str, Any]]:
        return {name: {getattr(item, key): item for item in getattr(self, name)} for name, key in _KEYS.items()}


#: The lists whose entries have an id of their own.
_KEYS = {
    "vpcs": "vpc_id",
    "subnets": "subnet_id",
    "interfaces": "interface_id",
    "instances": "instance_id",
    "nat_gateways": "nat_gateway_id",
    "vpc_endpoints": "vpc_endpoint_id",
    "security_groups": "group_id",
    "network_acls": "network_acl_id",
    "route_tables": "route_table_id",
    "prefix_lists": "prefix_list_id",
    "peerings": "peering_id",
    "flow_logs": "flow_log_id",
}
