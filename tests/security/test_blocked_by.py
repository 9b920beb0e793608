"""Security group or network ACL: by what else passed, and by the rules of the inventory."""

from __future__ import annotations

import pandas as pd
import pytest

from flowkit.errors import MissingField
from flowkit.security import blocked_by
from tests.rows import START_S, flow, flows_of, reply
from tests.security.rows import session

CLIENT, SERVER, OTHER = "10.0.1.5", "10.0.2.10", "10.0.2.11"
AT = {CLIENT: ("eni-c", "subnet-a"), SERVER: ("eni-s", "subnet-b"), OTHER: ("eni-o", "subnet-b")}


def seen_at(address, **fields):
    interface, subnet = AT[address]
    return {"interface_id": interface, "subnet_id": subnet, "vpc_id": "vpc-1", **fields}


def asked(dst=SERVER, src=CLIENT, *, port=5432, at_s=0, sport=40_000, action="REJECT", **fields):
    """A question, as the responder's interface saw it."""
    return flow(
        srcaddr=src, dstaddr=dst, srcport=sport, dstport=port, tcp_flags=2, packets=1, bytes=60, action=action,
        start_s=START_S + at_s, **{**seen_at(dst), **fields},
    )  # fmt: skip


def own(*addresses):
    """Two ordinary calls at each interface, so that its own address is known; the log goes on for twenty minutes."""
    return [
        row
        for address in addresses
        for place, (peer, at_s) in enumerate((("10.0.9.1", -3_600), ("10.0.9.2", 1_200)))
        for row in session(
            peer,
            address,
            443,
            at_s=at_s,
            sport=41_000 + place,
            flags=True,
            flow_direction="ingress",
            **seen_at(address),
        )
    ]


def at_sender(row, **fields):
    """The same question where it was sent."""
    return flow(**{**row, **seen_at(row["srcaddr"]), "action": "ACCEPT", "flow_direction": "egress", **fields})


def rows_with(*rows):
    return [*[{"flow_direction": "ingress", **row} for row in rows], *own(SERVER)]


def verdicts(rows, **more):
    table = blocked_by(flows_of(rows, **more)).table
    return [(row.verdict, row.refused, row.way) for row in table.itertuples()]


def test_blocked_by_says_network_acl_where_the_request_passed_and_its_reply_did_not():
    there = {"flow_direction": "ingress", **asked(action="ACCEPT")}
    rows = [there, reply(there, tcp_flags=18, action="REJECT"), *own(SERVER)]
    assert verdicts(rows) == [("network ACL", "reply", "outbound")]


def test_blocked_by_says_security_group_within_one_subnet():
    rows = rows_with(asked(src=OTHER), at_sender(asked(src=OTHER)))
    assert verdicts([*rows, *own(OTHER)]) == [("security group", "request", "inbound")]


def test_blocked_by_says_security_group_where_a_neighbour_was_reached_from_the_same_address():
    fine = session(CLIENT, OTHER, 5432, flags=True, flow_direction="ingress", **seen_at(OTHER))
    rows = [*rows_with(asked()), *fine, *own(OTHER)]
    assert verdicts(rows) == [("security group", "request", "inbound")]


def test_blocked_by_takes_the_same_hosts_other_hour_for_no_evidence():
    fine = session(
        CLIENT, SERVER, 5432, at_s=900, sport=45_000, flags=True, flow_direction="ingress", **seen_at(SERVER)
    )
    assert verdicts([*rows_with(asked()), *fine]) == [("either", "request", "inbound")]


def test_blocked_by_takes_another_port_of_the_neighbour_for_no_evidence():
    fine = session(CLIENT, OTHER, 5433, flags=True, flow_direction="ingress", **seen_at(OTHER))
    assert verdicts([*rows_with(asked()), *fine, *own(OTHER)]) == [("either", "request", "inbound")]


def open_door(networks):
    """A port that answered this many unrelated networks, and one source that it refused."""
    fine = [
        row
        for n in range(networks)
        for row in session(f"{80 + n}.1.1.1", SERVER, 443, sport=50_000, flags=True, flow_direction="ingress",
                           **seen_at(SERVER))
    ]  # fmt: skip
    return [*rows_with(asked(src="9.9.9.9", port=443)), *fine]


def test_blocked_by_suspects_a_network_acl_where_ten_networks_got_in_and_one_did_not():
    (row,) = blocked_by(flows_of(open_door(10))).table.itertuples()
    assert (row.verdict, row.confidence_share, row.source) == ("network ACL", 0.6, "the internet")
    assert verdicts(open_door(9)) == [("either", "request", "inbound")]


def test_blocked_by_leaves_late_packets_out():
    fine = session(CLIENT, SERVER, 5432, flags=True, flow_direction="ingress", **seen_at(SERVER))
    late = {"flow_direction": "ingress", **asked(at_s=70), "tcp_flags": 1}
    assert verdicts([*fine, late, *own(SERVER)]) == []


def inventory(*rules, entries=((100, False, "allow"), (100, True, "allow"))):
    lists = [
        {"rule_number": number, "egress": egress, "protocol": "-1", "cidr": "0.0.0.0/0", "action": action}
        for number, egress, action in entries
    ]
    return {
        "vpcs": [{"vpc_id": "vpc-1", "cidrs": ["10.0.0.0/16"]}],
        "subnets": [{"subnet_id": f"subnet-{s}", "vpc_id": "vpc-1", "network_acl_id": f"acl-{s}"} for s in "ab"],
        "interfaces": [
            {"interface_id": AT[SERVER][0], "vpc_id": "vpc-1", "subnet_id": "subnet-b", "private_addresses": [SERVER],
             "security_groups": ["sg-db"]},
            {"interface_id": AT[CLIENT][0], "vpc_id": "vpc-1", "subnet_id": "subnet-a", "private_addresses": [CLIENT],
             "security_groups": ["sg-app"]},
        ],
        "security_groups": [{"group_id": "sg-db", "vpc_id": "vpc-1", "ingress": list(rules)}],
        "network_acls": [{"network_acl_id": "acl-b", "vpc_id": "vpc-1", "entries": lists}],
    }  # fmt: skip


POSTGRES = {"rule_id": "sgr-pg", "protocol": "6", "from_port": 5432, "to_port": 5432, "source_group_id": "sg-app"}


def judged(rows, facts):
    (row,) = blocked_by(flows_of(rows, inventory=facts)).table.itertuples()
    return row.verdict, row.rule, row.inventory_says


def test_blocked_by_names_the_group_without_a_rule():
    assert judged(rows_with(asked()), inventory()) == ("security group", "no rule of sg-db", "alone")


def test_blocked_by_names_the_entry_of_the_acl():
    facts = inventory(POSTGRES, entries=((90, False, "deny"), (100, False, "allow"), (100, True, "allow")))
    assert judged(rows_with(asked()), facts) == ("network ACL", "acl-b rule 90", "alone")


def test_blocked_by_confirms_the_acl_that_refuses_replies():
    there = {"flow_direction": "ingress", **asked(action="ACCEPT")}
    rows = [there, reply(there, tcp_flags=18, action="REJECT"), *own(SERVER)]
    facts = inventory(POSTGRES, entries=((100, False, "allow"),))
    assert judged(rows, facts) == ("network ACL", "acl-b rule *", "confirmed")


def test_blocked_by_shows_an_inventory_that_the_flows_contradict():
    verdict, rule, said = judged(rows_with(asked()), inventory(POSTGRES))
    assert (verdict, said) == ("either", "contradicted")
    assert pd.isna(rule)
    there = {"flow_direction": "ingress", **asked(action="ACCEPT")}
    rows = [there, reply(there, tcp_flags=18, action="REJECT"), *own(SERVER)]
    verdict, _, said = judged(rows, inventory(POSTGRES))
    assert (verdict, said) == ("network ACL", "contradicted")


def test_blocked_by_says_either_where_group_and_acl_both_refuse():
    facts = inventory(entries=((100, True, "allow"),))
    assert judged(rows_with(asked()), facts) == ("either", "acl-b rule *, and no rule of sg-db", "alone")


def test_blocked_by_knows_nothing_of_interfaces_that_the_inventory_lacks():
    facts = {**inventory(), "interfaces": []}
    assert judged(rows_with(asked()), facts)[2] == "not known"


def test_blocked_by_puts_the_ports_of_a_search_into_one_row():
    for count, rows_wanted in ((10, 10), (11, 1)):
        rows = rows_with(*[asked(port=7_000 + n, at_s=n) for n in range(count)])
        table = blocked_by(flows_of(rows)).table
        assert len(table) == rows_wanted
        assert table.conversations.sum() == count


def test_blocked_by_of_nothing_has_its_columns():
    empty = blocked_by(flows_of([])).table
    assert empty.empty
    assert list(empty.columns) == list(blocked_by(flows_of(rows_with(asked()))).table.columns)


def test_blocked_by_without_an_action_says_so():
    rows = [{name: value for name, value in row.items() if name != "action"} for row in rows_with(asked())]
    with pytest.raises(MissingField, match="blocked_by needs action, which this log lacks"):
        _ = blocked_by(flows_of(rows)).table
