"""DNS past the resolvers: who asks whom, and where that is meant."""

from __future__ import annotations

import pytest

from flowkit.errors import MissingField, ParameterError
from flowkit.security import resolvers_asked
from flowkit.security.resolvers_asked import dns_bypass
from tests.rows import START_S, flow, flows_of, reply
from tests.security.rows import WEB, probe, quiet, session

PUBLIC = "8.8.8.8"


def asks(src, dst, *, port=53, protocol=17, at_s=0, answered=True, sport=40_000):
    there = flow(srcaddr=src, dstaddr=dst, srcport=sport, dstport=port, protocol=protocol, packets=1, bytes=70,
                 start_s=START_S + at_s, end_s=START_S + at_s)  # fmt: skip
    return [there, reply(there, bytes=200)] if answered else [there]


def neighbours(count):
    """That many other hosts of ours that are busy with something else."""
    return [row for n in range(count) for row in session(f"10.0.0.{30 + n}", WEB, 443, at_s=10 * n, sport=41_000 + n)]


def readings(rows, **parameters):
    table = resolvers_asked(flows_of([*rows, *quiet()]), **parameters).table
    return sorted(table["reading"])


def severities(rows, **parameters):
    return [one.severity for one in dns_bypass(flows_of([*rows, *quiet()]), **parameters)]


def test_dns_bypass_fires_on_the_one_host_that_asks_a_public_resolver():
    (found,) = dns_bypass(flows_of([*asks(WEB, PUBLIC), *neighbours(5), *quiet()]))
    assert (found.severity, found.count) == ("medium", 1)
    assert found.subject == {"srcaddr": WEB, "dstaddr": PUBLIC, "dstport": 53, "protocol": 17}
    assert found.title == f"{WEB} asks {PUBLIC} for names (DNS), past your resolvers"


def test_dns_bypass_is_one_finding_for_all_who_ask_one_server():
    rows = [*asks(WEB, PUBLIC), *asks("10.0.0.30", PUBLIC), *neighbours(5)]
    assert [one.subject["srcaddr"] for one in dns_bypass(flows_of([*rows, *quiet()]))] == [[WEB, "10.0.0.30"]]


def test_dns_bypass_is_low_where_many_hosts_do_so():
    # five neighbours and the two of `quiet` began something, with the asking host eight: two may be odd, three may not
    two = [row for n in range(2) for row in asks(f"10.0.0.{30 + n}", PUBLIC, sport=42_000 + n)]
    three = [row for n in range(3) for row in asks(f"10.0.0.{30 + n}", PUBLIC, sport=42_000 + n)]
    assert severities([*two, *neighbours(5)]) == ["medium"]
    assert severities([*three, *neighbours(5)]) == ["low"]


def test_dns_bypass_allows_one_host_in_ten():
    three = [row for n in range(3) for row in asks(f"10.0.0.{30 + n}", PUBLIC, sport=42_000 + n)]
    # with the two of `quiet` thirty hosts, and twenty-nine
    assert severities([*three, *neighbours(28)]) == ["medium"]
    assert severities([*three, *neighbours(27)]) == ["low"]


def test_dns_bypass_is_low_among_four_hosts():
    assert severities([*asks(WEB, PUBLIC), *neighbours(1)]) == ["low"]
    assert severities([*asks(WEB, PUBLIC), *neighbours(2)]) == ["medium"]


def test_dns_bypass_knows_the_resolvers_it_is_told():
    rows = [*asks(WEB, PUBLIC), *asks(WEB, "9.9.9.9", sport=40_001)]
    assert readings(rows, dns_resolvers=[PUBLIC]) == ["allowed", "past our resolvers"]
    assert readings(rows, dns_resolvers=["8.0.0.0/7"]) == ["allowed", "allowed"]
    assert severities(rows, dns_resolvers=[PUBLIC]) == ["medium"]


def test_dns_bypass_says_which_resolver_is_no_address():
    with pytest.raises(ParameterError, match=r"dns_resolvers has 'dns\.google', which is no address"):
        resolvers_asked(flows_of(asks(WEB, PUBLIC)), dns_resolvers=["dns.google"])


def test_dns_bypass_is_quiet_on_a_resolver_of_ours():
    clients = [row for n in range(3) for row in asks(f"10.0.0.{30 + n}", WEB, sport=42_000 + n)]
    assert readings([*clients, *asks(WEB, PUBLIC)]) == ["asked by our resolver", *["resolver of ours"] * 3]
    assert readings([*clients[:4], *asks(WEB, PUBLIC)]) == ["inside", "inside", "past our resolvers"]


def test_dns_bypass_is_low_on_a_host_that_walks_the_tree_itself():
    roots = [row for n in range(5) for row in asks(WEB, f"8.8.8.{n + 1}", sport=43_000 + n)]
    assert readings(roots) == ["walks the tree"] * 5
    assert readings(roots[:8]) == ["past our resolvers"] * 4
    assert severities([*roots, *neighbours(9)]) == ["low"]


def test_dns_bypass_sees_dns_over_tls():
    (found,) = dns_bypass(flows_of([*session(WEB, PUBLIC, 853), *neighbours(5), *quiet()]))
    assert "(DNS over TLS)" in found.title


def test_dns_bypass_is_quiet_where_the_way_out_is_closed():
    assert readings(asks(WEB, PUBLIC, answered=False)) == ["in vain"]
    assert readings([probe(WEB, PUBLIC, 53, protocol=17)]) == ["in vain"]


def test_dns_bypass_is_quiet_on_the_resolver_of_the_vpc():
    inventory = {"vpcs": [{"vpc_id": "vpc-1", "cidrs": ["100.64.0.0/16"]}]}
    flows = flows_of([*asks(WEB, "100.64.0.2"), *quiet()], inventory=inventory)
    assert resolvers_asked(flows).table["reading"].tolist() == ["allowed"]


def test_resolvers_asked_of_nothing_has_its_columns():
    empty, full = resolvers_asked(flows_of([])), resolvers_asked(flows_of(asks(WEB, PUBLIC)))
    assert empty.table.empty
    assert list(empty.table.columns) == list(full.table.columns)


def test_resolvers_asked_without_ports_says_so():
    rows = [{name: value for name, value in row.items() if name != "dstport"} for row in asks(WEB, PUBLIC)]
    with pytest.raises(MissingField, match="resolvers_asked needs dstport, which this log lacks"):
        _ = resolvers_asked(flows_of(rows)).table
