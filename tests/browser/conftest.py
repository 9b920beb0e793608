"""A browser for the pages that flowkit writes: Debian's Chromium where there is one, else Playwright's own."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# Nothing that the browser does on its own may reach for the network.
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

#: What a card's next step ends with.
CALL = "aws ec2 describe-network-interfaces --filters Name=addresses.private-ip-address,Values=10.1.2.3"

WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@dataclass
class Opened:
    """A page in the browser, with all that it asked for and complained about."""

    page: Any
    requests: list[str]
    messages: list[str]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One browser for the whole run; the tests are left out where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = os.environ.get("FLOWKIT_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with api.sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        except api.Error as error:
            pytest.skip(f"no browser: {str(error).splitlines()[0]}")
        yield started
        started.close()


@pytest.fixture
def opened(browser):
    """Open a file as a reader would: `opened(path, width=PHONE, dark=True, scripts=False)`."""
    contexts = []

    def open_page(path: Path, *, size: dict[str, int] = WIDE, dark: bool = False, scripts: bool = True) -> Opened:
        context = browser.new_context(
            viewport=size, color_scheme="dark" if dark else "light", java_script_enabled=scripts
        )
        contexts.append(context)
        result = Opened(context.new_page(), [], [])
        result.page.on("request", lambda request: result.requests.append(request.url))
        result.page.on("console", lambda message: result.messages.append(message.text))
        result.page.on("pageerror", lambda error: result.messages.append(str(error)))
        result.page.goto(path.as_uri())
        return result

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def pages(tmp_path_factory) -> Path:
    """A report page and an index, rendered from an executed notebook made by hand; also the hostile one."""
    import pandas as pd

    from flowkit import show
    from flowkit.finding import Finding
    from flowkit.question import Answer
    from flowkit.report.html import page_of, render
    from flowkit.report.index import write_index
    from flowkit.show.view import View

    folder = tmp_path_factory.mktemp("pages")
    (folder / "2026-11-02").mkdir()

    def answer(rows: dict[str, list[Any]]) -> Answer:
        return Answer("SELECT 1\nFROM flows", ("A lower bound.",), (), "a", "What?", 48210, pd.DataFrame(rows))

    def code(view: View) -> dict[str, Any]:
        output = {"output_type": "execute_result", "data": {"text/html": view._repr_html_()}}
        return {"cell_type": "code", "metadata": {}, "source": "show.x()", "outputs": [output]}

    def words(text: str) -> dict[str, Any]:
        return {"cell_type": "markdown", "metadata": {}, "source": text}

    n = 24
    table = answer({
        "srcaddr": [f"10.0.{i}.7" for i in range(n)], "dstport": [22 + i for i in range(n)],
        "records": [(i * 37) % 101 for i in range(n)], "total_bytes": [1024 * (n - i) ** 3 for i in range(n)],
        "reject_share": [i / n for i in range(n)], "first_s": [1_700_000_000 + 60 * i for i in range(n)],
        "last_s": [1_700_003_600 + 60 * i for i in range(n)], "interface_id": [f"eni-0{i:015d}" for i in range(n)],
    })  # fmt: skip
    hours = answer({
        "hour_s": [3600 * (i // 2) for i in range(48)], "action": ["ACCEPT", "REJECT"] * 24,
        "records": [(i * 53) % 97 + 1 for i in range(48)],
    })  # fmt: skip
    notebook = {"cells": [
        words("# Security review\n\nWho was refused, for whoever answers for this network."),
        words("## Refused sources\n\nWhat was not let in."),
        code(show.table(table, caption="Sources")),
        code(show.bars(table, "srcaddr", "records", caption="Records by source")),
        words("## Over time\n\nEvery hour."),
        code(show.lines(hours, "hour_s", "records", split="action")),
        code(show.heatmap(hours, "hour_s", "action", "records")),
        words("## Method\n\n- [Source](https://docs.aws.amazon.com/vpc/)\n\n```\ncode " + "x" * 300 + "\n```"),
    ]}  # fmt: skip
    finding = {
        "rule": "port_scan", "confidence": 0.9, "first_seen": "2026-11-02T03:04:05Z",
        "last_seen": "2026-11-02T03:44:05Z", "count": 812, "explanation": "Why.", "could_also_be": "Else.",
        "next_step": f"Do this: {CALL}", "evidence": [{"dstport": p, "records": 3} for p in (22, 23)],
    }  # fmt: skip
    found = [
        Finding(id=f"port_scan-{severity}", title=f"A {severity} thing", severity=severity,
                subject={"srcaddr": [f"10.1.2.{i}" for i in range(12)]}, **finding).as_dict()
        for severity in ("critical", "high", "medium", "low", "info")
    ]  # fmt: skip
    record = {
        "flowkit_report": 1, "name": "security_review", "title": "Security review", "source": "logs/" + "deep/" * 30,
        "period": {"since": "2026-11-02T00:00:00Z", "until": "2026-11-03T00:00:00Z",
                   "since_s": 1_793_577_600, "until_s": 1_793_664_000},
        "parameters": {"source": "logs"}, "records": 48210,
        "summary": [{"text": "Five things need a look.", "values": {"n": 5}}],
        "headlines": [{"label": name, "value": 4210, "unit": "", "note": "8.7 % of them"} for name in "abcde"],
        "findings": found,
        "suppressed": [{**found[0], "id": "known", "suppression": {
            "entry": 1, "reason": "Known to be no matter.", "expires": "2027-03-31", "owner": "network"}}],
        "suppressions": {"notes": ["s.yaml: entry 2 (beacon) expired on 2026-10-01 and no longer acts."]},
        "run": {"at": "2026-11-03T01:00:00Z", "flowkit": "0.1.0"},
    }  # fmt: skip
    (folder / "2026-11-02" / "security_review.html").write_text(render(page_of(notebook), record))
    (folder / "2026-11-02" / "security_review.json").write_text(json.dumps(record))
    write_index(folder)
    return folder
