"""Security group or network ACL: which of the two refused, by the flows and by the inventory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flowkit import policy
from flowkit.engines import bind
from flowkit.question import Answer, question
from flowkit.security.wording import rows_of

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["ACL", "EITHER", "GROUP", "blocked_by", "refused_by"]

GROUP, ACL, EITHER = "security group", "network ACL", "either"

# `crossing`: who crossed which subnet's border, which way, to which port. A network ACL looks at the far address, the
# protocol and the port, never at the host inside: what it let pass for one host of a subnet it lets pass for all.
# `open_doors`: ports that answered many unrelated networks (/16, of IPv6 /32), so that a rule lets anybody in.
_SQL = """
WITH refused AS (
  SELECT c.*, c.state = 'return_rejected' AS reply,
         CASE WHEN c.state = 'return_rejected'
              THEN CASE WHEN c.rev_dst_action = 'REJECT' AND c.fwd_dst_action = 'ACCEPT' THEN 1 ELSE 0 END
              WHEN c.fwd_src_action = 'REJECT' THEN 1 ELSE 0 END AS outbound,
         CASE WHEN c.src_scope IN ('public', 'aws') THEN 1 ELSE 0 END AS outside
  FROM conversations c
  WHERE c.in_period AND c.leg = '' AND c.initiator_by <> 'unknown' AND (c.rejected OR c.state = 'return_rejected')
), placed AS (
  SELECT r.*, CASE WHEN r.reply THEN CASE WHEN outbound = 1 THEN r.dst_interface_id ELSE r.src_interface_id END
                   WHEN outbound = 1 THEN r.src_interface_id ELSE r.dst_interface_id END AS interface_id,
         CASE WHEN r.reply THEN CASE WHEN outbound = 1 THEN r.dst_subnet_id ELSE r.src_subnet_id END
              WHEN outbound = 1 THEN r.src_subnet_id ELSE r.dst_subnet_id END AS subnet_id
  FROM refused r
), crossing AS (
  SELECT outbound, subnet_id, far_id, protocol, dstport, min(near_id) AS one_id, max(near_id) AS other_id FROM (
    SELECT 0 AS outbound, dst_subnet_id AS subnet_id, src_id AS far_id, dst_id AS near_id, protocol, dstport
    FROM conversations
    WHERE in_period AND leg = '' AND fwd_dst_action = 'ACCEPT' AND initiator_by <> 'unknown'
      AND dst_subnet_id IS NOT NULL AND dst_subnet_id <> COALESCE(src_subnet_id, '') AND protocol NOT IN (1, 58)
    UNION ALL
    SELECT 1, src_subnet_id, dst_id, src_id, protocol, dstport FROM conversations
    WHERE in_period AND leg = '' AND fwd_src_action = 'ACCEPT' AND initiator_by <> 'unknown'
      AND src_subnet_id IS NOT NULL AND src_subnet_id <> COALESCE(dst_subnet_id, '') AND protocol NOT IN (1, 58)
  ) AS passed GROUP BY outbound, subnet_id, far_id, protocol, dstport
), blocks AS (
  SELECT endpoint_id, min(CASE WHEN address LIKE '%:%' THEN substr(addr_key, 1, 8)
                               ELSE substr(addr_key, 1, 28) END) AS block
  FROM addresses GROUP BY endpoint_id
), open_doors AS (
  SELECT c.dst_id, c.protocol, c.dstport, CAST(count(DISTINCT b.block) AS BIGINT) AS networks
  FROM conversations c JOIN blocks b ON b.endpoint_id = c.src_id
  WHERE c.in_period AND c.leg = '' AND c.state = 'answered' AND c.initiator_by <> 'unknown'
    AND c.src_scope IN ('public', 'aws')
  GROUP BY c.dst_id, c.protocol, c.dstport
), judged AS (
  SELECT p.*, CASE WHEN CASE WHEN p.outbound = 1 THEN p.src_id ELSE p.dst_id END <> x.one_id THEN 1
                   WHEN x.other_id <> x.one_id THEN 1 ELSE 0 END AS crossed, COALESCE(o.networks, 0) AS networks,
         CASE WHEN p.src_subnet_id = p.dst_subnet_id THEN 1 ELSE 0 END AS one_subnet,
         CASE WHEN p.outside = 1 AND NOT p.reply THEN 'the internet' ELSE p.srcaddr END AS who
  FROM placed p
  LEFT JOIN crossing x ON NOT p.reply AND x.outbound = p.outbound AND x.subnet_id = p.subnet_id
   AND x.far_id = CASE WHEN p.outbound = 1 THEN p.dst_id ELSE p.src_id END
   AND x.protocol = p.protocol AND x.dstport = p.dstport
  LEFT JOIN open_doors o ON p.outside = 1 AND o.dst_id = p.dst_id AND o.protocol = p.protocol AND o.dstport = p.dstport
), doors AS (
  SELECT who, dst_id, protocol, CAST(count(DISTINCT dstport) AS BIGINT) AS tried FROM judged
  WHERE NOT reply AND networks = 0 GROUP BY who, dst_id, protocol
), shown AS (
  SELECT j.*, CASE WHEN d.tried > $many OR (d.tried > 1 AND d.who = 'the internet') THEN -1 ELSE j.dstport END AS door
  FROM judged j
  LEFT JOIN doors d
    ON NOT j.reply AND j.networks = 0 AND d.who = j.who AND d.dst_id = j.dst_id AND d.protocol = j.protocol
)
SELECT CASE WHEN max(CASE WHEN reply THEN 1 ELSE 0 END) = 1 THEN 'reply' ELSE 'request' END AS refused,
       CASE WHEN outbound = 1 THEN 'outbound' ELSE 'inbound' END AS way, interface_id, subnet_id, who AS source,
       max(src_name) AS src_name, dstaddr, max(dst_name) AS dst_name, protocol,
       CASE WHEN door >= 0 THEN door END AS dstport, CAST(count(DISTINCT dstport) AS BIGINT) AS ports,
       CAST(count(*) AS BIGINT) AS conversations, CAST(count(DISTINCT src_id) AS BIGINT) AS sources,
       CAST(sum(crossed) AS BIGINT) AS crossed, max(networks) AS networks, max(one_subnet) AS one_subnet,
       min(srcaddr) AS example_srcaddr, max(srcport) AS example_srcport, min(dstport) AS example_dstport,
       min(start_s) AS first_s, max(end_s) AS last_s
FROM shown
GROUP BY reply, outbound, interface_id, subnet_id, who, dst_id, dstaddr, protocol, door
ORDER BY CASE WHEN who = 'the internet' THEN 1 ELSE 0 END, conversations DESC, source, dstaddr, protocol, door,
         refused, way, interface_id, dst_id
LIMIT $top_n
"""

#: From how many unrelated networks on an answering port means that anybody may come. An allow list of partners has a
#: few; ten networks that share no /16 are hardly one.
_ANYBODY = 10
#: More ports of one host than this are shown in one row: that is a search, not a list of paths.
_MANY = 10

_COLUMNS = (
    "verdict", "rule", "inventory_says", "refused", "way", "source", "src_name", "dstaddr", "dst_name", "protocol",
    "dstport", "ports", "conversations", "sources", "evidence", "confidence_share", "interface_id", "subnet_id",
    "first_s", "last_s",
)  # fmt: skip
_NUMBERS = ("protocol", "dstport", "ports", "conversations", "sources", "first_s", "last_s")

_CAVEATS = (
    "A REJECT does not say who refused. The evidence is what else passed: a security group remembers connections and "
    "cannot deny, a network ACL does not remember and acts at the border of its subnet only.",
    "Sources on the internet stand together with the closed ports they tried, and so do the ports of whoever tried "
    "more than ten of one host; the rule is then looked up for one of them.",
)


@question(
    needs=("action", "srcport", "dstport"), sharper_with=("tcp_flags", "subnet_id", "flow_direction", "inventory")
)
def blocked_by(flows: Flows, *, top_n: int = 50) -> Answer:
    """Did a security group or a network ACL refuse, and which rule?

    Rows per refusing interface, pair of hosts and service, your own sources first: `refused` is `request` or `reply`,
    `way` the direction at that interface. `verdict` is `security group`, `network ACL` or `either`, with the `evidence`
    and a `confidence_share` (0 to 1). With an inventory, `rule` is what refuses there (an entry of the ACL, or that no
    rule of the groups allows it) and `inventory_says` whether that is `confirmed` by the flows, `contradicted` (the
    inventory is out of date, or the rules changed), or stands `alone`; `not known` where it lists too little.

    The flows tell in these cases. A reply refused where the request passed: network ACL, since a group lets replies
    pass. Both ends in one subnet: security group, since no ACL acts there. The same far address let through to the same
    port at another host of the subnet: security group, since an ACL treats all hosts of a subnet alike. A port that
    answers ten unrelated networks and refuses some source: likely a network ACL, since groups cannot deny.

    Blind spots: rules that changed within the period; AWS Network Firewall and firewalls on the hosts, whose refusals
    look like silence. ICMP is never judged by what else passed, for its type is not logged. Source: AWS, "Flow log
    records: security group and network ACL rules" and "Network ACL basics".

    >>> import flowkit
    >>> sorted(set(flowkit.security.blocked_by(flowkit.open("sample:")).table.verdict))
    ['network ACL', 'security group']
    """
    answer = flows.ask(bind(_SQL, top_n=top_n, many=_MANY), caveats=_CAVEATS)
    return replace(answer, _table=_framed([refused_by(flows, row) for row in rows_of(answer.table)]))


def _framed(rows: list[dict[str, Any]]) -> Any:
    import pandas as pd

    kinds = dict.fromkeys(_COLUMNS, "string") | dict.fromkeys(_NUMBERS, "Int64") | {"confidence_share": "float64"}
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(kinds)


def refused_by(flows: Flows, row: Mapping[str, Any]) -> dict[str, Any]:
    """One refused path (`row`, of the query) with its verdict, evidence, rule and what the inventory says to it."""
    verdict, confidence, evidence = _by_the_flows(row)
    listed, rule = _by_the_inventory(flows, row)
    said = "no inventory" if flows.inventory is None else "not known"
    if listed == "nothing":
        said, confidence = "contradicted", min(confidence, 0.6)
        evidence += "; by the inventory nothing refuses it, so that is out of date"
    elif listed and verdict == EITHER:
        verdict, said, confidence = listed, "alone", 0.8 if listed != EITHER else 0.5
    elif listed and listed in (verdict, EITHER):
        said, confidence = "confirmed", 0.98
    elif listed:
        said, confidence = "contradicted", max(0.5, confidence - 0.2)
        evidence += f"; by the inventory a {listed} refuses it, so that is out of date"
    kept = {name: row[name] for name in _COLUMNS if name in row}
    return {**kept, "verdict": verdict, "confidence_share": confidence, "evidence": evidence, "rule": rule or None,
            "inventory_says": said}  # fmt: skip


def _by_the_flows(row: Mapping[str, Any]) -> tuple[str, float, str]:
    """Verdict, confidence and evidence from what else passed."""
    if row["refused"] == "reply":
        return ACL, 0.95, "the request was let through and its reply was not"
    if row["one_subnet"]:
        return GROUP, 0.95, "both ends are in one subnet, where no network ACL acts"
    if row["crossed"] and row["crossed"] >= row["conversations"] - row["crossed"]:
        return GROUP, 0.9, "the same far address got through to the same port at another host of this subnet"
    if row["networks"] >= _ANYBODY:
        return ACL, 0.6, f"the port answered {row['networks']:,} unrelated networks, and groups cannot deny a source"
    return EITHER, 0.5, "nothing else that passed tells"


def _by_the_inventory(flows: Flows, row: Mapping[str, Any]) -> tuple[str, str]:
    """What the inventory's rules say: who refuses (`nothing` where all allow, empty where unknown), and by what."""
    if flows.inventory is None or not row["interface_id"]:
        return "", ""
    reply, egress = row["refused"] == "reply", row["way"] == "outbound"
    far = row["example_srcaddr"] if reply == egress else row["dstaddr"]
    port = row["example_srcport"] if reply else row["example_dstport"]
    groups, acl = policy.refusal(
        flows.inventory,
        row["interface_id"],
        egress=egress,
        reply=reply,
        protocol=row["protocol"],
        peer=far,
        port=None if row["protocol"] in policy.ICMP else port,
    )
    if acl.allowed is False:
        return (EITHER, f"{acl.by}, and {groups.by}") if groups.allowed is False else (ACL, acl.by)
    if groups.allowed is False:
        return GROUP, groups.by
    return ("nothing", "") if groups.allowed and acl.allowed else ("", "")
