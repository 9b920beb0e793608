"""Reach that should not be there, and reach that should: an open database, a NACL against replies, a missing rule."""

from __future__ import annotations

import numpy as np

from flowkit.generate.conversations import (
    DROP_AT_DESTINATION,
    DROP_REPLY_AT_DESTINATION,
    DROP_REPLY_AT_SOURCE,
    SYN,
    SYN_ACK,
)
from flowkit.generate.draw import between, internet_v4
from flowkit.generate.incidents.plan import Plan

__all__ = ["plant"]

_DATABASES = {
    3306: "MySQL",
    5432: "PostgreSQL",
    1433: "SQL Server",
    6379: "Redis",
    9200: "Elasticsearch",
    27017: "MongoDB",
}


def plant(plan: Plan) -> None:
    """All three. They come first, because they change rules that other traffic meets."""
    _exposed_database(plan)
    _replies_rejected(plan)
    _missing_rule(plan)


def _exposed_database(plan: Plan) -> None:
    """A database on a public host, open to the world, and the world comes."""
    rng, company = plan.rng("exposed"), plan.company
    host = company.of("reporting")[0]
    port = int(rng.choice(list(_DATABASES)))
    rule = {"protocol": "6", "from_port": port, "to_port": port, "cidr": "0.0.0.0/0", "description": "partner access"}
    company.extra_ingress.setdefault("reporting", []).append(rule)
    company.open_ports.add((host.index, port))
    sources = company.addresses.add_all(internet_v4(rng, int(rng.integers(8, 20))))
    first, last = plan.span(rng, 0.4 * plan.scene.length_s, 0.8 * plan.scene.length_s)
    count = int(rng.integers(50, 130))
    at = np.sort(rng.uniform(first, last, count))
    src = sources[rng.integers(0, len(sources), count)]
    plan.talk.tcp(
        src,
        host.address_id,
        port,
        at,
        between(rng, 0.5, 20, count),
        between(rng, 300, 4_000, count),
        between(rng, 800, 60_000, count),
        rtt_s=0.09,
    )
    note = f"{_DATABASES[port]} on {host.name} answers {len(sources)} Internet addresses"
    subject = {"dstaddr": host.address, "dstport": port, "protocol": 6, "interface_id": host.interface_id}
    reached = (host.address_id, port)
    plan.record("exposed_service", "high", subject, at[0], at[-1] + 20, note, reached=reached)


def _replies_rejected(plan: Plan) -> None:
    """A network ACL between two subnets lets the question through and refuses the answer."""
    rng, company = plan.rng("replies"), plan.company
    client, server = plan.pair(rng, ("batch",), ("search", "broker", "app"))
    port = int(rng.choice([7443, 8089, 8444, 9443, 7001, 5671]))
    at_server = rng.random() < 0.5
    at = server if at_server else client
    other = client if at_server else server
    # Inbound at the client's subnet, or outbound at the server's; both kill answers to ephemeral ports only.
    entry = {
        "rule_number": 90,
        "egress": at_server,
        "protocol": "6",
        "from_port": 1024,
        "to_port": 65535,
        "cidr": str(other.subnet.cidr),
        "action": "deny",
    }
    # A network ACL of its own for that one subnet: its tier's other zones are not affected.
    at.subnet.network_acl_id = company.id(f"acl/{at.subnet.name}")
    company.acl_entries.setdefault(at.subnet.network_acl_id, []).append(entry)
    rule = {
        "protocol": "6",
        "from_port": port,
        "to_port": port,
        "cidr": str(client.subnet.cidr),
        "description": "batch jobs",
    }
    company.extra_ingress.setdefault(server.role, []).append(rule)
    first, last = plan.span(rng, 0.3 * plan.scene.length_s, 0.7 * plan.scene.length_s)
    count = int(rng.integers(80, 200))
    start = np.sort(rng.uniform(first, last, count))
    tries, answers = rng.integers(4, 6, count), rng.integers(5, 8, count)
    plan.talk.add(
        src=client.address_id,
        dst=server.address_id,
        dport=port,
        protocol=6,
        f0_s=start,
        f1_s=start + 2.0**tries / 2,
        r0_s=start + 0.01,
        r1_s=start + 2.0**tries / 2 + 1,
        f_packets=tries,
        f_bytes=60 * tries,
        r_packets=answers,
        r_bytes=60 * answers,
        f_open=SYN,
        f_close=SYN,
        r_open=SYN_ACK,
        r_close=SYN_ACK,
        block=DROP_REPLY_AT_DESTINATION if at_server else DROP_REPLY_AT_SOURCE,
    )
    side = "outbound at the server's" if at_server else "inbound at the client's"
    note = f"answers of {server.name} to {client.name} are refused by a network ACL {side} subnet"
    subject = {
        "srcaddr": client.address,
        "dstaddr": server.address,
        "dstport": port,
        "protocol": 6,
        "interface_id": at.interface_id,
    }
    plan.record("return_rejected", "medium", subject, start[0], start[-1] + 17, note)


def _missing_rule(plan: Plan) -> None:
    """An application keeps calling a service whose security group has no rule for it."""
    rng = plan.rng("missing")
    client, server = plan.pair(rng, ("web", "task", "app"), ("search", "broker", "node", "web"))
    port = int(rng.choice([9300, 8081, 8500, 15672, 9093, 8888]))
    first, last = plan.span(rng, 0.25 * plan.scene.length_s, 0.6 * plan.scene.length_s)
    pause = float(rng.uniform(15, 60))
    count = int(np.clip((last - first) / pause, 150, 450))
    at = np.linspace(first, last, count) + rng.uniform(-0.3, 0.3, count) * (last - first) / count
    tries = rng.integers(3, 6, count)
    end = at + 2.0**tries / 2
    plan.talk.add(
        src=client.address_id,
        dst=server.address_id,
        dport=port,
        protocol=6,
        f0_s=at,
        f1_s=end,
        f_packets=tries,
        f_bytes=60 * tries,
        f_open=SYN,
        f_close=SYN,
        block=DROP_AT_DESTINATION,
    )
    note = f"{client.name} calls port {port} of {server.name} {count} times; its security group refuses it"
    subject = {"srcaddr": client.address, "dstaddr": server.address, "dstport": port, "protocol": 6}
    plan.record("failing_service", "medium", subject, at.min(), end.max(), note)
