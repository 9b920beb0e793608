"""Which folders of a bucket hold which days: AWS's layouts of flow logs, and folders by hour such as Firehose writes.

A prefix is looked at from its start, so it does not matter how deep the named prefix already is. Blind spot: folders by
hour that AWS did not lay out are taken for times of arrival; what arrived over an hour after its slot is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flowkit.formats import KeyInfo, parse_key

__all__ = ["LEVELS", "Dated", "Slots", "account_of", "all_match", "dated_by_aws", "other_service", "region_of"]

_ABOVE = r"(?:.*/)?AWSLogs/(?:o-[a-z0-9]+/)?"
#: A folder whose next level is years, in AWS's two layouts.
_PLAIN = re.compile(rf"{_ABOVE}(?:\d{{12}}|unknown)/[a-z]*flowlogs/[a-z0-9-]+/")
_HIVE = re.compile(
    rf"{_ABOVE}aws-account-id=(?:\d{{12}}|unknown)/(?:aws-)?service=[a-z]*flowlogs/aws-region=[a-z0-9-]+/"
)
_ACCOUNT = re.compile(rf"{_ABOVE}(?:aws-account-id=)?(\d{{12}}|unknown)/")
_SERVICE = re.compile(rf"{_ABOVE}(?:aws-account-id=)?(?:\d{{12}}|unknown)/(?:(?:aws-)?service=)?([^/]+)/")
_REGION = re.compile(rf"{_ABOVE}[^/]+/[^/]*flowlogs/(?:aws-region=)?([^/=]+)/")

#: The levels of folders by hour, as names.
LEVELS = tuple(
    re.compile(rf"(?:{name}=)?{digits}")
    for name, digits in (("year", r"(?:19|20)\d\d"), ("month", r"\d\d"), ("day", r"\d\d"), ("hour", r"\d\d"))
)
_HOUR = re.compile(r"(?:^|/)(?:year=)?((?:19|20)\d\d)/(?:month=)?(\d\d)/(?:day=)?(\d\d)/(?:hour=)?(\d\d)/")

#: Seconds that an object may lie in a later slot than its records start: the longest window, and slack.
_WINDOW_S = 600
_SLACK_S = 15 * 60

#: Seconds by which a folder named after the time of arrival may be later still: Firehose buffers up to 15 minutes.
_ARRIVAL_S = 3600

#: Seconds of a period, slack included, that is listed hour by hour where there are folders by hour.
_FEW_S = 6 * 3600

_LAST_S = 253_402_214_400 - 2 * 86_400  # the calendar ends with the year 9999


def account_of(folder: str) -> str:
    """The account that a folder right below AWSLogs stands for; '' if it is none."""
    found = _ACCOUNT.fullmatch(folder)
    return found[1] if found else ""


def region_of(folder: str) -> str:
    """The region that a folder of flow logs stands for; '' if it is none."""
    found = _REGION.fullmatch(folder)
    return found[1] if found else ""


def other_service(folder: str) -> str:
    """The AWS service, not flow logs, whose logs a folder holds; '' if it is none."""
    found = _SERVICE.fullmatch(folder)
    return "" if found is None or found[1].endswith("flowlogs") else found[1]


def all_match(level: int, folders: Sequence[str]) -> bool:
    """Whether these folders, and there are some, are all years (0), months (1), days (2) or hours (3)."""
    names = [folder.rstrip("/").rsplit("/", 1)[-1] for folder in folders]
    return bool(names) and all(LEVELS[level].fullmatch(name) for name in names)


@dataclass(frozen=True, slots=True)
class Dated:
    """A folder of folders by day. `base` ends right before the year; `hive` is whether that is written `year=`."""

    base: str
    hive: bool
    of_aws: bool


def dated_by_aws(prefix: str) -> Dated | None:
    """The folder of days that `prefix` is, or lies in, by one of AWS's layouts."""
    for pattern, hive in ((_PLAIN, False), (_HIVE, True)):
        found = pattern.match(prefix)
        if found:
            return Dated(found[0], hive, True)
    return None


class Slots:
    """Which keys may hold records that start in `since_s <= start < until_s` (epoch seconds, UTC; None: no limit)."""

    def __init__(self, since_s: int | None, until_s: int | None) -> None:
        self._first_s = None if since_s is None else since_s - since_s % 300
        self._last_s = None if until_s is None else until_s + _WINDOW_S + _SLACK_S

    def bounds(self, folder: Dated) -> tuple[str, str]:
        """(after which key to begin, before which key to end) in the order of keys; '' for no limit.

        Whole days: an object that was delivered late lies in the folder of its slot, whatever came after it.
        """
        after = before = ""
        if self._first_s is not None:
            after = _day_folder(folder, self._first_s, 0)
        if self._last_s is not None:
            before = _day_folder(folder, self._last_s + (0 if folder.of_aws else _ARRIVAL_S), 1)
        return after, before

    def onward(self, key: str) -> str:
        """After which key to go on listing where `key` lies outside of the period; '' for the one that comes next.

        In a folder the keys of one flow log are in the order of their slots, so those between cannot be wanted.
        """
        said = parse_key(key)
        if said is None or said.slot_start_s is None:
            return ""
        stem = key[: key.rindex(f"_{_stamp(said.slot_start_s)}_") + 1]
        if self._last_s is not None and said.slot_start_s > self._last_s:
            return f"{stem}:"  # what comes after the digits
        if self._first_s is not None and said.slot_start_s < self._first_s:
            return stem + _stamp(max(0, min(self._first_s, _LAST_S))).removesuffix("Z")
        return ""

    def few_days(self, folder: Dated) -> list[str]:
        """The folders of the days that a period of some hours needs; none when it is longer, or open."""
        if self._first_s is None or self._last_s is None or self._last_s - self._first_s > _FEW_S:
            return []
        last_s = self._last_s + (0 if folder.of_aws else _ARRIVAL_S)
        days = range(self._first_s - self._first_s % 86_400, last_s + 1, 86_400)
        return [_day_folder(folder, day_s, 0) for day_s in days]

    def want(self, key: str, said: KeyInfo | None) -> bool:
        """Whether this key may hold such records. One that says nothing about its time may."""
        if said is not None and said.slot_start_s is not None:
            return self._overlap(said.slot_start_s, said.slot_start_s)
        found = _HOUR.search(key)
        if found is None:
            return True
        year, month, day, hour = (int(part) for part in found.groups())
        try:
            start_s = int(datetime(year, month, day, hour, tzinfo=UTC).timestamp())
        except ValueError:
            return True
        return self._overlap(start_s - (0 if said is not None else _ARRIVAL_S), start_s + 3599)

    def _overlap(self, first_s: int, last_s: int) -> bool:
        early = self._first_s is not None and last_s < self._first_s
        late = self._last_s is not None and first_s > self._last_s
        return not early and not late


def _stamp(at_s: int) -> str:
    """A slot as the names of objects have it."""
    return f"{datetime.fromtimestamp(at_s, UTC):%Y%m%dT%H%MZ}"


def _day_folder(folder: Dated, at_s: int, days_later: int) -> str:
    day = datetime.fromtimestamp(max(0, min(at_s, _LAST_S)), UTC) + timedelta(days=days_later)
    return folder.base + day.strftime("year=%Y/month=%m/day=%d/" if folder.hive else "%Y/%m/%d/")
