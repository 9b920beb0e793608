"""Pictures of what rules let in and refuse, and of who reaches whom; `show.security` offers them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flowkit.show import figure as house
from flowkit.show.axes import short, x_axis
from flowkit.show.format import shown
from flowkit.show.plots import bars
from flowkit.show.tables import instead_of
from flowkit.show.view import View

if TYPE_CHECKING:
    from flowkit.question import Answer

__all__ = [
    "blocked_by",
    "changes",
    "lateral_movements",
    "narrowest_rules",
    "new_peers",
    "open_rules",
    "rejected_reasons",
]

#: Hosts and hops in one picture of lateral movement.
_HOSTS, _HOPS = 16, 40


def blocked_by(answer: Answer) -> View:
    """What refused most, in the colours of the verdict."""
    return bars(
        answer, ("source", "dstaddr", "dstport"), "conversations", split="verdict",
        caption="Refused conversations by what refused them",
    )  # fmt: skip


def rejected_reasons(answer: Answer) -> View:
    """Rejected conversations in the colours of how they read."""
    return bars(
        answer, ("source", "dstaddr", "dstport"), "rejected", split="reading",
        caption="Rejected conversations by what they probably are",
    )  # fmt: skip


def open_rules(answer: Answer) -> View:
    """What security group rules let in, in the colours of how they read."""
    return bars(
        answer, ("group_name", "ports", "source"), "conversations", split="reading",
        caption="Answered conversations that a rule let in, the most open rules first",
    )  # fmt: skip


def narrowest_rules(answer: Answer) -> View:
    """What the proposed rules would admit and cut."""
    return bars(
        answer, ("group_name", "from_port", "source"), "conversations", split="part",
        caption="Conversations that the narrowest rules admit and cut",
    )  # fmt: skip


def new_peers(answer: Answer) -> View:
    """Who talks now that did not before, in the colours of how it reads."""
    return bars(
        answer, ("srcaddr", "dstaddr", "dstport"), "conversations", split="reading",
        caption="Conversations of pairs that are new",
    )  # fmt: skip


def changes(answer: Answer) -> View:
    """How many things of each kind are new, grown and gone."""
    instead = instead_of(answer)
    if instead:
        return instead
    counted = answer.table.groupby(["change", "what"], sort=False).size().rename("things").reset_index()
    return bars(
        replace(answer, _table=counted), ("what", "change"), "things", split="change", caption="Since the baseline"
    )


@house.styled
def lateral_movements(answer: Answer) -> View:
    """Each hop as an arrow from host to host, over time; hosts in the order in which they were reached."""
    instead = instead_of(answer)
    if instead:
        return instead
    rows = answer.table.sort_values(["chain", "first_s"], kind="stable").head(_HOPS).to_dict("records")
    hosts: list[str] = []
    drawn: list[tuple[dict[Hashable, Any], str, str]] = []
    for row in rows:
        ends = [str(row["srcaddr"]), str(row["dstaddr"])]
        fresh = [end for end in dict.fromkeys(ends) if end not in hosts]
        if len(hosts) + len(fresh) <= _HOSTS:
            hosts += fresh
            drawn.append((row, ends[0], ends[1]))
    names = {str(row[f"{side}addr"]): row[f"{side}_name"] for row in rows for side in ("src", "dst")}
    labels = [host if shown("name", names[host]) == "–" else f"{shown('name', names[host])} {host}" for host in hosts]
    figure, axes = house.new(70 + 28 * len(hosts))
    at = sorted(float(hop["first_s"]) for hop, _, _ in drawn)
    room = max(60.0, (at[-1] - at[0]) * 0.05)
    axes.set_xlim(at[0] - room, at[-1] + room)
    for hop, one, other in drawn:
        x, start, end = float(hop["first_s"]), hosts.index(one), hosts.index(other)
        shade = house.PALETTE[(int(hop["chain"]) - 1) % len(house.PALETTE)]
        axes.annotate("", (x, end), (x, start), arrowprops={"arrowstyle": "->", "color": shade, "linewidth": 1.8})
        axes.plot([x], [start], color=shade, marker="o", markersize=4)
    axes.set_yticks(range(len(hosts)), [short(label) for label in labels], color=house.INK)
    axes.set_ylim(len(hosts) - 0.5, -0.5)
    x_axis(axes, "first_s", at)
    title = "Sessions over administration ports, each from a host to one it had never reached"
    more = f" {len(rows) - len(drawn):,} hops more are in the table." if len(rows) > len(drawn) else ""
    alt = f"{title}. {len(drawn)} arrows between {len(hosts)} hosts, the first from {labels[0]}.{more}"
    return house.drawn(figure, alt=alt, caption=title)
