"""Progress: one line on a terminal, JSON lines with `--json`, and nothing else anywhere."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest

import flowkit as fk
from flowkit import progress
from flowkit.cli import main
from flowkit.progress import Progress
from tests.reading import V2, lines

NOTEBOOKS = Path(__file__).parent / "notebooks"
PARTS = {"phase", "done", "of", "records", "elapsed_s"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setenv("FLOWKIT_CACHE_DIR", str(tmp_path / "cache"))
    path = tmp_path / "logs" / "a.log"
    path.parent.mkdir()
    record = "2 123456789012 eni-1 10.0.0.2 10.0.0.1 40000 443 6 10 1000 1700000000 1700000059 ACCEPT OK"
    path.write_text(lines(V2, record))
    return str(path.parent)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(progress, "FIRST_S", 0.05)
    monkeypatch.setattr(progress, "EACH_S", 0.05)


@pytest.mark.usefixtures("quick")
def test_a_terminal_shows_one_line_and_clears_it(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    with Progress().during("reading") as tell:
        tell(3, 118, 120_000)
        time.sleep(0.3)
    said = screen.getvalue()
    assert "\r\x1b[Kreading: 0 s, 3 of 118, 120,000 records " in said
    assert said.endswith("\r\x1b[K")
    assert "\n" not in said


def test_what_takes_less_than_two_seconds_is_not_shown(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    with Progress().during("reading") as tell:
        tell(1, 1, 1)
    assert screen.getvalue() == ""


@pytest.mark.usefixtures("quick")
def test_without_a_terminal_or_when_not_wanted_nothing_is_written(monkeypatch):
    for wanted, screen in ((True, io.StringIO()), (False, Terminal())):
        monkeypatch.setattr("sys.stderr", screen)
        with Progress(wanted).during("reading") as tell:
            tell(1, 2, 3)
            time.sleep(0.15)
        assert screen.getvalue() == ""


@pytest.mark.usefixtures("quick")
def test_a_function_takes_events_while_a_phase_lasts_and_at_its_end():
    events = []
    with Progress(events.append).during("verifying") as tell:
        time.sleep(0.12)
        tell(2, 2, 7)
    assert len(events) >= 2
    assert (events[0]["done"], events[0]["of"]) == (0, None)
    assert {key: events[-1][key] for key in ("phase", "done", "of", "records")} == {
        "phase": "verifying", "done": 2, "of": 2, "records": 7,
    }  # fmt: skip
    assert 0.1 <= events[-1]["elapsed_s"] < 60


def test_a_phase_that_fails_has_no_end():
    events = []
    with pytest.raises(OSError, match="full"), Progress(events.append).during("reading"):
        raise OSError("full")
    assert events == []


def test_open_tells_a_function_what_is_under_way(log):
    events = []
    fk.open(log, progress=events.append).close()
    assert [event["phase"] for event in events] == ["listing", "reading", "making the tables"]
    assert all(set(event) == PARTS for event in events)
    assert (events[1]["done"], events[1]["of"], events[1]["records"]) == (1, 1, 1)


def test_json_of_a_store_goes_to_standard_output_and_progress_to_standard_error(log, tmp_path, capsys):
    store = str(tmp_path / "store")

    def ran(*arguments: str) -> tuple[dict, list[str]]:
        assert main([*arguments, "--json"]) == 0
        captured = capsys.readouterr()
        events = [json.loads(line) for line in captured.err.splitlines()]
        assert all(set(event) == PARTS for event in events)
        return json.loads(captured.out), [event["phase"] for event in events]

    told, phases = ran("ingest", log, "--store", store)
    assert (told["new"], told["records"], phases) == (1, 1, ["listing", "reading"])
    assert ran("store", "verify", store) == ({"problems": []}, ["verifying"])
    assert ran("store", "compact", store) == ({"files_before": 1, "files_after": 1}, ["compacting"])
    assert ran("store", "export", store, str(tmp_path / "copy")) == ({"folder": str(tmp_path / "copy")}, ["exporting"])
    told, phases = ran("store", "files", store)
    assert (len(told["files"]), phases) == (1, [])
    assert ran("store", "prune", store, "--before", "2024-01-01") == ({"rows_dropped": 1}, ["pruning"])
    assert ran("store", "info", store)[0]["rows"] == 0


def test_json_of_a_report_names_its_files_and_tells_each_section(log, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["report", str(NOTEBOOKS / "tiny.ipynb"), log, "--out", str(out), "--json"]) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    (one,) = told["reports"]
    assert (told["flowkit_run"], told["failures"], one["name"], one["findings"]) == (1, [], "tiny", {"high": 1})
    assert all(Path(one[kind]).is_file() for kind in ("html", "json", "notebook"))
    assert Path(told["index"]).is_file()
    events = [json.loads(line) for line in captured.err.splitlines()]
    assert all(set(event) == PARTS for event in events)
    phases = [event["phase"] for event in events]
    assert "tiny: What was read" in phases
    assert phases.index("reading") < phases.index("making the tables") < phases.index("tiny: What was read")


def test_a_report_that_fails_says_so_in_its_json_too(log, tmp_path, capsys):
    assert main(["report", str(NOTEBOOKS / "broken1.ipynb"), log, "--out", str(tmp_path / "out"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["index"], told["reports"]) == (None, [])
    assert told["failures"][0].startswith("broken1 failed in section 'The second question': ZeroDivisionError")
