"""Flows: the tables of one set of logs on an engine, with the ledger of what was read and the period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from flowkit.engines.ctes import SHARED, joined, parted
from flowkit.engines.duckdb import DuckDB
from flowkit.errors import ParameterError
from flowkit.fields import FIELDS_BY_COLUMN
from flowkit.finding import iso
from flowkit.question import Answer
from flowkit.tables import Facts, build, flows_view, prepare
from flowkit.tables.enrichment import enrichment

if TYPE_CHECKING:
    import pandas as pd

    from flowkit.inventory import Inventory
    from flowkit.ledger import Ledger, Part

__all__ = ["Flows", "from_records", "when"]


#: Rows up to which the rows of a query are kept for whoever asks the same: questions and rules do.
_FEW_ROWS = 20_000


def when(text: str, *, name: str) -> int | None:
    """A point in time as epoch seconds; None for the empty string.

    Takes ISO 8601 (`2026-11-02`, `2026-11-02T06:00`, with `Z` or an offset; UTC when neither) or epoch seconds.
    """
    from datetime import UTC, datetime

    if not text:
        return None
    if text.isdigit() and len(text) >= 9:
        return int(text)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ParameterError(
            f"{name} is {text!r}, which is not a time. Write 2026-11-02 or 2026-11-02T06:00Z."
        ) from error
    return int((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp())


@dataclass(kw_only=True, repr=False)
class Flows:
    """One set of flow logs, ready for questions. Made by `flowkit.open`.

    `sql` runs a query over the tables of docs/tables.md; rows are aggregated in the engine and only results come back.
    """

    engine: DuckDB
    facts: Facts
    source: str = ""
    formats: Sequence[Mapping[str, Any]] = ()
    ledger: Ledger | None = None
    inventory: Inventory | None = None
    notes: tuple[str, ...] = field(default=())

    def sql(self, text: str) -> pd.DataFrame:
        """Rows of a query as a pandas DataFrame; integers stay integers, absent values are `<NA>`.

        A text that ran before is not run again unless its rows were many, for the tables do not change; each caller has
        rows of its own.
        """
        if text in self._ran:
            return self._ran[text].copy()
        frame: pd.DataFrame = self.arrow(text).to_pandas(types_mapper=_nullable)
        if len(frame) <= _FEW_ROWS:
            self._ran[text] = frame.copy()
        return frame

    def arrow(self, text: str) -> pa.Table:
        """Rows of a query as an Arrow table."""
        return self.engine.run(self._shortened(text))

    def ask(self, sql: str, caveats: Sequence[str] = ()) -> Answer:
        """Run a query and wrap its rows as an answer that carries the query."""
        return Answer(sql.strip(), caveats=tuple(caveats), records=self.records, _table=self.sql(sql))

    def _shortened(self, sql: str) -> str:
        """The query with expressions that several queries begin with read from tables, which are made on first use."""
        ctes, rest = parted(sql) if any(name in sql for name in SHARED) else ({}, sql)
        before: dict[str, str] = {}
        for name, body in ctes.items():
            if name in SHARED:
                text = joined(before, body)
                if text not in self._kept:
                    self._kept[text] = f"kept_{len(self._kept)}"
                    self.engine.execute(f"CREATE TABLE {self._kept[text]} AS {text}")
                body = f"SELECT * FROM {self._kept[text]}"
            before[name] = body
        return joined(before, rest)

    @cached_property
    def _kept(self) -> dict[str, str]:
        return {}

    @cached_property
    def _ran(self) -> dict[str, pd.DataFrame]:
        return {}

    @property
    def period(self) -> tuple[int, int]:
        """What the numbers cover: `since <= start < until`, epoch seconds."""
        return self.facts.since_s, self.facts.until_s

    @property
    def interval_s(self) -> int:
        """The aggregation interval seen in the records: 60 or 600 s."""
        return self.facts.interval_s

    @property
    def part(self) -> Part | None:
        """The stated part of the source that was read; None where all of it was."""
        return self.ledger.part if self.ledger is not None else None

    @cached_property
    def records(self) -> int:
        """How many records count."""
        return int(self.arrow("SELECT COALESCE(CAST(sum(records) AS BIGINT), 0) FROM windows").column(0)[0].as_py())

    @cached_property
    def _records_by_log(self) -> dict[str, int]:
        rows = self.arrow(
            "SELECT flow_log_id, CAST(sum(records) AS BIGINT) AS n FROM windows GROUP BY flow_log_id"
        ).to_pylist()
        return {row["flow_log_id"] or "": row["n"] for row in rows}

    def share(self, column: str) -> float:
        """The share (0 to 1) of records whose log has this column in its format. `inventory` is 1 or 0."""
        if column == "inventory":
            return 1.0 if self.inventory is not None else 0.0
        name = FIELDS_BY_COLUMN[column].name
        have: dict[str, int] = {}
        total: dict[str, int] = {}
        for one in self.formats:
            log = one["flow_log_id"] or ""
            total[log] = total.get(log, 0) + one["records"]
            if name in one["fields"]:
                have[log] = have.get(log, 0) + one["records"]
        counted = self._records_by_log
        known = sum(n for log, n in counted.items() if total.get(log))
        if not known:  # no record counts: then the formats themselves are all there is to go by
            return sum(name in one["fields"] for one in self.formats) / len(self.formats) if self.formats else 0.0
        return sum(n * have.get(log, 0) / total[log] for log, n in counted.items() if total.get(log)) / known

    @cached_property
    def interfaces(self) -> list[str]:
        """The observers of the records that count, sorted."""
        rows = self.arrow("SELECT observer FROM interfaces WHERE records > 0 ORDER BY observer")
        return [value for value in rows.column(0).to_pylist() if value]

    @cached_property
    def gaps(self) -> list[dict[str, Any]]:
        """Where the log itself says that it is incomplete: the rows of the table `gaps`."""
        rows: list[dict[str, Any]] = self.arrow("SELECT * FROM gaps ORDER BY observer, log_status, hour_s").to_pylist()
        return rows

    @cached_property
    def accounts(self) -> list[str]:
        """The account ids of the observers, sorted."""
        rows = self.arrow("SELECT DISTINCT account_id FROM interfaces WHERE records > 0 ORDER BY account_id")
        return [value for value in rows.column(0).to_pylist() if value]

    @cached_property
    def region(self) -> str:
        """The region with most records: by the records, the object names or the inventory. Empty if nothing tells."""
        rows = self.arrow(
            "SELECT region FROM interfaces WHERE region IS NOT NULL "
            "GROUP BY region ORDER BY sum(records) DESC, region LIMIT 1"
        )
        if rows.num_rows:
            return str(rows.column(0)[0].as_py())
        named = sorted(self.ledger.regions) if self.ledger is not None else []
        return named[0] if named else (self.inventory.region if self.inventory else "")

    def to_arrow(self) -> pa.Table:
        """All records that count, as Arrow. Mind the size: prefer a query."""
        return self.arrow("SELECT * FROM flows")

    def to_pandas(self) -> pd.DataFrame:
        """All records that count, as pandas, with UTC instants `start` and `end` beside the epoch seconds."""
        import pandas as pd

        frame = self.sql("SELECT * FROM flows")
        for name in ("start", "end"):
            seconds = frame[f"{name}_s"].astype("Int64")
            frame.insert(len(frame.columns), name, pd.to_datetime(seconds, unit="s", utc=True))
        return frame

    def __repr__(self) -> str:
        since_s, until_s = self.period
        part = f". {self.part}" if self.part else ""
        return f"<Flows {self.source}: {self.records:,} records, {iso(since_s)} to {iso(until_s)}{part}>"

    def _repr_html_(self) -> str:
        from flowkit.show import glance

        return glance.overview(self)._repr_html_()

    def close(self) -> None:
        """Let go of the engine."""
        self.engine.close()

    def __enter__(self) -> Flows:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _nullable(kind: pa.DataType) -> Any:
    import pandas as pd

    if pa.types.is_boolean(kind):
        return pd.BooleanDtype()
    if pa.types.is_integer(kind):
        return pd.Int64Dtype()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pd.StringDtype()
    return None


def from_records(
    table: pa.Table,
    *,
    formats: Sequence[Mapping[str, Any]] = (),
    inventory: Inventory | None = None,
    since: str | int = "",
    until: str | int = "",
    cidrs: Sequence[str] = (),
    source: str = "",
) -> Flows:
    """Flows over an Arrow table of records with canonical columns (docs/tables.md).

    `formats` says which fields each flow log has; without it, every column of the table counts as present.
    """
    engine = DuckDB()
    engine.register("raw_records", table)
    since_s = when(str(since), name="since") if since != "" else None
    until_s = when(str(until), name="until") if until != "" else None
    if not formats:
        names = [FIELDS_BY_COLUMN[name].name for name in table.column_names if name in FIELDS_BY_COLUMN]
        logs = engine.run("SELECT COALESCE(flow_log_id, '') AS id, count(*) AS n FROM raw_records GROUP BY 1")
        formats = [
            {"flow_log_id": row["id"], "fields": names, "provenance": "given", "records": row["n"]}
            for row in logs.to_pylist()
        ]
    richness = {one["flow_log_id"]: len(one["fields"]) for one in formats}
    small = enrichment(inventory, cidrs)
    facts = prepare(engine, table.column_names, small=small, richness=richness, since_s=since_s, until_s=until_s)
    bounded = since_s is not None or until_s is not None
    flows_view(engine, facts, bounded=bounded)
    build(
        engine, facts, bounded=bounded,
        keep=lambda name, sql: engine.execute(f"CREATE TABLE {name} AS {sql}"),
        add=lambda name, sql: engine.execute(f"INSERT INTO {name} {sql}"),
    )  # fmt: skip
    return Flows(engine=engine, facts=facts, source=source, formats=formats, inventory=inventory)
