"""CloudWatch log groups as a source, over HTTP.

moto's server is used for groups, streams, events, paging and flow logs. It ignores Insights queries and knows neither
throttling nor refusals nor classes of log groups; for those there is `logs_stub`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

import flowkit as fk
from flowkit.errors import LimitError, SourceError
from flowkit.fields import DEFAULT_FORMAT
from flowkit.formats import to_format_string
from flowkit.ledger import LedgerRow
from flowkit.parse import read_object
from flowkit.plan import plan
from flowkit.sources import cloudwatch, resolve
from flowkit.sources.cloudwatch import calls
from tests.aws_server import ENVIRONMENT, aws
from tests.logs_stub import DENIED, GROUP, Stub, standing

__all__ = ["aws"]

HOUR = 3600
DAY = int(datetime(2026, 11, 2, tzinfo=UTC).timestamp())
V2 = to_format_string(DEFAULT_FORMAT)


def line(n: int, start: int = DAY) -> str:
    return f"2 123456789012 eni-1 10.0.{n // 250}.{n % 250} 10.0.0.1 40000 443 6 10 {n} {start} {start + 59} ACCEPT OK"


def read_all(objects: list[Any], **options: Any) -> tuple[list[dict[str, Any]], list[LedgerRow]]:
    batches: list[pa.RecordBatch] = []
    rows = [read_object(one, batches.append, object_id=n, **options) for n, one in enumerate(objects)]
    assert all(row.balanced for row in rows)
    return [record for batch in batches for record in batch.to_pylist()], rows


def shared(records: list[dict[str, Any]]) -> Counter[tuple[Any, ...]]:
    """Records as a multiset, without what says where they were read."""
    apart = {"object_id", "flow_log_id"}
    return Counter(tuple(sorted((k, v) for k, v in one.items() if k not in apart)) for one in records)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """As fast as a loopback allows."""
    monkeypatch.setattr(calls, "START", 10_000.0)
    monkeypatch.setattr(calls, "MOST", 10_000.0)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """The stand-in, found through the environment as AWS would be."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    state = Stub()
    with standing(state) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        yield state


@pytest.fixture
def group(aws: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """An empty log group of moto's, named as the test; `put(stream, [(second, message)])` fills it."""
    import boto3

    client = boto3.client("logs", endpoint_url=aws)
    name = f"/test/{request.node.name}"
    client.create_log_group(logGroupName=name)

    def put(stream: str, events: list[tuple[int, str]]) -> str:
        client.create_log_stream(logGroupName=name, logStreamName=stream)
        for at in range(0, len(events), 5000):
            some = [{"timestamp": second * 1000, "message": text} for second, text in events[at : at + 5000]]
            client.put_log_events(logGroupName=name, logStreamName=stream, logEvents=some)
        return f"cloudwatch:{name}"

    put.name = name  # type: ignore[attr-defined]
    yield put
    client.delete_log_group(logGroupName=name)


def flow_log_into(name: str, log_format: str, created: datetime | None = None) -> str:
    """A flow log of moto's that writes into the group; its id. moto makes all of them now; `created` is set inside."""
    import boto3
    from moto.ec2.models import ec2_backends

    ec2 = boto3.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    (made,) = ec2.create_flow_logs(
        ResourceIds=[vpc], ResourceType="VPC", TrafficType="ALL", LogGroupName=name, LogFormat=log_format,
        DeliverLogsPermissionArn="arn:aws:iam::123456789012:role/flow",
    )["FlowLogIds"]  # fmt: skip
    if created is not None:
        ec2_backends["123456789012"]["eu-west-1"].flow_logs[made].creation_time = created.replace(tzinfo=None)
    return str(made)


def yesterday() -> int:
    return int(time.time()) // 86_400 * 86_400 - 86_400


LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)


# Reading, against moto


def test_the_same_records_through_a_file_and_through_cloudwatch_are_equal(group, tmp_path):
    day = yesterday()
    texts = [(day + n * 7, line(n, day + n * 7)) for n in range(12_000)]  # more than a page in some hours
    group("eni-1-all", texts[::2])
    source = group("eni-2-all", texts[1::2])
    path = tmp_path / "a.log"
    path.write_text("\n".join([" ".join(DEFAULT_FORMAT), *(text for _, text in texts)]) + "\n")
    from_file, _ = read_all(resolve(str(path)))
    from_group, rows = read_all(resolve(source, since_s=day, until_s=day + 86_400))
    assert len(from_group) == 12_000
    assert shared(from_group) == shared(from_file)
    assert {row.envelope for row in rows if row.records} == {"filter_log_events"}
    assert {(row.account_id, row.region) for row in rows} == {("123456789012", "eu-west-1")}


def test_pages_are_followed_to_the_last(group):
    day = yesterday()
    source = group("eni-1-all", [(day + 60, line(n, day + 60)) for n in range(10_001)])
    group("eni-2-all", [(day + 60, line(n, day + 60)) for n in range(10_001)])
    records, _ = read_all(resolve(source, since_s=day, until_s=day + HOUR))
    assert len(records) == 20_002


def test_the_format_comes_from_the_flow_log_that_writes_into_the_group(group):
    day = yesterday()
    source = group("eni-1-all", [(day, f"{day} {day + 59} 10.0.0.2 10.0.0.1 ACCEPT 77 OK")])
    made = flow_log_into(group.name, "${start} ${end} ${srcaddr} ${dstaddr} ${action} ${bytes} ${log-status}", LONG_AGO)
    (record,), rows = read_all(resolve(source, since_s=day, until_s=day + 60))
    assert (record["srcaddr"], record["bytes"], record["flow_log_id"]) == ("10.0.0.2", 77, made)
    assert {(row.provenance, row.flow_log_id) for row in rows if row.records} == {("flow log", made)}


def test_an_explicit_format_goes_before_that_of_the_flow_log(group):
    day = yesterday()
    source = group("eni-1-all", [(day, f"{day} {day + 59} 10.0.0.2 10.0.0.1 ACCEPT 77 OK")])
    flow_log_into(group.name, "${start} ${end} ${srcaddr} ${dstaddr} ${action} ${bytes} ${log-status}", LONG_AGO)
    turned = "${start} ${end} ${dstaddr} ${srcaddr} ${action} ${bytes} ${log-status}"
    objects = resolve(source, since_s=day, until_s=day + 60)
    for given in (turned, {group.name: turned}):
        (record,), rows = read_all(objects, log_format=given)
        assert (record["dstaddr"], [row.provenance for row in rows if row.records]) == ("10.0.0.2", ["explicit"])


def test_a_flow_log_that_was_made_later_says_nothing_about_older_records(group):
    day = yesterday()
    source = group("eni-1-all", [(day, line(1, day))])
    made = flow_log_into(group.name, "${start} ${end} ${srcaddr}")
    (record,), rows = read_all(resolve(source, since_s=day, until_s=day + 60))
    assert record["bytes"] == 1
    (row,) = (row for row in rows if row.records)
    assert (row.provenance, row.flow_log_id) == ("default", "")
    assert row.message == f"{made} writes into this log group only since later; what wrote before is not known."


def test_flow_logs_that_disagree_give_a_line_to_the_only_format_it_fits(group):
    day = yesterday()
    short = "${srcaddr} ${dstaddr} ${start} ${end} ${action} ${bytes} ${log-status}"
    turned = "${dstaddr} ${srcaddr} ${start} ${end} ${action} ${bytes} ${log-status}"
    texts = [line(5, day), f"10.0.0.2 10.0.0.1 {day} {day + 59} ACCEPT 77 OK", "what is this"]
    source = group("eni-1-all", [(day, text) for text in texts])
    ids = sorted([flow_log_into(group.name, V2, LONG_AGO), flow_log_into(group.name, short, LONG_AGO)])
    objects = resolve(source, since_s=day, until_s=day + 60)
    records, rows = read_all(objects)
    assert sorted((one["srcaddr"], one["bytes"]) for one in records) == [("10.0.0.2", 77), ("10.0.0.5", 5)]
    (row,) = (row for row in rows if row.records)
    assert (row.malformed, row.provenance, row.flow_log_id) == (1, "flow log", "")
    assert row.samples[0].reason.startswith("has 3 values and fits none of the formats of fl-")
    assert f"{ids[0]} and {ids[1]} write into this log group in different formats; " in row.message
    assert "its traffic counts once for each." in row.message

    flow_log_into(group.name, turned, LONG_AGO)  # now the short line could mean two things
    records, rows = read_all(resolve(source, since_s=day, until_s=day + 60))
    assert [one["bytes"] for one in records] == [5]
    assert sum(row.malformed for row in rows) == 2
    records, _ = read_all(objects, log_format=short)
    assert [one["bytes"] for one in records] == [77]


def test_the_records_of_one_flow_log_bear_its_id_and_those_of_several_none(group, monkeypatch, tmp_path):
    monkeypatch.setenv("FLOWKIT_CACHE_DIR", str(tmp_path / "cache"))
    day = yesterday()
    source = group("eni-1-all", [(day + n * 60, line(n, day + n * 60)) for n in range(50)])

    def ids() -> list[list[object]]:
        with fk.open(source, since=day, until=day + HOUR, progress=False, inventory="none") as flows:
            assert flows.records == 50  # all of them count, with an id or without
            return flows.sql(
                "SELECT flow_log_id, CAST(sum(bytes) AS BIGINT) AS bytes FROM flows GROUP BY 1"
            ).values.tolist()

    assert ids() == [["", 1225]]  # no flow log is known
    first = flow_log_into(group.name, V2, LONG_AGO)
    assert ids() == [[first, 1225]]
    flow_log_into(group.name, f"{V2} ${{vpc-id}}", LONG_AGO)
    assert ids() == [["", 1225]]


def test_open_reads_a_log_group(group, monkeypatch, tmp_path):
    monkeypatch.setenv("FLOWKIT_CACHE_DIR", str(tmp_path / "cache"))
    day = yesterday()
    source = group("eni-1-all", [(day + n * 600, line(n, day + n * 600)) for n in range(-30, 144)])
    with fk.open(source, since=day, until=day + HOUR, progress=False, inventory="none") as flows:
        assert (flows.records, flows.period) == (6, (day, day + HOUR))
        assert flows.ledger.balanced
        assert flows.ledger.totals["out_of_period"] > 0


# Slices


def test_slices_are_full_hours_around_the_period_and_closed_ones_have_an_identity(stub):
    now = int(datetime(2026, 11, 3, 12, tzinfo=UTC).timestamp())
    objects = cloudwatch.find(f"cloudwatch:{GROUP}", now - 2 * HOUR - 1800, None)
    assert [one.name for one in objects] == [f"{GROUP}/2026-11-03T{hour:02}Z" for hour in (9, 10, 11)]
    assert [bool(one.etag) for one in objects] == [True, True, False]
    stub.now = "Tue, 03 Nov 2026 13:00:01 GMT"
    again = cloudwatch.find(f"cloudwatch:{GROUP}?region=eu-west-1", now - 1800, now + HOUR)
    assert [one.name[-3:] for one in again] == ["11Z", "12Z", "13Z"]
    assert again[0].uri == objects[2].uri
    older = cloudwatch.find(f"cloudwatch:{GROUP}", now - 3 * HOUR, now - 2 * HOUR)
    assert {one.uri: one.etag for one in objects[:2]}.items() <= {one.uri: one.etag for one in older}.items()


@pytest.mark.usefixtures("stub")
def test_no_period_is_the_last_full_day():
    names = [one.name.removeprefix(f"{GROUP}/") for one in cloudwatch.find(f"cloudwatch:{GROUP}", None, None)]
    assert (names[0], names[-1], len(names)) == ("2026-11-01T23Z", "2026-11-03T00Z", 26)


def test_hours_that_retention_has_deleted_are_one_row_of_the_ledger(stub):
    stub.group = {"retentionInDays": 1}
    now = int(datetime(2026, 11, 3, 12, tzinfo=UTC).timestamp())
    objects = resolve(f"cloudwatch:{GROUP}", since_s=now - 86_400 - 3 * HOUR, until_s=now - 86_400 + HOUR)
    assert [one.name.removeprefix(f"{GROUP}/") for one in objects] == ["2026-11-02T12Z", "2026-11-02T13Z", "deleted"]
    _, rows = read_all(objects)
    assert [row.status for row in rows] == ["empty"] * 3
    assert rows[-1].message == (
        "The log group keeps records for 1 day; AWS has deleted 4 hours of this period, to 2026-11-02T12:00Z."
    )
    assert stub.counted()["FilterLogEvents"] == 2


@pytest.mark.usefixtures("stub")
def test_a_period_before_the_group_or_after_now_has_nothing():
    for since, until in ((10**9, 10**9 + HOUR), (DAY + 30 * 86_400, DAY + 31 * 86_400)):
        with pytest.raises(SourceError) as error:
            cloudwatch.find(f"cloudwatch:{GROUP}", since, until)
        assert str(error.value) == (
            f"Log group {GROUP} has nothing in this period: it was made later, or it is to come."
        )


# FilterLogEvents, against the stand-in


def test_empty_pages_are_not_the_end_and_repeated_ids_are_dropped(stub):
    stub.events = [(DAY + n, "eni-1-all", line(n, DAY + n)) for n in range(50)]
    stub.per_page, stub.empty_pages, stub.repeat = 20, 3, True
    objects = cloudwatch.find(f"cloudwatch:{GROUP}", DAY + 600, DAY + 1200)
    records, rows = read_all(objects)
    assert (len(records), [row.repeats for row in rows]) == (50, [2])


def test_two_events_alike_with_ids_of_their_own_both_count(stub):
    stub.events = [(DAY, "eni-1-all", line(1))] * 2
    records, _ = read_all(cloudwatch.find(f"cloudwatch:{GROUP}", DAY + 600, DAY + 1200))
    assert len(records) == 2


def test_throttling_slows_down_and_nothing_is_lost(stub, monkeypatch):
    monkeypatch.setattr(calls, "START", 200.0)
    monkeypatch.setattr(calls, "LEAST", 100.0)
    stub.events = [(DAY + n, "eni-1-all", line(n, DAY + n)) for n in range(50)]
    stub.per_page = 10
    stub.trouble.extend([("FilterLogEvents", "ThrottlingException")] * 4 + [("FilterLogEvents", "InternalFailure")])
    records, _ = read_all(cloudwatch.find(f"cloudwatch:{GROUP}", DAY + 600, DAY + 1200))
    assert len(records) == 50
    assert stub.counted()["FilterLogEvents"] == 10


def test_the_pace_halves_once_for_calls_under_way_and_rises_slowly():
    now = [100.0]
    pace = calls.Pace(sleep=lambda s: now.__setitem__(0, now[0] + s), clock=lambda: now[0])
    pace.per_s = 8.0
    pace.throttled()
    before = pace.per_s
    now[0] += 1
    pace.throttled()
    pace.throttled()
    assert (before, pace.per_s) == (8.0, 4.0)  # none was sent yet when the first came back
    for _ in range(8):
        pace.wait()
        pace.answered()
    assert now[0] == pytest.approx(103.0, abs=0.2)
    assert 4.0 < pace.per_s < 5.0


def test_throttling_without_end_is_a_ledger_message(stub, monkeypatch):
    stub.events = [(DAY, "eni-1-all", line(1))]
    monkeypatch.setattr(calls, "PATIENCE_S", -1.0)
    objects = cloudwatch.find(f"cloudwatch:{GROUP}", DAY + 600, DAY + 1200)
    stub.trouble.extend([("FilterLogEvents", "ThrottlingException")])
    _, (row,) = read_all(objects)
    assert row.status == "unreadable"
    assert row.message == (
        "Reading failed: AWS has throttled logs:FilterLogEvents for 0 minutes without one answer. "
        "Something else uses up the account's quota; try again later, or ask AWS for a higher quota."
    )


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (
            "AccessDeniedException",
            f"AWS refuses logs:FilterLogEvents on log group {GROUP}. Allow that action in the caller's IAM policy.",
        ),
        ("ExpiredTokenException", "The AWS credentials have expired. Sign in again and repeat the command."),
        (
            "ResourceNotFoundException",
            f"log group {GROUP} does not exist. Check its name, the account and the region.",
        ),
        (
            "InvalidSignatureException",
            "AWS refuses the signature. Check the secret key and the clock of this machine.",
        ),
        (
            "RequestTimeTooSkewed",
            "AWS refuses the signature. Check the secret key and the clock of this machine.",
        ),
    ],
)
def test_a_refusal_in_the_middle_keeps_what_came_before(stub, code, sentence):
    stub.events = [(DAY + n, "eni-1-all", line(n, DAY + n)) for n in range(50)]
    stub.per_page = 20
    objects = cloudwatch.find(f"cloudwatch:{GROUP}", DAY + 600, DAY + 1200)
    whole = stub.FilterLogEvents

    def refusing(given: dict[str, Any]) -> dict[str, Any]:
        stub.trouble.append(("FilterLogEvents", code))
        return whole(given)

    stub.FilterLogEvents = refusing  # type: ignore[method-assign]
    records, (row,) = read_all(objects)
    assert (len(records), row.status) == (20, "unreadable")
    assert row.message == f"Reading failed: {sentence} The 20 good lines before that stay."


def test_refusals_before_reading_are_errors(stub):
    expected = {
        "AccessDeniedException": f"AWS refuses logs:DescribeLogGroups on log group {GROUP}. "
        "Allow that action in the caller's IAM policy.",
        "ExpiredTokenException": "The AWS credentials have expired. Sign in again and repeat the command.",
        "UnrecognizedClientException": "AWS does not know these credentials. "
        "Check the profile, the keys and the session token.",
    }
    for code, message in expected.items():
        stub.trouble.append(("DescribeLogGroups", code))
        with pytest.raises(SourceError) as error:
            cloudwatch.find(f"cloudwatch:{GROUP}", None, None)
        assert str(error.value) == message


@pytest.mark.usefixtures("stub")
def test_a_group_that_does_not_exist_is_an_error():
    with pytest.raises(SourceError) as error:
        cloudwatch.find("cloudwatch:/vpc/flo", None, None)
    assert str(error.value) == (
        "Log group /vpc/flo does not exist in region eu-west-1. "
        "Check its name, the account and the region (?region=..)."
    )


def test_without_leave_to_describe_flow_logs_the_ledger_says_so(stub):
    stub.ec2 = (403, DENIED)
    stub.events = [(DAY, "eni-1-all", line(1))]
    records, (row,) = read_all(cloudwatch.find(f"cloudwatch:{GROUP}", DAY + 600, DAY + 1200))
    assert (len(records), row.provenance) == (1, "default")
    assert row.message == (
        f"The format could not be asked for: AWS refuses ec2:DescribeFlowLogs on log group {GROUP}. "
        "Allow that action in the caller's IAM policy."
    )


@pytest.mark.usefixtures("stub")
def test_a_source_that_cannot_be_understood_says_why():
    expected = {
        "cloudwatch:": "cloudwatch: names no log group. Write cloudwatch:LOG-GROUP, for example cloudwatch:/vpc/flow.",
        "cloudwatch:a b": "'a b' cannot be a log group's name. Give its name, not its ARN.",
        "cloudwatch:/g?regoin=x": "A CloudWatch source has no option 'regoin'. "
        "There are region, profile, endpoint_url, role_arn, external_id.",
        "cloudwatch:/g?external_id=x": "external_id is given without role_arn. Name the role that it belongs to.",
    }
    for source, message in expected.items():
        with pytest.raises(SourceError) as error:
            resolve(source)
        assert str(error.value) == message


def test_a_role_is_assumed_with_its_external_id(group):
    day = yesterday()
    source = group("eni-1-all", [(day, line(1, day))])
    role = "?role_arn=arn:aws:iam::123456789012:role/reader&external_id=secret"
    records, _ = read_all(resolve(source + role, since_s=day, until_s=day + 60))
    assert len(records) == 1


def test_a_service_that_goes_in_circles_is_left(stub):
    stub.FilterLogEvents = lambda _: {"events": [], "nextToken": "again"}  # type: ignore[method-assign]
    _, (row,) = read_all(cloudwatch.find(f"cloudwatch:{GROUP}", DAY + 600, DAY + 1200))
    assert row.message == (
        f"Reading failed: logs:FilterLogEvents for log group {GROUP} does not get on: 21 times the same page token."
    )


# Logs Insights, against the stand-in: it heeds the query's time and streams, and gives 10,000 rows at most


def insights_read(stub: Stub) -> tuple[list[dict[str, Any]], LedgerRow]:
    stub.group = {"logGroupClass": "INFREQUENT_ACCESS"}
    records, (row,) = read_all(cloudwatch.find(f"cloudwatch:{GROUP}", DAY + 600, DAY + 1200))
    assert stub.counted()["FilterLogEvents"] == 0
    return records, row


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowkit.sources.cloudwatch.insights._LOOK_S", 0.0)


@pytest.mark.usefixtures("no_waiting")
def test_insights_cuts_an_hour_until_each_part_comes_whole(stub):
    """Against the stand-in, since moto ignores queries: 19,000 records, most of them in one minute."""
    busy = [(DAY + 1800.5 + n % 60, "eni-1-all", line(n, DAY + 1800 + n % 60)) for n in range(16_000)]
    calm = [(DAY + n % 3600, "eni-2-all", line(n, DAY + n % 3600)) for n in range(3_000)]
    stub.events = sorted(busy + calm)
    records, row = insights_read(stub)
    assert shared(records) == shared(read_all_lines([text for _, _, text in stub.events]))
    assert (row.status, row.repeats) == ("read", 0)


@pytest.mark.usefixtures("no_waiting")
def test_a_slice_of_exactly_ten_thousand_is_not_believed(stub):
    """Against the stand-in: 10,000 rows may be all or the cap, so they are asked for again in parts."""
    stub.events = [(DAY + n // 10, "eni-1-all", line(n, DAY + n // 10)) for n in range(10_000)]
    records, _ = insights_read(stub)
    assert len(records) == 10_000
    assert stub.counted()["StartQuery"] > 1


@pytest.mark.usefixtures("no_waiting")
def test_a_second_with_too_many_records_is_cut_by_streams(stub):
    """Against the stand-in: 12,000 records in one second, of four interfaces."""
    stub.events = [(DAY + 7, f"eni-{n % 4}-all", line(n, DAY + 7)) for n in range(12_000)]
    records, row = insights_read(stub)
    assert (len(records), row.status) == (12_000, "read")


@pytest.mark.usefixtures("no_waiting")
def test_more_than_insights_can_give_is_an_error_not_a_shorter_answer(stub):
    """Against the stand-in: 10,001 records of one interface in one second."""
    stub.events = [(DAY + 7, "eni-1-all", line(n, DAY + 7)) for n in range(10_001)]
    _, row = insights_read(stub)
    assert row.status == "unreadable"
    assert row.message.startswith(
        f"Reading failed: Log group {GROUP} has more than 10,000 records of one network interface in one second "
    )


def test_a_class_that_cannot_be_read_is_an_error(stub):
    stub.group = {"logGroupClass": "DELIVERY"}
    with pytest.raises(SourceError) as error:
        cloudwatch.find(f"cloudwatch:{GROUP}", None, None)
    assert str(error.value) == (
        f"Log group {GROUP} is of class DELIVERY, which cannot be read. Read where it delivers to."
    )


def read_all_lines(texts: list[str]) -> list[dict[str, Any]]:
    from tests.reading import lines, read

    batch, _ = read(lines(" ".join(DEFAULT_FORMAT), *texts))
    return batch


# Kept


def test_closed_hours_are_not_fetched_again_and_open_ones_are(stub, monkeypatch, tmp_path):
    monkeypatch.setenv("FLOWKIT_CACHE_DIR", str(tmp_path / "cache"))
    stub.events = [(DAY, "eni-1-all", line(1)), (DAY + 39 * HOUR, "eni-1-all", line(2, DAY + 39 * HOUR))]

    def fetched(since: int, until: int) -> int:
        before = stub.counted()["FilterLogEvents"]
        with fk.open(f"cloudwatch:{GROUP}", since=since, until=until, progress=False, inventory="none") as flows:
            assert flows.records == 1
        return stub.counted()["FilterLogEvents"] - before

    assert fetched(DAY, DAY + HOUR) > 0
    assert fetched(DAY, DAY + HOUR) == 0
    stub.now = "Tue, 03 Nov 2026 15:30:00 GMT"
    assert fetched(DAY + 38 * HOUR, DAY + 40 * HOUR) > 0
    assert fetched(DAY + 38 * HOUR, DAY + 40 * HOUR) > 0


def test_ids_are_remembered_with_flat_memory(monkeypatch):
    from flowkit.envelopes import documents

    monkeypatch.setattr(documents, "_EVENTS_REMEMBERED", 10)
    events = [f'{{"events":[{{"eventId":"{n}","message":"m"}},{{"eventId":"{n}","message":"m"}}]}}' for n in range(99)]
    walked = documents.Documents([" ".join(events).encode()])
    assert len(list(walked.lines())) == 99
    assert walked.repeats == 99
    assert len(walked._events) + len(walked._events_before) <= 20


def test_a_store_fetches_each_closed_hour_once(stub, tmp_path):
    from flowkit.opening import ingested

    stub.events = [(DAY + n * 600, "eni-1-all", line(n, DAY + n * 600)) for n in range(24)]
    store = str(tmp_path / "store")

    def fetched(until: int) -> int:
        before = stub.counted()["FilterLogEvents"]
        ingested(f"cloudwatch:{GROUP}", store, since=DAY + 600, until=until, inventory="none", progress=False)
        return stub.counted()["FilterLogEvents"] - before

    assert [fetched(DAY + 3000), fetched(DAY + 3000), fetched(DAY + 2 * HOUR)] == [1, 0, 2]
    with fk.open(store, progress=False, inventory="none") as flows:
        assert flows.records == 18


def test_plan_knows_what_an_hour_holds_on_average_where_aws_says_it_of_the_group(stub):
    made = int(datetime(2026, 10, 4, 12, tzinfo=UTC).timestamp())  # 720 hours before the stand-in's now
    stub.group = {"storedBytes": 720 * 2_000_000, "creationTime": made * 1000}
    told = plan(f"cloudwatch:{GROUP}", since=DAY + 600, until=DAY + HOUR)
    assert (told.objects, told.bytes, told.estimated_bytes) == (2, 0, 4_000_000)
    assert dict(told.requests) == {"FilterLogEvents": 4}  # 1.9 pages of one MiB for each of two hours
    stub.group["logGroupClass"] = "INFREQUENT_ACCESS"
    assert dict(plan(f"cloudwatch:{GROUP}", since=DAY + 600, until=DAY + HOUR).requests) == {"StartQuery": 4}
    assert stub.counted()["FilterLogEvents"] == 0


def test_a_large_group_is_not_read_without_a_word(stub, monkeypatch, tmp_path):
    monkeypatch.setenv("FLOWKIT_CACHE_DIR", str(tmp_path / "cache"))
    stub.group = {"storedBytes": 10**16}
    with pytest.raises(LimitError, match=r"That is more than 5\.0 GiB, so nothing was read"):
        fk.open(f"cloudwatch:{GROUP}", since=DAY, until=DAY + HOUR, progress=False)
    assert stub.counted()["FilterLogEvents"] == 0


@pytest.mark.usefixtures("stub")
def test_plan_does_not_pretend_to_know_how_much_an_hour_holds():
    told = str(plan(f"cloudwatch:{GROUP}?region=eu-west-1", since=DAY + 600, until=DAY + HOUR))
    assert told == (
        f"cloudwatch:{GROUP}: 2 objects; how much they hold is not known before they are read.\n"
        "It takes at least 2 calls of FilterLogEvents, which are free and few per second."
    )
