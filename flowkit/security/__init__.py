"""Security: what was refused, what is open, who looks for a way in, and who may have found one.

Each question stands in a file of its own and is asked of conversations, whose initiator is known, never of raw rows: a
busy server's replies are no scan. `RULES` turn answers into findings.
"""

from __future__ import annotations

from collections.abc import Callable

from flowkit.finding import Finding
from flowkit.security.background_noise import background_noise, reject_storm
from flowkit.security.beacons import beacon, beacons
from flowkit.security.block_public_access import block_public_access
from flowkit.security.block_scans import block_scans
from flowkit.security.blocked_by import blocked_by
from flowkit.security.brute_force import brute_force, brute_forced
from flowkit.security.changes import changes
from flowkit.security.cleartext_services import cleartext_protocol, cleartext_services
from flowkit.security.distributed_scans import distributed_scans
from flowkit.security.exfiltrations import exfiltration, exfiltrations
from flowkit.security.exposed_services import exposed_service, exposed_services
from flowkit.security.external_peers import external_peers
from flowkit.security.floods import flood, floods
from flowkit.security.host_sweeps import host_sweep, host_sweeps
from flowkit.security.lateral_movements import lateral_movement, lateral_movements
from flowkit.security.listed_addresses import listed_addresses, threat_list
from flowkit.security.narrowest_rules import narrowest_rules
from flowkit.security.new_peers import new_peer, new_peers
from flowkit.security.open_rules import open_rules, policy_open
from flowkit.security.port_scans import port_scan, port_scans
from flowkit.security.rejected_interfaces import rejected_interfaces
from flowkit.security.rejected_ports import rejected_ports
from flowkit.security.rejected_reasons import rejected_reasons
from flowkit.security.rejected_sources import rejected_sources
from flowkit.security.resolvers_asked import dns_bypass, resolvers_asked
from flowkit.security.returns_rejected import return_rejected, returns_rejected
from flowkit.security.rule_use import policy_unused, rule_use
from flowkit.security.spread_guesses import spread_guesses
from flowkit.security.unencrypted_paths import unencrypted, unencrypted_paths
from flowkit.security.unusual_ports import unusual_port, unusual_ports

__all__ = [
    "RULES",
    "background_noise",
    "beacons",
    "block_public_access",
    "block_scans",
    "blocked_by",
    "brute_forced",
    "changes",
    "cleartext_services",
    "distributed_scans",
    "exfiltrations",
    "exposed_services",
    "external_peers",
    "floods",
    "host_sweeps",
    "lateral_movements",
    "listed_addresses",
    "narrowest_rules",
    "new_peers",
    "open_rules",
    "port_scans",
    "rejected_interfaces",
    "rejected_ports",
    "rejected_reasons",
    "rejected_sources",
    "resolvers_asked",
    "returns_rejected",
    "rule_use",
    "spread_guesses",
    "unencrypted_paths",
    "unusual_ports",
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
    "policy_open": policy_open,
    "new_peer": new_peer,
    "lateral_movement": lateral_movement,
    "flood": flood,
    "threat_list": threat_list,
    "dns_bypass": dns_bypass,
    "unusual_port": unusual_port,
    "cleartext_protocol": cleartext_protocol,
    "unencrypted": unencrypted,
}
