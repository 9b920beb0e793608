"""Floods: of each kind, as victim and as source, and what only looks like one."""

from __future__ import annotations

import pytest

from flowkit.errors import MissingField
from flowkit.security import floods
from flowkit.security.floods import flood
from tests.rows import START_S, flow, flows_of, reply
from tests.security.rows import WEB, quiet, session

TARGET = "8.8.8.8"


def burst(sources, packets, *, dst=WEB, protocol=6, port=443, size=40, at_s=600, sport=None, **fields):
    """From each source one record with that many packets; every source has its own port unless `sport` is given."""
    return [
        flow(
            srcaddr=src, dstaddr=dst, srcport=20_000 + place if sport is None else sport, dstport=port,
            protocol=protocol, packets=packets, bytes=size * packets, start_s=START_S + at_s, end_s=START_S + at_s + 55,
            **fields,
        )
        for place, src in enumerate(sources)
    ]  # fmt: skip


def outside(count):
    return [f"1.1.{place // 200}.{place % 200 + 1}" for place in range(count)]


def syns(count=50, packets=20, **fields):
    return burst(outside(count), packets, **fields)


def found(rows, **fields):
    return flood(flows_of([*rows, *quiet(until_s=20_000, **fields)]))


def readings(rows, **fields):
    table = floods(flows_of([*rows, *quiet(until_s=20_000, **fields)])).table
    return list(zip(table["kind"], table["reading"], strict=True))


def test_flood_fires_on_a_thousand_syns_of_fifty_sources_that_nobody_answered():
    (one,) = found(syns())
    assert (one.severity, one.count, len(one.subject["srcaddr"])) == ("medium", 1_000, 50)
    assert one.title == f"{WEB} met a SYN flood at port 443 (https) from 50 sources"
    assert (one.subject["dstaddr"], one.subject["dstport"], one.subject["protocol"]) == (WEB, 443, 6)


def test_flood_stays_quiet_on_forty_nine_sources_or_one_packet_less():
    assert readings(syns(50, 20)) == [("syn", "flood")]
    assert readings(syns(49, 21)) == [("syn", "known peers")]
    assert readings([*syns(49, 20), *burst(["9.9.9.9"], 19)]) == []


def test_flood_of_few_sources_takes_two_thousand_syns():
    assert readings(burst(["9.9.9.9"], 2_000)) == [("syn", "flood")]
    assert readings(burst(["9.9.9.9"], 1_999)) == [("syn", "known peers")]


def test_flood_is_high_from_five_hundred_packets_a_second():
    # 300,000 in ten minutes are 500 a second
    assert [one.severity for one in found(syns(100, 3_000))] == ["high"]
    assert [one.severity for one in found(syns(100, 2_999))] == ["medium"]


def test_flood_that_was_refused_is_medium_and_says_so():
    (one,) = found(syns(100, 3_000, action="REJECT"))
    assert one.severity == "medium"
    assert "All of it was refused at the interface" in one.explanation


def test_flood_fires_on_handshakes_left_open_with_and_without_flags():
    there = syns(60, 1)
    asked = [{**row, "srcport": row["srcport"] + 100 * n} for n in range(17) for row in there]
    many = [part for row in asked for part in (row, reply(row, packets=5, bytes=220))]
    assert readings(many) == [("syn", "flood")]
    flagged = [{**row, "tcp_flags": 2 if row["dstport"] == 443 else 18} for row in many]
    assert readings(flagged, flags=True) == [("syn", "flood")]


def test_flood_is_quiet_on_a_rush_of_visitors():
    visits = [
        row for n, src in enumerate(outside(200)) for k in range(6)
        for row in session(src, WEB, 443, at_s=600 + k, sport=30_000 + 10 * n + k)
    ]  # fmt: skip
    assert readings(visits) == []


def test_flood_is_quiet_on_clients_whose_server_went_down():
    clients = outside(60)
    before = [row for n, src in enumerate(clients) for row in session(src, WEB, 443, at_s=-3_000, sport=40_000 + n)]
    assert readings([*before, *burst(clients, 30)]) == [("syn", "known peers")]


def test_flood_is_quiet_on_a_closed_port_that_resets():
    there = syns(60, 1, tcp_flags=2)
    rows = [{**row, "srcport": row["srcport"] + 70 * n} for n in range(20) for row in there]
    answers = [reply(row, tcp_flags=4) for row in rows]
    assert readings([*rows, *answers], flags=True) == []


def test_flood_is_quiet_on_a_scan_of_all_ports():
    rows = [row for port in range(1, 3_001) for row in burst(["9.9.9.9"], 2, port=port)]
    assert readings(rows) == []


def test_flood_by_a_host_of_ours_is_high_and_names_it_first():
    (one,) = found(burst([WEB], 30_000, dst=TARGET, port=80))
    assert (one.severity, one.subject["srcaddr"], one.subject["dstaddr"]) == ("high", WEB, TARGET)
    assert one.title == f"{WEB} sent a SYN flood at port 80 (http) to {TARGET}"
    assert one.next_step.endswith(f"Values={WEB}")
    # below fifty a second it may be a client that tries again
    assert [one.severity for one in found(burst([WEB], 29_999, dst=TARGET, port=80))] == ["medium"]


def test_flood_is_quiet_on_a_client_of_ours_that_calls_a_service_of_ours_in_vain():
    assert readings(burst(["10.0.0.77"], 29_999, port=9_000)) == [("syn", "known peers")]
    assert readings(burst(["10.0.0.77"], 30_000, port=9_000)) == [("syn", "flood")]


def test_flood_is_quiet_on_connections_without_data():
    opened = [row for n in range(20) for row in syns(60, 4, sport=21_000 + n)]
    assert readings([*opened, *[reply(row, packets=3, bytes=120) for row in opened]]) == []


def test_flood_seen_again_on_its_way_through_a_gateway_is_told_once():
    out = burst([WEB], 100_000, dst=TARGET, protocol=17, port=5_000)
    gateway = {"dst": "10.0.0.77", "protocol": 17, "port": 5_000}
    again, other = burst([WEB], 90_000, **gateway), burst([WEB], 89_999, **gateway)
    assert [one.subject["dstaddr"] for one in found([*out, *again])] == [TARGET]
    left = burst(["10.0.0.77"], 90_000, dst=TARGET, protocol=17, port=5_000)
    assert [one.subject["dstaddr"] for one in found([*out, *again, *left])] == [TARGET]
    assert sorted(one.subject["dstaddr"] for one in found([*out, *other])) == ["10.0.0.77", TARGET]


def test_flood_of_udp_takes_a_hundred_packets_a_second_for_ten_minutes():
    assert readings(burst(["9.9.9.9"], 60_000, protocol=17, port=4_000)) == [("udp", "flood")]
    assert readings(burst(["9.9.9.9"], 59_999, protocol=17, port=4_000)) == []


def test_flood_of_udp_is_quiet_where_the_other_side_answers():
    there = burst(["9.9.9.9"], 200_000, protocol=17, port=443)
    assert readings([*there, reply(there[0], packets=10)]) == []


def test_flood_of_udp_is_quiet_on_a_stream_between_hosts_that_talk():
    stream = burst(["9.9.9.9"], 100_000, protocol=17, port=6_970)
    assert readings([*stream, *session(WEB, "9.9.9.9", 554)]) == [("udp", "known peers")]
    four = burst(["9.9.9.9"] * 4, 100_000, protocol=17, port=6_970)
    assert readings([*four, *session(WEB, "9.9.9.9", 554)]) == [("udp", "known peers")]
    five = burst(["9.9.9.9"] * 5, 100_000, protocol=17, port=6_970)
    assert readings([*five, *session(WEB, "9.9.9.9", 554)]) == [("udp", "flood")]


def test_flood_of_udp_is_no_stream_from_ten_thousand_packets_a_second():
    talk = session(WEB, "9.9.9.9", 554)
    assert readings([*burst(["9.9.9.9"], 6_000_000, protocol=17, port=6_970), *talk]) == [("udp", "flood")]
    assert readings([*burst(["9.9.9.9"], 5_999_999, protocol=17, port=6_970), *talk]) == [("udp", "known peers")]


def test_flood_of_udp_is_quiet_on_a_scan_of_datagrams():
    def tries(ports, packets):
        return [row for port in range(1, ports + 1) for row in burst(["9.9.9.9"], packets, protocol=17, port=port)]

    assert readings(tries(20_100, 3)) == [("udp", "known peers")]
    assert readings(tries(15_100, 4)) == [("udp", "flood")]


def test_flood_of_udp_is_quiet_on_a_camera_that_sends_for_two_hours():
    def camera(seconds):
        return [
            flow(srcaddr="10.0.0.77", dstaddr=WEB, srcport=5_000, dstport=6_970, protocol=17, packets=30_000,
                 bytes=30_000_000, start_s=START_S + at_s, end_s=START_S + min(at_s + 60, seconds))
            for at_s in range(0, seconds, 60)
        ]  # fmt: skip

    assert readings(camera(7_200)) == [("udp", "known peers")]
    assert readings(camera(7_199)) == [("udp", "flood")]


def test_flood_of_icmp_fires_without_answers_and_stays_low_with_them():
    one_way = burst(["9.9.9.9"], 60_000, protocol=1, port=0, sport=0)
    assert [one.severity for one in found(one_way)] == ["medium"]
    both = [*one_way, reply(one_way[0])]
    assert readings(both) == [("icmp", "both ways")]
    assert [one.severity for one in found(both)] == ["low"]
    assert readings(burst(["9.9.9.9"], 59_999, protocol=1, port=0, sport=0)) == []


def test_flood_of_icmp_by_several_is_told_although_they_are_answered():
    def pinged(count, packets):
        rows = burst(outside(count), packets, protocol=1, port=0, sport=0)
        return readings([*rows, *[reply(row) for row in rows]])

    assert pinged(10, 6_000) == [("icmp", "flood")]
    assert pinged(11, 5_999) == [("icmp", "both ways")]
    assert pinged(3, 20_000) == [("icmp", "flood")]
    assert pinged(2, 30_000) == [("icmp", "both ways")]


def test_flood_is_quiet_on_a_monitor_that_pings_a_hundred_hosts():
    hosts = [f"10.0.1.{place}" for place in range(1, 101)]
    rows = [row for dst in hosts for row in burst([WEB], 700, dst=dst, protocol=1, port=0, sport=0)]
    assert [one.severity for one in found([*rows, *[reply(row) for row in rows]])] in ([], ["low"])


def test_flood_by_amplification_fires_on_answers_that_nobody_asked_for():
    servers = outside(10)
    (one,) = found(burst(servers, 100, protocol=17, sport=123, port=40_000, size=468))
    assert (one.title, one.severity) == (f"{WEB} met an amplification attack from 10 sources", "medium")
    assert one.subject["srcaddr"] == sorted(servers)
    assert readings(burst(outside(9), 120, protocol=17, sport=123, port=40_000)) == [("amplified", "known peers")]


def test_flood_by_amplification_takes_a_thousand_answers_or_ten_thousand_of_few():
    def answers(count, packets):
        return readings(burst(outside(count), packets, protocol=17, sport=123, port=40_000))

    assert answers(10, 100) == [("amplified", "flood")]
    assert answers(10, 99) == []
    assert answers(1, 10_000) == [("amplified", "flood")]
    assert answers(1, 9_999) == [("amplified", "known peers")]


def test_flood_by_our_server_takes_answers_much_larger_than_questions():
    def answered(port, asked_bytes, packets=20_000):
        questions = burst(["9.9.9.9"], packets, protocol=17, sport=5_555, port=port)
        return readings([{**questions[0], "bytes": asked_bytes}, reply(questions[0], bytes=12_000_000)])

    assert answered(123, 2_400_000) == [("reflected", "flood")]
    assert answered(123, 2_400_001) == [("reflected", "known peers")]
    assert answered(53, 1_200_000) == [("reflected", "flood")]
    assert answered(53, 1_200_001) == [("reflected", "known peers")]
    assert answered(123, 40_000, packets=1_000) == [("reflected", "flood")]
    assert answered(123, 40_000, packets=999) == []


def test_flood_by_amplification_is_quiet_where_we_asked():
    answers = burst(outside(10), 100, protocol=17, sport=123, port=40_000, size=468)
    assert readings([*answers, *[reply(row, packets=100) for row in answers]]) == []


def test_flood_by_our_open_resolver_is_high():
    questions = burst(["9.9.9.9"], 20_000, protocol=17, sport=5_555, port=53, size=60)
    answers = [reply(questions[0], packets=20_000, bytes=12_000_000)]
    (one,) = found([*questions, *answers])
    assert (one.severity, one.subject["srcaddr"], one.subject["dstaddr"]) == ("high", WEB, "9.9.9.9")
    assert readings([*questions, reply(questions[0], packets=20_000, bytes=11_999_999)]) == [
        ("reflected", "known peers")
    ]


def test_flood_is_quiet_on_what_is_usual_for_a_host():
    # thirty stretches of ten minutes, a thousand SYNs in each: a port that everybody knocks at all day
    rows = [row for n in range(30) for row in syns(50, 20, at_s=600 * n)]
    assert readings(rows) == [("syn", "usual")]
    # a thousand are the median: three thousand are a flood, 2,950 are not
    assert readings([*rows, *syns(50, 40, at_s=6_000)]) == [("syn", "flood")]
    assert readings([*rows, *syns(50, 39, at_s=6_000)]) == [("syn", "usual")]


def test_flood_asks_for_more_of_a_host_whose_days_differ():
    # 1,000, 1,800 and 2,600 in turn: the median is 1,800, the median deviation 800, and nine of them above are 9,000
    rows = [row for n in range(24) for row in syns(50, (20, 36, 52)[n % 3], at_s=600 * n)]
    assert readings([*rows, *syns(50, 180, at_s=18_000)]) == [("syn", "flood")]
    assert readings([*rows, *syns(50, 179, at_s=18_000)]) == [("syn", "usual")]


def test_flood_compares_with_other_time_only_from_four_hours_on():
    # two stretches of the quiet neighbours count too
    assert readings([row for n in range(22) for row in syns(at_s=600 * n)]) == [("syn", "usual")]
    assert readings([row for n in range(21) for row in syns(at_s=600 * n)]) == [("syn", "flood")]


def test_flood_with_a_forged_address_of_ours_is_info():
    rows = [
        flow(srcaddr="9.9.9.9", dstaddr=WEB, srcport=80, dstport=30_000 + n, packets=1, bytes=44, tcp_flags=18,
             start_s=START_S + 600 + 3 * n, end_s=START_S + 600 + 3 * n)
        for n in range(25)
    ]  # fmt: skip
    (one,) = found(rows, flags=True)
    assert (one.severity, one.subject["srcaddr"], one.count) == ("info", "9.9.9.9", 25)
    assert found(rows[:24], flags=True) == []
    quick = [{**row, "start_s": START_S + 600 + n % 20, "end_s": START_S + 659} for n, row in enumerate(rows)]
    assert found(quick, flags=True) == []


def test_floods_of_nothing_has_its_columns():
    empty, full = floods(flows_of([])), floods(flows_of([*syns(), *quiet(until_s=20_000)]))
    assert empty.table.empty
    assert list(empty.table.columns) == list(full.table.columns)
    assert flood(flows_of([])) == []


def test_floods_without_packets_says_so():
    rows = [{name: value for name, value in row.items() if name != "packets"} for row in syns()]
    with pytest.raises(MissingField, match="floods needs packets, which this log lacks"):
        _ = floods(flows_of(rows)).table
