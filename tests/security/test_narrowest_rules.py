"""The narrowest rules: what they admit, what they cut, and how they are put together."""

from __future__ import annotations

import json

import pytest

from flowkit.errors import MissingField
from flowkit.security import narrowest_rules
from flowkit.security.rulesets import ANYBODY, Need, Proposal, covering, narrowest
from tests.rows import START_S, flow, flows_of, reply

SERVER = "10.0.0.2"


def need(port=443, source="10.0.0.1/32", protocol=6):
    return Need(protocol, port, source, 1, 0)


def rules(*needs, max_rules=20):
    return [(rule.from_port, rule.to_port, rule.source) for rule, _ in narrowest(needs, max_rules)]


def test_ports_next_to_one_another_become_one_rule():
    assert rules(need(80), need(81), need(83)) == [(80, 81, "10.0.0.1/32"), (83, 83, "10.0.0.1/32")]


def test_ranges_that_make_up_a_larger_one_become_that_one_and_nothing_wider():
    assert rules(need(source="10.0.0.2/32"), need(source="10.0.0.3/32")) == [(443, 443, "10.0.0.2/31")]
    assert rules(need(source="10.0.0.1/32"), need(source="10.0.0.2/32")) == [
        (443, 443, "10.0.0.1/32"),
        (443, 443, "10.0.0.2/32"),
    ]


def test_what_widens_least_is_joined_first():
    near, far = need(source="10.0.0.1/32"), need(source="10.0.9.1/32")
    assert rules(near, need(source="10.0.0.2/32"), far, max_rules=2) == [
        (443, 443, "10.0.0.0/30"),
        (443, 443, "10.0.9.1/32"),
    ]
    assert rules(near, need(445), max_rules=1) == [(443, 445, "10.0.0.1/32")]


def test_what_a_wider_rule_admits_already_needs_no_rule_of_its_own():
    assert rules(need(source="10.0.0.1/32"), need(source=ANYBODY)) == [(443, 443, ANYBODY)]


def test_groups_ranges_protocols_and_the_world_are_never_joined_with_one_another():
    apart = (
        need(source="sg-1"),
        need(source="10.0.0.1/32"),
        need(80, ANYBODY),
        need(protocol=17),
        need(source="::/0"),
    )
    assert len(narrowest(apart, 1)) == 5


def test_every_need_is_admitted_once_however_few_rules_are_allowed():
    needs = [need(1_000 + 7 * n, f"10.{n % 5}.{n}.{n}/32") for n in range(60)]
    for most in (1, 2, 10, 60):
        found = narrowest(needs, most)
        assert len(found) <= most
        assert sorted(one.port for _, members in found for one in members) == [one.port for one in needs]


def test_a_rule_admits_its_ports_its_range_and_its_group():
    wide = Proposal(6, 100, 200, "10.0.0.0/24")
    assert [wide.admits(need(port, "10.0.0.9/32")) for port in (99, 100, 200, 201)] == [False, True, True, False]
    assert not wide.admits(need(150, "10.0.1.9/32"))
    assert not wide.admits(need(150, "10.0.0.0/23"))
    assert not wide.admits(need(150, "10.0.0.9/32", 17))
    assert Proposal(6, 1, 9, "sg-1").admits(need(5, "sg-1"))
    assert not Proposal(6, 1, 9, "sg-1").admits(need(5, "sg-2"))


def test_a_rule_as_json_is_what_the_ec2_api_takes():
    wanted = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    assert json.loads(Proposal(6, 22, 22, "10.0.0.0/8").as_json()) == {**wanted, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    assert json.loads(Proposal(6, 22, 22, "::/0").as_json()) == {**wanted, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}
    assert json.loads(Proposal(6, 22, 22, "sg-1").as_json()) == {**wanted, "UserIdGroupPairs": [{"GroupId": "sg-1"}]}
    assert covering("10.1.2.3", 16) == "10.1.0.0/16"


def calls(*sources, port=443, **fields):
    rows = []
    for place, src in enumerate(sources):
        there = flow(interface_id="eni-2", vpc_id="vpc-1", srcaddr=src, dstaddr=SERVER, srcport=41_000 + place,
                     dstport=port, tcp_flags=3, flow_direction="ingress", **fields)  # fmt: skip
        rows += [there, reply(there, tcp_flags=19)]
    return rows


INVENTORY = {
    "vpcs": [{"vpc_id": "vpc-1", "cidrs": ["10.0.0.0/16"]}],
    "interfaces": [
        {"interface_id": "eni-2", "vpc_id": "vpc-1", "private_addresses": [SERVER], "security_groups": ["sg-web"]},
        {"interface_id": "eni-1", "vpc_id": "vpc-1", "private_addresses": ["10.0.0.1"], "security_groups": ["sg-app"]},
    ],
    "security_groups": [{"group_id": "sg-web", "name": "web"}, {"group_id": "sg-app", "name": "app"}],
}  # fmt: skip


def proposed(rows, *, inventory=INVENTORY, **more):
    table = narrowest_rules(flows_of(rows, inventory=inventory), **more).table
    return [(row.part, row.group_id, row.from_port, row.source, row.conversations) for row in table.itertuples()]


def test_narrowest_rules_name_the_group_of_a_source_that_has_one():
    assert proposed(calls("10.0.0.1", "10.0.0.77")) == [
        ("admit", "sg-web", 443, "10.0.0.77/32", 1),
        ("admit", "sg-web", 443, "sg-app", 1),
    ]


def test_narrowest_rules_without_an_inventory_stand_by_interface():
    assert proposed(calls("10.0.0.1"), inventory=None) == [("admit", "eni-2", 443, "10.0.0.1/32", 1)]


def test_narrowest_rules_open_a_port_to_the_world_from_ten_networks_on():
    def sources(count):
        return calls(*[f"{80 + n}.1.1.1" for n in range(count)])

    assert proposed(sources(10)) == [("admit", "sg-web", 443, "0.0.0.0/0", 10)]
    assert len(proposed(sources(9))) == 9


def test_narrowest_rules_cut_what_nobody_answered():
    silent = flow(interface_id="eni-2", vpc_id="vpc-1", srcaddr="81.9.9.9", dstaddr=SERVER, dstport=8443, tcp_flags=2,
                  flow_direction="ingress")  # fmt: skip
    later = calls("10.0.0.1", start_s=START_S + 3_000)
    table = narrowest_rules(flows_of([silent, *calls("10.0.0.1"), *later], inventory=INVENTORY)).table
    row = table.iloc[0]
    assert (row.part, row.reason, row.from_port, row.source) == ("cut", "not answered", 8443, "81.9.9.9")


def test_narrowest_rules_cut_what_the_internet_does_at_a_database():
    rows = calls("81.1.1.1", "82.1.1.1", "83.1.1.1", port=5432)
    table = narrowest_rules(flows_of([*rows, *calls("10.0.0.1", port=5432)], inventory=INVENTORY)).table
    assert [(row.part, row.reason, row.conversations) for row in table.fillna("").itertuples()] == [
        ("cut", "exposed_service", 3),
        ("admit", "", 1),
    ]


def test_narrowest_rules_keep_to_max_rules():
    rows = [row for n in range(8) for row in calls("10.0.5.5", port=8_000 + 2 * n)]
    assert len(proposed(rows)) == 8
    assert proposed(rows, max_rules=1) == [("admit", "sg-web", 8_000, "10.0.5.5/32", 8)]


def test_narrowest_rules_are_twenty_at_most_unless_said_otherwise():
    rows = [row for n in range(21) for row in calls("10.0.5.5", port=8_000 + 2 * n)]
    assert len(proposed(rows[:40])) == 20
    assert len(proposed(rows)) == 20
    assert len(proposed(rows, max_rules=21)) == 21


def test_narrowest_rules_of_nothing_have_their_columns():
    empty = narrowest_rules(flows_of([])).table
    assert empty.empty
    assert list(empty.columns) == list(narrowest_rules(flows_of(calls("10.0.0.1"))).table.columns)


def test_narrowest_rules_without_an_action_say_so():
    rows = [{name: value for name, value in row.items() if name != "action"} for row in calls("10.0.0.1")]
    with pytest.raises(MissingField, match="narrowest_rules needs action, which this log lacks"):
        _ = narrowest_rules(flows_of(rows)).table
