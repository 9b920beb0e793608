"""Security: what was refused, what is open, who looks for a way in, and who may have found one.

Each question stands in a file of its own and is asked of conversations, whose initiator is known, never of raw rows: a
busy server's replies are no scan. `RULES` turn answers into findings.
"""

from __future__ import annotations

from collections.abc import Callable

from flowkit.finding import Finding
from flowkit.security.background_noise import background_noise, reject_storm
from flowkit.security.beacons import beacon, beacons
from flowkit.security.brute_force import brute_force, brute_forced
from flowkit.security.exfiltrations import exfiltration, exfiltrations
from flowkit.security.exposed_services import exposed_service, exposed_services
from flowkit.security.external_peers import external_peers
from flowkit.security.host_sweeps import host_sweep, host_sweeps
from flowkit.security.port_scans import port_scan, port_scans
from flowkit.security.rejected_interfaces import rejected_interfaces
from flowkit.security.rejected_ports import rejected_ports
from flowkit.security.rejected_sources import rejected_sources
from flowkit.security.returns_rejected import return_rejected, returns_rejected
from flowkit.security.rule_use import policy_unused, rule_use

__all__ = [
    "RULES",
    "background_noise",
    "beacons",
    "brute_forced",
    "exfiltrations",
    "exposed_services",
    "external_peers",
    "host_sweeps",
    "port_scans",
    "rejected_interfaces",
    "rejected_ports",
    "rejected_sources",
    "returns_rejected",
    "rule_use",
]

#: Rule name -> function(flows, **parameters) -> findings.
RULES: dict[str, Callable[..., list[Finding]]] = {
    "port_scan": port_scan,
    "host_sweep": host_sweep,
    "brute_force": brute_force,
    "beacon": beacon,
    "exfiltration": exfiltration,
    "exposed_service": exposed_service,
    "return_rejected": return_rejected,
    "reject_storm": reject_storm,
    "policy_unused": policy_unused,
}
