"""A small stand-in for CloudWatch Logs on the loopback, for what moto does not do: throttling, refusals, empty pages,
repeated events, infrequent access, and Logs Insights that heeds the query's time and streams and caps its rows.

It answers as the API references of CloudWatch Logs and EC2 describe. What is asked and when is recorded in `asked`.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

ROWS = 10_000
GROUP = "/vpc/flow"
NO_FLOW_LOGS = (
    '<DescribeFlowLogsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><flowLogSet/>'
    "</DescribeFlowLogsResponse>"
)
DENIED = "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error></Errors></Response>"


@dataclass
class Stub:
    """The state of the stand-in.

    `events`: (second, which may have a fraction, stream, message), by time. `trouble`: (operation, error code), each
    answered once in the order given. `empty_pages` come before each page of events; `repeat` gives each page's last
    event once more on the next page.
    """

    events: list[tuple[float, str, str]] = field(default_factory=list)
    now: str = "Tue, 03 Nov 2026 12:00:00 GMT"
    group: dict[str, Any] = field(default_factory=dict)
    trouble: deque[tuple[str, str]] = field(default_factory=deque)
    per_page: int = 1000
    empty_pages: int = 0
    repeat: bool = False
    ec2: tuple[int, str] = (200, NO_FLOW_LOGS)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    queries: dict[str, dict[str, Any]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def counted(self) -> Counter[str]:
        """How often each operation was asked for."""
        return Counter(name for name, _ in self.asked)

    def answer(self, operation: str, given: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """(status, body)."""
        with self.lock:
            self.asked.append((operation, given))
            if self.trouble and self.trouble[0][0] == operation:
                code = self.trouble.popleft()[1]
                status = 500 if code == "InternalFailure" else 400
                return status, {"__type": code, "message": f"{code} happened"}
        if operation == "DescribeLogGroups":
            arn = f"arn:aws:logs:eu-west-1:123456789012:log-group:{GROUP}:*"
            group = {"logGroupName": GROUP, "arn": arn, "creationTime": 1_700_000_000_000, **self.group}
            return 200, {"logGroups": [{"logGroupName": f"{GROUP}-other"}, group]}
        return 200, getattr(self, operation)(given)

    def FilterLogEvents(self, given: dict[str, Any]) -> dict[str, Any]:
        """Pages by number; times are inclusive on both sides, in milliseconds."""
        chosen = [
            (n, one) for n, one in enumerate(self.events) if given["startTime"] <= one[0] * 1000 <= given["endTime"]
        ]
        page, empty = map(int, given.get("nextToken", "0-0").split("-"))
        if empty < self.empty_pages:
            return {"events": [], "nextToken": f"{page}-{empty + 1}"}
        first = page * self.per_page
        some = chosen[max(0, first - self.repeat) : first + self.per_page]
        events = [
            {"eventId": f"id-{n}", "timestamp": int(second * 1000), "logStreamName": stream, "message": message}
            for n, (second, stream, message) in some
        ]
        more = {"nextToken": f"{page + 1}-0"} if first + self.per_page < len(chosen) else {}
        return {"events": events, **more}

    def StartQuery(self, given: dict[str, Any]) -> dict[str, Any]:
        """Only remembers the query."""
        with self.lock:
            name = f"query-{len(self.queries)}"
            self.queries[name] = given | {"looks": 0}
        return {"queryId": name}

    def GetQueryResults(self, given: dict[str, Any]) -> dict[str, Any]:
        """Running at the first look, complete at the second; at most 10,000 rows, whatever matched."""
        query = self.queries[given["queryId"]]
        query["looks"] += 1
        if query["looks"] < 2:
            return {"status": "Running", "results": [], "statistics": {"recordsMatched": 0.0}}
        text = query["queryString"]
        chosen = [one for one in self.events if query["startTime"] <= one[0] <= query["endTime"]]
        if streams := re.search(r"@logStream in (\[.*?\])", text):
            chosen = [one for one in chosen if one[1] in json.loads(streams[1])]
        if within := re.search(r"toMillis\(@timestamp\) < (\d+)", text):
            chosen = [one for one in chosen if one[0] * 1000 < int(within[1])]
        if "stats" in text:
            by_stream = Counter(stream for _, stream, _ in chosen)
            rows = [{"@logStream": stream, "events": str(n)} for stream, n in by_stream.items()]
        else:
            rows = [
                {"@message": message, "@ptr": f"{second}-{stream}-{n}"}
                for n, (second, stream, message) in enumerate(chosen)
            ]
        results = [[{"field": name, "value": value} for name, value in row.items()] for row in rows[:ROWS]]
        return {"status": "Complete", "results": results, "statistics": {"recordsMatched": float(len(chosen))}}


@contextmanager
def standing(stub: Stub) -> Iterator[str]:
    """The stand-in's endpoint URL, while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            target = self.headers.get("X-Amz-Target", "")
            if target:
                status, answer = stub.answer(target.rpartition(".")[2], json.loads(body))
                text = json.dumps(answer)
            else:
                stub.asked.append((parse_qs(body)["Action"][0], {}))
                status, text = stub.ec2
            data = text.encode()
            self.send_response_only(status)
            self.send_header("Date", stub.now)
            self.send_header("Content-Type", "application/x-amz-json-1.1" if target else "text/xml")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.02}).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
