"""Aggregation windows: every interface cuts time into its own, and all of its records share them.

With the 60 s setting windows last 26 to 60 s, as Nitro instances do; with 600 s they last 9 to 10 minutes. Interfaces
do not agree on when a window begins. (Measured on genuine records: `start` is the window's, not the flow's.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flowkit.generate.draw import Floats, Ints

__all__ = ["Windows"]


@dataclass(frozen=True, slots=True)
class Windows:
    """`edges` holds every interface's window starts, one after the other; `first` says where each begins."""

    edges: Floats
    first: Ints
    length_s: int
    _keys: Floats

    @staticmethod
    def cut(rng: np.random.Generator, interfaces: int, length_s: int, interval_s: int) -> Windows:
        """Draw the windows of every interface for the whole period."""
        longest = rng.choice([60, 60, 60, 60, 45, 32], interfaces) if interval_s == 60 else np.full(interfaces, 600)
        count = int(length_s / (0.8 * longest.min())) + 3
        lengths = np.maximum(26, np.rint(longest[:, None] * rng.uniform(0.9, 1.0, (interfaces, count))))
        phase = np.rint(rng.uniform(0, longest))
        edges = np.cumsum(lengths, axis=1) - lengths - phase[:, None]
        flat = edges.ravel()
        # Windows begin at whole seconds before the period's end, so this key sorts by interface and then by time.
        keys = flat + np.repeat(np.arange(interfaces), count) * _stride(length_s)
        return Windows(flat, np.arange(interfaces) * count, length_s, keys)

    def of(self, interface: Ints, at_s: Floats) -> Ints:
        """The window's number (over all interfaces) in which each moment falls."""
        return np.searchsorted(self._keys, interface * _stride(self.length_s) + at_s, side="right") - 1

    def bounds(self, window: Ints) -> tuple[Floats, Floats]:
        """Where windows begin and end."""
        return self.edges[window], self.edges[window + 1]

    def before(self, at_s: float) -> Ints:
        """For each interface the number of its first window that begins at or after a moment."""
        interfaces = np.arange(len(self.first))
        return np.searchsorted(self._keys, interfaces * _stride(self.length_s) + at_s, side="left")


def _stride(length_s: int) -> float:
    # Twice the longest row: rows overrun the period by up to a quarter, and begin up to 600 s before it.
    return 4.0 * (length_s + 10_000)
