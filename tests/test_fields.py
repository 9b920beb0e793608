"""The field table and the page made from it."""

from __future__ import annotations

import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from flowkit.fields import (
    DEFAULT_FORMAT,
    FIELDS,
    FIELDS_BY_COLUMN,
    TGW_DEFAULT_FORMAT,
    TGW_FIELDS,
    VPC_FIELDS,
    arrow_type,
)

ROOT = Path(__file__).parent.parent


def test_vpc_fields_are_54_and_each_version_has_as_many_as_aws_says() -> None:
    assert len(VPC_FIELDS) == 54
    assert Counter(field.version for field in VPC_FIELDS) == {2: 14, 3: 7, 4: 4, 5: 4, 7: 10, 8: 1, 9: 1, 10: 1, 11: 12}


def test_transit_gateway_fields_are_36_and_18_of_them_are_vpc_fields_too() -> None:
    assert len(TGW_FIELDS) == 36
    assert len({field.name for field in TGW_FIELDS} & {field.name for field in VPC_FIELDS}) == 18
    assert len(FIELDS) == 72
    assert len(FIELDS_BY_COLUMN) == 72


def test_default_format_is_the_14_fields_of_version_2_in_aws_order() -> None:
    assert " ".join(DEFAULT_FORMAT) == (
        "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
        "log-status"
    )
    assert [field.default_position for field in VPC_FIELDS[:14]] == list(range(1, 15))
    assert all(field.default_position is None for field in VPC_FIELDS[14:])


def test_transit_gateway_default_format_is_all_of_its_fields_in_order() -> None:
    assert tuple(field.name for field in TGW_FIELDS) == TGW_DEFAULT_FORMAT
    assert [field.default_position for field in TGW_FIELDS] == list(range(1, 37))
    assert TGW_DEFAULT_FORMAT[:3] == ("version", "resource-type", "account-id")
    assert TGW_DEFAULT_FORMAT[-1] == "pkt-dst-aws-service"


@pytest.mark.parametrize(
    ("name", "column", "version", "type_"),
    [
        ("start", "start_s", 2, "bigint"),
        ("end", "end_s", 2, "bigint"),
        ("account-id", "account_id", 2, "text"),
        ("bytes", "bytes", 2, "bigint"),
        ("srcport", "srcport", 2, "int"),
        ("pkt-dst-aws-service", "pkt_dst_aws_service", 5, "text"),
        ("traffic-path", "traffic_path", 5, "int"),
        ("ecs-second-container-id", "ecs_second_container_id", 7, "text"),
        ("reject-reason", "reject_reason", 8, "text"),
        ("resource-id", "resource_id", 9, "text"),
        ("encryption-status", "encryption_status", 10, "int"),
        ("next-hop-az-id", "next_hop_az_id", 11, "text"),
        ("packets-lost-no-route", "packets_lost_no_route", 6, "bigint"),
    ],
)
def test_a_field_has_the_column_version_and_type_it_has(name: str, column: str, version: int, type_: str) -> None:
    field = FIELDS[name]
    assert (field.column, field.version, field.type) == (column, version, type_)
    assert FIELDS_BY_COLUMN[column] is field


def test_integers_are_32_or_64_bits_and_all_else_is_text() -> None:
    assert arrow_type(FIELDS["srcport"]) == pa.int32()
    assert arrow_type(FIELDS["bytes"]) == pa.int64()
    assert arrow_type(FIELDS["account-id"]) == pa.string()


def test_parquet_type_agrees_with_the_column_type() -> None:
    wide = {"int": {"INT_32", "INT_64"}, "bigint": {"INT_64"}, "text": {"STRING"}}
    assert all(field.parquet in wide[field.type] for field in (*VPC_FIELDS, *TGW_FIELDS))


def test_only_version_11_is_marked_as_not_verified() -> None:
    assert {field.version for field in VPC_FIELDS if not field.verified} == {11}
    assert sum(not field.verified for field in VPC_FIELDS) == 12


def test_the_page_is_the_one_that_the_table_makes() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "make_fields.py"))["page"]()
    assert (ROOT / "docs" / "fields.md").read_text(encoding="utf-8") == page


def test_importing_the_field_table_imports_nothing_heavy() -> None:
    code = "import sys, flowkit.fields; print(*{'pyarrow', 'pandas', 'numpy', 'duckdb', 'isal'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.strip() == ""
