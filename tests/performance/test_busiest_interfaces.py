"""Percentiles are exact: nearest rank over all bins, idle ones included."""

from __future__ import annotations

import pytest

from flowkit.performance import busiest_interfaces
from tests.performance.rows import T
from tests.rows import flow, flows_of


def only(rows, **parameters):
    table = busiest_interfaces(flows_of(rows), **parameters).table
    assert len(table) == 1
    return table.iloc[0]


def test_busiest_interfaces_takes_nearest_ranks():
    # Twenty minutes with 15, 30, ... 300 bytes: 2, 4, ... 40 bit/s. Rank 10 of 20 is 20, rank 19 is 38.
    row = only([flow(start_s=T + 60 * n, bytes=15 * (n + 1)) for n in range(20)], bin_s=60)
    assert (row.p50_bps, row.p95_bps, row.max_bps) == (20.0, 38.0, 40.0)
    assert row.mean_bps == pytest.approx(21.0)
    assert row.burst_factor == pytest.approx(40 / 21)


def test_busiest_interfaces_counts_idle_bins_between_first_and_last_traffic():
    # Two busy minutes of ten: the median is idle, and rank 10 of 10 (95 % of 10, rounded up) is busy.
    row = only([flow(start_s=T, bytes=75), flow(start_s=T + 540, bytes=75)], bin_s=60)
    assert (row.p50_bps, row.p95_bps, row.max_bps, row.mean_bps) == (0.0, 10.0, 10.0, 2.0)


def test_busiest_interfaces_calls_even_traffic_even():
    row = only([flow(start_s=T + 60 * n, bytes=75) for n in range(5)], bin_s=60)
    assert (row.p50_bps, row.p95_bps, row.max_bps, row.burst_factor) == (10.0, 10.0, 10.0, 1.0)


def test_busiest_interfaces_takes_five_minute_samples_unless_told():
    row = only([flow(start_s=T, bytes=300)])
    assert row.max_bps == 8.0
    assert "bins of 300 s" in busiest_interfaces(flows_of([flow()])).caveats[0]


def test_busiest_interfaces_sorts_by_bytes_and_tells_directions_apart():
    rows = [
        flow(interface_id="eni-a", bytes=100, flow_direction="ingress"),
        flow(interface_id="eni-a", bytes=30, flow_direction="egress"),
        flow(interface_id="eni-b", bytes=500, flow_direction="egress"),
    ]
    table = busiest_interfaces(flows_of(rows)).table
    seen = [(row.interface_id, row.bytes, row.ingress_bytes, row.egress_bytes) for row in table.itertuples()]
    assert seen == [("eni-b", 500, 0, 500), ("eni-a", 130, 100, 30)]


def test_busiest_interfaces_stops_at_top_n():
    rows = [flow(interface_id=f"eni-{n}", bytes=100 - n) for n in range(5)]
    assert list(busiest_interfaces(flows_of(rows), top_n=2).table["interface_id"]) == ["eni-0", "eni-1"]


def test_busiest_interfaces_has_the_same_columns_without_records():
    table = busiest_interfaces(flows_of([])).table
    assert list(table.columns) == list(busiest_interfaces(flows_of([flow()])).table.columns)
    assert table.empty


def test_busiest_interfaces_names_the_field_it_lacks():
    rows = [{k: v for k, v in flow().items() if k != "bytes"}]
    assert busiest_interfaces(flows_of(rows)).missing == ("bytes",)
