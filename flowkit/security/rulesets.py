"""Needs put together to few rules: exact first, then wider, those first that widen least."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["ANYBODY", "ANYBODY_V6", "Need", "Proposal", "covering", "narrowest"]

ANYBODY, ANYBODY_V6 = "0.0.0.0/0", "::/0"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Need:
    """Traffic to admit: to one port, from a group or a range of addresses."""

    protocol: int
    port: int
    source: str
    conversations: int
    last_s: int


@dataclass(frozen=True, slots=True, order=True)
class Proposal:
    """A rule: protocol by number, first and last port, a group's id or a range of addresses."""

    protocol: int
    from_port: int
    to_port: int
    source: str

    def as_json(self) -> str:
        """The rule as the EC2 API's IpPermission."""
        name = {6: "tcp", 17: "udp"}.get(self.protocol, str(self.protocol))
        if self.source.startswith("sg-"):
            source: dict[str, object] = {"UserIdGroupPairs": [{"GroupId": self.source}]}
        elif ":" in self.source:
            source = {"Ipv6Ranges": [{"CidrIpv6": self.source}]}
        else:
            source = {"IpRanges": [{"CidrIp": self.source}]}
        return json.dumps({"IpProtocol": name, "FromPort": self.from_port, "ToPort": self.to_port, **source})

    def admits(self, need: Need) -> bool:
        """Whether the rule lets the need's traffic in."""
        if need.protocol != self.protocol or not self.from_port <= need.port <= self.to_port:
            return False
        if need.source == self.source:
            return True
        mine, theirs = _network(self.source), _network(need.source)
        return mine is not None and theirs is not None and _covers(mine, theirs)


def covering(address: str, bits: int) -> str:
    """The range of `bits` bits that an address is in."""
    return str(ipaddress.ip_network(f"{address}/{bits}", strict=False))


def narrowest(needs: Sequence[Need], max_rules: int) -> list[tuple[Proposal, list[Need]]]:
    """At most `max_rules` rules (where that can be done at all) that admit every need, each with what it admits.

    First exact: ports next to one another with one source, and ranges that together make up a larger one, become one
    rule. Then, while there are too many, neighbours are joined that widen the rules least, in ports times addresses.
    Groups and ranges are never joined with one another, nor is anything with the whole internet.
    """
    rules = _exact(needs)
    while len(rules) > max(1, max_rules):
        steps = sorted(_steps(sorted(rules)))
        if not steps:
            break
        # Many at a time while there are far too many; each rule takes part in one step, the cheapest.
        taken: set[Proposal] = set()
        for _, one, other, joined in steps[: max(1, (len(rules) - max_rules) // 2)]:
            if not {one, other} & taken:
                taken |= {one, other}
                rules = (rules - {one, other}) | {joined}
    admitted: dict[Proposal, list[Need]] = {rule: [] for rule in sorted(rules)}
    for need in needs:
        admitted[next(rule for rule in admitted if rule.admits(need))].append(need)
    return [(rule, members) for rule, members in admitted.items() if members]


def _exact(needs: Sequence[Need]) -> set[Proposal]:
    """The fewest rules that admit the needs and nothing else, of one range of ports and one source each."""
    runs: dict[tuple[int, int, int], list[str]] = {}
    ports: dict[tuple[int, str], set[int]] = {}
    for need in needs:
        ports.setdefault((need.protocol, need.source), set()).add(need.port)
    for (protocol, source), numbers in ports.items():
        for low, high in _ranges(sorted(numbers)):
            runs.setdefault((protocol, low, high), []).append(source)
    return {
        Proposal(protocol, low, high, source)
        for (protocol, low, high), sources in runs.items()
        for source in _collapsed(sources)
    }


def _ranges(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Runs of numbers that follow one another."""
    low = numbers[0]
    for number, following in pairwise(numbers):
        if following != number + 1:
            yield low, number
            low = following
    yield low, numbers[-1]


def _collapsed(sources: Sequence[str]) -> list[str]:
    """Ranges that together make up a larger one become that one; groups stay."""
    networks = [_network(source) for source in sources]
    groups = [source for source, network in zip(sources, networks, strict=True) if network is None]
    fours = [one for one in networks if isinstance(one, ipaddress.IPv4Network)]
    sixes = [one for one in networks if isinstance(one, ipaddress.IPv6Network)]
    merged = [*ipaddress.collapse_addresses(fours), *ipaddress.collapse_addresses(sixes)]
    return groups + [str(one) for one in merged]


def _steps(rules: Sequence[Proposal]) -> Iterator[tuple[float, Proposal, Proposal, Proposal]]:
    """Neighbours that could be joined: (how much that widens, the two, what they become)."""
    for one, other in pairwise(sorted(rules, key=lambda rule: (rule.protocol, rule.source, rule.from_port))):
        if (one.protocol, one.source) == (other.protocol, other.source):
            joined = Proposal(one.protocol, one.from_port, max(one.to_port, other.to_port), one.source)
            yield _width(joined) - _width(one) - _width(other), one, other, joined
    ranged = [(rule, network) for rule in rules if (network := _network(rule.source)) is not None and network.prefixlen]
    ranged.sort(key=lambda pair: (pair[0].protocol, pair[1].version, int(pair[1].network_address), pair[0].from_port))
    for (one, a), (other, b) in pairwise(ranged):
        if one.protocol == other.protocol and a.version == b.version:
            wide = _union(a, b)
            if wide.prefixlen:
                low, high = min(one.from_port, other.from_port), max(one.to_port, other.to_port)
                joined = Proposal(one.protocol, low, high, str(wide))
                yield _width(joined) - _width(one) - _width(other), one, other, joined


def _width(rule: Proposal) -> float:
    """Ports times addresses; a group counts as a /28, which is what a few hosts fill."""
    network = _network(rule.source)
    return (rule.to_port - rule.from_port + 1) * (float(network.num_addresses) if network else 16.0)


def _network(source: str) -> Network | None:
    """The range of a source; None for a group."""
    return None if source.startswith("sg-") else ipaddress.ip_network(source)


def _covers(mine: Network, theirs: Network) -> bool:
    return mine.version == theirs.version and _union(mine, theirs) == mine


def _union(one: Network, other: Network) -> Network:
    """The smallest range that holds both."""
    wide = one
    while not (wide.network_address <= other.network_address and other.broadcast_address <= wide.broadcast_address):  # type: ignore[operator]
        wide = wide.supernet()
    return wide
