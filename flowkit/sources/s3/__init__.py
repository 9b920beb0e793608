"""Objects in S3: `s3://bucket/prefix`, with options after a question mark.

What is listed is what the period needs (`listing`), a body that is cut off goes on where it stopped (`body`), and
whatever S3 refuses becomes a sentence with a remedy (`refusals`).
"""

from __future__ import annotations

from collections import Counter

from flowkit.errors import SourceError
from flowkit.sources import Object
from flowkit.sources.s3.place import place_of

__all__ = ["find"]


def find(source: str, since_s: int | None, until_s: int | None, asked: Counter[str] | None = None) -> list[Object]:
    """The objects that may hold records starting in `since_s <= start < until_s` (epoch seconds; None: no limit).

    `asked["LIST"]` counts the requests that this took.
    Raises SourceError where the bucket cannot be listed, or has nothing for this period.
    """
    from flowkit.sources.s3.listing import Listing

    place = place_of(source)
    listing = Listing(place, since_s, until_s)
    found = listing.objects()
    if asked is not None:
        asked["LIST"] += listing.requests
    if not found:
        when = " for this period" if since_s is not None or until_s is not None else ""
        raise SourceError(
            f"s3://{place.bucket}/{place.prefix} has no object to read{when}. "
            "Name the bucket and the prefix above AWSLogs, and check the period and the filters."
        )
    return found
