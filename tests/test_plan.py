"""What reading would cost, and that no large read from a remote source begins without a word."""

from __future__ import annotations

import io
import json
from decimal import Decimal

import pytest

import flowkit as fk
from flowkit.cli import main
from flowkit.errors import LimitError, PriceError
from flowkit.estimate import Estimate, estimate
from flowkit.formats import KeyInfo
from flowkit.opening import ingested
from flowkit.opening.limit import _fitting
from flowkit.plan import Plan, plan
from flowkit.show.estimate import in_sentences
from flowkit.sources import LogGroup, Object
from tests.reading import V2, lines

MIB = 1024 * 1024
RECORD = "2 123456789012 eni-1 10.0.0.2 10.0.0.1 40000 443 6 10 1000 1700000000 1700000059 ACCEPT OK"


def stored(n: int, size: int, region: str = "us-east-1") -> Object:
    """An object in a bucket that is too large to be looked at."""
    return Object(
        uri=f"s3://b/{n}", name=str(n), opener=lambda: pytest.fail("opened"), size=size, etag="e",
        hints=KeyInfo(region=region), remote=True,
    )  # fmt: skip


def hour(n: int, size: int, *, only_insights: bool = False) -> Object:
    return Object(
        uri=f"cloudwatch:g#{n}", name=str(n), opener=lambda: pytest.fail("opened"), etag="e",
        hints=KeyInfo(region="us-east-1"), log_group=LogGroup("g", hourly_bytes=size, only_insights=only_insights),
    )  # fmt: skip


def test_a_bucket_costs_its_requests_and_the_way_out_of_aws():
    told = estimate("s3://b", [stored(n, 10**9) for n in range(2000)], asked={"LIST": 1000})
    assert dict(told.requests) == {"GET": 2000, "LIST": 1000}
    assert told.estimated_usd == Decimal("0.0058")  # 1000 LIST at 0.005 per thousand, 2000 GET at 0.0004
    assert told.estimated_transfer_usd == Decimal("180")  # 2000 GB at 0.09
    assert {one.item for one in told.prices} == {"s3_put_1000", "s3_get_1000", "internet_egress_bytes"}
    assert all(one.as_of and one.source for one in told.prices)


def test_a_region_without_prices_takes_those_of_another_and_says_whose():
    told = estimate("s3://b", [stored(1, 10**9, "mars-north-1")])
    assert {one.region for one in told.prices} == {"us-east-1"}
    assert "List prices of us-east-1, as of " in in_sentences(told)[-1]


def test_what_is_kept_costs_nothing_again():
    objects = [stored(n, 10**9) for n in range(10)]
    told = estimate("s3://b", objects, unread=objects[:1])
    assert (told.objects, told.unread, dict(told.requests)) == (10, 1, {"GET": 1})
    assert told.estimated_transfer_usd == Decimal("0.09")
    assert "9 of them are kept from an earlier run and not read again." in in_sentences(told)


def test_a_log_group_is_estimated_by_its_average_and_read_at_the_pace_that_aws_allows():
    told = estimate("cloudwatch:g", [hour(n, 100 * MIB) for n in range(24)])
    assert dict(told.requests) == {"FilterLogEvents": 2400}  # pages of one MiB
    assert (told.bytes, told.estimated_bytes, told.unknown_sizes) == (0, 2400 * MIB, 24)
    assert told.estimated_usd == 0
    assert told.estimated_s == pytest.approx(480 + told.estimated_records / 1e6)  # five calls per second
    assert told.estimated_transfer_usd == Decimal(2400 * MIB) / 10**9 * Decimal("0.09")
    assert in_sentences(told)[1] == "It takes about 2,400 calls of FilterLogEvents, which are free and few per second."


def test_a_group_of_infrequent_access_pays_for_what_insights_scans_twice():
    told = estimate("cloudwatch:g", [hour(n, 10**9, only_insights=True) for n in range(3)])
    assert told.estimated_usd == Decimal("0.030")  # 6 GB at 0.005
    assert "StartQuery, with what Logs Insights scans, for about $0.03." in in_sentences(told)[1]


def test_prices_of_ones_own_go_before(tmp_path):
    own = tmp_path / "prices.json"
    own.write_text(json.dumps({"items": {"s3_get_1000": {"prices": {"us-east-1": {"usd": "1"}}}}}))
    told = estimate("s3://b", [stored(n, 10**9) for n in range(1000)], prices=str(own))
    assert told.estimated_usd == 1
    assert [one.status for one in told.prices if one.item == "s3_get_1000"] == ["override"]
    with pytest.raises(PriceError):
        estimate("s3://b", [stored(1, 1)], prices=str(tmp_path / "none.json"))


def test_files_on_disk_cost_nothing(tmp_path):
    (tmp_path / "a.log").write_text(lines(V2, RECORD))
    told = plan(str(tmp_path), progress=False)
    assert isinstance(told, Plan)
    assert (told.objects, told.unread, told.estimated_records) == (1, 1, 1)
    assert (dict(told.requests), told.estimated_usd, told.prices) == ({}, 0, ())
    assert str(told).count("\n") == 0
    assert json.loads(json.dumps(told.as_dict()))["estimated_usd"] == "0"


def test_the_estimate_as_json_has_every_part():
    plain = estimate("s3://b", [stored(1, 10**9)]).as_dict()
    assert set(plain) == set(Estimate.__dataclass_fields__)
    assert (plain["requests"], plain["estimated_usd"], plain["part"]) == ({"GET": 1}, "0.0000004", None)


@pytest.fixture
def remote(monkeypatch, tmp_path):
    """A bucket of two objects, 4 GiB each as it says, that hold one record."""
    monkeypatch.setenv("FLOWKIT_CACHE_DIR", str(tmp_path / "cache"))
    opened: list[int] = []

    def body(n: int) -> io.BytesIO:
        opened.append(n)
        return io.BytesIO(lines(V2, RECORD).encode())

    def find(*_: object) -> list[Object]:
        return [
            Object(uri=f"s3://b/{n}", name=str(n), opener=lambda n=n: body(n), size=4 * 1024**3, etag="e")
            for n in range(2)
        ]

    monkeypatch.setattr("flowkit.sources.s3.find", find)
    return opened


SAID = (
    "s3://b/: 2 objects, 8.0 GiB; how many records that is cannot be told from a look. That is more than 5.0 GiB, so "
    "nothing was read. To go on, add --yes (in Python yes=True), give a shorter period, or read a part with "
    "--fraction 0.6."
)


def test_above_the_limit_the_estimate_is_told_and_nothing_is_read(remote, tmp_path, capsys):
    with pytest.raises(LimitError) as error:
        fk.open("s3://b/?region=eu-west-1", since="2023-11-14", progress=False)
    assert str(error.value) == SAID
    with pytest.raises(LimitError):
        ingested("s3://b/", str(tmp_path / "store"), since="2023-11-14", progress=False)
    for command in (["inspect"], ["findings"], ["report", "security"], ["convert", "out.csv"]):
        name, *more = command
        arguments = [name, *more, "s3://b/"] if name == "report" else [name, "s3://b/", *more]
        assert main([*arguments, "--since", "2023-11-14"]) == 1
        assert capsys.readouterr() == ("", f"flowkit: {SAID}\n")
    assert main(["ingest", "s3://b/", "--since", "2023-11-14", "--store", str(tmp_path / "store")]) == 1
    assert capsys.readouterr().err == f"flowkit: {SAID}\n"
    assert remote == []
    assert not (tmp_path / "store").exists()


def test_with_yes_or_what_is_there_already_it_goes_on(remote):
    with fk.open("s3://b/", since="2023-11-14", yes=True, progress=False) as flows:
        assert flows.records == 2
    assert sorted(remote) == [0, 1]
    with fk.open("s3://b/", since="2023-11-14", progress=False) as flows:  # kept, so nothing is to be read
        assert flows.records == 2
    assert len(remote) == 2


def test_a_store_that_has_all_needs_no_yes(remote, tmp_path):
    store = str(tmp_path / "store")
    assert ingested("s3://b/", store, since="2023-11-14", yes=True, progress=False).new == 2
    assert ingested("s3://b/", store, since="2023-11-14", progress=False).unchanged == 2
    assert len(remote) == 2


@pytest.mark.usefixtures("remote")
def test_at_the_limit_and_below_nothing_is_asked(monkeypatch):
    monkeypatch.setattr("flowkit.opening.limit.LIMIT_BYTES", 8 * 1024**3)
    with fk.open("s3://b/", since="2023-11-14", progress=False) as flows:
        assert flows.records == 2


def test_files_on_disk_have_no_limit(monkeypatch, tmp_path):
    monkeypatch.setenv("FLOWKIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("flowkit.opening.limit.LIMIT_BYTES", 0)
    (tmp_path / "a.log").write_text(lines(V2, RECORD))
    with fk.open(str(tmp_path / "a.log"), progress=False) as flows:
        assert flows.records == 1


def test_the_part_that_is_offered_fits():
    assert [_fitting(one) for one in (0.99, 0.625, 0.1, 0.0999, 0.031, 0.0004)] == [
        "0.9", "0.6", "0.1", "0.09", "0.03", "0.0004",
    ]  # fmt: skip
