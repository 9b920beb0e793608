"""Lines to typed records, and where each line is counted."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flowkit.errors import FormatError
from flowkit.fields import DEFAULT_FORMAT
from flowkit.parse import arrow_schema, read_object
from tests.reading import LINE, NODATA, SKIPDATA, V2, lines, object_of, read

KEY = (
    "AWSLogs/210987654321/vpcflowlogs/eu-west-1/2024/12/14/"
    "210987654321_vpcflowlogs_eu-west-1_fl-0abc_20241214T1625Z_00.log.gz"
)


def test_a_record_gets_its_types_keys_and_kind() -> None:
    rows, row = read(lines(V2, LINE), KEY)
    assert rows == [
        {
            "version": 2,
            "account_id": "123456789012",
            "interface_id": "eni-1",
            "srcaddr": "10.0.0.1",
            "dstaddr": "10.0.0.2",
            "srcport": 40000,
            "dstport": 443,
            "protocol": 6,
            "packets": 10,
            "bytes": 1000,
            "start_s": 1_700_000_000,
            "end_s": 1_700_000_059,
            "action": "ACCEPT",
            "log_status": "OK",
            "src_key": "00000000000000000000ffff0a000001",
            "dst_key": "00000000000000000000ffff0a000002",
            "record_kind": "interface",
            "row_kind": "record",
            "flow_log_id": "fl-0abc",
            "object_id": 7,
        }
    ]
    assert (row.account_id, row.region, row.flow_log_id) == ("210987654321", "eu-west-1", "fl-0abc")
    assert (row.status, row.provenance, row.fields) == ("read", "header", DEFAULT_FORMAT)
    assert row.text_bytes == len(V2) + 1 + len(LINE) + 1


def test_every_batch_has_the_schema_of_its_format() -> None:
    batches: list[pa.RecordBatch] = []
    read_object(object_of(lines(V2, LINE)), batches.append)
    assert batches[0].schema == arrow_schema(DEFAULT_FORMAT)
    assert batches[0].schema.field("bytes").type == pa.int64()
    assert batches[0].schema.field("srcport").type == pa.int32()


def test_columns_go_by_name_whatever_their_order() -> None:
    backwards = lines(" ".join(reversed(V2.split())), " ".join(reversed(LINE.split())))
    rows, _ = read(backwards)
    straight, _ = read(lines(V2, LINE))
    assert rows == straight


@pytest.mark.parametrize(
    "log",
    [
        lines(V2, LINE, LINE),
        lines(V2, LINE, LINE).removesuffix("\n"),
        lines(V2, LINE, LINE).replace("\n", "\r\n"),
        "\ufeff" + lines(V2, LINE, LINE),
        lines(V2, LINE.replace(" ", "  "), LINE.replace(" ", "\t")),
        lines(V2, f" {LINE}", f"{LINE} "),
        lines(V2.upper().replace("-", "_"), LINE, LINE),
    ],
)
def test_spacing_line_ends_and_marks_shift_nothing(log: str) -> None:
    rows, row = read(log)
    plain, _ = read(lines(V2, LINE, LINE))
    assert rows == plain
    assert (row.lines, row.headers, row.records, row.malformed) == (3, 1, 2, 0)


def test_repeated_headers_and_blank_lines_are_counted_as_such() -> None:
    _, row = read(lines(V2, LINE, "", V2, LINE, "  "))
    assert (row.lines, row.headers, row.blank, row.records) == (6, 2, 2, 2)
    assert row.message == ""


def test_another_header_changes_the_format_from_there_on() -> None:
    rows, row = read(lines(V2, LINE, "dstaddr srcaddr", "1.1.1.1 8.8.8.8"))
    assert (rows[1]["srcaddr"], rows[1]["dstaddr"]) == ("8.8.8.8", "1.1.1.1")
    assert (row.headers, row.records, row.fields) == (2, 2, DEFAULT_FORMAT)
    assert row.message == "From line 3 on a header line gives another format."


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (LINE.rpartition(" ")[0], "has 13 values for 14 fields"),
        (f"{LINE} more", "has 15 values for 14 fields"),
        (f"{LINE} #a comment", "has 16 values for 14 fields"),
        ("bogus", "has 1 value for 14 fields"),
        (LINE.replace("40000", "70000"), "has srcport 70000, more than 65535"),
        (LINE.replace(" 6 ", " 256 "), "has protocol 256, more than 255"),
        (LINE.replace("1000 ", "-5 "), "has bytes '-5', which is not a whole number"),
        (LINE.replace(" 10 ", " 0x10 "), "has packets '0x10', which is not a whole number"),
        (LINE.replace(" 10 ", " +10 "), "has packets '+10', which is not a whole number"),
        (
            LINE.replace(" 10 ", " 9223372036854775808 "),
            "has packets 9223372036854775808, more than 9223372036854775807",
        ),
        (LINE.replace("10.0.0.1 ", "10.0.0.256 "), "has srcaddr '10.0.0.256', which is no IP address"),
        (LINE.replace("10.0.0.1 ", "10.0.0.01 "), "has srcaddr '10.0.0.01', which is no IP address"),
        (LINE.replace("ACCEPT", "accept"), "has action 'accept', which is none of ACCEPT, REJECT"),
        (LINE.replace("OK", "FINE"), "has log-status 'FINE', which is none of INCOMPLETEDATA, NODATA, OK, SKIPDATA"),
        (
            LINE.replace("1700000000", "1700000000000000"),
            "has start 1700000000000000, which is no time in seconds or milliseconds",
        ),
    ],
)
def test_a_bad_line_is_counted_with_its_reason_and_the_rest_loads(line: str, reason: str) -> None:
    rows, row = read(lines(V2, LINE, line, LINE))
    assert (row.lines, row.records, row.malformed) == (4, 2, 1)
    assert [(sample.line, sample.reason, sample.text) for sample in row.samples] == [(3, reason, line)]
    assert row.problem == f"a.log has 1 malformed line of 4. Line 3 {reason}."
    assert rows == read(lines(V2, LINE, LINE))[0]


def test_bytes_that_are_no_text_make_one_bad_line() -> None:
    _, row = read(lines(V2, LINE).encode() + b"2 \xff\xfe\n" + lines(LINE).encode() + b"2 \0\n")
    assert (row.lines, row.records, row.malformed) == (5, 2, 2)
    assert [sample.reason for sample in row.samples] == ["is not UTF-8 text", "has a zero byte"]
    assert row.samples[0].text == "2 \\xff\\xfe"


def test_only_three_bad_lines_are_kept_to_show() -> None:
    _, row = read(lines(V2, *["bogus"] * 5))
    assert (row.malformed, len(row.samples)) == (5, 3)


def test_nodata_skipdata_and_incompletedata_are_kept_as_rows_and_counted_apart() -> None:
    log = lines(V2, LINE, NODATA, SKIPDATA, SKIPDATA.replace("SKIP", "INCOMPLETE"))
    rows, row = read(log)
    assert (row.records, row.nodata, row.skipdata) == (1, 1, 2)
    assert [line["row_kind"] for line in rows] == ["record", "nodata", "skipdata", "skipdata"]
    assert [line["log_status"] for line in rows] == ["OK", "NODATA", "SKIPDATA", "INCOMPLETEDATA"]
    assert rows[1]["srcaddr"] is None and rows[1]["src_key"] is None and rows[1]["bytes"] is None


def test_without_log_status_a_line_without_traffic_is_nodata_and_stays_null() -> None:
    log = lines("interface-id srcaddr bytes log-status", "eni-1 - - -", "eni-1 10.0.0.1 - -", "eni-1 - 5 -")
    rows, row = read(log)
    assert (row.records, row.nodata) == (2, 1)
    assert [line["row_kind"] for line in rows] == ["nodata", "record", "record"]
    assert [line["log_status"] for line in rows] == [None, None, None]
    _, row = read(lines("interface-id srcaddr", "eni-1 -"))
    assert row.nodata == 1
    _, row = read(lines("interface-id vpc-id", "eni-1 -"))
    assert row.records == 1


def test_ranges_hold_only_where_there_is_traffic() -> None:
    rows, row = read(lines(V2, NODATA.replace("- - - - -", "- - 99999 - 8080", 1)))
    assert (row.nodata, row.malformed) == (1, 0)
    assert (rows[0]["srcport"], rows[0]["protocol"]) == (99999, 8080)


def test_milliseconds_are_told_value_by_value() -> None:
    log = lines("start end", "1700000000123 1700000059", "1700000000 1700000059999", "- 0")
    rows, _ = read(log)
    assert [(line["start_s"], line["end_s"]) for line in rows] == [
        (1_700_000_000, 1_700_000_059),
        (1_700_000_000, 1_700_000_059),
        (None, 0),
    ]


def test_start_after_end_is_kept() -> None:
    rows, _ = read(lines("start end", "1700000059 1700000000"))
    assert (rows[0]["start_s"], rows[0]["end_s"]) == (1_700_000_059, 1_700_000_000)


@pytest.mark.parametrize(
    ("written", "form", "key"),
    [
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1", "20010db8000000000000000000000001"),
        ("2001:db8:0:1:0:0:0:1", "2001:db8:0:1::1", "20010db8000000010000000000000001"),
        ("2001:0:0:1:0:0:1:1", "2001::1:0:0:1:1", "20010000000000010000000000010001"),
        ("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7", "00010000000200030004000500060007"),
        ("::", "::", "00000000000000000000000000000000"),
        ("fe80::", "fe80::", "fe800000000000000000000000000000"),
        ("::FFFF:10.0.0.1", "::ffff:10.0.0.1", "00000000000000000000ffff0a000001"),
        ("::10.0.0.1", "::a00:1", "0000000000000000000000000a000001"),
        ("255.255.255.255", "255.255.255.255", "00000000000000000000ffffffffffff"),
    ],
)
def test_an_address_has_one_text_form_and_one_key(written: str, form: str, key: str) -> None:
    rows, _ = read(lines("srcaddr pkt-dstaddr", f"{written} {written}", f"{form} {form}"))
    assert [(line["srcaddr"], line["pkt_dstaddr"], line["src_key"]) for line in rows] == [(form, form, key)] * 2
    assert rows[0]["dst_key"] is None


def test_tags_are_percent_decoded_once() -> None:
    log = lines("instance-tag asg-tag-2", "a%2Db%20c %2541", "%2D -", "%E9 x%0Ay")
    rows, _ = read(log)
    assert [(line["instance_tag"], line["asg_tag_2"]) for line in rows] == [
        ("a-b c", "%41"),
        ("-", None),
        ("\ufffd", "x\ny"),
    ]


def test_account_ids_are_text_and_keep_their_zeros() -> None:
    rows, _ = read(lines("account-id bytes", "000000000012 1", "unknown 2", "12345678910 3"))
    assert [line["account_id"] for line in rows] == ["000000000012", "unknown", "12345678910"]


def test_an_unknown_column_is_kept_as_text_and_named() -> None:
    rows, row = read(lines("version brand-new srcaddr object-id", "12 007 10.0.0.1 x"))
    assert (rows[0]["brand_new"], rows[0]["x_object_id"], rows[0]["object_id"]) == ("007", "x", 7)
    assert row.unknown_fields == ("brand-new", "object-id")


@pytest.mark.parametrize(
    ("log", "kinds"),
    [
        (
            lines("interface-id resource-id", "eni-1 -", "- nat-1", "eni-1 nat-1"),
            ["interface", "regional_nat", "interface"],
        ),
        (lines("resource-id bytes", "nat-1 5"), ["regional_nat"]),
        (lines("tgw-id bytes", "tgw-1 5"), ["transit_gateway"]),
        (lines("resource-type bytes", "TransitGateway 5"), ["transit_gateway"]),
        (lines("interface-id bytes", "- 5"), ["interface"]),
    ],
)
def test_the_kind_of_record_follows_from_who_took_it(log: str, kinds: list[str]) -> None:
    rows, _ = read(log)
    assert [line["record_kind"] for line in rows] == kinds


def test_default_format_needs_all_14_values_of_the_right_types() -> None:
    rows, row = read(lines(LINE, NODATA, "bogus", LINE.replace("OK", "X")))
    assert (row.provenance, row.records, row.nodata, row.malformed) == ("default", 1, 1, 2)
    assert rows[0]["dstport"] == 443


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"{LINE} vpc-1", "has 15 values, and no header line or log_format= says which fields"),
        (
            LINE.replace("10.0.0.1 10.0.0.2", "40000 443").replace("40000 443 6", "10.0.0.1 10.0.0.2 6"),
            "has 14 values that do not fit the default format (has srcaddr '40000', which is no IP address)",
        ),
        (f"3{LINE[1:]}", "has 14 values that do not fit the default format (version is not 2)"),
    ],
)
def test_a_format_is_never_guessed(line: str, reason: str) -> None:
    rows, row = read(lines(line, line))
    assert rows == []
    assert (row.status, row.lines, row.malformed, row.fields) == ("unreadable", 2, 2, ())
    assert row.message == (
        f"Line 1 {reason}. Pass log_format= with this log's fields in order, such as "
        "'${version} ${srcaddr} ${dstaddr}'."
    )


def test_the_ladder_header_then_given_then_described_then_default() -> None:
    swapped = "${dstaddr} ${srcaddr}"
    log = lines("10.0.0.1 10.0.0.2")
    assert read(lines("srcaddr dstaddr") + log, log_format=swapped)[0][0]["srcaddr"] == "10.0.0.1"
    rows, row = read(log, KEY, log_format=swapped, described={"fl-0abc": "srcaddr dstaddr"})
    assert (rows[0]["srcaddr"], row.provenance) == ("10.0.0.2", "explicit")
    rows, row = read(log, KEY, log_format={"fl-other": swapped}, described={"fl-0abc": "srcaddr dstaddr"})
    assert (rows[0]["srcaddr"], row.provenance) == ("10.0.0.1", "flow log")
    rows, row = read(log, KEY, log_format={"fl-0abc": swapped})
    assert (rows[0]["srcaddr"], row.provenance) == ("10.0.0.2", "explicit")
    _, row = read(log, KEY, log_format={"fl-other": swapped})
    assert row.status == "unreadable"
    rows, row = read(log, log_format={"": swapped, "fl-other": "bytes"})
    assert (rows[0]["srcaddr"], row.provenance) == ("10.0.0.2", "explicit")


def test_a_given_format_that_is_none_is_the_callers_error() -> None:
    with pytest.raises(FormatError):
        read(lines(LINE), log_format="${srcaddr} ${srcaddr}")


def test_an_export_may_be_given_with_its_time_as_if_it_were_a_field() -> None:
    log = lines("2024-01-01T00:00:00.000Z 10.0.0.1 -")
    for log_format in ("${srcaddr} ${dstaddr}", "export-timestamp srcaddr dstaddr"):
        rows, row = read(log, log_format=log_format)
        assert (row.fields, rows[0]["srcaddr"]) == (("srcaddr", "dstaddr"), "10.0.0.1")


@pytest.mark.parametrize(
    ("log", "status", "message"),
    [
        ("", "empty", "There is no line in it."),
        ("\n\n", "empty", "It has only blank lines."),
        (lines(V2), "empty", "It has a header line and no record."),
        ("# Notes\nNothing to see here.\n", "not_a_flow_log", "None of its 2 lines looks like a flow log record."),
    ],
)
def test_an_object_without_records_says_why(log: str, status: str, message: str) -> None:
    for log_format in ("", "srcaddr dstaddr"):
        _, row = read(log, log_format=log_format)
        assert (row.status, row.message) == (status, message)
        assert row.problem == ""


def test_a_text_under_a_flow_logs_key_is_unreadable_not_foreign() -> None:
    _, row = read(lines("rubbish"), KEY)
    assert (row.status, row.malformed) == ("unreadable", 1)


def test_what_the_sink_raises_goes_through() -> None:
    def full(_: pa.RecordBatch) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        read_object(object_of(lines(V2, LINE)), full)


def test_blocks_of_a_large_object_are_handed_on_one_by_one() -> None:
    batches: list[pa.RecordBatch] = []
    row = read_object(object_of(lines(V2, *[LINE] * 100_000, "bogus", *[LINE] * 10)), batches.append)
    assert (row.records, row.malformed, row.samples[0].line) == (100_010, 1, 100_002)
    assert len(batches) > 2
    assert sum(len(batch) for batch in batches) == 100_010


def parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


PLAIN = {
    "version": pa.array([2, 2], pa.int32()),
    "account_id": pa.array(["012345678901"] * 2),
    "srcaddr": pa.array(["10.0.0.1", None]),
    "dstport": pa.array([443, None], pa.int32()),
    "bytes": pa.array([1000, None], pa.int64()),
    "start": pa.array([1_700_000_000] * 2, pa.int64()),
    "log_status": pa.array(["OK", "NODATA"]),
}


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"version": pa.array([2, 2], pa.int64()), "dstport": pa.array([443, None], pa.int64())},
        {
            "dstport": pa.array(["443", "-"]),
            "bytes": pa.array(["1000", "None"]),
            "srcaddr": pa.array(["10.0.0.1", "-"]),
        },
        {"dstport": pa.array([443.0, float("nan")]), "bytes": pa.array(["1000.0", ""])},
        {"account_id": pa.array([12_345_678_901] * 2, pa.int64())},
        {"account_id": pa.array([12_345_678_901.0] * 2)},
        {"start": pa.array([1_700_000_000_000] * 2, pa.int64())},
        {"start": pa.array([1_700_000_000_000] * 2, pa.timestamp("ms"))},
        {"log_status": pa.array(["OK", "NODATA"]).dictionary_encode()},
    ],
)
def test_parquet_of_any_types_gives_the_same_rows(changed: dict[str, pa.Array]) -> None:
    rows, row = read(parquet(pa.table(PLAIN | changed)))
    assert rows == read(parquet(pa.table(PLAIN)))[0]
    assert (rows[0]["account_id"], rows[0]["start_s"], rows[0]["bytes"]) == ("012345678901", 1_700_000_000, 1000)
    assert (row.lines, row.records, row.nodata, row.provenance) == (2, 1, 1, "parquet schema")


def test_parquet_columns_may_have_hyphens_and_capitals_and_be_unknown() -> None:
    table = pa.table(PLAIN).rename_columns(
        ["Version", "account-id", "SRCADDR", "dstPort", "bytes", "start", "log-status"]
    )
    rows, row = read(parquet(table.append_column("year", pa.array([2024, 2024]))))
    assert (rows[0]["srcaddr"], rows[0]["dstport"], rows[0]["year"]) == ("10.0.0.1", 443, "2024")
    assert row.unknown_fields == ("year",)


def test_a_bad_parquet_row_is_malformed_and_the_others_are_read() -> None:
    rows, row = read(parquet(pa.table(PLAIN | {"bytes": pa.array([1.5, 7.0])})))
    assert (row.lines, row.records, row.nodata, row.malformed) == (2, 0, 1, 1)
    assert row.samples[0].line == 1
    assert row.samples[0].reason == "has bytes '1.5', which is not a whole number"
    assert rows[0]["bytes"] == 7


def test_parquet_text_size_is_what_the_rows_would_take_as_text() -> None:
    _, row = read(parquet(pa.table(PLAIN)))
    as_text = lines("2 012345678901 10.0.0.1 443 1000 1700000000 OK", "2 012345678901 - - - 1700000000 NODATA")
    assert row.text_bytes == len(as_text)


def test_a_damaged_parquet_file_and_a_foreign_one_are_told_apart() -> None:
    content = parquet(pa.table(PLAIN))
    _, row = read(content[: len(content) // 2])
    assert row.status == "unreadable"
    _, row = read(parquet(pa.table({"city": ["x"], "type": ["y"], "count": [1], "sum": [2]})))
    assert row.status == "not_a_flow_log"
