"""Opening a source: read once, kept whole or not at all, accounted for to the line."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import flowkit as fk
from flowkit import store
from flowkit.errors import ParameterError, SourceError

HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
T = 1_700_000_000


def line(n: int, start: int = T, *, action: str = "ACCEPT") -> str:
    return f"2 123456789012 eni-1 10.0.0.{n} 10.0.0.1 {40000 + n} 443 6 10 {1000 + n} {start} {start + 59} {action} OK"


def write(path: Path, *lines: str, header: str = HEADER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join([header, *lines]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.fixture(autouse=True)
def kept(monkeypatch, tmp_path):
    """A cache folder for one test."""
    monkeypatch.setenv("FLOWKIT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "logs"


def opened(source, **options):
    return fk.open(str(source), progress=False, **options)


def test_the_same_objects_are_read_once(tmp_path, monkeypatch):
    write(tmp_path / "logs" / "a.log.gz", line(2), line(3))
    with opened(tmp_path / "logs") as flows:
        assert flows.records == 2
    monkeypatch.setattr(store, "read_objects", lambda *_, **__: pytest.fail("read again"))
    with opened(tmp_path / "logs", since=T, until=T + 60) as flows:
        assert flows.records == 2


def test_a_changed_object_is_read_again(tmp_path):
    path = write(tmp_path / "logs" / "a.log", line(2))
    with opened(tmp_path / "logs") as flows:
        assert flows.records == 1
    write(path, line(2), line(3))
    with opened(tmp_path / "logs") as flows:
        assert flows.records == 2


def test_what_lies_outside_the_period_is_in_the_ledger(tmp_path):
    write(
        tmp_path / "a.log",
        line(2, T - 1),
        line(3),
        line(4, T + 59),
        line(5, T + 60),
        "2 123456789012 eni-1 - - - - - - - 5 64 - NODATA",
    )
    with opened(tmp_path / "a.log", since=str(T), until=str(T + 60)) as flows:
        totals = flows.ledger.totals
        assert (flows.records, totals["records"], totals["out_of_period"], totals["nodata"]) == (2, 2, 3, 0)
        assert flows.ledger.balanced
        assert flows.period == (T, T + 60)


def test_a_period_is_written_as_a_day_a_moment_or_seconds(tmp_path):
    write(tmp_path / "a.log", line(2))
    for since in ("2023-11-14", "2023-11-14T22:13:20Z", "2023-11-15T07:13:20+09:00", "1700000000"):
        with opened(tmp_path / "a.log", since=since) as flows:
            assert flows.records == 1, since
    with pytest.raises(ParameterError) as error:
        opened(tmp_path / "a.log", since="yesterdayish")
    assert str(error.value) == "since is 'yesterdayish', which is not a time. Write 2026-11-02 or 2026-11-02T06:00Z."
    with pytest.raises(ParameterError) as error:
        opened(tmp_path / "a.log", since="2023-11-15", until="2023-11-14")
    assert str(error.value) == "until (2023-11-14) is not after since (2023-11-15)."


def test_a_period_without_records_says_why(tmp_path):
    write(tmp_path / "a.log", line(2))
    with opened(tmp_path / "a.log", since="2024-01-01") as flows:
        assert flows.records == 0
        assert flows.notes[-1] == "Of 2 lines, 1 outside the period; none is a record."


def test_a_bad_line_is_counted_and_the_rest_loads_unless_strict(tmp_path):
    path = write(tmp_path / "a.log", line(2), "bogus line", line(3))
    with opened(path) as flows:
        assert (flows.records, flows.ledger.totals["malformed"]) == (2, 1)
    with pytest.raises(SourceError, match=r"a\.log has 1 malformed line of 4\. Line 3 "):
        opened(path, strict=True)


def test_an_inventory_beside_the_logs_is_used_unless_told_otherwise(tmp_path):
    write(tmp_path / "logs" / "AWSLogs" / "a.log", line(2))
    inventory = {"flowkit_inventory": 1, "interfaces": [{"interface_id": "eni-1", "name": "web-1", "vpc_id": "vpc-1"}]}
    (tmp_path / "logs" / "inventory.json").write_text(json.dumps(inventory))
    with opened(tmp_path / "logs") as flows:
        assert flows.sql("SELECT name, network FROM interfaces").values.tolist() == [["web-1", "vpc-1"]]
        assert flows.ledger.by_status() == {"read": 1}
    with opened(tmp_path / "logs", inventory="none") as flows:
        assert flows.inventory is None


def test_the_inventory_tells_the_format_of_a_flow_log_without_header(tmp_path):
    name = "123456789012_vpcflowlogs_us-east-1_fl-1_20231114T2210Z_0.log"
    path = tmp_path / "logs" / "AWSLogs/123456789012/vpcflowlogs/us-east-1/2023/11/14" / name
    write(path, header=f"{T} {T + 59} 10.0.0.2 10.0.0.1 ACCEPT 77 OK")
    inventory = {
        "flowkit_inventory": 1,
        "flow_logs": [
            {
                "flow_log_id": "fl-1",
                "log_format": "${start} ${end} ${srcaddr} ${dstaddr} ${action} ${bytes} ${log-status}",
            }
        ],
    }
    (tmp_path / "logs" / "inventory.json").write_text(json.dumps(inventory))
    with opened(tmp_path / "logs") as flows:
        assert flows.sql("SELECT srcaddr, bytes FROM flows").values.tolist() == [["10.0.0.2", 77]]
        assert flows.formats[0]["provenance"] == "flow log"


def test_cidrs_must_be_blocks(tmp_path):
    with pytest.raises(ParameterError) as error:
        opened(write(tmp_path / "a.log", line(2)), cidrs=["10.0.0.0/99"])
    assert str(error.value) == "cidrs has '10.0.0.0/99', which is not a CIDR block such as 10.0.0.0/16."


def test_a_folder_is_whole_or_not_there(kept):
    def fail(staging: Path) -> None:
        (staging / "half").write_text("x")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        store.publish(kept / "key", fail)
    assert list(kept.iterdir()) == []


def test_a_run_killed_while_reading_leaves_nothing_that_counts(kept, tmp_path):
    lines = [line(n % 250, T + n) for n in range(60_000)]
    for n in range(8):
        write(tmp_path / "logs" / f"{n}.log", *lines)
    code = f"import flowkit; flowkit.open({str(tmp_path / 'logs')!r}, progress=False)"
    for delay_s in (0.4, 0.9, 1.4):
        process = subprocess.Popen([sys.executable, "-c", code], env=dict(os.environ))
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for folder in kept.iterdir() if kept.exists() else ():
            assert folder.name.startswith(".") or store.is_store(str(folder))
    with opened(tmp_path / "logs") as flows:
        assert flows.records == 8 * 60_000 and flows.ledger.balanced
        assert flows.sql("SELECT CAST(sum(bytes) AS BIGINT) AS b FROM flows").b[0] == 8 * sum(
            1000 + n % 250 for n in range(60_000)
        )


def test_two_runs_at_once_both_succeed(kept, tmp_path):
    write(tmp_path / "a.log", *[line(n % 250, T + n) for n in range(5000)])
    code = f"import flowkit; print(flowkit.open({str(tmp_path / 'a.log')!r}, progress=False).records)"
    runs = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [run.communicate()[0].strip() for run in runs] == ["5000"] * 3
    assert len([folder for folder in kept.iterdir() if not folder.name.startswith(".")]) == 1


def test_what_nobody_used_for_a_week_is_swept(kept):
    for name in ("old", "new", ".staging"):
        (kept / name).mkdir(parents=True)
    os.utime(kept / "old", (1, time.time() - 8 * 86_400))
    os.utime(kept / ".staging", (1, time.time() - 2 * 86_400))
    store.sweep()
    assert [folder.name for folder in kept.iterdir()] == ["new"]


def test_kept_records_are_a_source_too(kept, tmp_path):
    write(tmp_path / "a.log", line(2))
    opened(tmp_path / "a.log").close()
    (folder,) = kept.iterdir()
    with opened(folder) as flows:
        assert flows.records == 1


def test_standard_input_is_read():
    code = "import flowkit; f = flowkit.open('-', progress=False); print(f.records, f.ledger.rows[0].object)"
    text = f"{HEADER}\n{line(2)}\n"
    run = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True)
    assert run.stdout.split()[0] == "1"
