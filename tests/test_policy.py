"""Security groups and network ACLs decide as AWS does."""

from __future__ import annotations

from typing import Any

import pytest

from flowkit.inventory import Inventory
from flowkit.policy import (
    Verdict,
    admitting,
    connection,
    interface_at,
    is_world,
    network_acl,
    open_rules,
    refusal,
    security_groups,
)

TCP, UDP, ICMP = 6, 17, 1


def office(**changes: Any) -> Inventory:
    """Web (subnet a) may talk to the database (subnet b) on 5432 through a referenced group."""
    lists: dict[str, Any] = {
        "interfaces": [
            {"interface_id": "eni-web", "vpc_id": "vpc-1", "subnet_id": "a", "private_addresses": ["10.0.1.5"],
             "public_address": "1.1.1.1", "prefixes": ["10.0.1.16/28"], "security_groups": ["sg-web"]},
            {"interface_id": "eni-db", "vpc_id": "vpc-1", "subnet_id": "b", "private_addresses": ["10.0.2.5"],
             "security_groups": ["sg-db", "sg-admin"]},
        ],
        "subnets": [{"subnet_id": "a", "vpc_id": "vpc-1"}, {"subnet_id": "b", "vpc_id": "vpc-1"}],
        "security_groups": [
            {"group_id": "sg-web",
             "ingress": [{"rule_id": "sgr-web", "protocol": "6", "from_port": 443, "to_port": 443,
                          "cidr": "0.0.0.0/0"}],
             "egress": [{"rule_id": "sgr-out", "protocol": "-1", "cidr": "0.0.0.0/0"}]},
            {"group_id": "sg-db",
             "ingress": [{"rule_id": "sgr-pg", "protocol": "6", "from_port": 5432, "to_port": 5433,
                          "source_group_id": "sg-web"}]},
            {"group_id": "sg-admin",
             "ingress": [{"rule_id": "sgr-ssh", "protocol": "6", "from_port": 22, "to_port": 22,
                          "prefix_list_id": "pl-1"},
                         {"rule_id": "sgr-ping", "protocol": "1", "from_port": 8, "to_port": -1,
                          "cidr": "10.0.0.0/8"}]},
        ],
        "prefix_lists": [{"prefix_list_id": "pl-1", "cidrs": ["192.0.2.0/24"]}],
        **changes,
    }  # fmt: skip
    return Inventory.from_dict({"flowkit_inventory": 1, **lists})


def into(inventory: Inventory, peer: str, port: int | None, protocol: int = TCP, interface: str = "eni-db") -> Verdict:
    return security_groups(inventory, interface, egress=False, protocol=protocol, peer=peer, port=port)


def test_any_group_of_the_interface_may_allow() -> None:
    assert into(office(), "10.0.1.5", 5432) == Verdict(True, "sgr-pg")
    assert into(office(), "192.0.2.7", 22) == Verdict(True, "sgr-ssh")


def test_what_no_rule_allows_is_denied() -> None:
    assert into(office(), "10.0.1.5", 3306) == Verdict(False, "no rule of sg-db, sg-admin")
    assert into(office(), "192.0.3.7", 22).allowed is False
    assert into(office(), "10.0.1.5", 5432, UDP).allowed is False


def test_port_ranges_include_both_ends() -> None:
    assert [into(office(), "10.0.1.5", port).allowed for port in (5431, 5432, 5433, 5434)] == [False, True, True, False]


def test_a_referenced_group_means_private_addresses_and_pods_of_its_members() -> None:
    assert into(office(), "10.0.1.17", 5432).allowed is True
    assert into(office(), "1.1.1.1", 5432).allowed is False
    assert into(office(), "10.0.9.9", 5432).allowed is False


def test_icmp_rules_match_by_type() -> None:
    assert into(office(), "10.0.1.5", 8, ICMP) == Verdict(True, "sgr-ping")
    assert into(office(), "10.0.1.5", 3, ICMP).allowed is False


def test_what_the_inventory_does_not_list_is_unknown_not_denied() -> None:
    assert into(office(security_groups=[]), "10.0.1.5", 5432) == Verdict(
        None, "the rules of sg-db are not in the inventory"
    )
    assert into(office(), "10.0.1.5", 80, interface="eni-x") == Verdict(None, "eni-x is not in the inventory")


def test_link_local_traffic_is_not_filtered() -> None:
    assert into(office(), "169.254.169.254", 80).allowed is True


def acl(*entries: tuple[int, bool, str, int | None, int | None, str, str]) -> dict[str, Any]:
    keys = ("rule_number", "egress", "protocol", "from_port", "to_port", "cidr", "action")
    return {
        "network_acl_id": "acl-1",
        "subnet_ids": ["b"],
        "entries": [dict(zip(keys, e, strict=True)) for e in entries],
    }


def test_the_lowest_matching_acl_entry_decides_whatever_the_order_of_the_file() -> None:
    made = office(
        network_acls=[
            acl((200, False, "6", 22, 22, "0.0.0.0/0", "allow"), (100, False, "6", 0, 1023, "10.0.0.0/8", "deny"))
        ]
    )

    def seen(peer: str, port: int) -> Verdict:
        return network_acl(made.network_acls[0], egress=False, protocol=TCP, peer=peer, port=port)

    assert seen("10.0.1.5", 22) == Verdict(False, "acl-1 rule 100")
    assert seen("1.1.1.1", 22) == Verdict(True, "acl-1 rule 200")
    assert seen("1.1.1.1", 80) == Verdict(False, "acl-1 rule *")


def test_a_connection_is_stateful_in_groups_and_stateless_in_acls() -> None:
    made = office(
        network_acls=[
            acl((100, False, "-1", None, None, "0.0.0.0/0", "allow"), (100, True, "6", 443, 443, "0.0.0.0/0", "allow"))
        ]
    )
    steps = connection(
        made, src="10.0.1.5", src_port=40000, dst="10.0.2.5", dst_port=5432, protocol=TCP, vpc_id="vpc-1"
    )
    assert steps == [
        ("egress rules", Verdict(True, "sgr-out")),
        ("ingress ACL", Verdict(True, "acl-1 rule 100")),
        ("ingress rules", Verdict(True, "sgr-pg")),
        ("reply egress ACL", Verdict(False, "acl-1 rule *")),
    ]


def test_an_acl_never_acts_inside_its_subnet() -> None:
    pair = [
        {
            "interface_id": i,
            "vpc_id": "vpc-1",
            "subnet_id": "b",
            "private_addresses": [a],
            "security_groups": ["sg-web"],
        }
        for i, a in (("eni-1", "10.0.2.1"), ("eni-2", "10.0.2.2"))
    ]
    made = office(network_acls=[acl()], interfaces=pair)
    steps = connection(made, src="10.0.2.1", src_port=40000, dst="10.0.2.2", dst_port=443, protocol=TCP)
    assert [name for name, _ in steps] == ["egress rules", "ingress rules"]


def test_rules_open_to_anybody_are_listed() -> None:
    assert [(group, rule.rule_id) for group, rule in open_rules(office(), "eni-web")] == [("sg-web", "sgr-web")]
    assert open_rules(office(), "eni-db") == []
    world = office(prefix_lists=[{"prefix_list_id": "pl-1", "cidrs": ["::/0"]}])
    assert [(group, rule.rule_id) for group, rule in open_rules(world, "eni-db")] == [("sg-admin", "sgr-ssh")]


def test_an_address_in_two_vpcs_is_nobody_unless_the_vpc_is_said() -> None:
    twice = [{"interface_id": f"eni-{v}", "vpc_id": v, "private_addresses": ["10.0.0.1"]} for v in ("vpc-1", "vpc-2")]
    made = office(interfaces=twice)
    assert interface_at(made, "10.0.0.1") is None
    found = interface_at(made, "10.0.0.1", "vpc-2")
    assert found is not None and found.interface_id == "eni-vpc-2"


def refused(
    inventory: Inventory, *, egress: bool = False, reply: bool = False, peer: str = "10.0.1.5", port: int = 3306
) -> tuple[Verdict, Verdict]:
    return refusal(inventory, "eni-db", egress=egress, reply=reply, protocol=TCP, peer=peer, port=port)


def test_a_refusal_is_put_to_the_groups_and_to_the_acl() -> None:
    made = office(network_acls=[acl((100, False, "6", 3306, 3306, "10.0.1.0/24", "allow"))])
    assert refused(made) == (Verdict(False, "no rule of sg-db, sg-admin"), Verdict(True, "acl-1 rule 100"))
    assert refused(made, port=5432) == (Verdict(True, "sgr-pg"), Verdict(False, "acl-1 rule *"))


def test_groups_let_every_reply_pass_and_acls_do_not() -> None:
    made = office(network_acls=[acl((100, False, "-1", None, None, "0.0.0.0/0", "allow"))])
    groups, lists = refused(made, egress=True, reply=True, port=40000)
    assert groups == Verdict(True, "security groups let replies pass")
    assert lists == Verdict(False, "acl-1 rule *")


def test_a_refusal_inside_a_subnet_is_never_put_to_the_acl() -> None:
    pair = [
        {"interface_id": i, "vpc_id": "vpc-1", "subnet_id": "b", "private_addresses": [a], "security_groups": ["sg-db"]}
        for i, a in (("eni-db", "10.0.2.5"), ("eni-2", "10.0.2.6"))
    ]
    assert refused(office(network_acls=[acl()], interfaces=pair), peer="10.0.2.6")[1] == Verdict(
        True, "a network ACL does not act inside a subnet"
    )


def test_an_acl_that_the_inventory_lacks_refuses_nothing_for_certain() -> None:
    assert refused(office())[1] == Verdict(None, "the network ACL of eni-db is not in the inventory")


def test_every_rule_that_admits_is_listed() -> None:
    extra = {"rule_id": "sgr-wide", "protocol": "-1", "cidr": "10.0.0.0/8"}
    groups = [
        {"group_id": "sg-db", "ingress": [extra, {"rule_id": "sgr-no", "protocol": "17", "cidr": "10.0.0.0/8"}]},
        {"group_id": "sg-admin", "ingress": [{"rule_id": "sgr-22", "protocol": "6", "from_port": 22, "to_port": 22,
                                              "cidr": "10.0.1.0/24"}]},
    ]  # fmt: skip
    made = office(security_groups=groups)
    found = admitting(made, "eni-db", protocol=TCP, peer="10.0.1.5", port=22)
    assert [(group, rule.rule_id) for group, rule in found] == [("sg-db", "sgr-wide"), ("sg-admin", "sgr-22")]


@pytest.mark.parametrize(
    ("cidr", "world"),
    [("0.0.0.0/0", True), ("128.0.0.0/1", True), ("10.0.0.0/7", True), ("10.0.0.0/8", False), ("::/0", True),
     ("2000::/15", True), ("2001::/16", False)],
)  # fmt: skip
def test_the_world_is_what_no_registry_gives_to_anybody(cidr: str, world: bool) -> None:
    assert is_world(cidr) is world


def test_open_rules_can_be_asked_of_one_port() -> None:
    assert [rule.rule_id for _, rule in open_rules(office(), "eni-web", protocol=TCP, port=443)] == ["sgr-web"]
    assert open_rules(office(), "eni-web", protocol=TCP, port=80) == []
    assert open_rules(office(), "eni-web", protocol=UDP, port=443) == []
