"""Runs what changes a store in children that are stopped on the way, and says what the next run made of it.

A process of its own, started by tests/test_store_crashes.py: it forks, and so must not have threads. Reads one job per
line of JSON, writes one answer per line.
"""

from __future__ import annotations

import collections
import hashlib
import json
import mmap
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from flowkit import parse, store
from flowkit.errors import StoreError
from flowkit.sources import files, resolve
from flowkit.store import cleaning, disk, manifest
from tests import tracing

assert parse and pc and ds and files  # loaded before forking, so that children need not

PHASES = {"open": "write", "write": "write", "close": "write", "fsync": "publish", "rename": "publish",
          "commit": "commit", "unlink": "clean", "wipe": "clean", "rmdir": "clean"}  # fmt: skip


def change(name: str, logs: str, folder: Path) -> None:
    """One of the ways to change a store. Small groups, so that there are several commits."""
    module = sys.modules["flowkit.store.ingest"]
    module.GROUP_OBJECTS = 4
    if name == "ingest":
        store.ingest(folder, resolve(logs))
    elif name == "compact":
        store.compact(folder)
    else:
        store.prune(folder, int(name.removeprefix("prune ")))


def state(folder: Path) -> dict[str, Any]:
    """Everything that a reader can see, whatever files it lies in, and what is wrong."""
    counted: collections.Counter[str] = collections.Counter()
    with manifest.Manifest(folder) as opened:
        live = opened.files()
        ledger = [one.row.as_dict() | {"state": one.state, "uri": one.uri} for one in opened.sources()]
        pruned = sorted(opened.pruned().items())
        left = len(cleaning.orphans(opened)) + len(opened.retired()) + (folder / "staging").exists()
    for file in live:
        counted.update(str(sorted(row.items())) for row in pq.read_table(folder / file.path).to_pylist())
    digest = hashlib.sha256(json.dumps(sorted(counted.items())).encode()).hexdigest()
    return {"rows": counted.total(), "digest": digest, "ledger": ledger, "pruned": pruned,
            "problems": [*store.verify(folder), *(["left over"] if left else [])]}  # fmt: skip


def forked(work: Callable[[], Any], *, traced: bool = False) -> tuple[int, Callable[[], tuple[int, bytes]]]:
    """Start a child; (its id, a function that waits for its exit status and what it gave back).

    A `traced` one has ended when that function is called.
    """
    assert threading.active_count() == 1
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        code = 1
        try:
            if traced:
                tracing.traced()
            answer = work()
            with os.fdopen(writing, "w") as out:
                json.dump(answer, out)
            code = 0
        except (OSError, StoreError) as error:
            code = 3
            os.write(writing, f"{type(error).__name__}: {error}".encode()[:500])
        except BaseException:
            os.write(writing, traceback.format_exc().encode()[-2000:])
        finally:
            os._exit(code)
    os.close(writing)

    def ended() -> tuple[int, bytes]:
        with os.fdopen(reading, "rb") as answers:
            said = answers.read()
        return 0 if traced else os.waitpid(child, 0)[1], said

    return child, ended


def watched(job: dict[str, Any], folder: Path, told: mmap.mmap) -> Callable[[], Any]:
    """The work of a child: the change, stopped or watched as the job says."""
    count = [0]
    lock = threading.Lock()

    def watch(name: str) -> None:
        with lock:
            count[0] += 1
            told[:32] = name.encode().ljust(32)
            if PHASES[name.partition(" ")[2]] == job.get("phase"):
                time.sleep(0.003)  # so that the kill falls into it
            if count[0] != job.get("stop_at"):
                return
            if job["how"] == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(28, "No space left on device")

    def work() -> int:
        if "file_bytes" in job:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_bytes"], job["file_bytes"]))
        disk.WATCHERS.append(watch)
        change(job["change"], job["logs"], folder)
        return count[0]

    return work


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Stop one change somewhere, let the next run do its work, and say what there is then."""
    folder = Path(job["folder"])
    if job.get("from"):
        shutil.copytree(job["from"], folder)
    if "free_bytes" in job:
        leave_free(folder.parent, job["free_bytes"])
    told = mmap.mmap(-1, 32)
    traced = "call" in job
    child, ended = forked(watched(job, folder, told), traced=traced)
    if "phase" in job:
        kill_in_phase(job, child, told)
    status, calls = tracing.stopped_before(child, job["call"]) if traced else (0, 0)
    waited, said = ended()
    status = status if traced else waited
    if "free_bytes" in job:
        leave_free(folder.parent, None)
    answer: dict[str, Any] = {
        "calls": calls,
        "status": status,
        "said": said.decode(),
        "step": bytes(told[:32]).decode().strip(" \0"),
    }
    answer["phase"] = PHASES.get(answer["step"].partition(" ")[2], "read")
    if job.get("again", True):
        change_again = dict(job, how="", stop_at=None, phase="")
        change_again.pop("file_bytes", None)

        def again() -> dict[str, Any]:
            watched(change_again, folder, told)()
            return state(folder)

        _, ended = forked(again)
        status, said = ended()
        assert status == 0, said.decode()
        answer["state"] = json.loads(said)
        if job.get("remove", True):
            shutil.rmtree(folder)
    return answer


def leave_free(place: Path, free_bytes: int | None) -> None:
    """Make the tmpfs at `place` so small that this much is left; None gives it room again."""
    there = os.statvfs(place)
    used = (there.f_blocks - there.f_bfree) * there.f_frsize
    size = 1 << 30 if free_bytes is None else max(4096, used + free_bytes)  # 0 would be no limit
    subprocess.run(["mount", "-o", f"remount,size={size}", place], check=True)


def kill_in_phase(job: dict[str, Any], child: int, told: mmap.mmap) -> None:
    """Wait until the child is where the job wants it, a random while more, then kill it."""
    draw = random.Random(job["seed"])
    limit = time.monotonic() + 2
    while time.monotonic() < limit:
        step = bytes(told[:32]).decode().strip(" \0").partition(" ")[2]
        if job["phase"] == "read" or (step and PHASES.get(step) == job["phase"]):
            break
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            break
    time.sleep(draw.random() * (0.012 if job["phase"] == "read" else 0.004))
    os.kill(child, signal.SIGKILL)


def main() -> None:
    """Answer jobs until there are none."""
    pa.set_cpu_count(1)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
