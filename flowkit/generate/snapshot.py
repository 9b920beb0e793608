"""The company as an inventory file: what an AWS snapshot of it would say (docs/inventory.md)."""

from __future__ import annotations

from typing import Any

from flowkit.finding import iso
from flowkit.formats import to_format_string
from flowkit.generate.company import BANDWIDTH, REGION, Company
from flowkit.generate.lines import FORMATS
from flowkit.generate.network import Interface
from flowkit.generate.rules import (
    S3_PREFIX_LIST,
    S3_RANGES,
    network_acls,
    route_tables,
    s3_endpoint_id,
    security_groups,
)

__all__ = ["flow_log_id", "inventory"]

#: Ranges that AWS publishes for its own services in us-east-1 (ip-ranges.json, 2026).
_AMAZON_RANGES = ("52.46.128.0/19", "52.94.224.0/20")


def inventory(company: Company, formats: dict[int, str], start_s: int, interval_s: int) -> dict[str, Any]:
    """Everything, as plain JSON types. `formats` is the log format by VPC."""
    region = {"account_id": company.account_id, "region": REGION}
    return {
        "flowkit_inventory": 1,
        "taken_at": iso(start_s),
        "region": REGION,
        "vpcs": [
            {"vpc_id": v.vpc_id, **region, "cidrs": [str(c) for c in (v.cidr, v.cidr6) if c], "name": v.label}
            for v in company.vpcs
        ],
        "subnets": [
            {
                "subnet_id": s.subnet_id,
                "vpc_id": company.vpcs[s.vpc].vpc_id,
                "az_id": company.zones[s.zone],
                "cidrs": [str(c) for c in (s.cidr, s.cidr6) if c],
                "name": s.name,
                "route_table_id": s.route_table_id,
                "network_acl_id": s.network_acl_id,
            }
            for s in company.subnets
        ],
        "interfaces": [_interface(company, i) for i in company.interfaces],
        "instances": [
            {
                "instance_id": i.instance_id,
                "instance_type": i.instance_type,
                "name": i.name,
                "tags": {"Name": i.name, "team": i.role},
                "baseline_gbps": BANDWIDTH[i.instance_type][0],
                "burst_gbps": BANDWIDTH[i.instance_type][1],
            }
            for i in company.interfaces
            if i.instance_id
        ],
        "nat_gateways": [
            {
                "nat_gateway_id": i.owner,
                "vpc_id": company.vpcs[i.subnet.vpc].vpc_id,
                "subnet_id": i.subnet.subnet_id,
                "az_id": company.zones[i.zone],
                "interface_id": i.interface_id,
                "private_addresses": [i.address],
                "public_addresses": [i.public_address],
                "availability_mode": "zonal",
                "created_at": None,
            }
            for i in company.of("nat")
        ],
        "vpc_endpoints": _endpoints(company),
        "load_balancers": [
            {
                "name": "shop",
                "arn": company.of("alb")[0].owner,
                "type": "application",
                "interface_ids": [i.interface_id for i in company.of("alb")],
            }
        ],
        "security_groups": security_groups(company),
        "network_acls": network_acls(company),
        "route_tables": route_tables(company),
        "prefix_lists": [
            {"prefix_list_id": S3_PREFIX_LIST, "name": f"com.amazonaws.{REGION}.s3", "cidrs": list(S3_RANGES)}
        ],
        "peerings": [{"peering_id": company.id("pcx/shop-analytics"), "vpc_ids": [v.vpc_id for v in company.vpcs]}],
        "aws_ranges": [
            {"cidr": cidr, "region": REGION, "service": service}
            for service, cidrs in (("S3", S3_RANGES), ("AMAZON", _AMAZON_RANGES))
            for cidr in cidrs
        ],
        "flow_logs": [
            {
                "flow_log_id": flow_log_id(company, vpc),
                "resource_id": company.vpcs[vpc].vpc_id,
                "traffic_type": "ALL",
                "log_format": to_format_string(FORMATS[name]),
                "log_destination_type": "s3",
                "max_aggregation_interval": interval_s,
            }
            for vpc, name in formats.items()
        ],
    }


def flow_log_id(company: Company, vpc: int) -> str:
    """The flow log that watches a VPC."""
    return company.id(f"fl/{company.vpcs[vpc].label}")


def _interface(company: Company, one: Interface) -> dict[str, Any]:
    return {
        "interface_id": one.interface_id,
        "account_id": company.account_id,
        "vpc_id": company.vpcs[one.subnet.vpc].vpc_id,
        "subnet_id": one.subnet.subnet_id,
        "az_id": company.zones[one.zone],
        "interface_type": one.kind,
        "private_addresses": [one.address],
        "ipv6_addresses": [one.address6] if one.address6 else [],
        "prefixes": one.prefixes,
        "public_address": one.public_address or None,
        "instance_id": one.instance_id or None,
        "security_groups": one.groups,
        "owner": one.owner,
        "name": one.name,
        "source_dest_check": one.kind != "nat_gateway",
    }


def _endpoints(company: Company) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for vpc, one in enumerate(company.vpcs):
        tables = sorted({s.route_table_id for s in company.subnets if s.vpc == vpc and s.s3_endpoint})
        if tables:
            found.append(
                {
                    "vpc_endpoint_id": s3_endpoint_id(company, vpc),
                    "vpc_id": one.vpc_id,
                    "endpoint_type": "Gateway",
                    "service_name": f"com.amazonaws.{REGION}.s3",
                    "interface_ids": [],
                    "route_table_ids": tables,
                }
            )
    for service in sorted({i.service for i in company.of("endpoint")}):
        faces = [i for i in company.of("endpoint") if i.service == service]
        found.append(
            {
                "vpc_endpoint_id": faces[0].owner,
                "vpc_id": company.vpcs[0].vpc_id,
                "endpoint_type": "Interface",
                "service_name": f"com.amazonaws.{REGION}.{service}",
                "interface_ids": [i.interface_id for i in faces],
                "route_table_ids": [],
            }
        )
    return found
