"""DNS past the resolvers that are meant to be asked."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowkit.engines import bind
from flowkit.errors import ParameterError
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.wording import count_of, host, look_up, one_or_list, rows_of
from flowkit.tables.keys import cidr_range

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["dns_bypass", "resolvers_asked"]

#: A host that answers the names of three others is a resolver; one that asks five servers outside walks the tree
#: itself.
_CLIENTS, _SERVERS = 3, 5
#: Amazon's resolver under its fixed addresses; that of a VPC is its base address plus two, and they are not logged.
_AMAZON = ("169.254.169.253", "fd00:ec2::253")
#: Where at most one host in ten, or two, ask somebody else, the others show what is meant to be asked.
_ODD_SHARE, _ODD_HOSTS, _LEAST_HOSTS = 10, 2, 5

_SQL = """
WITH asked AS (
  SELECT c.src_id, c.dst_id, c.srcaddr, c.src_name, c.src_role, c.dstaddr, c.dst_name, c.dst_scope, c.protocol,
         c.dstport, c.start_s, c.end_s, c.fwd_bytes, c.rev_bytes,
         CASE WHEN c.rev_packets > 0 AND NOT c.rejected THEN 1 ELSE 0 END AS answered
  FROM conversations c
  WHERE c.in_period AND c.leg = '' AND c.protocol IN (6, 17) AND c.dstport IN (53, 853) AND c.initiator_by <> 'unknown'
    AND c.src_scope IN ('vpc', 'private') AND c.dst_scope IN ('vpc', 'private', 'public', 'aws')
    AND (c.late_rejects = 0 OR c.rejected OR c.rev_packets > 0)
), resolvers AS (
  SELECT dst_id FROM asked WHERE answered = 1 AND dst_scope IN ('vpc', 'private')
  GROUP BY dst_id HAVING count(DISTINCT src_id) >= $clients
), keys AS (
  SELECT endpoint_id, min(addr_key) AS addr_key FROM addresses GROUP BY endpoint_id
), walkers AS (
  SELECT src_id FROM asked WHERE dst_scope IN ('public', 'aws') AND dstport = 53
  GROUP BY src_id HAVING count(DISTINCT dst_id) >= $servers
), pairs AS (
  SELECT src_id, dst_id, dstport, min(srcaddr) AS srcaddr, max(src_name) AS src_name, max(src_role) AS src_role,
         min(dstaddr) AS dstaddr, max(dst_name) AS dst_name, max(dst_scope) AS dst_scope, min(protocol) AS protocol,
         CAST(count(*) AS BIGINT) AS queries, CAST(sum(answered) AS BIGINT) AS answered,
         CAST(sum(fwd_bytes) AS BIGINT) AS sent_bytes, CAST(sum(rev_bytes) AS BIGINT) AS received_bytes,
         min(start_s) AS first_s, max(end_s) AS last_s
  FROM asked GROUP BY src_id, dst_id, dstport
)
SELECT CASE WHEN $allowed THEN 'allowed'
            WHEN r.dst_id IS NOT NULL THEN 'resolver of ours'
            WHEN p.dst_scope IN ('vpc', 'private') THEN 'inside'
            WHEN s.dst_id IS NOT NULL THEN 'asked by our resolver'
            WHEN COALESCE(p.src_role, '') IN ('nat_gateway', 'regional_nat_gateway') THEN 'many behind one'
            WHEN p.answered = 0 THEN 'in vain'
            WHEN w.src_id IS NOT NULL AND p.dstport = 53 THEN 'walks the tree'
            ELSE 'past our resolvers' END AS reading,
       p.srcaddr, p.src_name, p.dstaddr, p.dst_name, p.protocol, p.dstport, p.queries, p.answered, p.sent_bytes,
       p.received_bytes, p.first_s, p.last_s
FROM pairs p
JOIN keys k ON k.endpoint_id = p.dst_id
LEFT JOIN resolvers r ON r.dst_id = p.dst_id
LEFT JOIN resolvers s ON s.dst_id = p.src_id
LEFT JOIN walkers w ON w.src_id = p.src_id
ORDER BY CASE WHEN p.dst_scope IN ('public', 'aws') THEN 0 ELSE 1 END, p.queries DESC, p.srcaddr, p.dstaddr, p.dstport,
         p.src_id, p.dst_id
LIMIT $top_n
"""

# Hosts of ours that began anything: among how many those that ask elsewhere are the exception.
_HOSTS = """
SELECT CAST(count(DISTINCT src_id) AS BIGINT) AS hosts FROM conversations
WHERE in_period AND leg = '' AND src_scope IN ('vpc', 'private') AND initiator_by <> 'unknown'
  AND state <> 'backscatter'
"""

_CAVEATS = (
    "Questions to Amazon's resolver (the VPC's base address plus two, 169.254.169.253, fd00:ec2::253) are never in "
    "flow logs. A host that asks nobody here asks it, or an address it was given.",
    "DNS over HTTPS looks like any other HTTPS and cannot be seen; DNS over TLS is port 853.",
)


@question(
    needs=("srcaddr", "dstaddr", "dstport"),
    sharper_with=("tcp_flags", "action", "inventory"),
)
def resolvers_asked(flows: Flows, *, dns_resolvers: Sequence[str] = (), top_n: int = 50) -> Answer:
    """Which name servers were asked, and by whom?

    Rows per host of ours, server and port (53, or 853 for DNS over TLS): `queries` are conversations, `answered` those
    that got an answer. `reading` is `allowed` (in `dns_resolvers`, addresses or blocks, or Amazon's own resolver),
    `resolver of ours` (an inside host that answers three hosts or more), `inside` (some other host inside), `asked by
    our resolver` (a resolver of ours asks the world: its work), `many behind one` (a NAT gateway), `in vain` (nobody
    answered), `walks the tree` (five name servers outside and more: a resolver on the host itself) or `past our
    resolvers`.

    Blind spots: Amazon's resolver, and DNS over HTTPS, as the caveats say; a name server that listens on another port.
    Source: AWS, "Flow log limitations" (what is not logged); MITRE ATT&CK T1071.004; Route 53 Resolver DNS Firewall,
    which only sees questions to Amazon's resolver.

    >>> import flowkit
    >>> flowkit.security.resolvers_asked(flowkit.open("sample:")).table.columns[0]
    'reading'
    """
    return flows.ask(_bound(flows, dns_resolvers, top_n), caveats=_CAVEATS)


def _bound(flows: Flows, dns_resolvers: Sequence[str], top_n: int) -> str:
    """The query with the allowed resolvers in it, as ranges of keys."""
    ranges = [cidr_range(address) for address in (*_AMAZON, *_of_vpcs(flows))]
    for given in dns_resolvers:
        try:
            ranges.append(cidr_range(str(given)))
        except ValueError as error:
            raise ParameterError(f"dns_resolvers has {given!r}, which is no address and no CIDR block.") from error
    allowed = " OR ".join(
        bind("k.addr_key BETWEEN $low AND $high", low=low, high=high) for low, high in sorted(set(ranges))
    )
    return bind(_SQL.replace("$allowed", allowed), clients=_CLIENTS, servers=_SERVERS, top_n=top_n)


def _of_vpcs(flows: Flows) -> list[str]:
    """The resolver of each VPC of the inventory: the base of its address range, plus two."""
    vpcs = flows.inventory.vpcs if flows.inventory else ()
    blocks = [ipaddress.ip_network(cidr, strict=False) for vpc in vpcs for cidr in vpc.cidrs]
    return [str(block.network_address + 2) for block in blocks if block.version == 4 and block.num_addresses > 2]


def dns_bypass(flows: Flows, *, dns_resolvers: Sequence[str] = ()) -> list[Finding]:
    """Findings of `resolvers_asked`, one per server outside that was asked past ours.

    Medium where that is the exception: `dns_resolvers` says what is allowed, or at most one host in ten (or two) does
    it among five or more. Low where many do, and for a host that walks the tree itself.
    """
    rows = rows_of(flows.sql(_bound(flows, dns_resolvers, 5_000)))
    past = [row for row in rows if row["reading"] == "past our resolvers"]
    hosts = int(flows.arrow(_HOSTS).column(0)[0].as_py())
    asking = len({row["srcaddr"] for row in past})
    odd = bool(dns_resolvers) or (hosts >= _LEAST_HOSTS and asking <= max(_ODD_HOSTS, hosts // _ODD_SHARE))
    groups: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for row in rows:
        if row["reading"] == "past our resolvers":
            groups.setdefault(("server", row["dstaddr"], row["dstport"]), []).append(row)
        elif row["reading"] == "walks the tree":
            groups.setdefault(("walks", row["srcaddr"], row["dstport"]), []).append(row)
    return [_finding(key, members, odd, hosts) for key, members in groups.items()]


def _finding(key: tuple[str, str, int], members: Sequence[Mapping[str, Any]], odd: bool, hosts: int) -> Finding:
    row, walks = members[0], key[0] == "walks"
    sources, servers = ({one[name] for one in members} for name in ("srcaddr", "dstaddr"))
    queries, answered = (sum(one[name] for one in members) for name in ("queries", "answered"))
    who = host(row["srcaddr"], row["src_name"]) if len(sources) == 1 else count_of(len(sources), "host")
    over = "DNS over TLS" if row["dstport"] == 853 else "DNS"
    whom = f"{row['dstaddr']}" if len(servers) == 1 else count_of(len(servers), "name server")
    medium = odd and not walks
    return Finding(
        id=finding_id("dns_bypass", {"key": list(key)}),
        rule="dns_bypass",
        title=f"{who} {'asks' if len(sources) == 1 else 'ask'} {whom} for names ({over}), past your resolvers",
        severity="medium" if medium else "low",
        confidence=0.8 if medium else 0.4,
        subject={
            "srcaddr": one_or_list(sources),
            "dstaddr": one_or_list(servers),
            "dstport": row["dstport"],
            "protocol": one_or_list(one["protocol"] for one in members),
        },
        first_seen=iso(min(one["first_s"] for one in members)),
        last_seen=iso(max(one["last_s"] for one in members)),
        count=queries,
        explanation=(
            f"{who} sent {count_of(queries, 'question')} to port {row['dstport']} of {whom} outside, and "
            f"{answered:,} got an answer. "
            + (
                "It asks one server after the other, as a resolver of its own does. "
                if walks
                else f"Of {count_of(hosts, 'host')} of yours few do so. "
                if odd
                else f"Many of your {hosts:,} hosts do so, so it may be your way. "
            )
            + "Names that are asked there are in no query log of yours and past any DNS firewall; malware uses DNS to "
            "call home and to carry data out."
        ),
        could_also_be="A resolver fixed in a container image or an appliance; a tool that tests names from outside.",
        next_step=(
            f"See which resolver {who} is set to, and let only your resolvers send to port {row['dstport']}: "
            f"{look_up(row['srcaddr'])}"
        ),
        evidence=[dict(one) for one in members[:20]],
        attack=("T1071.004",),
    )
