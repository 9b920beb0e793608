"""What is allowed and where it is routed: security groups, network ACLs, route tables, as the inventory lists them.

The groups allow exactly the ordinary traffic. Planted faults (a rule too many, an entry that refuses replies, a missing
route) are added to the company by the incidents and show up here.
"""

from __future__ import annotations

from typing import Any

from flowkit.generate.company import Company

__all__ = ["S3_PREFIX_LIST", "S3_RANGES", "network_acls", "route_tables", "s3_endpoint_id", "security_groups"]

S3_PREFIX_LIST = "pl-63a5400a"

#: Ranges that AWS publishes for S3 in us-east-1 (ip-ranges.json, 2026).
S3_RANGES = ("52.216.0.0/15", "54.231.0.0/16", "3.5.0.0/19")

#: group -> (protocol, port, who): a group's name, a CIDR, or one of the words in `_cidrs`.
_INGRESS: dict[str, list[tuple[str, int, str]]] = {
    "alb": [("6", 80, "0.0.0.0/0"), ("6", 443, "0.0.0.0/0"), ("6", 80, "::/0"), ("6", 443, "::/0")],
    "web": [("6", 8080, "sg/alb")],
    "app": [("6", 9000, "sg/web")],
    "search": [("6", 9200, "sg/app"), ("6", 9300, "sg/search")],
    "broker": [("6", 9092, "sg/app"), ("6", 9092, "sg/web"), ("6", 9092, "sg/broker")],
    "database": [("6", 5432, "sg/app"), ("6", 5432, "sg/batch"), ("6", 5432, "sg/database"), ("6", 5432, "analytics")],
    "cache": [("6", 6379, "sg/app"), ("6", 6379, "sg/node")],
    "node": [("-1", -1, "nodes")],
    "cluster": [("6", 443, "nodes")],
    "resolver": [("17", 53, "shop"), ("6", 53, "shop")],
    "monitor": [],
    "backup": [("6", 9103, "shop")],
    "build": [("6", 443, "192.168.0.0/16")],
    "batch": [],
    "bastion": [("6", 22, "192.168.0.0/16")],
    "reporting": [("6", 5432, "shop")],
    "endpoint": [("6", 443, "shop")],
    "analyst": [("6", 7337, "sg/analyst")],
}

#: Groups of hosts that run the monitoring agent and are administered over SSH.
_HOSTS = ("web", "app", "search", "broker", "node", "batch", "reporting", "bastion", "resolver", "backup", "build")
_FROM_OPERATIONS = [("6", 9100, "sg/monitor"), ("1", -1, "sg/monitor"), ("6", 22, "sg/bastion"), ("6", 22, "sg/build")]


def _cidrs(company: Company, who: str) -> list[str]:
    if who == "nodes":
        return [str(subnet.cidr) for subnet in company.subnets if subnet.tier == "nodes"]
    labels = {vpc.label: str(vpc.cidr) for vpc in company.vpcs}
    return [labels.get(who, who)]


def security_groups(company: Company) -> list[dict[str, Any]]:
    """Every group with its rules. Everything may leave; only the listed things may come in."""
    groups = []
    for name, wanted in _INGRESS.items():
        rules: list[dict[str, Any]] = []
        for protocol, port, who in [*wanted, *(_FROM_OPERATIONS if name in _HOSTS else ())]:
            peers = (
                [{"source_group_id": company.id(who)}]
                if who.startswith("sg/")
                else [{"cidr": cidr} for cidr in _cidrs(company, who)]
            )
            ports = {"from_port": port, "to_port": port} if port >= 0 else {}
            rules += [{"protocol": protocol, **ports, **peer} for peer in peers]
        rules += company.extra_ingress.get(name, [])
        for index, rule in enumerate(rules):
            rule["rule_id"] = company.id(f"sgr/{name}/{index}")
        out = [{"protocol": "-1", "cidr": cidr} for cidr in ("0.0.0.0/0", "::/0")]
        vpc = company.vpcs[1 if name == "analyst" else 0]
        groups.append(
            {"group_id": company.group(name), "vpc_id": vpc.vpc_id, "name": name, "ingress": rules, "egress": out}
        )
    return groups


def network_acls(company: Company) -> list[dict[str, Any]]:
    """One list per tier, open in both directions, and with the planted entries where there are any."""
    lists: dict[str, dict[str, Any]] = {}
    for subnet in company.subnets:
        acl = subnet.network_acl_id
        if acl not in lists:
            entries = [
                {"rule_number": number, "egress": egress, "protocol": "-1", "cidr": cidr, "action": "allow"}
                for egress in (False, True)
                for number, cidr in ((100, "0.0.0.0/0"), (101, "::/0"))
            ]
            lists[acl] = {
                "network_acl_id": acl,
                "vpc_id": company.vpcs[subnet.vpc].vpc_id,
                "subnet_ids": [],
                "entries": [*company.acl_entries.get(acl, []), *entries],
            }
        lists[acl]["subnet_ids"].append(subnet.subnet_id)
    return list(lists.values())


def s3_endpoint_id(company: Company, vpc: int) -> str:
    """The gateway endpoint for S3 of a VPC."""
    return company.id(f"vpce/s3-{company.vpcs[vpc].label}")


def route_tables(company: Company) -> list[dict[str, Any]]:
    """Every route table with its routes; those of one table's subnets are the same by construction."""
    tables: dict[str, dict[str, Any]] = {}
    for subnet in company.subnets:
        vpc, other = company.vpcs[subnet.vpc], company.vpcs[1 - subnet.vpc]
        if subnet.route_table_id not in tables:
            routes = [{"destination": str(vpc.cidr), "target": "local"}]
            routes.append({"destination": str(other.cidr), "target": company.id("pcx/shop-analytics")})
            if subnet.vpc == 0:
                routes.append({"destination": str(vpc.cidr6), "target": "local"})
                routes.append({"destination": "192.168.0.0/16", "target": company.id("vgw/shop")})
            if subnet.public:
                gateway = company.id(f"igw/{vpc.label}")
                routes.append({"destination": "0.0.0.0/0", "target": gateway})
                if vpc.cidr6 is not None:
                    routes.append({"destination": "::/0", "target": gateway})
            else:
                routes.append({"destination": "0.0.0.0/0", "target": company.interfaces[subnet.nat].owner})
            if subnet.s3_endpoint:
                routes.append({"destination": S3_PREFIX_LIST, "target": s3_endpoint_id(company, subnet.vpc)})
            tables[subnet.route_table_id] = {
                "route_table_id": subnet.route_table_id,
                "vpc_id": vpc.vpc_id,
                "subnet_ids": [],
                "main": False,
                "routes": routes,
            }
        tables[subnet.route_table_id]["subnet_ids"].append(subnet.subnet_id)
    return list(tables.values())
