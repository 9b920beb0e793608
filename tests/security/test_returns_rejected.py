"""Replies refused although the question was let through."""

from __future__ import annotations

import pytest

from flowkit.errors import MissingField
from flowkit.security import returns_rejected
from flowkit.security.returns_rejected import return_rejected
from tests.rows import START_S, flow, flows_of, reply
from tests.security.rows import quiet, session

CLIENT, SERVER = "10.0.1.5", "10.0.0.10"


def lost(count, *, src=CLIENT, port=7443, at_s=0, refused="REJECT", sport=40_000):
    """`count` questions that the server's interface let in, and whose answers it refused."""
    rows = []
    for place in range(count):
        there = flow(
            srcaddr=src, dstaddr=SERVER, srcport=sport + place, dstport=port, tcp_flags=2, packets=4, bytes=240,
            start_s=START_S + at_s + 100 * place,
        )  # fmt: skip
        rows += [there, reply(there, tcp_flags=18, action=refused)]
    return rows


def severities(rows):
    return [found.severity for found in return_rejected(flows_of(rows))]


def test_return_rejected_fires_on_five_conversations():
    (found,) = return_rejected(flows_of([*lost(5), *quiet(SERVER, flags=True)]))
    assert (found.severity, found.count) == ("medium", 5)
    assert found.subject == {
        "srcaddr": CLIENT,
        "dstaddr": SERVER,
        "dstport": 7443,
        "protocol": 6,
        "interface_id": "eni-1",
    }
    assert "outbound" in found.explanation


def test_return_rejected_is_low_on_four():
    assert severities([*lost(4), *quiet(SERVER, flags=True)]) == ["low"]


def test_return_rejected_says_when_the_initiators_side_refuses():
    rows = lost(6)
    own = [row for host in ("10.0.0.21", "10.0.0.22") for row in session(CLIENT, host, 443, at_s=700, flags=True)]
    (found,) = return_rejected(flows_of([*rows, *own]))
    assert "inbound" in found.explanation


def test_return_rejected_is_quiet_on_replies_that_get_through():
    assert severities([*lost(10, refused="ACCEPT"), *quiet(SERVER, flags=True)]) == []


def test_return_rejected_is_quiet_on_questions_that_were_refused():
    rows = [
        flow(srcaddr=CLIENT, dstaddr=SERVER, dstport=7443, srcport=40_000 + n, tcp_flags=2, action="REJECT")
        for n in range(10)
    ]
    assert severities([*rows, *quiet(SERVER, flags=True)]) == []


def test_return_rejected_is_low_where_most_replies_get_through():
    fine = [row for n in range(10) for row in session(CLIENT, SERVER, 7443, at_s=50 * n, sport=45_000 + n, flags=True)]
    assert severities([*lost(6), *fine, *quiet(SERVER, flags=True)]) == ["low"]


def test_return_rejected_makes_one_finding_of_many_clients_of_one_service():
    clients = ["10.0.1.5", "10.0.1.6", "10.0.1.7"]
    rows = [row for place, src in enumerate(clients) for row in lost(3, src=src, at_s=place)]
    (found,) = return_rejected(flows_of([*rows, *quiet(SERVER, flags=True)]))
    assert found.subject["srcaddr"] == clients
    assert (found.severity, found.count) == ("medium", 9)


def test_return_rejected_names_the_entry_of_the_inventory_or_says_that_there_is_none():
    def told(action):
        entries = [{"rule_number": 90, "egress": True, "protocol": "-1", "cidr": "0.0.0.0/0", "action": action}]
        face = {"interface_id": "eni-1", "vpc_id": "vpc-1", "subnet_id": "b", "private_addresses": [SERVER]}
        facts = {
            "interfaces": [face],
            "subnets": [{"subnet_id": "b", "vpc_id": "vpc-1"}],
            "network_acls": [{"network_acl_id": "acl-1", "subnet_ids": ["b"], "entries": entries}],
        }
        (found,) = return_rejected(flows_of([*lost(5), *quiet(SERVER, flags=True)], inventory=facts))
        return found.explanation

    assert "By the inventory it is acl-1 rule 90" in told("deny")
    assert "By the inventory no entry refuses them, so that is out of date." in told("allow")


def test_returns_rejected_of_nothing_has_its_columns():
    empty, full = returns_rejected(flows_of([])), returns_rejected(flows_of([*lost(5), *quiet(SERVER, flags=True)]))
    assert empty.table.empty
    assert list(empty.table.columns) == list(full.table.columns)


def test_returns_rejected_without_an_action_says_so():
    rows = [{name: value for name, value in row.items() if name != "action"} for row in lost(5)]
    with pytest.raises(MissingField, match="returns_rejected needs action, which this log lacks"):
        _ = returns_rejected(flows_of(rows)).table
    assert return_rejected(flows_of(rows)) == []
