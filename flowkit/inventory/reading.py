"""Plain JSON values into the frozen records of the model and back, each mistake named by its JSON path."""

from __future__ import annotations

import dataclasses
import ipaddress
import types
import typing
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from flowkit.errors import InventoryError

__all__ = ["build", "plain"]

T = TypeVar("T")

#: The EC2 API writes these by name in security groups and by number elsewhere.
_PROTOCOLS = {"all": "-1", "icmp": "1", "tcp": "6", "udp": "17", "icmpv6": "58"}


def build(kind: type[T], value: object, where: str) -> T:
    """Make a `kind` from a JSON object. Keys that the model does not know are ignored."""
    if not isinstance(value, Mapping):
        raise InventoryError(f"{where} is {_shown(value)}, where an object is expected.")
    hints = typing.get_type_hints(kind)
    given: dict[str, Any] = {}
    for item in dataclasses.fields(kind):  # type: ignore[arg-type]  # T is always one of the model's dataclasses
        at = f"{where}.{item.name}"
        raw = value.get(item.name)
        if raw is None or raw == "":
            if item.metadata.get("required"):
                raise InventoryError(f"{at} is missing. An inventory needs it to tell one entry from another.")
            continue
        given[item.name] = _value(hints[item.name], raw, item.metadata.get("check"), at)
    return kind(**given)


def plain(record: Any) -> dict[str, Any]:
    """The JSON object of a record, without the values that nobody gave."""
    result: dict[str, Any] = {}
    for item in dataclasses.fields(record):
        value = getattr(record, item.name)
        if value is None or value == "" or value == () or value == {}:
            continue
        if item.metadata.get("check") == "time":
            value = datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        elif isinstance(value, tuple):
            value = [plain(one) if dataclasses.is_dataclass(one) else one for one in value]
        result[item.name] = value
    return result


def _value(hint: Any, raw: object, check: object, at: str) -> Any:
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)[0]
        if not isinstance(raw, list):
            raise InventoryError(f"{at} is {_shown(raw)}, where a list is expected.")
        return tuple(_value(inner, one, check, f"{at}[{i}]") for i, one in enumerate(raw))
    if typing.get_origin(hint) is dict:
        if not isinstance(raw, Mapping):
            raise InventoryError(f"{at} is {_shown(raw)}, where an object of texts is expected.")
        return {str(key): str(one) for key, one in raw.items()}
    if check == "time":
        return _seconds(raw, at)
    if isinstance(hint, types.UnionType):
        hint = typing.get_args(hint)[0]
    if dataclasses.is_dataclass(hint):
        return build(typing.cast("type[Any]", hint), raw, at)
    if hint is str:
        return _text(raw, check, at)
    if hint is bool:
        if not isinstance(raw, bool):
            raise InventoryError(f"{at} is {_shown(raw)}, where true or false is expected.")
        return raw
    if isinstance(raw, bool) or not isinstance(raw, (int, float)) or (hint is int and not isinstance(raw, int)):
        what = "a whole number" if hint is int else "a number"
        raise InventoryError(f"{at} is {_shown(raw)}, where {what} is expected.")
    return hint(raw)


def _text(raw: object, check: object, at: str) -> str:
    if check == "protocol":
        text = str(raw).lower()
        text = _PROTOCOLS.get(text, text)
        if not text.removeprefix("-").isdigit() or not -1 <= int(text) <= 255:
            raise InventoryError(f'{at} is {_shown(raw)}, which is not a protocol number. "-1" means any protocol.')
        return text
    if not isinstance(raw, str):
        raise InventoryError(f"{at} is {_shown(raw)}, where a text is expected.")
    if isinstance(check, tuple):
        if raw not in check:
            raise InventoryError(f"{at} is {_shown(raw)}. It can be {', '.join(check)}.")
        return raw
    try:
        if check == "cidr":
            return str(ipaddress.ip_network(raw, strict=False))
        if check == "address":
            return str(ipaddress.ip_address(raw))
    except ValueError:
        what = "an address range such as 10.0.0.0/16" if check == "cidr" else "an IP address"
        raise InventoryError(f"{at} is {_shown(raw)}, which is not {what}.") from None
    return raw


def _seconds(raw: object, at: str) -> int:
    if isinstance(raw, str):
        try:
            moment = datetime.fromisoformat(raw)
        except ValueError:
            moment = None
        if moment is not None:
            return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    raise InventoryError(f"{at} is {_shown(raw)}, which is not a time such as 2026-11-02T00:00:00Z.")


def _shown(raw: object) -> str:
    text = repr(raw)
    return text if len(text) <= 60 else text[:57] + "..."
