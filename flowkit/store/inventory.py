"""The inventory that came with the logs, kept beside them: `inventory.json` at the top of the store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowkit.store.disk import locked, sync

__all__ = ["keep_inventory"]


def keep_inventory(folder: str | Path, inventory: Mapping[str, Any]) -> None:
    """Put an inventory, as plain JSON types, into the store; it takes the place of an older one."""
    place = Path(folder) / "inventory.json"
    text = json.dumps(inventory, ensure_ascii=False, sort_keys=True)
    with locked(Path(folder)):
        if place.is_file() and place.read_text(encoding="utf-8") == text:
            return
        new = place.with_name(".inventory.json.new")
        new.write_text(text, encoding="utf-8")
        sync(new)
        new.replace(place)
        sync(place.parent)
