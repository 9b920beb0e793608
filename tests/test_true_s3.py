"""Reading a bucket of a true S3 server: what moto's cannot show, since it checks no signature and no policy.

The server is named by FLOWKIT_TRUE_S3_ENDPOINT, its credentials by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; it is
given one bucket, which is emptied and removed at the end. CONTRIBUTING.md says how to start one.
"""

from __future__ import annotations

import gzip
import json
import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import flowkit as fk
from flowkit import sources, store
from flowkit.cli import main
from flowkit.errors import SourceError
from flowkit.parse import read_object
from tests.faulty_s3 import Cut, Faulty, faulty
from tests.reading import V2, lines
from tests.test_s3 import DAY, ONE_DAY, PERIOD, key_of, record, text

ENDPOINT = os.environ.get("FLOWKIT_TRUE_S3_ENDPOINT", "")

pytestmark = [
    pytest.mark.extended,
    pytest.mark.skipif(not ENDPOINT, reason="FLOWKIT_TRUE_S3_ENDPOINT names no S3 server"),
]


class Bucket:
    """A bucket of the server behind a proxy that counts and cuts."""

    def __init__(self, faults: Faulty) -> None:
        import boto3

        self.faults = faults
        self.name = f"flowkit-{uuid.uuid4().hex[:12]}"
        self.client = boto3.client("s3", endpoint_url=ENDPOINT)
        self.client.create_bucket(Bucket=self.name)

    def put(self, key: str, body: bytes, **options: Any) -> str:
        self.client.put_object(Bucket=self.name, Key=key, Body=body, **options)
        return key

    def fill(self, bodies: dict[str, bytes]) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self.put, bodies, bodies.values()))

    def source(self, prefix: str = "", **options: str) -> str:
        more = "".join(f"&{name}={value}" for name, value in options.items())
        return f"s3://{self.name}/{prefix}?endpoint_url={self.faults.endpoint}{more}"

    def found(self, prefix: str = "", period: dict[str, int] | None = None) -> list[sources.Object]:
        return sources.resolve(self.source(prefix), **(PERIOD if period is None else period))

    def keys(self, prefix: str = "", period: dict[str, int] | None = None) -> list[str]:
        return sorted(each.uri.removeprefix(f"s3://{self.name}/") for each in self.found(prefix, period))

    def remove(self) -> None:
        with suppress(self.client.exceptions.ClientError):
            self.client.delete_bucket_policy(Bucket=self.name)
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name):
            for one in page.get("Contents", ()):
                self.client.delete_object(Bucket=self.name, Key=one["Key"])
        self.client.delete_bucket(Bucket=self.name)
        self.client.close()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bucket]:
    monkeypatch.setenv("FLOWKIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", os.environ.get("AWS_DEFAULT_REGION", "us-east-1"))
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setattr("flowkit.sources.s3.body._WAIT_S", 0)
    with faulty(ENDPOINT) as faults:
        made = Bucket(faults)
        yield made
        made.remove()


def row_of(found: sources.Object) -> Any:
    return read_object(found, lambda _: None)


def refused(source: str) -> str:
    with pytest.raises(SourceError) as error:
        sources.resolve(source, **PERIOD)
    return str(error.value)


def a_day(tmp_path: Path) -> dict[str, bytes]:
    """Two accounts and two regions, an object an hour, here and in a folder of the disk."""
    bodies = {}
    for account in ("111111111111", "222222222222"):
        for region in ("eu-west-1", "us-east-1"):
            for hour in range(24):
                at = DAY + timedelta(hours=hour)
                records = [record(at + timedelta(seconds=n), n, account=account) for n in range(1, 20)]
                bodies[key_of(at, account=account, region=region)] = text(*records)
    for key, body in bodies.items():
        path = tmp_path / "logs" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return bodies


def test_a_report_and_a_store_are_those_of_the_same_files_on_disk(
    bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket.fill(a_day(tmp_path))
    period = ["--since", ONE_DAY["since"], "--until", ONE_DAY["until"]]
    sql = "SELECT account_id, interface_id, srcaddr, start_s, bytes FROM flows ORDER BY ALL"
    with fk.open(str(tmp_path / "logs"), **ONE_DAY, progress=False) as disk:
        wanted = disk.sql(sql).to_dict("records")
        assert len(wanted) == 4 * 24 * 19
    with fk.open(bucket.source(), **ONE_DAY, progress=False) as flows:
        assert flows.sql(sql).to_dict("records") == wanted
    kept = str(tmp_path / "store")
    assert main(["ingest", bucket.source(), "--store", kept, *period]) == 0
    asked = len(bucket.faults.fetched())
    assert main(["ingest", bucket.source(), "--store", kept, *period]) == 0
    assert len(bucket.faults.fetched()) == asked
    assert store.verify(kept) == ()
    with fk.open(kept, **ONE_DAY, progress=False) as flows:
        assert flows.sql(sql).to_dict("records") == wanted
    out = tmp_path / "reports"
    assert main(["report", "security", bucket.source(), *period, "--out", str(out)]) == 0
    assert [path.stat().st_size > 100_000 for path in out.rglob("security_review.html")] == [True]
    capsys.readouterr()


def test_pages_of_keys_and_of_folders_are_followed_to_the_last(bucket: Bucket) -> None:
    day = [key_of(DAY + timedelta(minutes=5 * (n % 288)), mark=f"{n:04x}") for n in range(1150)]
    wide = [f"exports/eni-{n:04}/000000.gz" for n in range(1100)]
    bucket.fill(dict.fromkeys([*day, *wide], b"x"))
    assert bucket.keys("AWSLogs/") == sorted(day)
    pages = len(bucket.faults.listings())
    assert bucket.keys("exports/") == wide
    assert bucket.keys() == sorted([*day, *wide])
    print("list calls of 1,150 keys in a day:", pages, "of all:", len(bucket.faults.listings()))
    assert pages <= 1.2 * 2 + 4


def test_keys_with_any_characters_are_listed_and_read(bucket: Bucket) -> None:
    names = ["ä b", "100%", "a%2Fb", "c+d&e=f", "q?#x", "日本", "tab\there", "e\u0301", "'\"<>", "a//b", "..", "~"]
    keys = [f"exports/{name}/000000.gz" for name in names]
    for key in keys:
        bucket.put(key, text(record(DAY)))
    assert bucket.keys(period={}) == sorted(keys)
    assert {row_of(each).records for each in bucket.found(period={})} == {1}
    assert bucket.keys("exports/ä b/", {}) == [keys[0]]


def test_a_wrong_secret_a_wrong_key_and_a_wrong_clock_are_told_apart(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put(key_of(DAY), text(record(DAY)))
    with monkeypatch.context() as other:
        other.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
        assert "the secret key does not belong to the access key" in refused(bucket.source())
    with monkeypatch.context() as other:
        other.setenv("AWS_ACCESS_KEY_ID", "nobody")
        assert "AWS does not know the access key" in refused(bucket.source())
    with monkeypatch.context() as other:
        late: Callable[..., datetime] = lambda **_: datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=2)  # noqa: E731
        other.setattr("botocore.auth.get_current_datetime", late)
        assert "the clock of this machine is wrong; set the clock" in refused(bucket.source())
    assert "there is no such bucket; check its name" in refused(
        f"s3://{bucket.name}-not?endpoint_url={bucket.faults.endpoint}"
    )
    assert [row_of(each).records for each in bucket.found()] == [1]


def test_another_region_is_served_or_named(bucket: Bucket) -> None:
    """S3 redirects to the region of the bucket; other servers take any region that the signature names."""
    bucket.put(key_of(DAY), text(record(DAY)))
    (found,) = sources.resolve(bucket.source(region="ap-south-1"), **PERIOD)
    assert row_of(found).records == 1


def test_a_body_that_is_cut_goes_on_where_it_stopped(bucket: Bucket) -> None:
    key = bucket.put(key_of(DAY), lines(V2, *(record(DAY, n % 200) for n in range(50_000))).encode())
    cuts = [1_000_000, 0, 2_000_000]
    bucket.faults.wrong = lambda asked: Cut(cuts.pop(0)) if asked.key == key and cuts else None
    (found,) = bucket.found()
    row = row_of(found)
    assert (row.status, row.records, row.unreached) == ("read", 50_000, False)
    ranges = [one.headers.get("range") for one in bucket.faults.asked if one.key == key]
    assert ranges == [None, "bytes=1000000-", "bytes=1000000-", "bytes=3000000-"]


def test_an_object_replaced_or_deleted_since_the_listing_is_told_even_in_its_middle(bucket: Bucket) -> None:
    body = lines(V2, *(record(DAY, n % 200) for n in range(20_000))).encode()
    key = bucket.put(key_of(DAY), body)
    (found,) = bucket.found()
    bucket.faults.wrong = lambda asked: Cut(500_000) if asked.key == key and "range" not in asked.headers else None
    with found.open() as file:
        assert file.read(400_000) == body[:400_000]
        bucket.put(key, body[::-1])
        with pytest.raises(OSError, match="it was replaced after it was listed"):
            while file.read(100_000):
                pass
    bucket.faults.wrong = lambda _: None
    assert "it was replaced after it was listed" in row_of(found).message
    bucket.client.delete_object(Bucket=bucket.name, Key=key)
    assert "it was deleted after it was listed" in row_of(found).message


def test_an_object_put_in_parts_is_read_like_any_other(bucket: Bucket) -> None:
    key = key_of(DAY)
    body = gzip.compress(lines(V2, *(record(DAY, n % 200) for n in range(80_000))).encode(), 0)
    where = {"Bucket": bucket.name, "Key": key}
    upload = bucket.client.create_multipart_upload(**where)["UploadId"]
    parts = []
    for n, piece in enumerate((body[: 5 << 20], body[5 << 20 :]), 1):
        etag = bucket.client.upload_part(**where, UploadId=upload, PartNumber=n, Body=piece)["ETag"]
        parts.append({"PartNumber": n, "ETag": etag})
    bucket.client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})
    (found,) = bucket.found()
    assert found.etag.endswith("-2")
    assert row_of(found).records == 80_000


def test_encryption_with_a_key_of_ones_own_is_refused_in_a_sentence_and_the_rest_is_read(bucket: Bucket) -> None:
    bucket.put(key_of(DAY + timedelta(hours=1)), text(record(DAY + timedelta(hours=1))))
    secret = "0123456789abcdef0123456789abcdef"
    bad = bucket.put(key_of(DAY), text(record(DAY)), SSECustomerAlgorithm="AES256", SSECustomerKey=secret)
    with fk.open(bucket.source(), **ONE_DAY, progress=False) as flows:
        assert flows.records == 1
        assert flows.ledger is not None
        (problem,) = flows.ledger.problems()
    print(problem)
    assert problem.startswith(f"{bad} is unreadable: It cannot be opened: ")
    assert "a key of the sender's own (SSE-C)" in problem


def test_a_prefix_and_an_object_that_a_policy_denies_are_named_and_the_rest_is_read(bucket: Bucket) -> None:
    here = f"arn:aws:s3:::{bucket.name}"
    keys = [key_of(DAY + timedelta(hours=hour)) for hour in range(3)]
    for key in keys:
        bucket.put(key, text(record(DAY + timedelta(hours=1))))
    other = bucket.put(key_of(DAY, account="222222222222"), text(record(DAY)))
    prefix = other.partition("vpcflowlogs/")[0]
    statements = [
        {"Action": "s3:GetObject", "Resource": f"{here}/{keys[0]}"},
        {"Action": "s3:ListBucket", "Resource": here, "Condition": {"StringLike": {"s3:prefix": f"{prefix}*"}}},
    ]
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Principal": {"AWS": ["*"]}, **one} for one in statements],
    }
    bucket.client.put_bucket_policy(Bucket=bucket.name, Policy=json.dumps(policy))
    with fk.open(bucket.source(), **ONE_DAY, progress=False) as flows:
        assert flows.records == 2
        assert flows.ledger is not None
        problems = sorted(flows.ledger.problems())
    assert len(problems) == 2
    assert f"{keys[0]} is unreadable: It cannot be opened: access is denied (AccessDenied)" in problems[0]
    assert f"{prefix} is unreadable: Its objects cannot be listed: access is denied (AccessDenied)" in problems[1]
