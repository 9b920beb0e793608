"""Records as text: the values of every field of a log format, joined by spaces, one line per record.

Most fields depend on one thing only (the interface, an address), so a field is a small list of texts and a column of
numbers into it. Neighbouring fields of the same origin are joined once per text, not once per record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flowkit.fields import VPC_FIELDS
from flowkit.generate.company import REGION, Company
from flowkit.generate.draw import Ints, rng_for
from flowkit.generate.network import SERVICES, Interface
from flowkit.generate.records import Records

__all__ = ["FORMATS", "Writer"]

#: The formats on offer: all fields up to a version, in the order in which AWS lists them.
FORMATS = {
    name: tuple(field.name for field in VPC_FIELDS if field.version <= version)
    for name, version in (("v2", 2), ("v5", 5), ("v11", 11))
}

#: Interface types that the version 11 fields name; any other is `-`.
_NAMED_TYPES = ("nat_gateway", "network_load_balancer", "transit_gateway", "vpc_endpoint")
_NUMBERS = {
    "srcport": "sport",
    "dstport": "dport",
    "protocol": "protocol",
    "packets": "packets",
    "bytes": "bytes",
    "tcp-flags": "flags",
}
_ADDRESSES = {"srcaddr": "src", "dstaddr": "dst", "pkt-srcaddr": "pkt_src", "pkt-dstaddr": "pkt_dst"}


class Writer:
    """Turns records of one company and one format into lines of text."""

    def __init__(self, company: Company, format_name: str, start_s: int) -> None:
        self.company, self.start_s = company, start_s
        self.fields = FORMATS[format_name]
        self.version = format_name.removeprefix("v")
        self.header = " ".join(self.fields).encode() + b"\n"
        self._by_interface = {
            name: [of(i) for i in company.interfaces] for name, of in self._interface_fields().items()
        }
        nobody = dict.fromkeys(_NEXT_HOP, "-")
        peers = [{name: of(company, i) for name, of in _NEXT_HOP.items()} for i in company.interfaces]
        self._by_peer = {name: [p[name] for p in [*peers, nobody]] for name in _NEXT_HOP}
        self._groups = self._grouped()

    def lines(self, records: Records) -> tuple[memoryview, Ints]:
        """The text of all records, and where each line begins (one more entry than records)."""
        columns = [self._column(records, group) for group in self._groups]
        joined = pc.binary_join_element_wise(*columns, " ")
        ended = pc.binary_join_element_wise(joined, pa.scalar(""), "\n")
        _, offsets, text = ended.buffers()
        return memoryview(text or b""), np.frombuffer(offsets, dtype=np.int32)[: len(records) + 1]

    def gap_line(self, interface: Interface, start_s: int, end_s: int, status: str) -> bytes:
        """A NODATA or SKIPDATA line: only what is known without traffic."""
        known = {
            "version": self.version,
            "account-id": self.company.account_id,
            "interface-id": interface.interface_id,
            "start": str(self.start_s + start_s),
            "end": str(self.start_s + end_s),
            "log-status": status,
        }
        return " ".join(known.get(name, "-") for name in self.fields).encode() + b"\n"

    def _origin(self, name: str) -> str:
        if name in self._by_interface:
            return "interface"
        if name in self._by_peer:
            return "peer"
        return name

    def _grouped(self) -> tuple[tuple[str, ...], ...]:
        """The fields in order, neighbours of one origin together."""
        groups: list[list[str]] = []
        for name in self.fields:
            if groups and self._origin(groups[-1][0]) == self._origin(name) in ("interface", "peer"):
                groups[-1].append(name)
            else:
                groups.append([name])
        return tuple(tuple(group) for group in groups)

    def _column(self, records: Records, group: tuple[str, ...]) -> Any:
        name, origin = group[0], self._origin(group[0])
        if origin in ("interface", "peer"):
            texts = self._by_interface if origin == "interface" else self._by_peer
            joined = [" ".join(values) for values in zip(*(texts[n] for n in group), strict=True)]
            return _taken(joined, records.interface if origin == "interface" else records.peer)
        if name in _NUMBERS:
            return _numbers(getattr(records, _NUMBERS[name]))
        if name in _ADDRESSES:
            return _taken(self.company.addresses.texts, getattr(records, _ADDRESSES[name]))
        if name in ("start", "end"):
            return _numbers(getattr(records, f"{name}_s") + self.start_s)
        if name in ("pkt-src-aws-service", "pkt-dst-aws-service"):
            address = records.pkt_src if name == "pkt-src-aws-service" else records.pkt_dst
            return _taken(SERVICES, np.array(self.company.addresses.services)[address])
        if name == "action":
            return _taken(("ACCEPT", "REJECT"), records.rejected.astype(np.int64))
        if name == "type":
            six = np.array([":" in text for text in self.company.addresses.texts])
            return _taken(("IPv4", "IPv6"), six[records.pkt_src].astype(np.int64))
        if name == "flow-direction":
            return _taken(("ingress", "egress"), records.egress.astype(np.int64))
        if name == "traffic-path":
            return _taken(("-", *map(str, range(1, 9))), records.path)
        raise KeyError(f"the generator has no value for the field {name}")

    def _interface_fields(self) -> dict[str, Callable[[Interface], str]]:
        company = self.company
        fixed = {"version": self.version, "account-id": company.account_id, "log-status": "OK", "region": REGION}
        fixed |= dict.fromkeys(("sublocation-type", "sublocation-id", "reject-reason"), "-")
        fixed |= dict.fromkeys(("resource-id", "encryption-status"), "-")
        found: dict[str, Callable[[Interface], str]] = {name: partial(_fixed, value) for name, value in fixed.items()}
        found |= {
            "interface-id": lambda i: i.interface_id,
            "vpc-id": lambda i: company.vpcs[i.subnet.vpc].vpc_id,
            "subnet-id": lambda i: i.subnet.subnet_id,
            "instance-id": lambda i: i.instance_id or "-",
            "az-id": lambda i: company.zones[i.zone],
            "instance-tag": lambda i: encoded(i.name) if i.instance_id else "-",
            "instance-tag-2": lambda i: encoded(f"team {i.role}/prod") if i.instance_id else "-",
            "interface-tag": lambda i: encoded(f"{i.name} (primary)") if i.instance_id else "-",
            "interface-tag-2": lambda _: "-",
            "asg-tag": lambda i: encoded(f"asg-{i.role}") if i.role in ("web", "app", "node") else "-",
            "asg-tag-2": lambda _: "-",
            "interface-type": _named_type,
        }
        for name in (n for n in self.fields if n.startswith("ecs-")):
            found[name] = partial(_container, company, name)
        return {name: of for name, of in found.items() if name in self.fields}


def encoded(text: str) -> str:
    """A tag's value as version 11 writes it: percent-encoded UTF-8, the hyphen too."""
    return quote(text, safe="").replace("-", "%2D") or "-"


def _named_type(interface: Interface) -> str:
    return interface.kind if interface.kind in _NAMED_TYPES else "-"


_NEXT_HOP: dict[str, Callable[[Company, Interface], str]] = {
    "next-hop-interface-id": lambda _, i: i.interface_id,
    "next-hop-subnet-id": lambda _, i: i.subnet.subnet_id,
    "next-hop-az-id": lambda c, i: c.zones[i.zone],
    "next-hop-vpc-id": lambda c, i: c.vpcs[i.subnet.vpc].vpc_id,
    "next-hop-interface-type": lambda _, i: _named_type(i),
}


def _fixed(value: str, _: Interface) -> str:
    return value


def _container(company: Company, name: str, interface: Interface) -> str:
    """An ECS field of a container task's interface (Fargate: no container instance); `-` for any other interface."""
    if interface.role != "task":
        return "-"
    rng = rng_for(company.seed, "task", interface.name)
    start = f"arn:aws:ecs:{REGION}:{company.account_id}"
    task = f"{int(rng.integers(0, 1 << 62)):016x}{int(rng.integers(0, 1 << 62)):016x}"
    known = {
        "ecs-cluster-arn": f"{start}:cluster/{interface.owner}",
        "ecs-cluster-name": interface.owner,
        "ecs-container-id": f"{task}-{int(rng.integers(1, 1 << 31))}",
        "ecs-service-name": interface.service,
        "ecs-task-definition-arn": f"{start}:task-definition/{interface.service}:{int(rng.integers(1, 40))}",
        "ecs-task-arn": f"{start}:task/{interface.owner}/{task}",
        "ecs-task-id": task,
    }
    return known.get(name, "-")


def _taken(texts: Sequence[str], numbers: Ints) -> Any:
    return pa.array(texts, pa.string()).take(pa.array(np.where(numbers < 0, len(texts) - 1, numbers)))


def _numbers(values: Ints) -> Any:
    return pa.array(values).cast(pa.string())
