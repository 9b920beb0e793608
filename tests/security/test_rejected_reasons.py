"""Rejected traffic told apart: misconfiguration, search, stray, noise."""

from __future__ import annotations

import pytest

from flowkit.errors import MissingField
from flowkit.security import rejected_reasons
from flowkit.security.background_noise import reject_storm
from tests.rows import flows_of
from tests.security.rows import WEB, probe, quiet, session

APP, STRANGER = "10.0.3.7", "81.2.3.4"


def knocks(count, *, src=APP, port=8081, every_s=200, dst=WEB):
    """`count` refused attempts at one door."""
    return [probe(src, dst, port, at_s=every_s * n, srcport=42_000 + n) for n in range(count)]


def readings(rows, until_s=7_200):
    table = rejected_reasons(flows_of([*rows, *quiet(until_s=until_s)])).table
    return {row.reading: row.rejected for row in table.itertuples()}


def test_rejected_reasons_takes_steady_attempts_from_inside_for_a_misconfiguration():
    assert readings(knocks(10)) == {"likely misconfiguration": 10}


def test_rejected_reasons_takes_nine_attempts_for_a_stray():
    assert readings(knocks(9)) == {"stray": 9}


def test_rejected_reasons_takes_one_burst_for_a_stray():
    assert readings(knocks(10, every_s=5)) == {"stray": 10}


def test_rejected_reasons_takes_many_doors_for_a_search():
    def doors(count):
        return [row for port in range(count) for row in knocks(10, port=8_000 + port)]

    assert readings(doors(10)) == {"likely misconfiguration": 10}
    assert readings(doors(11)) == {"search for doors": 110}


def test_rejected_reasons_counts_outsiders_only_at_services_that_answer_others():
    fine = session("82.1.1.1", WEB, 8081, sport=45_000)
    assert readings([*knocks(20, src=STRANGER), *fine]) == {"likely misconfiguration": 20}
    assert readings([*knocks(19, src=STRANGER), *fine]) == {"background noise": 19}
    assert readings(knocks(20, src=STRANGER)) == {"background noise": 20}


def test_rejected_reasons_shares_add_up():
    table = rejected_reasons(flows_of([*knocks(30), *knocks(10, src=STRANGER, port=23), *quiet(until_s=7_200)])).table
    assert table.rejected_share.tolist() == [0.75, 0.25]


def test_reject_storm_tells_a_misconfiguration_as_one_low_finding_per_service():
    rows = [*knocks(12), *knocks(15, src="10.0.3.8"), *quiet(until_s=7_200)]
    (found,) = reject_storm(flows_of(rows))
    assert (found.severity, found.count) == ("low", 27)
    assert found.subject == {"srcaddr": ["10.0.3.7", "10.0.3.8"], "dstaddr": WEB, "dstport": 8081, "protocol": 6}


def test_reject_storm_is_quiet_on_strays():
    assert reject_storm(flows_of([*knocks(9), *quiet(until_s=7_200)])) == []


def test_rejected_reasons_of_nothing_has_its_columns():
    empty = rejected_reasons(flows_of([])).table
    assert empty.empty
    assert list(empty.columns) == list(rejected_reasons(flows_of([*knocks(3), *quiet()])).table.columns)


def test_rejected_reasons_without_an_action_says_so():
    rows = [{name: value for name, value in row.items() if name != "action"} for row in knocks(3)]
    with pytest.raises(MissingField, match="rejected_reasons needs action, which this log lacks"):
        _ = rejected_reasons(flows_of(rows)).table
