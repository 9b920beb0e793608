"""What a source names: objects, the folder of the bundled logs, the inventory beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flowkit import store
from flowkit.sources import Object, resolve

if TYPE_CHECKING:
    from flowkit.inventory import Inventory

__all__ = ["beside_of", "described", "inventory_of", "objects_of", "sample_folder"]


def sample_folder() -> Path:
    """The folder behind `sample:`: `data/sample` in a checkout, else the same logs made once into the cache."""
    checkout = Path(__file__).resolve().parents[2] / "data" / "sample"
    if (checkout / "AWSLogs").is_dir():
        return checkout
    from flowkit.generate import sample

    def fill(staging: Path) -> None:
        sample(staging)

    return store.publish(store.cache_folder() / f"sample-{store.FORMAT}", fill)


def objects_of(
    source: str | Sequence[str],
    *,
    since_s: int | None = None,
    until_s: int | None = None,
    asked: Counter[str] | None = None,
) -> list[Object]:
    """The objects that a source names, `sample:` included. Raises SourceError where it names nothing.

    `since_s` and `until_s` (epoch seconds): of a remote source, only what may hold records of this period. `asked`
    counts the billed requests that this took.
    """
    return resolve(_placed(source), since_s=since_s, until_s=until_s, asked=asked)


def inventory_of(source: str | Sequence[str], given: str) -> Inventory | None:
    """The inventory that `given` names, or the one beside the logs where it is empty; None for `none`."""
    from flowkit.inventory import Inventory

    if given == "none":
        return None
    beside = given or beside_of(source)
    return Inventory.load(beside) if beside else None


def beside_of(source: str | Sequence[str]) -> str:
    """The path of the `inventory.json` at the top of a source folder; '' where there is none."""
    for one in _placed(source):
        beside = Path(one) / "inventory.json"
        if one != "-" and beside.is_file():
            return str(beside.resolve())
    return ""


def described(inventory: Inventory | None) -> dict[str, str]:
    """The log formats that AWS states for flow logs, as far as the inventory has them."""
    logs = inventory.flow_logs if inventory is not None else ()
    return {log.flow_log_id: log.log_format for log in logs if log.log_format}


def _placed(source: str | Sequence[str]) -> list[str]:
    named = [source] if isinstance(source, str) else source
    return [str(sample_folder()) if one in ("sample:", "sample") else one for one in named]
