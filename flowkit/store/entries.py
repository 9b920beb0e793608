"""What the manifest says of an object and of a file."""

from __future__ import annotations

from dataclasses import dataclass, field

from flowkit.ledger import LedgerRow

__all__ = ["COUNTED", "File", "Known"]

#: The rows of a file, by kind, in the ledger's words.
COUNTED = ("records", "nodata", "skipdata")


@dataclass(frozen=True, slots=True)
class Known:
    """An object that was read: `state` is `read`, `retry` (unreadable, tried again) or `pruned` (its rows are gone).

    `hour_s` is its arrival slot hour, `min_start` and `max_start` span the starts of its rows; None where unknown.
    """

    object_id: int
    uri: str
    etag: str
    state: str
    hour_s: int | None
    min_start: int | None
    max_start: int | None
    row: LedgerRow


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One Parquet file. `path` is relative to the store; times are epoch seconds, None where no row has a start.

    `first_hour_s` and `last_hour_s` are the arrival slot hours in it; `held` counts rows by object, as COUNTED.
    """

    path: str
    first_hour_s: int
    last_hour_s: int
    min_start: int | None
    max_start: int | None
    rows: int
    size_bytes: int
    hash: str
    layout: str
    file_id: int = 0
    held: dict[int, tuple[int, int, int]] = field(default_factory=dict)
