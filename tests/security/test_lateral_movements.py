"""Chains over administration ports: found where each hop follows the one before, quiet on those who always do that."""

from __future__ import annotations

from itertools import pairwise

import pytest

from flowkit.errors import MissingField
from flowkit.security import lateral_movements
from flowkit.security.lateral_movements import lateral_movement
from tests.rows import flow, flows_of
from tests.security.rows import session

HOUR_S = 3_600
A, B, C, D = "10.0.0.11", "10.0.0.12", "10.0.0.13", "10.0.0.14"


def hop(src, dst, at_s, *, port=22, lasts_s=50, **fields):
    return session(src, dst, port, at_s=at_s, lasts_s=lasts_s, sport=40_000 + at_s % 20_000, flags=True, **fields)


def watched(*hosts, hours=12):
    """Each host answers something once an hour, so that it is known to have been there."""
    return [
        row
        for place, host in enumerate(hosts)
        for hour in range(hours)
        for row in session("10.0.7.7", host, 8_080, at_s=hour * HOUR_S + place, sport=50_000 + hour, flags=True)
    ]


def chain(*hosts, at_s=8 * HOUR_S, pause_s=300, **fields):
    """Each host reaches the next, `pause_s` after it was reached."""
    return [
        row
        for place, (one, other) in enumerate(pairwise(hosts))
        for row in hop(one, other, at_s + place * pause_s, **fields)
    ]


def found(rows, **more):
    flows = flows_of(rows, inventory=more.pop("inventory", None))
    return [(one.severity, one.count) for one in lateral_movement(flows, **more)]


def test_lateral_movement_is_high_on_three_hops_of_hosts_that_were_quiet():
    (one,) = lateral_movement(flows_of([*watched(A, B, C, D), *chain(A, B, C, D)]))
    assert (one.severity, one.count) == ("high", 3)
    assert one.subject == {"srcaddr": [A, B, C], "dstaddr": [B, C, D], "dstport": 22, "protocol": 6}
    assert (one.first_seen, one.last_seen) == ("2023-11-15T06:13:20Z", "2023-11-15T06:24:10Z")


def test_lateral_movement_is_medium_on_two_hops_after_six_quiet_hours():
    assert found([*watched(A, B, C), *chain(A, B, C, at_s=6 * HOUR_S)]) == [("medium", 2)]


def test_lateral_movement_is_low_on_two_hops_after_less():
    assert found([*watched(A, B, C), *chain(A, B, C, at_s=6 * HOUR_S - 400)]) == [("low", 2)]


def test_lateral_movement_is_medium_on_three_hops_before_an_hour_was_watched():
    assert found([*watched(A, B, C, D), *chain(A, B, C, D, at_s=HOUR_S - 400)]) == [("medium", 3)]
    assert found([*watched(A, B, C, D), *chain(A, B, C, D, at_s=HOUR_S - 200)]) == [("high", 3)]


@pytest.mark.parametrize("port", [22, 23, 135, 445, 3389, 5900, 5985, 5986])
def test_lateral_movement_knows_the_ports_of_administrators(port):
    assert found([*watched(A, B, C, D), *chain(A, B, C, D, port=port)]) == [("high", 3)]


@pytest.mark.parametrize("port", [80, 443, 5432, 9100])
def test_lateral_movement_is_quiet_on_other_ports(port):
    assert found([*watched(A, B, C, D), *chain(A, B, C, D, port=port)]) == []


def test_lateral_movement_is_quiet_where_the_next_hop_comes_more_than_an_hour_after():
    late = [*hop(A, B, 8 * HOUR_S), *hop(B, C, 9 * HOUR_S + 60)]
    soon = [*hop(A, B, 8 * HOUR_S), *hop(B, C, 9 * HOUR_S + 45)]
    assert found([*watched(A, B, C), *late]) == []
    assert found([*watched(A, B, C), *soon]) == [("medium", 2)]


def test_lateral_movement_is_quiet_where_the_hops_come_in_the_other_order():
    rows = [*hop(B, C, 8 * HOUR_S), *hop(A, B, 8 * HOUR_S + 300)]
    assert found([*watched(A, B, C), *rows]) == []


def test_lateral_movement_is_quiet_where_the_host_had_reached_the_next_before():
    assert found([*watched(A, B, C), *hop(B, C, 2 * HOUR_S), *chain(A, B, C)]) == []


def test_lateral_movement_is_milder_where_two_hops_share_a_window():
    assert found([*watched(A, B, C, D), *chain(A, B, C, D, pause_s=59)]) == [("medium", 3)]
    assert found([*watched(A, B, C, D), *chain(A, B, C, D, pause_s=60)]) == [("high", 3)]


def test_lateral_movement_is_quiet_on_a_bastion_that_is_used_at_three_times():
    def used(times):
        return [row for n in range(times) for row in chain(A, B, f"10.0.1.{n}", at_s=7 * HOUR_S + n * 2 * HOUR_S)]

    hosts = watched(A, B, "10.0.1.0", "10.0.1.1", "10.0.1.2", hours=14)
    assert found([*hosts, *used(3)]) == []
    assert found([*hosts, *used(2)]) == [("medium", 3)]


def test_lateral_movement_is_quiet_on_hosts_that_are_named_as_jump_hosts():
    rows = [*watched(A, B, C), *chain(A, B, C)]
    assert found(rows, jump_hosts=[B]) == []
    assert found(rows, jump_hosts=[A]) == [("medium", 2)]


def inventory(name, *hosts):
    faces = [
        {"interface_id": f"eni-{n}", "vpc_id": "vpc-1", "private_addresses": [host], "name": name if host == B else ""}
        for n, host in enumerate(hosts)
    ]
    return {"vpcs": [{"vpc_id": "vpc-1", "cidrs": ["10.0.0.0/16"]}], "interfaces": faces}


def test_lateral_movement_is_quiet_on_a_host_that_is_called_bastion():
    rows = [{**row, "vpc_id": "vpc-1"} for row in [*watched(A, B, C), *chain(A, B, C)]]
    assert found(rows, inventory=inventory("bastion-2", A, B, C)) == []
    assert found(rows, inventory=inventory("web-2", A, B, C)) == [("medium", 2)]


def test_lateral_movement_takes_a_session_from_outside_the_vpcs_for_the_opening_and_no_hop():
    desk = "192.168.4.4"
    rows = [{**row, "vpc_id": "vpc-1"} for row in [*watched(B, C, D), *chain(desk, B, C)]]
    assert found(rows, inventory=inventory("web-2", B, C, D)) == []
    rows = [{**row, "vpc_id": "vpc-1"} for row in [*watched(B, C, D), *chain(desk, B, C, D)]]
    assert found(rows, inventory=inventory("web-2", B, C, D)) == [("medium", 3)]


def test_lateral_movement_is_quiet_on_a_deployment_host_that_nobody_reached():
    """One host that reaches all others at once is a roll-out; it is told, as low, once only and from five hosts on."""

    def roll_out(count, at_s=8 * HOUR_S):
        return [row for n in range(count) for row in hop(B, f"10.0.1.{n}", at_s + 12 * n)]

    assert found([*watched(B), *roll_out(5)]) == [("low", 5)]
    assert found([*watched(B), *roll_out(4)]) == []
    assert found([*watched(B), *roll_out(5, at_s=6 * HOUR_S)]) == [("low", 5)]
    assert found([*watched(B), *roll_out(5, at_s=6 * HOUR_S - 60)]) == []
    assert found([*watched(B), *roll_out(5, at_s=4 * HOUR_S), *roll_out(5, at_s=10 * HOUR_S)]) == []


def test_lateral_movement_is_quiet_on_refused_attempts():
    rows = [row for one, other, at_s in ((A, B, 0), (B, C, 300)) for row in hop(one, other, 8 * HOUR_S + at_s)]
    refused = [
        {**row, "action": "REJECT", "packets": 1} for row in rows if row["srcaddr"] in (A, B) and row["dstport"] == 22
    ]
    assert found([*watched(A, B, C), *refused]) == []


def test_lateral_movements_lists_hops_in_time_order():
    table = lateral_movements(flows_of([*watched(A, B, C, D), *chain(A, B, C, D)])).table
    assert list(zip(table.srcaddr, table.dstaddr, table.hop, strict=True)) == [(A, B, 1), (B, C, 2), (C, D, 3)]
    assert table.reading.tolist() == ["chain"] * 3


def test_lateral_movements_follows_the_branch_of_a_chain():
    rows = [*chain(A, B, C), *hop(B, D, 8 * HOUR_S + 600)]
    table = lateral_movements(flows_of([*watched(A, B, C, D), *rows])).table
    assert list(zip(table.srcaddr, table.dstaddr, table.hop, strict=True)) == [(A, B, 1), (B, C, 2), (B, D, 2)]


def test_lateral_movement_does_not_run_in_circles():
    rows = [*chain(A, B, C), *hop(C, A, 8 * HOUR_S + 600)]
    assert found([*watched(A, B, C), *rows]) == [("medium", 2)]


def test_lateral_movements_of_nothing_has_its_columns():
    empty = lateral_movements(flows_of([])).table
    assert empty.empty
    assert list(empty.columns) == list(lateral_movements(flows_of(chain(A, B, C))).table.columns)


def test_lateral_movements_without_ports_says_so():
    bare = {name: value for name, value in flow().items() if name != "dstport"}
    with pytest.raises(MissingField, match="lateral_movements needs dstport, which this log lacks"):
        _ = lateral_movements(flows_of([bare])).table
    assert lateral_movement(flows_of([bare])) == []
