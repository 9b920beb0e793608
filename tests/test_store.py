"""The store: read once, replaced when changed, merged and pruned without a reader noticing, able to prove itself."""

from __future__ import annotations

import json
import os
import sqlite3

import pyarrow.parquet as pq
import pytest

import flowkit as fk
from flowkit import parse, store
from flowkit.cli import main
from flowkit.cli.storing import into_store
from flowkit.errors import SourceError, StoreError
from flowkit.sources import resolve
from flowkit.store import cleaning, disk
from flowkit.store.manifest import Manifest
from tests.test_store_crashes import T, line, put

#: 22:00, the hour that T (22:13:20) lies in.
HOUR = T // 3600 * 3600


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("FLOWKIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("FLOWKIT_SNAPSHOT", raising=False)


@pytest.fixture
def logs(tmp_path):
    """Four hours with two objects each; the one at ten past has records of the hour before too."""
    for n in range(4):
        put(
            tmp_path / "logs",
            f"14T{19 + n}10",
            "a",
            *[line(n * 10 + i, HOUR + (n - 3) * 3600 - 300 + i * 100) for i in range(6)],
        )
        put(
            tmp_path / "logs",
            f"14T{19 + n}40",
            "b",
            *[line(500 + n * 10 + i, HOUR + (n - 3) * 3600 + 2000 + i) for i in range(4)],
        )
    return tmp_path / "logs"


@pytest.fixture
def kept(logs, tmp_path):
    """A store with these logs."""
    store.ingest(tmp_path / "store", resolve(str(logs)))
    return tmp_path / "store"


def opened(source, **options):
    return fk.open(str(source), progress=False, **options)


def rows(flows, *, ids=True):
    table = flows.arrow("SELECT * FROM records")
    names = [name for name in table.column_names if ids or name != "object_id"]
    return sorted(str(row) for row in table.select(names).to_pylist())


def test_a_store_answers_as_the_logs_themselves_do(logs, kept):
    for period in ({}, {"since": HOUR - 3600, "until": HOUR}):
        with opened(logs, **period) as direct, opened(kept, **period) as flows:
            assert rows(direct, ids=False) == rows(flows, ids=False) or period
            for table in ("flows", "conversations", "conversation_parts", "services_hour", "interfaces"):
                sql = f"SELECT * FROM {table}"
                drop = ["object_id"] if table == "flows" else []
                a, b = direct.arrow(sql).drop_columns(drop), flows.arrow(sql).drop_columns(drop)
                assert sorted(map(str, a.to_pylist())) == sorted(map(str, b.to_pylist())), table
            assert flows.ledger.balanced
            assert flows.ledger.totals["records"] == direct.ledger.totals["records"] == flows.records


def test_what_is_known_is_not_read_again(logs, kept, monkeypatch):
    for reading in ("read_object", "read_together"):
        monkeypatch.setattr(parse, reading, lambda *_, **__: pytest.fail("read again"))
    done = store.ingest(kept, resolve(str(logs)))
    assert (done.objects, done.new, done.unchanged, done.records) == (8, 0, 8, 0)


def test_a_changed_object_takes_the_place_of_its_old_rows(logs, kept):
    put(logs, "14T2110", "a", line(9999, HOUR))
    done = store.ingest(kept, resolve(str(logs)))
    assert (done.new, done.replaced, done.unchanged) == (0, 1, 7)
    with opened(kept) as flows:
        assert flows.records == 40 - 6 + 1
        assert flows.sql("SELECT count(*) AS n FROM flows WHERE srcport = 9999").n[0] == 1
    assert store.verify(kept) == ()


def test_a_late_object_is_found_whatever_came_after_it(logs, kept):
    put(logs, "14T1855", "late", line(7777, HOUR - 4 * 3600))
    assert store.ingest(kept, resolve(str(logs))).new == 1
    with opened(kept, since=HOUR - 4 * 3600, until=HOUR - 4 * 3600 + 1) as flows:
        assert flows.records == 1


def test_an_object_is_kept_whole_and_the_period_applies_when_asking(kept):
    with opened(kept, since=HOUR - 300, until=HOUR) as before, opened(kept, since=HOUR, until=HOUR + 300) as after:
        assert (before.records, after.records) == (3, 3)


def test_what_could_not_be_read_is_tried_again(logs, kept):
    good = put(logs, "14T2220", "cut", *[line(n * n % 65521, HOUR + n) for n in range(500)])
    whole = good.read_bytes()
    good.write_bytes(whole[:2000])
    done = store.ingest(kept, resolve(str(logs)))
    assert (done.new, done.unreadable) == (1, 1)
    assert done.problems[0].startswith(good.name)
    done = store.ingest(kept, resolve(str(logs)))
    assert (done.new, done.replaced, done.unchanged, done.unreadable) == (0, 0, 9, 1)
    good.write_bytes(whole)
    done = store.ingest(kept, resolve(str(logs)))
    assert (done.replaced, done.unreadable) == (1, 0)
    with opened(kept) as flows:
        assert flows.records == 540
    assert store.verify(kept) == ()


def test_what_was_read_stays_when_its_object_becomes_unreadable(logs, kept):
    path = logs / "123456789012_vpcflowlogs_us-east-1_fl-1_20231114T2110Z_a.log.gz"
    path.write_bytes(path.read_bytes()[:40])
    done = store.ingest(kept, resolve(str(logs)))
    assert (done.replaced, done.unreadable) == (0, 1)
    with opened(kept) as flows:
        assert flows.records == 40


def test_standard_input_cannot_be_known_again(tmp_path):
    with pytest.raises(SourceError, match="Standard input has no name"):
        store.ingest(tmp_path / "store", resolve("-"))


def test_compaction_changes_no_row_and_no_answer(kept):
    period = {"since": HOUR - 3600, "until": HOUR}
    with opened(kept) as flows, opened(kept, **period) as part:
        before = rows(flows), rows(part), part.ledger.as_dicts()
    assert store.compact(kept)[1] == 1
    assert store.info(kept)["files"] == 1
    with opened(kept) as flows, opened(kept, **period) as part:
        assert (rows(flows), rows(part), part.ledger.as_dicts()) == before
    assert store.verify(kept) == ()
    assert store.compact(kept) == (1, 1)


def test_compaction_leaves_hours_alone_that_are_not_over(kept):
    files = store.info(kept)["files"]
    assert store.compact(kept, now_s=HOUR - 3 * 3600) == (files, files)
    assert 1 < store.compact(kept, now_s=HOUR - 3600 + 900)[1] < files


def test_files_of_different_formats_are_not_merged(logs, kept):
    put(logs, "14T2225", "other", f"{T} {T + 9} 10.0.0.9 OK", header="start end srcaddr log-status")
    store.ingest(kept, resolve(str(logs)))
    assert store.compact(kept)[1] == 2


def test_retention_drops_what_is_older_and_the_next_ingest_does_not_bring_it_back(logs, kept):
    assert store.prune(kept, HOUR - 3600) == 23
    with opened(kept) as flows:
        assert flows.records == 17
        assert flows.ledger.balanced and flows.ledger.totals["records"] == 17
        assert len(flows.ledger) == 4
    assert store.ingest(kept, resolve(str(logs))).unchanged == 8
    assert store.prune(kept, HOUR - 3600) == 0
    assert store.verify(kept) == ()
    told = store.info(kept)
    assert (told["rows"], told["pruned_rows"], told["objects"]) == (17, 23, {"pruned": 4, "read": 4})


def test_a_reader_is_not_disturbed(kept):
    with opened(kept) as flows:
        before = rows(flows)
        store.compact(kept)
        store.prune(kept, HOUR + 10**6)
        assert rows(flows) == before
    with opened(kept, allow_nothing=True) as flows:
        assert flows.records == 0


def test_a_snapshot_is_used_again_while_nothing_changed_near_its_period(logs, kept):
    early = store.snapshot(kept, HOUR - 3 * 3600, HOUR - 2 * 3600)
    everything = store.snapshot(kept)
    assert store.snapshot(kept) == everything
    put(logs, "20T1210", "new", line(1, T + 5 * 86400))
    store.ingest(kept, resolve(str(logs)))
    assert store.snapshot(kept, HOUR - 3 * 3600, HOUR - 2 * 3600) == early
    assert store.snapshot(kept) != everything


def test_the_notebooks_of_a_run_read_the_state_that_it_pinned(logs, kept, monkeypatch):
    monkeypatch.setenv("FLOWKIT_SNAPSHOT", str(store.snapshot(kept).resolve()))
    put(logs, "20T1210", "new", line(1, T + 5 * 86400))
    store.ingest(kept, resolve(str(logs)))
    with opened(kept) as flows, opened(kept, since=HOUR) as other:
        assert flows.records == 40
        assert other.sql("SELECT max(start_s) AS last_s FROM flows").last_s[0] == T + 5 * 86400


def test_snapshots_are_swept_unless_somebody_reads_them(kept):
    flows = opened(kept)
    (held,) = (kept / "snapshots").iterdir()
    idle = store.snapshot(kept, HOUR)
    store.compact(kept)
    for folder in (held, idle):
        os.utime(folder, (1, 1))
    store.compact(kept)
    assert list((kept / "snapshots").iterdir()) == [held]
    flows.close()
    del flows
    store.compact(kept)
    assert list((kept / "snapshots").iterdir()) == []


def test_verify_tells_what_is_wrong(kept):
    with Manifest(kept) as manifest:
        one, two, *_ = manifest.files()
    damaged = (kept / one.path).read_bytes()
    (kept / one.path).write_bytes(damaged[:-20] + b"x" * 20)
    (kept / two.path).unlink()
    (kept / "data" / "stray.parquet").write_bytes(b"")
    with sqlite3.connect(kept / "manifest.sqlite") as db:
        db.execute("UPDATE sources SET ledger = replace(ledger, '\"records\":4', '\"records\":5') WHERE object_id = 8")
    db.close()
    problems = store.verify(kept)
    assert problems[0] == f"{one.path} has another hash than when it was written."
    assert problems[1].startswith(f"{two.path} cannot be read: ")
    assert problems[-1] == "data/stray.parquet is named by no committed state."
    assert [text for text in problems if "does not balance" in text]
    assert [text for text in problems if text.endswith("has 4 rows, and its ledger says 5.")]


def test_a_store_of_another_format_is_refused(kept):
    with sqlite3.connect(kept / "manifest.sqlite") as db:
        db.execute("UPDATE meta SET value = '2' WHERE key = 'format'")
    db.close()
    for use in (store.verify, store.info, store.compact, store.snapshot, lambda at: store.ingest(at, [])):
        with pytest.raises(StoreError) as error:
            use(kept)
        assert str(error.value) == (
            f"{kept} is a store of format 2, and this flowkit knows format 1. "
            "Use the flowkit that wrote it, or ingest into a new folder."
        )


def test_a_folder_that_is_no_store_is_refused_and_left_alone(logs, tmp_path, monkeypatch):
    before = sorted(logs.iterdir())
    with pytest.raises(StoreError, match=r"is not empty \(123.*\) and not a store\. Name another folder\."):
        store.ingest(logs, [])
    with pytest.raises(StoreError, match=r"is not a store\. Make one with: flowkit ingest SOURCE --store"):
        store.compact(logs)
    assert sorted(logs.iterdir()) == before
    monkeypatch.setattr(disk, "_NETWORK", type("Every", (), {"__contains__": lambda *_: True})())
    with pytest.raises(StoreError, match="lies on a network file system"):
        store.ingest(tmp_path / "remote", [])


def test_what_a_killed_run_left_is_gone_after_the_next(kept):
    (kept / "staging").mkdir()
    (kept / "staging" / "half.parquet").write_bytes(b"PAR1")
    (kept / "data" / "2023-11-14" / "never-committed.parquet").write_bytes(b"PAR1")
    with cleaning.writer(kept) as manifest:
        assert cleaning.orphans(manifest) == []
    assert store.verify(kept) == ()


def test_the_inventory_of_the_logs_is_kept_with_them(logs, tmp_path):
    told = {"flowkit_inventory": 1, "interfaces": [{"interface_id": "eni-1", "name": "web-1", "vpc_id": "vpc-1"}]}
    (logs / "inventory.json").write_text(json.dumps(told))
    assert main(["ingest", str(logs), "--store", str(tmp_path / "store")]) == 0
    with opened(tmp_path / "store") as flows:
        assert flows.sql("SELECT DISTINCT name FROM interfaces").name.tolist() == ["web-1"]


def test_the_commands_of_a_store(logs, tmp_path, capsys):
    folder = str(tmp_path / "store")
    assert main(["ingest", str(logs), "--store", folder, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["new"] == 8
    assert main(["ingest", str(logs), "--store", folder]) == 0
    assert capsys.readouterr().out == "8 objects: 0 new, 0 replaced, 8 unchanged; 0 records read.\n"
    assert main(["store", "compact", folder]) == 0
    assert main(["store", "prune", folder, "--before", str(HOUR - 3600)]) == 0
    assert capsys.readouterr().out.endswith(" files, now 1\n23 rows dropped\n")
    assert main(["store", "info", folder]) == 0
    assert "dropped by retention: 23 rows\n" in capsys.readouterr().out
    assert main(["store", "files", folder]) == 0
    (path,) = capsys.readouterr().out.split()
    assert pq.read_metadata(path).num_rows == 17
    assert main(["store", "export", folder, str(tmp_path / "copy")]) == 0
    assert sorted(one.suffix for one in (tmp_path / "copy").iterdir()) == [".json", ".parquet"]
    assert main(["store", "verify", folder]) == 0
    capsys.readouterr()
    (tmp_path / "store" / "data" / "stray").write_bytes(b"")
    assert main(["store", "verify", folder]) == 1
    assert capsys.readouterr().err == f"flowkit: {folder} has 1 problem.\n"
    assert main(["store", "export", folder, str(tmp_path / "copy")]) == 1


def test_a_report_ingests_first_and_its_notebooks_read_what_was_there_then(logs, tmp_path, monkeypatch):
    monkeypatch.setenv("FLOWKIT_SNAPSHOT", "")  # taken back afterwards, whatever is set now
    folder = str(tmp_path / "store")
    wanted = {"since": "", "until": "", "inventory": "", "log_format": "", "yes": False}
    assert into_store(folder, str(logs), wanted, False) == ("", "", ())
    put(logs, "20T1210", "new", line(1, T + 5 * 86400))
    store.ingest(folder, resolve(str(logs)))
    with opened(folder) as flows:
        assert flows.records == 40
