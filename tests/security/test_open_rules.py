"""Security group rules that are far wider than their use."""

from __future__ import annotations

import pytest

from flowkit.errors import MissingField
from flowkit.security import open_rules
from flowkit.security.open_rules import policy_open
from tests.rows import flow, flows_of, reply

SERVER = "10.0.0.2"


def inventory(*rules, public=""):
    one = {"interface_id": "eni-2", "vpc_id": "vpc-1", "private_addresses": [SERVER], "security_groups": ["sg-a"]}
    return {
        "vpcs": [{"vpc_id": "vpc-1", "cidrs": ["10.0.0.0/16"]}],
        "interfaces": [{**one, **({"public_address": public} if public else {})}],
        "security_groups": [{"group_id": "sg-a", "vpc_id": "vpc-1", "name": "a", "ingress": list(rules)}],
    }


def rule(low=22, high=None, cidr="0.0.0.0/0", **fields):
    return {"rule_id": "sgr-1", "protocol": "6", "from_port": low, "to_port": low if high is None else high,
            "cidr": cidr, **fields}  # fmt: skip


def calls(*sources, port=22):
    rows = []
    for place, src in enumerate(sources):
        there = flow(interface_id="eni-2", vpc_id="vpc-1", srcaddr=src, dstaddr=SERVER, srcport=41_000 + place,
                     dstport=port, tcp_flags=3, flow_direction="ingress")  # fmt: skip
        rows += [there, reply(there, tcp_flags=19)]
    return rows


def severities(facts, rows=()):
    return [found.severity for found in policy_open(flows_of(rows or calls("10.0.0.9", port=443), inventory=facts))]


@pytest.mark.parametrize(
    ("low", "high", "severity"),
    [(22, 22, "medium"), (3389, 3389, "medium"), (5432, 5432, "medium"), (389, 389, "medium"), (0, 65535, "medium")],
)
def test_policy_open_fires_on_a_dangerous_port_that_is_open_to_the_world(low, high, severity):
    assert severities(inventory(rule(low, high))) == [severity]


def test_policy_open_is_surer_where_an_interface_has_a_public_address():
    def confidence(facts):
        (found,) = policy_open(flows_of(calls("10.0.0.9", port=443), inventory=facts))
        return found.severity, found.confidence

    assert confidence(inventory(rule(), public="52.0.0.1")) == ("medium", 0.9)
    assert confidence(inventory(rule())) == ("medium", 0.8)


def test_policy_open_fires_on_all_traffic():
    assert severities(inventory({"rule_id": "sgr-1", "protocol": "-1", "cidr": "0.0.0.0/0"})) == ["medium"]


@pytest.mark.parametrize("port", [80, 443])
def test_policy_open_is_quiet_on_a_web_server(port):
    assert severities(inventory(rule(port), public="52.0.0.1")) == []


def test_policy_open_is_quiet_on_a_dangerous_port_that_is_open_to_one_range():
    assert severities(inventory(rule(cidr="10.0.0.0/8"))) == []
    assert severities(inventory(rule(cidr="198.51.100.0/24"))) == []


def test_policy_open_sees_the_world_in_halves_and_in_ipv6():
    assert severities(inventory(rule(cidr="128.0.0.0/1"))) == ["medium"]
    assert severities(inventory(rule(cidr="::/0"))) == ["medium"]
    assert severities(inventory(rule(cidr="2001:db8::/32"))) == []


def test_policy_open_is_low_on_more_than_a_hundred_ports_that_hardly_anybody_needs():
    assert severities(inventory(rule(30_000, 30_100, cidr="10.0.0.0/8"))) == ["low"]
    assert severities(inventory(rule(30_000, 30_099, cidr="10.0.0.0/8"))) == []


def test_policy_open_is_quiet_on_a_range_of_ports_of_which_one_in_ten_is_used():
    facts = inventory(rule(30_000, 30_108, cidr="10.0.0.0/8"))
    used = [row for port in range(11) for row in calls("10.0.0.9", port=30_000 + port)]
    assert severities(facts, used) == []
    assert severities(facts, used[:-2]) == ["low"]


def test_policy_open_is_low_where_a_world_wide_rule_serves_fewer_than_three_networks():
    facts = inventory(rule(9092), public="52.0.0.1")
    assert severities(facts, calls("81.1.1.1", "82.1.1.1", port=9092)) == ["low"]
    assert severities(facts, calls("81.1.1.1", "82.1.1.1", "83.1.1.1", port=9092)) == []
    assert severities(inventory(rule(443), public="52.0.0.1"), calls("81.1.1.1", port=443)) == []


def test_policy_open_says_which_rule_and_how_to_narrow_it():
    (found,) = policy_open(flows_of(calls("81.1.1.1"), inventory=inventory(rule(), public="52.0.0.1")))
    assert found.subject == {"interface_id": "eni-2", "dstport": 22, "protocol": 6}
    assert "Rule sgr-1 of sg-a opens TCP port 22 to 0.0.0.0/0" in found.explanation
    assert found.next_step.endswith(
        "aws ec2 modify-security-group-rules --group-id sg-a --security-group-rules 'SecurityGroupRuleId=sgr-1,"
        "SecurityGroupRule={IpProtocol=6,FromPort=22,ToPort=22,CidrIpv4=10.0.0.0/16}'"
    )


def test_policy_open_says_to_take_out_a_rule_that_nothing_needed():
    facts = inventory(rule(), {**rule(cidr="10.0.0.0/16"), "rule_id": "sgr-2"})
    (found,) = policy_open(flows_of(calls("10.0.0.9"), inventory=facts))
    assert found.next_step.endswith(
        "aws ec2 revoke-security-group-ingress --group-id sg-a --security-group-rule-ids sgr-1"
    )


def test_open_rules_counts_what_only_this_rule_lets_in():
    facts = inventory(rule(0, 65535), {**rule(cidr="10.0.0.0/16"), "rule_id": "sgr-2"})
    rows = [*calls("10.0.0.9"), *calls("81.1.1.1", "82.1.1.1", port=5432)]
    (row, _) = open_rules(flows_of(rows, inventory=facts)).table.itertuples()
    assert (row.reading, row.conversations, row.only_conversations) == ("dangerous", 3, 2)
    assert (row.only_sources, row.only_ports, row.internet_sources) == (2, 1, 2)


def test_open_rules_gives_no_ipv4_traffic_to_a_rule_for_ipv6():
    facts = inventory(rule(443), {**rule(443, cidr="::/0"), "rule_id": "sgr-2"})
    table = open_rules(flows_of(calls("81.1.1.1", port=443), inventory=facts)).table
    assert dict(zip(table.rule_id, table.conversations, strict=True)) == {"sgr-1": 1, "sgr-2": 0}


def test_open_rules_leaves_out_what_was_not_answered():
    row = flow(interface_id="eni-2", vpc_id="vpc-1", srcaddr="81.1.1.1", dstaddr=SERVER, dstport=22, tcp_flags=2)
    table = open_rules(flows_of([row, *calls("10.0.0.9", port=443)], inventory=inventory(rule()))).table
    assert table.conversations.tolist() == [0]


def test_open_rules_without_an_inventory_or_records_has_no_row():
    assert open_rules(flows_of(calls("81.1.1.1"))).table.empty
    assert policy_open(flows_of(calls("81.1.1.1"))) == []
    full = open_rules(flows_of(calls("81.1.1.1"), inventory=inventory(rule()))).table
    assert list(open_rules(flows_of([])).table.columns) == list(full.columns)


def test_open_rules_without_an_action_says_so():
    rows = [{name: value for name, value in row.items() if name != "action"} for row in calls("81.1.1.1")]
    with pytest.raises(MissingField, match="open_rules needs action, which this log lacks"):
        _ = open_rules(flows_of(rows, inventory=inventory(rule()))).table
    assert policy_open(flows_of(rows, inventory=inventory(rule()))) == []
