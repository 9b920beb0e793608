"""Performance: how much goes where and when, which connections fail, and who is at a limit.

Flow logs hold no round-trip time and no packet loss; what is inferred says from what. Questions about interfaces read
records (each interface's own view), questions about hosts and services read conversations (each byte once).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flowkit.finding import Finding
from flowkit.performance.busiest_interfaces import busiest_interfaces
from flowkit.performance.concurrency import concurrency
from flowkit.performance.connection_health import connection_health, failing_pairs
from flowkit.performance.failing_service import failing_service
from flowkit.performance.failing_services import failing_services
from flowkit.performance.half_open import half_open, half_open_rule
from flowkit.performance.log_gaps import log_gaps
from flowkit.performance.packet_sizes import packet_sizes, packet_sizes_by_service, small_packets
from flowkit.performance.saturated_interface import saturated_interface
from flowkit.performance.saturation import saturation
from flowkit.performance.throughput import throughput, throughput_by_interface
from flowkit.performance.top_talkers import top_pairs, top_talkers
from flowkit.performance.zone_matrix import az_matrix, subnet_matrix

__all__ = [
    "RULES",
    "az_matrix",
    "busiest_interfaces",
    "concurrency",
    "connection_health",
    "failing_pairs",
    "failing_services",
    "half_open",
    "log_gaps",
    "packet_sizes",
    "packet_sizes_by_service",
    "saturation",
    "small_packets",
    "subnet_matrix",
    "throughput",
    "throughput_by_interface",
    "top_pairs",
    "top_talkers",
]

#: Rule name -> function(flows, **parameters) -> findings.
RULES: Mapping[str, Callable[..., list[Finding]]] = {
    "failing_service": failing_service,
    "saturated_interface": saturated_interface,
    "half_open": half_open_rule,
}
