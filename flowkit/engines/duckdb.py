"""The embedded engine: DuckDB in this process, over Parquet files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from flowkit.engines.bind import literal

__all__ = ["DuckDB"]


class DuckDB:
    """One in-memory DuckDB connection that spills to `scratch` when it runs out of its memory limit.

    `memory_limit` takes DuckDB's spelling (`2GB`). Extensions are never downloaded.
    """

    name = "duckdb"

    def __init__(self, *, scratch: Path | None = None, memory_limit: str = "", threads: int = 0) -> None:
        config: dict[str, Any] = {
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            # Names in SQL are tables, never variables of the Python code around it.
            "python_enable_replacements": "false",
            "threads": threads or os.cpu_count() or 1,
        }
        if memory_limit:
            config["memory_limit"] = memory_limit
        if scratch is not None:
            config["temp_directory"] = str(scratch)
        self._scratch = scratch
        self._connection = duckdb.connect(":memory:", config=config)
        # It would draw on standard output. Where it is off already, setting it fails in a kernel without ipywidgets.
        if self._connection.sql("SELECT current_setting('enable_progress_bar')").fetchall() == [(True,)]:
            self._connection.execute("SET enable_progress_bar = false")
        self._connection.execute("SET TimeZone = 'UTC'")

    def run(self, sql: str) -> pa.Table:
        """Run one query and return its rows."""
        return self._connection.sql(sql).to_arrow_table()

    def execute(self, sql: str) -> None:
        """Run a statement whose rows nobody wants."""
        self._connection.execute(sql)

    def register(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table readable under `name`."""
        self._connection.register(name, table)

    def scatter(self, name: str, sql: str, column: str, shares: int) -> None:
        """Make rows readable under `name`, and those whose `column` is n under `name_n`, for n from 0 to `shares`.

        More than one share goes to Parquet files below `scratch`, so that only what is read takes memory.
        """
        if shares == 1 or self._scratch is None:
            self.execute(f"CREATE TABLE {name} AS {sql}")
            for share in range(shares):
                self.execute(f"CREATE VIEW {name}_{share} AS SELECT * FROM {name} WHERE {column} = {share}")
            return
        folder = self._scratch / name
        folder.mkdir(parents=True)
        place = literal(str(folder))
        self.execute(
            f"COPY ({sql}) TO {place} (FORMAT parquet, COMPRESSION snappy, PARTITION_BY ({column}), "
            "WRITE_PARTITION_COLUMNS true)"
        )
        everything = (
            f"SELECT * FROM read_parquet({literal(str(folder / '*' / '*.parquet'))}, hive_partitioning = false)"
        )
        self.execute(f"CREATE VIEW {name} AS {everything}")
        for share in range(shares):
            files = sorted(str(path) for path in (folder / f"{column}={share}").glob("*.parquet"))
            rows = f"SELECT * FROM read_parquet([{', '.join(map(literal, files))}], hive_partitioning = false)"
            self.execute(f"CREATE VIEW {name}_{share} AS {rows if files else f'{everything} LIMIT 0'}")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
