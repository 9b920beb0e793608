"""`flowkit.open`: from a source to Flows. Reads what was not read before, makes the tables, and opens them."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowkit import store
from flowkit.engines.duckdb import DuckDB
from flowkit.errors import ParameterError
from flowkit.flows import Flows, when
from flowkit.ledger import Ledger
from flowkit.sources import resolve
from flowkit.tables import TABLES, Facts, build, flows_view, prepare, records
from flowkit.tables.enrichment import enrichment

if TYPE_CHECKING:
    from flowkit.inventory import Inventory

__all__ = ["open", "prepared"]

#: Tables that the views need beside those that questions read.
_SUPPORT = ("all_interfaces", "late_rejects", "elected")
_KEPT = (*(name for name in TABLES if name not in ("flows", "records")), *_SUPPORT)


def open(  # noqa: A001 - the door's name is the verb: flowkit.open
    source: str | Sequence[str] = "sample:",
    *,
    since: str | int = "",
    until: str | int = "",
    inventory: str = "",
    log_format: str | Mapping[str, str] = "",
    cidrs: Sequence[str] = (),
    strict: bool = False,
    progress: bool = True,
) -> Flows:
    """Read flow logs and make them ready for questions.

    `source`: a file, a folder, a glob, `-` for standard input, `sample:` for the bundled logs, or a list of them.
    `since`, `until`: the period `since <= start < until`, as ISO 8601 (UTC unless it says otherwise); empty for all.
    `inventory`: a file of what AWS resources there are (docs/inventory.md); empty takes `inventory.json` at the top of a
    source folder if there is one; `none` does without. `log_format`: the format of records that come without a header
    line, one for all or one per flow log id. `cidrs`: address ranges that are yours beyond those of the inventory.
    `strict`: a damaged file or malformed line is an error; otherwise it is counted in the ledger and the rest loads.

    Raises SourceError when there is nothing to read, InventoryError, ParameterError.

    >>> flows = open("sample:", progress=False)
    >>> flows.records > 0
    True
    """
    folder, found = prepared(
        source, since=since, until=until, inventory=inventory, log_format=log_format, cidrs=cidrs, strict=strict,
        progress=progress,
    )  # fmt: skip
    shown = source if isinstance(source, str) else ", ".join(source)
    return _opened(folder, found, shown)


def prepared(
    source: str | Sequence[str] = "sample:",
    *,
    since: str | int = "",
    until: str | int = "",
    inventory: str = "",
    log_format: str | Mapping[str, str] = "",
    cidrs: Sequence[str] = (),
    strict: bool = False,
    progress: bool = True,
) -> tuple[Path, Inventory | None]:
    """As `open`, but only make the files: the folder of derived tables, and the inventory used."""
    since_s, until_s = _moment(since, "since"), _moment(until, "until")
    if since_s is not None and until_s is not None and until_s <= since_s:
        raise ParameterError(f"until ({until}) is not after since ({since}).")
    _check_cidrs(cidrs)
    store.sweep()
    found = _inventory(source, inventory)
    kept = _records_of(source, log_format, _described(found), _Progress(progress))
    ledger = store.read_ledger(kept)
    ledger.check(strict=strict)
    os.utime(kept)
    key = store.digest(since_s, until_s, found.as_dict() if found else None, sorted(cidrs))
    tell = _Progress(progress)
    folder = store.publish(
        kept / "derived" / key, lambda staging: _derive(kept, staging, ledger, found, since_s, until_s, cidrs)
    )
    tell.done()
    return folder, found


def sample_folder() -> Path:
    """The folder behind `sample:`: `data/sample` in a checkout, else the same logs made once into the cache."""
    checkout = Path(__file__).resolve().parent.parent / "data" / "sample"
    if (checkout / "AWSLogs").is_dir():
        return checkout
    from flowkit.generate import sample

    def fill(staging: Path) -> None:
        sample(staging)

    return store.publish(store.cache_folder() / f"sample-{store.FORMAT}", fill)


def _placed(source: str | Sequence[str]) -> list[str]:
    return [str(sample_folder()) if one in ("sample:", "sample") else one for one in ([source] if isinstance(source, str) else source)]


def _moment(value: str | int, name: str) -> int | None:
    return None if value in ("", None) else when(str(value), name=name)


def _check_cidrs(cidrs: Sequence[str]) -> None:
    import ipaddress

    for cidr in cidrs:
        try:
            ipaddress.ip_network(cidr, strict=False)
        except ValueError as error:
            raise ParameterError(f"cidrs has {cidr!r}, which is not a CIDR block such as 10.0.0.0/16.") from error


def _described(inventory: Inventory | None) -> dict[str, str]:
    """The log formats that AWS states for flow logs, as far as the inventory has them."""
    logs = inventory.flow_logs if inventory is not None else ()
    return {log.flow_log_id: log.log_format for log in logs if log.log_format}


def _records_of(
    source: str | Sequence[str], log_format: str | Mapping[str, str], described: Mapping[str, str], tell: _Progress
) -> Path:
    if isinstance(source, str) and store.is_store(source):
        return Path(source)
    objects = resolve(_placed(source))
    identity = [(each.uri, each.size, each.etag or time.time_ns()) for each in objects]
    folder = store.cache_folder() / "logs" / store.digest(identity, log_format, described)
    store.publish(
        folder,
        lambda staging: store.read_objects(
            objects,
            staging,
            log_format=log_format,
            described=described,
            tell=lambda n, rows: tell(n, len(objects), rows),
        ),
    )
    tell.done()
    return folder


def _inventory(source: str | Sequence[str], given: str) -> Inventory | None:
    from flowkit.inventory import Inventory

    if given == "none":
        return None
    if given:
        return Inventory.load(given)
    for one in _placed(source):
        beside = Path(one) / "inventory.json"
        if one != "-" and beside.is_file():
            return Inventory.load(beside)
    return None


def _parts(kept: Path) -> list[str]:
    return sorted(str(path) for path in kept.glob("part-*.parquet"))


def _read(engine: DuckDB, kept: Path) -> list[str]:
    """Make `raw_records` over the kept Parquet files; the columns it has."""
    parts = _parts(kept)
    if parts:
        engine.execute(f"CREATE VIEW raw_records AS SELECT * FROM read_parquet({_list(parts)}, union_by_name = true)")
    else:
        engine.execute("CREATE TABLE raw_records (flow_log_id VARCHAR)")
    return engine.run("SELECT * FROM raw_records LIMIT 0").column_names


def _list(paths: Sequence[str]) -> str:
    from flowkit.engines.bind import literal

    return f"[{', '.join(literal(path) for path in paths)}]"


def _formats(ledger: Ledger) -> list[dict[str, Any]]:
    found: dict[tuple[str, tuple[str, ...], str], int] = {}
    for row in ledger:
        if row.records or row.nodata or row.skipdata:
            key = (row.flow_log_id, row.fields, row.provenance)
            found[key] = found.get(key, 0) + row.records
    return [
        {"flow_log_id": log, "fields": list(fields), "provenance": provenance, "records": count}
        for (log, fields, provenance), count in sorted(found.items())
    ]


def _derive(
    kept: Path,
    staging: Path,
    ledger: Ledger,
    inventory: Inventory | None,
    since_s: int | None,
    until_s: int | None,
    cidrs: Sequence[str],
) -> None:
    scratch = staging / "scratch"
    engine = DuckDB(scratch=scratch, memory_limit=os.environ.get("FLOWKIT_MEMORY", "2GB"))
    try:
        columns = _read(engine, kept)
        formats = _formats(ledger)
        richness: dict[str, int] = {}
        for one in formats:
            richness[one["flow_log_id"]] = max(richness.get(one["flow_log_id"], 0), len(one["fields"]))
        facts = prepare(
            engine, columns, small=enrichment(inventory, cidrs), richness=richness, since_s=since_s, until_s=until_s
        )
        bounded = since_s is not None or until_s is not None
        flows_view(engine, facts, bounded=bounded)

        def keep(name: str, sql: str) -> None:
            path = _list([str(staging / f"{name}.parquet")])[1:-1]
            engine.execute(f"COPY ({sql}) TO {path} (FORMAT parquet, COMPRESSION zstd)")
            engine.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({path})")

        build(engine, facts, bounded=bounded, keep=keep)
        for name in _SUPPORT:
            path = _list([str(staging / f"{name}.parquet")])[1:-1]
            engine.execute(f"COPY (SELECT * FROM {name}) TO {path} (FORMAT parquet, COMPRESSION zstd)")
        outside: list[dict[str, Any]] = []
        if bounded:
            outside = engine.run(
                "SELECT object_id, status, count(*) AS n FROM records "
                f"WHERE start_s IS NULL OR start_s < {facts.since_s} OR start_s >= {facts.until_s} "
                "GROUP BY object_id, status ORDER BY object_id, status"
            ).to_pylist()
        counted = engine.run("SELECT count(*) AS n FROM flows").column(0)[0].as_py()
        details = {"facts": asdict(facts), "bounded": bounded, "outside": outside, "records": counted, "cidrs": list(cidrs)}
        (staging / "facts.json").write_text(json.dumps(details), encoding="utf-8")
    finally:
        engine.close()
        if scratch.exists():
            import shutil

            shutil.rmtree(scratch)


def _opened(folder: Path, inventory: Inventory | None, source: str) -> Flows:
    import tempfile

    kept = folder.parent.parent
    details = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    facts = Facts(**details["facts"])
    engine = DuckDB(scratch=Path(tempfile.gettempdir()) / f"flowkit-{os.getpid()}", memory_limit=os.environ.get("FLOWKIT_MEMORY", "2GB"))  # fmt: skip
    columns = _read(engine, kept)
    engine.execute(f"CREATE VIEW records AS {records.records_sql(columns)}")
    for name, table in enrichment(inventory, details["cidrs"]).items():
        engine.register(name, table)
    for name in _KEPT:
        engine.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({_list([str(folder / f'{name}.parquet')])})")
    flows_view(engine, facts, bounded=details["bounded"])
    stored = store.read_ledger(kept)
    ledger = _in_period(stored, details["outside"])
    flows = Flows(
        engine=engine,
        facts=facts,
        source=source,
        formats=_formats(stored),
        ledger=ledger,
        inventory=inventory,
        notes=_notes(ledger, details["records"]),
    )
    flows.__dict__["records"] = details["records"]  # counted when the tables were made
    if not details["records"] and not ledger.totals["records"]:
        flows.notes = (*flows.notes, ledger.why_no_records())
    return flows


def _in_period(ledger: Ledger, outside: Sequence[Mapping[str, Any]]) -> Ledger:
    """The ledger with what lies outside the period moved to `out_of_period`."""
    moved: dict[int, dict[str, int]] = {}
    for row in outside:
        part = {"OK": "records", "NODATA": "nodata"}.get(row["status"], "skipdata")
        counts = moved.setdefault(row["object_id"], {})
        counts[part] = counts.get(part, 0) + row["n"]
    return Ledger.of(
        replace(
            row,
            **{part: getattr(row, part) - n for part, n in moved.get(row.object_id, {}).items()},
            out_of_period=sum(moved.get(row.object_id, {}).values()),
        )
        for row in ledger
    )


def _notes(ledger: Ledger, counted: int) -> tuple[str, ...]:
    totals = ledger.totals
    notes = []
    again = totals["records"] - counted
    if again:
        notes.append(
            f"{again:,} records come from a second flow log over the same interfaces and tell the same bytes again; "
            "they are read but not counted."
        )
    if totals["skipdata"]:
        notes.append(
            f"The log itself is incomplete: {totals['skipdata']:,} SKIPDATA lines stand for records that AWS lost. "
            "Totals are a lower bound."
        )
    if totals["malformed"]:
        notes.append(f"{totals['malformed']:,} of {totals['lines']:,} lines could not be read; the ledger shows which.")
    return tuple(notes)


class _Progress:
    """A line on the terminal for work over two seconds; silent elsewhere."""

    def __init__(self, wanted: bool) -> None:
        self._on = wanted and sys.stderr.isatty()
        self._since_s = time.monotonic()
        self._shown = False

    def __call__(self, done: int, of: int, rows: int) -> None:
        if self._on and time.monotonic() - self._since_s > 2:
            sys.stderr.write(f"\rread {done:,} of {of:,} objects, {rows:,} records ")
            sys.stderr.flush()
            self._shown = True

    def done(self) -> None:
        """End the line."""
        if self._shown:
            sys.stderr.write("\r\033[K")
            self._shown = False

