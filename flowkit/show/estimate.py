"""What reading a source would mean, in words."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from flowkit.show.format import shown

if TYPE_CHECKING:
    from flowkit.estimate import Estimate

__all__ = ["in_sentences"]

#: Requests that AWS does not bill, and how they are said.
_FREE = {"FilterLogEvents": "calls of FilterLogEvents, which are free and few per second"}


def in_sentences(told: Estimate) -> list[str]:
    """How much there is and how long it takes; then, of a remote source, what AWS bills for reading it."""
    said = [_size(told)]
    if told.part:
        part = told.part
        said.append(f"That is {part.share} of the objects ({part.objects:,} of {part.of:,}).")
    if told.unread < told.objects:
        kept = told.objects - told.unread
        said.append(f"{kept:,} of them {'is' if kept == 1 else 'are'} kept from an earlier run and not read again.")
    if told.requests:
        said.append(_requests(told))
    if told.estimated_transfer_usd:
        said.append(
            "If this machine is not in AWS, the transfer out to the internet costs "
            f"{_usd(told.estimated_transfer_usd)} more; in the same region it is free."
        )
    if told.prices:
        said.append(_prices(told))
    return said


def _size(told: Estimate) -> str:
    text = f"{told.source}: {_counted(told.objects, 'object')}"
    seconds = max(1, round(told.estimated_s))
    if not told.estimated_bytes and told.unknown_sizes == told.objects:
        return f"{text}; how much they hold is not known before they are read."
    if told.unknown_sizes == told.objects:
        text += f", about {shown('size_bytes', told.estimated_bytes)} (by the average of the whole log group)"
    else:
        text += f", {shown('size_bytes', told.bytes)}"
        if told.unknown_sizes:
            text += f" (the size of {told.unknown_sizes:,} is not known)"
    if told.bytes and not told.estimated_records:
        return f"{text}; how many records that is cannot be told from a look."
    return f"{text}; about {told.estimated_records:,} records (estimated), {shown('estimated_s', seconds)} to read."


def _requests(told: Estimate) -> str:
    parts = [f"{count:,} {_FREE.get(name, name)}" for name, count in told.requests.items()]
    if set(told.requests) <= set(_FREE):
        least = "at least" if told.unknown_sizes and told.estimated_bytes == told.bytes else "about"
        return f"It takes {least} {' and '.join(parts)}."
    scanned = ", with what Logs Insights scans," if "StartQuery" in told.requests else ""
    return f"Requests: {' and '.join(parts)}{scanned} for {_usd(told.estimated_usd)}."


def _prices(told: Estimate) -> str:
    regions = " and ".join(sorted({one.region for one in told.prices}))
    dates = sorted({one.as_of for one in told.prices})
    dated = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    doubtful = sorted({one.item for one in told.prices if one.status not in ("verified", "override")})
    text = f"List prices of {regions}, as of {dated}"
    if doubtful:
        text += f"; {' and '.join(doubtful)} {'is' if len(doubtful) == 1 else 'are'} not verified"
    return f"{text}; override them with --prices."


def _usd(amount: Decimal) -> str:
    return "less than a cent" if amount < Decimal("0.01") else f"about {shown('usd', amount)}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
