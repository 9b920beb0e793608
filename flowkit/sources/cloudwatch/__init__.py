"""A CloudWatch log group, hour by hour: `cloudwatch:LOG-GROUP`, with options after a question mark.

Each full hour (UTC) is one object, the same hour in every run, so that what was read of a closed hour is not fetched
again and no two objects overlap. The hours cover the period and ten minutes on both sides of it, since an event bears
the start of its record; what lies outside is left out by the period later, on our side.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, BinaryIO, cast

from flowkit.errors import SourceError
from flowkit.formats import KeyInfo
from flowkit.sources import Object
from flowkit.sources.cloudwatch.calls import Calls
from flowkit.sources.cloudwatch.documents import EventFile
from flowkit.sources.cloudwatch.formats import described, writers_of
from flowkit.sources.cloudwatch.insights import Insights
from flowkit.sources.cloudwatch.session import clients_of, place_of

__all__ = ["find"]

#: Length of a slice, how much is read around the period, and how long after its end a slice may still grow; seconds.
SLICE_S, HALO_S, GROWS_S = 3600, 600, 3600
_DAY_S = 86_400
_ONLY_INSIGHTS = "INFREQUENT_ACCESS"
_NO_READING = "DELIVERY"


def find(source: str, since_s: int | None, until_s: int | None) -> list[Object]:
    """The hours of a log group that may hold records starting in `since_s <= start < until_s` (epoch seconds).

    Without `since_s` and `until_s`, the last full day in UTC by AWS's clock; with one of them, from the group's first
    day or to now. Raises SourceError where the group cannot be found or read.
    """
    place = place_of(source)
    logs, ec2 = clients_of(place)
    calls = Calls(f"log group {place.group}")
    group, now_s = _group(logs, calls, place.group)
    kind = group.get("logGroupClass", "")
    if kind == _NO_READING:
        raise SourceError(
            f"Log group {place.group} is of class {kind}, which cannot be read. Read where it delivers to."
        )
    pages: Callable[[int, int], Iterator[list[dict[str, Any]]]] = partial(_filtered, logs, calls, place.group)
    if kind == _ONLY_INSIGHTS:
        pages = Insights(logs, calls, place.group).pages
    writers, note = writers_of(ec2, calls, place.group)

    _, _, _, region, account, *_ = f"{group.get('arn', '')}:::::".split(":")
    region = region or str(logs.meta.region_name)
    first_s, after_s, gone_s = _bounds(since_s, until_s, now_s, group)
    hourly_bytes = _hourly_bytes(group, now_s, gone_s)
    objects = []
    kept_s = max(first_s, gone_s // SLICE_S * SLICE_S)
    base = f"cloudwatch:{place.group}?account={account}&region={region}"
    if kept_s > first_s:
        message = _gone(group, (min(kept_s, after_s) - first_s + SLICE_S - 1) // SLICE_S, kept_s)
        name = f"{place.group}/deleted"
        objects.append(Object(f"{base}#deleted", name, partial(_opened, pages, 0, 0), refused=("empty", message)))
    for start_s in range(kept_s, after_s, SLICE_S):
        end_s = start_s + SLICE_S
        told = replace(
            described(place.group, writers, end_s, note),
            hourly_bytes=hourly_bytes,
            only_insights=kind == _ONLY_INSIGHTS,
        )
        one = told.formats[0][0] if len(told.formats) == 1 else ""
        hour = f"{datetime.fromtimestamp(start_s, UTC):%Y-%m-%dT%HZ}"
        uri = f"{base}#{hour}"
        objects.append(
            Object(
                uri=uri,
                name=f"{place.group}/{hour}",
                opener=partial(_opened, pages, start_s, end_s),
                etag="" if end_s + GROWS_S > now_s else _digest(uri, place.endpoint_url),
                hints=KeyInfo(account_id=account, region=region, flow_log_id=one),
                log_group=told,
            )
        )
    if not objects:
        raise SourceError(f"Log group {place.group} has nothing in this period: it was made later, or it is to come.")
    return objects


def _group(logs: Any, calls: Calls, name: str) -> tuple[dict[str, Any], int]:
    """(what AWS says of the group, AWS's time in epoch seconds)."""
    for answer in calls.pages(logs, "describe_log_groups", "logs:DescribeLogGroups", logGroupNamePrefix=name):
        for group in answer.get("logGroups", []):
            if group.get("logGroupName") == name:
                date = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
                return group, int(parsedate_to_datetime(date).timestamp())
    raise SourceError(
        f"Log group {name} does not exist in region {logs.meta.region_name}. "
        "Check its name, the account and the region (?region=..)."
    )


def _bounds(since_s: int | None, until_s: int | None, now_s: int, group: dict[str, Any]) -> tuple[int, int, int]:
    """(first hour, end of the last one, before when all is gone by retention), in epoch seconds."""
    if since_s is None and until_s is None:
        until_s = now_s // _DAY_S * _DAY_S
        since_s = until_s - _DAY_S
    made_s = int(group.get("creationTime", 0)) // 1000 - 14 * _DAY_S  # events may be two weeks old when they are put
    first_s = max(made_s, made_s if since_s is None else since_s - HALO_S)
    after_s = min(now_s, now_s if until_s is None else until_s + HALO_S)
    kept_days = group.get("retentionInDays")
    gone_s = now_s - kept_days * _DAY_S if kept_days else 0
    if since_s is None and gone_s:
        first_s = max(first_s, gone_s)
    return first_s // SLICE_S * SLICE_S, after_s, gone_s


def _hourly_bytes(group: dict[str, Any], now_s: int, gone_s: int) -> int:
    """What an hour of the group holds on average, by what AWS says of all its hours; 0 where it does not say.

    AWS brings the number up to date about once a day, and counts the text of the events.
    """
    since_s = max(int(group.get("creationTime", 0)) // 1000, gone_s)
    return int(group.get("storedBytes", 0)) * SLICE_S // max(now_s - since_s, SLICE_S)


def _gone(group: dict[str, Any], hours: int, kept_s: int) -> str:
    days = int(group["retentionInDays"])
    return (
        f"The log group keeps records for {days} {'day' if days == 1 else 'days'}; AWS has deleted {hours} "
        f"{'hour' if hours == 1 else 'hours'} of this period, to {datetime.fromtimestamp(kept_s, UTC):%Y-%m-%dT%H:%MZ}."
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:20]


def _filtered(logs: Any, calls: Calls, group: str, start_s: int, end_s: int) -> Iterator[list[dict[str, Any]]]:
    """The events of a slice, page by page, of all streams together: the quota counts calls, and so pages come full."""
    for answer in calls.pages(
        logs, "filter_log_events", "logs:FilterLogEvents",
        logGroupName=group, startTime=start_s * 1000, endTime=end_s * 1000 - 1,
    ):  # fmt: skip
        yield [{"eventId": one.get("eventId", ""), "message": one.get("message")} for one in answer.get("events", [])]


def _opened(pages: Callable[[int, int], Iterator[list[dict[str, Any]]]], start_s: int, end_s: int) -> BinaryIO:
    return cast(BinaryIO, EventFile(pages(start_s, end_s)))
