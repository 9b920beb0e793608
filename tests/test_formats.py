"""Log format strings, header lines, column names, and the keys of objects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowkit.errors import FormatError
from flowkit.fields import FIELDS
from flowkit.formats import KeyInfo, as_header, columns, field_name, parse_format, parse_key, to_format_string

THREE = ("version", "srcaddr", "pkt-dst-aws-service")


@pytest.mark.parametrize(
    "text",
    [
        "${version} ${srcaddr} ${pkt-dst-aws-service}",
        "$${version} $${srcaddr} $${pkt-dst-aws-service}",
        "${!version} ${!srcaddr} ${!pkt-dst-aws-service}",
        "'${version} ${srcaddr} ${pkt-dst-aws-service}'",
        "${version}${srcaddr}${pkt-dst-aws-service}",
        "${version}, ${srcaddr}, ${pkt-dst-aws-service}",
        "version,srcaddr,pkt-dst-aws-service",
        "version, srcaddr,  pkt-dst-aws-service",
        "version srcaddr pkt-dst-aws-service",
        "version\tsrcaddr\tpkt-dst-aws-service\r\n",
        " Version SRCADDR pkt_dst_aws_service ",
        '"version","srcaddr","pkt-dst-aws-service"',
    ],
)
def test_every_spelling_of_a_format_gives_the_same_fields(text: str) -> None:
    assert parse_format(text) == THREE


def test_column_names_are_understood_as_fields() -> None:
    assert parse_format("start_s end_s account_id") == ("start", "end", "account-id")


def test_a_field_that_nobody_knows_keeps_its_name() -> None:
    assert parse_format("${version} ${Brand-New}") == ("version", "Brand-New")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  ", "The log format is empty. Give the fields in order, such as '${version} ${srcaddr}'."),
        ("${srcaddr} ${srcaddr}", "The log format names srcaddr twice. A field can stand in it only once."),
        ("${srcaddr} dstaddr", "The log format has 'dstaddr' outside of ${...}. Write every field as ${name}."),
        ("${srcaddr", "The log format has '${srcaddr' outside of ${...}. Write every field as ${name}."),
        ("${srcaddr} ${}", "The log format names a field '', which cannot be a field's name."),
        (
            "a b c d",
            "The log format names no field that flow logs have (a, b, c). Give AWS's field names, such as "
            "'${version} ${srcaddr}'.",
        ),
    ],
)
def test_a_format_that_cannot_be_understood_says_why(text: str, message: str) -> None:
    with pytest.raises(FormatError) as error:
        parse_format(text)
    assert str(error.value) == message


@given(st.lists(st.sampled_from(sorted(FIELDS)), min_size=1, unique=True))
def test_writing_a_format_and_reading_it_gives_the_same_fields(names: list[str]) -> None:
    assert parse_format(to_format_string(names)) == tuple(names)
    assert parse_format(to_format_string(names).replace("${", "$${")) == tuple(names)
    assert parse_format(",".join(names)) == tuple(names)
    assert as_header(names) == tuple(names)


@given(st.text(max_size=40))
def test_no_format_string_raises_anything_but_a_format_error(text: str) -> None:
    try:
        names = parse_format(text)
    except FormatError:
        return
    assert names


@pytest.mark.parametrize(
    ("values", "header"),
    [
        (["version", "srcaddr"], ("version", "srcaddr")),
        (["account_id", "START"], ("account-id", "start")),
        (["version", "brand-new"], ("version", "brand-new")),
        (["brand-new", "newer", "version"], None),
        (["version", "version"], None),
        (["version", "10.0.0.1"], None),
        (["2", "123456789012"], None),
        (["-", "-"], None),
        ([], None),
    ],
)
def test_a_header_line_is_one_of_names_half_of_them_known(values: list[str], header: tuple[str, ...] | None) -> None:
    assert as_header(values) == header


def test_unknown_fields_get_column_names_that_clash_with_nothing() -> None:
    assert columns(("start", "Brand-New", "brand_new", "end-s", "object-id", "9lives", "srcaddr")) == {
        "start": "start_s",
        "Brand-New": "brand_new",
        "brand_new": "brand_new_2",
        "end-s": "x_end_s",
        "object-id": "x_object_id",
        "9lives": "x_9lives",
        "srcaddr": "srcaddr",
    }


def test_field_name_leaves_what_it_does_not_know() -> None:
    assert field_name("Pkt_SrcAddr") == "pkt-srcaddr"
    assert field_name("What_Is_This") == "What_Is_This"


FILE = "123456789012_vpcflowlogs_us-east-1_fl-0a1b2c_20241214T1625Z_0000002d"
SLOT_S = 1_734_193_500  # 2024-12-14T16:25:00Z
BASE = KeyInfo("123456789012", "us-east-1", "fl-0a1b2c", SLOT_S)


@pytest.mark.parametrize(
    ("key", "info"),
    [
        (f"AWSLogs/123456789012/vpcflowlogs/us-east-1/2024/12/14/{FILE}.log.gz", BASE),
        (f"any/prefix/AWSLogs/123456789012/vpcflowlogs/us-east-1/2024/12/14/{FILE}.log.gz", BASE),
        (f"AWSLogs/o-abc123/123456789012/vpcflowlogs/us-east-1/2024/12/14/{FILE}.log.gz", BASE),
        (
            f"AWSLogs/123456789012/vpcflowlogs/us-east-1/2024/12/14/16/{FILE}.log.gz",
            KeyInfo("123456789012", "us-east-1", "fl-0a1b2c", SLOT_S, hourly=True),
        ),
        (
            f"p/AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2024/month=12/day=14/{FILE}.log.gz",
            KeyInfo("123456789012", "us-east-1", "fl-0a1b2c", SLOT_S, hive=True),
        ),
        (
            f"AWSLogs/aws-account-id=123456789012/service=vpcflowlogs/aws-region=us-east-1/year=2024/month=12/day=14/hour=16/{FILE}.log.parquet",
            KeyInfo("123456789012", "us-east-1", "fl-0a1b2c", SLOT_S, hive=True, hourly=True, parquet=True),
        ),
        (f"{FILE}.log.gz", BASE),
        (f"downloads\\{FILE}.log", BASE),
        (
            "AWSLogs/123456789012/vpcflowlogs/us-gov-west-1/2024/12/14/renamed.gz",
            KeyInfo("123456789012", "us-gov-west-1"),
        ),
        (f"{FILE.replace('20241214', '20249914')}.log.gz", KeyInfo("123456789012", "us-east-1", "fl-0a1b2c", None)),
        ("AWSLogs/123456789012/CloudTrail/us-east-1/2024/12/14/x.json.gz", None),
        ("some/other/file.log", None),
        ("", None),
    ],
)
def test_a_key_says_what_aws_put_into_it(key: str, info: KeyInfo | None) -> None:
    assert parse_key(key) == info


@given(st.text(max_size=60))
def test_no_key_raises(key: str) -> None:
    parse_key(key)
    parse_key(f"AWSLogs/{key}/{FILE}{key}")
