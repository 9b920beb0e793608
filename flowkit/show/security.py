"""Pictures of the security questions, each named as its question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowkit.show import figure as house
from flowkit.show.axes import key, short
from flowkit.show.egress import (
    block_public_access,
    cleartext_services,
    floods,
    listed_addresses,
    resolvers_asked,
    unencrypted_paths,
    unusual_ports,
)
from flowkit.show.format import ABSENT, heading, shown
from flowkit.show.plots import bars
from flowkit.show.policy import (
    blocked_by,
    changes,
    lateral_movements,
    narrowest_rules,
    new_peers,
    open_rules,
    rejected_reasons,
)
from flowkit.show.shared_scans import block_scans, distributed_scans, spread_guesses
from flowkit.show.tables import instead_of
from flowkit.show.view import View

if TYPE_CHECKING:
    from flowkit.question import Answer

__all__ = [
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


def rejected_sources(answer: Answer) -> View:
    """Who was rejected most, inside and outside in their own colours."""
    return bars(answer, "srcaddr", "rejected", split="src_scope", caption="Rejected conversations by source")


def rejected_ports(answer: Answer) -> View:
    """Which ports rejected traffic was for, by where it came from."""
    return _stacked(
        answer,
        ("protocol", "dstport", "service"),
        ("inbound", "internal", "outbound"),
        "Rejected conversations by port",
    )


def rejected_interfaces(answer: Answer) -> View:
    """Which interfaces rejected most, by direction."""
    return _stacked(
        answer, ("name", "interface_id"), ("rejected_ingress", "rejected_egress"), "Rejected records by interface"
    )


def background_noise(answer: Answer) -> View:
    """Where the internet's noise arrives: probes refused and probes that nobody answered."""
    return _stacked(answer, ("dst_name", "dstaddr"), ("probes",), "Probes from the internet by interface")


def exposed_services(answer: Answer) -> View:
    """Which services answered the internet, by how many addresses, in the colours of their kind."""
    return bars(
        answer, ("dstaddr", "dstport", "service"), "sources", split="kind",
        caption="Internet addresses answered, by service",
    )  # fmt: skip


def port_scans(answer: Answer) -> View:
    """Who tried most ports of one host, in the colours of how it reads."""
    return bars(
        answer, ("srcaddr", "dstaddr"), "ports", split="reading", caption="Ports of one host tried by one source"
    )


def host_sweeps(answer: Answer) -> View:
    """Who tried one port on most hosts, in the colours of how it reads."""
    return bars(
        answer, ("srcaddr", "dstport"), "hosts", split="reading", caption="Hosts tried on one port by one source"
    )


def brute_forced(answer: Answer) -> View:
    """Who knocked at a login most, in the colours of how it reads."""
    return bars(
        answer,
        ("srcaddr", "dstaddr", "dstport"),
        "attempts",
        split="reading",
        caption="Short conversations with a login",
    )


def beacons(answer: Answer) -> View:
    """Who calls one address outside most steadily, in the colours of how it reads."""
    return bars(
        answer,
        ("srcaddr", "dstaddr", "dstport"),
        "calls",
        split="reading",
        caption="Calls of one host to one address outside",
    )


def exfiltrations(answer: Answer) -> View:
    """Who sent most to one address outside, in the colours of how it reads."""
    return bars(
        answer, ("srcaddr", "dstaddr", "dstport"), "sent_bytes", split="reading", caption="Sent to one address outside"
    )


def returns_rejected(answer: Answer) -> View:
    """Whose replies were refused most."""
    return bars(
        answer, ("srcaddr", "dstaddr", "dstport"), "conversations", split="refused_at",
        caption="Conversations whose replies were refused",
    )  # fmt: skip


def rule_use(answer: Answer) -> View:
    """Which security group rules the accepted traffic used, in the colours of the judgement."""
    return bars(
        answer, ("group_name", "from_port", "source"), "conversations", split="judgement",
        caption="Conversations that a rule would have let in",
    )  # fmt: skip


def external_peers(answer: Answer) -> View:
    """Who outside exchanged most with us, by direction."""
    return _stacked(
        answer, ("address", "aws_service"), ("sent_bytes", "received_bytes"), "Bytes exchanged with addresses outside"
    )


@house.styled
def _stacked(answer: Answer, named: Sequence[str], parts: Sequence[str], caption: str, limit: int = 15) -> View:
    """The first rows as horizontal bars of several parts, which add up. Absent names are left out of the label."""
    instead = instead_of(answer)
    if instead:
        return instead
    rows = answer.table.head(limit).to_dict("records")
    labels = [_name(row, named) for row in rows]
    whole = [sum(float(row[part]) for part in parts) for row in rows]
    figure, axes = house.new(68 + 26 * len(rows))
    reached = [0.0] * len(rows)
    for place, part in enumerate(parts):
        values = [float(row[part]) for row in rows]
        axes.barh(range(len(rows)), values, left=reached, color=house.PALETTE[place], height=0.66)
        reached = [left + value for left, value in zip(reached, values, strict=True)]
    axes.set_yticks(range(len(rows)), [short(label) for label in labels], color=house.INK)
    axes.invert_yaxis()
    axes.set_xticks([])
    axes.spines[["bottom", "left"]].set_visible(False)
    axes.grid(visible=False)
    top = max(whole) or 1.0
    axes.set_xlim(0.0, top * 1.16)
    for place, value in enumerate(whole):
        axes.text(value + top * 0.01, place, shown(parts[0], value), va="center", color=house.MUTED)
    if len(parts) > 1:
        key(axes, [(heading(part), house.PALETTE[place]) for place, part in enumerate(parts)])
    alt = f"{caption}. Bar chart of {len(rows)}: {labels[0]} leads with {shown(parts[0], whole[0])}."
    return house.drawn(figure, alt=alt, caption=caption)


def _name(row: Mapping[Any, Any], named: Sequence[str]) -> str:
    return " · ".join(text for text in (shown(column, row[column]) for column in named) if text != ABSENT)
