"""Security group rules in words, and the AWS CLI calls that show, narrow and remove them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.security.wording import aws_cli, protocol_name

if TYPE_CHECKING:
    from flowkit.inventory import Inventory, Rule

__all__ = ["home_range", "narrow", "ports_of", "remove", "show_rules", "source_of"]


def source_of(rule: Rule) -> str:
    """Whom a rule lets in: a range, a prefix list or a group."""
    return rule.cidr or rule.prefix_list_id or rule.source_group_id


def ports_of(rule: Rule) -> str:
    """What a rule lets in to: `all traffic`, `all TCP ports`, `TCP port 22`, `TCP ports 1024 to 65535`."""
    if rule.protocol == "-1":
        return "all traffic"
    name = protocol_name(int(rule.protocol))
    low, high = rule.from_port, rule.to_port if rule.to_port is not None else rule.from_port
    if rule.protocol in ("1", "58"):
        return "ICMP"
    if low in (None, -1) or (low, high) == (0, 65535):
        return f"all {name} ports"
    return f"{name} port {low}" if low == high else f"{name} ports {low} to {high}"


def home_range(inventory: Inventory, group_id: str) -> str:
    """The first IPv4 range of the group's VPC, to narrow an open rule to; empty where it is not listed."""
    group = inventory.security_group(group_id)
    vpc = inventory.vpc(group.vpc_id) if group else None
    return next((cidr for cidr in (vpc.cidrs if vpc else ()) if ":" not in cidr), "")


def narrow(inventory: Inventory, group_id: str, rule: Rule, *, port: int | None = None) -> str:
    """The call that narrows a rule to its own VPC's range, and to `port` if one is given.

    Where the VPC's range or the rule's id is not listed, the call that shows the group's rules.
    """
    home = home_range(inventory, group_id)
    if not home or not rule.rule_id.startswith("sgr-"):
        return show_rules(group_id)
    low = port if port is not None else rule.from_port
    high = port if port is not None else rule.to_port
    ports = f"FromPort={low},ToPort={high}," if low is not None and rule.protocol != "-1" else ""
    wanted = f"{{IpProtocol={rule.protocol},{ports}CidrIpv4={home}}}"
    return aws_cli(
        "ec2", "modify-security-group-rules", "--group-id", group_id,
        "--security-group-rules", f"SecurityGroupRuleId={rule.rule_id},SecurityGroupRule={wanted}",
    )  # fmt: skip


def remove(group_id: str, rule: Rule) -> str:
    """The call that takes a rule out; without the rule's id, the call that shows the group's rules."""
    if not rule.rule_id.startswith("sgr-"):
        return show_rules(group_id)
    return aws_cli(
        "ec2", "revoke-security-group-ingress", "--group-id", group_id, "--security-group-rule-ids", rule.rule_id
    )


def show_rules(group_id: str) -> str:
    """The call that shows the rules of a group."""
    return aws_cli("ec2", "describe-security-group-rules", "--filters", f"Name=group-id,Values={group_id}")
