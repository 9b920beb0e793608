"""Traffic with listed addresses: who began, whether it was answered, and that a list stays data."""

from __future__ import annotations

import pytest

from flowkit import show
from flowkit.errors import MissingField
from flowkit.security import listed_addresses
from flowkit.security.listed_addresses import threat_list
from tests.rows import flows_of
from tests.security.rows import WEB, probe, quiet, session

BAD = "8.8.8.8"


@pytest.fixture
def file(tmp_path):
    def of(*lines):
        path = tmp_path / "list.txt"
        path.write_text("\n".join(lines), encoding="utf-8")
        return str(path)

    return of


def readings(rows, path):
    table = listed_addresses(flows_of([*rows, *quiet()]), threat_list=path).table
    return list(zip(table["address"], table["reading"], strict=True))


def found(rows, path):
    return threat_list(flows_of([*rows, *quiet()]), threat_list=path)


def test_threat_list_fires_on_a_host_of_ours_that_contacts_a_listed_address(file):
    (one,) = found(session(WEB, BAD, 443), file(f"{BAD} # command server"))
    assert (one.severity, one.title) == ("high", f"{WEB} contacted {BAD}, which is on the threat list")
    assert one.subject == {"srcaddr": WEB, "dstaddr": BAD, "dstport": 443, "protocol": 6}
    assert f"The list says of {BAD}: command server." in one.explanation


def test_threat_list_is_medium_where_nobody_answered_our_host(file):
    assert [one.severity for one in found([probe(WEB, BAD, 443)], file(BAD))] == ["medium"]


def test_threat_list_is_quiet_on_other_addresses_and_without_a_list(file):
    assert found(session(WEB, "8.8.8.9", 443), file(BAD)) == []
    assert threat_list(flows_of([*session(WEB, BAD, 443), *quiet()])) == []


def test_threat_list_is_info_on_mere_probes_all_in_one(file):
    rows = [probe(f"1.1.1.{n}", WEB, 22, at_s=n) for n in range(1, 31)]
    (one,) = found(rows, file("1.1.1.0/24"))
    assert (one.severity, one.title, one.count) == ("info", "30 addresses of the threat list knocked in vain", 30)


def test_threat_list_is_high_on_a_service_and_medium_on_a_web_server_that_they_used(file):
    assert [one.severity for one in found(session(BAD, WEB, 22), file(BAD))] == ["high"]
    assert [one.severity for one in found(session(BAD, WEB, 443), file(BAD))] == ["medium"]


def test_threat_list_is_low_on_a_handshake_without_data(file):
    assert readings(session(BAD, WEB, 22, packets=4), file(BAD)) == [(BAD, "served")]
    assert readings(session(BAD, WEB, 22, packets=3), file(BAD)) == [(BAD, "answered")]
    assert [one.severity for one in found(session(BAD, WEB, 22, packets=3), file(BAD))] == ["low"]


def test_threat_list_is_low_where_the_log_does_not_tell_who_began(file):
    rows = session(WEB, BAD, 40_109, sport=50_000)
    assert readings(rows, file(BAD)) == [(BAD, "exchanged")]
    assert [one.severity for one in found(rows, file(BAD))] == ["low"]
    assert readings(rows[:1], file(BAD)) != [(BAD, "exchanged")]


def test_threat_list_matches_the_edges_of_a_block_and_not_beyond(file):
    rows = [
        row for place, dst in enumerate(("8.8.7.255", "8.8.8.0", "8.8.8.255", "8.8.9.0"))
        for row in session(WEB, dst, 443, sport=40_000 + place)
    ]  # fmt: skip
    listed = file("8.8.8.0/24", "9.0.0.0/24")
    assert sorted(address for address, _ in readings(rows, listed)) == ["8.8.8.0", "8.8.8.255"]


def test_threat_list_matches_ipv6(file):
    rows = session("fd00::5", "2001:470:1::1", 443)
    assert readings(rows, file("2001:470:1::/48")) == [("2001:470:1::1", "contacted")]
    assert readings(rows, file("2001:470:2::/48")) == []


def test_the_narrowest_entry_gives_the_label(file):
    path = file("8.0.0.0/8 wide", "8.8.8.0/24 narrow", "8.8.8.8 exact")
    rows = [
        row for place, dst in enumerate(("8.8.8.8", "8.8.8.9", "8.1.1.1"))
        for row in session(WEB, dst, 443, sport=40_000 + place)
    ]  # fmt: skip
    table = listed_addresses(flows_of([*rows, *quiet()]), threat_list=path).table
    assert dict(zip(table["address"], table["label"], strict=True)) == {
        "8.8.8.8": "exact",
        "8.8.8.9": "narrow",
        "8.1.1.1": "wide",
    }


def test_threat_list_leaves_our_own_addresses_alone(file):
    assert found(session("10.0.0.7", WEB, 22), file("10.0.0.0/8")) == []


def test_threat_list_lists_all_hosts_that_went_to_one_address(file):
    rows = [*session(WEB, BAD, 443), *session("10.0.0.7", BAD, 80, sport=40_001)]
    (one,) = found(rows, file(BAD))
    assert (one.subject["srcaddr"], one.subject["dstport"]) == (["10.0.0.10", "10.0.0.7"], [80, 443])


def test_a_list_never_becomes_sql_or_markup(file):
    path = file(f"{BAD} '; DROP TABLE conversations; -- <script>alert(1)</script> $top_n")
    flows = flows_of([*session(WEB, BAD, 443), *quiet()])
    answer = listed_addresses(flows, threat_list=path)
    assert "DROP" not in answer.sql
    assert answer.table["label"].tolist() == ["'; DROP TABLE conversations; -- <script>alert(1)</script> $top_n"[3:]]
    assert "<script>" not in show.table(answer).html
    assert "<script>" not in show.findings(threat_list(flows, threat_list=path)).html


def test_bad_lines_are_told_beside_the_table(file):
    answer = listed_addresses(flows_of(quiet()), threat_list=file(BAD, "nonsense"))
    assert answer.caveats[:2] == (
        "The list has 1 entry in 2 lines.",
        "1 line of it could not be read and was left out: line 2 holds no address.",
    )


def test_a_list_that_changed_is_read_again(file):
    flows = flows_of([*session(WEB, BAD, 443), *quiet()])
    assert len(listed_addresses(flows, threat_list=file("9.9.9.9")).table) == 0
    assert len(listed_addresses(flows, threat_list=file("9.9.9.9", BAD)).table) == 1


def test_listed_addresses_of_nothing_has_its_columns(file):
    empty = listed_addresses(flows_of([]), threat_list=file(BAD))
    full = listed_addresses(flows_of(session(WEB, BAD, 443)), threat_list=file(BAD))
    assert empty.table.empty
    assert list(empty.table.columns) == list(full.table.columns)


def test_listed_addresses_without_addresses_says_so(file):
    lacking = ("dstaddr", "dst_key")
    rows = [{name: row[name] for name in row if name not in lacking} for row in session(WEB, BAD, 443)]
    with pytest.raises(MissingField, match="listed_addresses needs dstaddr, which this log lacks"):
        _ = listed_addresses(flows_of(rows), threat_list=file(BAD)).table
