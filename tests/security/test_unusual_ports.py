"""Mail, TOR, mining and tunnels: what behaves like it, and what only has its port."""

from __future__ import annotations

import pytest

from flowkit.errors import MissingField
from flowkit.security import unusual_ports
from flowkit.security.unusual_ports import unusual_port
from tests.rows import START_S, flow, flows_of, reply
from tests.security.rows import WEB, probe, quiet, session

OUT = "8.8.8.8"


def servers(count, port, **fields):
    return [row for n in range(count) for row in session(WEB, f"8.8.{n}.8", port, sport=40_000 + n, **fields)]


def readings(rows):
    return unusual_ports(flows_of([*rows, *quiet(until_s=20_000)])).table["reading"].tolist()


def found(rows):
    return unusual_port(flows_of([*rows, *quiet(until_s=20_000)]))


def test_unusual_port_fires_on_mail_to_ten_servers():
    (one,) = found(servers(10, 25))
    assert (one.severity, one.count, len(one.subject["dstaddr"])) == ("medium", 10, 10)
    assert (one.subject["srcaddr"], one.subject["dstport"]) == (WEB, 25)
    assert one.title == f"{WEB} sends mail to 10 addresses"


def test_unusual_port_is_low_on_mail_to_nine_and_high_to_fifty():
    assert [one.severity for one in found(servers(9, 25))] == ["low"]
    assert [one.severity for one in found(servers(49, 25))] == ["medium"]
    assert [one.severity for one in found(servers(50, 25))] == ["high"]


def test_unusual_port_is_quiet_on_a_host_that_takes_mail():
    assert readings([*servers(10, 25), *session("1.1.1.1", WEB, 25, sport=50_001)]) == ["mail host"]


def test_unusual_port_is_quiet_on_mail_handed_to_a_provider():
    assert found(servers(9, 587)) == []
    assert [one.severity for one in found(servers(10, 465))] == ["medium"]


def long_talk(dst, port, *, seconds=1_800, up=3_000, down=3_000, sport=40_000):
    """One connection of that many seconds, in two windows each way."""
    ends = [(START_S, START_S + 59), (START_S + seconds - 59, START_S + seconds)]
    middle = [(START_S + at, START_S + at + 59) for at in range(300, seconds - 59, 300)]
    rows = [
        flow(srcaddr=WEB, dstaddr=dst, srcport=sport, dstport=port, packets=5, bytes=up, start_s=a, end_s=b)
        for a, b in [ends[0], *middle, ends[1]]
    ]
    return [part for row in rows for part in (row, reply(row, bytes=down))]


def test_unusual_port_fires_on_half_an_hour_of_small_talk_with_a_pool():
    (one,) = found(long_talk(OUT, 3_333))
    assert (one.severity, one.attack) == ("medium", ("T1496",))
    assert readings(long_talk(OUT, 3_333, seconds=1_799)) == ["port only"]


def test_unusual_port_takes_less_than_two_thousand_bytes_a_second_for_thin():
    # seven messages each way in 1,800 s
    assert readings(long_talk(OUT, 3_333, up=514_285)) == ["mining"]
    assert readings(long_talk(OUT, 3_333, up=514_286)) == ["port only"]
    assert readings(long_talk(OUT, 3_333, down=514_286)) == ["port only"]


def test_unusual_port_is_low_on_a_large_transfer_over_a_pools_port():
    assert readings(long_talk(OUT, 4_444, up=1_000_000)) == ["port only"]
    assert [one.severity for one in found(session(WEB, OUT, 4_444))] == ["low"]


def test_unusual_port_fires_on_tor_with_two_guards_for_ten_minutes():
    guards = [*long_talk("8.8.8.8", 9_001, seconds=301), *long_talk("9.9.9.9", 9_001, seconds=301, sport=40_001)]
    assert [one.severity for one in found(guards)] == ["medium"]
    assert readings(long_talk("8.8.8.8", 9_001, seconds=900)) == ["port only"]
    almost = [*long_talk("8.8.8.8", 9_001, seconds=300), *long_talk("9.9.9.9", 9_001, seconds=299, sport=40_001)]
    assert readings(almost) == ["port only"]
    short = [*long_talk("8.8.8.8", 9_001, seconds=301), *session(WEB, "9.9.9.9", 9_030, lasts_s=50, sport=40_001)]
    assert readings(short) == ["port only"]


def wrapped(packets, *, protocol=47, dst=OUT, back=True):
    there = flow(
        srcaddr=WEB, dstaddr=dst, srcport=0, dstport=0, protocol=protocol, packets=packets, bytes=100 * packets
    )
    return [there, reply(there)] if back else [there]


def test_unusual_port_fires_on_a_tunnel_to_the_outside():
    (one,) = found(wrapped(10))
    assert (one.severity, one.subject) == ("medium", {"srcaddr": WEB, "dstaddr": OUT, "protocol": 47})
    assert readings(wrapped(9)) == ["port only"]


def test_unusual_port_is_quiet_on_vpns_and_on_what_nobody_answers():
    assert readings(wrapped(1_000, protocol=50)) == ["vpn"]
    assert readings(wrapped(1_000, back=False)) == ["in vain"]
    assert readings([probe(WEB, OUT, 9_001)]) == ["in vain"]
    assert found([*wrapped(1_000, protocol=50), probe(WEB, OUT, 3_333)]) == []


def test_unusual_port_is_quiet_inside_and_on_what_comes_in():
    assert readings(wrapped(1_000, dst="10.0.0.7")) == []
    assert readings(session("1.1.1.1", WEB, 9_001)) == []


def test_unusual_ports_of_nothing_has_its_columns():
    empty, full = unusual_ports(flows_of([])), unusual_ports(flows_of(servers(1, 25)))
    assert empty.table.empty
    assert list(empty.table.columns) == list(full.table.columns)


def test_unusual_ports_without_a_protocol_says_so():
    rows = [{name: value for name, value in row.items() if name != "protocol"} for row in servers(1, 25)]
    with pytest.raises(MissingField, match="unusual_ports needs protocol, which this log lacks"):
        _ = unusual_ports(flows_of(rows)).table


def test_unusual_port_knows_a_thin_connection_that_is_silent_for_long():
    """A message every ten minutes: four conversations by their silences, one connection by its ports."""
    rows = [row for n in range(4) for row in session(WEB, OUT, 3_333, at_s=600 * n, sport=40_000)]
    assert readings(rows) == ["mining"]
    other_ports = [row for n in range(4) for row in session(WEB, OUT, 3_333, at_s=600 * n, sport=40_000 + n)]
    assert readings(other_ports) == ["port only"]
