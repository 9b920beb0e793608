"""Password guessing: what is, and what only looks like it."""

from __future__ import annotations

import pytest

from flowkit.errors import MissingField
from flowkit.security import brute_forced
from flowkit.security.brute_force import brute_force
from flowkit.security.logins import short_s
from tests.rows import flows_of
from tests.security.rows import OUTSIDE, WEB, quiet, session

INSIDE = "10.0.0.66"


def guesses(count, *, src=OUTSIDE, port=22, step_s=5, at_s=0, sport=40_000, **fields):
    """`count` attempts of 4,500 to 4,512 bytes, one every `step_s`."""
    rows = []
    for place in range(count):
        sizes = {"up": 2_000 + place % 3 * 6, **fields}
        rows += session(src, WEB, port, at_s=at_s + step_s * place, sport=sport + place, **sizes)
    return rows


def severities(rows, **parameters):
    return [found.severity for found in brute_force(flows_of(rows), **parameters)]


def readings(rows):
    return brute_forced(flows_of(rows)).table["reading"].tolist()


def test_brute_force_fires_on_thirty_short_like_sized_conversations():
    (found,) = brute_force(flows_of([*guesses(30), *quiet()]))
    assert (found.severity, found.count) == ("medium", 30)
    assert found.subject == {"srcaddr": OUTSIDE, "dstaddr": WEB, "dstport": 22, "protocol": 6}


def test_brute_force_stays_quiet_on_twenty_nine():
    assert severities([*guesses(29), *quiet()]) == []


@pytest.mark.parametrize("flags", [True, False])
def test_brute_force_is_high_when_a_long_conversation_follows(flags):
    login = session(
        OUTSIDE, WEB, 22, at_s=300, lasts_s=900, up=60_000, down=200_000, packets=400, sport=50_000, flags=flags
    )
    (found,) = brute_force(flows_of([*guesses(40, flags=flags), *login, *quiet(flags=flags)]))
    assert found.severity == "high"
    assert found.last_seen == "2023-11-14T22:33:20Z"


def test_brute_force_is_not_high_for_a_long_conversation_before_it():
    login = session(OUTSIDE, WEB, 22, at_s=-900, lasts_s=600, up=60_000, down=200_000, packets=400, sport=50_000)
    assert severities([*login, *guesses(40), *quiet()]) == ["medium"]


def test_brute_force_is_not_high_for_a_short_login_after_it():
    login = session(OUTSIDE, WEB, 22, at_s=600, lasts_s=2, up=5_717, down=13_846, packets=40, sport=50_000)
    assert severities([*guesses(40), *login, *quiet()]) == ["medium"]


def test_brute_force_counts_attempts_that_were_turned_away_beside_the_others():
    away = [
        row
        for place in range(60)
        for row in session(OUTSIDE, WEB, 22, at_s=place, packets=3, up=160, down=150, sport=45_000 + place)
    ]
    (found,) = brute_force(flows_of([*guesses(30), *away, *quiet()]))
    assert found.count == 90
    assert severities([*guesses(29), *away, *quiet()]) == []


def test_brute_force_is_quiet_on_sessions_of_different_size():
    rows = [
        row
        for place in range(60)
        for row in session(OUTSIDE, WEB, 22, at_s=10 * place, up=(300, 6_000)[place % 2], sport=40_000 + place)
    ]
    assert severities([*rows, *quiet()]) == []
    assert readings([*rows, *quiet()]) == ["varied"]


def test_brute_force_is_quiet_on_probes_of_an_open_port():
    assert severities([*guesses(100, packets=3, up=120, down=100), *quiet()]) == []


def test_brute_force_is_quiet_on_attempts_spread_over_days():
    assert severities([*guesses(40, step_s=3_600), *quiet(until_s=144_000)]) == []


def test_brute_force_from_inside_must_be_faster_than_a_person():
    assert severities([*guesses(60, src=INSIDE, step_s=5), *quiet()]) == ["medium"]
    assert severities([*guesses(60, src=INSIDE, step_s=30), *quiet(until_s=2_000)]) == []


def test_brute_force_is_quiet_on_a_job_that_runs_all_day():
    rows = [
        row
        for hour in range(6)
        for row in guesses(40, src=INSIDE, step_s=6, at_s=3_600 * hour, sport=40_000 + 100 * hour)
    ]
    assert severities([*rows, *quiet(until_s=20_000)]) == []
    assert readings([*rows, *quiet(until_s=20_000)]) == ["steady"]


def test_brute_force_is_quiet_on_programs_without_a_connection_pool():
    assert severities([*guesses(200, src=INSIDE, port=5432, step_s=2), *quiet()]) == []
    assert severities([*guesses(400, src=INSIDE, port=5432, step_s=1), *quiet()]) == ["low"]


def test_brute_force_of_a_database_from_the_internet_is_medium():
    assert severities([*guesses(30, port=3306), *quiet()]) == ["medium"]


def inside_burst(*, port=5432, step_s=1, spread=True, count=400, **fields):
    rows = guesses(count, src=INSIDE, port=port, step_s=step_s, up=400 if not spread else 2_000, down=500, **fields)
    return [*rows, *quiet(until_s=16_000)]


def test_brute_force_of_a_database_from_inside_is_medium_where_nothing_else_looks_like_a_program():
    assert readings(inside_burst()) == ["guessing"]
    assert severities(inside_burst()) == ["medium"]
    assert readings([*guesses(400, src=INSIDE, port=5432, step_s=1), *quiet(until_s=9_000)]) == ["burst"]


def test_brute_force_of_a_database_from_inside_is_doubted_where_another_host_does_the_same():
    others = guesses(40, src="10.0.0.67", port=5432, step_s=100)
    assert readings([*inside_burst(), *others]) == ["burst", "usual for programs"]


def test_brute_force_of_a_database_from_inside_is_doubted_where_a_session_follows():
    session_s = session(INSIDE, WEB, 5432, at_s=3_000, lasts_s=900, up=60_000, down=90_000, packets=300, sport=50_000)
    assert readings([*inside_burst(), *session_s]) == ["burst"]


def test_brute_force_of_a_database_from_inside_must_be_of_one_size():
    def spread(step):
        rows = [
            row
            for place in range(400)
            for row in session(INSIDE, WEB, 5432, at_s=place, up=1_500 + place % 3 * step, sport=30_000 + place)
        ]
        return readings([*rows, *quiet(until_s=16_000)])

    assert spread(210) == ["guessing"]  # 4,000, 4,210 and 4,420: the middle half spreads over 420, a tenth
    assert spread(230) == ["usual for programs"]


def test_brute_force_of_a_database_from_inside_must_stay_within_a_quarter_of_the_time():
    later = guesses(40, src=INSIDE, port=5432, step_s=1, at_s=4_000, sport=50_000)
    latest = guesses(40, src=INSIDE, port=5432, step_s=1, at_s=8_000, sport=51_000)
    assert readings([*inside_burst(), *later]) == ["burst"]  # two of 5.8 hours
    assert readings([*inside_burst(), *later, *latest, *quiet(until_s=60_000)]) == ["guessing"]


def test_brute_force_from_inside_at_a_directory_needs_three_hundred_within_ten_minutes():
    assert readings([*guesses(299, src=INSIDE, port=88, step_s=1), *quiet(until_s=16_000)]) == ["usual for programs"]
    assert readings([*guesses(300, src=INSIDE, port=88, step_s=1), *quiet(until_s=16_000)]) == ["guessing"]


@pytest.mark.parametrize("port", [22, 3389, 21, 5900, 3306, 5432, 1433, 1521, 27017, 6379, 389, 636, 88, 445, 5985])
def test_brute_force_knows_the_ports_that_ask_for_a_password(port):
    assert severities([*guesses(30, port=port, up=1_000, down=900), *quiet()]) == ["medium"]


def test_brute_force_is_quiet_on_checks_that_only_read_the_banner():
    assert severities([*guesses(60, up=600, down=899), *quiet()]) == []
    assert severities([*guesses(60, up=612, down=900), *quiet()]) == ["medium"]
    assert severities([*guesses(60, port=21, up=600, down=899), *quiet()]) == ["medium"]


@pytest.mark.parametrize(("packets", "found"), [(4, ["medium"]), (3, [])])
def test_brute_force_asks_for_a_question_and_an_answer(packets, found):
    assert severities([*guesses(60, packets=packets), *quiet()]) == found


@pytest.mark.parametrize(("port", "most"), [(22, 10_000), (3389, 20_000), (21, 3_000), (5432, 10_000)])
def test_brute_force_knows_how_much_a_failed_attempt_takes(port, most):
    assert severities([*guesses(30, port=port, up=1_600, down=most - 1_600), *quiet()]) == ["medium"]
    assert severities([*guesses(30, port=port, up=1_600, down=most - 1_599), *quiet()]) == []


def test_brute_force_asks_for_three_packets_back():
    rows = [row if row["srcaddr"] == OUTSIDE else {**row, "packets": 2} for row in guesses(60)]
    assert severities([*rows, *quiet()]) == []


@pytest.mark.parametrize(("lasts_s", "found"), [(1_800, ["medium"]), (1_801, [])])
def test_brute_force_attempts_last_no_longer_than_three_windows(lasts_s, found):
    assert severities([*guesses(60, lasts_s=lasts_s), *quiet(until_s=3_000)]) == found  # windows of ten minutes


def test_an_attempt_lasts_two_minutes_at_least():
    assert [short_s(interval_s) for interval_s in (30, 60, 600)] == [120, 180, 1_800]


def test_brute_force_sizes_may_spread_over_half_of_the_median():
    def spread(step):
        rows = [
            row
            for place in range(60)
            for row in session(OUTSIDE, WEB, 22, at_s=10 * place, up=1_500 + place % 3 * step, sport=40_000 + place)
        ]
        return readings([*rows, *quiet()])

    assert spread(1_300) == ["guessing"]  # 4,000, 5,300 and 6,600: 2,600 of 5,300
    assert spread(1_400) == ["varied"]  # 4,000, 5,400 and 6,800: 2,800 of 5,400


@pytest.mark.parametrize(("up", "down", "found"), [
    (20_000, 30_000, "high"), (20_000, 29_999, "medium"),
])  # fmt: skip
def test_brute_force_is_high_when_a_large_conversation_follows(up, down, found):
    login = session(OUTSIDE, WEB, 22, at_s=600, lasts_s=20, up=up, down=down, packets=60, sport=50_000)
    small = guesses(40, up=1_000, down=1_400)  # twenty times an attempt is 48,000
    assert severities([*small, *login, *quiet()]) == [found]


def test_brute_force_is_not_high_for_a_conversation_less_than_twenty_times_an_attempt():
    def severity(size):
        login = session(OUTSIDE, WEB, 22, at_s=600, lasts_s=20, up=size - 40_000, down=40_000, packets=60, sport=50_000)
        return severities([*guesses(40, up=2_000, down=2_000), *login, *quiet()])  # half of them 4,006 at most

    assert severity(80_120) == ["high"]
    assert severity(79_900) == ["medium"]


def test_brute_force_from_the_internet_all_day_at_a_monitors_pace_is_low():
    def day(hours, an_hour):
        return [
            row
            for hour in range(hours)
            for row in guesses(an_hour, step_s=3_600 // an_hour, at_s=3_600 * hour, sport=30_000 + 200 * hour)
        ]

    assert severities([*day(4, 100), *quiet(until_s=10_000)]) == ["low"]
    assert severities([*day(4, 130), *quiet(until_s=10_000)]) == ["medium"]
    assert severities([*day(2, 60), *quiet(until_s=10_000)]) == ["medium"]


@pytest.mark.parametrize(("until_s", "reading"), [(9_700, "steady"), (9_500, "guessing")])
def test_brute_force_calls_nothing_a_monitor_before_four_hours_are_known(until_s, reading):
    # a hundred an hour for three hours, in a log of 14,505 seconds and in one of less than 14,400
    rows = [row for hour in range(3) for row in guesses(100, step_s=36, at_s=3_600 * hour, sport=30_000 + 200 * hour)]
    assert readings([*rows, *quiet(until_s=until_s)]) == [reading]


def test_brute_force_of_mail_must_be_ten_times_more():
    assert severities([*guesses(299, port=993, step_s=3), *quiet()]) == []
    assert severities([*guesses(300, port=993, step_s=3), *quiet()]) == ["medium"]


def test_brute_force_by_many_sources_is_one_finding():
    sources = [f"8.8.4.{number}" for number in range(1, 16)]
    rows = [row for place, src in enumerate(sources) for row in guesses(10, src=src, at_s=place)]
    (found,) = brute_force(flows_of([*rows, *quiet()]))
    assert found.subject == {"srcaddr": sorted(sources), "dstaddr": WEB, "dstport": 22, "protocol": 6}
    assert (found.severity, found.count) == ("medium", 150)
    assert severities([*rows[: 2 * 119], *quiet()]) == []


def test_brute_forced_of_nothing_has_its_columns():
    empty, full = brute_forced(flows_of([])), brute_forced(flows_of([*guesses(30), *quiet()]))
    assert empty.table.empty
    assert list(empty.table.columns) == list(full.table.columns)


def test_brute_forced_without_packets_says_so():
    rows = [{name: value for name, value in row.items() if name != "packets"} for row in guesses(30)]
    with pytest.raises(MissingField, match="brute_forced needs packets, which this log lacks"):
        _ = brute_forced(flows_of(rows)).table
