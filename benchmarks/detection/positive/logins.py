"""Password guessing: one source or many, from inside and from the internet, with and without success."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.detection.lab import Lab
from benchmarks.detection.scoring import Positive
from flowkit.generate.conversations import FIN, RST
from flowkit.generate.draw import Floats, between

__all__ = ["GUESSES"]

#: What a failing attempt takes: port -> (least and most payload up, least and most down, longest in seconds).
#: From the protocols' own messages: SSH's key exchange, TLS and NLA for RDP, a greeting and two lines for FTP.
_ATTEMPT = {
    22: ((1_300, 2_600), (1_800, 3_200), 6),
    3389: ((1_200, 3_500), (1_500, 5_000), 6),
    21: ((40, 200), (150, 600), 8),
    23: ((40, 250), (150, 900), 10),
    5900: ((30, 120), (40, 160), 4),
    3306: ((120, 400), (180, 500), 2),
    5432: ((120, 400), (120, 500), 2),
    1433: ((300, 1_200), (300, 900), 2),
    143: ((60, 250), (200, 900), 5),
    25: ((60, 300), (300, 900), 8),
    389: ((60, 250), (60, 250), 2),
    445: ((600, 1_500), (600, 1_500), 2),
}
_SHELLS = (22, 22, 22, 3389, 3389, 21, 23, 5900)


def _attempts(
    lab: Lab, rng: np.random.Generator, src: Any, dst: int, port: int, at: Floats, *, close: int = FIN
) -> None:
    """Failing attempts: all of one kind, since one tool sends them to one server, a little longer or shorter each."""
    (low_up, high_up), (low_down, high_down), longest = _ATTEMPT[port]
    size, spread = len(at), float(rng.uniform(0.02, 0.12))
    up = rng.uniform(low_up, high_up) * rng.uniform(1 - spread, 1 + spread, size)
    down = rng.uniform(low_down, high_down) * rng.uniform(1 - spread, 1 + spread, size)
    lasts = between(rng, 0.3, longest, size)
    lab.talk.tcp(src, dst, port, at, lasts, up.astype(int), down.astype(int), close=close, rtt_s=0.04)


def _guess(
    lab: Lab,
    rng: np.random.Generator,
    port: int,
    kind: str,
    *,
    inside: bool,
    low: int,
    rate_s: tuple[float, float],
    high: int = 1_000,
    line: int = 0,
) -> Positive:
    """`low` to `high` attempts, one every `rate_s` seconds; three in ten end in a session of minutes."""
    target = lab.host(public=not inside)
    source = lab.host() if inside else None
    src = source.address_id if source else lab.outside()
    name = source.address if source else lab.texts(src)[0]
    count = round(float(between(rng, low, high, 1)[0]))
    pause = float(between(rng, *rate_s, 1)[0])
    first, last = lab.span(rng, count * pause, count * pause + 1)
    at = np.sort(rng.uniform(first, last, count))
    _attempts(lab, rng, src, target.address_id, port, at, close=FIN if rng.random() < 0.6 else RST)
    if rng.random() < 0.3 and last < lab.length_s - 4_000:
        lasts = float(between(rng, 900, 3_000, 1)[0])
        lab.talk.tcp(
            src, target.address_id, port, last + 5, lasts, 40_000 + 80 * lasts, 150_000 + 600 * lasts, rtt_s=0.04
        )
        kind += ", then a session"
    return Positive(
        rules=("brute_force",), kind=kind, intensity=count, unit="attempts", actors=frozenset([name, target.address]),
        subject={"srcaddr": name, "dstaddr": target.address, "dstport": port, "protocol": 6}, counted=count >= line,
        note=f"{count} attempts at port {port} of {target.address} by {name}, one every {pause:.1f} s",
    )  # fmt: skip


def _shell_outside(lab: Lab, rng: np.random.Generator) -> Positive:
    return _guess(
        lab, rng, int(rng.choice(_SHELLS)), "from the internet", inside=False, low=20, rate_s=(0.5, 60), line=60
    )


def _shell_inside(lab: Lab, rng: np.random.Generator) -> Positive:
    return _guess(lab, rng, int(rng.choice(_SHELLS)), "from inside", inside=True, low=50, rate_s=(0.5, 12))


def _other(lab: Lab, rng: np.random.Generator) -> Positive:
    port = int(rng.choice([3306, 5432, 1433, 389, 445]))
    return _guess(lab, rng, port, "database or directory", inside=False, low=45, rate_s=(0.5, 40))


def _mail(lab: Lab, rng: np.random.Generator) -> Positive:
    port = int(rng.choice([25, 143]))
    return _guess(lab, rng, port, "mail", inside=False, low=450, high=2_000, rate_s=(0.5, 5))


def _crowd(lab: Lab, rng: np.random.Generator) -> Positive:
    """Ten to eighty sources, each with less than the line for one."""
    target, many = lab.host(public=True), round(float(between(rng, 12, 80, 1)[0]))
    port = int(rng.choice([22, 22, 3389, 21, 3306, 5432]))
    sources = lab.outside(many)
    each = rng.integers(max(3, 200 // many), max(4, 25), many)
    first, last = lab.span(rng, 900, 2_700)
    src = np.repeat(sources, each)
    _attempts(lab, rng, src, target.address_id, port, rng.uniform(first, last, len(src)))
    texts = frozenset(lab.texts(sources))
    return Positive(
        rules=("brute_force",),
        kind="distributed",
        intensity=len(src),
        unit="attempts",
        actors=texts | {target.address},
        subject={"srcaddr": texts, "dstaddr": target.address, "dstport": port, "protocol": 6},
        note=f"{len(src)} attempts at port {port} of {target.address} from {many} sources in {last - first:.0f} s",
    )


GUESSES = ((_shell_outside, 4), (_shell_inside, 3), (_other, 2), (_mail, 1), (_crowd, 2))
