"""A pytest plugin: name every test that was left out, with the reason; with CI=true, fail instead.

`make test` loads it (`-p tests.left_out`). A test marked to be skipped with a reason that begins with `optional:` needs
something that does not come with the repository and is told, never failed.
"""

from __future__ import annotations

import os

import pytest

_REASONS: dict[str, set[str]] = {}


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the reason of each skipped test, by file."""
    if report.skipped and not hasattr(report, "wasxfail"):
        where, reason = report.nodeid.split("::")[0], report.longrepr
        text = str(reason[2] if isinstance(reason, tuple) else reason).removeprefix("Skipped: ")
        _REASONS.setdefault(text, set()).add(where)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where nothing may be left out, a skipped test fails the run."""
    if os.environ.get("CI") == "true" and _missed() and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out and why."""
    if _REASONS:
        terminalreporter.section("left out")
        for reason, places in sorted(_REASONS.items()):
            terminalreporter.line(f"{', '.join(sorted(places))}: {reason}")
        if os.environ.get("CI") == "true" and _missed():
            terminalreporter.line("CI=true: nothing may be left out, so this run fails.", red=True)


def _missed() -> list[str]:
    return [reason for reason in _REASONS if not reason.startswith("optional:")]
