"""Password guessing spread over many: what is, and what only looks like it."""

from __future__ import annotations

import pytest

from flowkit.errors import MissingField
from flowkit.security import spread_guesses
from flowkit.security.brute_force import brute_force
from tests.rows import flows_of
from tests.security.rows import WEB, quiet, session

INSIDE, OUTSIDE = "10.0.0.66", "1.1.1.1"


def outside(number):
    return f"8.8.4.{number}"


def tries(pairs, *, port=22, step_s=2, at_s=0, spread=6, sport=30_000, **fields):
    """One short conversation per (source, target), of 4,500 bytes and up to `spread` times two more."""
    return [
        row
        for place, (src, dst) in enumerate(pairs)
        for row in session(src, dst, port, at_s=at_s + step_s * place, sport=sport + place,
                           up=2_000 + place % 3 * spread, **fields)
    ]  # fmt: skip


def crowd(sources, each, **fields):
    """`each` tries of every source at one target, in turn."""
    return tries([(outside(1 + place), WEB) for _ in range(each) for place in range(sources)], **fields)


def spray(targets, each, *, src=OUTSIDE, **fields):
    """`each` tries of one source at every target, in turn."""
    return tries([(src, f"10.0.5.{1 + place}") for _ in range(each) for place in range(targets)], **fields)


def told(rows, **parameters):
    table = spread_guesses(flows_of([*rows, *quiet(until_s=20_000)]), **parameters).table
    return list(zip(table["shape"], table["reading"], strict=True))


def test_spread_guesses_fire_on_ten_sources_that_reach_four_times_the_line_together():
    (found,) = brute_force(flows_of([*crowd(10, 12), *quiet()]))
    assert (found.severity, found.count) == ("medium", 120)
    assert found.subject == {
        "srcaddr": sorted(map(outside, range(1, 11))),
        "dstaddr": WEB,
        "dstport": 22,
        "protocol": 6,
    }


def test_spread_guesses_stay_quiet_below_that_and_on_fewer_sources():
    assert told(crowd(10, 12)[:-2]) == []
    assert told(crowd(9, 14)) == []
    assert told(crowd(20, 6)) == [("sources", "guessing")]


def test_spread_guesses_must_fall_within_the_hour():
    assert told(crowd(10, 12, step_s=45)) == []  # 80 an hour


def test_spread_guesses_are_not_those_of_one_busy_source():
    def busy(times):
        return [*crowd(9, (120 - times) // 9 + 1), *tries([(outside(99), WEB)] * times, at_s=300, port=22)]

    assert told(busy(66)) == [("sources", "guessing")]
    assert told(busy(75)) == []


def test_spread_guesses_are_quiet_on_visitors_who_do_something():
    assert told(crowd(10, 12, spread=2_200)) == [("sources", "guessing")]  # 4,500, 6,700 and 8,900: spread 66 %
    assert told(crowd(10, 12, spread=2_700, down=200)) == [("sources", "varied")]  # 2,200, 4,900, 7,600: 110 %


def test_spread_guesses_are_high_when_a_session_follows_the_third_try():
    login = session(outside(3), WEB, 22, at_s=2_000, lasts_s=900, up=20_000, down=40_000, packets=90, sport=50_000)
    small = session(outside(3), WEB, 22, at_s=2_000, lasts_s=20, up=19_000, down=30_999, packets=90, sport=50_000)
    quick = session(outside(3), WEB, 22, at_s=2_000, lasts_s=20, up=19_000, down=31_000, packets=90, sport=50_000)
    stranger = session(outside(50), WEB, 22, at_s=2_000, lasts_s=900, up=20_000, down=40_000, packets=90, sport=50_000)

    def severity(more):
        return [one.severity for one in brute_force(flows_of([*crowd(10, 12), *more, *quiet(until_s=3_000)]))]

    assert severity(login) == severity(quick) == ["high"]
    assert severity(small) == severity(stranger) == ["medium"]


def test_spread_guesses_doubt_no_session_after_two_tries():
    few = tries([(outside(77), WEB)] * 2, at_s=500)
    login = session(outside(77), WEB, 22, at_s=2_000, lasts_s=900, up=20_000, down=40_000, packets=90, sport=50_000)
    rows = [*crowd(10, 12), *few, *login, *quiet(until_s=3_000)]
    assert [one.severity for one in brute_force(flows_of(rows))] == ["medium"]
    more = tries([(outside(77), WEB)], at_s=600, sport=31_000)
    assert [one.severity for one in brute_force(flows_of([*rows, *more]))] == ["high"]


def test_spread_guesses_tell_of_one_source_at_many_targets():
    (found,) = brute_force(flows_of([*spray(5, 24), *quiet()]))
    assert (found.severity, found.count) == ("medium", 120)
    assert (found.subject["srcaddr"], found.subject["dstaddr"]) == (OUTSIDE, [f"10.0.5.{n}" for n in range(1, 6)])
    assert told(spray(4, 31)) == []
    assert told(spray(10, 12)) == [("targets", "guessing")]


def test_spread_guesses_inside_need_five_tries_at_each_target():
    assert told(spray(24, 5, src=INSIDE)) == [("targets", "guessing")]
    assert told(spray(30, 4, src=INSIDE)) == []
    assert told(spray(24, 5, src=INSIDE, port=5432)) == []


def test_spread_guesses_leave_mail_alone():
    assert told(crowd(10, 12, port=993)) == []


def test_spread_guesses_of_nothing_has_its_columns():
    empty, full = spread_guesses(flows_of([])), spread_guesses(flows_of([*crowd(10, 12), *quiet()]))
    assert empty.table.empty
    assert list(empty.table.columns) == list(full.table.columns)


def test_spread_guesses_without_packets_says_so():
    rows = [{name: value for name, value in row.items() if name != "packets"} for row in crowd(10, 12)]
    with pytest.raises(MissingField, match="spread_guesses needs packets, which this log lacks"):
        _ = spread_guesses(flows_of(rows)).table
