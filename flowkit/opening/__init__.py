"""`flowkit.open`: from a source to Flows. Reads what was not read before, makes the tables, and opens them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from flowkit import store
from flowkit.deriving import derive, reopened
from flowkit.errors import ParameterError
from flowkit.flows import Flows
from flowkit.opening.handed import hand_over, handed
from flowkit.opening.limit import check_size
from flowkit.opening.period import period_of
from flowkit.opening.places import beside_of, described, inventory_of, objects_of, sample_folder
from flowkit.opening.records import estimated, find, records_of
from flowkit.progress import Progress, Wanted
from flowkit.sources import without_options

if TYPE_CHECKING:
    from flowkit.inventory import Inventory

__all__ = [
    "estimated",
    "handed_over",
    "ingested",
    "objects_of",
    "open",
    "opened",
    "period_of",
    "pinned",
    "prepared",
    "sample_folder",
]


def open(
    source: str | Sequence[str] = "sample:",
    *,
    since: str | int = "",
    until: str | int = "",
    inventory: str = "",
    log_format: str | Mapping[str, str] = "",
    cidrs: Sequence[str] = (),
    fraction: float = 1.0,
    yes: bool = False,
    strict: bool = False,
    allow_nothing: bool = False,
    progress: Wanted = True,
) -> Flows:
    """Read flow logs and make them ready for questions.

    `source`: a file, a folder, a glob, `-` for standard input, `sample:` for the bundled logs, `s3://bucket/prefix`
    or `cloudwatch:LOG-GROUP` with their options (docs/sources.md), or a list.
    `since`, `until`: the period `since <= start < until`, as ISO 8601 (UTC unless it says otherwise); empty for all,
    of a remote source for its last full day (UTC).
    `inventory`: a file of what AWS resources there are (docs/inventory.md); empty takes `inventory.json` at the top
    of a source folder if there is one; `none` does without. `log_format`: the format of records that come without a
    header line, one for all or one per flow log id. `cidrs`: address ranges that are yours beyond the inventory.
    `fraction`: read this part of the objects (0 < fraction <= 1), the same ones each time; every total is then of that
    part, and says so. `yes`: read from a remote source however much it is.
    `strict`: a damaged file or malformed line is an error; otherwise it is counted in the ledger and the rest loads.
    `allow_nothing`: that nothing could be read is no error either; the ledger says why.

    Raises SourceError when there is nothing to read, LimitError when a remote source holds more than 5 GiB that was
    not read before, InventoryError, ParameterError.

    >>> flows = open("sample:", progress=False)
    >>> flows.records > 0
    True
    """
    folder, found = prepared(
        source, since=since, until=until, inventory=inventory, log_format=log_format, cidrs=cidrs, fraction=fraction,
        yes=yes, strict=strict, allow_nothing=allow_nothing, progress=progress,
    )  # fmt: skip
    return opened(folder, found, source)


def opened(folder: Path, inventory: Inventory | None, source: str | Sequence[str]) -> Flows:
    """Flows over the `folder` of derived tables that `prepared` made of a source, with the inventory it used."""
    reading = handed(source)
    named = [source] if isinstance(source, str) else source
    flows = reopened(folder, inventory, reading.source if reading else ", ".join(map(without_options, named)))
    if flows.ledger is not None:
        flows.ledger = replace(flows.ledger, part=store.part_of(folder.parent.parent))
    return flows


def prepared(
    source: str | Sequence[str] = "sample:",
    *,
    since: str | int = "",
    until: str | int = "",
    inventory: str = "",
    log_format: str | Mapping[str, str] = "",
    cidrs: Sequence[str] = (),
    fraction: float = 1.0,
    yes: bool = False,
    strict: bool = False,
    allow_nothing: bool = False,
    progress: Wanted = True,
    notes: Sequence[str] = (),
) -> tuple[Path, Inventory | None]:
    """As `open`, with the same parameters (`yes` and `allow_nothing` too), but only make the files.

    `notes`: sentences on how this came to be read, with which `Flows.notes` begins.
    Returns the folder of derived tables and the inventory that was used.
    """
    since_s, until_s, said = period_of(source, since, until)
    _check_cidrs(cidrs)
    store.sweep()
    tell = Progress(progress)
    reading = handed(source)
    if reading is not None:
        source, notes = str(reading.kept), (*reading.notes, *notes)
        inventory = inventory or reading.inventory
    found = inventory_of(source, inventory)
    kept = records_of(
        source,
        (since_s, until_s),
        log_format=log_format,
        formats=described(found),
        fraction=fraction,
        yes=yes,
        tell=tell,
    )
    ledger = store.read_ledger(kept)
    if strict or not allow_nothing:
        ledger.check(strict=strict)
    os.utime(kept)
    part = store.part_of(kept)
    told = tuple(dict.fromkeys([*([str(part)] if part else []), *notes, *said]))
    key = store.digest(since_s, until_s, found.as_dict() if found else None, sorted(cidrs), *told)
    with tell.during("making the tables"):
        folder = store.publish(
            kept / "derived" / key,
            lambda staging: derive(kept, staging, ledger, found, since_s, until_s, cidrs, notes=told),
        )
    return folder, found


def handed_over(folder: Path, source: str, *, inventory: str = "", notes: Sequence[str] = ()) -> str:
    """A source that stands for what `prepared` has made in `folder`, for another process that cannot read it again.

    `inventory` and `notes` as they were given to `prepared`.
    """
    kept = folder.parent.parent
    part = store.part_of(kept)
    told = tuple(dict.fromkeys([*([str(part)] if part else []), *notes]))
    beside = inventory or beside_of(str(kept)) or beside_of(source)
    return str(hand_over(kept, without_options(source), told, beside))


def ingested(
    source: str | Sequence[str],
    folder: str,
    *,
    since: str | int = "",
    until: str | int = "",
    inventory: str = "",
    log_format: str | Mapping[str, str] = "",
    yes: bool = False,
    progress: Wanted = True,
) -> store.Ingested:
    """Read what the store in `folder` does not know yet of a source, and make the store if there is none.

    `since`, `until`: of a remote source, only objects that may hold records of this period; each is read whole. The
    inventory, found as `open` finds it, is kept in the store. The rest as for `open`; there is no part of a source in a
    store, which could not say what it lacks.
    Raises SourceError where the source names nothing, LimitError, StoreError, InventoryError, ParameterError.
    """
    since_s, until_s, _ = period_of(source, since, until)
    inventory_found = inventory_of(source, inventory)
    tell = Progress(progress)
    found = find(source, (since_s, until_s), 1.0, tell)
    if found.remote:
        check_size(found.name, found.objects, store.unread(folder, found.objects), found.asked, None, yes=yes)
    with tell.during("reading") as told:
        done = store.ingest(
            folder,
            found.objects,
            log_format=log_format,
            described=described(inventory_found),
            tell=told,
            waiting=tell.waiting,
        )
    if inventory_found is not None:
        store.keep_inventory(folder, inventory_found.as_dict())
    return done


def pinned(folder: str, since: str | int = "", until: str | int = "") -> Path:
    """The state that the store in `folder` has now, for a period: a source that stays as it is, as `open` takes it."""
    return store.snapshot(folder, *period_of(folder, since, until)[:2])


def _check_cidrs(cidrs: Sequence[str]) -> None:
    import ipaddress

    for cidr in cidrs:
        try:
            ipaddress.ip_network(cidr, strict=False)
        except ValueError as error:
            raise ParameterError(f"cidrs has {cidr!r}, which is not a CIDR block such as 10.0.0.0/16.") from error
