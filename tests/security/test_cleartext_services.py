"""Clear text: by protocol, by the boundary it crosses, and only where it was used."""

from __future__ import annotations

import pytest

from flowkit.errors import MissingField
from flowkit.security import cleartext_services
from flowkit.security.cleartext_services import cleartext_protocol
from tests.rows import flows_of
from tests.security.rows import WEB, probe, quiet, session

OUTSIDE = "1.1.1.1"


def told(rows):
    return [(one.severity, one.subject["dstport"]) for one in cleartext_protocol(flows_of([*rows, *quiet()]))]


def readings(rows):
    table = cleartext_services(flows_of([*rows, *quiet()])).table
    return list(zip(table["reading"], table["crossing"], table["path"], strict=True))


def test_cleartext_protocol_fires_on_telnet_from_the_internet():
    (one,) = cleartext_protocol(flows_of([*session(OUTSIDE, WEB, 23), *quiet()]))
    assert (one.severity, one.title) == (
        "medium",
        f"Port 23 (telnet) of {WEB} is used from the internet, in clear text",
    )
    assert one.subject == {"srcaddr": OUTSIDE, "dstaddr": WEB, "dstport": 23, "protocol": 6}
    assert one.next_step.endswith(f"Values={WEB}")


def test_cleartext_protocol_looks_up_our_own_end():
    (one,) = cleartext_protocol(flows_of([*session(WEB, OUTSIDE, 21), *quiet()]))
    assert one.title.endswith("is used out to the internet, in clear text")
    assert one.next_step.endswith(f"Values={WEB}")


def test_cleartext_protocol_is_low_inside():
    assert told(session("10.0.0.7", WEB, 23)) == [("low", 23)]
    assert readings(session("10.0.0.7", WEB, 23)) == [("clear text", "inside", "internal")]


def test_cleartext_protocol_is_quiet_inside_on_caches_databases_and_the_web():
    rows = [
        row for place, port in enumerate((6_379, 5_432, 3_306, 80, 389, 11_211))
        for row in session("10.0.0.7", WEB, port, sport=40_000 + place)
    ]  # fmt: skip
    assert told(rows) == []


def test_cleartext_protocol_is_low_where_tls_may_have_been_switched_on():
    assert told(session(OUTSIDE, WEB, 143)) == [("low", 143)]
    assert told(session(OUTSIDE, WEB, 5_432)) == [("low", 5_432)]


def test_cleartext_protocol_is_info_on_a_web_server_and_quiet_on_what_we_fetch():
    assert told(session(OUTSIDE, WEB, 80)) == [("info", 80)]
    assert told(session(WEB, OUTSIDE, 80)) == []


def test_cleartext_protocol_takes_an_exchange_beyond_the_handshake():
    assert told(session(OUTSIDE, WEB, 23, packets=4)) == [("medium", 23)]
    assert told(session(OUTSIDE, WEB, 23, packets=3)) == []
    assert told([probe(OUTSIDE, WEB, 23)]) == []


def test_cleartext_protocol_is_quiet_on_what_is_encrypted():
    assert told([*session(OUTSIDE, WEB, 22), *session(OUTSIDE, WEB, 993, sport=40_001)]) == []


def test_cleartext_protocol_is_one_finding_per_port_and_direction():
    rows = [row for n in range(3) for row in session(f"1.1.1.{n + 1}", WEB, 23, sport=40_000 + n)]
    (one,) = cleartext_protocol(flows_of([*rows, *quiet()]))
    assert (one.subject["srcaddr"], one.count) == (["1.1.1.1", "1.1.1.2", "1.1.1.3"], 3)


def test_cleartext_services_of_nothing_has_its_columns():
    empty, full = cleartext_services(flows_of([])), cleartext_services(flows_of(session(OUTSIDE, WEB, 23)))
    assert empty.table.empty
    assert list(empty.table.columns) == list(full.table.columns)


def test_cleartext_services_without_ports_says_so():
    rows = [{name: value for name, value in row.items() if name != "dstport"} for row in session(OUTSIDE, WEB, 23)]
    with pytest.raises(MissingField, match="cleartext_services needs dstport, which this log lacks"):
        _ = cleartext_services(flows_of(rows)).table
