"""Services that answer the internet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flowkit import policy
from flowkit.engines import bind
from flowkit.engines.ctes import share
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.attempts import ATTEMPTS
from flowkit.security.owners import owner_of
from flowkit.security.ruletext import narrow, ports_of, source_of
from flowkit.security.wording import aws_cli, count_of, host, look_up, rows_of, sentence, service

if TYPE_CHECKING:
    import pandas as pd

    from flowkit.flows import Flows
    from flowkit.inventory import Rule

__all__ = ["exposed_service", "exposed_services"]

share("exposed_ports", "exposed_refused")

# `neighbourhoods`: sources by /16 (IPv4) or /32 (IPv6), so that one office with many addresses counts once.
_SQL = f"""
WITH {ATTEMPTS}
, outside AS (
  SELECT a.*, CASE WHEN srcaddr LIKE '%:%' THEN substr(k.addr_key, 1, 8)
         ELSE substr(k.addr_key, 1, 28) END AS neighbourhood
  FROM attempts a
  JOIN (SELECT endpoint_id, min(addr_key) AS addr_key FROM addresses GROUP BY endpoint_id) k ON k.endpoint_id = a.src_id
  WHERE NOT a.inside AND a.target_inside
), exposed_ports AS (
  SELECT dst_id, protocol, dstport, min(dstaddr) AS dstaddr, max(dst_name) AS dst_name, max(dst_role) AS dst_role,
         max(dst_interface_id) AS interface_id, CAST(count(DISTINCT srcaddr) AS BIGINT) AS sources,
         CAST(count(DISTINCT neighbourhood) AS BIGINT) AS neighbourhoods, CAST(count(*) AS BIGINT) AS answered,
         CAST(sum(CASE WHEN fwd_packets >= 4 AND rev_packets >= 3 THEN 1 ELSE 0 END) AS BIGINT) AS used,
         CAST(sum(rev_bytes) AS BIGINT) AS sent_bytes, min(start_s) AS first_s, max(end_s) AS last_s
  FROM outside WHERE answered = 1 AND rev_packets > 0
  GROUP BY dst_id, protocol, dstport
), exposed_refused AS (
  SELECT dst_id, protocol, dstport, CAST(count(*) AS BIGINT) AS refused FROM outside WHERE answered = 0 GROUP BY dst_id,
         protocol, dstport
)
SELECT CASE WHEN COALESCE(s.dst_role, '') IN ('nat_gateway', 'regional_nat_gateway') THEN 'translation'
            WHEN k.kind IS NULL THEN 'unknown' ELSE k.kind END AS kind,
       k.service, s.dstaddr, s.dst_name, s.dst_role AS role, s.interface_id, s.protocol, s.dstport, s.sources,
       s.neighbourhoods,
       s.answered, s.used, COALESCE(r.refused, 0) AS refused, s.sent_bytes, s.first_s, s.last_s$keys
FROM exposed_ports s
LEFT JOIN exposed_refused r ON r.dst_id = s.dst_id AND r.protocol = s.protocol AND r.dstport = s.dstport
LEFT JOIN service_ports k ON k.port = s.dstport AND k.protocol = s.protocol
ORDER BY s.sources DESC, s.answered DESC, s.dstaddr, s.protocol, s.dstport
LIMIT $top_n
"""

_KEYS = ", s.dst_id"

#: Kinds of service that the internet has no business with, and how bad it is that they answer it.
_SEVERITY = {"database": "high", "admin": "medium", "directory": "medium"}

_CAVEATS = (
    "Reached and answered, not merely reachable: a service that nobody called does not show. Behind a load "
    "balancer the load balancer is the one exposed.",
)


@question(needs=("srcaddr", "dstaddr", "dstport"), sharper_with=("tcp_flags", "inventory", "flow_direction"))
def exposed_services(flows: Flows, *, top_n: int = 50) -> Answer:
    """Which services answered the internet?

    Rows per address, protocol and port that answered a public address which began: `kind` (`web`, `mail`, `database`,
    `admin`, `directory`, `cleartext`, `infrastructure`, `other`, `unknown`, or `translation` for what a NAT gateway
    carries), `owner` (a tag of the instance, else whom AWS lists, else a name), `risky` (administration, databases and
    directories), `rules` of the inventory that let anybody in there, `sources` (addresses), `neighbourhoods` (their
    /16, of IPv6 their /32), `answered` conversations, `used` (with enough packets to carry a question and an answer),
    `refused` ones, `sent_bytes` back.

    Blind spots: what nobody called; the real client behind a proxy; without TCP flags a source that reuses a known port
    may be taken for a client. Source: AWS, "Security groups": a REJECT is what a closed port looks like; an answer
    proves an open one.

    >>> import flowkit
    >>> flowkit.security.exposed_services(flowkit.open("sample:")).table.columns[0]
    'kind'
    """
    answer = flows.ask(bind(_SQL.replace("$keys", ""), top_n=top_n), caveats=_CAVEATS)
    return replace(answer, _table=_with_owners(flows, answer.table))


def _with_owners(flows: Flows, table: pd.DataFrame) -> pd.DataFrame:
    """The table with who answers for each service, and the rules that let the internet in there."""
    import pandas as pd

    rows = rows_of(table, ("kind", "interface_id", "protocol", "dstport"))
    rules = [", ".join(rule.rule_id or group for group, rule in _opening(flows, row)) or None for row in rows]
    owners = [owner_of(flows.inventory, row["interface_id"]) for row in rows]
    risky = [row["kind"] in _SEVERITY for row in rows]
    table.insert(5, "owner", pd.Series(owners, index=table.index, dtype="string"))
    table.insert(9, "risky", pd.Series(risky, index=table.index, dtype="boolean"))
    table.insert(10, "rules", pd.Series(rules, index=table.index, dtype="string"))
    return table


def _opening(flows: Flows, row: Mapping[str, Any], peers: Sequence[str] = ()) -> list[tuple[str, Rule]]:
    """The security group rules that let the internet in to a service: those open to anybody, and those for `peers`."""
    if flows.inventory is None or not row["interface_id"]:
        return []
    asked = {"protocol": row["protocol"], "port": row["dstport"]}
    there = flows.inventory, row["interface_id"]
    found = policy.open_rules(*there, **asked)
    found += [one for peer in peers for one in policy.admitting(*there, peer=peer, **asked)]
    return list(dict.fromkeys(found))


_EVIDENCE = f"""
WITH {ATTEMPTS}
SELECT srcaddr, count(*) AS conversations, CAST(sum(fwd_bytes) AS BIGINT) AS fwd_bytes,
       CAST(sum(rev_bytes) AS BIGINT) AS rev_bytes,
       min(start_s) AS first_s, max(end_s) AS last_s
FROM attempts WHERE NOT inside AND dst_id = $dst_id AND protocol = $protocol AND dstport = $dstport AND answered = 1
GROUP BY srcaddr ORDER BY rev_bytes DESC, srcaddr LIMIT 20
"""


def exposed_service(flows: Flows, *, min_neighbourhoods: int = 3) -> list[Finding]:
    """Findings of `exposed_services`: databases high, administration and directories medium.

    Fewer than `min_neighbourhoods` unrelated sources may be a list of allowed partners: low. One answer without data is
    enough where that many got one, since it proves that the port is open to all.
    """
    rows = rows_of(flows.sql(bind(_SQL.replace("$keys", _KEYS), top_n=1000)))
    return [_finding(flows, row, min_neighbourhoods) for row in rows if row["kind"] in _SEVERITY]


def _finding(flows: Flows, row: Mapping[str, Any], min_neighbourhoods: int) -> Finding:
    whom, what = host(row["dstaddr"], row["dst_name"]), service(row["dstport"], row["protocol"])
    to_all = row["neighbourhoods"] >= min_neighbourhoods
    subject = {"dstaddr": row["dstaddr"], "dstport": row["dstport"], "protocol": row["protocol"]}
    if row["interface_id"]:
        subject["interface_id"] = row["interface_id"]
    evidence = rows_of(flows.sql(bind(_EVIDENCE, **{name: row[name] for name in ("dst_id", "protocol", "dstport")})))
    opening = _opening(flows, row, [one["srcaddr"] for one in evidence])
    owner = owner_of(flows.inventory, row["interface_id"])
    kind = {"database": "a database", "admin": "a way to administer the host", "directory": "a directory"}[row["kind"]]
    used = (
        f"{row['used']:,} of the conversations carried data."
        if row["used"]
        else "None of them went beyond the handshake so far."
    )
    return Finding(
        id=finding_id("exposed_service", subject),
        rule="exposed_service",
        title=f"{sentence(what)} of {whom} answers "
        f"{count_of(row['sources'], 'internet address', 'internet addresses')}",
        severity=_SEVERITY[row["kind"]] if to_all else "low",
        confidence=0.9 if to_all and row["used"] else 0.7 if to_all else 0.4,
        subject=subject,
        first_seen=iso(row["first_s"]),
        last_seen=iso(row["last_s"]),
        count=row["answered"],
        explanation=(
            f"{sentence(what)} is {kind}, and {whom} answered {count_of(row['answered'], 'conversation')} that "
            f"{count_of(row['sources'], 'public address', 'public addresses')} began. {used} "
            + (
                "Sources this unrelated mean that anybody may come."
                if to_all
                else "The sources are few and may be known ones."
            )
            + "".join(
                f" Rule {rule.rule_id or 'without id'} of {group} opens {ports_of(rule)} to {source_of(rule)}."
                for group, rule in opening[:3]
            )
            + (f" Its owner: {owner}." if owner else "")
        ),
        could_also_be="A service that is meant to be public, or open to a list of partners only.",
        next_step=_next(flows, row, opening),
        evidence=evidence,
        attack=("T1190",) if row["kind"] == "database" else ("T1133",),
    )


def _next(flows: Flows, row: Mapping[str, Any], opening: Sequence[tuple[str, Rule]]) -> str:
    """The call that narrows the rule which lets them in; without an inventory, the one that shows the groups."""
    if flows.inventory is not None and opening:
        group, rule = opening[0]
        others = f" (and {count_of(len(opening) - 1, 'more rule')} like it)" if len(opening) > 1 else ""
        return (
            f"If it is not meant to be public, narrow rule {rule.rule_id or 'in question'} of {group}{others} to your "
            "own network, or to the addresses that may come: "
            + narrow(flows.inventory, group, rule, port=row["dstport"])
        )
    return "Name the allowed sources in the security group, or take the port off the internet. The groups it has: " + (
        aws_cli("ec2", "describe-network-interfaces", "--network-interface-ids", row["interface_id"])
        if row["interface_id"]
        else look_up(row["dstaddr"])
    )
