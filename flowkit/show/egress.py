"""Pictures of what leaves, floods and is on a list. `show.security` offers them under the names of their questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.show.plots import bars

if TYPE_CHECKING:
    from flowkit.question import Answer
    from flowkit.show.view import View

__all__ = [
    "block_public_access",
    "cleartext_services",
    "floods",
    "listed_addresses",
    "resolvers_asked",
    "unencrypted_paths",
    "unusual_ports",
]


def floods(answer: Answer) -> View:
    """Who got most packets that were no conversation, in the colours of how it reads."""
    return bars(
        answer, ("dstaddr", "kind", "port"), "packets", split="reading", caption="Packets of possible floods by target"
    )


def resolvers_asked(answer: Answer) -> View:
    """Which name servers were asked most, in the colours of how it reads."""
    return bars(answer, ("srcaddr", "dstaddr"), "queries", split="reading", caption="Questions to name servers")


def unusual_ports(answer: Answer) -> View:
    """Which hosts use what ordinary hosts do not, in the colours of what it is."""
    return bars(
        answer, ("srcaddr", "use", "reading"), "conversations", split="use", caption="Conversations of unusual use"
    )


def cleartext_services(answer: Answer) -> View:
    """Which services were spoken with in clear text, in the colours of the boundary they cross."""
    return bars(
        answer, ("dstaddr", "dstport", "reading"), "conversations", split="crossing",
        caption="Conversations with services that may not encrypt",
    )  # fmt: skip


def listed_addresses(answer: Answer) -> View:
    """Which listed addresses were met most, in the colours of how it reads."""
    return bars(
        answer, ("address", "host", "dstport"), "conversations", split="reading",
        caption="Conversations with addresses on the threat list",
    )  # fmt: skip


def unencrypted_paths(answer: Answer) -> View:
    """Where most bytes travelled unencrypted, in the colours of the path."""
    return bars(
        answer, ("network", "path", "port"), "unencrypted_bytes", split="path", caption="Unencrypted bytes by service"
    )


def block_public_access(answer: Answer) -> View:
    """Where Block Public Access refused most, by direction."""
    return bars(
        answer, ("interface_id", "dstport", "reject_reason"), "records", split="direction",
        caption="Records that Block Public Access refused",
    )  # fmt: skip
