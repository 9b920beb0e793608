"""The ledger: balance, sums, and what it says when something is wrong."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from flowkit.errors import SourceError
from flowkit.ledger import Ledger, LedgerRow, Sample

GOOD = LedgerRow(
    object_id=1, object="a.log", envelope="gzip", region="us-east-1", account_id="1", fields=("version", "x"),
    unknown_fields=("x",), lines=10, headers=1, blank=1, records=5, nodata=1, skipdata=1, malformed=1, text_bytes=900,
    samples=(Sample(4, "has 1 value for 14 fields", "bogus"),),
)  # fmt: skip
CLEAN = replace(GOOD, object_id=2, object="b.log", lines=9, malformed=0, samples=())
BROKEN = LedgerRow(object_id=3, object="c.log", status="unreadable", message="The gzip data is damaged.")
FOREIGN = LedgerRow(
    object_id=4, object="README", status="not_a_flow_log", lines=2, malformed=2,
    message="None of its 2 lines looks like one.",
    samples=(Sample(1, "has 2 values", "# Read"),),
)  # fmt: skip
NOTHING = LedgerRow(object_id=5, object="e.log", status="empty")


def test_a_row_balances_when_its_parts_add_up() -> None:
    assert GOOD.balanced
    assert not replace(GOOD, records=4).balanced
    assert replace(GOOD, records=4, out_of_period=1).balanced


def test_a_row_survives_json() -> None:
    assert LedgerRow.from_dict(json.loads(json.dumps(GOOD.as_dict()))) == GOOD
    assert LedgerRow.from_dict(GOOD.as_dict() | {"from_a_newer_version": 1}) == GOOD


def test_a_ledger_comes_in_the_order_of_ids_and_sums_up() -> None:
    ledger = Ledger.of([BROKEN, CLEAN, GOOD, NOTHING, FOREIGN])
    assert [row.object_id for row in ledger] == [1, 2, 3, 4, 5]
    assert len(ledger) == 5
    assert ledger.balanced
    assert ledger.totals == {
        "objects": 5, "lines": 21, "headers": 2, "blank": 2, "records": 10, "nodata": 2, "skipdata": 2, "malformed": 3,
        "out_of_period": 0, "repeats": 0, "text_bytes": 1800,
    }  # fmt: skip
    assert ledger.by_status() == {"read": 2, "empty": 1, "unreadable": 1, "not_a_flow_log": 1}
    assert (ledger.regions, ledger.accounts) == (("us-east-1",), ("1",))


def test_problems_name_the_object_and_its_first_bad_line() -> None:
    assert Ledger.of([GOOD, CLEAN, BROKEN, FOREIGN, NOTHING]).problems() == (
        "a.log has 1 malformed line of 10. Line 4 has 1 value for 14 fields.",
        "c.log is unreadable: The gzip data is damaged.",
    )


def test_strict_makes_an_error_of_what_is_otherwise_only_counted() -> None:
    ledger = Ledger.of([GOOD, BROKEN, FOREIGN])
    ledger.check()
    with pytest.raises(SourceError) as error:
        ledger.check(strict=True)
    assert str(error.value) == (
        "a.log has 1 malformed line of 10. Line 4 has 1 value for 14 fields. 1 more object has problems. "
        "Read without strict to keep what is good."
    )
    Ledger.of([CLEAN, FOREIGN, NOTHING]).check(strict=True)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "There was no object to read."),
        ([BROKEN, NOTHING], "c.log is unreadable: The gzip data is damaged."),
        ([FOREIGN], "None of 1 object is a flow log; README: None of its 2 lines looks like one."),
    ],
)
def test_nothing_readable_is_an_error_that_names_the_reason(rows: list[LedgerRow], reason: str) -> None:
    if rows == [BROKEN, NOTHING]:
        Ledger.of(rows).check()
        rows = [BROKEN]
    with pytest.raises(SourceError) as error:
        Ledger.of(rows).check()
    assert str(error.value) == reason


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([GOOD], ""),
        ([NOTHING], "All objects are empty."),
        ([replace(CLEAN, lines=3, records=0)], "Of 3 lines, 1 NODATA and 1 SKIPDATA; none is a record."),
        (
            [replace(CLEAN, lines=7, records=0, nodata=0, skipdata=0, headers=1, blank=1, out_of_period=5)],
            "Of 7 lines, 5 outside the period; none is a record.",
        ),
        (
            [replace(GOOD, lines=3, records=0, nodata=0, skipdata=0)],
            "a.log has 1 malformed line of 3. Line 4 has 1 value for 14 fields.",
        ),
    ],
)
def test_zero_records_name_the_reason(rows: list[LedgerRow], reason: str) -> None:
    assert Ledger.of(rows).why_no_records() == reason
