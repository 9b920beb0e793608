"""Reports: what a run writes, what a failed one leaves, and that nothing stays running."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flowkit.errors import ParameterError, ReportError
from flowkit.report import Limits, attempt, report
from flowkit.report.html import page_of
from flowkit.report.index import write_index
from flowkit.report.places import find_notebook, period_name, write

NOTEBOOKS = Path(__file__).parent / "notebooks"
ROOT = Path(__file__).parent.parent

FIELDS = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
LOG = f"""{FIELDS}
2 123456789012 eni-1 8.8.8.8 10.0.0.2 40000 22 6 1 40 1700000000 1700000059 REJECT OK
2 123456789012 eni-1 8.8.8.8 10.0.0.2 40001 22 6 1 40 1700000000 1700000059 REJECT OK
2 123456789012 eni-1 10.0.0.9 10.0.0.2 40002 443 6 10 1000 1700000000 1700000059 ACCEPT OK
2 123456789012 eni-1 1.1.1.1 10.0.0.2 40000 23456 6 1 40 1700000060 1700000119 REJECT OK
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a log, and a cache of its own."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "a.log").write_text(LOG)
    before = os.environ.get("FLOWKIT_CACHE_DIR")
    os.environ["FLOWKIT_CACHE_DIR"] = str(folder / "cache")
    yield folder
    if before is None:
        del os.environ["FLOWKIT_CACHE_DIR"]
    else:
        os.environ["FLOWKIT_CACHE_DIR"] = before


def notebook(name: str) -> str:
    return str(NOTEBOOKS / f"{name}.ipynb")


@pytest.fixture(scope="module")
def ran(place):
    """One run of three notebooks, of which one fails; what it said, and its result."""
    said: list[str] = []
    result = attempt(
        [notebook("tiny"), notebook("broken1"), notebook("hostile")],
        str(place / "a.log"),
        out=place / "reports",
        log=said.append,
    )
    return result, said


def text_of(html: str) -> str:
    """The page's words, without style and script."""
    return re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.S)


def test_a_report_is_html_json_notebook_and_index_under_the_period(ran, place):
    result, _ = ran
    assert result.folder == place / "reports" / "2023-11-14T221320Z_2023-11-14T221421Z"
    assert sorted(path.name for path in result.folder.iterdir()) == [
        "broken1.ipynb", "hostile.html", "hostile.ipynb", "hostile.json", "tiny.html", "tiny.ipynb", "tiny.json",
    ]  # fmt: skip
    assert result.index == place / "reports" / "index.html"
    assert 'href="2023-11-14T221320Z_2023-11-14T221421Z/tiny.html"' in result.index.read_text()


def test_a_failed_notebook_leaves_its_cells_and_one_line(ran):
    result, _ = ran
    assert result.failures == (
        "broken1 failed in section 'The second question': ZeroDivisionError: division by zero. "
        f"As far as it ran: {result.folder / 'broken1.ipynb'}",
    )
    cells = json.loads((result.folder / "broken1.ipynb").read_text())["cells"]
    outputs = [out["output_type"] for cell in cells for out in cell.get("outputs", ())]
    assert outputs == ["execute_result", "error"]


def test_progress_names_each_section_as_it_runs(ran):
    _, said = ran
    assert [line for line in said if line.startswith("tiny: ")] == [
        "tiny: Who refuses whom?", "tiny: What was read", "tiny: Refused packets by source", "tiny: Telnet",
        "tiny: Summary", "tiny: Method and limits", "tiny: writing the report",
    ]  # fmt: skip


def test_the_json_carries_what_the_summary_cell_found(ran, place):
    result, _ = ran
    record = json.loads((result.folder / "tiny.json").read_text())
    assert record["period"]["since"] == "2023-11-14T22:13:20Z"
    assert record["parameters"] == {"source": str(place / "a.log")}
    assert record["records"] == 4
    assert record["summary"] == [{"text": "4 records were read.", "values": {"records": 4}}]
    assert [one["id"] for one in record["findings"]] == ["reject_storm-000000000001"]
    assert record["ledger"]["lines"] == 5
    assert set(record["run"]) == {"at", "flowkit"}
    assert [one["severity"] for one in result.findings] == ["high"]


def test_the_page_shows_findings_first_and_no_code(ran):
    result, _ = ran
    html = text_of((result.folder / "tiny.html").read_text())
    body = html[html.index("<main") :]
    order = [body.index(text) for text in ("4 records were read.", "8.8.8.8 was refused", "What was read", "Telnet")]
    assert order == sorted(order)
    assert "show.table" not in html
    assert "import flowkit" not in html
    assert "None in 4 records." in html
    assert "WHERE</b> action = " in html


def test_the_page_names_no_place_outside_and_forbids_loading(ran):
    result, _ = ran
    for name in ("tiny", "hostile"):
        html = (result.folder / f"{name}.html").read_text()
        assert not re.search(r"https?://|\bsrc=(?!.data:image/)|@import|\burl\((?!#)", html)
        assert "default-src &#39;none&#39;" in html or "default-src 'none'" in html
    assert "docs.aws.amazon.com/vpc/latest/userguide/flow-logs.html" in (result.folder / "tiny.html").read_text()


def test_hostile_text_stays_text(ran):
    result, _ = ran
    html = (result.folder / "hostile.html").read_text()
    assert html.count("<script") == 1
    assert "onerror" not in text_of(html)
    assert "onclick" not in text_of(html)
    assert "color:red" not in html
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;" in html
    assert "<b>bold</b>" in html  # harmless markup by hand is kept
    assert "A &lt;b&gt;bold&lt;/b&gt; heading" in html


def test_a_page_stays_small(ran):
    result, _ = ran
    assert (result.folder / "tiny.html").stat().st_size < 60_000


def test_a_parameter_nobody_has_is_an_error_before_anything_is_read(place):
    with pytest.raises(ParameterError) as caught:
        report(notebook("tiny"), "/nowhere", out=place / "none", parameters={"topn": "5"})
    assert str(caught.value) == "tiny has no parameter 'topn'. Did you mean 'top_n'?"
    assert not (place / "none").exists()


def stamped(html: str) -> str:
    return re.sub(r'<p id="run-stamp">.*?</p>', "", html)


def test_the_same_input_gives_the_same_page_wherever_it_runs(ran, place, tmp_path):
    """Another working directory, time zone, hash seed; a module in the way; more parameters at their defaults."""
    result, _ = ran
    (tmp_path / "pandas.py").write_text("raise ImportError('the wrong pandas')")
    code = (
        "import sys; from flowkit.report import report; "
        f"report({notebook('tiny')!r}, {str(place / 'a.log')!r}, out={str(tmp_path / 'out')!r})"
    )
    environment = {
        **os.environ,
        "TZ": "Asia/Seoul",
        "PYTHONHASHSEED": "77",
        "PYTHONPATH": str(ROOT),
        "MPLBACKEND": "Agg",
    }
    subprocess.run([sys.executable, "-P", "-c", code], check=True, cwd=tmp_path, env=environment, timeout=120)
    again = next((tmp_path / "out").glob("*/tiny.html")).read_text()
    assert stamped(again) == stamped((result.folder / "tiny.html").read_text())
    executed = next((tmp_path / "out").glob("*/tiny.ipynb")).read_text()
    assert executed == (result.folder / "tiny.ipynb").read_text()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def gone(pid: int) -> bool:
    """Whether a process is gone, or is within two seconds."""
    for _ in range(20):
        if not alive(pid):
            return True
        time.sleep(0.1)
    return False


def children(place: Path) -> set[str]:
    """What the runs of this module started and is still there: it has the module's cache folder in its environment."""
    own, found = f"FLOWKIT_CACHE_DIR={place / 'cache'}".encode(), set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            if own in (process / "environ").read_bytes().split(b"\0"):
                found.add((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def test_a_cell_that_takes_too_long_ends_the_run_with_all_its_processes(place, tmp_path):
    with pytest.raises(ReportError) as caught:
        report([notebook("hangs"), notebook("dies")], str(place / "a.log"), out=tmp_path, limits=Limits(cell_s=2))
    folder = tmp_path / "2023-11-14T221320Z_2023-11-14T221421Z"
    assert str(caught.value) == (
        "hangs failed in section 'The long wait': a cell took longer than 2 s. "
        f"As far as it ran: {folder / 'hangs.ipynb'} "
        "dies failed in section 'The end': the Python that ran it died; the machine may have run out of memory. "
        f"As far as it ran: {folder / 'dies.ipynb'}"
    )
    assert sorted(path.name for path in folder.iterdir()) == ["dies.ipynb", "hangs.ipynb"]
    assert not (tmp_path / "index.html").exists()
    assert gone(int((place / "child.pid").read_text()))
    assert children(place) == set()


def test_a_run_that_takes_too_long_is_killed_whatever_it_does(place, tmp_path):
    started = time.monotonic()
    result = attempt(notebook("hangs"), str(place / "a.log"), out=tmp_path, limits=Limits(cell_s=600, run_s=8))
    assert time.monotonic() - started < 20
    assert result.failures[0].startswith("hangs failed in section 'The long wait': the run took longer than 8 s.")
    assert gone(int((place / "child.pid").read_text()))
    assert children(place) == set()


def test_when_flowkit_is_killed_its_notebooks_go_too(place, tmp_path):
    (place / "child.pid").unlink(missing_ok=True)
    arguments = f"{notebook('hangs')!r}, {str(place / 'a.log')!r}, out={str(tmp_path)!r}"
    code = f"from flowkit.report import report; report({arguments})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    run = subprocess.Popen([sys.executable, "-c", code], env=environment)
    for _ in range(600):
        if (place / "child.pid").exists() and (place / "child.pid").read_text():
            break
        time.sleep(0.1)
    sleeper = int((place / "child.pid").read_text())
    run.kill()
    run.wait()
    assert gone(sleeper)
    assert not [line for line in children(place) if str(tmp_path) in line]


def test_whole_days_give_short_folder_names():
    day = 86400 * 20_000
    assert period_name(day, day + 86400) == "2024-10-04"
    assert period_name(day, day + 7 * 86400) == "2024-10-04_2024-10-10"
    assert period_name(day + 3 * 3600, day + 4 * 3600) == "2024-10-04T0300Z_2024-10-04T0400Z"
    assert period_name(day + 1, day + 61) == "2024-10-04T000001Z_2024-10-04T000101Z"


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    write(tmp_path / "a" / "b.txt", "one")
    write(tmp_path / "a" / "b.txt", "two")
    with pytest.raises(UnicodeEncodeError):
        write(tmp_path / "a" / "b.txt", "\ud800")
    assert [(path.name, path.read_text()) for path in (tmp_path / "a").iterdir()] == [("b.txt", "two")]
    assert (tmp_path / "a" / "b.txt").stat().st_mode & 0o777 == 0o666 & ~current_umask()


def current_umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def test_an_unknown_report_gets_a_suggestion():
    with pytest.raises(ParameterError) as caught:
        find_notebook("securty")
    assert str(caught.value) == "There is no report 'securty'. Did you mean 'security'?"
    with pytest.raises(ReportError) as missing:
        find_notebook("my/own.ipynb")
    assert str(missing.value) == "There is no notebook my/own.ipynb."


def test_two_notebooks_of_one_name_are_refused(place, tmp_path):
    shutil.copy(notebook("tiny"), tmp_path / "tiny.ipynb")
    with pytest.raises(ParameterError) as caught:
        report([notebook("tiny"), str(tmp_path / "tiny.ipynb")], str(place / "a.log"), out=tmp_path)
    assert str(caught.value) == "Two notebooks are named 'tiny'; their reports would overwrite each other."


def test_the_index_leaves_out_files_that_are_no_reports(ran, tmp_path):
    result, _ = ran
    shutil.copytree(result.folder, tmp_path / result.folder.name)
    (tmp_path / result.folder.name / "notes.json").write_text("[]")
    (tmp_path / result.folder.name / "broken.json").write_text("{")
    (tmp_path / result.folder.name / "hostile.html").unlink()
    html = write_index(tmp_path).read_text()
    assert html.count("<article") == 1
    assert "1 high" in html
    assert not re.search(r"https?://", html)


def test_headings_of_one_name_get_anchors_of_their_own():
    cells = [{"cell_type": "markdown", "metadata": {}, "source": f"## Again\n\n{text}"} for text in ("a", "b")]
    assert [section.name for section in page_of({"cells": cells}).sections] == ["again", "again-2"]


def test_a_heading_inside_a_code_block_is_no_heading():
    cells = [{"cell_type": "markdown", "metadata": {}, "source": "# T\n\n```\n## not this\n```\n\n## This\n\nx"}]
    assert [section.title for section in page_of({"cells": cells}).sections] == ["This"]
