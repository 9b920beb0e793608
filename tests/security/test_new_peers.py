"""Hosts that began to talk: against a baseline, and late in the period without one."""

from __future__ import annotations

import json

import pytest

from flowkit.errors import MissingField, ParameterError
from flowkit.review import review
from flowkit.security import lateral_movements, new_peers
from flowkit.security.new_peers import new_peer
from tests.rows import flow, flows_of
from tests.security.rows import session

HOUR_S = 3_600
APP, DB, WEB, NEW = "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"


def talk(src, dst, port, at_s=0, **fields):
    return session(src, dst, port, at_s=at_s, sport=40_000 + at_s % 20_000, flags=True, **fields)


def ordinary(hours=12):
    """The app asks the web host and is asked by the database, every hour of the period."""
    return [
        row
        for hour in range(hours)
        for one, other, port in ((APP, WEB, 8_080), (DB, APP, 9_000))
        for row in talk(one, other, port, at_s=hour * HOUR_S)
    ]


def period(*more):
    """Twelve hours and one second: from the first record to the last."""
    return [*ordinary(), *talk(APP, WEB, 8_080, at_s=12 * HOUR_S), *more]


def told(rows, **more):
    return [
        (row.reading, row.srcaddr, row.dstaddr, row.dstport)
        for row in new_peers(flows_of(rows), **more).table.itertuples()
    ]


@pytest.fixture
def baseline(tmp_path):
    """Writes the report of some records, for others to be compared with."""

    def write(rows, **changed):
        record = {**review(flows_of(rows), "security").as_dict(), **changed}
        path = tmp_path / "before.json"
        path.write_text(json.dumps(record), encoding="utf-8")
        return str(path)

    return write


def test_new_peer_is_low_on_a_late_first_contact_without_a_baseline():
    (found,) = new_peer(flows_of(period(*talk(APP, DB, 5_432, at_s=10 * HOUR_S))))
    assert (found.severity, found.count) == ("low", 1)
    assert found.subject == {"srcaddr": APP, "dstaddr": DB, "dstport": 5_432, "protocol": 6}


def test_new_peer_does_not_tell_a_chain_again():
    chain = [*talk(APP, DB, 22, at_s=10 * HOUR_S), *talk(DB, WEB, 22, at_s=10 * HOUR_S + 300)]
    flows = flows_of(period(*chain))
    assert len(new_peers(flows).table) == 2
    assert new_peer(flows) == []
    assert [one.subject["dstaddr"] for one in new_peer(flows_of(period(*chain[:2])))] == [DB]


def test_new_peers_counts_the_last_quarter_of_twelve_hours_only():
    late = [("late first contact", APP, DB, 5_432)]
    assert told(period(*talk(APP, DB, 5_432, at_s=9 * HOUR_S + 1))) == late
    assert told(period(*talk(APP, DB, 5_432, at_s=9 * HOUR_S - 1))) == []
    short = [*ordinary(11), *talk(APP, DB, 5_432, at_s=10 * HOUR_S), *talk(APP, WEB, 8_080, at_s=12 * HOUR_S - 2)]
    assert told(short) == []


def test_new_peers_is_quiet_where_the_source_used_the_port_with_another_host_before():
    rows = period(*talk(APP, WEB, 5_432), *talk(APP, DB, 5_432, at_s=10 * HOUR_S))
    assert told(rows) == []


def test_new_peers_is_quiet_on_a_host_that_was_not_there_before():
    assert told(period(*talk(NEW, DB, 5_432, at_s=10 * HOUR_S))) == []


def test_new_peers_is_quiet_on_what_was_refused_or_comes_from_the_internet():
    refused = [{**talk(APP, DB, 5_432, at_s=10 * HOUR_S)[0], "action": "REJECT"}]
    assert told(period(*refused)) == []
    assert told(period(*talk("81.1.1.1", DB, 5_432, at_s=10 * HOUR_S))) == []


def test_new_peer_without_a_baseline_tells_of_dangerous_ports_only():
    assert new_peer(flows_of(period(*talk(APP, DB, 8_443, at_s=10 * HOUR_S)))) == []


def test_new_peer_is_quiet_on_a_roll_out_late_in_the_period():
    def roll_out(count):
        hosts = [f"10.0.1.{n}" for n in range(count)]
        there = [row for host in hosts for row in talk(WEB, host, 8_080)]
        return period(
            *there, *[row for n, host in enumerate(hosts) for row in talk(APP, host, 22, at_s=10 * HOUR_S + n)]
        )

    assert new_peer(flows_of(roll_out(5))) == []
    assert len(new_peer(flows_of(roll_out(4)))) == 1


def test_new_peer_is_medium_on_the_first_use_of_a_dangerous_port_against_a_baseline(baseline):
    now = [*ordinary(2), *talk(APP, DB, 5_432)]
    (found,) = new_peer(flows_of(now), baseline=baseline(ordinary(2)))
    assert (found.severity, found.subject["srcaddr"], found.subject["dstport"]) == ("medium", APP, 5_432)


def test_new_peer_is_quiet_on_what_the_baseline_has(baseline):
    assert new_peer(flows_of(ordinary(2)), baseline=baseline(ordinary(4))) == []


def test_new_peer_is_low_where_the_source_used_the_port_with_others_in_the_baseline(baseline):
    before = [*ordinary(2), *talk(APP, WEB, 5_432)]
    now = [*before, *talk(APP, DB, 5_432)]
    (found,) = new_peer(flows_of(now), baseline=baseline(before))
    assert (found.severity, found.count) == ("low", 1)


def test_new_peer_is_low_where_the_baseline_left_pairs_out(baseline):
    record = review(flows_of(ordinary(2)), "security").as_dict()["baseline"]
    record["peers"]["left_out"] = 1
    path = baseline(ordinary(2), baseline=record)
    assert [one.severity for one in new_peer(flows_of([*ordinary(2), *talk(APP, DB, 5_432)]), baseline=path)] == ["low"]


def test_new_peers_reads_each_kind_of_news(baseline):
    before = [*ordinary(2), *talk(WEB, DB, 8_080)]
    path = baseline(before)
    now = [*before, *talk(APP, DB, 22), *talk(APP, DB, 8_080), *talk(WEB, APP, 8_080), *talk(NEW, WEB, 8_080)]
    assert told(now, baseline=path) == [
        ("first use of the port", APP, DB, 22),
        ("new service", WEB, APP, 8_080),
        ("new pair", APP, DB, 8_080),
        ("new host", NEW, WEB, 8_080),
    ]


def test_a_baseline_without_a_footprint_tells_nothing(baseline):
    path = baseline(ordinary(2), baseline=None)
    answer = new_peers(flows_of(ordinary(2)), baseline=path)
    assert answer.table.empty
    assert "tells nothing here" in answer.caveats[-1]


def test_a_damaged_footprint_is_an_error_that_names_the_file(baseline):
    path = baseline(ordinary(2), baseline={"flowkit_footprint": 1})
    with pytest.raises(ParameterError, match=r"before\.json has a damaged footprint"):
        new_peers(flows_of(ordinary(2)), baseline=path)
    path = baseline(ordinary(2), baseline={"flowkit_footprint": 2})
    with pytest.raises(ParameterError, match="a footprint that this flowkit does not read"):
        new_peers(flows_of(ordinary(3)), baseline=path)


def test_who_administered_three_hosts_in_the_baseline_is_no_link_of_a_chain(baseline):
    def before(count):
        return [*ordinary(2), *[row for n in range(count) for row in talk(DB, f"10.0.1.{n}", 22)]]

    now = [*ordinary(12), *talk(APP, DB, 22, at_s=8 * HOUR_S), *talk(DB, WEB, 22, at_s=8 * HOUR_S + 300)]
    assert len(lateral_movements(flows_of(now), baseline=baseline(before(2))).table) == 2
    assert lateral_movements(flows_of(now), baseline=baseline(before(3))).table.empty


def test_new_peers_of_nothing_has_its_columns():
    empty = new_peers(flows_of([])).table
    assert empty.empty
    assert list(empty.columns) == list(new_peers(flows_of(period(*talk(APP, DB, 22, at_s=10 * HOUR_S)))).table.columns)


def test_new_peers_without_ports_says_so():
    bare = {name: value for name, value in flow().items() if name != "dstport"}
    with pytest.raises(MissingField, match="new_peers needs dstport, which this log lacks"):
        _ = new_peers(flows_of([bare])).table
    assert new_peer(flows_of([bare])) == []
