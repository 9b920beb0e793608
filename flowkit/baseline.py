"""An earlier report's `.json`, as later runs compare with it: its findings, and the footprint of the traffic then.

The footprint is the `baseline` block of a security report: which hosts there were, which services they answered,
to whom, what answered the internet, and who sent how much outside. Each list is capped, the least used left out, and
says how many that were; where something was left out, "new" is not certain.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowkit.errors import ParameterError

__all__ = ["ADMIN_PORTS", "LISTS", "VERSION", "Footprint", "administrators", "footprint", "read"]

VERSION = 1

#: The lists of a footprint, each with its key columns, its measures, and how many rows are kept at most.
LISTS: dict[str, tuple[tuple[str, ...], tuple[str, ...], int]] = {
    "hosts": (("network", "address"), ("records",), 5_000),
    "services": (("network", "dstaddr", "protocol", "dstport"), ("clients", "conversations"), 3_000),
    "exposed": (("network", "dstaddr", "protocol", "dstport"), ("sources", "conversations"), 1_000),
    "peers": (
        ("src_network", "srcaddr", "dst_network", "dstaddr", "protocol", "dstport"),
        ("conversations", "bytes"),
        5_000,
    ),
    "talkers": (("network", "address"), ("sent_bytes",), 1_000),
}

#: TCP ports over which one host gives another commands: SSH, telnet, RPC, SMB, RDP, VNC, WinRM (MITRE ATT&CK T1021).
ADMIN_PORTS = (22, 23, 135, 445, 3389, 5900, 5985, 5986)

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Footprint:
    """The footprint of an earlier period: for each list, the measures by key. `period_s` is how long it was.

    `partial` names the lists of which something was left out.
    """

    period_s: int
    lists: Mapping[str, Mapping[Key, Key]]
    partial: frozenset[str]


def read(path: str, room: str) -> dict[str, Any]:
    """The record of an earlier report of `room` at `path`. Raises ParameterError where it is none."""
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(f"baseline {path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise ParameterError(f"baseline {path} is not the .json of a report.") from error
    if not isinstance(record, dict) or not isinstance(record.get("findings"), list):
        raise ParameterError(f"baseline {path} is not the .json of a report: it has no findings.")
    other = record.get("room", room)
    if other != room:
        raise ParameterError(f"baseline {path} is of the {other} review, not of {room}.")
    return record


@functools.lru_cache(maxsize=4)
def _cached(path: str, _stamp: tuple[int, int]) -> Footprint | None:
    return _parsed(path, read(path, "security").get("baseline"))


def footprint(path: str) -> Footprint | None:
    """The footprint in the security report at `path`; None for no path, or a report from before there were any.

    Raises ParameterError where the file is not a security report, or its footprint is damaged.
    """
    if not path:
        return None
    try:
        stat = Path(path).stat()
    except OSError:
        return _parsed(path, read(path, "security").get("baseline"))
    return _cached(path, (stat.st_mtime_ns, stat.st_size))


def _parsed(path: str, block: Any) -> Footprint | None:
    if block is None:
        return None
    try:
        if block["flowkit_footprint"] != VERSION:
            raise ParameterError(f"baseline {path} has a footprint that this flowkit does not read.")
        lists: dict[str, dict[Key, Key]] = {}
        for name, (keys, measures, _) in LISTS.items():
            columns = list(block[name]["columns"])
            at = [columns.index(column) for column in (*keys, *measures)]
            rows = [tuple(row[place] for place in at) for row in block[name]["rows"]]
            lists[name] = {row[: len(keys)]: row[len(keys) :] for row in rows}
        partial = frozenset(name for name in LISTS if block[name]["left_out"])
        return Footprint(int(block["period_s"]), lists, partial)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ParameterError(f"baseline {path} has a damaged footprint: {error!r}.") from error


def administrators(path: str) -> set[str]:
    """The addresses that began sessions over administration ports with three hosts or more in the baseline at `path`.

    Three, so that one that was taken over just then does not pass for a bastion for ever.
    """
    before = footprint(path)
    reached: dict[str, set[str]] = {}
    for _, srcaddr, _, dstaddr, protocol, dstport in before.lists["peers"] if before else ():
        if protocol == 6 and dstport in ADMIN_PORTS:
            reached.setdefault(srcaddr, set()).add(dstaddr)
    return {srcaddr for srcaddr, targets in reached.items() if len(targets) >= 3}
