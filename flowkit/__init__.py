"""flowkit reads AWS VPC Flow Logs right and sees what they mean.

    import flowkit as fk
    flows = fk.open("sample:")
    flows.sql("SELECT srcaddr, sum(bytes) AS bytes FROM flows GROUP BY srcaddr ORDER BY bytes DESC LIMIT 5")

Importing flowkit imports nothing heavy; each name loads what it needs when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowkit import cost, performance, review, security, show
    from flowkit.communityid import community_id
    from flowkit.errors import FlowkitError
    from flowkit.flows import Flows
    from flowkit.opening import open
    from flowkit.question import Answer

__all__ = [
    "Answer",
    "FlowkitError",
    "Flows",
    "__version__",
    "community_id",
    "cost",
    "open",
    "performance",
    "review",
    "security",
    "show",
]

__version__ = "0.1.0"

_HOMES = {
    "Answer": "flowkit.question",
    "FlowkitError": "flowkit.errors",
    "community_id": "flowkit.communityid",
    "Flows": "flowkit.flows",
    "open": "flowkit.opening",
}
_ROOMS = ("cost", "performance", "review", "security", "show")


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _ROOMS:
        return importlib.import_module(f"flowkit.{name}")
    raise AttributeError(f"module 'flowkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
