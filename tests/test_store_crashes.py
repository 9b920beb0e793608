"""Whatever stops a run that changes the store, the next run gives what an undisturbed one would have given.

The slow part is marked `extended`: hundreds of kills, one before each system call too, and a disk that is really full.
"""

from __future__ import annotations

import collections
import gzip
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flowkit import store
from flowkit.sources import resolve
from tests import tracing
from tests.reading import V2

ROOT = Path(__file__).resolve().parents[1]
T = 1_700_000_000
PHASES = ("read", "write", "publish", "commit", "clean")


def line(n: int, start: int) -> str:
    return f"2 123456789012 eni-1 10.0.{n % 7}.{n % 250} 10.0.0.1 {n} 443 6 10 {n} {start} {start + 59} ACCEPT OK"


def put(folder: Path, slot: str, name: str, *lines: str, header: str = V2) -> Path:
    """An object under AWS's name for it, arrived in the slot `DDTHHMM` of November 2023."""
    path = folder / f"123456789012_vpcflowlogs_us-east-1_fl-1_202311{slot}Z_{name}.log.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("\n".join([header, *lines, ""]).encode(), mtime=0))
    return path


def logs_in(folder: Path) -> Path:
    """Eight objects over three hours, one with another format, one damaged, one foreign."""
    for n in range(5):
        put(folder, f"14T2{n % 3 + 1}10", f"a{n}", *[line(n * 100 + i, T + n % 3 * 3600 + i) for i in range(40)])
    put(folder, "14T2215", "b", f"{T} {T + 9} 10.0.0.9 OK", header="start end srcaddr log-status")
    cut = put(folder, "14T2220", "cut", *[line(i * i, T + i) for i in range(400)])
    cut.write_bytes(cut.read_bytes()[:-900])
    (folder / "notes.pdf").write_bytes(b"%PDF-1.7 nothing to see")
    return folder


class Driver:
    """The process that forks, stops and tells. `before` is a command that runs it."""

    def __init__(self, *before: str) -> None:
        self.process = subprocess.Popen(
            [*before, sys.executable, "-m", "tests.store_driver"], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    def __call__(self, **job):
        self.process.stdin.write(json.dumps(job, default=str) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "the driver died"
        return json.loads(answer)

    def end(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def drive():
    driver = Driver()
    yield driver
    driver.end()


@pytest.fixture(scope="module")
def changes(drive, tmp_path_factory):
    """Each change: what it starts from, and what it gives undisturbed. In memory where there is such a place: fsync
    is slow, and no test can cut the power anyway."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield prepare(drive, tmp_path_factory.mktemp("crashes"))
        return
    with tempfile.TemporaryDirectory(prefix="flowkit-crashes-", dir=memory) as top:
        yield prepare(drive, Path(top))


def prepare(drive, top, stopped=None):
    """`stopped` is the folder of the stores that are stopped, if it is another."""
    first, grown = logs_in(top / "logs"), logs_in(top / "grown")
    for path in first.iterdir():  # the same objects under the same names, but for what changed meanwhile
        os.utime(path, ns=(1, 1))
    known = {"change": "ingest", "logs": first, "remove": False}
    drive(**known, folder=top / "known")
    put(first, "14T2110", "a0", *[line(i, T + i) for i in range(55)])
    put(first, "14T2110", "late", *[line(7000 + i, T - 900 + i) for i in range(20)])
    put(first, "14T2220", "cut", line(1, T), line(2, T))
    made = {
        "first": {"change": "ingest", "logs": grown, "from": None},
        "more": {"change": "ingest", "logs": first, "from": top / "known"},
        "compact": {"change": "compact", "logs": first, "from": top / "known"},
        "prune": {"change": f"prune {T + 3610}", "logs": first, "from": top / "known"},
    }
    for name, job in made.items():
        folder = top / f"undisturbed-{name}"
        answer = drive(**job, folder=folder, how="", stop_at=None)
        assert answer["status"] == 0, answer["said"]
        job["steps"], job["state"] = int(answer["said"]), answer["state"]
        assert job["state"]["problems"] == []
        job["folder"] = (stopped or top) / f"stopped-{name}"
    return made


def same(answer, job):
    assert answer["state"]["problems"] == []
    assert answer["state"]["ledger"] == job["state"]["ledger"]
    assert (answer["state"]["rows"], answer["state"]["digest"]) == (job["state"]["rows"], job["state"]["digest"])
    assert answer["state"]["pruned"] == job["state"]["pruned"]


def plain(job):
    return {key: value for key, value in job.items() if key not in ("steps", "state")}


@pytest.mark.parametrize(
    ("name", "how"),
    [*((name, "kill") for name in ("first", "more", "compact", "prune")), ("more", "raise"), ("compact", "raise")],
)
def test_a_run_stopped_at_any_step_is_made_good_by_the_next(drive, changes, name, how):
    job = changes[name]
    reached = collections.Counter()
    for stop_at in range(1, job["steps"] + 1, 1 if how == "kill" else 3):
        answer = drive(**plain(job), how=how, stop_at=stop_at)
        assert answer["status"] == (9 if how == "kill" else 3 << 8), answer
        same(answer, job)
        reached[answer["step"]] += 1
    print(name, how, dict(reached))
    wanted = ("open", "write", "close", "fsync", "rename", "commit")
    told = {f"{when} {step}" for when in ("before", "after") for step in wanted}
    assert how == "raise" or told <= set(reached)


@pytest.mark.parametrize("each", [2, pytest.param(20, marks=pytest.mark.extended)])
def test_random_kills_in_every_phase_lose_and_add_nothing(drive, changes, each):
    """So many in each phase of ingest, compaction and pruning; a kill that came elsewhere counts where it came."""
    seeds = itertools.count()
    for change, names in {"ingest": ("first", "more"), "compact": ("compact",), "prune": ("prune",)}.items():
        histogram = collections.Counter()
        for phase in PHASES:
            for _ in range(10 * each + 20):
                if histogram[phase] >= each:
                    break
                seed = next(seeds)
                job = changes[names[seed % len(names)]]
                answer = drive(**plain(job), how="", phase=phase, seed=seed)
                same(answer, job)
                histogram[answer["phase"] if answer["status"] == 9 else "too late"] += 1
        print(f"{change}: {sum(histogram[phase] for phase in PHASES)} kills:", dict(histogram))
        assert all(histogram[phase] >= each for phase in PHASES)


@pytest.mark.extended
@pytest.mark.skipif(not tracing.SUPPORTED, reason="system calls are only traced on Linux, x86_64 and aarch64")
@pytest.mark.parametrize("name", ["first", "more", "compact", "prune"])
def test_a_run_killed_before_any_system_call_that_changes_the_disk_is_made_good(drive, changes, name):
    job = changes[name]
    calls = drive(**plain(job), how="", call=None)["calls"]
    assert calls > job["steps"]
    killed = 0
    for call in range(1, calls + 1):
        answer = drive(**plain(job), how="", call=call)
        same(answer, job)
        killed += answer["status"] == 9
    print(f"{name}: killed before each of {killed} of {calls} system calls")
    assert killed > 0.9 * calls  # threads may need a call more or less from run to run


@pytest.mark.parametrize("name", ["first", "more", "compact"])
def test_a_full_disk_is_an_error_and_the_next_run_goes_on(drive, changes, name):
    failed = 0
    for file_bytes in (0, 100, 2_000, 5_000, 40_000, 70_000):
        answer = drive(**plain(changes[name]), how="", file_bytes=file_bytes)
        assert answer["status"] in (0, 3 << 8), answer
        failed += answer["status"] != 0
        same(answer, changes[name])
    assert failed >= 2


@pytest.mark.extended
@pytest.mark.parametrize("name", ["first", "more", "compact", "prune"])
def test_a_disk_that_is_really_full_is_an_error_and_the_next_run_goes_on(tmp_path, name):
    """A tmpfs made as small as that, in a mount namespace of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    alone = ["unshare", "--user", "--map-root-user", "--mount"]
    mounted = f"mount -t tmpfs -o size=1g none '{disk}' && exec \"$@\""
    able = shutil.which("unshare") and subprocess.run([*alone, "sh", "-c", mounted, "sh", "true"]).returncode == 0
    if not able:
        pytest.skip("no file system can be mounted here")
    driver = Driver(*alone, "sh", "-c", mounted, "sh")
    try:
        job = prepare(driver, tmp_path, disk)[name]
        said = collections.Counter()
        for free_bytes in range(0, 400_000, 12_288):
            answer = driver(**plain(job), how="", free_bytes=free_bytes)
            assert answer["status"] in (0, 3 << 8), answer
            said["done" if answer["status"] == 0 else answer["said"].partition(":")[0]] += 1
            same(answer, job)
        print(name, dict(said))
        assert said["done"] and sum(said.values()) - said["done"] >= 2
    finally:
        driver.end()


def test_a_reader_beside_a_writer_only_sees_committed_states(tmp_path):
    logs, folder = tmp_path / "logs", tmp_path / "store"
    for n in range(30):
        put(logs, f"14T{n % 20:02d}10", f"a{n:02d}", *[line(n * 100 + i, T + n + i) for i in range(60)])
    code = (
        "import sys\nfrom flowkit import store\nfrom flowkit.sources import resolve\n"
        "sys.modules['flowkit.store.ingest'].GROUP_OBJECTS = 3\n"
        f"store.ingest({str(folder)!r}, resolve({str(logs)!r}))\n"
        f"for size in (20_000, 200_000, 10**9): store.compact({str(folder)!r}, target_bytes=size)\n"
        f"store.prune({str(folder)!r}, {T + 40})\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)})
    seen = set()
    while writer.poll() is None:
        if not store.holds_manifest(folder):
            time.sleep(0.01)
            continue
        pinned = store.snapshot(folder)
        parts = sorted(pinned.glob("part-*.parquet"))
        rows = pa.concat_tables([pq.read_table(path, columns=["object_id"]) for path in parts]) if parts else None
        here = collections.Counter(rows["object_id"].to_pylist() if rows is not None else [])
        ledger = store.read_ledger(pinned)
        assert {row.object_id: row.records for row in ledger if row.records} == dict(here)
        assert len(ledger) % 3 == 0 and ledger.balanced
        seen.add((len(ledger), sum(here.values()), len(parts)))
    assert writer.returncode == 0
    assert len(seen) > 2
    assert store.verify(folder) == ()


def test_the_second_writer_waits_for_the_first(tmp_path):
    logs, folder = logs_in(tmp_path / "logs"), tmp_path / "store"
    store.ingest(folder, [])
    from flowkit.store.disk import locked

    told, done = threading.Event(), []
    second = threading.Thread(target=lambda: done.append(store.ingest(folder, resolve(str(logs)), waiting=told.set)))
    with locked(folder):
        second.start()
        assert told.wait(10)
        assert done == []
    second.join(20)
    assert done[0].new == 8
