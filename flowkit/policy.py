"""Security groups and network ACLs, evaluated as AWS does.

A security group only allows: one matching rule in any of an interface's groups is enough, and the replies of
what was allowed pass without a rule. A network ACL is a list in order of rule number: the first entry that
matches decides, what matches none is denied, replies need an entry of their own, and inside a subnet it never acts.

Neither filters link-local traffic (instance metadata, the Amazon DNS server and the time service at
169.254.0.0/16 and fe80::/10). What a snapshot cannot show: rules as they were at another time, firewalls on the hosts,
AWS Network Firewall, and groups of accounts that the snapshot does not cover.

Source: "Security group rules" and "Network ACL rules" in the Amazon VPC User Guide.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from flowkit.inventory import Interface, Inventory, NetworkAcl, Rule

__all__ = [
    "Verdict",
    "admitting",
    "cidrs_of",
    "connection",
    "interface_at",
    "is_world",
    "network_acl",
    "open_rules",
    "refusal",
    "security_groups",
]

ICMP = (1, 58)
WITH_PORTS = (6, 17, 132)  # SCTP is filtered by protocol only, but its rules carry ports


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether something passes, and what decided: a rule id, an ACL entry, or the default.

    `allowed` is None where the inventory does not say.
    """

    allowed: bool | None
    by: str


def security_groups(
    inventory: Inventory, interface_id: str, *, egress: bool, protocol: int, peer: str, port: int | None
) -> Verdict:
    """Whether the groups of an interface let a new connection in (or out).

    `peer` is the other side's address, `port` the port connected to, for ICMP its type; None matches only
    rules that are open for every port.
    """
    if _is_link_local(peer):
        return Verdict(True, "link-local traffic is not filtered")
    interface = inventory.interface(interface_id)
    if interface is None:
        return Verdict(None, f"{interface_id} is not in the inventory")
    unknown = [group for group in interface.security_groups if inventory.security_group(group) is None]
    for group_id in interface.security_groups:
        group = inventory.security_group(group_id)
        for rule in (group.egress if egress else group.ingress) if group else ():
            if _rule_matches(inventory, rule, protocol, peer, port, interface.vpc_id):
                return Verdict(True, rule.rule_id or group_id)
    if unknown or not interface.security_groups:
        return Verdict(None, f"the rules of {unknown[0] if unknown else interface_id} are not in the inventory")
    return Verdict(False, "no rule of " + ", ".join(interface.security_groups))


def network_acl(acl: NetworkAcl, *, egress: bool, protocol: int, peer: str, port: int | None) -> Verdict:
    """Whether a network ACL lets packets in (or out), without regard to connections.

    `port` is the destination port of the packet, for ICMP its type.
    """
    if _is_link_local(peer):
        return Verdict(True, "link-local traffic is not filtered")
    for entry in sorted(acl.entries, key=lambda entry: entry.rule_number):
        if (
            entry.egress == egress
            and _protocol_matches(entry.protocol, protocol)
            and _in_any(peer, (entry.cidr,))
            and _port_matches(entry.protocol, entry.from_port, entry.to_port, protocol, port)
        ):
            return Verdict(entry.action == "allow", f"{acl.network_acl_id} rule {entry.rule_number}")
    return Verdict(False, f"{acl.network_acl_id} rule *")


def connection(
    inventory: Inventory,
    *,
    src: str,
    src_port: int | None,
    dst: str,
    dst_port: int | None,
    protocol: int,
    vpc_id: str = "",
) -> list[tuple[str, Verdict]]:
    """Every check that a connection from `src` to `dst` meets, in the order in which packets meet them.

    Steps are named `egress rules`, `egress ACL`, `ingress ACL`, `ingress rules`, then `reply egress ACL` and `reply
    ingress ACL`; replies meet no security group rule, since those remember the connection. An end whose interface the
    inventory does not list has no step: it is outside, or not ours to judge.
    """
    one, other = interface_at(inventory, src, vpc_id), interface_at(inventory, dst, vpc_id)
    steps: list[tuple[str, Verdict]] = []
    same_subnet = one is not None and other is not None and one.subnet_id == other.subnet_id != ""

    def acl_step(name: str, end: Interface | None, egress: bool, peer: str, port: int | None) -> None:
        acl = inventory.network_acl_of(end.subnet_id) if end and not same_subnet else None
        if acl:
            steps.append((name, network_acl(acl, egress=egress, protocol=protocol, peer=peer, port=port)))

    def group_step(name: str, end: Interface | None, egress: bool, peer: str) -> None:
        if end:
            verdict = security_groups(
                inventory, end.interface_id, egress=egress, protocol=protocol, peer=peer, port=dst_port
            )
            steps.append((name, verdict))

    group_step("egress rules", one, True, dst)
    acl_step("egress ACL", one, True, dst, dst_port)
    acl_step("ingress ACL", other, False, src, dst_port)
    group_step("ingress rules", other, False, src)
    if protocol not in ICMP:
        acl_step("reply egress ACL", other, True, src, src_port)
        acl_step("reply ingress ACL", one, False, dst, src_port)
    return steps


def refusal(
    inventory: Inventory, interface_id: str, *, egress: bool, reply: bool, protocol: int, peer: str, port: int | None
) -> tuple[Verdict, Verdict]:
    """What the security groups and the network ACL at an interface say about a packet that was refused there.

    `port` is the packet's destination port. Groups let every `reply` pass, since they remember the question; the ACL
    does not act between two ends of one subnet. An interface, subnet or ACL that is not listed is None, not a refusal.
    """
    if reply:
        groups = Verdict(True, "security groups let replies pass")
    else:
        groups = security_groups(inventory, interface_id, egress=egress, protocol=protocol, peer=peer, port=port)
    interface = inventory.interface(interface_id)
    acl = inventory.network_acl_of(interface.subnet_id) if interface else None
    other = interface_at(inventory, peer, interface.vpc_id) if interface else None
    if interface and other and interface.subnet_id == other.subnet_id != "":
        return groups, Verdict(True, "a network ACL does not act inside a subnet")
    if acl is None:
        return groups, Verdict(None, f"the network ACL of {interface_id} is not in the inventory")
    return groups, network_acl(acl, egress=egress, protocol=protocol, peer=peer, port=port)


def admitting(
    inventory: Inventory, interface_id: str, *, protocol: int, peer: str, port: int | None
) -> list[tuple[str, Rule]]:
    """Every ingress rule of an interface that lets `peer` in to `port`: (group id, rule), in the snapshot's order."""
    interface = inventory.interface(interface_id)
    found: list[tuple[str, Rule]] = []
    for group_id in interface.security_groups if interface else ():
        group = inventory.security_group(group_id)
        for rule in group.ingress if group else ():
            if interface and _rule_matches(inventory, rule, protocol, peer, port, interface.vpc_id):
                found.append((group_id, rule))
    return found


def is_world(cidr: str) -> bool:
    """Whether a range is the whole internet or a good part of it: wider than a /8, or than an IPv6 /16.

    No registry gives anybody more than a /8 of IPv4, so a wider range cannot mean somebody in particular. It catches
    `0.0.0.0/1` beside `128.0.0.0/1` too.
    """
    block = ipaddress.ip_network(cidr, strict=False)
    return block.prefixlen < (8 if block.version == 4 else 16)


def open_rules(
    inventory: Inventory, interface_id: str, *, protocol: int | None = None, port: int | None = None
) -> list[tuple[str, Rule]]:
    """The ingress rules of an interface that let anybody in: (group id, rule), in the order of the snapshot.

    With a `protocol` and its `port`, only those that cover it.
    """
    interface = inventory.interface(interface_id)
    found: list[tuple[str, Rule]] = []
    for group_id in interface.security_groups if interface else ():
        group = inventory.security_group(group_id)
        for rule in group.ingress if group else ():
            covers = protocol is None or (
                _protocol_matches(rule.protocol, protocol)
                and _port_matches(rule.protocol, rule.from_port, rule.to_port, protocol, port)
            )
            if covers and any(is_world(cidr) for cidr in cidrs_of(inventory, rule)):
                found.append((group_id, rule))
    return found


def interface_at(inventory: Inventory, address: str, vpc_id: str = "") -> Interface | None:
    """The interface that has an address, looked for in `vpc_id` first. Two elsewhere are nobody: None."""
    having = [
        interface
        for interface in inventory.interfaces
        if address in interface.addresses
        or address == interface.public_address
        or (interface.prefixes and _in_any(address, interface.prefixes))
    ]
    near = [interface for interface in having if interface.vpc_id == vpc_id]
    best = near or having
    return best[0] if len(best) == 1 else None


def _rule_matches(inventory: Inventory, rule: Rule, protocol: int, peer: str, port: int | None, vpc_id: str) -> bool:
    if not _protocol_matches(rule.protocol, protocol):
        return False
    if not _port_matches(rule.protocol, rule.from_port, rule.to_port, protocol, port):
        return False
    if rule.source_group_id:
        # A referenced group means the private addresses of its members, never their public ones.
        owner = interface_at(inventory, peer, vpc_id)
        return owner is not None and rule.source_group_id in owner.security_groups and peer != owner.public_address
    return _in_any(peer, cidrs_of(inventory, rule))


def cidrs_of(inventory: Inventory, rule: Rule) -> tuple[str, ...]:
    """The ranges of addresses that a rule names, by itself or through a prefix list; none for a referenced group."""
    if rule.prefix_list_id:
        listed = inventory.prefix_list(rule.prefix_list_id)
        return listed.cidrs if listed else ()
    return (rule.cidr,) if rule.cidr else ()


def _protocol_matches(rule_protocol: str, protocol: int) -> bool:
    return rule_protocol == "-1" or int(rule_protocol) == protocol


def _port_matches(
    rule_protocol: str, from_port: int | None, to_port: int | None, protocol: int, port: int | None
) -> bool:
    if rule_protocol == "-1" or protocol not in (*WITH_PORTS, *ICMP):
        return True
    if from_port in (None, -1):
        return True
    if protocol in ICMP:
        # For ICMP the first number is the type and the second the code, which flow logs do not have.
        return port is not None and port == from_port
    if (from_port, to_port) == (0, 65535):
        return True
    low = from_port or 0
    return port is not None and low <= port <= (to_port if to_port is not None else low)


def _in_any(address: str, cidrs: Iterable[str]) -> bool:
    one = ipaddress.ip_address(address)
    return any(one in ipaddress.ip_network(cidr) for cidr in cidrs)


def _is_link_local(address: str) -> bool:
    return ipaddress.ip_address(address).is_link_local
