"""The tables of one period, inventory and set of CIDRs: made once from kept records, and opened again."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowkit import store
from flowkit.engines import bind
from flowkit.engines.bind import literal
from flowkit.engines.duckdb import DuckDB
from flowkit.flows import Flows
from flowkit.ledger import Ledger
from flowkit.tables import TABLES, Facts, build, flows_view, prepare, records
from flowkit.tables.enrichment import enrichment

if TYPE_CHECKING:
    from flowkit.inventory import Inventory

__all__ = ["MEMORY", "derive", "reopened"]

#: What DuckDB may use before it spills to disk; `$FLOWKIT_MEMORY` overrides it.
MEMORY = "1200MB"

#: Tables that the views need beside those that questions read.
_SUPPORT = ("all_interfaces", "late_rejects", "elected")
_KEPT = (*(name for name in TABLES if name not in ("flows", "records")), *_SUPPORT)


def _parts(kept: Path) -> list[str]:
    return sorted(str(path) for path in kept.glob("part-*.parquet"))


def _read(engine: DuckDB, kept: Path, window: tuple[int, int] | None) -> list[str]:
    """Make `raw_records` over the kept Parquet files; the columns it has. With a window, only of starts within it."""
    parts = _parts(kept)
    if parts:
        rows = f"SELECT * FROM read_parquet({_list(parts)}, union_by_name = true)"
        if window is not None:
            rows = bind(f"{rows} WHERE start_s >= $from_s AND start_s < $to_s", from_s=window[0], to_s=window[1])
        engine.execute(f"CREATE OR REPLACE VIEW raw_records AS {rows}")
    else:
        engine.execute("CREATE TABLE raw_records (flow_log_id VARCHAR)")
    return list(engine.run("SELECT * FROM raw_records LIMIT 0").column_names)


def _list(paths: Sequence[str]) -> str:
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


def derive(
    kept: Path,
    staging: Path,
    ledger: Ledger,
    inventory: Inventory | None,
    since_s: int | None,
    until_s: int | None,
    cidrs: Sequence[str],
    *,
    notes: Sequence[str] = (),
) -> None:
    """Make the tables from the records in `kept` and write them, with the facts about them, into `staging`.

    `notes`: sentences about how this came to be read, with which `Flows.notes` begins.
    """
    scratch = staging / "scratch"
    engine = DuckDB(scratch=scratch, memory_limit=os.environ.get("FLOWKIT_MEMORY", MEMORY))
    try:
        window = store.window_of(kept)
        columns = _read(engine, kept, window)
        formats = _formats(ledger)
        richness: dict[str, int] = {}
        for one in formats:
            richness[one["flow_log_id"]] = max(richness.get(one["flow_log_id"], 0), len(one["fields"]))
        facts = prepare(
            engine, columns, small=enrichment(inventory, cidrs), richness=richness, since_s=since_s, until_s=until_s
        )
        bounded = since_s is not None or until_s is not None
        flows_view(engine, facts, bounded=bounded)

        files: dict[str, list[str]] = {}

        def add(name: str, sql: str) -> None:
            folder = staging / name
            folder.mkdir(exist_ok=True)
            files.setdefault(name, []).append(str(folder / f"{len(files.get(name, ()))}.parquet"))
            engine.execute(f"COPY ({sql}) TO {literal(files[name][-1])} (FORMAT parquet, COMPRESSION zstd)")
            engine.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM read_parquet({_list(files[name])})")

        build(engine, facts, bounded=bounded, keep=add, add=add)
        for name in _SUPPORT:
            path = literal(str(staging / f"{name}.parquet"))
            engine.execute(f"COPY {name} TO {path} (FORMAT parquet, COMPRESSION zstd)")
        counted = engine.run(records.COUNTED).column(0)[0].as_py()
        outside: list[dict[str, Any]] = []
        if bounded:
            if window is not None and _parts(kept):
                _read(engine, kept, None)  # what lies outside the window lies outside the period too
            outside = engine.run(bind(records.OUTSIDE, since_s=facts.since_s, until_s=facts.until_s)).to_pylist()
        details = {
            "facts": asdict(facts),
            "bounded": bounded,
            "outside": outside,
            "records": counted,
            "cidrs": list(cidrs),
            "notes": list(notes),
        }
        (staging / "facts.json").write_text(json.dumps(details), encoding="utf-8")
    finally:
        engine.close()
        if scratch.exists():
            shutil.rmtree(scratch)


def reopened(folder: Path, inventory: Inventory | None, source: str) -> Flows:
    """Flows over the tables in `folder`. Nothing is computed: everything is a view over files."""
    kept = folder.parent.parent
    pin = store.hold(kept)
    details = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    facts = Facts(**details["facts"] | {"flag_bits": tuple(details["facts"]["flag_bits"])})
    spill = Path(tempfile.gettempdir()) / f"flowkit-{os.getpid()}"
    engine = DuckDB(scratch=spill, memory_limit=os.environ.get("FLOWKIT_MEMORY", MEMORY))
    columns = _read(engine, kept, store.window_of(kept))
    engine.execute(f"CREATE VIEW records AS {records.records_sql(columns)}")
    for name, table in enrichment(inventory, details["cidrs"]).items():
        engine.register(name, table)
    for name in _KEPT:
        made = sorted(map(str, folder.glob(f"{name}/*.parquet"))) or [str(folder / f"{name}.parquet")]
        engine.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({_list(made)})")
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
        notes=(*details.get("notes", ()), *_notes(ledger, details["records"])),
    )
    flows.__dict__["records"] = details["records"]  # counted when the tables were made
    if pin is not None:
        weakref.finalize(flows, os.close, pin)
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
            out_of_period=row.out_of_period + sum(moved.get(row.object_id, {}).values()),
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
