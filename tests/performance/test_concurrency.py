"""Rule 14: rows of one window overlap by construction; only what crosses a boundary was surely open at once."""

from __future__ import annotations

from flowkit.performance.concurrency import concurrency
from tests.rows import START_S, flow, flows_of, reply

T = START_S - START_S % 60


def bounds(rows):
    table = concurrency(flows_of(rows)).table
    return {row.observer: (row.connections_at_least, row.connections_at_most) for row in table.itertuples()}


def windows(port, *numbers):
    return [flow(srcport=port, start_s=T + 60 * n, end_s=T + 60 * n + 59) for n in numbers]


def test_tuples_that_share_one_window_only_raise_the_upper_bound():
    assert bounds([row for port in (1001, 1002, 1003) for row in windows(port, 0)]) == {"eni-1": (0, 3)}


def test_tuples_seen_on_both_sides_of_a_boundary_were_open_together():
    rows = [*windows(1001, 0, 1, 2), *windows(1002, 1, 2, 3), *windows(1003, 5)]
    assert bounds(rows) == {"eni-1": (2, 2)}


def test_tuples_one_after_the_other_were_never_open_together():
    assert bounds([*windows(1001, 0, 1), *windows(1002, 3, 4)]) == {"eni-1": (1, 1)}


def test_both_directions_are_one_connection():
    rows = windows(1001, 0, 1)
    assert bounds([*rows, *[reply(row) for row in rows]]) == {"eni-1": (1, 1)}


def test_rejected_records_open_nothing():
    assert bounds([{**row, "action": "REJECT"} for row in windows(1001, 0, 1)]) == {}


def test_no_records_no_rows():
    table = concurrency(flows_of([])).table
    assert list(table.columns) == ["observer", "name", "role", "connections_at_least", "connections_at_most"]
    assert table.empty


def test_a_log_without_ports_is_told_what_it_lacks():
    rows = [{k: v for k, v in flow().items() if k not in ("srcport", "dstport")}]
    assert concurrency(flows_of(rows)).missing == ("srcport", "dstport")
