"""The body of an object as a stream that goes on where the connection was cut.

Memory is bounded by what is asked for at once. Each request names the ETag that the listing gave, so a body is never
put together from two versions of an object.
"""

from __future__ import annotations

import io
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flowkit.sources.s3.refusals import told

if TYPE_CHECKING:
    from flowkit.sources.s3.place import Place

__all__ = ["Body"]

#: Cuts in a row without a byte between them, after which the object counts as unreadable.
_CUTS = 5

#: Seconds to wait after the first of them; doubled each time.
_WAIT_S = 0.2


class Body(io.RawIOBase):
    """The content of one object, read once from its start. Raises OSError with a sentence, at once or while reading."""

    def __init__(self, client: Any, place: Place, key: str, etag: str) -> None:
        super().__init__()
        self._client = client
        self._asked = {"Bucket": place.bucket, "Key": key}
        if etag:
            self._asked["IfMatch"] = etag
        if place.requester_pays:
            self._asked["RequestPayer"] = "requester"
        self._at = 0
        self._cuts = 0
        self._end = False
        self._stream = self._opened()

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the start of `buffer`; 0 at the end."""
        data = self._next(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Let go of the connection."""
        stream = self.__dict__.get("_stream")
        if stream is not None and not self.closed:
            with suppress(Exception):  # what is left of a broken connection may break again
                stream.close()
        super().close()

    def _next(self, size: int) -> bytes:
        from botocore.exceptions import BotoCoreError, FlexibleChecksumError, HTTPClientError
        from urllib3.exceptions import HTTPError

        while not self._end and size:
            try:
                data: bytes = self._stream.read(size)
            except FlexibleChecksumError as error:
                raise OSError("what arrived does not have the checksum that S3 keeps of it; run again") from error
            except (BotoCoreError, HTTPClientError, HTTPError, OSError) as error:
                self._again(error)
                continue
            self._at += len(data)
            self._end = not data
            self._cuts = 0
            return data
        return b""

    def _again(self, error: Exception) -> None:
        """Wait, and ask for the rest. Raises OSError when that was tried often enough."""
        with suppress(Exception):
            self._stream.close()
        self._cuts += 1
        if self._cuts > _CUTS:
            raise OSError(
                f"the connection was cut {self._cuts} times at byte {self._at:,}; run again later ({_kind(error)})"
            ) from error
        time.sleep(_WAIT_S * 2 ** (self._cuts - 1))
        self._stream = self._opened()

    def _opened(self) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        since = {"Range": f"bytes={self._at}-"} if self._at else {}
        try:
            return self._client.get_object(**self._asked, **since)["Body"]
        except ClientError as error:
            if self._at and error.response["ResponseMetadata"]["HTTPStatusCode"] == 416:
                return io.BytesIO()  # it was cut after its last byte
            raise OSError(told(error, "s3:GetObject")) from error
        except BotoCoreError as error:
            raise OSError(told(error, "s3:GetObject")) from error


def _kind(error: Exception) -> str:
    return type(error).__name__
