"""Attempts and how they end: answered, refused, reset, silent, half-open."""

from __future__ import annotations

from flowkit.performance import connection_health, failing_pairs
from tests.performance.rows import T, answered, around, left_open, rejected, reset, unanswered, without_flags
from tests.rows import flow, flows_of

ENDS = ["attempts", "answered", "failed", "rejected", "return_rejected", "reset", "no_reply", "half_open"]


def of_each():
    makers = [answered, answered, rejected, reset, unanswered, left_open]
    return around([row for n, make in enumerate(makers) for row in make(srcport=40000 + n, start_s=T + 60 * n)])


def test_connection_health_splits_attempts_by_how_they_ended():
    table = connection_health(flows_of(of_each()), min_attempts=1).table
    row = table[table["dstport"] == 443].iloc[0]
    assert row[ENDS].tolist() == [6, 2, 3, 1, 0, 1, 1, 1]
    assert (row["service"], row["path"], row["failed_share"]) == ("https", "internal", 0.5)
    assert (row["clients"], row["servers"]) == (1, 1)


def test_connection_health_adds_up():
    table = connection_health(flows_of(of_each()), min_attempts=1).table
    assert (table["attempts"] == table["answered"] + table["failed"] + table["half_open"]).all()
    parts = table["rejected"] + table["return_rejected"] + table["reset"] + table["no_reply"]
    assert (table["failed"] == parts).all()


def test_connection_health_calls_a_refused_answer_a_failure():
    there = flow(
        tcp_flags=2,
        packets=4,
        bytes=240,
        interface_id="eni-1",
        flow_direction="egress",
        subnet_id="subnet-1",
        start_s=T,
    )
    back = flow(srcaddr="10.0.0.2", srcport=443, dstaddr="10.0.0.1", dstport=40000, tcp_flags=18, interface_id="eni-1",
                flow_direction="ingress", subnet_id="subnet-1", start_s=T, action="REJECT")  # fmt: skip
    row = connection_health(flows_of(around([there, back])), min_attempts=1).table.iloc[0]
    assert (row["return_rejected"], row["failed"], row["attempts"]) == (1, 1, 1)


def test_connection_health_without_flags_counts_any_answer_and_says_so():
    rows = around(
        without_flags([row for n in range(3) for row in reset(srcport=40000 + n, start_s=T + 60 * n)]), flags=False
    )
    answer = connection_health(flows_of(rows), min_attempts=1)
    row = answer.table.iloc[0]
    assert (row["attempts"], row["answered"], row["failed"], row["without_data"]) == (3, 3, 0, 3)
    assert any("lacks tcp-flags" in caveat for caveat in answer.caveats)


def test_connection_health_leaves_out_udp():
    rows = around([flow(protocol=17, dstport=53, srcport=40000 + n, start_s=T + n, tcp_flags=0) for n in range(9)])
    assert connection_health(flows_of(rows), min_attempts=1).table.empty


def test_connection_health_leaves_out_probing_of_ports_that_never_answered():
    probes = [row for n in range(6) for row in rejected(srcaddr="8.8.8.8", dstport=23, srcport=1000 + n, start_s=T + n)]
    mixed = [row for n in range(6) for row in rejected(srcaddr="8.8.8.8", srcport=2000 + n, start_s=T + n)]
    mixed += answered(srcaddr="1.1.1.1", srcport=3000, start_s=T, interface_id="eni-2")
    table = connection_health(flows_of(around([*probes, *mixed]))).table
    assert table[["path", "dstport", "attempts", "rejected"]].values.tolist() == [["inbound", 443, 7, 6]]


def test_connection_health_shows_services_from_min_attempts_on():
    rows = around([row for n in range(5) for row in answered(srcport=40000 + n, start_s=T + 60 * n)])
    assert list(connection_health(flows_of(rows)).table["attempts"]) == [5]
    assert connection_health(flows_of(rows), min_attempts=6).table.empty


def test_connection_health_counts_an_attempt_told_under_two_addresses_once():
    # The client calls a pod's address; the node's interface logs its own.
    called = [
        flow(tcp_flags=2, dstaddr="10.0.9.9", flow_direction="egress", srcport=40000 + n, start_s=T + 60 * n)
        for n in range(5)
    ]
    logged = [
        row for n in range(5) for row in rejected(flow_direction="ingress", srcport=40000 + n, start_s=T + 60 * n + 7)
    ]
    row = connection_health(flows_of(around([*called, *logged]))).table.iloc[0]
    assert (row["attempts"], row["rejected"], row["no_reply"]) == (5, 5, 0)


def test_failing_pairs_names_client_server_and_port():
    rows = [row for n in range(3) for row in rejected(srcport=40000 + n, start_s=T + 60 * n)]
    rows += [row for n in range(3) for row in answered(srcaddr="10.0.0.7", srcport=41000 + n, start_s=T + 60 * n)]
    table = failing_pairs(flows_of(around(rows))).table
    seen = table[["srcaddr", "dstaddr", "dstport", "attempts", "failed", "first_s", "last_s"]].values.tolist()
    assert seen == [["10.0.0.1", "10.0.0.2", 443, 3, 3, T, T + 179]]


def test_failing_pairs_leaves_out_pairs_below_min_attempts():
    rows = around([row for n in range(2) for row in rejected(srcport=40000 + n, start_s=T + n)])
    assert failing_pairs(flows_of(rows)).table.empty


def test_both_have_the_same_columns_without_records():
    for question in (connection_health, failing_pairs):
        table = question(flows_of([])).table
        assert list(table.columns) == list(question(flows_of(of_each())).table.columns)
        assert table.empty


def test_both_name_the_field_they_lack():
    rows = [{k: v for k, v in flow().items() if k != "action"}]
    assert connection_health(flows_of(rows)).missing == ("action",)
    assert failing_pairs(flows_of(rows)).missing == ("action",)
