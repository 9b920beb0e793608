"""A small stand-in for S3 on the loopback that holds any number of keys in memory: moto takes a minute for 60,000.

It answers ListObjectsV2 (prefix, delimiter, start-after, continuation-token, max-keys, encoding-type) and GetObject as
the API reference of S3 describes them, and records what is asked in `asked`. Bodies are made when they are asked for.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

__all__ = ["Keys", "standing"]

_AFTER_ALL = "\U0010ffff"
_MOST = 1000


@dataclass
class Keys:
    """The state of the stand-in: `keys` in order, and the body of each. `asked`: (prefix of a listing or key, kind)."""

    keys: list[str]
    body: Callable[[str], bytes]
    asked: list[tuple[str, str]] = field(default_factory=list)

    def add(self, key: str) -> None:
        """One more object."""
        insort(self.keys, key)

    def listed(self) -> list[str]:
        """The prefixes of all listings, one per page."""
        return [name for name, kind in self.asked if kind == "list"]

    def fetched(self) -> list[str]:
        """The keys of all bodies."""
        return [name for name, kind in self.asked if kind == "get"]

    def page(self, given: dict[str, str]) -> tuple[list[str], list[str], str]:
        """(keys, common prefixes, where the next page begins or '') of one page."""
        prefix, delimiter = given.get("prefix", ""), given.get("delimiter", "")
        after = given.get("start-after", "")
        token = given.get("continuation-token", "")
        if token:
            after = base64.b64decode(token).decode()
        at = max(bisect_left(self.keys, prefix), bisect_right(self.keys, after) if after else 0)
        keys: list[str] = []
        folders: list[str] = []
        last = ""
        while at < len(self.keys) and self.keys[at].startswith(prefix):
            if len(keys) + len(folders) == min(_MOST, int(given.get("max-keys", _MOST))):
                return keys, folders, base64.b64encode(last.encode()).decode()
            key = self.keys[at]
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            if end < 0:
                keys.append(key)
                last = key
                at += 1
                continue
            folder = key[: end + len(delimiter)]
            if folder > after:  # of a folder that the last page named, keys may still follow
                folders.append(folder)
            last = folder + _AFTER_ALL
            at = bisect_left(self.keys, last)
        return keys, folders, ""

    def document(self, given: dict[str, str]) -> str:
        """The page as S3 writes it."""
        keys, folders, more = self.page(given)
        spelled: Callable[[str], str] = escape if given.get("encoding-type") != "url" else lambda key: quote(key, "/")
        parts = [f"<Name>b</Name><MaxKeys>{_MOST}</MaxKeys><IsTruncated>{str(bool(more)).lower()}</IsTruncated>"]
        parts += ["<EncodingType>url</EncodingType>"] if given.get("encoding-type") == "url" else []
        parts += [f"<NextContinuationToken>{more}</NextContinuationToken>"] if more else []
        for key in keys:
            body = self.body(key)
            etag = hashlib.md5(body).hexdigest()
            parts.append(
                f"<Contents><Key>{spelled(key)}</Key><LastModified>2026-11-03T00:00:00.000Z</LastModified>"
                f"<ETag>&quot;{etag}&quot;</ETag><Size>{len(body)}</Size></Contents>"
            )
        parts += [f"<CommonPrefixes><Prefix>{spelled(one)}</Prefix></CommonPrefixes>" for one in folders]
        inside = "".join(parts)
        return f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inside}</ListBucketResult>'


@contextmanager
def standing(keys: Iterable[str], body: Callable[[str], bytes]) -> Iterator[tuple[str, Keys]]:
    """The stand-in's endpoint URL and its state, while the block runs. Every bucket has the same keys."""
    state = Keys(sorted(keys), body)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            given = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            key = unquote(parts.path).lstrip("/").partition("/")[2]
            if given.get("list-type") == "2":
                state.asked.append((given.get("prefix", ""), "list"))
                self.answer(200, state.document(given).encode())
                return
            state.asked.append((key, "get"))
            at = bisect_left(state.keys, key)
            if state.keys[at : at + 1] != [key]:
                self.answer(404, b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>")
                return
            self.answer(200, state.body(key))

        def answer(self, status: int, data: bytes) -> None:
            self.send_response_only(status)
            self.send_header("ETag", f'"{hashlib.md5(data).hexdigest()}"')
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.02}).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", state
    finally:
        server.shutdown()
        server.server_close()
