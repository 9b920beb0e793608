"""Rule 16: logs do not name rules, and "never used" takes more than not having seen it."""

from __future__ import annotations

from flowkit.finding import iso
from flowkit.security.rule_use import policy_unused, rule_use
from tests.rows import START_S as T
from tests.rows import flow, flows_of, reply

DAY_S = 86_400


def rule(rule_id, **fields):
    return {"rule_id": rule_id, "protocol": "6", "from_port": 443, "to_port": 443, "cidr": "10.0.0.0/8", **fields}


def inventory(*rules, taken_at=T - DAY_S):
    web = {"interface_id": "eni-2", "vpc_id": "vpc-1", "private_addresses": ["10.0.0.2"], "security_groups": ["sg-web"]}
    app = {"interface_id": "eni-1", "vpc_id": "vpc-1", "private_addresses": ["10.0.0.1"], "security_groups": ["sg-app"]}
    return {
        "taken_at": iso(taken_at),
        "interfaces": [web, app],
        "security_groups": [{"group_id": "sg-web", "vpc_id": "vpc-1", "name": "web", "ingress": list(rules)}],
    }


def month(days=30, *extra):
    """Accepted traffic to 443 at eni-2 on the first and the last day, and one refused packet."""
    rows = []
    for start_s in (T, T + days * DAY_S - 1):
        ask = flow(interface_id="eni-2", vpc_id="vpc-1", start_s=start_s)
        rows += [ask, reply(ask)]
    refused = flow(
        interface_id="eni-2", vpc_id="vpc-1", srcaddr="10.9.9.9", dstport=23, action="REJECT", start_s=T + 500
    )
    return [*rows, refused, *extra]


def judged(rows, facts):
    table = rule_use(flows_of(rows, inventory=facts, since=T, until=T + 30 * DAY_S)).table
    return {row.rule_id: (row.conversations, row.judgement) for row in table.itertuples()}


def test_a_rule_that_the_traffic_needed_is_used_and_another_is_unused():
    facts = inventory(rule("sgr-https"), rule("sgr-ssh", from_port=22, to_port=22))
    assert judged(month(), facts) == {"sgr-https": (2, "used"), "sgr-ssh": (0, "unused")}


def test_overlapping_rules_share_the_credit():
    facts = inventory(rule("sgr-narrow", cidr="10.0.0.1/32"), rule("sgr-wide"), rule("sgr-all", protocol="-1"))
    assert {kept[0] for kept in judged(month(), facts).values()} == {2}


def test_a_referenced_group_lets_in_its_members_only():
    facts = inventory(
        rule("sgr-app", cidr="", source_group_id="sg-app"), rule("sgr-x", cidr="", source_group_id="sg-web")
    )
    assert judged(month(), facts) == {"sgr-app": (2, "used"), "sgr-x": (0, "unused")}


def test_a_rule_for_ipv6_is_not_used_by_ipv4():
    facts = inventory(rule("sgr-4", cidr="0.0.0.0/0"), rule("sgr-6", cidr="::/0"))
    assert judged(month(), facts) == {"sgr-4": (2, "used"), "sgr-6": (0, "unused")}


def test_a_rejected_conversation_uses_no_rule():
    assert judged(month(), inventory(rule("sgr-telnet", from_port=23, to_port=23))) == {"sgr-telnet": (0, "unused")}


def test_29_days_are_no_proof():
    facts = inventory(rule("sgr-ssh", from_port=22, to_port=22))
    flows = flows_of(month(29), inventory=facts, since=T, until=T + 30 * DAY_S - 1)
    assert rule_use(flows).table.judgement.tolist() == ["not seen"]
    assert policy_unused(flows) == []


def test_a_log_of_accepted_traffic_only_is_no_proof():
    rows = [row for row in month() if row["action"] == "ACCEPT"]
    assert judged(rows, inventory(rule("sgr-ssh", from_port=22, to_port=22)))["sgr-ssh"][1] == "not seen"


def test_lost_records_at_the_interface_are_no_proof():
    nothing = dict.fromkeys(("srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets", "bytes", "action"))
    lost = flow(interface_id="eni-2", vpc_id="vpc-1", log_status="SKIPDATA", start_s=T + 900, **nothing)
    assert judged(month(30, lost), inventory(rule("sgr-ssh", from_port=22, to_port=22)))["sgr-ssh"][1] == "not seen"


def test_a_snapshot_from_within_the_period_is_no_proof():
    facts = inventory(rule("sgr-ssh", from_port=22, to_port=22), taken_at=T + 1)
    assert judged(month(), facts)["sgr-ssh"][1] == "not seen"


def test_an_interface_without_records_is_no_proof():
    facts = inventory(rule("sgr-ssh", from_port=22, to_port=22))
    facts["interfaces"].append({"interface_id": "eni-3", "vpc_id": "vpc-1", "security_groups": ["sg-web"]})
    assert judged(month(), facts)["sgr-ssh"][1] == "not seen"


def test_an_unused_rule_is_a_low_finding():
    flows = flows_of(
        month(), inventory=inventory(rule("sgr-ssh", from_port=22, to_port=22)), since=T, until=T + 30 * DAY_S
    )
    (finding,) = policy_unused(flows)
    assert (finding.severity, finding.subject["rule_id"]) == ("low", "sgr-ssh")
    assert finding.title == "Rule sgr-ssh of security group sg-web let nothing in for 30 days"


def test_without_an_inventory_or_records_there_is_no_row():
    assert rule_use(flows_of(month())).table.empty
    assert list(rule_use(flows_of([])).table.columns) == list(rule_use(flows_of(month())).table.columns)


def test_a_log_without_action_is_told_what_it_lacks():
    rows = [{k: v for k, v in flow().items() if k != "action"}]
    assert rule_use(flows_of(rows)).missing == ("action",)
