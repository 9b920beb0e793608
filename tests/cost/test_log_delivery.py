"""Rule 23: the delivery of the logs themselves, from the ledger."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from flowkit.cost import log_delivery
from flowkit.flows import Flows
from flowkit.ledger import Ledger, LedgerRow
from tests.cost.rows import hop, inventory
from tests.rows import flows_of


def read(*rows: dict[str, Any], **lists: Any) -> Flows:
    flows = flows_of(hop("a", "b", 1000), inventory=inventory(**lists))
    ledger = Ledger.of(
        LedgerRow(**{"object_id": n, "object": f"{n}.log.gz", "envelope": "gzip", "region": "us-east-1", **row})
        for n, row in enumerate(rows)
    )
    return replace(flows, ledger=ledger)


def test_log_delivery_counts_all_text_of_each_flow_log_before_any_election() -> None:
    flows = read(
        {"flow_log_id": "fl-1", "lines": 10, "records": 8, "headers": 1, "nodata": 1, "text_bytes": 6 * 10**9},
        {"flow_log_id": "fl-1", "lines": 10, "records": 9, "headers": 1, "text_bytes": 4 * 10**9},
        {"flow_log_id": "fl-2", "lines": 5, "records": 5, "text_bytes": 10**9},
    )
    table = log_delivery(flows).table
    assert list(zip(table["flow_log_id"], table["objects"], table["lines"], table["billed_bytes"], strict=True)) == [
        ("fl-1", 2, 20, 10 * 10**9),
        ("fl-2", 1, 5, 10**9),
    ]
    # 10 GB and 1 GB at 0.25.
    assert list(table["estimated_usd"]) == [Decimal("2.50"), Decimal("0.25")]


def test_log_delivery_shares_its_tiers_with_other_vended_logs() -> None:
    flows = read({"flow_log_id": "fl-1", "lines": 1, "records": 1, "text_bytes": 2 * 10**9})
    # 10,239 GB are used: one GB at 0.25 is left, the other costs 0.15.
    table = log_delivery(flows, used_gb={"logs_to_s3_bytes": Decimal(10_239)}).table
    assert list(table["estimated_usd"]) == [Decimal("0.40")]


def test_log_delivery_goes_where_the_inventory_or_the_wrapping_says() -> None:
    flows = read(
        {"flow_log_id": "fl-1", "text_bytes": 10**9, "lines": 1},
        {"flow_log_id": "fl-2", "text_bytes": 10**9, "lines": 1, "envelope": "subscription"},
        {"flow_log_id": "fl-3", "text_bytes": 10**9, "lines": 1, "envelope": "firehose"},
        flow_logs=[{"flow_log_id": "fl-1", "log_destination_type": "cloud-watch-logs"}],
    )
    table = log_delivery(flows).table
    assert list(table["destination"]) == ["cloud-watch-logs", "cloud-watch-logs", "kinesis-data-firehose"]
    assert list(table["estimated_usd"]) == [Decimal("0.50"), Decimal("0.50"), Decimal("0.25")]


def test_log_delivery_of_parquet_is_an_estimate_and_pays_for_the_conversion() -> None:
    answer = log_delivery(read({"flow_log_id": "fl-1", "text_bytes": 10**9, "lines": 1, "envelope": "parquet"}))
    assert list(answer.table["destination"]) == ["parquet", "s3"]
    assert list(answer.table["estimated_usd"]) == [Decimal("0.035"), Decimal("0.25")]
    assert any("reconstructed" in text for text in answer.caveats)


def test_log_delivery_counts_objects_across_the_edge_of_the_period_by_their_lines() -> None:
    answer = log_delivery(
        read({"flow_log_id": "fl-1", "lines": 4, "records": 3, "out_of_period": 1, "text_bytes": 1001})
    )
    assert list(answer.table["billed_bytes"]) == [750]
    assert any("share of lines" in text for text in answer.caveats)


def test_log_delivery_stays_quiet_without_a_ledger_and_keeps_its_columns() -> None:
    none = log_delivery(flows_of([])).table
    assert none.empty
    assert list(none.columns) == list(log_delivery(read({"text_bytes": 1, "lines": 1})).table.columns)


def test_log_delivery_names_the_price_of_a_region_that_the_book_lacks() -> None:
    answer = log_delivery(read({"flow_log_id": "fl-1", "text_bytes": 10, "lines": 1, "region": "eu-west-1"}))
    assert list(answer.table["estimated_usd"]) == [None]
    assert any("no logs_to_s3_bytes for region 'eu-west-1'" in text for text in answer.caveats)
