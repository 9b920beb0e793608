"""How much there is to read, before it is read: objects, bytes, and an estimate of records, time and cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from flowkit.estimate import Estimate
from flowkit.opening import estimated
from flowkit.progress import Wanted
from flowkit.show.estimate import in_sentences

__all__ = ["Plan", "plan"]


class Plan(Estimate):
    """What reading a source would mean, told in sentences by `str`."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(in_sentences(self))


def plan(
    source: str | Sequence[str],
    *,
    since: str | int = "",
    until: str | int = "",
    fraction: float = 1.0,
    prices: str = "",
    progress: Wanted = True,
) -> Plan:
    """Count what a source names and was not read before, and estimate the records in it from three of its objects.

    `since`, `until` and `fraction` as in `flowkit.open`: of a remote source, only the objects of this period count, by
    default those of its last full day. `prices`: a file of prices of yours. `progress` as in `flowkit.open`.
    Raises SourceError where it names nothing, PriceError, ParameterError.
    """
    told = estimated(source, since=since, until=until, fraction=fraction, prices=prices, progress=progress)
    return Plan(**{one.name: getattr(told, one.name) for one in fields(told)})
