"""The same logs through every place and wrapping that AWS delivers them in give the same records.

Bucket, log group and DescribeFlowLogs are moto's, over HTTP. The records of an object of text are what the others are
compared with; where they were read (`object_id`, `flow_log_id`) is apart. moto does not write flow logs, so the objects
are made here as the AWS guides describe them.
"""

from __future__ import annotations

import gzip
import io
import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import flowkit as fk
from flowkit import store
from flowkit.fields import DEFAULT_FORMAT, FIELDS, VPC_FIELDS
from flowkit.formats import parse_format, to_format_string
from flowkit.parse import read_object
from flowkit.sources import Object, resolve
from flowkit.sources.cloudwatch import calls
from tests.aws_server import aws
from tests.reading import lines
from tests.test_cloudwatch import LONG_AGO, flow_log_into, yesterday

__all__ = ["aws"]

ACCOUNT, REGION = "123456789012", "eu-west-1"
HOUR = 3600
V5 = parse_format(
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
    "log-status vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id pkt-src-aws-service "
    "pkt-dst-aws-service flow-direction traffic-path"
)
#: A custom order, without version and account, and with fields of versions 7 and 8 between.
ODD = parse_format(
    "end log-status dstport srcport start pkt-dstaddr dstaddr srcaddr ecs-cluster-name bytes packets protocol "
    "action reject-reason flow-direction interface-id tcp-flags"
)
#: The hour of the day in which all records are.
AT_HOUR = 7

Line = tuple[str, ...]
_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As fast as a loopback allows, and no day read by another test."""
    monkeypatch.setattr(calls, "START", 10_000.0)
    monkeypatch.setattr(calls, "MOST", 10_000.0)
    monkeypatch.setenv("FLOWKIT_CACHE_DIR", str(tmp_path / "cache"))


def as_text(names: Sequence[str], given_lines: Sequence[Line]) -> bytes:
    """A log file of S3: gzip, with a header line."""
    return gzip.compress(lines(" ".join(names), *map(" ".join, given_lines)).encode())


def as_parquet(names: Sequence[str], given_lines: Sequence[Line]) -> bytes:
    """A Parquet file of S3: columns with underscores, AWS's types, nulls for `-`."""
    types = {"INT_32": pa.int32(), "INT_64": pa.int64(), "STRING": pa.string()}
    arrays = {}
    for place, name in enumerate(names):
        kind = types[FIELDS[name].parquet]
        cells = [None if line[place] == "-" else line[place] for line in given_lines]
        arrays[name.replace("-", "_")] = pa.array(
            [None if cell is None else cell if kind == pa.string() else int(cell) for cell in cells], kind
        )
    file = io.BytesIO()
    pq.write_table(pa.table(arrays), file, compression="gzip")
    return file.getvalue()


def as_firehose(names: Sequence[str], given_lines: Sequence[Line]) -> bytes:  # noqa: ARG001
    """An object of Firehose: JSON, one record after the other, now with a newline between and now without."""
    return "".join(
        json.dumps({"message": " ".join(line)}) + "\n" * (n % 3 > 0) for n, line in enumerate(given_lines)
    ).encode()


def as_subscription(names: Sequence[str], given_lines: Sequence[Line]) -> bytes:
    """Payloads of a subscription filter, as Firehose puts them together: gzip members of one JSON document each."""
    start = names.index("start")
    documents = []
    for at in range(0, len(given_lines), 7):
        events = [
            {"id": f"{at + n:056d}", "timestamp": int(line[start]) * 1000, "message": " ".join(line)}
            for n, line in enumerate(given_lines[at : at + 7])
        ]
        documents.append(
            {"messageType": "DATA_MESSAGE", "owner": ACCOUNT, "logGroup": "/vpc/flow", "logStream": "eni-1-all",
             "subscriptionFilters": ["all"], "logEvents": events}
        )  # fmt: skip
    return b"".join(gzip.compress(json.dumps(document).encode()) for document in documents)


def as_export(names: Sequence[str], given_lines: Sequence[Line]) -> bytes:
    """An object of a CloudWatch export task: gzip, each line behind the time of its event."""
    start = names.index("start")
    times = [f"{datetime.fromtimestamp(int(line[start]), UTC):%Y-%m-%dT%H:%M:%S}.000Z" for line in given_lines]
    return gzip.compress(
        lines(*(f"{at} {' '.join(line)}" for at, line in zip(times, given_lines, strict=True))).encode()
    )


#: Where an object of each kind lies (the slot of its records stands in the name), and how it is written.
OBJECTS: dict[str, tuple[str, Callable[[Sequence[str], Sequence[Line]], bytes]]] = {
    "text": (
        f"AWSLogs/{ACCOUNT}/vpcflowlogs/{REGION}/%Y/%m/%d/{ACCOUNT}_vpcflowlogs_{REGION}_fl-0a_%Y%m%dT%H%MZ_a.log.gz",
        as_text,
    ),
    "parquet": (
        f"AWSLogs/aws-account-id={ACCOUNT}/aws-service=vpcflowlogs/aws-region={REGION}/year=%Y/month=%m/day=%d/"
        f"hour=%H/{ACCOUNT}_vpcflowlogs_{REGION}_fl-0b_%Y%m%dT%H%MZ_b.log.parquet",
        as_parquet,
    ),
    "firehose": ("%Y/%m/%d/%H/flow-1-%Y-%m-%d-%H-%M-%S-uuid", as_firehose),
    "subscription": ("%Y/%m/%d/%H/logs-1-%Y-%m-%d-%H-%M-%S-uuid", as_subscription),
    "export": ("task/eni-1-all/000000.gz", as_export),
}


@pytest.fixture(scope="module")
def clients(aws: str) -> Iterator[tuple[Any, Any]]:
    """For S3 and for CloudWatch Logs, to put with."""
    import boto3

    made = boto3.client("s3", endpoint_url=aws), boto3.client("logs", endpoint_url=aws)
    yield made
    for client in made:
        client.close()


def delivered(
    clients: tuple[Any, Any], names: Sequence[str], given_lines: Sequence[Line], day_s: int
) -> dict[str, tuple[str, str]]:
    """Put the lines everywhere, and say by kind: (source, the format that has to be given)."""
    n = next(_numbers)
    s3, logs = clients
    bucket, group = f"same-{n}", f"/same/{n}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    at = datetime.fromtimestamp(day_s + AT_HOUR * HOUR, UTC)
    sources = {}
    for kind, (key, written) in OBJECTS.items():
        s3.put_object(Bucket=bucket, Key=f"{kind}/{at.strftime(key)}", Body=written(names, given_lines))
        says_it = kind in ("text", "parquet") or tuple(names) == DEFAULT_FORMAT
        sources[kind] = (f"s3://{bucket}/{kind}/", "" if says_it else to_format_string(names))
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="eni-1-all")
    start = names.index("start")
    events = [{"timestamp": int(line[start]) * 1000, "message": " ".join(line)} for line in given_lines]
    events.sort(key=lambda event: event["timestamp"])
    logs.put_log_events(logGroupName=group, logStreamName="eni-1-all", logEvents=events)
    flow_log_into(group, to_format_string(names), LONG_AGO)
    return {**sources, "cloudwatch": (f"cloudwatch:{group}", "")}


def multiset(table: pa.Table) -> Counter[str]:
    """The records, whatever their order and wherever they were read."""
    apart = {"object_id", "flow_log_id"}
    names = sorted(name for name in table.column_names if name not in apart)
    return Counter(str(row) for row in table.select(names).to_pylist())


def made(names: Sequence[str], count: int, day_s: int) -> list[Line]:
    """Believable lines: both families, absent values, NODATA and SKIPDATA, and one line that is there twice."""
    draw = random.Random(f"{names}")
    found = []
    for n in range(count):
        start = day_s + AT_HOUR * HOUR + draw.randrange(HOUR - 60)
        status = draw.choice(["OK"] * 8 + ["NODATA", "SKIPDATA"])
        found.append(tuple(cell_of(draw, name, start, status, n) for name in names))
    if tuple(names) == DEFAULT_FORMAT:
        found = [("2", *line[1:]) for line in found]
    return [*found, next(line for line in found if "OK" in line)]


def cell_of(draw: random.Random, name: str, start: int, status: str, n: int) -> str:
    said = {
        "version": "5", "account-id": ACCOUNT, "interface-id": f"eni-{n % 5}", "start": str(start),
        "end": str(start + 59), "log-status": status,
    }  # fmt: skip
    if name in said:
        return said[name]
    if status != "OK" or draw.random() < 0.1:
        return "-"
    six = n % 4 == 0
    chosen = {
        "action": ["ACCEPT", "REJECT"], "protocol": ["6", "17", "1", "58"], "tcp-flags": ["0", "2", "18", "19"],
        "type": ["IPv6" if six else "IPv4", "EFA"], "region": [REGION], "az-id": ["euw1-az1"],
        "traffic-path": ["1", "8"],
        "pkt-src-aws-service": ["S3"], "pkt-dst-aws-service": ["DYNAMODB", "AMAZON"], "reject-reason": ["BPA"],
        "flow-direction": ["ingress", "egress"],
    }  # fmt: skip
    if name in chosen:
        return draw.choice(chosen[name])
    if name.endswith("addr"):
        return f"2001:db8::{n % 50:x}:{draw.randrange(99)}" if six else f"10.{n % 3}.0.{draw.randrange(256)}"
    if FIELDS[name].type == "text":
        return f"{name}-{n % 3}"
    return str(draw.randrange(2**40) if FIELDS[name].type == "bigint" else draw.randrange(65_536))


@pytest.mark.parametrize("names", [DEFAULT_FORMAT, ODD], ids=["version 2", "a custom order"])
def test_a_report_sees_the_same_records_wherever_the_logs_are(clients: tuple[Any, Any], names: tuple[str, ...]) -> None:
    day_s = yesterday()
    given_lines = made(names, 300, day_s)
    first_s = day_s + AT_HOUR * HOUR
    options: dict[str, Any] = {"since": first_s, "until": first_s + HOUR, "progress": False, "inventory": "none"}
    found, totals = {}, {}
    for kind, (source, log_format) in delivered(clients, names, given_lines, day_s).items():
        with fk.open(source, log_format=log_format, **options) as flows:
            found[kind] = multiset(flows.arrow("SELECT * FROM records"))
            assert flows.ledger is not None
            totals[kind] = {name: flows.ledger.totals[name] for name in ("records", "nodata", "skipdata")}
            assert flows.ledger.problems() == ()
    assert sum(totals["text"].values()) == 301
    assert min(totals["text"].values()) > 0
    assert max(found["text"].values()) >= 2
    for kind in found:
        assert found[kind] == found["text"], kind
        assert totals[kind] == totals["text"], kind


def test_a_store_takes_the_same_records_from_everywhere(clients: tuple[Any, Any], tmp_path: Path) -> None:
    """Of version 5."""
    day_s = yesterday()
    given_lines = made(V5, 200, day_s)
    sources = delivered(clients, V5, given_lines, day_s)
    objects = everywhere(sources, day_s + AT_HOUR * HOUR)
    for kind, (_, log_format) in sources.items():
        store.ingest(tmp_path / "store", objects[kind], log_format=log_format)
    assert store.verify(tmp_path / "store") == ()
    with fk.open(str(tmp_path / "store"), progress=False, inventory="none") as flows:
        found = multiset(flows.arrow("SELECT * FROM records"))
    assert found.total() == 6 * 201
    assert set(found.values()) == {6, 12}  # one line was there twice


def everywhere(sources: dict[str, tuple[str, str]], first_s: int) -> dict[str, list[Object]]:
    """The objects by kind, from one listing of the bucket: making a client takes the most time."""
    bucket = sources["text"][0].removesuffix("text/")
    found: dict[str, list[Object]] = {kind: [] for kind in sources}
    for each in resolve([bucket, sources["cloudwatch"][0]], since_s=first_s, until_s=first_s + HOUR):
        found[each.name.split("/")[0] or "cloudwatch"].append(each)
    return found


NEEDED = ("start", "end", "log-status", "interface-id")
OTHERS = [field.name for field in VPC_FIELDS if field.name not in NEEDED and field.verified]
WORDS = st.text(alphabet="abcxyz0189-_.:/", min_size=1, max_size=8).filter(lambda word: word != "-")
ADDRESSES = st.one_of(st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str))


def value_of(name: str) -> st.SearchStrategy[str]:
    """What AWS may write into a field."""
    if name.endswith("addr"):
        return ADDRESSES
    if name == "action":
        return st.sampled_from(["ACCEPT", "REJECT"])
    if name in ("account-id", "version"):
        return st.just(ACCOUNT if name == "account-id" else "5")
    if FIELDS[name].type == "text":
        return WORDS
    return st.integers(0, 2**62 if FIELDS[name].type == "bigint" else 255).map(str)


@st.composite
def logs(draw: st.DrawFn) -> tuple[tuple[str, ...], list[tuple[int, dict[str, str]]]]:
    """(format, lines as second of the hour and cells). Only values that the guide allows."""
    names = draw(st.permutations([*NEEDED, *draw(st.lists(st.sampled_from(OTHERS), max_size=12, unique=True))]))
    found = []
    for _ in range(draw(st.integers(1, 40))):
        status = draw(st.sampled_from(["OK", "OK", "OK", "NODATA", "SKIPDATA"]))
        cells = {"log-status": status, "interface-id": draw(st.sampled_from(["eni-1", "eni-2"]))}
        for name in names:
            always = name in ("account-id", "version")
            if name in OTHERS:
                absent = not always and (status != "OK" or draw(st.integers(0, 4)) == 0)
                cells[name] = "-" if absent else draw(value_of(name))
        found.append((draw(st.integers(0, HOUR - 60)), cells))
    return tuple(names), found


@given(logs())
@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_any_logs_give_the_same_records_wherever_they_are(
    clients: tuple[Any, Any], log: tuple[tuple[str, ...], list[tuple[int, dict[str, str]]]]
) -> None:
    names, found = log
    day_s = yesterday()
    first_s = day_s + AT_HOUR * HOUR
    given_lines = []
    for second, cells in found:
        cells = cells | {"start": str(first_s + second), "end": str(first_s + second + 59)}
        given_lines.append(tuple(cells[name] for name in names))
    sources = delivered(clients, names, given_lines, day_s)
    for kind, objects in everywhere(sources, first_s).items():
        read: Counter[str] = Counter()
        for each in objects:
            batches: list[pa.RecordBatch] = []
            row = read_object(each, batches.append, log_format=sources[kind][1])
            assert (row.balanced, row.malformed) == (True, 0), (kind, row.message)
            read += sum((multiset(pa.Table.from_batches([batch])) for batch in batches), Counter())
        if kind == "text":
            wanted = read
            assert wanted.total() == len(given_lines)
        assert read == wanted, kind
