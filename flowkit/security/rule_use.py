"""Which security group rules the accepted traffic needed, and when "never used" may be said at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.engines import bind
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.let_in import LET_IN
from flowkit.security.wording import count_of, rows_of

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["policy_unused", "rule_use"]

_SQL = f"""
WITH {LET_IN}
, credit AS (
  SELECT group_id, rule_id, CAST(sum(conversations) AS BIGINT) AS conversations,
         CAST(count(DISTINCT addr_key) AS BIGINT) AS sources, max(last_s) AS last_s
  FROM admitted GROUP BY group_id, rule_id
), incomplete AS (
  SELECT DISTINCT r.group_id, r.rule_id FROM group_rules r
  LEFT JOIN interfaces i ON i.observer = r.interface_id AND i.records > 0
  LEFT JOIN (SELECT DISTINCT observer FROM gaps WHERE log_status <> 'NODATA') g ON g.observer = r.interface_id
  WHERE i.observer IS NULL OR g.observer IS NOT NULL
)
SELECT CASE WHEN max(c.conversations) > 0 THEN 'used'
            WHEN $complete AND max(n.rule_id) IS NULL THEN 'unused' ELSE 'not seen' END AS judgement,
       r.group_name, r.rule_id, max(r.protocol) AS rule_protocol, max(r.from_port) AS from_port,
       max(r.to_port) AS to_port, min(r.source) AS source, CAST(count(DISTINCT r.interface_id) AS BIGINT) AS interfaces,
       COALESCE(max(c.conversations), 0) AS conversations, COALESCE(max(c.sources), 0) AS sources,
       max(c.last_s) AS last_s, r.group_id
FROM group_rules r
LEFT JOIN credit c ON c.group_id = r.group_id AND c.rule_id = r.rule_id
LEFT JOIN incomplete n ON n.group_id = r.group_id AND n.rule_id = r.rule_id
GROUP BY r.group_id, r.group_name, r.rule_id
ORDER BY CASE WHEN max(c.conversations) > 0 THEN 1 ELSE 0 END, r.group_id, r.rule_id
LIMIT $top_n
"""

_LEAST_DAYS = 30


@question(needs=("action", "srcaddr", "dstaddr", "dstport"), sharper_with=("inventory", "tcp_flags"))
def rule_use(flows: Flows, *, top_n: int = 50) -> Answer:
    """Which inbound security group rules did the accepted traffic need?

    Rows per rule of the inventory that is on an interface: `conversations` that it would have let in and their
    `sources`,
    `last_s`, and a `judgement`: `used`; `unused` only where the period has at least 30 days, accepted and rejected
    traffic
    is logged, every interface of the rule has records, none lost any (SKIPDATA), and the snapshot was taken before the
    period; otherwise `not seen`, which is no proof. Least used first. Empty without an inventory.

    Blind spots: logs do not name rules, so overlapping rules share the credit; rules are taken to be unchanged since
    the
    snapshot; traffic that is never logged (to the VPC resolver, instance metadata) uses rules unseen; ICMP rules are
    matched without type and code. Source: "Security group rules", Amazon VPC User Guide.
    """
    since_s, until_s = flows.period
    taken_at = flows.inventory.taken_at if flows.inventory is not None else None
    both = flows.arrow("SELECT DISTINCT action FROM windows WHERE action IS NOT NULL").num_rows == 2
    complete = both and until_s - since_s >= _LEAST_DAYS * 86_400 and taken_at is not None and taken_at <= since_s
    caveats = ["Several rules may let in the same traffic: each of them gets the credit."]
    if not complete:
        caveats.append(
            f"'Not seen' is no proof of 'unused': that takes {_LEAST_DAYS} days of accepted and rejected traffic "
            "without lost records, and a snapshot from before them."
        )
    if flows.inventory is None:
        caveats.append("Rules come from the inventory, and there is none.")
    return flows.ask(bind(_SQL, complete=complete, top_n=top_n), caveats=caveats)


def policy_unused(flows: Flows) -> list[Finding]:
    """Findings of `rule_use`: rules that may be called unused. Low, since rules for emergencies are unused for long."""
    answer = rule_use(flows, top_n=1000)
    if not answer.answerable:
        return []
    rows = [row for row in rows_of(answer.table) if row["judgement"] == "unused"]
    since_s, until_s = flows.period
    days = (until_s - since_s) // 86_400
    return [
        Finding(
            id=finding_id("policy_unused", {"group_id": row["group_id"], "rule_id": row["rule_id"]}),
            rule="policy_unused",
            title=f"Rule {row['rule_id']} of security group {row['group_id']} let nothing in for {days} days",
            severity="low",
            confidence=0.7,
            subject={"group_id": row["group_id"], "rule_id": row["rule_id"], "dstport": row["from_port"]},
            first_seen=iso(since_s),
            last_seen=iso(until_s),
            count=0,
            explanation=(
                f"No accepted conversation with {count_of(row['interfaces'], 'interface')} needed this rule "
                f"(source {row['source']}), and nothing that was lost could have hidden one."
            ),
            could_also_be="A rule for failover, restore or an emergency; traffic that flow logs never show.",
            next_step=(
                f"Ask its owner, then take it out: aws ec2 describe-security-group-rules --security-group-rule-ids "
                f"{row['rule_id']}"
            ),
            evidence=[row],
        )
        for row in rows
    ]
