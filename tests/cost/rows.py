"""Hops between hosts of one small network, as both of their interfaces log them.

Zone 1 has `a` (10.0.1.1) and the load balancer; zone 2 has `b` (10.0.2.1), the database, the cache and the NAT gateway.
"""

from __future__ import annotations

from typing import Any

from tests.rows import flow

REGION = "us-east-1"

#: name -> (interface, zone, address, what the inventory calls it)
HOSTS = {
    "a": ("eni-a", "use1-az1", "10.0.1.1", "interface"),
    "a2": ("eni-a2", "use1-az1", "10.0.1.2", "interface"),
    "b": ("eni-b", "use1-az2", "10.0.2.1", "interface"),
    "lb": ("eni-lb", "use1-az1", "10.0.1.9", "load_balancer"),
    "db": ("eni-db", "use1-az2", "10.0.2.8", "rds"),
    "db1": ("eni-db1", "use1-az1", "10.0.1.8", "rds"),
    "cache": ("eni-cache", "use1-az2", "10.0.2.7", "elasticache"),
    "endpoint": ("eni-ep", "use1-az2", "10.0.2.6", "vpc_endpoint"),
    "nat": ("eni-nat", "use1-az2", "10.0.2.5", "nat_gateway"),
    "peer": ("eni-peer", "use1-az2", "10.9.2.1", "interface"),
}


def inventory(**lists: Any) -> dict[str, Any]:
    """An inventory of all hosts. `peer` is in vpc-2, the others in vpc-1; `lists` replace or add lists."""
    interfaces = [
        {
            "interface_id": interface,
            "vpc_id": "vpc-2" if name == "peer" else "vpc-1",
            "subnet_id": f"subnet-{zone[-1]}",
            "az_id": zone,
            "interface_type": kind,
            "private_addresses": [address],
            "name": name,
            "public_address": "52.0.0.5" if name == "nat" else "52.0.0.9" if name == "lb" else None,
        }
        for name, (interface, zone, address, kind) in HOSTS.items()
    ]
    made = {
        "region": REGION,
        "vpcs": [
            {"vpc_id": "vpc-1", "cidrs": ["10.0.0.0/16"], "region": REGION},
            {"vpc_id": "vpc-2", "cidrs": ["10.9.0.0/16"], "region": REGION},
        ],
        "subnets": [
            {"subnet_id": "subnet-1", "vpc_id": "vpc-1", "az_id": "use1-az1", "cidrs": ["10.0.1.0/24"]},
            {"subnet_id": "subnet-2", "vpc_id": "vpc-1", "az_id": "use1-az2", "cidrs": ["10.0.2.0/24"]},
        ],
        "interfaces": interfaces,
    }
    return {**made, **lists}


def seen(at: str, **fields: Any) -> dict[str, Any]:
    """One record at a host's interface, with its VPC and zone."""
    interface, zone, _, _ = HOSTS[at]
    vpc = "vpc-2" if at == "peer" else "vpc-1"
    return flow(**{"interface_id": interface, "vpc_id": vpc, "az_id": zone, "region": REGION, **fields})


def hop(src: str, dst: str, size: int, *, at: str = "both", **fields: Any) -> list[dict[str, Any]]:
    """Records of `size` bytes from `src` to `dst`, at both ends or at one of them."""
    one, other = HOSTS[src][2], HOSTS[dst][2]
    common = {
        "srcaddr": one, "dstaddr": other, "pkt_srcaddr": one, "pkt_dstaddr": other, "bytes": size,
        "traffic_path": None, **fields,
    }  # fmt: skip
    rows = []
    if at in ("both", src):
        rows.append(seen(src, **{"flow_direction": "egress", **common, "traffic_path": fields.get("traffic_path", 1)}))
    if at in ("both", dst):
        rows.append(seen(dst, **{"flow_direction": "ingress", **common, "traffic_path": None}))
    return rows


def through_nat(
    client: str, peer: str, out: int, back: int, *, service: str | None = None, packets: bool = True, **fields: Any
) -> list[dict[str, Any]]:
    """A conversation with a public address through the NAT gateway: two legs at the client, four at the gateway."""
    inside, gateway = HOSTS[client][2], HOSTS["nat"][2]
    asked = {"bytes": out, "srcport": 40000, "dstport": 443, **fields}
    told = {"bytes": back, "srcport": 443, "dstport": 40000, **fields}
    outer_asked, outer_told = {**asked, "srcport": 2000}, {**told, "dstport": 2000}
    to, of = {"pkt_dst_aws_service": service}, {"pkt_src_aws_service": service}

    def leg(
        at: str, src: str, dst: str, way: str, path: int | None, pkt: tuple[str, str], **more: Any
    ) -> dict[str, Any]:
        extra = {"pkt_srcaddr": pkt[0], "pkt_dstaddr": pkt[1], "flow_direction": way, "traffic_path": path}
        services = {"pkt_src_aws_service": None, "pkt_dst_aws_service": None}
        row = {"srcaddr": src, "dstaddr": dst, **more}
        return seen(at, **({**extra, **services, **row} if packets else _plain(row)))

    return [
        leg(client, inside, peer, "egress", 1, (inside, peer), **asked, **to),
        leg("nat", inside, gateway, "ingress", None, (inside, peer), **asked, **to),
        leg("nat", gateway, peer, "egress", 8, (gateway, peer), **outer_asked, **to),
        leg("nat", peer, gateway, "ingress", None, (peer, gateway), **outer_told, **of),
        leg("nat", gateway, inside, "egress", 1, (peer, inside), **told, **of),
        leg(client, peer, inside, "ingress", None, (peer, inside), **told, **of),
    ]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """The row as the default format has it."""
    return {name: value for name, value in row.items() if not name.startswith("pkt_")}


def default_format(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records as version 2 has them: nothing but the fourteen fields."""
    extra = ("vpc_id", "az_id", "region", "flow_direction", "traffic_path", "pkt_srcaddr", "pkt_dstaddr",
             "pkt_src_aws_service", "pkt_dst_aws_service")  # fmt: skip
    return [{name: value for name, value in row.items() if name not in extra} for row in rows]
