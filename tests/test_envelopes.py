"""What a record may be wrapped in. The content decides, whatever the name says."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zlib

import pytest

from flowkit.envelopes import Bad, Fault, unwrap
from flowkit.envelopes import documents as documents_module
from tests.reading import LINE, V2, lines, read

OTHER = LINE.replace("443", "80")


def unwrapped(content: bytes) -> tuple[str, bytes, list[Bad], str]:
    """(envelope, text, what is no line, fault)."""
    found = unwrap(io.BytesIO(content))
    text, bad, fault = b"", [], ""
    try:
        for block in found.blocks:
            if isinstance(block, Bad):
                bad.append(block)
            else:
                text += block
    except Fault as error:
        fault = str(error)
    envelope = found.documents.envelope if found.documents else ""
    return envelope or found.envelope, text, bad, fault


def event(message: str, number: int) -> dict[str, object]:
    return {"id": f"3560{number}", "timestamp": 1700000000000, "message": message}


def subscription(*messages: str) -> dict[str, object]:
    return {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": "/vpc/flow",
        "logStream": "eni-1-all",
        "subscriptionFilters": ["all"],
        "logEvents": [event(message, number) for number, message in enumerate(messages)],
    }


BOTH = lines(LINE, OTHER).encode()


@pytest.mark.parametrize(
    ("envelope", "content"),
    [
        ("text", BOTH),
        ("text", BOTH.decode().encode("utf-16")),
        ("gzip", gzip.compress(BOTH)),
        ("gzip", gzip.compress(lines(LINE).encode()) + gzip.compress(lines(OTHER).encode())),
        ("gzip", gzip.compress(BOTH) + bytes(1000)),
        ("gzip", gzip.compress(gzip.compress(BOTH))),
        ("firehose", lines(json.dumps({"message": LINE}), json.dumps({"message": OTHER})).encode()),
        ("firehose", (json.dumps({"message": LINE}) + json.dumps({"message": OTHER})).encode()),
        ("firehose", lines(json.dumps({"message": f"{LINE}\n{OTHER}\n"}, indent=1)).encode()),
        ("firehose", (json.dumps({"message": LINE}) + "\n" + OTHER + "\n").encode()),
        ("firehose", gzip.compress(lines(json.dumps({"message": LINE}), json.dumps({"message": OTHER})).encode())),
        ("subscription", json.dumps(subscription(LINE, OTHER)).encode()),
        ("subscription", gzip.compress(json.dumps(subscription(LINE, OTHER)).encode())),
        (
            "subscription",
            b"".join(gzip.compress(json.dumps(subscription(one)).encode()) for one in (LINE, OTHER)),
        ),
        ("filter_log_events", json.dumps({"events": [event(LINE, 1), event(OTHER, 2)], "nextToken": "x"}).encode()),
        ("filter_log_events", json.dumps([{"events": [event(LINE, 1)]}, {"events": [event(OTHER, 2)]}]).encode()),
        (
            "filter_log_events",
            lines(*(json.dumps({"eventId": str(n), "message": one}) for n, one in enumerate((LINE, OTHER)))).encode(),
        ),
        ("export", lines(f"2024-01-01T00:00:00.000Z {LINE}", f"2024-01-01T00:00:01Z {OTHER}").encode()),
        ("csv", lines("timestamp,message", f"1700000000000,{LINE}", f'1700000000000,"{OTHER}"').encode()),
        ("csv", lines('"@timestamp","@message"', f'"2024-01-01 00:00:00.000","{LINE}\n"', f'"x","{OTHER}"').encode()),
        ("csv", lines("\ufeffmessage", LINE, OTHER).encode()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # gzip writes the time of day into the content
)
def test_every_wrapping_gives_the_same_two_lines(envelope: str, content: bytes) -> None:
    assert unwrapped(content) == (envelope, BOTH, [], "")


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("wrapper", ["lambda", "records", "kinesis", "data"])
def test_base64_wrappers_of_lambda_firehose_and_kinesis_are_opened(wrapper: str, packed: bool) -> None:
    payload = json.dumps(subscription(LINE, OTHER)).encode()
    data = base64.b64encode(gzip.compress(payload) if packed else payload).decode()
    wrapped = {
        "lambda": {"awslogs": {"data": data}},
        "records": {"invocationId": "1", "records": [{"recordId": "1", "data": data}]},
        "kinesis": {"Records": [{"kinesis": {"data": data}, "eventSource": "aws:kinesis"}]},
        "data": {"data": data},
    }[wrapper]
    assert unwrapped(json.dumps(wrapped).encode()) == ("subscription", BOTH, [], "")


def test_base64_of_a_bare_record_is_a_firehose_record() -> None:
    content = json.dumps({"records": [{"data": base64.b64encode(LINE.encode()).decode()}, {"data": "*"}]}).encode()
    envelope, text, bad, _ = unwrapped(content)
    assert (envelope, text) == ("firehose", lines(LINE).encode())
    assert [one.reason for one in bad] == ["is a record whose base64 data cannot be unpacked"]


def test_an_event_that_comes_twice_is_dropped_and_one_that_only_looks_alike_is_kept() -> None:
    twice = [event(LINE, 1), event(LINE, 1), event(LINE, 2), event(OTHER, 1)]
    rows, row = read(json.dumps({"events": twice}))
    assert (row.lines, row.records, row.repeats) == (3, 3, 1)
    assert [line["dstport"] for line in rows] == [443, 443, 80]


def test_a_firehose_record_that_comes_twice_is_counted_and_kept() -> None:
    _, row = read(lines(*[json.dumps({"message": LINE})] * 3, json.dumps({"message": OTHER})))
    assert (row.envelope, row.lines, row.records, row.repeats) == ("firehose", 4, 4, 2)


def test_a_subscription_names_its_account_and_a_control_message_holds_nothing() -> None:
    control = {
        "messageType": "CONTROL_MESSAGE",
        "owner": "CloudwatchLogs",
        "logEvents": [event("CWL CONTROL MESSAGE", 1)],
    }
    _, row = read(json.dumps(subscription(LINE)) + json.dumps(control))
    assert (row.lines, row.records, row.account_id) == (1, 1, "123456789012")
    _, row = read(json.dumps(control))
    assert (row.status, row.lines) == ("empty", 0)


def test_a_format_may_be_given_for_a_log_group() -> None:
    wrapped = json.dumps(subscription("10.0.0.1 10.0.0.2"))
    rows, row = read(wrapped, log_format={"/vpc/flow": "${dstaddr} ${srcaddr}"})
    assert (rows[0]["srcaddr"], row.provenance) == ("10.0.0.2", "explicit")


def test_a_large_array_of_events_is_read_one_event_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents_module, "_WHOLE", 200)
    page = {
        "events": [event(LINE, number) for number in range(50)],
        "searchedLogStreams": [{"x": ["}"]}],
        "nextToken": 12,
    }
    envelope, text, bad, _ = unwrapped(json.dumps([page, page]).encode())
    assert (envelope, bad) == ("filter_log_events", [])
    assert text == lines(*[LINE] * 50).encode()
    _, text, bad, _ = unwrapped(json.dumps(subscription(*[LINE] * 50)).encode())
    assert (text, bad) == (lines(*[LINE] * 50).encode(), [])


def test_json_between_records_that_holds_none_is_shown_as_bad() -> None:
    content = lines(json.dumps({"message": LINE}), json.dumps({"level": "info"}), json.dumps({"message": 5}))
    _, row = read(content)
    assert (row.lines, row.records, row.malformed) == (3, 1, 2)
    assert [sample.reason for sample in row.samples] == [
        "is JSON without a log record",
        "has a message that is no text",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"Records": [{"eventVersion": "1.08"}]}', "It is JSON, but no wrapper of log lines."),
        (b'{"a": 1', "It begins like JSON but is not."),
        (b"[1, 2", "It begins like JSON but is not."),
        (bytes(range(256)) * 4, "It is binary data."),
        (b"PK\x03\x04....", "It is a zip archive. Unpack it and read the files in it."),
        (b"\x28\xb5\x2f\xfd", "It is packed with zstd, as flow logs never are. Unpack it first."),
        (
            b'"@timestamp","srcAddr"\n"x","10.0.0.1"\n',
            "It is a Logs Insights export without @message. Add @message to its fields.",
        ),
    ],
)
def test_another_kind_of_file_is_foreign_and_says_what_it_is(content: bytes, message: str) -> None:
    _, row = read(content)
    assert (row.status, row.lines, row.message) == ("foreign", 0, message)


PACKED = gzip.compress(
    lines(V2, *(LINE.replace("40000", str(40000 + n * n % 9999)) for n in range(500))).encode(), mtime=0
)


def test_a_cut_off_gzip_keeps_its_whole_lines_and_counts_the_cut_one() -> None:
    half = PACKED[: len(PACKED) // 2]
    plain = zlib.decompressobj(31).decompress(half)
    whole, rest = plain.count(b"\n"), plain.rpartition(b"\n")[2]
    rows, row = read(half)
    assert row.status == "unreadable"
    assert len(rows) == row.records == whole - 1
    assert row.malformed == (1 if rest else 0)
    assert (
        row.message == f"The gzip data ends early: the object is cut off. The {whole - 1} good lines before that stay."
    )


def test_a_number_cut_short_by_the_end_of_the_gzip_is_never_believed() -> None:
    raw = zlib.compressobj(wbits=31)
    content = raw.compress(lines(V2, LINE).encode() + LINE.encode()) + raw.flush(zlib.Z_SYNC_FLUSH)
    rows, row = read(content)
    assert len(rows) == 1
    assert (row.status, row.malformed, row.samples[0].reason) == ("unreadable", 1, "is cut off")


def test_a_wrong_checksum_is_named_and_the_lines_are_kept() -> None:
    _, row = read(PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:])
    assert (row.status, row.records) == ("unreadable", 500)
    assert row.message == (
        "The gzip checksum does not fit: the object is damaged, and so may be any line of it. "
        "The 500 good lines before that stay."
    )


def test_what_follows_a_gzip_and_is_none_is_named() -> None:
    _, row = read(PACKED + b"garbage")
    assert (row.status, row.records) == ("unreadable", 500)
    assert row.message == "What follows the gzip data is not gzip. The 500 good lines before that stay."


def test_gzip_headers_with_name_comment_and_extra_are_skipped() -> None:
    body = PACKED[10:]
    header = b"\x1f\x8b\x08\x1e" + bytes(6) + b"\x03\x00abc" + b"name\0" + b"comment\0" + b"\0\0"
    _, row = read(header + body)
    assert (row.status, row.records) == ("read", 500)


def test_a_gzip_of_nothing_is_empty() -> None:
    _, row = read(gzip.compress(b""))
    assert (row.status, row.envelope, row.message) == ("empty", "gzip", "There is no line in it.")


def test_a_csv_row_without_its_message_column_is_bad() -> None:
    _, row = read(lines("timestamp,message", f"1,{LINE}", "2"))
    assert (row.envelope, row.lines, row.records, row.malformed) == ("csv", 2, 1, 1)
    assert row.samples[0].reason == "has no message column"


def test_a_line_of_more_than_a_mebibyte_is_bad_and_the_rest_is_read() -> None:
    for size in (2**20 + 1, 6 * 2**20):
        _, row = read(lines(V2, LINE, "x" * size, LINE))
        assert (row.lines, row.records, row.malformed) == (4, 2, 1)
        assert (row.samples[0].line, row.samples[0].reason) == (3, "is longer than 1 MiB")


def test_the_name_does_not_decide() -> None:
    _, row = read(lines(V2, LINE), "a.log.gz")
    assert (row.envelope, row.records) == ("text", 1)
    _, row = read(gzip.compress(lines(V2, LINE).encode()), "a.parquet")
    assert (row.envelope, row.records) == ("gzip", 1)
