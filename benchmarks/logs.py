"""The files that are read: a generated day, and more days that are the same day later.

A day of many records takes minutes to generate; days after the first are its files with the times of every line and of
every object name moved by whole days. They compress, parse and group as other days would; that the same conversations
come each day is what they do not tell.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from flowkit.generate import generate

__all__ = ["DAY_RECORDS", "Logs", "logs_of"]

#: More records than this are several days.
DAY_RECORDS = 10_000_000

_DAY_S = 86_400
_SEED = 1
_SLOT = re.compile(r"\d{8}T\d{4}Z")


@dataclass(frozen=True, slots=True)
class Logs:
    """A folder of flow logs. `rows` are its lines without headers, NODATA and SKIPDATA lines included."""

    folder: Path
    format: str
    days: int
    rows: int
    files: tuple[Path, ...]

    def __str__(self) -> str:
        size_mb = sum(file.stat().st_size for file in self.files) / 1e6
        days = "a day" if self.days == 1 else f"{self.days} days (the first one, moved)"
        return f"{self.format}: {self.rows:,} lines of {days} in {len(self.files):,} files, {size_mb:,.0f} MB gzip"

    def some(self, folder: Path, rows: int) -> Logs:
        """Every so many-th file, linked into `folder`: about `rows` of the rows."""
        step = max(1, self.rows // rows)
        for file in self.files[::step]:
            link = folder / file.relative_to(self.folder)
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.hardlink_to(file)
        files = tuple(sorted(folder.rglob("*.log.gz")))
        return Logs(folder, self.format, self.days, _rows(files), files)


def logs_of(place: Path, format: str, records: int, tell: Callable[[str], None]) -> Logs:
    """About `records` records in `place`, made if they are not there yet. The same arguments give the same files."""
    days = -(-records // DAY_RECORDS)
    folder = place / f"{format}-{records}"
    done = folder / "made"
    if not done.exists():
        tell(f"making {records:,} {format} records")
        summary = generate(folder / "logs", seed=_SEED, hours=24, records=records // days, format=format, interval_s=60)
        first = sorted(summary.dest.rglob("*.log.gz"))
        for day in range(1, days):
            for file in first:
                _later(file, summary.dest, day)
        done.write_text(str(_rows(summary.dest.rglob("*.log.gz"))))
    files = tuple(sorted((folder / "logs").rglob("*.log.gz")))
    return Logs(folder / "logs", format, days, int(done.read_text()), files)


def _later(file: Path, top: Path, day: int) -> None:
    """Write an object of the first day again as if it had come `day` days later."""
    header, _, text = gzip.decompress(file.read_bytes()).partition(b"\n")
    place = header.split().index(b"start")  # `end` comes next in every format that is generated
    times = re.compile(rb"^((?:[^ \n]+ ){%d})(\d+) (\d+)" % place, re.MULTILINE)

    def moved(match: re.Match[bytes]) -> bytes:
        return b"%b%d %d" % (match[1], int(match[2]) + day * _DAY_S, int(match[3]) + day * _DAY_S)

    def moved_slot(match: re.Match[str]) -> str:
        return f"{datetime.strptime(match[0], '%Y%m%dT%H%MZ') + timedelta(days=day):%Y%m%dT%H%MZ}"

    name = _SLOT.sub(moved_slot, file.name)
    slot = datetime.strptime(_SLOT.search(name)[0], "%Y%m%dT%H%MZ")
    place_of_day = file.relative_to(top).parents[3] / f"{slot:%Y/%m/%d}"
    (top / place_of_day).mkdir(parents=True, exist_ok=True)
    (top / place_of_day / name).write_bytes(gzip.compress(header + b"\n" + times.sub(moved, text), 6, mtime=0))


def _rows(files: Iterable[Path]) -> int:
    """Lines that are no header."""
    return sum(gzip.decompress(file.read_bytes()).count(b"\n") - 1 for file in files)
