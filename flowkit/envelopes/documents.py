"""Records wrapped in JSON: Firehose, CloudWatch subscriptions, FilterLogEvents pages, Lambda and Kinesis events.

Values may be separated by newlines, stand side by side, or sit in one array; an array of events is read one event at a
time, so a large answer of `aws logs filter-log-events` needs no more memory than a small one. A CloudWatch event that
comes twice (same id, same text) is dropped and counted; a Firehose record that comes twice is kept and counted, since
it may be two records alike. Blind spots: after two million Firehose records in one object no more repeats are sought;
nor is a CloudWatch event known again once at least half a million others of its object came between.
Sources: CloudWatch Logs User Guide, "Using subscription filters"; Kinesis and Firehose event shapes of AWS Lambda.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

from flowkit.envelopes.jsontext import JsonText, NotJson
from flowkit.envelopes.streams import Bad, Fault, gunzip

__all__ = ["Documents"]

#: The keys under which AWS puts lists of events or records.
_LISTS = ("events", "logEvents", "records", "Records")
_WHOLE = 1024 * 1024  # an object up to this size is decoded in one go
_REMEMBERED = 2_000_000
_EVENTS_REMEMBERED = 500_000  # twice as many at most; pages of CloudWatch repeat what is near


class Documents:
    """Walks JSON text and gives the log lines in it, one `bytes` or `Bad` for each.

    Known once walked (all but `foreign` grow on the way): `envelope`, `repeats`, `account_id` and `log_group` as a
    subscription states them, and `foreign`, a sentence when the first value is no wrapper of log lines.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._text = JsonText(pieces)
        self._events: set[bytes] = set()
        self._events_before: set[bytes] = set()
        self._messages: set[int] = set()
        self._began = False
        self.envelope = ""
        self.repeats = 0
        self.account_id = ""
        self.log_group = ""
        self.foreign = ""

    def lines(self) -> Iterator[bytes | Bad]:
        """Every line, each ending with a newline."""
        try:
            yield from self._values()
        except Fault:
            if self._text.rest.strip():
                yield Bad("is cut off", self._text.rest[:200], len(self._text.rest))
            raise

    def _values(self) -> Iterator[bytes | Bad]:
        text = self._text
        depth = 0
        while (mark := text.next()) and not self.foreign:
            if mark == "[" and depth == 0:
                text.at += 1
                depth = 1
            elif mark == "]" and depth:
                text.at += 1
                depth = 0
            elif mark == "{":
                yield from self._object()
            else:
                yield from self._raw(text.line())

    def _raw(self, line: str) -> Iterator[bytes | Bad]:
        """Text that is not JSON: a bare record between JSON ones, or rubbish; parsing tells."""
        if not self._began:
            self.foreign = "It begins like JSON but is not."
        else:
            yield from _as_lines(line)

    def _object(self) -> Iterator[bytes | Bad]:
        """The object that stands here: whole when it is small, member by member when it is not."""
        text = self._text
        try:
            value = text.value(_WHOLE)
        except NotJson:
            if len(text.held) - text.at > _WHOLE:
                yield from self._members()
            else:
                yield from self._raw(text.line())
            return
        yield from self._wrapper(value)

    def _members(self) -> Iterator[bytes | Bad]:
        """A large object. Its list of events is walked; its other members are decoded one by one."""
        text = self._text
        text.at += 1
        known: dict[str, Any] = {}
        try:
            while (mark := text.next()) and mark != "}":
                key = text.value()
                if text.next() != ":" or not isinstance(key, str):
                    raise NotJson
                text.at += 1
                if text.next() == "[" and key in _LISTS:
                    text.at += 1
                    while (mark := text.next()) and mark != "]":
                        yield from self._wrapper(known | {key: [text.value()]})
                        if self.foreign:
                            return
                    text.at += 1
                else:
                    known[key] = text.value()
            text.at += 1
            if not any(key in known for key in _LISTS) and not self._began:
                self.foreign = "It is JSON, but no wrapper of log lines."
        except NotJson:
            yield from self._raw(text.line())

    def _wrapper(self, value: Any) -> Iterator[bytes | Bad]:
        """The lines in one decoded value."""
        inside = self._inside(value)
        if inside is not None:
            self._began = True
            yield from inside
        elif self._began:
            shown = json.dumps(value)
            yield Bad("is JSON without a log record", shown[:200], len(shown))
        else:
            self.foreign = "It is JSON, but no wrapper of log lines."

    def _inside(self, value: Any) -> Iterator[bytes | Bad] | None:
        """The lines in one decoded value; None when it is no wrapper that AWS uses."""
        if not isinstance(value, dict):
            return None
        if isinstance(value.get("logEvents"), list):
            self.envelope = "subscription"
            self.account_id = self.account_id or _word(value.get("owner"))
            self.log_group = self.log_group or _word(value.get("logGroup"))
            if value.get("messageType") == "CONTROL_MESSAGE":
                return iter(())
            return self._event_list(value["logEvents"])
        if isinstance(value.get("events"), list):
            self.envelope = self.envelope or "filter_log_events"
            return self._event_list(value["events"])
        if isinstance(value.get("awslogs"), dict):
            return self._packed([value["awslogs"].get("data")])
        for key in ("records", "Records"):
            if isinstance(value.get(key), list):
                packed = [_data_of(record) for record in value[key]]
                return self._packed(packed) if any(data is not None for data in packed) else None
        if (data := _data_of(value)) is not None:
            return self._packed([data])
        if "message" in value:
            if "eventId" in value or "ingestionTime" in value:
                self.envelope = self.envelope or "filter_log_events"
                return self._event_list([value])
            self.envelope = self.envelope or "firehose"
            return self._record(value["message"])
        return None

    def _event_list(self, events: list[Any]) -> Iterator[bytes | Bad]:
        for event in events:
            message = event.get("message") if isinstance(event, dict) else None
            if not isinstance(message, str):
                shown = json.dumps(event)
                yield Bad("is a log event without a message", shown[:200], len(shown))
                continue
            name = _word(event.get("id")) or _word(event.get("eventId"))
            if name and self._known(name, message):
                self.repeats += 1
                continue
            yield from _as_lines(message)

    def _known(self, name: str, message: str) -> bool:
        """Whether this event came before. Remembered in two halves, so that memory stays flat."""
        text = f"{name}\0{message}".encode("utf-8", "surrogatepass")
        mark = hashlib.blake2b(text, digest_size=16).digest()
        if mark in self._events or mark in self._events_before:
            return True
        if len(self._events) >= _EVENTS_REMEMBERED:
            self._events, self._events_before = set(), self._events
        self._events.add(mark)
        return False

    def _record(self, message: Any) -> Iterator[bytes | Bad]:
        if not isinstance(message, str):
            shown = json.dumps(message)
            yield Bad("has a message that is no text", shown[:200], len(shown))
            return
        mark = hash(message)
        if mark in self._messages:
            self.repeats += 1
        elif len(self._messages) < _REMEMBERED:
            self._messages.add(mark)
        yield from _as_lines(message)

    def _packed(self, packed: list[Any]) -> Iterator[bytes | Bad]:
        """Base64, which holds a record, or gzip or plain JSON with more wrappers inside."""
        for data in packed:
            try:
                content = base64.b64decode(data, validate=True) if isinstance(data, str) else None
                if content is not None and content[:2] == b"\x1f\x8b":
                    content = _unpacked(content)
            except (ValueError, Fault):
                content = None
            if content is None:
                yield Bad("is a record whose base64 data cannot be unpacked", str(data)[:200])
                continue
            if content.lstrip()[:1] != b"{":
                self.envelope = self.envelope or "firehose"
                yield from self._record(content.decode("utf-8", "surrogateescape"))
                continue
            inner = JsonText([content])
            while inner.next():
                try:
                    yield from self._wrapper(inner.value())
                except NotJson:
                    yield from _as_lines(inner.line())


def _unpacked(content: bytes) -> bytes:
    """One small gzip text. A record is at most a megabyte packed; what unpacks to more than 64 MiB is refused."""
    parts: list[bytes] = []
    size = 0
    for part in gunzip([content]):
        parts.append(part)
        size += len(part)
        if size > 64 * 1024 * 1024:
            raise Fault("The record unpacks to more than 64 MiB.")
    return b"".join(parts)


def _data_of(record: Any) -> Any:
    """The base64 text of a Firehose or Kinesis record, None when it has none."""
    if not isinstance(record, dict):
        return None
    kinesis = record.get("kinesis")
    for holder in (kinesis if isinstance(kinesis, dict) else {}, record):
        for key in ("data", "Data", "rawData"):
            if isinstance(holder.get(key), str):
                return holder[key]
    return None


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _as_lines(message: str) -> Iterator[bytes]:
    """A message as lines; most hold one."""
    for line in message.removesuffix("\n").split("\n"):
        yield line.encode("utf-8", "surrogatepass") + b"\n"
