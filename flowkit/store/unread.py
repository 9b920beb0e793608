"""Which objects a store does not know yet, asked before anything is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flowkit.sources import Object
from flowkit.store.manifest import Manifest, holds_manifest

__all__ = ["unread"]


def unread(folder: str | Path, objects: Sequence[Object]) -> list[Object]:
    """Those of `objects` that an ingest into `folder` would read: new, changed, unreadable so far or without an etag.

    All of them where `folder` holds no store yet. Raises StoreError for a store of another format.
    """
    if not holds_manifest(str(folder)):
        return list(objects)
    with Manifest(Path(folder)) as manifest, manifest.reading():
        known = manifest.known([each.uri for each in objects])
    return [
        each
        for each in objects
        if not each.etag
        or each.uri not in known
        or known[each.uri].etag != each.etag
        or known[each.uri].state == "retry"
    ]
