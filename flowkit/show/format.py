"""Values as people read them: each column is formatted by the unit in its name.

Rounding, thousands separators and units live here and nowhere else. Everything returned is plain text,
not markup: whoever puts it into a page escapes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

__all__ = ["ABSENT", "clean", "exact", "heading", "in_words", "is_instant", "is_number", "kind", "shown"]

#: What stands where a value is absent.
ABSENT = "–"

#: Columns `<word>_s` with these words are instants (seconds since 1970 UTC); any other `_s` is a duration.
_INSTANTS = frozenset({"first", "last", "hour", "day", "bin", "start", "end", "since", "until", "from", "to", "at"})

#: IANA protocol numbers that occur in VPC traffic. Source: IANA "Assigned Internet Protocol Numbers", 2025-09.
_PROTOCOLS = {
    0: "HOPOPT",
    1: "ICMP",
    2: "IGMP",
    4: "IPv4",
    6: "TCP",
    17: "UDP",
    33: "DCCP",
    41: "IPv6",
    47: "GRE",
    50: "ESP",
    51: "AH",
    58: "ICMPv6",
    89: "OSPF",
    103: "PIM",
    112: "VRRP",
    132: "SCTP",
    136: "UDPLite",
}

_HEADINGS = {
    "srcaddr": "Source",
    "dstaddr": "Destination",
    "srcport": "Source port",
    "dstport": "Port",
    "pkt_srcaddr": "Packet source",
    "pkt_dstaddr": "Packet destination",
    "bin_s": "Time (UTC)",
    "estimated_usd": "Estimated cost",
    "first_s": "First seen (UTC)",
    "last_s": "Last seen (UTC)",
    "interface_id": "Interface",
    "account_id": "Account",
    "subnet_id": "Subnet",
    "vpc_id": "VPC",
    "az_id": "Zone",
    "src_az_id": "Source zone",
    "dst_az_id": "Destination zone",
    "instance_id": "Instance",
    "flow_log_id": "Flow log",
    "community_id": "Community ID",
    "fwd_bytes": "Sent",
    "rev_bytes": "Received",
}

_UPPER = {"nat": "NAT", "vpc": "VPC", "az": "zone", "ip": "IP", "tcp": "TCP", "aws": "AWS", "s3": "S3", "rst": "RST",
          "syn": "SYN", "dns": "DNS", "id": "id", "p50": "p50", "p95": "p95", "p99": "p99", "src": "source",
          "dst": "destination"}  # fmt: skip

_UNITS = ("bytes", "gib", "share", "usd", "bps", "pps", "ms", "s")


def kind(column: str) -> str:
    """How a column is to be read: a unit of `_UNITS`, `instant`, `port`, `protocol`, `flags`, `identifier` or ''."""
    last = column.rsplit("_", 1)[-1]
    if is_instant(column):
        return "instant"
    if last in _UNITS and (column != last or last in ("bytes", "usd", "bps")):
        return last
    if column == "protocol":
        return "protocol"
    if column.endswith("flags"):
        return "flags"
    if column.endswith("port"):
        return "port"
    if column.endswith(("addr", "address", "_id", "cidr")) or column in ("prefix", "observer", "network", "version"):
        return "identifier"
    return ""


def is_instant(column: str) -> bool:
    """Whether a column holds instants: `first_s`, `last_s`, `hour_s`, `start_s`, `end_s` and their like."""
    words = column.split("_")
    return len(words) > 1 and words[-1] == "s" and words[-2] in _INSTANTS


def is_number(value: object) -> bool:
    """Whether a value is a measure: a number that is no truth value and not absent."""
    import numbers

    if type(value).__name__ in ("bool", "bool_"):
        return False
    return isinstance(value, (numbers.Number, Decimal)) and not _absent(value)


def heading(column: str) -> str:
    """A column's name for people. AWS's names where they are words, units left out where cells carry them."""
    if column in _HEADINGS:
        return _HEADINGS[column]
    words = column.split("_")
    instant = is_instant(column)
    if words[-1] in _UNITS and len(words) > 1 and words[-1] != "bytes":
        unit = words.pop()
        said = {"usd": ["estimated"], "pps": ["packets", "per", "second"], "share": ["share"]}.get(unit, [])
        words += [word for word in said if word not in words]
    text = " ".join(_UPPER.get(word, word) for word in words)
    text = text[:1].upper() + text[1:]
    return f"{text} (UTC)" if instant else text


def in_words(column: str) -> str:
    """A column's name inside a sentence: small letters, except in names that are written large."""
    text = heading(column)
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def shown(column: str, value: Any) -> str:
    """A value as plain text, in the unit that its column's name says."""
    if _absent(value):
        return ABSENT
    if isinstance(value, (list, tuple, set, frozenset)) or type(value).__name__ == "ndarray":
        return _several(column, value)
    if type(value).__name__ in ("bool", "bool_"):
        return "yes" if value else "no"
    if not is_number(value):
        return clean(str(value))
    how = kind(column)
    if how == "instant":
        return _instant(int(value))
    if how == "bytes":
        return _binary(value)
    if how == "bps":
        return _decimal(float(value), "bit/s")
    if how == "usd":
        return _dollars(value)
    if how == "share":
        return _percent(float(value))
    if how == "s":
        return _duration(float(value))
    if how in ("ms", "gib"):
        return f"{_number(value)} {'ms' if how == 'ms' else 'GiB'}"
    if how == "protocol":
        number = int(value)
        return f"{_PROTOCOLS[number]} ({number})" if number in _PROTOCOLS else str(number)
    if how == "flags":
        return _flags(int(value))
    if how in ("port", "identifier"):
        return str(int(value)) if float(value).is_integer() else str(value)
    return _number(value)


def exact(column: str, value: Any) -> str:
    """The value without rounding, for a tooltip and for sorting; empty where `shown` rounds nothing."""
    if _absent(value) or not is_number(value):
        return ""
    if kind(column) in ("protocol", "port", "identifier", "flags"):
        return str(int(value))
    return str(int(value)) if float(value).is_integer() else str(value)


def clean(text: str) -> str:
    """Text from a log made harmless to look at: control and direction-changing characters are written out.

    A line feed in a tag reads `\\n`; a right-to-left override, which makes text look like other text, `\\u202e`.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _absent(value: object) -> bool:
    if value is None:
        return True
    if isinstance(value, float):
        return math.isnan(value)
    return type(value).__name__ in ("NAType", "NaTType")


def _several(column: str, values: Iterable[Any]) -> str:
    items: Sequence[Any] = sorted(values, key=str) if isinstance(values, (set, frozenset)) else list(values)
    text = ", ".join(shown(column, value) for value in items[:5])
    return f"{text} and {len(items) - 5:,} more" if len(items) > 5 else text or ABSENT


def _instant(epoch_s: int) -> str:
    try:
        at = datetime.fromtimestamp(epoch_s, UTC)
    except (OverflowError, OSError, ValueError):
        return str(epoch_s)
    return at.strftime("%Y-%m-%d %H:%M" if at.second == 0 else "%Y-%m-%d %H:%M:%S")


def _binary(value: Any) -> str:
    size = float(value)
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if abs(size) < 1024 or unit == "TiB":
            break
        size /= 1024
    if unit == "bytes":
        return f"{size:,.0f} {'byte' if size == 1 else 'bytes'}"
    return f"{size:,.0f} {unit}" if abs(size) >= 100 else f"{size:,.1f} {unit}"


def _decimal(value: float, unit: str) -> str:
    for prefix in ("", "k", "M", "G", "T"):
        if abs(value) < 1000 or prefix == "T":
            break
        value /= 1000
    digits = 0 if abs(value) >= 100 or (not prefix and value.is_integer()) else 1
    return f"{value:,.{digits}f} {prefix}{unit}"


def _dollars(value: Any) -> str:
    amount = value if isinstance(value, Decimal) else Decimal(repr(float(value)))
    sign = "-" if amount < 0 else ""
    size = abs(amount)
    if 0 < size < Decimal("0.00005"):
        return f"{sign}<$0.0001" if not sign else "-<$0.0001"
    return f"{sign}${size:,.4f}" if 0 < size < Decimal("0.01") else f"{sign}${size:,.2f}"


def _percent(share: float) -> str:
    percent = 100 * share
    if 0 < percent < 0.1:
        return "<0.1 %"
    if 99.9 < percent < 100:
        return ">99.9 %"
    return f"{percent:.0f} %" if percent in (0.0, 100.0) else f"{percent:.1f} %"


def _duration(seconds: float) -> str:
    if abs(seconds) < 60:
        return f"{_number(seconds)} s"
    whole = round(seconds)
    for size, unit, small, small_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if abs(whole) >= size:
            rest = abs(whole) % size // small
            return f"{whole // size if whole > 0 else -(-whole // size)} {unit}" + (
                f" {rest} {small_unit}" * bool(rest)
            )
    return f"{whole} s"


def _flags(value: int) -> str:
    names = ("FIN", "SYN", "RST", "PSH", "ACK", "URG")
    held = [name for bit, name in enumerate(names) if value >> bit & 1]
    return f"{' '.join(held)} ({value})" if held else str(value)


def _number(value: Any) -> str:
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    number = float(value)
    if abs(number) >= 1000:
        return f"{number:,.0f}"
    if abs(number) >= 1:
        return f"{number:,.1f}"
    return f"{number:.2g}"
