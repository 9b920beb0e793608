"""`flowkit.open`: from a source to Flows. Reads what was not read before, makes the tables, and opens them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flowkit import store
from flowkit.deriving import derive, reopened
from flowkit.errors import ParameterError
from flowkit.flows import Flows, when
from flowkit.sources import Object, is_remote, resolve, without_options

if TYPE_CHECKING:
    from flowkit.inventory import Inventory

__all__ = ["ingested", "objects_of", "open", "period_of", "pinned", "prepared", "sample_folder"]

_DAY_S = 86_400


def open(
    source: str | Sequence[str] = "sample:",
    *,
    since: str | int = "",
    until: str | int = "",
    inventory: str = "",
    log_format: str | Mapping[str, str] = "",
    cidrs: Sequence[str] = (),
    strict: bool = False,
    allow_nothing: bool = False,
    progress: bool = True,
) -> Flows:
    """Read flow logs and make them ready for questions.

    `source`: a file, a folder, a glob, `-` for standard input, `sample:` for the bundled logs, `s3://bucket/prefix`
    or `cloudwatch:LOG-GROUP` with their options (docs/sources.md), or a list.
    `since`, `until`: the period `since <= start < until`, as ISO 8601 (UTC unless it says otherwise); empty for all,
    of a remote source for its last full day (UTC).
    `inventory`: a file of what AWS resources there are (docs/inventory.md); empty takes `inventory.json` at the top
    of a source folder if there is one; `none` does without. `log_format`: the format of records that come without a
    header line, one for all or one per flow log id. `cidrs`: address ranges that are yours beyond the inventory.
    `strict`: a damaged file or malformed line is an error; otherwise it is counted in the ledger and the rest loads.
    `allow_nothing`: that nothing could be read is no error either; the ledger says why.

    Raises SourceError when there is nothing to read, InventoryError, ParameterError.

    >>> flows = open("sample:", progress=False)
    >>> flows.records > 0
    True
    """
    folder, found = prepared(
        source, since=since, until=until, inventory=inventory, log_format=log_format, cidrs=cidrs, strict=strict,
        allow_nothing=allow_nothing, progress=progress,
    )  # fmt: skip
    named = [source] if isinstance(source, str) else source
    return reopened(folder, found, ", ".join(without_options(one) for one in named))


def prepared(
    source: str | Sequence[str] = "sample:",
    *,
    since: str | int = "",
    until: str | int = "",
    inventory: str = "",
    log_format: str | Mapping[str, str] = "",
    cidrs: Sequence[str] = (),
    strict: bool = False,
    allow_nothing: bool = False,
    progress: bool = True,
) -> tuple[Path, Inventory | None]:
    """As `open`, with the same parameters (`allow_nothing` too), but only make the files.

    Returns the folder of derived tables and the inventory that was used.
    """
    since_s, until_s, notes = period_of(source, since, until)
    _check_cidrs(cidrs)
    store.sweep()
    found = _inventory(source, inventory)
    kept = _records_of(source, (since_s, until_s), log_format, _described(found), _Progress(progress))
    ledger = store.read_ledger(kept)
    if strict or not allow_nothing:
        ledger.check(strict=strict)
    os.utime(kept)
    key = store.digest(since_s, until_s, found.as_dict() if found else None, sorted(cidrs), *notes)
    tell = _Progress(progress)
    folder = store.publish(
        kept / "derived" / key,
        lambda staging: derive(kept, staging, ledger, found, since_s, until_s, cidrs, notes=notes),
    )
    tell.done()
    return folder, found


def ingested(
    source: str | Sequence[str],
    folder: str,
    *,
    since: str | int = "",
    until: str | int = "",
    inventory: str = "",
    log_format: str | Mapping[str, str] = "",
    progress: bool = True,
) -> store.Ingested:
    """Read what the store in `folder` does not know yet of a source, and make the store if there is none.

    `since`, `until`: of a remote source, only objects that may hold records of this period; each is read whole. The
    inventory, found as `open` finds it, is kept in the store. The rest as for `open`.
    Raises SourceError where the source names nothing, StoreError, InventoryError, ParameterError.
    """
    since_s, until_s, _ = period_of(source, since, until)
    found = _inventory(source, inventory)
    objects = objects_of(source, since_s=since_s, until_s=until_s)
    tell = _Progress(progress)
    done = store.ingest(
        folder, objects, log_format=log_format, described=_described(found), tell=tell, waiting=tell.waiting
    )
    if found is not None:
        store.keep_inventory(folder, found.as_dict())
    tell.done()
    return done


def pinned(folder: str, since: str | int = "", until: str | int = "") -> Path:
    """The state that the store in `folder` has now, for a period: a source that stays as it is, as `open` takes it."""
    return store.snapshot(folder, *period_of(folder, since, until)[:2])


def sample_folder() -> Path:
    """The folder behind `sample:`: `data/sample` in a checkout, else the same logs made once into the cache."""
    checkout = Path(__file__).resolve().parent.parent / "data" / "sample"
    if (checkout / "AWSLogs").is_dir():
        return checkout
    from flowkit.generate import sample

    def fill(staging: Path) -> None:
        sample(staging)

    return store.publish(store.cache_folder() / f"sample-{store.FORMAT}", fill)


def objects_of(source: str | Sequence[str], *, since_s: int | None = None, until_s: int | None = None) -> list[Object]:
    """The objects that a source names, `sample:` included. Raises SourceError where it names nothing.

    `since_s` and `until_s` (epoch seconds): of a remote source, only what may hold records of this period.
    """
    return resolve(_placed(source), since_s=since_s, until_s=until_s)


def period_of(
    source: str | Sequence[str], since: str | int = "", until: str | int = ""
) -> tuple[int | None, int | None, tuple[str, ...]]:
    """(since, until, what to tell about them) in epoch seconds; None for no limit. Raises ParameterError.

    A remote `source` without `since` and `until` is read for its last full day (UTC), and that is told.
    """
    since_s, until_s = _moment(since, "since"), _moment(until, "until")
    if since_s is not None and until_s is not None and until_s <= since_s:
        raise ParameterError(f"until ({until}) is not after since ({since}).")
    named = [source] if isinstance(source, str) else source
    if since_s is not None or until_s is not None or not any(is_remote(one) for one in named):
        return since_s, until_s, ()
    until_s = int(time.time()) // _DAY_S * _DAY_S
    day = time.strftime("%Y-%m-%d", time.gmtime(until_s - _DAY_S))
    told = f"No period was given, so only the last full day (UTC) of the remote source was read: {day}."
    return until_s - _DAY_S, until_s, (told,)


def _placed(source: str | Sequence[str]) -> list[str]:
    named = [source] if isinstance(source, str) else source
    return [str(sample_folder()) if one in ("sample:", "sample") else one for one in named]


def _moment(value: str | int, name: str) -> int | None:
    return None if value in ("", None) else when(str(value), name=name)


def _check_cidrs(cidrs: Sequence[str]) -> None:
    import ipaddress

    for cidr in cidrs:
        try:
            ipaddress.ip_network(cidr, strict=False)
        except ValueError as error:
            raise ParameterError(f"cidrs has {cidr!r}, which is not a CIDR block such as 10.0.0.0/16.") from error


def _described(inventory: Inventory | None) -> dict[str, str]:
    """The log formats that AWS states for flow logs, as far as the inventory has them."""
    logs = inventory.flow_logs if inventory is not None else ()
    return {log.flow_log_id: log.log_format for log in logs if log.log_format}


def _records_of(
    source: str | Sequence[str],
    period: tuple[int | None, int | None],
    log_format: str | Mapping[str, str],
    described: Mapping[str, str],
    tell: _Progress,
) -> Path:
    if isinstance(source, str) and store.holds_manifest(source):
        return store.snapshot(source, *period)
    if isinstance(source, str) and store.is_store(source):
        return Path(source)
    objects = objects_of(source, since_s=period[0], until_s=period[1])
    told = [each.log_group.formats for each in objects if each.log_group is not None]
    identity = [told, *((each.uri, each.size, each.etag or time.time_ns()) for each in objects)]
    folder = store.cache_folder() / "logs" / store.digest(identity, log_format, described)
    folder = store.publish(
        folder,
        lambda staging: store.read_objects(
            objects,
            staging,
            log_format=log_format,
            described=described,
            tell=lambda n, rows: tell(n, len(objects), rows),
        ),
    )
    tell.done()
    return folder


def _inventory(source: str | Sequence[str], given: str) -> Inventory | None:
    from flowkit.inventory import Inventory

    if given == "none":
        return None
    if given:
        return Inventory.load(given)
    for one in _placed(source):
        beside = Path(one) / "inventory.json"
        if one != "-" and beside.is_file():
            return Inventory.load(beside)
    return None


class _Progress:
    """A line on the terminal for work over two seconds; silent elsewhere."""

    def __init__(self, wanted: bool) -> None:
        self._on = wanted and sys.stderr.isatty()
        self._since_s = time.monotonic()
        self._shown = False

    def __call__(self, done: int, of: int, rows: int) -> None:
        if self._on and time.monotonic() - self._since_s > 2:
            sys.stderr.write(f"\rread {done:,} of {of:,} objects, {rows:,} records ")
            sys.stderr.flush()
            self._shown = True

    def waiting(self) -> None:
        """Say that another run writes to the store."""
        if self._on:
            sys.stderr.write("waiting for another run that writes to this store\n")

    def done(self) -> None:
        """End the line."""
        if self._shown:
            sys.stderr.write("\r\033[K")
            self._shown = False
