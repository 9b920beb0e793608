"""Conversations made share by share are the same conversations; what is summed by window is what the records say."""

from __future__ import annotations

import dataclasses

import pytest

from flowkit import tables
from flowkit.engines import ctes
from flowkit.engines.ctes import joined, parted
from tests.rows import START_S, flow, flows_of, reply

TABLES = ("conversations", "services_hour", "conversation_parts")


def company() -> list[dict]:
    """Thirty pairs of hosts, a transit gateway's view of one of them, and one conversation over two hours."""
    rows = []
    for n in range(30):
        there = flow(srcaddr=f"10.0.0.{n}", dstaddr=f"10.0.1.{n % 7}", srcport=40_000 + n, start_s=START_S + 60 * n,
                     interface_id=f"eni-{n}", flow_direction="egress", tcp_flags=3, bytes=1000 + n)  # fmt: skip
        rows += [there, reply(there, flow_direction="ingress", tcp_flags=19, bytes=500 + n)]
    long = [
        flow(srcaddr="10.0.0.1", dstaddr="8.8.8.8", srcport=41_000, start_s=START_S + 300 * n,
             end_s=START_S + 300 * n + 299, interface_id="eni-1", flow_direction="egress", tcp_flags=0)
        for n in range(24)
    ]  # fmt: skip
    over = [
        flow(interface_id=None, tgw_id="tgw-1", tgw_attachment_id="tgw-attach-1", tgw_src_vpc_id="vpc-1",
             tgw_dst_vpc_id="vpc-2", srcaddr="10.1.0.1", dstaddr="10.2.0.1", srcport=42_000, resource_id=None)
    ]  # fmt: skip
    return [*rows, *long, *over]


def told(flows, name):
    """The rows of a table, whatever numbers the conversations were given."""
    frame = flows.sql(f"SELECT * FROM {name}").drop(columns=["conversation_id"], errors="ignore")
    return sorted(map(str, frame.itertuples(index=False, name=None)))


@pytest.mark.parametrize("most", [5, 20])
def test_tables_made_in_shares_are_those_made_at_once(monkeypatch, most):
    whole = flows_of(company())
    assert whole.facts.shares == 1
    monkeypatch.setattr(tables, "SHARE_RECORDS", most)
    shared = flows_of(company())
    assert shared.facts.shares == 1 + 85 // most
    for name in TABLES:
        assert told(shared, name) == told(whole, name)
    ids = shared.sql("SELECT conversation_id FROM conversations")["conversation_id"]
    assert ids.is_unique
    assert len(ids) == 32


def test_shares_on_disk_are_those_in_memory(tmp_path):
    from flowkit.engines.duckdb import DuckDB

    rows = "SELECT CAST(range AS BIGINT) AS n, range % 3 AS share FROM range(10)"
    engine = DuckDB(scratch=tmp_path)
    engine.scatter("parts", rows, "share", 4)
    assert [engine.run(f"SELECT n FROM parts_{share} ORDER BY n").column(0).to_pylist() for share in range(4)] == [
        [0, 3, 6, 9], [1, 4, 7], [2, 5, 8], [],
    ]  # fmt: skip
    assert sorted(engine.run("SELECT n FROM parts").column(0).to_pylist()) == list(range(10))
    engine.close()


def test_flags_are_ored_over_the_bits_that_occur():
    flows = flows_of([flow(tcp_flags=2), flow(tcp_flags=17, start_s=START_S + 60), flow(srcport=1, tcp_flags=None)])
    assert flows.facts.flag_bits == (1, 2, 16)
    found = flows.sql("SELECT srcport, fwd_flags, rev_flags FROM conversations ORDER BY srcport DESC")
    assert [list(row) for row in found.astype(object).where(found.notna(), None).itertuples(index=False)] == [
        [40000, 19, None], [1, None, None],
    ]  # fmt: skip
    assert flows_of([flow()]).facts.flag_bits == ()


def test_windows_add_up_to_the_records():
    flows = flows_of([*company(), flow(srcport=7, bytes=None, packets=None, action="REJECT")])
    sums = "CAST(sum({}) AS BIGINT) AS n, CAST(sum(bytes) AS BIGINT) AS bytes, CAST(sum(packets) AS BIGINT) AS packets"
    by = "observer, direction, action, start_s, end_s"
    for group in ("1", *(one.strip() for one in by.split(","))):
        key = "'all'" if group == "1" else group
        text = "SELECT {} AS k, {} FROM {} GROUP BY 1 ORDER BY 1 NULLS FIRST"
        whole = flows.arrow(text.format(key, sums.format("1"), "flows"))
        assert flows.arrow(text.format(key, sums.format("records"), "windows")).equals(whole)
    assert flows.records == 86


def test_a_query_is_taken_apart_at_its_expressions_and_put_together_again():
    text = "WITH a AS (SELECT ')' AS x, (1 + 2) AS y -- not ( here\n), b AS (\n SELECT * FROM a\n)\nSELECT x FROM b"
    found, rest = parted(text)
    assert list(found) == ["a", "b"]
    assert rest == "SELECT x FROM b"
    flows = flows_of([flow()])
    assert flows.arrow(joined(found, rest)).equals(flows.arrow(text))
    others = ("SELECT 1", "WITH RECURSIVE a AS (SELECT 1) SELECT * FROM a", "WITH a(x) AS (SELECT 1) SELECT 2")
    for left_alone in others:
        assert parted(left_alone) == ({}, left_alone)


def test_an_expression_that_is_shared_gives_the_same_rows_and_runs_once(monkeypatch):
    monkeypatch.setattr(ctes, "SHARED", {"big"})
    monkeypatch.setattr("flowkit.flows.SHARED", ctes.SHARED)
    flows = flows_of(company())
    text = "WITH big AS (SELECT observer, bytes FROM flows WHERE bytes > $n), s AS (SELECT sum(bytes) AS b FROM big) "
    first = flows.ask(text.replace("$n", "1000") + "SELECT CAST(b AS BIGINT) AS b FROM s")
    again = flows.ask(text.replace("$n", "1000") + "SELECT count(*) AS n FROM big")
    other = flows.ask(text.replace("$n", "1020") + "SELECT count(*) AS n FROM big")
    assert flows.arrow(first.sql).column(0).to_pylist() == list(first.table["b"])
    assert [again.table["n"][0], other.table["n"][0]] == [29, 9]
    made = flows.arrow("SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'kept_%'")
    assert made.num_rows == 2


def test_facts_are_plain_enough_to_be_kept():
    facts = flows_of([flow(tcp_flags=2)]).facts
    assert dataclasses.asdict(facts)["flag_bits"] == (2,)
