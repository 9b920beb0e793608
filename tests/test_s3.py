"""Reading a bucket over HTTP: what is listed, what is fetched, and what a refusal or a broken connection leaves.

The server is moto's, with a proxy before it that counts and goes wrong. moto is not faithful in that it lets anybody
in, knows no KMS grants and never throttles: all such answers come from the proxy.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import flowkit as fk
from flowkit import sources, store
from flowkit.cli import main
from flowkit.errors import ReportError, SourceError
from flowkit.opening import period_of
from flowkit.parse import read_object
from flowkit.plan import plan
from flowkit.report import report
from flowkit.report.run import Outcome
from flowkit.sources import ahead
from flowkit.sources.ahead import fetched_ahead
from tests.aws_server import aws
from tests.faulty_s3 import Cut, Faulty, Refuse, Spoil, faulty
from tests.reading import V2, lines

__all__ = ["aws"]

DAY = datetime(2026, 11, 2, tzinfo=UTC)
ONE_DAY = {"since": "2026-11-02", "until": "2026-11-03"}
DAY_S = int(DAY.timestamp())
PERIOD = {"since_s": DAY_S, "until_s": DAY_S + 86_400}
ACCOUNT, REGION, LOG = "111111111111", "eu-west-1", "fl-0aa"


def record(start: datetime, n: int = 1, *, account: str = ACCOUNT) -> str:
    at_s = int(start.timestamp())
    return f"2 {account} eni-{n} 10.0.0.{n} 10.0.0.9 {40000 + n} 443 6 10 1000 {at_s} {at_s + 59} ACCEPT OK"


def text(*records: str) -> bytes:
    return gzip.compress(lines(V2, *records).encode())


def key_of(
    at: datetime, *, account: str = ACCOUNT, region: str = REGION, log: str = LOG, style: str = "plain",
    hourly: bool = False, top: str = "AWSLogs/", ending: str = "log.gz", mark: str = "0a",
) -> str:  # fmt: skip
    name = f"{account}_vpcflowlogs_{region}_{log}_{at:%Y%m%dT%H%MZ}_{mark}.{ending}"
    if style == "plain":
        hour = f"{at:%H}/" if hourly else ""
        return f"{top}{account}/vpcflowlogs/{region}/{at:%Y/%m/%d}/{hour}{name}"
    hour = f"hour={at:%H}/" if hourly else ""
    service = "aws-service" if style == "hive" else "service"
    days = f"year={at:%Y}/month={at:%m}/day={at:%d}/"
    return f"{top}aws-account-id={account}/{service}=vpcflowlogs/aws-region={region}/{days}{hour}{name}"


class Bucket:
    """A bucket of its own behind a proxy of its own."""

    made = 0

    def __init__(self, faults: Faulty) -> None:
        import boto3

        Bucket.made += 1
        self.faults = faults
        self.name = f"logs-{Bucket.made}"
        self.client = boto3.client("s3")
        self.client.create_bucket(Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": REGION})

    def put(self, key: str, body: bytes | None = None) -> str:
        self.client.put_object(Bucket=self.name, Key=key, Body=text(record(DAY)) if body is None else body)
        return key

    def source(self, prefix: str = "", **options: str) -> str:
        more = "".join(f"&{name}={value}" for name, value in options.items())
        return f"s3://{self.name}/{prefix}?endpoint_url={self.faults.endpoint}{more}"

    def keys(self, prefix: str = "", *, period: dict[str, int] | None = None, **options: str) -> list[str]:
        found = sources.resolve(self.source(prefix, **options), **(PERIOD if period is None else period))
        return sorted(each.uri.removeprefix(f"s3://{self.name}/") for each in found)


@pytest.fixture
def bucket(aws: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bucket]:
    monkeypatch.setenv("FLOWKIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("flowkit.sources.s3.body._WAIT_S", 0)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    with faulty(aws) as faults:
        made = Bucket(faults)
        yield made
        made.client.close()


def opened(source: str, **options: Any) -> fk.Flows:
    return fk.open(source, progress=False, **options)


def row_of(source: str, **period: int) -> Any:
    (found,) = sources.resolve(source, **(period or PERIOD))
    return read_object(found, lambda _: None)


NO_PERIOD = "No period was given, so only the last full day (UTC) of the remote source was read"


@pytest.mark.parametrize(
    ("top", "style", "hourly"),
    [
        ("AWSLogs/", "plain", False),
        ("a/b/AWSLogs/", "plain", True),
        ("AWSLogs/o-a1b2c3/", "plain", False),
        ("AWSLogs/o-a1b2c3/", "hive", True),
        ("a/b/AWSLogs/", "hive", False),
        ("AWSLogs/", "hive of transit gateways", True),
    ],
)
def test_every_layout_gives_the_slots_that_the_period_needs(bucket: Bucket, top: str, style: str, hourly: bool) -> None:
    def put(at: datetime, **options: Any) -> str:
        return bucket.put(key_of(at, style=style, hourly=hourly, top=top, **options))

    wanted = {put(DAY + timedelta(hours=hour)) for hour in (0, 5, 23)}
    wanted |= {put(DAY + timedelta(days=1, minutes=25))}  # a record of 23:59 that ends at 00:09, and the slack
    for away in (-1, 2, 40, -400):
        put(DAY + timedelta(days=away))
    put(DAY - timedelta(minutes=5))
    put(DAY + timedelta(days=1, minutes=30))
    assert bucket.keys() == sorted(wanted)
    inside = key_of(DAY, style=style, hourly=hourly, top=top).partition(f"{DAY:%d}/")[0]
    assert set(bucket.keys(inside)) <= wanted
    assert bucket.keys(inside.rstrip("/"))


def test_a_one_day_report_lists_little_more_than_its_day(bucket: Bucket) -> None:
    """The bucket of the requirement, smaller: 4 accounts, 3 regions, 8 days; one prefix has 2,100 objects a day."""
    from moto.s3.models import s3_backends

    inside = s3_backends["123456789012"]["aws"]  # thousands of PUTs over HTTP would take a minute
    wanted = set()
    for account in ("111111111111", "222222222222", "333333333333", "444444444444"):
        for region in ("eu-west-1", "us-east-1", "ap-south-1"):
            for day in range(-3, 5):
                many = 2100 if (account, region) == ("111111111111", "eu-west-1") and day in (0, 1) else 1
                for n in range(many):
                    at = DAY + timedelta(days=day, hours=12)
                    key = key_of(at, account=account, region=region, mark=f"{n:04x}")
                    inside.put_object(bucket.name, key, b"x")
                    if day == 0:
                        wanted.add(key)
    assert set(bucket.keys()) == wanted
    pages = 11 + 3  # of the day's prefixes; the next day's, for records that straddle, come on top in the same listings
    assert len(bucket.faults.listings()) <= 1.2 * pages + 4 * 3
    assert bucket.faults.fetched() == []


def test_late_and_straddling_objects_are_found_and_no_decoy_is_fetched(bucket: Bucket) -> None:
    bucket.put(key_of(DAY + timedelta(hours=1)), text(record(DAY + timedelta(hours=1), 1)))
    bucket.put(key_of(DAY + timedelta(days=1, minutes=5)), text(record(DAY + timedelta(hours=23, minutes=59), 2)))
    bucket.put(key_of(DAY + timedelta(days=3)), b"decoy")
    with opened(bucket.source(), **ONE_DAY) as flows:
        assert flows.records == 2
    bucket.put(key_of(DAY + timedelta(minutes=30), mark="late"), text(record(DAY + timedelta(minutes=28), 3)))
    with opened(bucket.source(), **ONE_DAY) as flows:
        assert flows.records == 3
    assert not [key for key in bucket.faults.fetched() if "20261105" in key]


def test_accounts_regions_and_flow_logs_can_be_chosen(bucket: Bucket) -> None:
    one = bucket.put(key_of(DAY))
    two = bucket.put(key_of(DAY, account="222222222222", log="fl-0bb"))
    three = bucket.put(key_of(DAY, region="us-east-1", log="fl-0cc"))
    bucket.put("notes.txt", b"not a log")
    assert bucket.keys(account=ACCOUNT) == sorted([one, three])
    assert bucket.keys(account=f"{ACCOUNT},222222222222", log_region=REGION) == sorted([one, two])
    assert bucket.keys(flow_log="fl-0bb") == [two]
    assert len(bucket.keys()) == 4


def test_a_period_of_an_hour_lists_its_hours(bucket: Bucket) -> None:
    for hour in range(24):
        bucket.put(key_of(DAY + timedelta(hours=hour), hourly=True), b"x")
        bucket.put(key_of(DAY + timedelta(hours=hour), log="fl-0bb"), b"x")  # this flow log has no folders by hour
        bucket.put(f"firehose/{DAY:%Y/%m/%d}/{hour:02}/flow-1", b"x")
    hour = {"since_s": DAY_S + 4 * 3600, "until_s": DAY_S + 5 * 3600}
    found = bucket.keys(period=hour)
    assert [key.split("_")[-2] for key in found if "AWSLogs" in key] == ["20261102T0400Z", "20261102T0500Z"] * 2
    assert [key for key in found if "firehose" in key] == [f"firehose/2026/11/02/{at:02}/flow-1" for at in (4, 5, 6)]
    prefixes = {one.query["prefix"] for one in bucket.faults.listings()}
    base = f"AWSLogs/{ACCOUNT}/vpcflowlogs/{REGION}/2026/11/02/"
    assert {one for one in prefixes if one.startswith(base)} == {base, f"{base}04/", f"{base}05/"}


def test_folders_by_hour_are_pruned_as_times_of_arrival(bucket: Bucket) -> None:
    def put(at: datetime) -> str:
        return bucket.put(f"firehose/{at:%Y/%m/%d/%H}/flow-1-{at:%Y-%m-%d-%H-%M-%S}-uuid", b"{}")

    wanted = [put(DAY), put(DAY + timedelta(hours=23)), put(DAY + timedelta(days=1, hours=1))]
    decoys = [put(DAY - timedelta(hours=1)), put(DAY + timedelta(days=1, hours=3)), put(DAY + timedelta(days=9))]
    assert bucket.keys() == wanted
    assert bucket.keys("firehose/2026/") == wanted
    assert bucket.keys(period={}) == sorted(wanted + decoys)


def test_what_has_no_known_layout_is_listed_whole(bucket: Bucket) -> None:
    exported = [bucket.put(f"exports/task/eni-{n}-all/000000.gz") for n in range(3)]
    test = bucket.put("exports/aws-logs-write-test", b"Permission Check Successful")
    by_day = [bucket.put(f"copies/2026/10/{n:02}/a.gz") for n in (1, 30)]  # when they were copied says nothing
    bucket.put("exports/", b"")
    assert bucket.keys() == sorted([*exported, test, *by_day])
    assert bucket.keys("exports/task/eni-1") == [exported[1]]
    assert bucket.keys(exported[0]) == [exported[0]]


def test_many_folders_of_no_known_layout_are_listed_in_one_go(bucket: Bucket) -> None:
    for n in range(120):
        bucket.put(f"exports/eni-{n}/000000.gz", b"x")
    assert len(bucket.keys("exports/")) == 120
    assert len(bucket.faults.listings()) <= 3


def test_other_services_and_other_files_are_named_and_not_errors(bucket: Bucket) -> None:
    bucket.put(key_of(DAY))
    bucket.put(f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/11/02/a.json.gz")
    bucket.put(f"AWSLogs/{ACCOUNT}/vpcflowlogs/{REGION}/2026/11/02/picture.png", b"\x89PNG\r\n\x1a\n" + bytes(99))
    with opened(bucket.source(), **ONE_DAY, strict=True) as flows:
        assert flows.ledger is not None
        assert flows.ledger.by_status() == {"read": 1, "foreign": 2}
        told = {row.object: row.message for row in flows.ledger if row.status == "foreign"}
    assert told[f"AWSLogs/{ACCOUNT}/CloudTrail/"] == "It holds logs of CloudTrail; it was not listed."
    assert not [key for key in bucket.faults.fetched() if "CloudTrail" in key]


def test_parquet_and_text_give_the_same_records(bucket: Bucket) -> None:
    table = pa.table(
        {name.replace("-", "_"): [value] for name, value in zip(V2.split(), record(DAY).split(), strict=True)}
    )
    file = io.BytesIO()
    pq.write_table(table, file)
    bucket.put(key_of(DAY, top="t/AWSLogs/"), text(record(DAY)))
    bucket.put(key_of(DAY, top="p/AWSLogs/", ending="log.parquet", style="hive"), file.getvalue())
    rows = []
    for top in ("t", "p"):
        with opened(bucket.source(f"{top}/"), **ONE_DAY) as flows:
            rows.append(flows.sql("SELECT srcaddr, dstport, bytes, start_s FROM flows").to_dict("records"))
    assert rows[0] == rows[1]
    assert len(rows[0]) == 1


def test_no_period_means_the_last_full_day_and_says_so(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowkit.opening.period.time.time", lambda: DAY_S + 86_400 + 40_000)
    bucket.put(key_of(DAY + timedelta(hours=3)), text(record(DAY + timedelta(hours=3))))
    bucket.put(key_of(DAY + timedelta(days=1, hours=3)), b"decoy")
    with opened(bucket.source()) as flows:
        assert flows.period == (DAY_S, DAY_S + 86_400)
        assert flows.notes[0] == (
            "No period was given, so only the last full day (UTC) of the remote source was read: 2026-11-02."
        )
        assert flows.source == f"s3://{bucket.name}/"
    assert period_of("logs/") == (None, None, ())
    listed = len(bucket.faults.listings())
    told = plan(bucket.source())
    assert (told.objects, told.unread, told.requests["LIST"]) == (1, 0, len(bucket.faults.listings()) - listed)
    assert str(told).splitlines()[1] == "1 of them is kept from an earlier run and not read again."
    told = plan(bucket.source(), since="2026-11-02")
    assert (told.objects, told.unread, told.requests["GET"]) == (2, 2, 2)


def test_a_report_lists_the_bucket_once_and_does_not_show_the_options(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("flowkit.opening.period.time.time", lambda: DAY_S + 86_400 + 40_000)
    bucket.put(key_of(DAY), text(record(DAY)))
    jobs: list[Any] = []
    said: list[str] = []
    monkeypatch.setattr(
        "flowkit.report.run_jobs",
        lambda given, *_, **__: jobs.extend(given) or [Outcome(one.name, "not run") for one in given],
    )
    with pytest.raises(ReportError):
        report("security", bucket.source(account=ACCOUNT), out=tmp_path, log=said.append)
    assert "endpoint_url" not in f"{jobs[0].spec} {said}"
    values = jobs[0].spec["parameters"]
    assert (values["since"], values["until"]) == (str(DAY_S), str(DAY_S + 86_400))
    calls = len(bucket.faults.asked)
    with opened(values["source"], since=values["since"], until=values["until"]) as flows:
        assert (flows.records, flows.source) == (1, f"s3://{bucket.name}/")
        assert flows.notes == (f"{NO_PERIOD}: 2026-11-02.",)
    assert len(bucket.faults.asked) == calls
    assert jobs[0].spec["reading"] == {"part": None, "notes": [f"{NO_PERIOD}: 2026-11-02."]}
    assert said[0].startswith("No period was given, so only the last full day (UTC)")


@pytest.mark.parametrize("stored", [False, True])
def test_a_report_tells_on_its_page_that_the_period_was_not_asked_for(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, stored: bool
) -> None:
    monkeypatch.setattr("flowkit.opening.period.time.time", lambda: DAY_S + 86_400 + 40_000)
    monkeypatch.setenv("FLOWKIT_SNAPSHOT", "")
    bucket.put(key_of(DAY), text(record(DAY)))
    tiny, out = str(Path(__file__).parent / "notebooks" / "tiny.ipynb"), tmp_path / "out"
    more = ["--store", str(tmp_path / "store")] if stored else []
    assert main(["report", tiny, bucket.source(), "--out", str(out), *more]) == 0
    (file,) = out.glob("*/tiny.json")
    told = json.loads(file.read_text())
    assert told["reading"]["notes"] == [f"{NO_PERIOD}: 2026-11-02."]
    assert (told["records"], "endpoint_url" in file.read_text()) == (1, False)
    banner, _, rest = file.with_suffix(".html").read_text().partition("</header>")
    assert NO_PERIOD in banner
    assert NO_PERIOD in rest  # what was read
    assert NO_PERIOD in (out / "index.html").read_text()


def test_a_body_that_is_cut_goes_on_where_it_stopped(bucket: Bucket) -> None:
    key = bucket.put(key_of(DAY), text(*(record(DAY, n % 200) for n in range(3000))))
    size = bucket.client.head_object(Bucket=bucket.name, Key=key)["ContentLength"]
    cuts = [size // 3, size // 4]
    bucket.faults.wrong = lambda asked: Cut(cuts.pop()) if asked.key == key and cuts else None
    row = row_of(bucket.source())
    assert (row.status, row.records, row.unreached) == ("read", 3000, False)
    gets = [one for one in bucket.faults.asked if one.key == key]
    assert [one.headers.get("range") for one in gets] == [
        None, f"bytes={size // 4}-", f"bytes={size // 4 + size // 3}-"
    ]  # fmt: skip
    assert len({one.headers["if-match"] for one in gets}) == 1


def test_a_connection_that_never_holds_is_an_unreadable_object(bucket: Bucket) -> None:
    key = bucket.put(key_of(DAY), lines(V2, *(record(DAY, n % 200) for n in range(3000))).encode())
    asked_for: list[str] = []

    def wrong(asked: Any) -> Cut | None:
        asked_for.append(asked.key)
        return Cut(40_000 if asked_for.count(key) == 1 else 0) if asked.key == key else None

    bucket.faults.wrong = wrong
    row = row_of(bucket.source())
    assert (row.status, row.unreached) == ("unreadable", True)
    assert 0 < row.records < 3000
    assert "the connection was cut 6 times at byte 40,000; run again later" in row.message


def test_a_body_that_was_spoiled_on_its_way_is_not_taken_for_good(bucket: Bucket) -> None:
    key = bucket.put(key_of(DAY), lines(V2, *(record(DAY) for _ in range(100))).encode())
    bucket.faults.wrong = lambda asked: Spoil(len(V2) + 30) if asked.key == key else None
    row = row_of(bucket.source())
    assert (row.status, row.unreached) == ("unreadable", True)
    assert "what arrived does not have the checksum that S3 keeps of it" in row.message


SENTENCES = {
    Refuse(403, "AccessDenied"): "access is denied (AccessDenied); allow s3:GetObject there",
    Refuse(403, "AccessDenied", "User is not authorized to perform: kms:Decrypt"): "allow kms:Decrypt on that key",
    Refuse(400, "KMS.DisabledException"): "the KMS key that encrypts it refuses (KMS.DisabledException)",
    Refuse(400, "ExpiredToken"): "the credentials have expired; renew them",
    Refuse(403, "RequestTimeTooSkewed"): "the clock of this machine is wrong; set the clock",
    Refuse(503, "SlowDown"): "S3 asks to slow down, even after several tries; run again later (SlowDown)",
    Refuse(500, "InternalError"): "S3 failed with InternalError, even after several tries; run again later",
    Refuse(403, "InvalidObjectState"): "it is archived; restore it from its storage class first",
    Refuse(404, "NoSuchKey"): "it was deleted after it was listed",
    Refuse(412, "PreconditionFailed"): "it was replaced after it was listed; run again",
}


@pytest.mark.parametrize("refusal", SENTENCES, ids=lambda one: f"{one.code} {one.message}"[:40])
def test_a_refused_object_is_named_with_the_remedy_and_the_rest_is_read(bucket: Bucket, refusal: Refuse) -> None:
    bad = bucket.put(key_of(DAY), text(record(DAY, 1)))
    bucket.put(key_of(DAY + timedelta(hours=1)), text(record(DAY + timedelta(hours=1), 2)))
    bucket.faults.wrong = lambda asked: refusal if asked.key == bad else None
    with opened(bucket.source(), **ONE_DAY) as flows:
        assert flows.records == 1
        assert flows.ledger is not None
        (problem,) = flows.ledger.problems()
    assert problem.startswith(f"{bad} is unreadable: It cannot be opened: ")
    assert SENTENCES[refusal] in problem


def test_throttling_that_passes_is_not_noticed(bucket: Bucket) -> None:
    bucket.put(key_of(DAY), text(record(DAY)))
    left = [Refuse(503, "SlowDown"), Refuse(500, "InternalError"), Refuse(503, "SlowDown")]
    bucket.faults.wrong = lambda _: left.pop() if left else None
    with opened(bucket.source(), **ONE_DAY) as flows:
        assert flows.records == 1
        assert flows.notes == ()
    assert left == []


def test_an_object_deleted_or_replaced_after_the_listing_is_told(bucket: Bucket) -> None:
    key = bucket.put(key_of(DAY))
    (gone,) = sources.resolve(bucket.source(), **PERIOD)
    bucket.put(key, text(record(DAY), record(DAY)))
    assert "it was replaced after it was listed" in read_object(gone, lambda _: None).message
    bucket.client.delete_object(Bucket=bucket.name, Key=key)
    assert "it was deleted after it was listed" in read_object(gone, lambda _: None).message


def test_an_object_replaced_under_its_key_is_read_again(bucket: Bucket) -> None:
    key = bucket.put(key_of(DAY), text(record(DAY, 1)))
    with opened(bucket.source(), **ONE_DAY) as flows:
        assert flows.records == 1
    bucket.put(key, text(record(DAY, 1), record(DAY, 2)))
    with opened(bucket.source(), **ONE_DAY) as flows:
        assert flows.records == 2


def test_a_prefix_that_may_not_be_listed_is_named_and_the_rest_is_read(bucket: Bucket) -> None:
    bucket.put(key_of(DAY), text(record(DAY)))
    bucket.put(key_of(DAY, account="222222222222"))
    denied = "AWSLogs/222222222222/"
    bucket.faults.wrong = lambda asked: (
        Refuse(403, "AccessDenied") if asked.query.get("prefix", "").startswith(denied) else None
    )
    with opened(bucket.source(), **ONE_DAY) as flows:
        assert flows.records == 1
        assert flows.ledger is not None
        assert flows.ledger.problems() == (
            f"{denied} is unreadable: Its objects cannot be listed: access is denied (AccessDenied); "
            "allow s3:ListBucket there, and add ?requester_pays=true where the reader pays.",
        )


def test_what_could_not_be_reached_is_tried_again_and_what_was_read_is_kept(bucket: Bucket) -> None:
    bad = bucket.put(key_of(DAY), text(record(DAY, 1)))
    good = bucket.put(key_of(DAY + timedelta(hours=1)), text(record(DAY + timedelta(hours=1), 2)))
    bucket.faults.wrong = lambda asked: Refuse(403, "AccessDenied") if asked.key == bad else None
    for _ in range(2):
        with opened(bucket.source(), **ONE_DAY) as flows:
            assert flows.records == 1
    assert (bucket.faults.fetched().count(bad), bucket.faults.fetched().count(good)) == (2, 1)
    bucket.faults.wrong = lambda _: None
    for _ in range(2):
        with opened(bucket.source(), **ONE_DAY) as flows:
            assert flows.records == 2
            assert flows.sql("SELECT DISTINCT object_id FROM flows ORDER BY 1").object_id.tolist() == [1, 2]
            assert flows.ledger.balanced
    assert (bucket.faults.fetched().count(bad), bucket.faults.fetched().count(good)) == (3, 1)
    logs = store.cache_folder() / "logs"
    assert sorted("-" in folder.name for folder in logs.iterdir()) == [False, True, True]
    store.sweep(time.time() + 2 * 86_400)
    assert ["-" in folder.name for folder in logs.iterdir()] == [False]


def test_what_broke_off_is_read_again_and_its_first_records_do_not_count_twice(bucket: Bucket) -> None:
    def put(hour: int, n: int) -> str:
        at = DAY + timedelta(hours=hour)
        return bucket.put(key_of(at), lines(V2, *(record(at, k % 200) for k in range(n))).encode())

    bad, good = put(0, 3000), [put(hour, 10) for hour in (1, 2, 3)]
    bucket.faults.wrong = lambda asked: Cut(40_000 if "range" not in asked.headers else 0) if asked.key == bad else None
    with opened(bucket.source(), **ONE_DAY) as flows:
        assert 30 < flows.records < 3030
    bucket.faults.wrong = lambda _: None
    with opened(bucket.source(), **ONE_DAY) as flows:
        assert flows.records == 3030
        assert flows.ledger is not None
        assert [row.records for row in flows.ledger] == [3000, 10, 10, 10]
        assert flows.ledger.balanced
        counted = flows.sql("SELECT object_id, count(*) AS n FROM flows GROUP BY 1 ORDER BY 1")
    assert counted.values.tolist() == [[1, 3000], [2, 10], [3, 10], [4, 10]]
    assert [bucket.faults.fetched().count(key) for key in good] == [1, 1, 1]


def test_a_source_that_cannot_be_reached_at_all_is_one_sentence(bucket: Bucket) -> None:
    bucket.put("a/b.txt", b"x")

    def said(source: str) -> str:
        with pytest.raises(SourceError) as error:
            sources.resolve(source, **PERIOD)
        return str(error.value)

    assert said("s3://") == "s3:// names no bucket. Write s3://bucket/prefix."
    assert said("s3://b/?regoin=x").startswith("An S3 source has no option 'regoin'. There are profile, region")
    assert said(bucket.source(external_id="x")).startswith("external_id is given without role_arn.")
    assert said(bucket.source(requester_pays="yes")).startswith("requester_pays is 'yes' in the source.")
    assert said(bucket.source("none/")).startswith(f"s3://{bucket.name}/none/ has no object to read for this period.")
    assert "there is no such bucket; check its name" in said("s3://no-such-bucket-here/")
    assert "profile (nobody) could not be found" in said(bucket.source(profile="nobody"))
    assert "no connection could be made" in said("s3://b-c-d/?endpoint_url=http://127.0.0.1:9")
    bucket.faults.wrong = lambda _: Refuse(400, "ExpiredToken")
    assert "the credentials have expired; renew them" in said(bucket.source())
    bucket.faults.wrong = lambda _: Refuse(403, "RequestTimeTooSkewed")
    assert "S3 says that the clock of this machine is wrong; set the clock and run again" in said(bucket.source())


def test_a_role_and_a_reader_who_pays_reach_every_request(bucket: Bucket) -> None:
    bucket.put(key_of(DAY))
    source = bucket.source(
        role_arn="arn:aws:iam::111111111111:role/reader", external_id="e-1", requester_pays="true", region="us-east-1"
    )
    assert row_of(source).records == 1
    to_s3 = [one for one in bucket.faults.asked if one.method == "GET"]
    assert to_s3
    assert {one.headers.get("x-amz-request-payer") for one in to_s3} == {"requester"}
    assert all("x-amz-security-token" in one.headers for one in to_s3)
    assert [one.method for one in bucket.faults.asked].count("POST") == 1


def test_bodies_fetched_ahead_stay_within_their_budget_and_in_order() -> None:
    out = [0, 0]

    def made(n: int, size: int) -> sources.Object:
        def opener() -> Any:
            out[0] += size
            out[1] = max(out)
            return io.BytesIO(bytes([n]) * size)

        return sources.Object(uri=f"x:{n}", name=str(n), opener=opener, size=size, remote=True)

    objects = [made(n, 900 if n == 7 else 100) for n in range(40)]
    with fetched_ahead([objects], budget=1000) as (ready,):
        for place, each in ready:
            with each.open() as file:
                data = file.read()
            assert data == bytes([place]) * (900 if place == 7 else 100)
            out[0] -= len(data)
    assert out[1] <= 1000 + 900


def test_an_ingest_of_more_than_the_budget_never_holds_more_than_the_budget(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """60 objects of about 100 kB with a budget of 1 MB: bodies in memory, those being fetched included."""
    budget, lock, held = 1_000_000, threading.Lock(), [0, 0, 0]
    plain = lines(V2, *(record(DAY, n % 200) for n in range(1000))).encode()
    for n in range(60):
        bucket.put(key_of(DAY + timedelta(minutes=5 * n)), plain)
    fetched = ahead._fetched

    def change(size: int) -> None:
        with lock:
            held[0] += size
            held[1] = max(held[:2])
            held[2] += size > 0

    class Counted(io.BytesIO):
        def close(self) -> None:
            if not self.closed:
                change(-len(plain))
            super().close()

    def counted(each: sources.Object) -> Any:
        change(len(plain))
        return Counted(fetched(each).read())

    monkeypatch.setattr(ahead, "_fetched", counted)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    ingesting = sys.modules["flowkit.store.ingest"]
    monkeypatch.setattr(ingesting, "fetched_ahead", partial(fetched_ahead, budget=budget))
    done = store.ingest(tmp_path / "store", sources.resolve(bucket.source(), **PERIOD))
    assert (done.new, done.records) == (60, 60_000)
    assert held[2] == 60
    assert 4 * len(plain) < held[1] <= budget < 60 * len(plain)


def test_an_error_while_fetching_ahead_comes_where_it_would_have_been() -> None:
    class Broken(io.RawIOBase):
        left = 3

        def read(self, size: int = -1) -> bytes:  # noqa: ARG002
            self.left -= 1
            if not self.left:
                raise OSError("the line broke")
            return lines(V2, record(DAY)).encode() if self.left == 2 else lines(record(DAY)).encode()

    broken = sources.Object(uri="x:b", name="b", opener=Broken, size=9, remote=True)
    with fetched_ahead([[broken]]) as (ready,):
        ((_, each),) = ready
        row = read_object(each, lambda _: None)
    assert (row.status, row.records, row.unreached) == ("unreadable", 2, True)
    assert row.message == "Reading failed: the line broke. The 2 good lines before that stay."
