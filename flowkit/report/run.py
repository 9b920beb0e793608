"""Notebooks run side by side, each in a process group of its own that is gone when the run is over.

Nothing here can hang: each cell has a time limit, the whole run has one, and at its end every process that the run
started is killed, whatever it is doing.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, cast

from flowkit.report.groups import kill_group, package_path

__all__ = ["Job", "Limits", "Outcome", "run_jobs"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds: `cell_s` for any one cell, `run_s` for all notebooks together."""

    cell_s: int = 900
    run_s: int = 3600


@dataclass(frozen=True, slots=True)
class Job:
    """One notebook to run: `spec` is what the worker reads (see `flowkit.report.worker`)."""

    name: str
    spec: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended: `problem` is empty where it went well, `section` says where it did not."""

    name: str
    problem: str = ""
    section: str = ""


def run_jobs(
    jobs: Sequence[Job], limits: Limits, log: Callable[[str], None], *, side_by_side: int = 2
) -> list[Outcome]:
    """Run the jobs, `side_by_side` at a time, and say how each ended, in the order given."""
    deadline = time.monotonic() + limits.run_s
    waiting = deque(jobs)
    running: dict[str, _Worker] = {}
    ended: dict[str, Outcome] = {}
    events: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
    try:
        while waiting or running:
            while waiting and len(running) < side_by_side:
                job = waiting.popleft()
                running[job.name] = _Worker(job, events)
            try:
                name, event = events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                late = f"the run took longer than {limits.run_s} s"
                for name, worker in running.items():
                    ended[name] = Outcome(name, late, worker.section)
                for job in waiting:
                    ended[job.name] = Outcome(job.name, f"{late} before it began")
                break
            outcome = running[name].heard(event, log)
            if outcome is not None:
                ended[name] = outcome
                running.pop(name).end()
    finally:
        for worker in running.values():
            worker.end()
    return [ended[job.name] for job in jobs]


class _Worker:
    """A worker process and what it said so far."""

    def __init__(self, job: Job, events: queue.Queue[tuple[str, dict[str, Any]]]) -> None:
        self.name = job.name
        self.section = ""
        self._groups: list[int] = []
        self._result: Outcome | None = None
        self._noise: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end(), which outlives this method
        # -P: a file in the working directory that is named like a module must not take that module's place.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "flowkit.report.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._noise,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": package_path()},
        )
        self._groups.append(self._process.pid)
        self._said = cast("IO[bytes]", self._process.stdout)
        self._told = cast("IO[bytes]", self._process.stdin)
        with suppress(BrokenPipeError):  # if it died at once, its end is an event like any other, and says why
            self._told.write(json.dumps(job.spec).encode() + b"\n")
            self._told.flush()
        self._reader = threading.Thread(target=self._listen, args=(events,), daemon=True)
        self._reader.start()

    def _listen(self, events: queue.Queue[tuple[str, dict[str, Any]]]) -> None:
        for line in self._said:
            events.put((self.name, json.loads(line)))
        self._process.wait()
        events.put((self.name, {"event": "ended", "code": self._process.returncode}))

    def heard(self, event: dict[str, Any], log: Callable[[str], None]) -> Outcome | None:
        """Take in one event. The outcome, once the worker has ended."""
        match event["event"]:
            case "kernel":
                self._groups.append(int(event["pid"]))
            case "section":
                self.section = str(event["title"])
                log(f"{self.name}: {self.section}")
            case "failed":
                self._result = Outcome(self.name, str(event["problem"]), str(event["section"]))
            case "done":
                self._result = Outcome(self.name)
            case _:
                return self._result or Outcome(self.name, f"its process died: {self._last_words()}", self.section)
        return None

    def _last_words(self) -> str:
        self._noise.seek(0)
        lines = self._noise.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self._process.returncode}"

    def end(self) -> None:
        """Kill whatever is left of it and let go of its pipes."""
        for leader in self._groups:
            kill_group(leader)
        self._process.wait()
        self._reader.join(timeout=5)
        for pipe in (self._told, self._noise) if self._reader.is_alive() else (self._told, self._noise, self._said):
            with suppress(OSError):
                pipe.close()
