"""Conversations for the tests of security: a probe, a session, in records as one interface logs them.

Without more, the log has no TCP flags and the observer is the responder's interface, whose own address two quiet
neighbours establish.
"""

from __future__ import annotations

from typing import Any

from tests.rows import START_S, flow, reply

WEB = "10.0.0.10"
OUTSIDE = "1.1.1.1"


def probe(src: str, dst: str, port: int, *, at_s: int = 0, action: str = "REJECT", **fields: Any) -> dict[str, Any]:
    """One packet that nobody answered."""
    return flow(
        srcaddr=src, dstaddr=dst, dstport=port, packets=1, bytes=40, action=action, start_s=START_S + at_s,
        **{"srcport": 50_000, **fields},
    )  # fmt: skip


def session(
    src: str, dst: str, port: int, *, at_s: int = 0, lasts_s: int = 5, up: int = 2_000, down: int = 2_500,
    packets: int = 12, sport: int = 40_000, flags: bool = False, **fields: Any,
) -> list[dict[str, Any]]:  # fmt: skip
    """A conversation of `up` bytes there and `down` bytes back, in one window each way."""
    there = flow(
        srcaddr=src, dstaddr=dst, srcport=sport, dstport=port, packets=packets, bytes=up, start_s=START_S + at_s,
        end_s=START_S + at_s + lasts_s, **({"tcp_flags": 3} if flags else {}), **fields,
    )  # fmt: skip
    return [there, reply(there, bytes=down, packets=packets - 1, **({"tcp_flags": 19} if flags else {}))]


def quiet(address: str = WEB, *, until_s: int = 0, **fields: Any) -> list[dict[str, Any]]:
    """Two ordinary calls of different neighbours, so that the interface's own address is known; the last ends the
    log.
    """
    calls = session("10.0.0.201", address, 443, at_s=-3_600, **fields)
    return [*calls, *session("10.0.0.202", address, 443, at_s=until_s + 1_200, **fields)]
