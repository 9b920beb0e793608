"""Rule 5: whole bytes belong to the period; spreading is for pictures, and keeps sums to the byte."""

from __future__ import annotations

import random

from flowkit.performance import throughput, throughput_by_interface
from flowkit.performance.spreading import bin_width_s
from tests.performance.rows import T, gap
from tests.rows import flow, flows_of

COLUMNS = ["bin_s", "direction", "bytes", "packets", "mean_bps"]


def bins(rows, **period):
    table = throughput(flows_of(rows, **period), bin_s=60).table
    return {(row.bin_s - T, row.direction): row.bytes for row in table.itertuples()}


def test_throughput_spreads_a_record_over_the_bins_that_its_window_touches():
    row = flow(start_s=T + 30, end_s=T + 89, bytes=600, packets=4, flow_direction="egress")
    table = throughput(flows_of([row]), bin_s=60).table
    assert table.values.tolist() == [[T, "egress", 300, 2, 40.0], [T + 60, "egress", 300, 2, 40.0]]


def test_throughput_gives_the_last_bin_what_rounding_left():
    # 30 of 90 seconds: a third of 1000 is 333, and the rest is 667.
    assert bins([flow(start_s=T + 30, end_s=T + 119, bytes=1000)]) == {(0, "unknown"): 333, (60, "unknown"): 667}


def test_throughput_leaves_a_record_inside_one_bin_whole():
    assert bins([flow(start_s=T, end_s=T + 59, bytes=7)]) == {(0, "unknown"): 7}


def test_throughput_draws_a_window_that_ends_after_the_period_in_full():
    row = flow(start_s=T + 40, end_s=T + 79, bytes=100)
    assert bins([row], since=T, until=T + 60) == {(0, "unknown"): 50, (60, "unknown"): 50}


def test_throughput_takes_a_window_without_an_end_as_one_second():
    assert bins([flow(start_s=T + 59, end_s=None, bytes=100)]) == {(0, "unknown"): 100}


def test_throughput_leaves_out_windows_without_traffic():
    assert bins([flow(start_s=T, bytes=10), gap("NODATA", start_s=T + 60)]) == {(0, "unknown"): 10}


def test_throughput_adds_up_to_the_records_to_the_byte():
    draw = random.Random(7)
    rows = [
        flow(
            start_s=T + draw.randrange(5000),
            bytes=draw.randrange(1, 10**12),
            packets=draw.randrange(1, 10**6),
            srcport=n,
        )
        for n in range(60)
    ]
    rows = [{**row, "end_s": row["start_s"] + draw.randrange(700)} for row in rows]
    table = throughput(flows_of(rows), bin_s=60).table
    assert table["bytes"].sum() == sum(row["bytes"] for row in rows)
    assert table["packets"].sum() == sum(row["packets"] for row in rows)
    assert (table["bytes"] >= 0).all()


def test_throughput_has_the_same_columns_without_records():
    answer = throughput(flows_of([]))
    assert list(answer.table.columns) == COLUMNS
    assert answer.table.empty


def test_throughput_names_the_field_it_lacks():
    assert throughput(flows_of([{k: v for k, v in flow().items() if k != "bytes"}])).missing == ("bytes",)


def test_bins_adapt_to_the_hours_with_traffic():
    minute = [flow(start_s=T), flow(start_s=T + 600)]
    assert bin_width_s(flows_of(minute)) == 60
    # 25 hours that have traffic: 90,000 s in at most 300 bins.
    day = [flow(start_s=T - T % 3600 + 3600 * hour) for hour in range(25)]
    assert bin_width_s(flows_of(day)) == 300
    # Two hours with traffic, a year apart, need no wider bins than two hours do.
    assert bin_width_s(flows_of([flow(start_s=T), flow(start_s=T + 31_536_000)])) == 60
    # Bins are never narrower than windows.
    assert bin_width_s(flows_of([flow(start_s=T, end_s=T + 599)])) == 600
    assert bin_width_s(flows_of(minute), 120) == 120


def test_throughput_by_interface_keeps_the_busiest_and_all_of_their_bytes():
    rows = [
        flow(interface_id="eni-a", start_s=T + 30, end_s=T + 89, bytes=500),
        flow(interface_id="eni-b", start_s=T, bytes=900),
        flow(interface_id="eni-c", start_s=T, bytes=100),
    ]
    table = throughput_by_interface(flows_of(rows), bin_s=60, top_n=2).table
    seen = [(row.interface_id, row.bin_s - T, row.bytes) for row in table.itertuples()]
    assert seen == [("eni-b", 0, 900), ("eni-a", 0, 250), ("eni-a", 60, 250)]


def test_throughput_by_interface_has_the_same_columns_without_records():
    table = throughput_by_interface(flows_of([])).table
    assert list(table.columns) == ["interface_id", "name", "bin_s", "bytes", "packets", "mean_bps"]
    assert table.empty
