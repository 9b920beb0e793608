"""Listing a bucket with calls that grow with what the period needs, not with the bucket.

Folders are opened one level at a time until a layout is known. Below it, one listing runs from the first day that the
period needs to the end of the last: no more calls than a listing per day, and fewer where days are small. What has no
known layout is listed whole. A folder that may not be listed is named in the ledger, and the rest is read.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, BinaryIO, cast

from flowkit.errors import SourceError
from flowkit.formats import KeyInfo, parse_key
from flowkit.sources import Object
from flowkit.sources.s3.body import Body
from flowkit.sources.s3.client import CONNECTIONS, client_of
from flowkit.sources.s3.layouts import Dated, Slots, account_of, all_match, dated_by_aws, other_service, region_of
from flowkit.sources.s3.place import Place
from flowkit.sources.s3.refusals import told

__all__ = ["Listing"]

#: More folders than this beside one another, none of a known layout, are listed in one go; so is what lies deeper.
_WIDE = 100
_DEEP = 8


class _Refused(Exception):
    """A listing that S3 refused. Its message is a sentence without its full stop."""


class Listing:
    """The objects of one place that a period (epoch seconds; None: no limit) needs. `requests` counts what it asked."""

    def __init__(self, place: Place, since_s: int | None, until_s: int | None) -> None:
        self._place = place
        self._slots = Slots(since_s, until_s)
        self._client = client_of(place)
        self._top = place.prefix[: place.prefix.rfind("/") + 1]
        self._counting = threading.Lock()
        self.requests = 0

    def objects(self) -> list[Object]:
        """All of them, in no particular order. Raises SourceError where the prefix itself cannot be listed."""
        try:
            jobs, found = self._start()
        except _Refused as refused:
            where = f"s3://{self._place.bucket}/{self._place.prefix}"
            raise SourceError(f"{where} cannot be listed: {refused}.") from refused
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            while jobs:
                results = list(pool.map(self._opened, jobs))
                jobs = [job for more, _ in results for job in more]
                found += [each for _, objects in results for each in objects]
        return found

    def _start(self) -> tuple[list[tuple[str, int]], list[Object]]:
        """The first folders, and what lies beside them. Raises _Refused."""
        prefix = self._place.prefix
        if prefix and not prefix.endswith("/"):
            folders, rows = self._level(prefix)
            if any(row["Key"] == prefix for row in rows):
                return [], [self._object(row) for row in rows if row["Key"] == prefix]
            if f"{prefix}/" in folders:
                self._top = f"{prefix}/"
                return self._level_opened(f"{prefix}/", 0)
            return [(folder, 1) for folder in folders], self._kept(rows)
        return self._level_opened(prefix, 0)

    def _opened(self, job: tuple[str, int]) -> tuple[list[tuple[str, int]], list[Object]]:
        folder, depth = job
        try:
            return self._level_opened(folder, depth)
        except _Refused as refused:
            return [], [self._named(folder, "unreadable", f"Its objects cannot be listed: {refused}.")]

    def _level_opened(self, folder: str, depth: int) -> tuple[list[tuple[str, int]], list[Object]]:
        """(folders to open next with their depth, objects) of one folder. Raises _Refused."""
        by_day = dated_by_aws(folder)
        if by_day is not None:
            return [], self._range(folder, by_day)
        if depth > _DEEP:
            return [], self._kept(self._pages({"Prefix": folder}))
        folders, rows = self._level(folder)
        found = self._kept(rows)
        if not rows and all_match(0, folders) and self._by_hour(folders[-1]):
            name = folders[-1][len(folder) :]
            return [], self._range(folder, Dated(folder, name.startswith("year="), of_aws=False))
        if len(folders) > _WIDE and not self._lead_on(folders):
            return [], self._kept(self._pages({"Prefix": folder}))
        jobs = []
        for one in folders:
            service = other_service(one)
            if service:
                found.append(self._named(one, "foreign", f"It holds logs of {service}; it was not listed."))
            elif self._may_be_wanted(one):
                jobs.append((one, depth + 1))
        return jobs, found

    def _lead_on(self, folders: list[str]) -> bool:
        """Whether many folders are worth opening one by one: accounts, or, as the first tells, owners of AWSLogs."""
        return any(account_of(one) for one in folders) or f"{folders[0]}AWSLogs/" in self._level(folders[0])[0]

    def _may_be_wanted(self, folder: str) -> bool:
        """Whether the filters on accounts and regions leave anything of a folder that stands for one."""
        account, region = account_of(folder), region_of(folder)
        place = self._place
        return not (account and place.accounts and account not in place.accounts) and not (
            region and place.log_regions and region not in place.log_regions
        )

    def _by_hour(self, year: str) -> bool:
        """Whether a folder of a year has only months, the last of them only days, and the last of them only hours."""
        folder = year
        for level in (1, 2, 3):
            folders, rows = self._level(folder)
            if rows or not all_match(level, folders):
                return False
            folder = folders[-1]
        return True

    def _range(self, folder: str, by_day: Dated) -> list[Object]:
        """The objects of the days that the period needs, in one listing; of the hours, if there are few."""
        days = self._slots.few_days(by_day) if folder == by_day.base else []
        if days:
            return [each for day in days for each in self._hours(day, by_day)]
        after, before = self._slots.bounds(by_day)
        rows = []
        asked = {"Prefix": folder} | ({"StartAfter": after} if after > folder else {})
        for row in self._pages(asked, leap=True):
            if before and row["Key"] >= before:
                break
            rows.append(row)
        return self._kept(rows)

    def _hours(self, day: str, by_day: Dated) -> list[Object]:
        """The objects of a day: those right in its folder, and those in the folders of the hours that are needed."""
        hours, rows = self._level(day, leap=True)
        said = KeyInfo() if by_day.of_aws else None
        needed = [hour for hour in hours if self._slots.want(hour, said)]
        return self._kept(rows) + [each for hour in needed for each in self._kept(self._pages({"Prefix": hour}))]

    def _level(self, folder: str, *, leap: bool = False) -> tuple[list[str], list[dict[str, Any]]]:
        """(folders, keys) right below a prefix."""
        folders: list[str] = []
        rows = list(self._pages({"Prefix": folder, "Delimiter": "/"}, folders, leap=leap))
        return folders, rows

    def _pages(
        self, asked: dict[str, str], folders: list[str] | None = None, *, leap: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Keys, page by page as they are wanted; folders are added to `folders`. Raises _Refused.

        `leap`: where a page ends outside of the period, go on behind the keys that are like its last one.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        asked = {**asked, "Bucket": self._place.bucket}
        if self._place.requester_pays:
            asked["RequestPayer"] = "requester"
        while True:
            with self._counting:
                self.requests += 1
            try:
                page = self._client.list_objects_v2(**asked)
            except (BotoCoreError, ClientError) as error:
                raise _Refused(told(error, "s3:ListBucket")) from error
            if folders is not None:
                folders += [one["Prefix"] for one in page.get("CommonPrefixes", ())]
            yield from page.get("Contents", ())
            if not page.get("IsTruncated"):
                return
            onward = self._slots.onward(page["Contents"][-1]["Key"]) if leap and page.get("Contents") else ""
            if any(one["Prefix"] > onward for one in page.get("CommonPrefixes", ())):
                onward = ""  # it would come to these folders again
            asked |= {"StartAfter": onward} if onward else {"ContinuationToken": page["NextContinuationToken"]}
            if onward:
                asked.pop("ContinuationToken", None)

    def _kept(self, rows: Any) -> list[Object]:
        """Objects of the keys that the period and the filters want. A key that stands for a folder is no object."""
        found = []
        for row in rows:
            key = row["Key"]
            if key.endswith("/") and not row["Size"]:
                continue
            said = parse_key(key)
            if self._slots.want(key, said) and self._place.wants(said):
                found.append(self._object(row))
        return found

    def _object(self, row: dict[str, Any]) -> Object:
        key, etag = row["Key"], row.get("ETag", "")
        return Object(
            uri=f"s3://{self._place.bucket}/{key}",
            name=key[len(self._top) :],
            opener=partial(self._body, key, etag),
            size=row["Size"],
            etag=etag.strip('"'),
            hints=parse_key(key),
            remote=True,
        )

    def _body(self, key: str, etag: str) -> BinaryIO:
        return cast(BinaryIO, Body(self._client, self._place, key, etag))

    def _named(self, folder: str, status: str, message: str) -> Object:
        """A folder that was not listed, for the ledger. What was refused has no identity, so it is tried again."""
        return Object(
            uri=f"s3://{self._place.bucket}/{folder}",
            name=folder[len(self._top) :],
            opener=partial(self._body, folder, ""),
            etag="" if status == "unreadable" else "not listed",
            refused=(status, message),
        )
