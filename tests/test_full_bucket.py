"""A bucket of a month: a report of one day lists little more than its day and fetches nothing else.

Calls are counted at the endpoint. The pages of the day's prefixes are what listing each of them alone would take; a
record of the day may lie in an object of the next day, so that day's prefixes are needed as well.
"""

from __future__ import annotations

import random
import time
from datetime import datetime, timedelta

import pytest

import flowkit as fk
from flowkit import sources, store
from tests.aws_server import ENVIRONMENT, aws
from tests.listing_stub import standing
from tests.reading import V2, lines
from tests.test_s3 import DAY, DAY_S, ONE_DAY, PERIOD, key_of, record

__all__ = ["aws"]

ACCOUNTS = ("111111111111", "222222222222", "333333333333", "444444444444")
REGIONS = ("eu-west-1", "us-east-1", "ap-south-1")
PAIRS = [(account, region) for account in ACCOUNTS for region in REGIONS]
#: 30 days of which the day that is asked for is the eleventh.
DAYS = range(-10, 20)


def slots(count: int, first: int) -> list[datetime]:
    """The slots of every twelfth of the `count` objects of a day, from the one numbered `first` on."""
    return [DAY + timedelta(minutes=5 * (n * 288 // count)) for n in range(first, count, len(PAIRS))]


def month(per_day: int) -> list[str]:
    """The keys of 30 days with so many objects each, shared by all accounts and regions."""
    return [
        key_of(at + timedelta(days=day), account=account, region=region, mark=f"{n:04x}")
        for place, (account, region) in enumerate(PAIRS)
        for n, at in enumerate(slots(per_day, place))
        for day in DAYS
    ]


def body(key: str) -> bytes:
    """One record at the start of the object's slot; of the object named `straddle`, one of ten minutes before."""
    at = datetime.strptime(key.split("_")[4], "%Y%m%dT%H%MZ")
    start = DAY + (at - DAY.replace(tzinfo=None)) - timedelta(minutes=10 if "straddle" in key else 0)
    return lines(V2, record(start, 7 if "straddle" in key else 1)).encode()


def pages(keys: list[str], *days: int) -> int:
    """How many list calls the prefixes of these days take, each by itself."""
    total = 0
    for account, region in PAIRS:
        for day in days:
            at = DAY + timedelta(days=day)
            folder = f"AWSLogs/{account}/vpcflowlogs/{region}/{at:%Y/%m/%d}/"
            total += -(-sum(key.startswith(folder) for key in keys) // 1000)
    return total


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FLOWKIT_CACHE_DIR", str(tmp_path / "cache"))


def test_two_thousand_objects_a_day_for_thirty_days(tmp_path):
    keys = month(2000)
    assert len(keys) == 60_000
    straddling = key_of(DAY + timedelta(days=1, minutes=5), account=ACCOUNTS[3], region=REGIONS[2], mark="straddle")
    late = key_of(DAY + timedelta(hours=3), account=ACCOUNTS[3], region=REGIONS[2], mark="late")
    with standing([*keys, straddling], body) as (endpoint, bucket):
        whole = f"s3://b/?endpoint_url={endpoint}"
        found = sources.resolve(whole, **PERIOD)
        calls, most = len(bucket.listed()), 1.2 * pages(keys, 0) + len(PAIRS)
        print(f"{len(keys):,} keys: {calls} list calls, at most {most:.1f}")
        assert calls <= most
        assert bucket.fetched() == []
        after = [at for place in range(len(PAIRS)) for at in slots(2000, place) if at <= DAY + timedelta(minutes=25)]
        assert len(found) == 2000 + len(after) + 1

        one = f"{whole}&account={ACCOUNTS[3]}&log_region={REGIONS[2]}"
        mine = [key for key in keys if f"{ACCOUNTS[3]}/vpcflowlogs/{REGIONS[2]}/{DAY:%Y/%m/%d}/" in key]
        store.ingest(tmp_path / "store", sources.resolve(one, **PERIOD))
        assert set(mine) <= set(bucket.fetched())
        assert all(key in mine or slot_s(key) <= DAY_S + 86_400 + 1500 for key in bucket.fetched())
        assert min(map(slot_s, bucket.fetched())) >= DAY_S
        with fk.open(str(tmp_path / "store"), **ONE_DAY, progress=False, inventory="none") as flows:
            assert flows.records == len(mine) + 1  # the straddling one
            assert flows.sql("SELECT start_s FROM flows WHERE srcport = 40007")["start_s"].tolist() == [DAY_S + 86_100]

        bucket.add(late)
        before = len(bucket.fetched())
        done = store.ingest(tmp_path / "store", sources.resolve(one, **PERIOD))
        assert (done.new, bucket.fetched()[before:]) == (1, [late])
        with fk.open(str(tmp_path / "store"), **ONE_DAY, progress=False, inventory="none") as flows:
            assert flows.records == len(mine) + 2


def slot_s(key: str) -> int:
    return int((datetime.strptime(key.split("_")[4], "%Y%m%dT%H%MZ") - datetime(1970, 1, 1)).total_seconds())


@pytest.mark.extended
def test_two_thousand_objects_a_day_in_every_account_and_region():
    """720,000 keys. One day takes two pages of each prefix, and so does the next day, which straddling records need."""
    keys = month(2000 * len(PAIRS))
    assert len(keys) == 720_000
    with standing(keys, lambda _: b"x") as (endpoint, bucket):
        began = time.monotonic()
        found = sources.resolve(f"s3://b/?endpoint_url={endpoint}", **PERIOD)
        calls, most = len(bucket.listed()), 1.2 * pages(keys, 0, 1) + len(PAIRS)
        print(f"{len(keys):,} keys: {calls} list calls, at most {most:.1f}; {time.monotonic() - began:.1f} s")
        assert calls <= most
        assert bucket.fetched() == []
        assert all(DAY_S <= slot_s(each.name) <= DAY_S + 86_400 + 1500 for each in found)
        assert sum(slot_s(each.name) < DAY_S + 86_400 for each in found) == 24_000


def test_a_listing_leaps_over_what_the_period_does_not_need():
    """One hour late in a day of 18 pages, of two flow logs: of each a page to find the hour, the hour, and the end."""
    keys = [
        key_of(DAY + timedelta(days=day, minutes=5 * (n * 288 // 9000)), log=log, mark=f"{n:04x}")
        for log in ("fl-0aa", "fl-0bb") for day in range(3) for n in range(9000)
    ]  # fmt: skip
    first_s = DAY_S + 86_400 + 20 * 3600
    with standing(keys, lambda _: b"x") as (endpoint, bucket):
        found = sources.resolve(f"s3://b/AWSLogs/?endpoint_url={endpoint}", since_s=first_s, until_s=first_s + 3600)
        last_s = first_s + 3600 + 1500
        assert sorted(each.name for each in found) == sorted(
            key.removeprefix("AWSLogs/") for key in keys if first_s <= slot_s(key) <= last_s
        )
        assert 0 < sum("/eu-west-1/" in prefix for prefix in bucket.listed()) <= 5


@pytest.mark.extended
def test_a_whole_day_of_every_account_and_region_is_read():
    keys = month(2000)
    with standing(keys, body) as (endpoint, bucket):
        with fk.open(f"s3://b/?endpoint_url={endpoint}", **ONE_DAY, progress=False, inventory="none") as flows:
            assert flows.records == 2000
        fetched = set(bucket.fetched())
    assert {key for key in keys if f"{DAY:%Y%m%d}T" in key} <= fetched
    assert all(DAY_S <= slot_s(key) <= DAY_S + 86_400 + 1500 for key in fetched)


def test_the_stand_in_lists_as_motos_server_does(aws):
    import boto3

    draw = random.Random(5)
    keys = sorted({"".join(draw.choice("ab/ é%+") for _ in range(draw.randrange(1, 9))).lstrip("/") or "x"
                   for _ in range(60)})  # fmt: skip
    true = boto3.client("s3", endpoint_url=aws)
    true.create_bucket(Bucket="listed-twice", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for key in keys:
        true.put_object(Bucket="listed-twice", Key=key, Body=b"x")
    with standing(keys, lambda _: b"x") as (endpoint, _):
        stub = boto3.client("s3", endpoint_url=endpoint)
        for _ in range(15):
            asked = {
                "Prefix": draw.choice(["", "a", "b/", "a/", "é"]), "MaxKeys": draw.choice([3, 7, 1000]),
                **draw.choice([{}, {"Delimiter": "/"}]), **draw.choice([{}, {}, {"StartAfter": draw.choice(keys)}]),
            }  # fmt: skip
            pages_of = [
                [
                    ([one["Key"] for one in page.get("Contents", ())],
                     [one["Prefix"] for one in page.get("CommonPrefixes", ())])
                    for page in client.get_paginator("list_objects_v2").paginate(
                        Bucket="listed-twice", **{k: v for k, v in asked.items() if k != "MaxKeys"},
                        PaginationConfig={"PageSize": asked["MaxKeys"]},
                    )
                ]
                for client in (true, stub)
            ]  # fmt: skip
            for kind in (0, 1):
                both = [sorted(name for page in found for name in page[kind]) for found in pages_of]
                assert both[0] == both[1], asked
        stub.close()
    true.close()
