"""Security group rules that are far wider than what they are used for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flowkit import policy
from flowkit.engines import bind
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.reference import known_services
from flowkit.security.let_in import LET_IN, V4
from flowkit.security.ruletext import narrow, ports_of, remove, source_of
from flowkit.security.wording import count_of, one_or_list, rows_of, service

if TYPE_CHECKING:
    from flowkit.flows import Flows
    from flowkit.inventory import Inventory, Rule

__all__ = ["open_rules", "policy_open"]

# What each rule let in, and what it alone let in: traffic that a second rule of the interface admits too would not be
# missed. `networks`: the /16 of sources on the internet, of IPv6 the /32.
_SQL = f"""
WITH {LET_IN}
, shared AS (
  SELECT interface_id, protocol, dstport, addr_key, count(*) AS rules FROM admitted
  WHERE answered > 0 GROUP BY interface_id, protocol, dstport, addr_key
)
SELECT a.group_id, a.rule_id, CAST(sum(a.answered) AS BIGINT) AS conversations,
       CAST(sum(CASE WHEN s.rules = 1 THEN a.answered ELSE 0 END) AS BIGINT) AS only_conversations,
       CAST(count(DISTINCT CASE WHEN s.rules = 1 THEN a.addr_key END) AS BIGINT) AS only_sources,
       CAST(count(DISTINCT CASE WHEN s.rules = 1 THEN a.protocol * 65536 + a.dstport END) AS BIGINT) AS only_ports,
       CAST(count(DISTINCT CASE WHEN a.outside = 1
                                THEN CASE WHEN substr(a.addr_key, 1, 24) = '{V4}'
                                          THEN substr(a.addr_key, 1, 28) ELSE substr(a.addr_key, 1, 8) END
                                END) AS BIGINT) AS networks,
       CAST(count(DISTINCT CASE WHEN a.outside = 1 THEN a.addr_key END) AS BIGINT) AS internet_sources,
       max(a.last_s) AS last_s
FROM admitted a
JOIN shared s ON s.interface_id = a.interface_id AND s.protocol = a.protocol AND s.dstport = a.dstport
 AND s.addr_key = a.addr_key
GROUP BY a.group_id, a.rule_id
ORDER BY a.group_id, a.rule_id
"""

#: Kinds of service that the internet has no business with. AWS Security Hub's controls EC2.13, EC2.14, EC2.19 and
#: EC2.53 fail on nearly the same list of ports.
_RISKY = ("admin", "database", "directory")
_RISKY_PORTS = {(port, protocol) for port, protocol, _, kind in known_services() if kind in _RISKY}

#: Services that are meant for everybody, however few come.
_PUBLIC_PORTS = {
    (port, protocol) for port, protocol, _, kind in known_services() if kind in ("web", "mail", "infrastructure")
}

#: A range of more ports than this is wide; the ports of one application rarely number a hundred.
_WIDE_PORTS = 100
#: A rule that is open to the world and used by fewer unrelated networks than this serves somebody in particular.
_FEW_NETWORKS = 3

_COLUMNS = (
    "reading", "group_id", "group_name", "rule_id", "source", "ports", "risky_ports", "interfaces", "public_interfaces",
    "conversations", "only_conversations", "only_sources", "only_ports", "internet_sources", "last_s",
)  # fmt: skip
_WORDS = ("reading", "group_id", "group_name", "rule_id", "source", "ports")

#: Readings from worst to best, with the severity of the finding. That somebody came in and was answered is what
#: `exposed_service` tells, and how bad that is; here it is the rule that is wrong, whoever came.
_SEVERITY = {
    "dangerous and public": "medium",
    "dangerous": "medium",
    "wide ports": "low",
    "wide source": "low",
    "open, as meant": "",
    "fits": "",
}

_CAVEATS = (
    "Use is what this period shows: accepted conversations that were answered. What only this rule lets in would be "
    "missed; what another rule of the same interface lets in too would not.",
)


@question(needs=("action", "srcaddr", "dstaddr", "dstport"), sharper_with=("inventory", "tcp_flags"))
def open_rules(flows: Flows, *, top_n: int = 50) -> Answer:
    """Which security group rules are far wider than their use?

    Rows per inbound rule of the inventory that is on an interface, worst `reading` first. `dangerous`: open to the
    world (wider than any registry hands out, so 0.0.0.0/0 and its halves) on `risky_ports` administration, database or
    directory ports; `dangerous and public` where an interface of it has a public address. `wide ports`: more than
    100 ports, of which the rule's own traffic needed at most one in ten. `wide source`: open to the world, but used by
    fewer than three unrelated networks (web, mail and infrastructure aside). `open, as meant`: open to the world and
    used so. `fits`: the rest. `conversations` it let in, `only_conversations` that no other rule of the interface would
    have let in, with their `only_sources` and `only_ports`; `internet_sources` it let in; `last_s`. Empty without an
    inventory.

    Blind spots: rules are taken to be unchanged since the snapshot; a rule for failover or restore is used rarely;
    what is open but unreachable by routing is called dangerous all the same, since one route changes that. Source: AWS
    Security Hub controls EC2.13, EC2.14, EC2.19 and EC2.53; "Security group rules", Amazon VPC User Guide.
    """
    answer = flows.ask(bind(_SQL), caveats=_CAVEATS)
    if flows.inventory is None:
        answer = replace(answer, caveats=(*answer.caveats, "Rules come from the inventory, and there is none."))
    return replace(answer, _table=_framed(_read(flows.inventory, rows_of(answer.table))[:top_n]))


def _framed(rows: list[dict[str, Any]]) -> Any:
    import pandas as pd

    kinds = {name: "string" if name in _WORDS else "Int64" for name in _COLUMNS}
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(kinds)


def _read(inventory: Inventory | None, used: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every rule that is on an interface, with its use and how it reads, worst first."""
    if inventory is None:
        return []
    credit = {(row["group_id"], row["rule_id"]): row for row in used}
    rows = []
    for group_id, rule_id, rule in _rules(inventory):
        on = [one for one in inventory.interfaces if group_id in one.security_groups]
        use = credit.get((group_id, rule_id), {})
        group = inventory.security_group(group_id)
        row = {
            "group_id": group_id,
            "group_name": group.name if group else "",
            "rule_id": rule_id,
            "source": source_of(rule),
            "ports": ports_of(rule),
            "risky_ports": _risky(rule),
            "interfaces": len(on),
            "public_interfaces": sum(bool(one.public_address) for one in on),
            "last_s": use.get("last_s"),
            **{name: use.get(name, 0) for name in _COLUMNS[9:14]},
        }
        world = any(policy.is_world(cidr) for cidr in policy.cidrs_of(inventory, rule))
        rows.append({"reading": _reading(row, rule, world, use.get("networks", 0)), **row})
    order = list(_SEVERITY)
    rows.sort(key=lambda row: (order.index(row["reading"]), row["only_conversations"], row["group_id"], row["rule_id"]))
    return rows


def _rules(inventory: Inventory) -> list[tuple[str, str, Rule]]:
    """Every inbound rule that is on an interface: group id, rule id (or its place), rule."""
    there = {group for one in inventory.interfaces for group in one.security_groups}
    return [
        (group.group_id, rule.rule_id or f"ingress {place + 1}", rule)
        for group in inventory.security_groups
        if group.group_id in there
        for place, rule in enumerate(group.ingress)
    ]


def _span(rule: Rule) -> tuple[int, int]:
    """First and last port; all of them where the rule names none."""
    if rule.protocol == "-1" or rule.from_port in (None, -1):
        return 0, 65535
    low = rule.from_port or 0
    return low, rule.to_port if rule.to_port is not None else low


def _risky(rule: Rule) -> int:
    """How many administration, database and directory ports the rule covers."""
    low, high = _span(rule)
    return sum(low <= port <= high and rule.protocol in ("-1", str(number)) for port, number in _RISKY_PORTS)


def _reading(row: Mapping[str, Any], rule: Rule, world: bool, networks: int) -> str:
    low, high = _span(rule)
    if world and row["risky_ports"]:
        return "dangerous and public" if row["public_interfaces"] else "dangerous"
    if rule.protocol in ("6", "17") and high - low + 1 > _WIDE_PORTS and row["only_ports"] * 10 <= high - low + 1:
        return "wide ports"
    if world and rule.protocol not in ("1", "58"):
        meant = low == high and (low, int(rule.protocol)) in _PUBLIC_PORTS
        return "wide source" if 0 < networks < _FEW_NETWORKS and not meant else "open, as meant"
    return "fits"


def policy_open(flows: Flows) -> list[Finding]:
    """Findings of `open_rules`, one per rule: medium where dangerous, surer where public; else low.

    Low too where the rule opens a single port and the internet used it: then `exposed_service` tells how bad that is,
    and names the rule.
    """
    inventory = flows.inventory
    if inventory is None or not open_rules(flows).answerable:
        return []
    rules = {(group_id, rule_id): rule for group_id, rule_id, rule in _rules(inventory)}
    rows = _read(inventory, rows_of(flows.ask(bind(_SQL)).table))
    return [
        _finding(flows, inventory, row, rules[row["group_id"], row["rule_id"]])
        for row in rows
        if _SEVERITY[row["reading"]]
    ]


def _finding(flows: Flows, inventory: Inventory, row: Mapping[str, Any], rule: Rule) -> Finding:
    since_s, until_s = flows.period
    low, high = _span(rule)
    subject: dict[str, Any] = {
        "interface_id": one_or_list(
            one.interface_id for one in inventory.interfaces if row["group_id"] in one.security_groups
        )
    }
    if low == high:
        subject["dstport"] = low
    if rule.protocol != "-1":
        subject["protocol"] = int(rule.protocol)
    world = row["reading"] != "wide ports"
    told_elsewhere = low == high and row["internet_sources"] > 0
    name = row["group_name"] or row["group_id"]
    what = service(low, int(rule.protocol)) if low == high else row["ports"]
    return Finding(
        id=finding_id("policy_open", {"group_id": row["group_id"], "rule_id": row["rule_id"]}),
        rule="policy_open",
        title=f"Security group {name} lets {'anybody' if world else row['source']} in to {what}",
        severity="low" if told_elsewhere else _SEVERITY[row["reading"]],
        confidence={"dangerous and public": 0.9, "dangerous": 0.8}.get(row["reading"], 0.6),
        subject=subject,
        first_seen=iso(since_s),
        last_seen=iso(row["last_s"] if row["last_s"] is not None else until_s),
        count=row["conversations"],
        explanation=_why(row, world),
        could_also_be="A rule that something else keeps closed: no route from the internet, a network ACL, a firewall.",
        next_step=(
            "No traffic of this period would be missed, so take the rule out: " + remove(row["group_id"], rule)
            if not row["only_conversations"]
            else "Narrow it to your own network, or to those who use it (`narrowest_rules` proposes which): "
            + narrow(inventory, row["group_id"], rule)
        ),
        evidence=[dict(row)],
        attack=("T1190", "T1133") if world else (),
    )


def _why(row: Mapping[str, Any], world: bool) -> str:
    on = count_of(row["interfaces"], "interface")
    told = f"Rule {row['rule_id']} of {row['group_id']} opens {row['ports']} to {row['source']} on {on}"
    told += f", {row['public_interfaces']:,} of them with a public address. " if row["public_interfaces"] else ". "
    if world and row["risky_ports"]:
        told += "It covers " + count_of(row["risky_ports"], "port") + " of administration, databases or directories. "
    if not row["only_conversations"]:
        return told + "Nothing that was answered in this period needed it: other rules let in whatever came."
    return told + (
        f"It alone let in {count_of(row['only_conversations'], 'conversation')}, from "
        f"{count_of(row['only_sources'], 'source')} to {count_of(row['only_ports'], 'port')}."
    )
