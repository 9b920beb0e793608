"""The embedded engine: DuckDB in this process, over Parquet files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

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

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
