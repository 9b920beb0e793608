"""Objects as AWS delivers them: one key per flow log and five minutes, by the record's end, gzip, header line first."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from flowkit.generate.bill import Bill
from flowkit.generate.company import REGION, Company
from flowkit.generate.gaps import Gap, idle, lose
from flowkit.generate.incidents import Incident
from flowkit.generate.lines import Writer
from flowkit.generate.records import Records, Sightings
from flowkit.generate.snapshot import flow_log_id

__all__ = ["Delivery"]

_SLOT_S = 300
_MOST_LINES = 60_000


@dataclass
class Delivery:
    """Writes the records of a run, and counts what it wrote. `formats` is the log format by VPC."""

    dest: Path
    company: Company
    formats: dict[int, str]
    start_s: int
    length_s: int
    bill: Bill
    level: int = 6
    progress: Callable[[str], None] | None = None
    records: int = 0
    gaps: int = 0
    objects: int = 0
    text_bytes: int = 0
    writers: dict[int, Writer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.writers = {vpc: Writer(self.company, name, self.start_s) for vpc, name in self.formats.items()}
        self._vpc = np.array([i.subnet.vpc for i in self.company.interfaces])

    def deliver(self, sightings: Sightings, incidents: list[Incident], step_s: int) -> None:
        """Write everything, some hours at a time, so that memory does not grow with the log."""
        late: list[Records] = []
        open_gaps: list[Gap] = []
        for edge, made in sightings.by_time(step_s):
            kept, gaps = lose(self.company, edge, step_s / self.length_s, made, incidents)
            open_gaps += gaps + idle(self.company.seed, edge, step_s, made, sightings.windows)
            rows = Records.join([*late, kept])
            last = edge > self.length_s
            # Windows that begin later end later: slots before the edge are complete.
            ripe = rows.end_s < edge if not last else np.ones(len(rows), dtype=bool)
            late = [rows.take(np.flatnonzero(~ripe))]
            self._slots(rows.take(np.flatnonzero(ripe)), [g for g in open_gaps if last or g.end_s < edge])
            open_gaps = [g for g in open_gaps if not last and g.end_s >= edge]
            if self.progress:
                self.progress(f"{self.records:,} records, {min(100, 100 * edge // self.length_s)} % of the period")

    def _slots(self, records: Records, gaps: list[Gap]) -> None:
        slot = (records.end_s + self.start_s) // _SLOT_S
        base = int(slot.min()) if len(slot) else 0
        key = (slot - base) * len(self.company.interfaces) + records.interface
        for vpc, writer in self.writers.items():
            rows = np.flatnonzero(self._vpc[records.interface] == vpc)
            rows = rows[np.lexsort((records.window[rows], key[rows]))]
            text, offsets = writer.lines(records.take(rows))
            slots = slot[rows]
            extra: dict[int, list[bytes]] = {}
            for gap in gaps:
                if self._vpc[gap.interface] == vpc:
                    line = writer.gap_line(self.company.interfaces[gap.interface], gap.start_s, gap.end_s, gap.status)
                    extra.setdefault((gap.end_s + self.start_s) // _SLOT_S, []).append(line)
            for number in sorted(set(slots.tolist()) | set(extra)):
                low, high = np.searchsorted(slots, [number, number + 1])
                for part, begin in enumerate(range(low, max(high, low + 1), _MOST_LINES)):
                    end = min(begin + _MOST_LINES, high)
                    lines = bytes(text[offsets[begin] : offsets[end]]) if end > begin else b""
                    tail = extra.get(number, []) if part == 0 else []
                    self._object(vpc, number * _SLOT_S, part, writer.header + lines + b"".join(tail))
                    self.records += int(end - begin)
                    self.gaps += len(tail)

    def _object(self, vpc: int, slot_s: int, part: int, text: bytes) -> None:
        account, log = self.company.account_id, flow_log_id(self.company, vpc)
        when = datetime.fromtimestamp(slot_s, UTC)
        folder = self.dest / "AWSLogs" / account / "vpcflowlogs" / REGION / when.strftime("%Y/%m/%d")
        folder.mkdir(parents=True, exist_ok=True)
        mark = zlib.crc32(f"{self.company.seed}/{log}/{slot_s}/{part}".encode())
        name = f"{account}_vpcflowlogs_{REGION}_{log}_{when:%Y%m%dT%H%MZ}_{mark:08x}.log.gz"
        (folder / name).write_bytes(gzip.compress(text, self.level, mtime=0))
        self.objects += 1
        self.text_bytes += len(text)
        self.bill.add(slot_s - self.start_s, "S3-Egress-Bytes", log, len(text))
