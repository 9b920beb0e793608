"""Beacons: what is one, and what only looks like one."""

from __future__ import annotations

import pytest

from flowkit.errors import MissingField
from flowkit.security import beacons
from flowkit.security.beacons import beacon
from tests.rows import flows_of
from tests.security.rows import WEB, quiet, session

HOME = "8.8.8.8"


def calls(times, *, src=WEB, dst=HOME, port=443, up=500, **fields):
    sizes = up if isinstance(up, list) else [up] * len(times)
    return [
        row
        for place, at_s in enumerate(times)
        for row in session(src, dst, port, at_s=at_s, sport=40_000 + place, up=sizes[place], **fields)
    ]


def every(period_s, count):
    return [period_s * place for place in range(count)]


def reading(rows, **parameters):
    table = beacons(flows_of([*rows, *quiet(until_s=200_000)]), **parameters).table
    return table["reading"].tolist()


def test_beacon_fires_on_small_calls_at_a_steady_pace():
    (found,) = beacon(flows_of([*calls(every(900, 12)), *quiet(until_s=20_000)]))
    assert (found.severity, found.count) == ("medium", 12)
    assert found.subject == {"srcaddr": WEB, "dstaddr": HOME, "dstport": 443, "protocol": 6}


def test_beacon_stays_quiet_on_eleven_calls():
    assert reading(calls(every(900, 11))) == []


def test_beacon_allows_a_jitter_of_thirty_percent_about_a_schedule():
    late = [0, 150, -90, 270, 30, -210, -30, 240, -150, 90]
    assert reading(calls([900 * place + late[place % 10] + 300 for place in range(20)])) == ["beacon"]


def test_beacon_counts_the_gaps_that_lie_within_half_of_the_median():
    def moved(count, late_s):
        """21 calls, every fourth of them late until `count` are: each spoils two of twenty gaps."""
        return [900 * place + (late_s if place % 4 == 2 and place < 4 * count else 0) for place in range(21)]

    assert reading(calls(moved(2, 460))) == ["beacon"]  # sixteen of twenty on pace: 80 %
    assert reading(calls(moved(3, 460))) == ["irregular"]  # fourteen
    assert reading(calls(moved(5, 440))) == ["beacon"]  # off by less than half: on pace
    assert reading(calls(moved(5, 460))) == ["irregular"]


def test_beacon_below_twice_the_window_cannot_be_told():
    assert reading(calls(every(119, 100))) == ["too fast to tell"]
    assert reading(calls(every(120, 100))) == ["beacon"]


def test_beacon_is_quiet_on_calls_of_different_size():
    assert reading(calls(every(900, 20), up=[400 + 150 * place for place in range(20)])) == ["sizes differ"]
    assert reading(calls(every(900, 20), up=[800, 1_000, 1_200, 1_200] * 5)) == ["beacon"]  # off by 200, of 1,000
    assert reading(calls(every(900, 20), up=[790, 1_000, 1_210, 1_210] * 5)) == ["sizes differ"]


def test_beacon_is_quiet_on_a_destination_that_many_hosts_call():
    hosts = ["10.0.0.21", "10.0.0.22", "10.0.0.23"]
    rows = [row for place, src in enumerate(hosts) for row in calls([t + 7 * place for t in every(900, 12)], src=src)]
    assert reading(rows) == ["common destination"] * 3
    assert reading(rows[: 2 * 24]) == ["beacon"] * 2


def test_beacon_is_quiet_on_what_does_not_last_two_hours():
    assert reading(calls(every(600, 12))) == ["short"]
    assert reading(calls(every(600, 13))) == ["beacon"]


def test_beacon_is_quiet_on_two_bursts_of_calls():
    assert reading(calls([*every(300, 10), *[90_000 + t for t in every(300, 10)]])) == ["interrupted"]


def test_beacon_may_pause_for_a_fifth_of_the_time_it_covers():
    def paused(pause_s):
        return [*every(600, 21), *[12_000 + pause_s + t for t in every(600, 20)]]

    assert reading(calls(paused(6_000))) == ["beacon"]  # 40 gaps of 600 s fill 24,000 of 29,400 s: 82 %
    assert reading(calls(paused(7_200))) == ["interrupted"]  # of 30,600 s: 78 %


def test_beacon_is_quiet_on_calls_in_ever_shorter_steps():
    """Half of the gaps are much shorter than the median: the calls would take longer than they did."""
    steps = [1_000] * 11 + [510] * 10
    times = [sum(steps[:place]) for place in range(22)]
    assert reading(calls(times)) == ["interrupted"]  # 21 gaps of 1,000 s for 16,100 s: 130 %
    steps = [1_000] * 12 + [600] * 9
    assert reading(calls([sum(steps[:place]) for place in range(22)])) == ["beacon"]  # for 17,400 s: 121 %


def test_beacon_knows_the_neighbours_of_a_large_service():
    homes = ["8.8.8.8", "8.8.8.9", "8.8.8.200"]
    rows = [row for place, home in enumerate(homes) for row in calls(every(900, 12), src=f"10.0.0.2{place}", dst=home)]
    assert reading(rows) == ["common destination"] * 3
    apart = [row for place in range(3) for row in calls(every(900, 12), src=f"10.0.0.2{place}", dst=f"8.8.{place}.8")]
    assert reading(apart) == ["beacon"] * 3


def test_beacon_is_quiet_on_a_monitor_of_many_places():
    def monitor(places):
        return [
            row
            for place in range(places)
            for row in calls([t + 40 * place for t in every(900, 12)], dst=f"8.8.{place}.8")
        ]

    assert reading(monitor(4)) == ["beacon"] * 4
    assert reading(monitor(5)) == ["many alike"] * 5


def unanswered(times, **fields):
    return [row for row in calls(times, **fields) if row["srcaddr"] == WEB]


def test_beacon_goes_on_calling_a_home_that_is_gone():
    (found,) = beacon(flows_of([*unanswered(every(900, 12)), *quiet(until_s=20_000)]))
    assert (found.severity, found.confidence) == ("medium", 0.5)
    assert found.title == f"{WEB} calls {HOME} every 900 seconds, unanswered"


def test_beacon_that_our_own_rules_refuse_is_a_misconfigured_agent():
    rows = unanswered(every(900, 12), action="REJECT")
    assert reading(rows) == ["blocked"]
    assert beacon(flows_of([*rows, *quiet(until_s=20_000)])) == []


def test_beacon_counts_retries_with_their_call():
    def retried(period_s, **fields):
        times = [t + late for t in every(period_s, 30) for late in (0, 60)]
        return unanswered(times, **fields)

    assert reading(retried(300)) == ["never answered"]  # the gaps between calls take four windows
    assert reading(retried(240)) == ["too fast to tell"]
    answered = calls([t + late for t in every(300, 30) for late in (0, 60)])
    assert reading(answered) != ["beacon"]


def test_beacon_is_low_at_a_service_of_aws():
    rows = [
        {**row, "pkt_dst_aws_service": "EC2" if row["dstaddr"] == HOME else None, "pkt_src_aws_service": None}
        for row in calls(every(900, 12))
    ]
    assert [found.severity for found in beacon(flows_of([*rows, *quiet(until_s=20_000)]))] == ["low"]


def test_beacon_is_quiet_on_time_servers_and_long_connections():
    assert reading(calls(every(1_024, 20), port=123, protocol=17)) == []
    one = [row for place in range(20) for row in session(WEB, HOME, 443, at_s=300 * place, lasts_s=59, sport=40_000)]
    assert reading(one) == []


def test_beacons_of_nothing_has_its_columns():
    empty, full = beacons(flows_of([])), beacons(flows_of(calls(every(900, 12))))
    assert empty.table.empty
    assert list(empty.table.columns) == list(full.table.columns)


def test_beacons_without_a_start_says_so():
    rows = [{name: value for name, value in row.items() if name != "start_s"} for row in calls(every(900, 12))]
    with pytest.raises(MissingField, match="beacons needs start, which this log lacks"):
        _ = beacons(flows_of(rows)).table
