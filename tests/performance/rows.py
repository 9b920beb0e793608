"""Records for performance tests: TCP attempts of every outcome, and quiet traffic around them."""

from __future__ import annotations

from typing import Any

from tests.rows import START_S, flow, reply

#: A full minute, so that bins of 60 and 300 s begin here.
T = START_S - START_S % 300

SYN, RST, SYN_ACK, ALL_OF_IT = 2, 4, 18, 19


def around(rows: list[dict[str, Any]], *, flags: bool = True) -> list[dict[str, Any]]:
    """The rows with other traffic (accepted, then rejected) long before and after: nothing is at an edge of the log."""
    more = {"tcp_flags": 0} if flags else {}
    other = {"interface_id": "eni-9", "srcaddr": "10.9.0.1", "dstaddr": "10.9.0.2", "protocol": 17, **more}
    before = flow(**other, srcport=5000, dstport=5001, start_s=T - 7200)
    after = flow(**other, srcport=5000, dstport=5001, start_s=T + 90_000, action="REJECT")
    return [before, *rows, after]


def answered(**fields: Any) -> list[dict[str, Any]]:
    """A connection that was opened, used and closed, seen at the client."""
    opened = flow(**{"tcp_flags": 3, "packets": 10, "bytes": 5000, **fields})
    return [opened, reply(opened, tcp_flags=ALL_OF_IT, packets=8, bytes=4000)]


def rejected(**fields: Any) -> list[dict[str, Any]]:
    """A SYN that the server's interface refused."""
    return [
        flow(**{"interface_id": "eni-2", "tcp_flags": SYN, "packets": 4, "bytes": 240, "action": "REJECT", **fields})
    ]


def reset(**fields: Any) -> list[dict[str, Any]]:
    """A SYN that drew a reset."""
    knocked = flow(**{"tcp_flags": SYN, "packets": 1, "bytes": 60, **fields})
    return [knocked, reply(knocked, tcp_flags=RST, packets=1, bytes=40)]


def unanswered(**fields: Any) -> list[dict[str, Any]]:
    """A SYN that drew nothing, seen at the client."""
    return [flow(**{"tcp_flags": SYN, "packets": 4, "bytes": 240, **fields})]


def left_open(**fields: Any) -> list[dict[str, Any]]:
    """A SYN, answered five times, and never finished."""
    knocked = flow(**{"tcp_flags": SYN, "packets": 1, "bytes": 60, **fields})
    return [knocked, reply(knocked, tcp_flags=SYN_ACK, packets=5, bytes=300)]


def without_flags(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same rows as the default format has them."""
    return [{name: value for name, value in row.items() if name != "tcp_flags"} for row in rows]


def gap(status: str, **fields: Any) -> dict[str, Any]:
    """A line that says that there was no traffic (`NODATA`), or that AWS lost records (`SKIPDATA`)."""
    empty = dict.fromkeys(("srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets", "bytes", "action"))
    return flow(**{**empty, "log_status": status, "start_s": T, **fields})
