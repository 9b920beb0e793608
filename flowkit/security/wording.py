"""How findings speak: hosts and services by name, evidence as plain rows, the commands to look further."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from flowkit.finding import aws_cli, look_up
from flowkit.reference import known_services

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "MOST_LISTED",
    "aws_cli",
    "count_of",
    "host",
    "look_up",
    "one_or_list",
    "protocol_name",
    "rows_of",
    "sentence",
    "service",
]

#: How many addresses a subject lists at most. A subject that stands for more says so in its explanation.
MOST_LISTED = 1000

_SERVICES = {(port, protocol): name for port, protocol, name, _ in known_services()}


def rows_of(frame: pd.DataFrame, columns: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The rows of a table as plain Python values, absent ones as None."""
    names = list(columns) or [str(column) for column in frame.columns]
    return [
        {name: _plain(value) for name, value in zip(names, row, strict=True)}
        for row in frame[names].itertuples(index=False)
    ]


def _plain(value: Any) -> Any:
    if type(value).__name__ in ("NAType", "NaTType") or value != value:
        return None
    return value.item() if hasattr(value, "item") else value


def host(address: str, name: str | None) -> str:
    """An address with its name, if it has one: `web-1 (10.0.1.5)`."""
    return f"{name} ({address})" if name else address


def service(port: int, protocol: int) -> str:
    """A port with the service it is known for: `port 22 (ssh)`; UDP is said."""
    known = _SERVICES.get((port, protocol))
    kind = "UDP port" if protocol == 17 else "port"
    return f"{kind} {port} ({known})" if known else f"{kind} {port}"


def sentence(text: str) -> str:
    """Text as the beginning of a sentence; only its first letter changes."""
    return text[:1].upper() + text[1:]


def protocol_name(protocol: int) -> str:
    """TCP, UDP, or the number."""
    return {6: "TCP", 17: "UDP"}.get(protocol, f"protocol {protocol}")


def count_of(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: `1 port`, `2,310 ports`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {plural or noun + 's'}"


def one_or_list(values: Iterable[Any]) -> Any:
    """The value itself where there is one, else all of them, sorted, at most `MOST_LISTED`."""
    distinct = sorted({value for value in values if value is not None})
    return distinct[0] if len(distinct) == 1 else distinct[:MOST_LISTED]
