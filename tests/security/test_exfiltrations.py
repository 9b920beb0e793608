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
    assert readings(upload(GB - 1)) == ["small"]
    assert readings(upload(GB)) == ["unusual"]
    assert readings(upload(GB // 10 - 1)) == []


#: The host's daily work: it has been there since before the period's first quarter ended.
EARLY = session(WEB, "9.9.9.9", 443, at_s=-3_000, up=5_000, down=9_000, sport=44_000)


def late(sent=GB // 5, *, at_s=30_000, until_s=60_000, more=(), **fields):
    """A smaller upload to an address that is new since `at_s`, of a log from -3,600 s to `until_s` and 20 minutes."""
    rows = [*EARLY, *upload(sent, at_s=at_s, back=sent // 100, **fields), *more, *quiet(until_s=until_s)]
    return exfiltrations(flows_of(rows)).table["reading"].tolist()


def test_exfiltration_counts_less_where_the_address_is_new():
    assert late() == ["unusual"]
    assert late(GB // 10) == ["unusual"]
    flows = flows_of([*EARLY, *upload(GB // 5, at_s=30_000, back=9), *quiet(until_s=60_000)])
    assert [found.severity for found in exfiltration(flows)] == ["medium"]


def test_exfiltration_calls_new_what_was_not_there_in_the_first_quarter_and_six_hours():
    assert late(at_s=18_100, until_s=30_000) == ["unusual"]  # six hours end at 18,000 s
    assert late(at_s=17_900, until_s=30_000) == ["small"]
    assert late(at_s=24_000, until_s=110_000) == ["small"]  # a quarter ends at 25,100 s
    assert late(at_s=26_000, until_s=110_000) == ["unusual"]


def test_exfiltration_does_not_call_an_address_new_for_a_host_that_is_new_itself():
    rows = [*upload(GB // 5, at_s=30_000, back=9), *quiet("10.0.0.9", until_s=60_000)]
    assert exfiltrations(flows_of(rows)).table["reading"].tolist() == ["small"]


def daily(amounts, **fields):
    """Uploads to other addresses, one in each hour."""
    return [
        row
        for hour, amount in enumerate(amounts)
        for row in upload(amount, dst="9.9.9.9", at_s=3_600 * hour, back=amount // 2, sport=45_000 + hour, **fields)
    ]


def test_exfiltration_measures_a_new_contact_by_the_hosts_own_hours():
    # hours of 1, 5 and 9 MB: the median is 5, its deviation 4; six times 1.4826 of that on top make 40.6 MB
    work = daily([1_000_000, 5_000_000, 9_000_000] * 6)

    def in_pieces(size):
        pieces = [
            row for place in range(8) for row in upload(size, at_s=30_000 + 3_600 * place, back=9, sport=46_000 + place)
        ]
        return late(1, more=[*work, *pieces], until_s=66_000)

    assert in_pieces(40_000_000) == ["small"]
    assert in_pieces(41_000_000) == ["unusual"]


def neighbours(count, sent, dst="9.9.9.9"):
    return [
        row
        for place in range(count)
        for row in upload(sent, src=f"10.0.0.3{place}", dst=dst.format(place), sport=47_000 + place)
    ]


def test_exfiltration_is_quiet_on_what_its_neighbours_send_too():
    assert readings([*upload(), *neighbours(4, 700_000_000)])[0] == "usual among its peers"
    assert readings([*upload(), *neighbours(4, 660_000_000)])[0] == "unusual"
    assert readings([*upload(), *neighbours(3, 700_000_000)])[0] == "unusual"
    assert readings([*upload(), *neighbours(4, 700_000_000, "9.9.{}.9")])[0] == "unusual"  # each to a place of its own


def givers(count, sent):
    return [
        row
        for place in range(count)
        for row in session(f"10.0.8.{place + 1}", WEB, 9_100, up=sent, down=90_000, packets=9_000, sport=33_000 + place)
    ]


def test_exfiltration_is_low_for_what_a_backup_server_passes_on():
    # two quiet neighbours give a little too
    assert readings([*upload(), *givers(8, GB // 8)]) == ["collected"]
    assert readings([*upload(), *givers(7, GB // 7 + 1)]) == ["unusual"]
    assert readings([*upload(), *givers(8, GB // 8 - 1_000)]) == ["unusual"]
    flows = flows_of([*upload(), *givers(8, GB // 8), *quiet()])
    assert [found.severity for found in exfiltration(flows)] == ["low"]


def dripping(hours, *, days=2, first=30):
    return [
        row
        for place in range(hours)
        for row in upload(GB // 100, at_s=3_600 * (first + place * days * 24 // hours), back=9, sport=40_000 + place)
    ]


def test_exfiltration_finds_a_slow_drip_to_an_address_never_seen_before():
    def told(rows):
        flows = flows_of([*EARLY, *rows, *quiet(until_s=300_000)])
        return exfiltrations(flows).table["reading"].tolist(), [one.severity for one in exfiltration(flows)]

    assert told(dripping(12)) == (["drip"], ["medium"])
    assert told(dripping(11)) == (["unusual"], ["medium"])
    assert told(dripping(12, first=1)) == (["small"], [])


def test_exfiltration_does_not_call_one_day_a_drip():
    hours = [
        row
        for place in range(12)
        for row in upload(GB // 100, at_s=93_000 + 3_600 * place, back=9, sport=40_000 + place)
    ]
    flows = flows_of([*EARLY, *hours, *quiet(until_s=300_000)])
    assert exfiltrations(flows).table["reading"].tolist() == ["unusual"]


def test_exfiltration_is_quiet_on_what_goes_both_ways():
    assert readings(upload(back=200_000_001)) == ["both ways"]
    assert readings(upload(back=200_000_000)) == ["unusual"]


def test_exfiltration_is_quiet_on_an_address_that_many_hosts_speak_with():
    others = [row for place in (1, 2) for row in session(f"10.0.0.2{place}", DROP, 443, sport=42_000 + place)]
    assert readings([*upload(), *others]) == ["common destination"]
    assert readings([*upload(), *others[:2]]) == ["unusual"]


def test_exfiltration_is_quiet_on_a_host_that_always_sends_so_much():
    elsewhere = upload(700_000_000, dst="9.9.9.9", sport=43_000)
    assert readings([*upload(), *elsewhere])[0] == "usual for this host"
    less = upload(600_000_000, dst="9.9.9.9", sport=43_000)
    assert readings([*upload(), *less])[0] == "unusual"


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


def test_exfiltration_calls_nothing_steady_in_less_than_four_hours():
    def hourly(hours, until_s):
        rows = [row for hour in range(hours) for row in upload(GB, at_s=3_600 * hour, back=9, sport=40_000 + hour)]
        return exfiltrations(flows_of([*rows, *quiet(until_s=until_s)])).table["reading"].tolist()

    assert hourly(3, 8_000) == ["unusual"]
    assert hourly(5, 15_000) == ["steady"]


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
