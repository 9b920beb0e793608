"""First contacts put together to chains: who was reached, and reached on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Chain", "chains"]


@dataclass(frozen=True, slots=True)
class Chain:
    """Hops in time order. `length` is the longest way through them, the session that opened it included.

    `quiet_s`: how long each host that reached on had been watched without it, at least. `in_order`: whether every hop
    began at least one window after the one it follows. `begins_inside`: whether the first source is one of your hosts.
    """

    reading: str
    hops: tuple[dict[str, Any], ...]
    length: int
    quiet_s: int
    in_order: bool
    begins_inside: bool


def chains(
    rows: Sequence[Mapping[str, Any]], habitual: set[int], *, interval_s: int, fan_out: int, within_s: int
) -> list[Chain]:
    """The chains in first contacts (`rows`, in time order), longest first, then the fan-outs.

    Each first contact has a row for every host that may have led to it (`before_id`, at `reached_s`). Hosts in
    `habitual` reach others all the time, so that their hops follow from nothing.
    """
    pairs: dict[tuple[int, int], Mapping[str, Any]] = {}
    for row in rows:
        pairs.setdefault((row["src_id"], row["dst_id"]), row)
    parents = _parents(rows, habitual)
    groups: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for hop in parents:
        groups.setdefault(_root(hop, parents), []).append(hop)
    found = [_chain(root, sorted(hops, key=_when(pairs)), pairs, parents, interval_s) for root, hops in groups.items()]
    found.sort(key=lambda chain: (-chain.length, chain.hops[0]["first_s"], chain.hops[0]["srcaddr"]))
    told = {hop for root, hops in groups.items() for hop in (root, *hops)}
    return found + _fan_outs(pairs, habitual, told, fan_out, within_s)


def _parents(
    rows: Sequence[Mapping[str, Any]], habitual: set[int]
) -> dict[tuple[int, int], tuple[tuple[int, int], int]]:
    """For each hop that follows another: the hop before, the one of a chain if there is one, and when that began."""
    found: dict[tuple[int, int], tuple[tuple[int, int], int]] = {}
    for row in rows:
        hop = (row["src_id"], row["dst_id"])
        if row["before_id"] is None or row["cut"] or row["src_id"] in habitual:
            continue
        before = (row["before_id"], row["src_id"])
        if before == hop or _leads_back(hop, before, found):
            continue
        if hop not in found or (before in found and found[hop][0] not in found):
            found[hop] = (before, row["reached_s"])
    return found


def _leads_back(
    hop: tuple[int, int], before: tuple[int, int], found: Mapping[tuple[int, int], tuple[tuple[int, int], int]]
) -> bool:
    """Whether the chain up to `before` already contains `hop` or has been at its target."""
    while before in found:
        if before == hop or before[0] == hop[1]:
            return True
        before = found[before][0]
    return before == hop or before[0] == hop[1]


def _root(hop: tuple[int, int], parents: Mapping[tuple[int, int], tuple[tuple[int, int], int]]) -> tuple[int, int]:
    while hop in parents:
        hop = parents[hop][0]
    return hop


def _when(pairs: Mapping[tuple[int, int], Mapping[str, Any]]) -> Any:
    return lambda hop: (pairs[hop]["first_s"], pairs[hop]["srcaddr"], pairs[hop]["dstaddr"])


def _chain(
    root: tuple[int, int],
    hops: Sequence[tuple[int, int]],
    pairs: Mapping[tuple[int, int], Mapping[str, Any]],
    parents: Mapping[tuple[int, int], tuple[tuple[int, int], int]],
    interval_s: int,
) -> Chain:
    depth = {root: 1}
    for hop in hops:  # a hop's parent began earlier, or in the same window
        depth[hop] = _depth(hop, parents)
    opened = min(parents[hop][1] for hop in hops if parents[hop][0] == root)
    first = {**pairs[root], "hop": 1, "first_s": opened, "quiet_s": None}
    rest = [{**pairs[hop], "hop": depth[hop]} for hop in hops]
    return Chain(
        reading="chain",
        hops=(first, *rest),
        length=max(depth.values()),
        quiet_s=min(pairs[hop]["quiet_s"] for hop in hops),
        in_order=all(pairs[hop]["first_s"] - parents[hop][1] >= interval_s for hop in hops),
        begins_inside=bool(pairs[root]["of_ours"]),
    )


def _depth(hop: tuple[int, int], parents: Mapping[tuple[int, int], tuple[tuple[int, int], int]]) -> int:
    depth = 1
    while hop in parents:
        hop, depth = parents[hop][0], depth + 1
    return depth


def _fan_outs(
    pairs: Mapping[tuple[int, int], Mapping[str, Any]],
    habitual: set[int],
    told: set[tuple[int, int]],
    fan_out: int,
    within_s: int,
) -> list[Chain]:
    """Hosts that nobody had reached and that reached many within an hour, once."""
    by_source: dict[int, list[Mapping[str, Any]]] = {}
    for hop, row in pairs.items():
        if hop not in told and hop[0] not in habitual and row["episodes"] == 1 and not row["cut"]:
            by_source.setdefault(hop[0], []).append(row)
    found = []
    for members in by_source.values():
        soon = [row for row in members if row["first_s"] <= members[0]["first_s"] + within_s]
        if len(soon) >= fan_out:
            found.append(
                Chain(
                    reading="fan-out",
                    hops=tuple({**row, "hop": 1} for row in soon),
                    length=1,
                    quiet_s=min(row["quiet_s"] for row in soon),
                    in_order=True,
                    begins_inside=bool(soon[0]["of_ours"]),
                )
            )
    return sorted(found, key=lambda chain: (-len(chain.hops), chain.hops[0]["srcaddr"]))
