"""The command line: exit codes, one-line errors, and what each command prints."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flowkit.cli import main

ROOT = Path(__file__).parent.parent
NOTEBOOKS = Path(__file__).parent / "notebooks"

FIELDS = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
LOG = f"""{FIELDS}
2 012345678901 eni-1 8.8.8.8 10.0.0.2 40000 22 6 1 40 1700000000 1700000059 REJECT OK
2 012345678901 eni-1 10.0.0.9 10.0.0.2 40002 443 6 10 3000000000 1700000000 1700000059 ACCEPT OK
2 012345678901 eni-1 - - - - - - - 1700000060 1700000119 - NODATA
2 012345678901 eni-1 1.1.1.1 10.0.0.2 40000 23456 6 1 40 1700003600 1700003659 REJECT OK
a line that is none
"""


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setenv("FLOWKIT_CACHE_DIR", str(tmp_path / "cache"))
    path = tmp_path / "a.log"
    path.write_text(LOG)
    return str(path)


def failed(capsys, *arguments: str) -> tuple[int, str]:
    code = main(arguments)
    captured = capsys.readouterr()
    assert captured.out == ""
    return code, captured.err


def test_wrong_usage_is_2_and_one_line(capsys):
    assert failed(capsys, "inspect") == (
        2, "flowkit inspect: the following arguments are required: SOURCE. See flowkit inspect --help\n",
    )  # fmt: skip
    assert failed(capsys, "report", "security", "x", "--fail-on", "awful")[0] == 2
    assert failed(capsys, "report", "security", "x", "--timeout", "0")[0] == 2


def test_an_error_is_1_and_one_line(capsys, tmp_path):
    assert failed(capsys, "report", "securty", "x") == (
        1, "flowkit: There is no report 'securty'. Did you mean 'security'?\n",
    )  # fmt: skip
    code, said = failed(capsys, "inspect", str(tmp_path / "nowhere"))
    assert (code, said.count("\n"), said.startswith("flowkit: ")) == (1, 1, True)


def test_a_misspelled_parameter_is_told_before_anything_runs(capsys, log, tmp_path):
    code, said = failed(
        capsys, "report", str(NOTEBOOKS / "tiny.ipynb"), log, "--out", str(tmp_path / "out"), "--param", "topn=5"
    )
    assert (code, said) == (1, "flowkit: tiny has no parameter 'topn'. Did you mean 'top_n'?\n")
    assert not (tmp_path / "out").exists()


def test_a_parameter_without_a_value_is_an_error(capsys, log):
    assert failed(capsys, "report", "security", log, "--param", "top_n") == (
        1, "flowkit: --param 'top_n' is not NAME=VALUE.\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("outt = 'x'", "has an unknown option 'outt'. Did you mean 'out'?"),
        ("timeout = '5'", ": timeout must be a whole number, not '5'."),
        ("yes = 'no'", ": yes must be true or false, not 'no'."),
        ("fraction = '10 %'", ": fraction must be a number such as 0.1, not '10 %'."),
        ("fraction = 1.5", "fraction is 1.5, which is not above 0 and at most 1."),
        (
            "store = 'a'\nfraction = 0.5",
            "A store takes whole sources, for it could not say later that it holds a part.",
        ),
        ("fail_on = 'bad'", ": fail_on must be one of critical, high, medium, low, info, not 'bad'."),
    ],
)
def test_a_wrong_configuration_file_is_an_error(capsys, log, tmp_path, toml, message):
    (tmp_path / "c.toml").write_text(toml)
    code, said = failed(capsys, "report", "security", log, "--config", str(tmp_path / "c.toml"))
    assert code == 1
    assert message in said


def test_report_takes_its_options_from_a_file_and_the_command_line_wins(capsys, log, tmp_path):
    (tmp_path / "c.toml").write_text(
        f"out = {str(tmp_path / 'filed')!r}\nfail_on = 'high'\n[parameters]\ntop_n = 1\naccount = '012345678901'\n"
    )
    code = main(
        ["report", str(NOTEBOOKS / "tiny.ipynb"), log, "--config", str(tmp_path / "c.toml"), "--param", "top_n=2"]
    )
    captured = capsys.readouterr()
    folder = tmp_path / "filed" / "2023-11-14T221320Z_2023-11-14T231420Z"
    record = json.loads(next((tmp_path / "filed").glob("*/tiny.json")).read_text())
    assert code == 3  # tiny's finding is high
    assert captured.out.splitlines()[-1] == str(tmp_path / "filed" / "index.html")
    assert captured.err == ""  # no terminal, no progress
    assert record["parameters"] == {"account": "012345678901", "source": log, "top_n": 2}
    assert folder.parent.is_dir()


def test_a_configuration_file_names_the_store_that_is_read_into_and_reported_from(capsys, log, tmp_path, monkeypatch):
    from flowkit.store import PINNED, info

    monkeypatch.setenv(PINNED, "")
    store = tmp_path / "store"
    (tmp_path / "c.toml").write_text(f"out = {str(tmp_path / 'out')!r}\nstore = {str(store)!r}\nyes = true\n")
    arguments = ["report", str(NOTEBOOKS / "tiny.ipynb"), log, "--config", str(tmp_path / "c.toml")]
    assert main(arguments) == 0
    assert info(store)["objects"] == {"read": 1}
    record = json.loads(next((tmp_path / "out").glob("*/tiny.json")).read_text())
    assert (record["source"], record["records"]) == (str(store), 3)
    capsys.readouterr()
    other = tmp_path / "other"
    assert main([*arguments, "--store", str(other)]) == 0  # the command line wins
    assert info(other)["objects"] == {"read": 1}


def test_a_report_reads_standard_input_once_for_all_its_notebooks(log, tmp_path):
    arguments = ["report", str(NOTEBOOKS / "tiny.ipynb"), "-", "--out", str(tmp_path / "out")]
    with Path(log).open() as content, run(*arguments, stdin=content, stdout=subprocess.DEVNULL) as process:
        assert process.wait() == 0
    record = json.loads(next((tmp_path / "out").glob("*/tiny.json")).read_text())
    assert (record["source"], record["records"]) == ("-", 3)


def test_a_failed_report_is_1_and_says_where(capsys, log, tmp_path):
    code, said = failed(capsys, "report", str(NOTEBOOKS / "broken1.ipynb"), log, "--out", str(tmp_path / "out"))
    assert code == 1
    assert said.startswith(
        "flowkit: broken1 failed in section 'The second question': ZeroDivisionError: division by zero."
    )
    assert said.count("\n") == 1


def test_inspect_says_where_every_line_went(capsys, log):
    assert main(["inspect", log]) == 0
    said = capsys.readouterr().out
    assert "6 lines = 3 records + 1 headers + 1 NODATA + 1 malformed." in said
    assert "a.log has 1 malformed line of 6." in said.replace(str(Path(log).parent) + "/", "")


def test_inspect_as_json_has_the_documented_parts(capsys, log):
    assert main(["inspect", log, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["totals", "ledger", "formats", "period", "accounts", "interfaces", "gaps", "coverage"]
    assert {name: told["totals"][name] for name in ("lines", "headers", "records", "nodata", "malformed")} == {
        "lines": 6, "headers": 1, "records": 3, "nodata": 1, "malformed": 1,
    }  # fmt: skip
    assert told["accounts"] == ["012345678901"]
    assert told["formats"][0]["provenance"] == "header"
    assert told["gaps"][0]["gap_records"] == 1


def test_convert_writes_the_records_as_json_lines(capsys, log, tmp_path):
    assert main(["convert", log, str(tmp_path / "out.jsonl")]) == 0
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert capsys.readouterr().out == f"4 records in {tmp_path / 'out.jsonl'}\n"
    first = next(row for row in rows if row["bytes"] == 3_000_000_000)
    assert (first["account_id"], first["start"], first["end"]) == (
        "012345678901", "2023-11-14T22:13:20Z", "2023-11-14T22:14:19Z",
    )  # fmt: skip
    nodata = next(row for row in rows if row["log_status"] == "NODATA")
    assert (nodata["srcaddr"], nodata["bytes"], nodata["action"]) == (None, None, None)


def test_convert_writes_only_the_period_that_was_asked_for(log, tmp_path):
    assert main(["convert", log, str(tmp_path / "out.csv"), "--since", "2023-11-14T23:00Z"]) == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert [(row["srcaddr"], row["start"]) for row in rows] == [("1.1.1.1", "2023-11-14T23:13:20Z")]


def test_convert_writes_parquet_with_instants(log, tmp_path):
    assert main(["convert", log, str(tmp_path / "out.parquet")]) == 0
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.num_rows == 4
    assert str(table.schema.field("start").type) == "timestamp[us, tz=UTC]"
    assert "src_key" not in table.column_names


def test_convert_guards_formulas_in_csv_and_nowhere_else(tmp_path, monkeypatch):
    monkeypatch.setenv("FLOWKIT_CACHE_DIR", str(tmp_path / "cache"))
    lines = LOG.splitlines()
    (tmp_path / "b.log").write_text(f"{lines[0]}\n{lines[1].replace('eni-1', '=cmd|x')}\n")
    assert main(["convert", str(tmp_path / "b.log"), str(tmp_path / "b.csv")]) == 0
    assert main(["convert", str(tmp_path / "b.log"), str(tmp_path / "b.jsonl")]) == 0
    assert next(csv.DictReader(io.StringIO((tmp_path / "b.csv").read_text())))["interface_id"] == "'=cmd|x"
    assert json.loads((tmp_path / "b.jsonl").read_text())["interface_id"] == "=cmd|x"


def test_convert_refuses_an_ending_it_does_not_know(capsys, log, tmp_path):
    code, said = failed(capsys, "convert", log, str(tmp_path / "out.xlsx"))
    assert (code, said.split(" ends in ")[1]) == (1, ".xlsx; convert writes .parquet, .csv, .jsonl.\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.log", "cache"]


def test_findings_are_json_or_csv(capsys, log):
    assert main(["findings", log]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["flowkit_findings"], told["records"]) == (1, 3)
    assert {(one["room"], one["severity"]) for one in told["findings"]} == {("security", "info")}
    assert main(["findings", log, "--room", "security", "--format", "csv"]) == 0
    assert next(csv.reader(io.StringIO(capsys.readouterr().out)))[:3] == ["id", "rule", "severity"]


def test_findings_that_are_bad_enough_leave_with_3(log):
    assert main(["findings", log, "--fail-on", "medium"]) == 0
    assert main(["findings", log, "--fail-on", "info"]) == 3


def test_plan_counts_without_reading(capsys, log):
    assert main(["plan", log, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["objects"], told["bytes"]) == (1, len(LOG))
    assert main(["plan", log]) == 0
    assert capsys.readouterr().out.startswith(f"{log}: 1 object, {len(LOG)} bytes; about ")


def run(*arguments: str, **how) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-m", "flowkit", *arguments], env=environment, text=True, **how)


def test_a_reader_that_goes_away_is_no_error(log):
    with run("inspect", log, "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        told = [json.loads(line) for line in process.stderr]  # progress, and nothing else
        assert {event["phase"] for event in told} == {"listing", "reading", "making the tables"}
    assert process.returncode == 141


def test_an_interrupt_is_one_line():
    import signal

    def listens() -> None:
        """Whoever runs the tests in the background may have them ignore interrupts; the program under test must not."""
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with run("inspect", "-", stdin=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=listens) as process:
        time.sleep(1.5)  # it waits for standard input
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        assert process.stderr.read() == "flowkit: interrupted\n"
    assert process.returncode == 130


def test_help_is_quick_and_imports_nothing_heavy():
    code = (
        "import sys; from flowkit.cli import main; main(['--help']); "
        "heavy = {'pandas', 'pyarrow', 'duckdb', 'matplotlib', 'boto3', 'papermill', 'nbconvert', 'numpy'}; "
        "heavy &= set(sys.modules); "
        "sys.exit(str(sorted(heavy)) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("command", ["report", "findings", "inspect", "convert", "plan", "generate", "notebooks"])
def test_every_command_has_examples(capsys, command):
    assert main([command, "--help"]) == 0
    assert f"examples:\n  flowkit {command} " in capsys.readouterr().out


def test_notebooks_are_copied_once(capsys, tmp_path):
    assert main(["notebooks", str(tmp_path / "mine")]) == 0
    names = sorted(path.name for path in (tmp_path / "mine").iterdir())
    assert {"cost_review.ipynb", "performance_analysis.ipynb", "security_review.ipynb"} <= set(names)
    capsys.readouterr()
    code, said = failed(capsys, "notebooks", str(tmp_path / "mine"))
    assert (code, "nothing was copied" in said) == (1, True)
