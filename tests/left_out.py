"""A pytest plugin: name every test that was left out, with the reason; with CI=true, fail instead.

`make test` loads it (`-p tests.left_out`).
"""

from __future__ import annotations

import os

import pytest

#: Tests of things that do not come with the repository: told when left out, never failed.
OPTIONAL = {"tests/test_fixtures.py": "other people's log files, in the folder that FLOWKIT_FIXTURES names"}

_REASONS: dict[str, set[str]] = {}


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the reason of each skipped test, by file."""
    if report.skipped and not hasattr(report, "wasxfail"):
        told = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _REASONS.setdefault(report.nodeid.split("::")[0], set()).add(str(told).removeprefix("Skipped: "))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where nothing may be left out, a skipped test fails the run."""
    if _forbidden() and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out and why."""
    if _REASONS:
        terminalreporter.section("left out")
        for place, reasons in sorted(_REASONS.items()):
            terminalreporter.line(f"{place}: {'; '.join(sorted(reasons))}")
        if _forbidden():
            terminalreporter.line("CI=true: nothing may be left out, so this run fails.", red=True)


def _forbidden() -> bool:
    return os.environ.get("CI") == "true" and bool(set(_REASONS) - set(OPTIONAL))
