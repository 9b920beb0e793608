"""The narrowest rules that would have admitted what was legitimately accepted, and what they would have cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flowkit import policy
from flowkit.engines import bind
from flowkit.engines.bind import literal
from flowkit.finding import at_least
from flowkit.question import Answer, question
from flowkit.security.brute_force import brute_force
from flowkit.security.exposed_services import exposed_service
from flowkit.security.host_sweeps import host_sweep
from flowkit.security.port_scans import port_scan
from flowkit.security.rulesets import ANYBODY, ANYBODY_V6, Need, covering, narrowest
from flowkit.security.wording import rows_of

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["narrowest_rules"]

#: From how many unrelated networks on an answering port means that anybody may come: as in `blocked_by`.
_ANYBODY = 10

# What each interface accepted, by service and source, and why it is no need of its own (`reason`), if so. On the
# internet sources stand by network (/16, of IPv6 /32), and as one where a port answered many networks. `flagged` are
# the sources of findings; an empty target or port -1 means any, and the source `internet` everybody out there.
_SQL = """
WITH flagged AS (
  SELECT srcaddr, dstaddr, dstport, min(reason) AS reason
  FROM (VALUES $flagged) AS told(srcaddr, dstaddr, dstport, reason) GROUP BY srcaddr, dstaddr, dstport
), named AS (
  SELECT endpoint_id, address, min(addr_key) AS addr_key FROM addresses GROUP BY endpoint_id, address
), accepted AS (
  SELECT c.dst_interface_id AS interface_id, c.protocol, c.dstport, c.srcaddr, c.src_interface_id, c.end_s,
         CASE WHEN c.src_scope IN ('public', 'aws') THEN CASE WHEN c.srcaddr LIKE '%:%' THEN 6 ELSE 4 END
              ELSE 0 END AS outside,
         COALESCE(f.reason, e.reason, CASE WHEN c.state = 'answered' THEN '' ELSE 'not answered' END) AS reason,
         substr(n.addr_key, 1, CASE WHEN c.srcaddr LIKE '%:%' THEN 8 ELSE 28 END) AS network
  FROM conversations c
  LEFT JOIN named n ON n.endpoint_id = c.src_id AND n.address = c.srcaddr
  LEFT JOIN flagged f ON f.srcaddr = c.srcaddr AND (f.dstaddr = '' OR f.dstaddr = c.dstaddr)
   AND (f.dstport = -1 OR f.dstport = c.dstport)
  LEFT JOIN flagged e ON e.srcaddr = 'internet' AND e.dstaddr = c.dstaddr AND e.dstport = c.dstport
   AND c.src_scope IN ('public', 'aws')
  WHERE c.in_period AND c.leg = '' AND c.initiator_by <> 'unknown' AND NOT c.rejected AND c.protocol IN (6, 17)
    AND c.dst_interface_id IS NOT NULL AND c.state NOT IN ('backscatter', 'one_sided', 'cut')
    AND COALESCE(c.dst_role, '') NOT IN ('nat_gateway', 'regional_nat_gateway', 'transit_gateway')
), crowds AS (
  SELECT interface_id, protocol, dstport, outside, reason, count(DISTINCT network) AS networks FROM accepted
  WHERE outside > 0 GROUP BY interface_id, protocol, dstport, outside, reason
), placed AS (
  SELECT a.*, CASE WHEN a.outside = 0 THEN a.srcaddr WHEN w.networks >= $anybody THEN '' ELSE a.network END AS source
  FROM accepted a
  LEFT JOIN crowds w ON w.interface_id = a.interface_id AND w.protocol = a.protocol AND w.dstport = a.dstport
   AND w.outside = a.outside AND w.reason = a.reason
)
SELECT interface_id, protocol, dstport, outside, reason, source, min(srcaddr) AS srcaddr,
       max(src_interface_id) AS src_interface_id, CAST(count(DISTINCT srcaddr) AS BIGINT) AS sources,
       CAST(count(*) AS BIGINT) AS conversations, max(end_s) AS last_s
FROM placed
GROUP BY interface_id, protocol, dstport, outside, reason, source
ORDER BY interface_id, protocol, dstport, outside, reason, source
"""

_COLUMNS = (
    "part", "group_id", "group_name", "protocol", "from_port", "to_port", "source", "source_name", "reason",
    "conversations", "last_s", "ip_permissions",
)  # fmt: skip
_NUMBERS = ("protocol", "from_port", "to_port", "conversations", "last_s")

_CAVEATS = (
    "These rules admit what this period shows and nothing else: what happens once a month, at a failover or a restore "
    "is missing, and so is traffic that flow logs never show. Read them before you use them.",
    "Left out is what nobody answered, and what a finding of medium or above tells of: scans, sweeps, guessed "
    "passwords, and what the internet did at services that it has no business with.",
)


@question(needs=("action", "srcaddr", "dstaddr", "dstport"), sharper_with=("inventory", "tcp_flags"))
def narrowest_rules(flows: Flows, *, max_rules: int = 20, top_n: int = 500) -> Answer:
    """Which is the narrowest set of rules that would have admitted the legitimate traffic, and what would it have cut?

    Rows by security group (`group_id`), or by interface where the inventory does not list its groups: first what the
    rules would `cut`, then those to `admit`. The `source` of a rule is a security group where the source has one, else
    a range of addresses, else 0.0.0.0/0 or ::/0 where ten unrelated networks or more were answered. At most `max_rules`
    rules per group: where more are needed, ports and ranges next to one another are put together, those first that
    widen least. `conversations` and `last_s` are of the traffic that the rule admits. `ip_permissions` is the rule as
    JSON, as `aws ec2 authorize-security-group-ingress --ip-permissions` takes it. The rows to `cut` hold the accepted
    traffic that the rules leave out, by `reason`: `not answered`, or the rule of a finding, over all its ports.

    Blind spots: ICMP is left out, since flow logs have no type of it; the traffic of an interface with several groups
    counts for the first one that lets it in; egress rules are not proposed. Source: rules from observed traffic, as IAM
    Access Analyzer makes policies from activity; "Security group rules" and "Amazon VPC quotas" in the VPC User Guide.
    """
    sql = bind(_SQL.replace("$flagged", _flagged(flows)), anybody=_ANYBODY)
    answer = flows.ask(sql, caveats=_CAVEATS)
    needs: dict[str, list[Need]] = {}
    cut: dict[tuple[str, str, int], list[Mapping[str, Any]]] = {}
    for row in rows_of(answer.table):
        group = _group(flows, row)
        if row["reason"]:
            cut.setdefault((group, row["reason"], row["protocol"]), []).append(row)
        else:
            needs.setdefault(group, []).append(_need(flows, row))
    rows = [_cut(flows, group, reason, members) for (group, reason, _), members in sorted(cut.items())]
    rows += [one for group in sorted(needs) for one in _admit(flows, group, needs[group], max_rules)]
    return replace(answer, _table=_framed(rows[:top_n]))


def _framed(rows: list[dict[str, Any]]) -> Any:
    import pandas as pd

    kinds = {name: "Int64" if name in _NUMBERS else "string" for name in _COLUMNS}
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(kinds)


def _flagged(flows: Flows) -> str:
    """What findings tell of, as the rows of a VALUES list; one that matches nothing comes first."""
    told = {("", "", -1, "")}
    for rule in (port_scan, host_sweep, brute_force, exposed_service) if flows.records else ():
        for found in rule(flows):
            if not at_least(found.severity, "medium"):
                continue
            target, port = found.subject.get("dstaddr"), found.subject.get("dstport")
            sources = found.subject.get("srcaddr", "internet")
            for source in sources if isinstance(sources, list) else [sources]:
                told.add((str(source), target if isinstance(target, str) else "",
                          port if isinstance(port, int) else -1, found.rule))  # fmt: skip
    return ", ".join(f"({', '.join(map(literal, row))})" for row in sorted(told))


def _group(flows: Flows, row: Mapping[str, Any]) -> str:
    """The group that traffic counts for: of several the first that lets it in; without an inventory the interface."""
    interface = flows.inventory.interface(row["interface_id"]) if flows.inventory else None
    if flows.inventory is None or interface is None or not interface.security_groups:
        return str(row["interface_id"])
    if len(interface.security_groups) > 1:
        found = policy.admitting(
            flows.inventory, interface.interface_id, protocol=row["protocol"], peer=row["srcaddr"], port=row["dstport"]
        )
        return found[0][0] if found else interface.security_groups[0]
    return interface.security_groups[0]


def _need(flows: Flows, row: Mapping[str, Any]) -> Need:
    return Need(row["protocol"], row["dstport"], _source(flows, row), row["conversations"], row["last_s"])


def _source(flows: Flows, row: Mapping[str, Any]) -> str:
    """A source as a rule names it: the smallest group that it is in, the network it came from, or its address."""
    if row["outside"]:
        if not row["source"]:
            return ANYBODY if row["outside"] == 4 else ANYBODY_V6
        bits = (16 if row["outside"] == 4 else 32) if row["sources"] > 1 else (32 if row["outside"] == 4 else 128)
        return covering(row["srcaddr"], bits)
    inventory = flows.inventory
    interface = inventory.interface(row["src_interface_id"]) if inventory and row["src_interface_id"] else None
    if inventory is None or interface is None or not interface.security_groups:
        return covering(row["srcaddr"], 128 if ":" in row["srcaddr"] else 32)
    members = {
        group: sum(group in one.security_groups for one in inventory.interfaces) for group in interface.security_groups
    }
    return min(members, key=lambda group: (members[group], group))


def _admit(flows: Flows, group: str, needs: list[Need], max_rules: int) -> list[dict[str, Any]]:
    return [
        {
            "part": "admit",
            "group_id": group,
            "group_name": _name(flows, group),
            "protocol": rule.protocol,
            "from_port": rule.from_port,
            "to_port": rule.to_port,
            "source": rule.source,
            "source_name": _name(flows, rule.source),
            "conversations": sum(need.conversations for need in admitted),
            "last_s": max(need.last_s for need in admitted),
            "ip_permissions": rule.as_json(),
        }
        for rule, admitted in narrowest(needs, max_rules)
    ]


def _cut(flows: Flows, group: str, reason: str, members: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "part": "cut",
        "group_id": group,
        "group_name": _name(flows, group),
        "protocol": members[0]["protocol"],
        "from_port": min(row["dstport"] for row in members),
        "to_port": max(row["dstport"] for row in members),
        "source": members[0]["srcaddr"] if len({row["srcaddr"] for row in members}) == 1 else "several",
        "reason": reason,
        "conversations": sum(row["conversations"] for row in members),
        "last_s": max(row["last_s"] for row in members),
    }


def _name(flows: Flows, group: str) -> str | None:
    listed = flows.inventory.security_group(group) if flows.inventory else None
    return listed.name if listed else None
