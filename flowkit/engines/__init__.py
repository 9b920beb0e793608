"""Where SQL runs. An engine takes SQL text and gives an Arrow table; nothing else knows which one it is."""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa

from flowkit.engines.bind import bind

__all__ = ["Engine", "bind"]


class Engine(Protocol):
    """What flowkit asks of a place that runs SQL."""

    name: str

    def run(self, sql: str) -> pa.Table:
        """Run one query and return its rows."""
        ...

    def close(self) -> None:
        """Let go of connections and temporary files."""
        ...
