"""Large amounts sent to an address outside: what is unusual, and what is not."""

from __future__ import annotations

import pytest

from flowkit.errors import MissingField
from flowkit.security import exfiltrations
from flowkit.security.exfiltrations import exfiltration
from tests.rows import flows_of
from tests.security.rows import WEB, quiet, session

GB = 1_000_000_000
DROP = "8.8.8.8"


def upload(sent=2 * GB, *, src=WEB, dst=DROP, back=10_000_000, at_s=0, sport=40_000, **fields):
    return session(src, dst, 443, at_s=at_s, up=sent, down=back, packets=1_500_000, sport=sport, **fields)


def readings(rows):
    return exfiltrations(flows_of([*rows, *quiet(until_s=300_000)])).table["reading"].tolist()


def test_exfiltration_fires_on_two_gigabytes_to_an_address_nobody_else_knows():
    (found,) = exfiltration(flows_of([*upload(), *quiet()]))
    assert (found.severity, found.title) == ("high", f"{WEB} sent 2.0 GB to {DROP}")
    assert found.subject == {"srcaddr": WEB, "dstaddr": DROP, "dstport": 443, "protocol": 6}


def test_exfiltration_stays_quiet_below_a_gigabyte():
    assert readings(upload(GB - 1)) == []
    assert readings(upload(GB)) == ["unusual"]


def test_exfiltration_is_quiet_on_what_goes_both_ways():
    assert readings(upload(back=200_000_001)) == ["both ways"]
    assert readings(upload(back=200_000_000)) == ["unusual"]


def test_exfiltration_is_quiet_on_an_address_that_many_hosts_speak_with():
    others = [row for place in (1, 2) for row in session(f"10.0.0.2{place}", DROP, 443, sport=42_000 + place)]
    assert readings([*upload(), *others]) == ["common destination"]
    assert readings([*upload(), *others[:2]]) == ["unusual"]


def test_exfiltration_is_quiet_on_a_host_that_always_sends_so_much():
    elsewhere = upload(700_000_000, dst="9.9.9.9", sport=43_000)
    assert readings([*upload(), *elsewhere]) == ["usual for this host"]


def test_exfiltration_is_quiet_on_services_of_aws():
    rows = [
        {
            **row,
            "pkt_dst_aws_service": "S3" if row["dstaddr"] == DROP else None,
            "pkt_src_aws_service": "S3" if row["srcaddr"] == DROP else None,
        }
        for row in upload()
    ]
    assert readings(rows) == ["service of AWS"]


def test_exfiltration_is_quiet_on_a_camera_that_sends_all_day():
    hours = [
        row for hour in range(9) for row in upload(GB // 4, at_s=3_600 * hour, sport=40_000 + hour, back=1_000_000)
    ]
    steady = exfiltrations(flows_of([*hours, *quiet(until_s=32_000)])).table["reading"].tolist()
    seldom = exfiltrations(flows_of([*hours, *quiet(until_s=64_000)])).table["reading"].tolist()
    assert (steady, seldom) == (["steady"], ["unusual"])


def test_exfiltration_is_low_when_it_happens_every_day():
    rows = [row for day in range(3) for row in upload(at_s=86_400 * day, sport=40_000 + day)]
    flows = flows_of([*rows, *quiet(until_s=300_000)])
    assert [found.severity for found in exfiltration(flows)] == ["low"]


def test_exfiltration_is_quiet_on_what_visitors_fetch():
    assert readings(session(DROP, WEB, 443, up=10_000_000, down=3 * GB, packets=2_000_000)) == []


def test_exfiltrations_of_nothing_has_its_columns():
    empty, full = exfiltrations(flows_of([])), exfiltrations(flows_of(upload()))
    assert empty.table.empty
    assert list(empty.table.columns) == list(full.table.columns)


def test_exfiltrations_without_bytes_says_so():
    rows = [{name: value for name, value in row.items() if name != "bytes"} for row in upload()]
    with pytest.raises(MissingField, match="exfiltrations needs bytes, which this log lacks"):
        _ = exfiltrations(flows_of(rows)).table
