"""Hard negatives: ordinary things that look like attacks. `CASES` maps the name of each to what plays it.

A case adds its conversations to a lab and returns the addresses of its own that findings may name; anything of medium
severity or above about one of them is a false finding.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.detection.lab import Lab
from benchmarks.detection.quiet import operations, servers, users

__all__ = ["CASES"]

CASES: dict[str, Callable[[Lab, np.random.Generator], set[str]]] = {
    "load balancer": servers.load_balancer,
    "NAT gateway": servers.nat_gateway,
    "port forwarding and NLB": servers.port_forwarding,
    "DNS resolver": servers.resolver,
    "mail relay": servers.mail_relay,
    "service mesh": servers.service_mesh,
    "monitoring": operations.monitoring,
    "monitoring agent": operations.agents,
    "health checks": operations.health_checks,
    "update checks": operations.updates,
    "NTP": operations.time_servers,
    "backup server": operations.backups,
    "batch job": operations.batch_job,
    "administration by SSH": operations.administration,
    "P2P": users.peer_to_peer,
    "crawler": users.crawler,
    "video and QUIC over UDP": users.video,
}
