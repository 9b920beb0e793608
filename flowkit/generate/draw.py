"""What is drawn at random: generators by name, identifiers, addresses, times of day.

Everything comes from the seed and a name, so that adding one kind of traffic does not change any other.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "Ints", "aws_id", "between", "internet_v4", "internet_v6", "rng_for", "times"]

Ints = NDArray[Any]
Floats = NDArray[np.float64]

#: First octets of ranges that Internet providers use, away from the large ranges AWS publishes.
_PROVIDER_OCTETS = np.array([24, 73, 78, 80, 81, 82, 84, 86, 88, 89, 91, 92, 93, 94, 95, 109, 151, 178, 188, 212, 213])
_PROVIDER_V6 = ("2601", "2a00:23c4", "2003", "2a02:8070", "2804", "240e")


def rng_for(seed: int, *names: object) -> np.random.Generator:
    """The generator for one purpose: the same seed and names, the same draws."""
    return np.random.default_rng([seed, zlib.crc32("/".join(map(str, names)).encode())])


def aws_id(kind: str, rng: np.random.Generator) -> str:
    """An identifier as AWS makes them, `eni-0` and sixteen more hex digits."""
    return f"{kind}-0{int(rng.integers(0, 1 << 63)):016x}"


def between(rng: np.random.Generator, low: float, high: float, size: int) -> Floats:
    """Values between `low` and `high`, evenly on a logarithmic scale, as sizes and durations are."""
    return np.asarray(np.exp(rng.uniform(np.log(low), np.log(high), size)))


def internet_v4(rng: np.random.Generator, size: int) -> list[str]:
    """Public IPv4 addresses as of Internet providers."""
    first = rng.choice(_PROVIDER_OCTETS, size)
    rest = rng.integers(1, 255, (size, 3))
    return [f"{a}.{b}.{c}.{d}" for a, (b, c, d) in zip(first.tolist(), rest.tolist(), strict=True)]


def internet_v6(rng: np.random.Generator, size: int) -> list[str]:
    """Public IPv6 addresses as of Internet providers, in their one text form."""
    first = rng.integers(0, len(_PROVIDER_V6), size)
    rest = rng.integers(0x1000, 0xFFFF, (size, 4))
    return [
        f"{_PROVIDER_V6[p]}:{a:x}:{b:x}::{c:x}:{d:x}"
        for p, (a, b, c, d) in zip(first.tolist(), rest.tolist(), strict=True)
    ]


def times(rng: np.random.Generator, size: int, start_s: int, length_s: int, depth: float = 0.55) -> Floats:
    """Moments of a daily rhythm, in seconds after the start: busiest at 19:00 UTC, quietest at 07:00.

    `depth` is how much the rhythm swings about its mean; 0 is even.
    """
    grid = np.linspace(0.0, length_s, max(2, length_s // 300 + 1))
    hour = (start_s + grid) / 3600.0
    weight = 1.0 + depth * np.cos(2 * np.pi * (hour - 19.0) / 24.0)
    cumulative = np.concatenate(([0.0], np.cumsum((weight[1:] + weight[:-1]) / 2)))
    moments = np.interp(rng.uniform(0.0, cumulative[-1], size), cumulative, grid)
    return np.sort(np.clip(moments, 1.0, length_s - 2.0))
