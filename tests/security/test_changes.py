"""New, grown and gone since a baseline, and the footprint that a report carries for it."""

from __future__ import annotations

import json

import pytest

from flowkit import baseline as earlier
from flowkit.errors import MissingField
from flowkit.review import review
from flowkit.security import changes
from flowkit.security.footprint import footprint
from tests.rows import flow, flows_of
from tests.security.rows import session

APP, DB, WEB = "10.0.0.1", "10.0.0.2", "10.0.0.3"


def talk(src, dst, port, at_s=0, **fields):
    return session(src, dst, port, at_s=at_s, sport=40_000 + at_s % 20_000, flags=True, **fields)


def hour(*more):
    """An hour of one pair, and whatever more."""
    return [*talk(APP, WEB, 8_080), *talk(APP, WEB, 8_080, at_s=3_599), *more]


@pytest.fixture
def before(tmp_path):
    def write(rows):
        path = tmp_path / "before.json"
        path.write_text(json.dumps(review(flows_of(rows), "security").as_dict()), encoding="utf-8")
        return str(path)

    return write


def told(rows, path):
    table = changes(flows_of(rows), baseline=path).table
    return [
        (row.change, row.what, row.dstaddr, row.dstport)
        for row in table.astype(object).itertuples()
        if row.what not in ("host", "pair")
    ]


def test_changes_tells_a_new_service_and_one_that_is_gone(before):
    path = before(hour(*talk(APP, DB, 5_432)))
    now = hour(*talk(APP, DB, 6_379))
    assert told(now, path) == [("new", "service", DB, 6_379), ("gone", "service", DB, 5_432)]


def test_changes_tells_a_newly_exposed_service_first(before):
    path = before(hour(*talk(APP, DB, 5_432)))
    now = hour(*talk(APP, DB, 5_432), *talk("81.1.1.1", DB, 5_432, at_s=60))
    assert told(now, path)[0] == ("new", "exposed service", DB, 5_432)


def test_changes_is_quiet_where_nothing_changed(before):
    assert changes(flows_of(hour()), baseline=before(hour())).table.empty


def crowd(count):
    return hour(*[row for n in range(count) for row in talk(f"81.{n}.1.1", DB, 443, at_s=n)])


def test_changes_takes_three_times_the_sources_and_ten_more_for_grown(before):
    ten = before(crowd(10))
    assert ("grown", "exposed service", DB, 443) in told(crowd(30), ten)
    assert told(crowd(29), ten) == []
    four = before(crowd(4))
    assert ("grown", "exposed service", DB, 443) in told(crowd(14), four)
    assert told(crowd(13), four) == []


def sent(size):
    return hour(*talk(APP, "81.1.1.1", 443, up=size))


def test_changes_takes_three_times_the_bytes_per_hour_and_50_mb_more_for_grown(before):
    def senders(rows, path):
        return [row[:2] for row in told(rows, path)]

    assert senders(sent(90_000_000), before(sent(30_000_000))) == [("grown", "sender")]
    assert senders(sent(89_000_000), before(sent(30_000_000))) == []
    assert senders(sent(60_000_000), before(sent(15_000_000))) == []


def test_changes_compares_senders_by_the_hour(before):
    twice = [*sent(60_000_000), *talk(APP, WEB, 8_080, at_s=7_199)]
    (row,) = changes(flows_of(sent(120_000_000)), baseline=before(twice)).table.query("what == 'sender'").itertuples()
    assert (row.before, row.now) == (60_000_000, 120_000_000)
    assert row.now_per_hour == pytest.approx(4 * row.before_per_hour, rel=0.01)


def test_changes_without_a_baseline_says_so():
    answer = changes(flows_of(hour()))
    assert answer.table.empty
    assert answer.caveats == ("There is no baseline to compare with: give the .json of an earlier report.",)


def test_changes_of_nothing_has_its_columns(before):
    path = before(hour(*talk(APP, DB, 5_432)))
    empty = changes(flows_of([])).table
    assert empty.empty
    assert list(empty.columns) == list(changes(flows_of(hour()), baseline=path).table.columns)


def test_changes_without_ports_says_so():
    bare = {name: value for name, value in flow().items() if name != "dstport"}
    with pytest.raises(MissingField, match="changes needs dstport, which this log lacks"):
        _ = changes(flows_of([bare])).table


def test_a_footprint_survives_being_written_and_read(before):
    rows = hour(*talk(APP, DB, 5_432), *talk("81.1.1.1", DB, 5_432, at_s=60))
    read = earlier.footprint(before(rows))
    assert read is not None
    assert read.period_s == 3_600
    assert read.lists["peers"] == {
        ("123456789012", APP, "123456789012", WEB, 6, 8_080): (2, 9_000),
        ("123456789012", APP, "123456789012", DB, 6, 5_432): (1, 4_500),
    }
    assert list(read.lists["exposed"].values()) == [(1, 1)]
    assert read.partial == frozenset()


def test_a_footprint_leaves_out_the_least_used_and_says_how_many(monkeypatch):
    keys, measures, _ = earlier.LISTS["peers"]
    monkeypatch.setitem(earlier.LISTS, "peers", (keys, measures, 1))
    made = footprint(flows_of(hour(*talk(APP, DB, 5_432))))["peers"]
    assert (made["cap"], made["left_out"]) == (1, 1)
    assert [row[3] for row in made["rows"]] == [WEB]


def test_only_the_security_report_carries_a_footprint():
    flows = flows_of(hour())
    assert review(flows, "security").as_dict()["baseline"]["flowkit_footprint"] == 1
    assert review(flows, "performance").as_dict()["baseline"] is None
