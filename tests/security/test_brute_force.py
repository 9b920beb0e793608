"""Password guessing: what is, and what only looks like it."""

from __future__ import annotations

import pytest

from flowkit.errors import MissingField
from flowkit.security import brute_forced
from flowkit.security.brute_force import brute_force
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
