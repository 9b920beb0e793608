"""Events of a log group that answers Logs Insights only: one period cut into queries small enough to come whole.

A query gives at most 10,000 rows. One that reaches this, or that matched more than it gave, is not used: its time is
cut in parts and each is asked for again; within one second, its log streams are. What still does not fit is an error,
never a shorter answer. Each cut scans the same bytes again, and Insights is billed by bytes scanned; so the next
slice begins with parts of the size that worked. Source: CloudWatch Logs API Reference, StartQuery, GetQueryResults.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from flowkit.errors import SourceError
from flowkit.sources.cloudwatch.calls import Calls

__all__ = ["Insights"]

#: The most rows of one query, and how full the parts of a cut period are meant to be.
ROWS = 10_000
_AIM = 6_000
#: Seconds between looks at a running query: first, and at most.
_LOOK_S, _LOOK_AT_MOST_S = 0.2, 3.0
_ENDED_BADLY = {"Failed", "Cancelled", "Timeout", "Unknown"}
_STREAMS_AT_ONCE = 50


class Insights:
    """Queries on one log group. `step_s` remembers, from slice to slice, how much time fits in one query."""

    def __init__(self, client: Any, calls: Calls, group: str) -> None:
        self._client, self._calls, self._group = client, calls, group
        self.step_s = 0

    def pages(self, start_s: int, end_s: int) -> Iterator[list[dict[str, Any]]]:
        """The events with start_s <= timestamp < end_s, some at a time. Raises SourceError where not all can be had."""
        waiting = _cut(start_s, end_s, self.step_s or end_s - start_s)[::-1]
        total = 0
        while waiting:
            first_s, after_s = waiting.pop()
            rows, matched = self._query(first_s, after_s, _events())
            length_s = after_s - first_s
            if len(rows) < ROWS and matched <= len(rows):
                total += len(rows)
                yield [_event(row) for row in rows]
            elif length_s > 1:
                step_s = max(1, min(length_s * _AIM // max(matched, ROWS), length_s // 2))
                waiting += _cut(first_s, after_s, step_s)[::-1]
            else:
                total += max(matched, ROWS)
                yield from self._by_stream(first_s)
        self.step_s = max(1, (end_s - start_s) * _AIM // total) if total > _AIM else 0

    def _by_stream(self, second: int) -> Iterator[list[dict[str, Any]]]:
        """The events of a second that is too full for one query, by halves of its log streams."""
        counting = f"stats count(*) as events by @logStream | limit {ROWS}"
        named, _ = self._query(second, second + 1, counting)
        if len(named) >= ROWS:
            raise self._too_many(second)
        streams = sorted(row.get("@logStream", "") for row in named)
        waiting = [streams[at : at + _STREAMS_AT_ONCE] for at in range(0, len(streams), _STREAMS_AT_ONCE)][::-1]
        while waiting:
            some = waiting.pop()
            rows, matched = self._query(second, second + 1, _events(some))
            if len(rows) < ROWS and matched <= len(rows):
                yield [_event(row) for row in rows]
            elif len(some) > 1:
                middle = len(some) // 2
                waiting += [some[middle:], some[:middle]]
            else:
                raise self._too_many(second)

    def _too_many(self, second: int) -> SourceError:
        return SourceError(
            f"Log group {self._group} has more than {ROWS:,} records of one network interface in one second "
            f"({second} since 1970), more than Logs Insights gives. Export the group to S3 and read that instead."
        )

    def _query(self, first_s: int, after_s: int, query: str) -> tuple[list[dict[str, str]], int]:
        """(rows, how many matched) of one query over first_s <= time < after_s.

        Both ends of a query's time are taken in, in whole seconds; the filter leaves out what is of the next part.
        """
        within = f"filter toMillis(@timestamp) < {after_s * 1000} | "
        started = self._calls.ask(
            self._client, "start_query", "logs:StartQuery", logGroupName=self._group,
            startTime=first_s, endTime=after_s, queryString=within + query, limit=ROWS,
        )  # fmt: skip
        look_s = _LOOK_S
        while True:
            answer = self._calls.ask(
                self._client, "get_query_results", "logs:GetQueryResults", queryId=started["queryId"]
            )
            status = answer.get("status", "Unknown")
            if status == "Complete":
                break
            if status in _ENDED_BADLY:
                raise SourceError(f"A Logs Insights query on log group {self._group} ended as {status}. Run it again.")
            self._calls.pace.sleep(look_s)
            look_s = min(_LOOK_AT_MOST_S, look_s * 1.5)
        rows = [{cell["field"]: cell["value"] for cell in row} for row in answer.get("results", [])]
        return rows, int(answer.get("statistics", {}).get("recordsMatched", 0))


def _cut(start_s: int, end_s: int, step_s: int) -> list[tuple[int, int]]:
    return [(at, min(at + step_s, end_s)) for at in range(start_s, end_s, step_s)]


def _events(streams: list[str] | None = None) -> str:
    """The query for events. `@ptr`, which names an event, comes with every row unasked."""
    some = f" | filter @logStream in {json.dumps(streams)}" if streams else ""
    return f"fields @timestamp, @message{some} | sort @timestamp asc | limit {ROWS}"


def _event(row: dict[str, str]) -> dict[str, Any]:
    return {"eventId": row.get("@ptr", ""), "message": row.get("@message", "")}
