"""Replies that were refused although the question had been let through: the mark of a network ACL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowkit import policy
from flowkit.engines import bind
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.wording import aws_cli, count_of, host, one_or_list, rows_of, service

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["return_rejected", "returns_rejected"]

_SQL = """
WITH returns AS (
  SELECT c.*, CASE WHEN c.rev_dst_action = 'REJECT' AND c.fwd_dst_action = 'ACCEPT' THEN 'outbound at the responder'
                   ELSE 'inbound at the initiator' END AS refused_at,
         CASE WHEN c.rev_dst_action = 'REJECT' AND c.fwd_dst_action = 'ACCEPT' THEN c.dst_interface_id
           ELSE c.src_interface_id END AS interface_id,
         CASE WHEN c.rev_dst_action = 'REJECT' AND c.fwd_dst_action = 'ACCEPT' THEN c.dst_subnet_id
           ELSE c.src_subnet_id END AS subnet_id
  FROM conversations c
  WHERE c.in_period AND c.leg = '' AND c.state = 'return_rejected' AND c.initiator_by <> 'unknown'
), healthy AS (
  SELECT src_id, dst_id, protocol, dstport, CAST(count(*) AS BIGINT) AS answered FROM conversations
  WHERE in_period AND leg = '' AND state = 'answered' GROUP BY src_id, dst_id, protocol, dstport
)
SELECT r.refused_at, r.interface_id, r.subnet_id, r.srcaddr, max(r.src_name) AS src_name, r.dstaddr,
       max(r.dst_name) AS dst_name, r.protocol,
       r.dstport, max(r.srcport) AS srcport, CAST(count(*) AS BIGINT) AS conversations,
       COALESCE(max(h.answered), 0) AS answered,
       CAST(sum(r.rev_packets) AS BIGINT) AS rev_packets, min(r.start_s) AS first_s, max(r.end_s) AS last_s
FROM returns r
LEFT JOIN healthy h ON h.src_id = r.src_id AND h.dst_id = r.dst_id AND h.protocol = r.protocol AND h.dstport = r.dstport
GROUP BY r.refused_at, r.interface_id, r.subnet_id, r.srcaddr, r.dstaddr, r.protocol, r.dstport
ORDER BY conversations DESC, r.srcaddr, r.dstaddr, r.protocol, r.dstport, r.refused_at, r.interface_id
LIMIT $top_n
"""

_CAVEATS = (
    "A security group remembers connections and never refuses a reply; a network ACL does not remember. That is "
    "the evidence, the rule itself is not in the log.",
    "Packets that came after their connection had ended (late REJECTs) are left out.",
)


@question(
    needs=("action", "srcport", "dstport"), sharper_with=("tcp_flags", "subnet_id", "flow_direction", "inventory")
)
def returns_rejected(flows: Flows, *, top_n: int = 50) -> Answer:
    """Where were replies refused although the question had been accepted?

    Rows per interface that refused, pair of hosts and service: `refused_at` says at whose interface and which way,
    `srcport` is one of the ports that the refused replies were sent to, `conversations` how many were lost so,
    `answered` how many of the same pair and service were not, `rev_packets` how many packets were refused. Which entry
    of which network ACL refuses is told by `blocked_by`.

    Blind spots: within one subnet no network ACL acts, and such pairs are left out; where subnets are not known that
    cannot be checked. UDP services that nobody answers any more look alike. Source: AWS, "Flow log records: security
    group and network ACL rules" (an ACCEPT for the request and a REJECT for the response).

    >>> import flowkit
    >>> flowkit.security.returns_rejected(flowkit.open("sample:")).table.columns[0]
    'refused_at'
    """
    return flows.ask(bind(_SQL, top_n=top_n), caveats=_CAVEATS)


def return_rejected(flows: Flows, *, min_returns: int = 5) -> list[Finding]:
    """Findings of `returns_rejected`, one per refusing interface and service.

    Medium from `min_returns` conversations on, if no more than one in four got through; low otherwise.
    """
    if flows.share("action") == 0.0:
        return []
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows_of(flows.sql(bind(_SQL, top_n=1000))):
        key = (row["refused_at"], row["interface_id"], row["protocol"], row["dstport"], *_fixed_end(row))
        groups.setdefault(key, []).append(row)
    return [_finding(flows, members, min_returns) for members in groups.values()]


def _fixed_end(row: Mapping[str, Any]) -> tuple[str, str]:
    """The end that belongs to the refusing interface: the other one may be many."""
    at_responder = row["refused_at"].startswith("outbound")
    return ("", row["dstaddr"]) if at_responder else (row["srcaddr"], "")


def _finding(flows: Flows, members: Sequence[Mapping[str, Any]], min_returns: int) -> Finding:
    row = members[0]
    lost, got = sum(one["conversations"] for one in members), sum(one["answered"] for one in members)
    sources, targets = {one["srcaddr"] for one in members}, {one["dstaddr"] for one in members}
    who = host(row["srcaddr"], row["src_name"]) if len(sources) == 1 else count_of(len(sources), "client")
    whom = host(row["dstaddr"], row["dst_name"]) if len(targets) == 1 else count_of(len(targets), "server")
    what = service(row["dstport"], row["protocol"])
    subject: dict[str, Any] = {
        "srcaddr": one_or_list(sources),
        "dstaddr": one_or_list(targets),
        "dstport": row["dstport"],
        "protocol": row["protocol"],
    }
    if row["interface_id"]:
        subject["interface_id"] = row["interface_id"]
    grave = lost >= min_returns and lost >= 3 * got
    inputs = {
        "interface_id": row["interface_id"],
        "dstport": row["dstport"],
        "protocol": row["protocol"],
        "end": _fixed_end(row),
    }
    return Finding(
        id=finding_id("return_rejected", inputs),
        rule="return_rejected",
        title=f"Replies of {whom} to {who} are refused ({what})",
        severity="medium" if grave else "low",
        confidence=0.9 if grave else 0.5,
        subject=subject,
        first_seen=iso(min(one["first_s"] for one in members)),
        last_seen=iso(max(one["last_s"] for one in members)),
        count=lost,
        explanation=(
            f"{count_of(lost, 'conversation')} to {what} of {whom} went in and the replies were refused "
            f"{row['refused_at']}'s interface"
            + (f", while {got:,} others got through. " if got else ". ")
            + "A security group lets replies pass, so a network ACL must refuse them, most often because it "
            "forgets the ephemeral ports." + _by_the_inventory(flows, row)
        ),
        could_also_be="Replies that came after the connection was forgotten, where the log has no TCP flags to tell.",
        next_step=(
            f"Let the {row['refused_at'].split(' ')[0]} rules of the network ACL allow ports 1024 to 65535 of the "
            f"other side. The rules: {_look_up_rules(row)}"
        ),
        evidence=[dict(one) for one in members[:20]],
        attack=(),
    )


def _by_the_inventory(flows: Flows, row: Mapping[str, Any]) -> str:
    """What the inventory's network ACL says to it: the entry that refuses, or that none does; empty where unknown."""
    if flows.inventory is None or not row["interface_id"]:
        return ""
    at_responder = row["refused_at"].startswith("outbound")
    _, acl = policy.refusal(
        flows.inventory, row["interface_id"], egress=at_responder, reply=True, protocol=row["protocol"],
        peer=row["srcaddr"] if at_responder else row["dstaddr"], port=row["srcport"],
    )  # fmt: skip
    if acl.allowed is False:
        return f" By the inventory it is {acl.by} (* is what no entry allows)."
    return " By the inventory no entry refuses them, so that is out of date." if acl.allowed else ""


def _look_up_rules(row: Mapping[str, Any]) -> str:
    """The AWS CLI call that shows the network ACL, or the subnet that leads to it."""
    if row["subnet_id"]:
        wanted = f"Name=association.subnet-id,Values={row['subnet_id']}"
        return aws_cli("ec2", "describe-network-acls", "--filters", wanted)
    if row["interface_id"]:
        return aws_cli("ec2", "describe-network-interfaces", "--network-interface-ids", row["interface_id"])
    return aws_cli("ec2", "describe-network-acls")
