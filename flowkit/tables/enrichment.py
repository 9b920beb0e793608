"""What comes from outside the log, as small tables for the engine: inventory, address classes, known ports."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from flowkit.reference import known_services
from flowkit.tables.addresses import FOREVER_S
from flowkit.tables.keys import cidr_range, class_ranges, disjoint

if TYPE_CHECKING:
    from flowkit.inventory import Interface, Inventory

__all__ = ["enrichment"]

_TEXT, _NUMBER, _SMALL = pa.string(), pa.int64(), pa.int32()


def _table(rows: Iterable[Sequence[Any]], **columns: pa.DataType) -> pa.Table:
    listed = list(rows)
    return pa.table(
        {name: pa.array([row[at] for row in listed], type=kind) for at, (name, kind) in enumerate(columns.items())}
    )


def enrichment(inventory: Inventory | None, cidrs: Sequence[str]) -> dict[str, pa.Table]:
    """Every small table that the derived tables join with. Without an inventory those of it are empty."""
    classes = class_ranges()
    interfaces = inventory.interfaces if inventory else ()
    subnets = inventory.subnets if inventory else ()
    vpcs = inventory.vpcs if inventory else ()
    aws = [(*cidr_range(row.cidr), row.service) for row in inventory.aws_ranges] if inventory else []
    services = [(port, protocol, service, kind) for port, protocol, service, kind in known_services()]
    keyed = {"low_key": _TEXT, "high_key": _TEXT}
    return {
        "service_ports": _table(services, port=_SMALL, protocol=_SMALL, service=_TEXT, kind=_TEXT),
        "address_classes": _table(classes, **keyed, scope=_TEXT),
        "private_ranges": _table([row[:2] for row in classes if row[2] == "private"], **keyed),
        "given_ranges": _table([cidr_range(cidr) for cidr in cidrs], **keyed),
        "aws_ranges": _table(disjoint(aws), **keyed, service=_TEXT),
        "vpc_ranges": _table(
            [(vpc.vpc_id, *cidr_range(cidr)) for vpc in vpcs for cidr in vpc.cidrs], network=_TEXT, **keyed
        ),
        "subnet_ranges": _table(
            [(s.vpc_id, *cidr_range(cidr), s.subnet_id, s.az_id or None) for s in subnets for cidr in s.cidrs],
            network=_TEXT, **keyed, subnet_id=_TEXT, az_id=_TEXT,
        ),
        "group_rules": _table(
            [row for interface in interfaces for row in _rules(inventory, interface)] if inventory else [],
            group_id=_TEXT, group_name=_TEXT, rule_id=_TEXT, interface_id=_TEXT, protocol=_SMALL, from_port=_SMALL,
            to_port=_SMALL, source=_TEXT, **keyed,
        ),
        "inventory_interfaces": _table(
            [_interface(inventory, interface) for interface in interfaces] if inventory else [],
            interface_id=_TEXT, vpc_id=_TEXT, account_id=_TEXT, subnet_id=_TEXT, az_id=_TEXT, region=_TEXT,
            instance_id=_TEXT, instance_type=_TEXT, name=_TEXT, role=_TEXT, own_address=_TEXT, own_ipv6=_TEXT,
        ),
        "inventory_addresses": _table(
            [row for interface in interfaces for row in _addresses(interface)],
            network=_TEXT, address=_TEXT, interface_id=_TEXT, first_s=_NUMBER, last_s=_NUMBER,
        ),
    }  # fmt: skip


def _interface(inventory: Inventory, interface: Interface) -> tuple[str | None, ...]:
    instance = inventory.instance(interface.instance_id)
    private, v6 = interface.private_addresses, interface.ipv6_addresses
    values = (
        interface.interface_id,
        interface.vpc_id,
        interface.account_id,
        interface.subnet_id,
        inventory.az_of(interface.interface_id),
        inventory.region_of(interface.vpc_id),
        interface.instance_id,
        instance.instance_type if instance else "",
        interface.name or (instance.name if instance else ""),
        inventory.role_of(interface.interface_id),
        private[0] if private else "",
        v6[0] if v6 else "",
    )
    return tuple(value or None for value in values)


def _rules(inventory: Inventory, interface: Interface) -> list[tuple[str | int | None, ...]]:
    """The inbound rules on an interface, a row per range of addresses; a referenced group is its members' addresses."""
    rows: list[tuple[str | int | None, ...]] = []
    for group_id in interface.security_groups:
        group = inventory.security_group(group_id)
        for place, rule in enumerate(group.ingress if group else ()):
            listed = inventory.prefix_list(rule.prefix_list_id)
            members = (
                member.addresses for member in inventory.interfaces if rule.source_group_id in member.security_groups
            )
            blocks: Iterable[str] = [rule.cidr] if rule.cidr else listed.cidrs if listed else ()
            if rule.source_group_id:
                blocks = [address for addresses in members for address in addresses]
            whole = rule.protocol == "-1" or rule.from_port in (None, -1)
            ports = (
                (0, 65535) if whole else (rule.from_port, rule.to_port if rule.to_port is not None else rule.from_port)
            )
            named = (
                group_id,
                group.name if group else "",
                rule.rule_id or f"ingress {place + 1}",
                interface.interface_id,
            )
            source = rule.source_group_id or rule.prefix_list_id or rule.cidr
            rows += [(*named, int(rule.protocol), *ports, source, *cidr_range(block)) for block in blocks]
    return rows


def _addresses(interface: Interface) -> list[tuple[str, str, str, int, int]]:
    """Every address of an interface, those of its pods' prefixes one by one (a /28 holds 16).

    A prefix over 4,096 addresses (IPv6 /80) is not listed: its pods are known from the records.
    """
    network = interface.vpc_id or interface.account_id
    first_s = interface.valid_from or 0
    last_s = interface.valid_to or FOREVER_S
    pods = [
        str(address)
        for prefix in interface.prefixes
        if (block := ipaddress.ip_network(prefix, strict=False)).num_addresses <= 4096
        for address in block
    ]
    listed = dict.fromkeys([*interface.private_addresses, *interface.ipv6_addresses, *pods])
    return [(network, address, interface.interface_id, first_s, last_s) for address in listed]
