"""An HTTP proxy in front of a server, on the loopback: counts what passes, and goes wrong where a test wants it to."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

__all__ = ["Asked", "Cut", "Faulty", "Refuse", "Spoil", "faulty"]


@dataclass(frozen=True)
class Asked:
    """A request: `key` is the path below the bucket, `query` its first values, `range` the header."""

    method: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]

    @property
    def lists(self) -> bool:
        return self.query.get("list-type") == "2"


@dataclass(frozen=True)
class Refuse:
    """Answer with an error of S3."""

    status: int
    code: str
    message: str = "made for a test"


@dataclass(frozen=True)
class Cut:
    """Send the head and so many bytes of the body, then close the connection."""

    after: int


@dataclass(frozen=True)
class Spoil:
    """Change one byte of the body."""

    at: int


@dataclass
class Faulty:
    """`wrong` may say for a request what goes wrong with it; `asked` holds all that came."""

    endpoint: str = ""
    wrong: Callable[[Asked], Refuse | Cut | Spoil | None] = lambda _: None
    asked: list[Asked] = field(default_factory=list)

    def listings(self) -> list[Asked]:
        return [one for one in self.asked if one.lists]

    def fetched(self) -> list[str]:
        return [one.key for one in self.asked if one.method == "GET" and one.key]


@contextmanager
def faulty(target: str) -> Iterator[Faulty]:
    """A proxy to `target` that stands while the block runs."""
    faults = Faulty()
    host = urlsplit(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, unquote(parts.path).lstrip("/").partition("/")[2], query, headers)
            faults.asked.append(asked)
            wrong = faults.wrong(asked)
            if isinstance(wrong, Refuse):
                body = f"<Error><Code>{wrong.code}</Code><Message>{wrong.message}</Message></Error>".encode()
                self.answer(wrong.status, {"Content-Type": "application/xml"}, body, len(body))
                return
            upstream = http.client.HTTPConnection(str(host.hostname), host.port)
            length = int(headers.get("content-length", 0))
            upstream.request(self.command, self.path, self.rfile.read(length) or None, dict(self.headers.items()))
            got = upstream.getresponse()
            body = got.read()
            upstream.close()
            if isinstance(wrong, Spoil):
                body = body[: wrong.at] + b"7" + body[wrong.at + 1 :]
            self.answer(got.status, dict(got.getheaders()), body, wrong.after if isinstance(wrong, Cut) else len(body))

        do_POST = do_HEAD = do_GET

        def answer(self, status: int, headers: dict[str, str], body: bytes, sent: int) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "transfer-encoding", "connection", "server", "date"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[:sent])
            if sent < len(body):
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    faults.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield faults
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
