"""What the log says about its own holes."""

from __future__ import annotations

from flowkit.performance import log_gaps
from tests.performance.rows import T, gap
from tests.rows import flow, flows_of


def test_log_gaps_counts_lost_records_per_interface():
    rows = [flow(start_s=T), gap("SKIPDATA"), gap("SKIPDATA", start_s=T + 3600), flow(start_s=T + 7200)]
    table = log_gaps(flows_of(rows)).table
    assert table.values.tolist()[0][2:] == ["SKIPDATA", 2, 2, 2, T, T + 3659]


def test_log_gaps_puts_lost_records_before_silence():
    rows = [gap("NODATA", start_s=T + 60 * n) for n in range(5)] + [
        gap("SKIPDATA"),
        flow(start_s=T),
        flow(start_s=T + 400),
    ]
    assert log_gaps(flows_of(rows)).table["log_status"].tolist() == ["SKIPDATA", "NODATA"]


def test_log_gaps_stays_quiet_in_a_complete_log():
    assert log_gaps(flows_of([flow()])).table.empty


def test_log_gaps_counts_inside_the_period_only():
    rows = [
        gap("SKIPDATA", start_s=T - 60),
        gap("SKIPDATA", start_s=T),
        gap("SKIPDATA", start_s=T + 600),
        flow(start_s=T),
    ]
    assert log_gaps(flows_of(rows, since=T, until=T + 600)).table["gap_records"].tolist() == [1]


def test_log_gaps_has_the_same_columns_without_records():
    table = log_gaps(flows_of([])).table
    assert list(table.columns) == [
        "interface_id",
        "name",
        "log_status",
        "gap_records",
        "hours",
        "records",
        "first_s",
        "last_s",
    ]
    assert table.empty


def test_log_gaps_names_the_field_it_lacks():
    assert log_gaps(flows_of([{k: v for k, v in flow().items() if k != "log_status"}])).missing == ("log_status",)
