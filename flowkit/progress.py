"""What is under way, for work over two seconds: one line on a terminal, or events for a program.

    with Progress(True).during("reading") as tell:
        tell(3, 118, 120_000)           # objects done, objects in all, records so far

An event is `{"phase", "done", "of", "records", "elapsed_s"}`: `of` is None where nobody knows, `elapsed_s` counts from
the start of the phase. Where standard error is no terminal nothing is written, unless a function takes the events.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

__all__ = ["EACH_S", "FIRST_S", "Event", "Progress", "Tell", "Wanted"]

#: Seconds before the first word on a phase, and between words.
FIRST_S, EACH_S = 2.0, 1.0

Event = Mapping[str, Any]

#: Told how far a phase is: (done, of, records).
Tell = Callable[[int, int, int], None]

#: Whether a terminal is told, or what is told instead.
Wanted = bool | Callable[[Event], None]


class Progress:
    """Tells of phases, one after another. `wanted` is False for silence, or a function that takes each event.

    A function is told every second once a phase lasts two, and at the end of each phase that ends well, however short.
    """

    def __init__(self, wanted: Wanted = True) -> None:
        self._say = wanted if callable(wanted) else None
        self._shows = wanted is True and sys.stderr.isatty()

    @contextmanager
    def during(self, phase: str) -> Iterator[Tell]:
        """Tell of one phase while the block runs; what it gives back takes (done, of, records) from any thread."""
        if self._say is None and not self._shows:
            yield lambda *_: None
            return
        under_way = _Phase(phase)
        thread = threading.Thread(target=under_way.tick, args=(self._say or _draw,), daemon=True)
        thread.start()
        try:
            yield under_way.told
        finally:
            under_way.over.set()
            thread.join()
            if self._shows and under_way.spoken:
                sys.stderr.write("\r\033[K")
                sys.stderr.flush()
        if self._say is not None:
            self._say(under_way.event())

    def waiting(self) -> None:
        """Say that another run writes to the store."""
        if self._say is not None:
            self._say({"phase": "waiting for another run", "done": 0, "of": None, "records": 0, "elapsed_s": 0.0})
        elif self._shows:
            sys.stderr.write("waiting for another run that writes to this store\n")


class _Phase:
    """How far one phase is, and whether anything was said of it."""

    def __init__(self, name: str) -> None:
        self._name, self._since_s = name, time.monotonic()
        self._done, self._of, self._records = 0, 0, 0
        self.over = threading.Event()
        self.spoken = False

    def told(self, done: int, of: int, records: int) -> None:
        """Take in how far it is."""
        self._done, self._of, self._records = done, of, records

    def event(self) -> Event:
        """How far it is now."""
        return {
            "phase": self._name,
            "done": self._done,
            "of": self._of or None,
            "records": self._records,
            "elapsed_s": round(time.monotonic() - self._since_s, 1),
        }

    def tick(self, say: Callable[[Event], None]) -> None:
        """Say it again and again, until it is over."""
        wait_s = FIRST_S
        while not self.over.wait(wait_s):
            self.spoken = True
            say(self.event())
            wait_s = EACH_S


def _draw(event: Event) -> None:
    """An event as the last line of the terminal, over the one before."""
    words = [f"{event['phase']}: {event['elapsed_s']:.0f} s"]
    if event["of"]:
        words.append(f"{event['done']:,} of {event['of']:,}")
    if event["records"]:
        words.append(f"{event['records']:,} records")
    sys.stderr.write(f"\r\033[K{', '.join(words)} ")
    sys.stderr.flush()
