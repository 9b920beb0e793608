"""A reading that is handed from one process to another: a folder that stands for a source as it was read.

A report reads its source once. What its notebooks could not find again by themselves (standard input, a bucket listed
minutes ago, a part of the objects, what was said about the period) they open by such a folder, beside kept records:

    KEY/handed/KEY2/reading.json    how the source is called, what to tell of it, which inventory lay beside it
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flowkit import store

__all__ = ["Reading", "hand_over", "handed"]

_FILE = "reading.json"


@dataclass(frozen=True, slots=True)
class Reading:
    """The folder of `kept` records, the `source` as it is shown, `notes` on the reading, the `inventory` beside it."""

    kept: Path
    source: str
    notes: tuple[str, ...] = ()
    inventory: str = ""


def hand_over(kept: Path, source: str, notes: Sequence[str], inventory: str) -> Path:
    """A folder that may stand as a source, as long as `kept` records are there."""
    told = {"source": source, "notes": list(notes), "inventory": inventory}

    def fill(staging: Path) -> None:
        (staging / _FILE).write_text(json.dumps(told), encoding="utf-8")

    return store.publish(kept / "handed" / store.digest(told), fill)


def handed(source: str | Sequence[str]) -> Reading | None:
    """The reading that a source stands for; None for any other source."""
    if not isinstance(source, str) or not source or not (Path(source) / _FILE).is_file():
        return None
    folder = Path(source).resolve()
    if folder.parent.name != "handed":
        return None
    told = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    return Reading(folder.parent.parent, told["source"], tuple(told["notes"]), told["inventory"])
