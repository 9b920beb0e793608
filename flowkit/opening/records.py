"""The records of a source: kept from an earlier run, or read now; and what reading them would mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flowkit import store
from flowkit.errors import ParameterError
from flowkit.estimate import Estimate, estimate
from flowkit.ledger import Part
from flowkit.opening.limit import check_size
from flowkit.opening.part import check_fraction, part_read
from flowkit.opening.period import period_of
from flowkit.opening.places import described, inventory_of, objects_of
from flowkit.progress import Progress, Wanted
from flowkit.sources import Object, is_remote, without_options

__all__ = ["Found", "estimated", "find", "records_of"]

Period = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a source names: how it is called, whether it is remote, the objects to read, and what part of it they are.

    `asked` counts the billed requests that finding them took.
    """

    name: str
    remote: bool
    objects: Sequence[Object]
    part: Part | None = None
    asked: Mapping[str, int] = field(default_factory=dict)


def find(source: str | Sequence[str], period: Period, fraction: float, tell: Progress) -> Found:
    """The objects that a period (epoch seconds) and a fraction leave of a source. Raises SourceError, ParameterError.

    `tell` says that the source is being listed.
    """
    check_fraction(fraction)
    named = [source] if isinstance(source, str) else source
    asked: Counter[str] = Counter()
    with tell.during("listing"):
        objects = objects_of(source, since_s=period[0], until_s=period[1], asked=asked)
    chosen, part = part_read(objects, fraction)
    return Found(
        name=", ".join(map(without_options, named)),
        remote=any(map(is_remote, named)),
        objects=chosen,
        part=part,
        asked=asked,
    )


def records_of(
    source: str | Sequence[str],
    period: Period,
    *,
    log_format: str | Mapping[str, str],
    formats: Mapping[str, str],
    fraction: float,
    yes: bool,
    tell: Progress,
) -> Path:
    """The folder of kept records of a source, read now as far as they are not there."""
    if isinstance(source, str) and (store.holds_manifest(source) or store.is_store(source)):
        if fraction != 1:
            raise ParameterError(
                "fraction is of the objects of a source, and a store has read them already. Give a period instead."
            )
        return store.snapshot(source, *period) if store.holds_manifest(source) else Path(source)
    found = find(source, period, fraction, tell)
    folder = _folder_of(found, log_format, formats)
    before = store.earlier(folder)
    if before == folder:
        return folder
    if found.remote:
        check_size(found.name, found.objects, _unread(found, before), found.asked, found.part, yes=yes)

    def fill(staging: Path) -> bool:
        with tell.during("reading") as told:
            whole = store.read_objects(
                found.objects, staging, log_format=log_format, described=formats, tell=told, before=before
            )
        store.keep_part(staging, found.part)
        return whole

    return store.publish(folder, fill)


def estimated(
    source: str | Sequence[str],
    *,
    since: str | int = "",
    until: str | int = "",
    fraction: float = 1.0,
    prices: str = "",
    progress: Wanted = True,
) -> Estimate:
    """What opening a source with these parameters would mean. Raises SourceError, ParameterError, PriceError.

    `prices`: a file over the price book. Only of a remote source it is asked what is kept from earlier runs.
    """
    since_s, until_s, _ = period_of(source, since, until)
    tell = Progress(progress)
    found = find(source, (since_s, until_s), fraction, tell)
    unread = found.objects
    if found.remote:
        unread = _unread(found, store.earlier(_folder_of(found, "", described(inventory_of(source, "")))))
    with tell.during("estimating"):
        return estimate(found.name, found.objects, unread=unread, asked=found.asked, part=found.part, prices=prices)


def _folder_of(found: Found, log_format: str | Mapping[str, str], formats: Mapping[str, str]) -> Path:
    """Where the records of these objects are kept, or will be: one name for the same objects and formats."""
    told = [each.log_group.formats for each in found.objects if each.log_group is not None]
    identity = [told, *((each.uri, each.size, each.etag) for each in found.objects)]
    part = [found.part.as_dict()] if found.part else []
    return store.cache_folder() / "logs" / store.digest(identity, log_format, formats, *part)


def _unread(found: Found, before: Path | None) -> list[Object]:
    """The objects that an earlier reading in `before` lacks."""
    have = store.whole(before, found.objects) if before is not None else []
    numbers = {row.object_id for row in have}
    return [each for number, each in enumerate(found.objects, 1) if number not in numbers]
