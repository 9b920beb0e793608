"""Reading a stated part of a source: some of its objects, the same ones in every run.

An object is in the part when the hash of its name, taken as a number from 0 to 1, lies below the fraction. So the
choice depends neither on order nor on what else is there, and a smaller part lies inside every larger one. An object in
AWS is named by its address, a file by its path below the folder that was named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from flowkit.errors import ParameterError
from flowkit.ledger import Part
from flowkit.sources import Object, is_remote

__all__ = ["check_fraction", "part_read"]


def check_fraction(fraction: float) -> None:
    """Raise ParameterError unless 0 < fraction <= 1."""
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or not 0 < fraction <= 1:
        raise ParameterError(f"fraction is {fraction!r}, which is not above 0 and at most 1. Write 0.1 for a tenth.")


def part_read(objects: Sequence[Object], fraction: float) -> tuple[list[Object], Part | None]:
    """The objects to read and what part of all they are; all of them, and None, for a fraction of 1.

    What the source refuses (a folder that may not be listed) stays, so that the ledger names it, and is not counted.
    There is always one object: the one with the lowest hash.
    """
    if fraction == 1:
        return list(objects), None
    able = [each for each in objects if each.refused is None]
    chosen = [each for each in able if _place(each) < fraction] or sorted(able, key=_place)[:1]
    named = {each.uri for each in chosen}
    kept = [each for each in objects if each.uri in named or each.refused is not None]
    return kept, Part(float(fraction), len(chosen), len(able))


def _place(each: Object) -> float:
    name = each.uri if is_remote(each.uri) else each.name
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
