"""What was read, kept: the cache of single runs (`kept`), and the store that grows (`ingest` and its neighbours).

The cache has a folder for each set of objects. The store is a folder of one's own that takes in new objects run by run:

    DIR/manifest.sqlite     which objects were read and what became of them; which files hold their records
    DIR/data/DAY/*.parquet  the records; a file never changes once the manifest names it
    DIR/snapshots/KEY/      one committed state, pinned by hard links for readers, with the tables derived from it
    DIR/staging/            what a run is writing; worthless to anybody else
    DIR/lock                held by the one run that writes

docs/store.md tells how it is used, docs/decisions/store.md why it is so.
"""

from __future__ import annotations

from flowkit.store.again import whole
from flowkit.store.compact import compact
from flowkit.store.ingest import Ingested, ingest
from flowkit.store.inventory import keep_inventory
from flowkit.store.kept import (
    FORMAT,
    UNUSED_DAYS,
    cache_folder,
    digest,
    earlier,
    is_store,
    keep_part,
    part_of,
    publish,
    read_ledger,
    read_objects,
    sweep,
)
from flowkit.store.manifest import holds_manifest
from flowkit.store.prune import prune
from flowkit.store.snapshot import PINNED, export, hold, is_snapshot, snapshot, store_of, window_of
from flowkit.store.unread import unread
from flowkit.store.verify import info, verify

__all__ = [
    "FORMAT",
    "PINNED",
    "UNUSED_DAYS",
    "Ingested",
    "cache_folder",
    "compact",
    "digest",
    "earlier",
    "export",
    "hold",
    "holds_manifest",
    "info",
    "ingest",
    "is_snapshot",
    "is_store",
    "keep_inventory",
    "keep_part",
    "part_of",
    "prune",
    "publish",
    "read_ledger",
    "read_objects",
    "snapshot",
    "store_of",
    "sweep",
    "unread",
    "verify",
    "whole",
    "window_of",
]
