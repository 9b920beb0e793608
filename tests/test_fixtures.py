"""Files that nobody here wrote, against what their authors expect of a reader.

Skipped unless the environment variable FLOWKIT_FIXTURES names a folder of them: one folder per origin, log files and
`NAME.expected.json` beside them (a list of records by column, `start` and `end` as ISO 8601).
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from flowkit import sources
from flowkit.fields import FIELDS_BY_COLUMN
from flowkit.ledger import LedgerRow
from flowkit.parse import read_object

_NAMED = os.environ.get("FLOWKIT_FIXTURES", "")
ROOT = Path(_NAMED or "/nonexistent")
FILES = sorted(path for path in ROOT.rglob("*") if path.is_file()) if _NAMED else []

pytestmark = pytest.mark.skipif(not _NAMED, reason="FLOWKIT_FIXTURES names no folder of other people's log files")

#: (headers, records, nodata, skipdata, malformed) of each file.
COUNTS = {
    "awsdocs/accepted_rejected_v2.log": (1, 2, 0, 0, 0),
    "awsdocs/icmp_sg_nacl_v2.log": (1, 2, 0, 0, 0),
    "awsdocs/ipv6_v2.log": (1, 1, 0, 0, 0),
    "awsdocs/nat_gateway_v3.log": (1, 4, 0, 0, 2),
    "awsdocs/nodata_skipdata_v2.log": (1, 0, 1, 1, 0),
    "awsdocs/service_path_direction_v5.log": (1, 2, 0, 0, 0),
    "awsdocs/tcp_flag_sequence_v3.log": (1, 8, 0, 0, 0),
    "awsdocs/transit_gateway_vpc_v3.log": (1, 4, 0, 0, 0),
    "flowlogs-reader/filter_log_events_pages.json": (0, 3, 1, 1, 1),
    "flowlogs-reader/flows.parquet": (0, 1, 2, 0, 0),
    "flowlogs-reader/v2_millisecond_timestamps.log": (0, 0, 0, 1, 0),
    "flowlogs-reader/v2_records.log": (0, 3, 1, 1, 0),
    "flowlogs-reader/v3_file.log": (1, 2, 0, 0, 0),
    "flowlogs-reader/v3_file.log.gz": (1, 2, 0, 0, 0),
    "flowlogs-reader/v4_file.log": (1, 2, 0, 0, 0),
    "flowlogs-reader/v5_file.log": (1, 2, 0, 0, 1),
    "flowlogs-reader/v6_file.log": (1, 1, 0, 0, 0),
    "otel/valid_vpc_flow_log_ecs.log": (1, 1, 0, 0, 0),
    "otel/valid_vpc_flow_log_multi.log": (1, 2, 0, 0, 0),
    "otel/vpc_flow_log_too_few_fields.log": (1, 0, 0, 0, 1),
    "otel/vpc_flow_log_too_many_fields.log": (1, 0, 0, 0, 1),
    "vrl/nat_gateway_custom.log": (1, 6, 0, 0, 0),
    "vrl/tgw_appliance_custom.log": (1, 4, 0, 0, 0),
    "vrl/v2_default.log": (1, 5, 1, 1, 0),
    "vrl/v3_tcp_flag_sequence.log": (1, 8, 0, 0, 0),
    "vrl/v5_service_path_direction.log": (1, 2, 0, 0, 0),
    "vrl/v7_ecs.log": (1, 1, 0, 0, 0),
}


def read(path: Path, log_format: str = "") -> tuple[list[dict[str, Any]], LedgerRow]:
    """(rows with the columns that fields have, ledger row)."""
    batches: list[pa.RecordBatch] = []
    (found,) = sources.resolve(str(path))
    row = read_object(found, batches.append, log_format=log_format)
    rows = [line for batch in batches for line in batch.to_pylist()]
    return [{name: value for name, value in line.items() if name in FIELDS_BY_COLUMN} for line in rows], row


def seconds(expected: dict[str, Any]) -> dict[str, Any]:
    """An expected record with its times as the columns have them."""
    moved = {("start_s" if k == "start" else "end_s" if k == "end" else k): v for k, v in expected.items()}
    for name in ("start_s", "end_s"):
        if name in moved:
            moved[name] = int(datetime.fromisoformat(moved[name]).timestamp())
    return moved


def filled(row: dict[str, Any]) -> dict[str, Any]:
    """A row without its nulls, as the expected files leave them out."""
    return {name: value for name, value in row.items() if value is not None}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_balances_and_a_fast_reading_equals_a_slow_one(path: Path) -> None:
    (found,) = sources.resolve(str(path))
    for log_format in ("", "${version} ${srcaddr}"):
        fast: list[pa.RecordBatch] = []
        slow: list[pa.RecordBatch] = []
        row = read_object(found, fast.append, log_format=log_format)
        assert row.balanced
        assert row == read_object(found, slow.append, log_format=log_format, fast=False)
        assert [b.to_pylist() for b in fast] == [b.to_pylist() for b in slow]


@pytest.mark.parametrize("name", COUNTS)
def test_lines_are_counted_as_what_they_are(name: str) -> None:
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"{name} is not among these files")
    _, row = read(path)
    assert (row.headers, row.records, row.nodata, row.skipdata, row.malformed) == COUNTS[name]
    assert row.status == "read"
    assert row.unknown_fields == ()


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if path.name.endswith(".expected.json") and isinstance(json.loads(path.read_text()), list)],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_records_are_those_that_the_authors_expect(path: Path) -> None:
    of = path.name.removesuffix(".expected.json")
    logs = [log for log in (path.with_name(of), path.with_name(f"{of}.log")) if log.exists()]
    if not logs:
        pytest.skip("this file expects sums of records, not records")
    for log in (*logs, *logs[0].parent.glob(f"{logs[0].name}.gz")):
        rows, _ = read(log)
        assert [filled(row) for row in rows] == [seconds(one) for one in json.loads(path.read_text())]


@pytest.mark.parametrize("number", [0, 2])
def test_single_records_of_a_log_are_those_that_the_authors_expect(number: int) -> None:
    folder = ROOT / "flowlogs-reader"
    if not folder.exists():
        pytest.skip("flowlogs-reader is not among these files")
    expected = json.loads((folder / f"v2_record{number}.expected.json").read_text())
    rows, row = read(folder / "v2_records.log")
    assert filled(rows[number]) == seconds(expected)
    assert row.provenance == "default"


def test_a_subscription_payload_reads_by_the_format_that_its_owner_states() -> None:
    folder = ROOT / "otel"
    if not folder.exists():
        pytest.skip("otel is not among these files")
    said = json.loads((folder / "expected.json").read_text())["valid_vpc_flow_cw_custom.json"]
    rows, row = read(folder / "valid_vpc_flow_cw_custom.json", said["format_given_by_config"])
    assert rows == [{k.replace("-", "_"): v for k, v in record.items()} for record in said["records"]]
    assert (row.envelope, row.provenance, row.account_id) == ("subscription", "explicit", "123456789012")


def test_an_export_with_a_time_before_each_record_reads_by_its_layout() -> None:
    folder = ROOT / "tailpipe"
    if not folder.exists():
        pytest.skip("tailpipe is not among these files")
    layout = json.loads((folder / "cloudwatch_export_custom.format.json").read_text())["layout"]
    log = folder / "cloudwatch_export_custom.log"
    for log_format in (layout, layout.partition(" ")[2]):
        rows, row = read(log, log_format)
        assert filled(rows[0]) == {
            "instance_id": "i-085c7a43a498c2f5d",
            "interface_id": "eni-0416a1c81c87ab9c9",
            "az_id": "use1-az2",
            "start_s": 1_740_486_335,
            "end_s": 1_740_486_304,
            "subnet_id": "subnet-027e9a6d4add894eb",
        }
        assert (row.envelope, row.nodata, row.malformed) == ("export", 1, 0)
