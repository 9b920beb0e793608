"""No large read from afar without a word: above a limit the estimate is told, and nothing is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Decimal

from flowkit.errors import LimitError
from flowkit.estimate import estimate, size_of
from flowkit.ledger import Part
from flowkit.show.estimate import in_sentences
from flowkit.show.format import shown
from flowkit.sources import Object

__all__ = ["LIMIT_BYTES", "check_size"]

#: Bytes (compressed, as listed; of a log group as AWS counts them) that are read from a remote source without asking.
LIMIT_BYTES = 5 * 1024**3


def check_size(
    source: str,
    objects: Sequence[Object],
    unread: Sequence[Object],
    asked: Mapping[str, int],
    part: Part | None,
    *,
    yes: bool,
) -> None:
    """Raise LimitError with the estimate where the `unread` of `objects` are more than the limit, unless `yes`.

    `source`: how it is called. `asked`: billed requests so far. `part`: what part of the source the objects are.
    """
    size = size_of(unread)
    if yes or size <= LIMIT_BYTES:
        return
    told = " ".join(in_sentences(estimate(source, objects, unread=unread, asked=asked, part=part)))
    raise LimitError(
        f"{told} That is more than {shown('size_bytes', LIMIT_BYTES)}, so nothing was read. "
        "To go on, add --yes (in Python yes=True), give a shorter period, or read a part with --fraction "
        f"{_fitting(LIMIT_BYTES / size * (part.fraction if part else 1))}."
    )


def _fitting(fraction: float) -> str:
    """A fraction with one digit that is not above this one: 0.03."""
    exact = Decimal(str(fraction))
    return f"{exact.quantize(Decimal(1).scaleb(min(exact.adjusted(), -1)), rounding=ROUND_DOWN):f}"
