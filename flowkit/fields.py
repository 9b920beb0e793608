"""The field table: every field a flow log can carry, with type, version, meaning, and when it is absent.

54 fields of VPC flow logs (versions 2 to 11; there is no VPC version 6) and 36 of transit gateway flow logs (version
6), 18 of which are shared. `docs/fields.md` is made from this. Sources: the AWS VPC and Transit Gateway user guides,
pages "Flow log records" and "Transit Gateway Flow Log records", as of 2026. Version 11
was seen in other people's write-ups and in the API only; those fields say `verified=False`. Blind spot: the fields of
Cloud WAN flow logs are not published; an unknown column is kept as text by the reader.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "DEFAULT_FORMAT",
    "FIELDS",
    "FIELDS_BY_COLUMN",
    "TGW_DEFAULT_FORMAT",
    "TGW_FIELDS",
    "VPC_FIELDS",
    "Field",
    "arrow_type",
]

#: Two AWS names are renamed, because `start` and `end` must be quoted in SQL and do not say their unit.
_RENAMED = {"start": "start_s", "end": "end_s"}


@dataclass(frozen=True, slots=True)
class Field:
    """One field, under AWS's name.

    `type` is `int` (32 bits), `bigint` (64 bits) or `text`. `null_when` says in words when AWS writes `-`. `kinds` are
    the kinds of records that carry it: `interface`, `regional_nat`, `transit_gateway`, and `nodata` for the
    NODATA and SKIPDATA lines. `parquet` is the type that AWS documents for Parquet files. `default_position` counts
    from 1 in the default format and is None outside it.
    """

    name: str
    version: int
    type: Literal["int", "bigint", "text"]
    meaning: str
    null_when: str = ""
    kinds: tuple[str, ...] = ("interface", "regional_nat")
    parquet: Literal["INT_32", "INT_64", "STRING"] = "STRING"
    default_position: int | None = None
    verified: bool = True

    @property
    def column(self) -> str:
        """The column's name in every table: underscores, and `start_s`, `end_s` for `start`, `end`."""
        return _RENAMED.get(self.name, self.name.replace("-", "_"))


_ALL = ("interface", "regional_nat", "nodata")
_ENI = ("interface",)
_NO_FLOW = "on NODATA and SKIPDATA lines"
_NOT_ECS = "when the interface is no ECS task's, the task is not in awsvpc mode, or belongs to another account"
_HOP = "when no next hop is known"
_REGIONAL = "for a regional NAT gateway, which `resource-id` names"
_NO_SERVICE = "when it lies in none; private addresses never do"


def _int(name: str, version: int, meaning: str, null_when: str = "", kinds: tuple[str, ...] = _ENI) -> Field:
    return Field(name, version, "int", meaning, null_when, kinds, "INT_32")


def _big(name: str, version: int, meaning: str, null_when: str = "", kinds: tuple[str, ...] = _ENI) -> Field:
    return Field(name, version, "bigint", meaning, null_when, kinds, "INT_64")


def _text(name: str, version: int, meaning: str, null_when: str = "", kinds: tuple[str, ...] = _ENI) -> Field:
    return Field(name, version, "text", meaning, null_when, kinds)


def _ecs(name: str, meaning: str, also: str = "") -> Field:
    return _text(name, 7, meaning, _NOT_ECS + also)


def _v11(name: str, meaning: str, null_when: str) -> Field:
    return replace(_text(name, 11, meaning, null_when), verified=False)


def _tag(name: str, whose: str) -> Field:
    meaning = f"Value of the {whose}; AWS writes it percent-encoded, and the reader decodes it once."
    return _v11(name, meaning, "without such a tag, or when the flow log names no tag keys")


_BOTH = ("interface", "regional_nat")

_VPC: tuple[Field, ...] = (
    _int("version", 2, "Highest version among the fields of the format; 2 for the default format.", kinds=_ALL),
    _text("account-id", 2, "Account that owns the observing interface: 12 digits, or `unknown`.", kinds=_ALL),
    _text("interface-id", 2, "The interface that observed the traffic.", _REGIONAL, ("interface", "nodata")),
    _text("srcaddr", 2, "Source address here; for what the interface sends, its own primary one.", _NO_FLOW, _BOTH),
    _text("dstaddr", 2, "Destination address here; for what it receives, its own primary one.", _NO_FLOW, _BOTH),
    _int("srcport", 2, "Source port; 0 where the protocol has none, as ICMP.", _NO_FLOW, _BOTH),
    _int("dstport", 2, "Destination port; 0 where the protocol has none, as ICMP.", _NO_FLOW, _BOTH),
    _int("protocol", 2, "IANA protocol number: 1 ICMP, 6 TCP, 17 UDP, 58 ICMPv6.", _NO_FLOW, _BOTH),
    _big("packets", 2, "Packets in this direction within the window.", _NO_FLOW, _BOTH),
    _big(
        "bytes",
        2,
        "Bytes in this direction within the window; AWS does not say which headers count.",
        _NO_FLOW + ", and where VPC Block Public Access refused the traffic",
        _BOTH,
    ),
    _big("start", 2, "When the window's first packet was seen, epoch seconds, up to 60 s late.", kinds=_ALL),
    _big("end", 2, "When the window's last packet was seen, epoch seconds, up to 60 s late.", kinds=_ALL),
    _text(
        "action",
        2,
        "`ACCEPT`, or `REJECT`: refused by a security group or network ACL, or too late for its connection.",
        _NO_FLOW,
        _BOTH,
    ),
    _text("log-status", 2, "`OK`, `NODATA` (no traffic) or `SKIPDATA` (records were lost).", kinds=_ALL),
    _text("vpc-id", 3, "VPC of the observing interface.", kinds=_BOTH),
    _text("subnet-id", 3, "Subnet of the observing interface.", _REGIONAL),
    _text("instance-id", 3, "EC2 instance that the interface is attached to.", "on interfaces that AWS manages"),
    _int(
        "tcp-flags",
        3,
        "TCP flags of the window, OR-ed: FIN 1, SYN 2, RST 4, SYN with ACK 18; an ACK alone counts as 0.",
        "when the flags make no valid combination, and " + _NO_FLOW,
        _BOTH,
    ),
    _text("type", 3, "`IPv4`, `IPv6` or `EFA`.", _NO_FLOW, _BOTH),
    _text("pkt-srcaddr", 3, "Source address in the packet, before a NAT or pod address is replaced.", _NO_FLOW, _BOTH),
    _text("pkt-dstaddr", 3, "Destination address in the packet, before it is replaced.", _NO_FLOW, _BOTH),
    _text("region", 4, "Region of the observing interface.", kinds=_BOTH),
    _text("az-id", 4, "Availability Zone id (not its letter) of this side.", "in a sublocation", _BOTH),
    _text("sublocation-type", 4, "`wavelength`, `outpost` or `localzone`.", "outside sublocations"),
    _text("sublocation-id", 4, "Id of that sublocation.", "outside sublocations"),
    _text("pkt-src-aws-service", 5, "AWS service in whose published range `pkt-srcaddr` lies.", _NO_SERVICE, _BOTH),
    _text("pkt-dst-aws-service", 5, "AWS service in whose published range `pkt-dstaddr` lies.", _NO_SERVICE, _BOTH),
    _text("flow-direction", 5, "`ingress` or `egress`, seen from the observing interface.", _NO_FLOW, _BOTH),
    _int(
        "traffic-path",
        5,
        "How egress traffic left: 1 same VPC, 2 internet gateway or gateway endpoint, 3 virtual private gateway, "
        "4 peering in the region, 5 peering between regions, 6 local gateway or zone, 7 gateway endpoint, "
        "8 internet gateway (7 and 8 on Nitro).",
        "on ingress, and where no code fits (transit gateway, NAT gateway, interface endpoint)",
        _BOTH,
    ),
    _ecs("ecs-cluster-arn", "ARN of the ECS cluster."),
    _ecs("ecs-cluster-name", "Name of the ECS cluster."),
    _ecs("ecs-container-instance-arn", "ARN of the container instance under the task.", "; on Fargate"),
    _ecs("ecs-container-instance-id", "Id of the container instance under the task.", "; on Fargate"),
    _ecs("ecs-container-id", "Runtime id of one container of the task; the order is not fixed."),
    _ecs("ecs-second-container-id", "Runtime id of another container of the task.", "; with one container"),
    _ecs("ecs-service-name", "ECS service that started the task.", "; when no service did"),
    _ecs("ecs-task-definition-arn", "ARN of the task definition."),
    _ecs("ecs-task-arn", "ARN of the task."),
    _ecs("ecs-task-id", "Id of the task."),
    _text(
        "reject-reason",
        8,
        "`BPA` (VPC Block Public Access) or `EC` (encryption controls).",
        "for any other reason: security groups and network ACLs are not told apart",
        _BOTH,
    ),
    _text("resource-id", 9, "The regional NAT gateway of the record.", "for everything else", ("regional_nat",)),
    _int(
        "encryption-status",
        10,
        "Encryption in transit: 0 none, 1 by Nitro, 2 by the application, 3 both.",
        "when VPC encryption controls are off or the state is unknown",
    ),
    _tag("instance-tag", "first instance tag that the flow log names"),
    _tag("instance-tag-2", "second instance tag"),
    _tag("interface-tag", "first network interface tag that the flow log names"),
    _tag("interface-tag-2", "second network interface tag"),
    _tag("asg-tag", "first Auto Scaling group tag that the flow log names"),
    _tag("asg-tag-2", "second Auto Scaling group tag"),
    _v11(
        "interface-type",
        "Kind of the observing interface: `nat_gateway`, `regional_nat_gateway`, `network_load_balancer`, "
        "`transit_gateway`, `vpc_endpoint`; the list is open.",
        "for ordinary interfaces",
    ),
    _v11("next-hop-interface-id", "The interface at the other end of this hop.", _HOP),
    _v11("next-hop-subnet-id", "Subnet of the next hop's interface.", _HOP),
    _v11("next-hop-az-id", "Availability Zone id of the next hop's interface.", _HOP),
    _v11("next-hop-vpc-id", "VPC of the next hop's interface.", _HOP),
    _v11("next-hop-interface-type", "Kind of the next hop's interface, as in `interface-type`.", _HOP),
)

_TGW_ONLY = ("transit_gateway",)

_TGW_ORDER = """
version resource-type account-id tgw-id tgw-attachment-id tgw-src-vpc-account-id tgw-dst-vpc-account-id
tgw-src-vpc-id tgw-dst-vpc-id tgw-src-subnet-id tgw-dst-subnet-id tgw-src-eni tgw-dst-eni tgw-src-az-id
tgw-dst-az-id tgw-pair-attachment-id srcaddr dstaddr srcport dstport protocol packets bytes start end log-status
type packets-lost-no-route packets-lost-blackhole packets-lost-mtu-exceeded packets-lost-ttl-expired tcp-flags
region flow-direction pkt-src-aws-service pkt-dst-aws-service
"""

#: The format of a transit gateway flow log that names none: all 36 fields.
TGW_DEFAULT_FORMAT: tuple[str, ...] = tuple(_TGW_ORDER.split())

#: The format of a VPC flow log that names none: the fields of version 2, in this order.
DEFAULT_FORMAT: tuple[str, ...] = tuple(field.name for field in _VPC if field.version == 2)


def _tgw(name: str, meaning: str, null_when: str = "") -> Field:
    return _text(name, 6, meaning, null_when, _TGW_ONLY)


def _lost(name: str, why: str) -> Field:
    return _big(name, 6, f"Packets lost {why}.", kinds=_TGW_ONLY)


_TGW_OWN: tuple[Field, ...] = (
    _tgw("resource-type", "Kind of resource the flow log was made for, `TransitGateway`."),
    _tgw("tgw-id", "The transit gateway."),
    _tgw("tgw-attachment-id", "The attachment that observed the traffic."),
    _tgw("tgw-src-vpc-account-id", "Account of the sender's VPC."),
    _tgw("tgw-dst-vpc-account-id", "Account of the receiver's VPC."),
    _tgw("tgw-src-vpc-id", "The sender's VPC."),
    _tgw("tgw-dst-vpc-id", "The receiver's VPC."),
    _tgw("tgw-src-subnet-id", "Subnet of the attachment on the sender's side."),
    _tgw("tgw-dst-subnet-id", "Subnet of the attachment on the receiver's side."),
    _tgw("tgw-src-eni", "Interface of the attachment on the sender's side."),
    _tgw("tgw-dst-eni", "Interface of the attachment on the receiver's side."),
    _tgw("tgw-src-az-id", "Availability Zone id of the sender's side.", "in a sublocation"),
    _tgw("tgw-dst-az-id", "Availability Zone id of the receiver's side."),
    _tgw("tgw-pair-attachment-id", "The attachment on the other side of the gateway."),
    _lost("packets-lost-no-route", "for want of a route"),
    _lost("packets-lost-blackhole", "to a blackhole route"),
    _lost("packets-lost-mtu-exceeded", "because they were larger than the MTU"),
    _lost("packets-lost-ttl-expired", "because their time to live ran out"),
)

#: Where a shared field means something else at a transit gateway.
_TGW_MEANING = {
    "version": "Highest version among the fields of the format; 6 with the default format.",
    "account-id": "Account that owns the transit gateway.",
    "srcaddr": "Source address.",
    "dstaddr": "Destination address.",
    "tcp-flags": "TCP flags of the window, OR-ed; PSH 8, ACK 16 and URG 32 are documented too; an ACK alone is 0.",
    "region": "Region of the transit gateway.",
    "flow-direction": "`ingress` or `egress`, seen from the transit gateway.",
    "pkt-src-aws-service": "AWS service in whose published range `srcaddr` lies.",
    "pkt-dst-aws-service": "AWS service in whose published range `dstaddr` lies.",
}


def _placed(field: Field) -> Field:
    position = DEFAULT_FORMAT.index(field.name) + 1 if field.name in DEFAULT_FORMAT else None
    kinds = (*field.kinds, "transit_gateway") if field.name in TGW_DEFAULT_FORMAT else field.kinds
    return replace(field, default_position=position, kinds=kinds)


VPC_FIELDS: tuple[Field, ...] = tuple(_placed(field) for field in _VPC)

_SHARED = {field.name: field for field in (*VPC_FIELDS, *_TGW_OWN)}

TGW_FIELDS: tuple[Field, ...] = tuple(
    replace(
        _SHARED[name],
        meaning=_TGW_MEANING.get(name, _SHARED[name].meaning),
        kinds=_TGW_ONLY,
        parquet="INT_64" if name == "protocol" else _SHARED[name].parquet,
        default_position=position,
    )
    for position, name in enumerate(TGW_DEFAULT_FORMAT, 1)
)

#: Every field by AWS's name; the VPC description where both kinds have it.
FIELDS: dict[str, Field] = {field.name: field for field in VPC_FIELDS}
FIELDS |= {field.name: field for field in TGW_FIELDS if field.name not in FIELDS}

#: The same by column name, as the tables have it.
FIELDS_BY_COLUMN: dict[str, Field] = {field.column: field for field in FIELDS.values()}


def arrow_type(field: Field) -> pa.DataType:
    """The Arrow type of a field's column."""
    import pyarrow as pa

    return {"int": pa.int32(), "bigint": pa.int64(), "text": pa.string()}[field.type]
