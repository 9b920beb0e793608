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


def test_beacon_allows_a_jitter_of_thirty_percent_but_not_of_seventy():
    # steps of 900 s times 1 -0.3, 1, 1 + 0.3 ...: half of them are off by 270 s, 30 % of the period
    mild = [900 * place + (135 if place % 2 else 0) for place in range(20)]
    assert reading(calls(mild)) == ["beacon"]
    wild = [900 * place + (630 if place % 4 == 1 else 0) for place in range(20)]
    assert reading(calls(wild)) == ["irregular"]


def test_beacon_below_twice_the_window_cannot_be_told():
    assert reading(calls(every(119, 100))) == ["too fast to tell"]
    assert reading(calls(every(120, 100))) == ["beacon"]


def test_beacon_is_quiet_on_calls_of_different_size():
    assert reading(calls(every(900, 20), up=[400 + 150 * place for place in range(20)])) == ["sizes differ"]


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


def test_beacon_is_low_where_nobody_ever_answered():
    rows = [row for row in calls(every(900, 12)) if row["srcaddr"] == WEB]
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
