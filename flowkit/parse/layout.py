"""What a log format means for parsing: columns, types, and which checks apply where."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import pyarrow as pa

from flowkit.fields import DEFAULT_FORMAT, FIELDS, arrow_type
from flowkit.formats import columns

__all__ = ["ADDED", "DEFAULT", "FLOW_COLUMNS", "STATUS_KINDS", "TEXT", "Layout", "arrow_schema", "layout_of"]

#: Text: each distinct value once, and its number for each row. What is checked, changed or written of a value is done
#: once for each distinct one.
TEXT = pa.dictionary(pa.int32(), pa.string())

#: Columns that every parsed record gets beside those of its format.
ADDED: tuple[tuple[str, pa.DataType], ...] = (
    ("src_key", TEXT),
    ("dst_key", TEXT),
    ("record_kind", TEXT),
    ("row_kind", TEXT),
    ("flow_log_id", TEXT),
    ("object_id", pa.int64()),
)

#: The columns that describe traffic. A line of a format without log-status says NODATA by leaving all of them empty.
FLOW_COLUMNS = frozenset(
    {"srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets", "bytes"}
    | {"action", "pkt_srcaddr", "pkt_dstaddr"}
)

#: What each log-status makes of a row.
STATUS_KINDS = {"OK": "record", "NODATA": "nodata", "SKIPDATA": "skipdata", "INCOMPLETEDATA": "skipdata"}

ADDRESSES = frozenset({"srcaddr", "dstaddr", "pkt_srcaddr", "pkt_dstaddr"})
TAGS = frozenset({"instance_tag", "instance_tag_2", "interface_tag", "interface_tag_2", "asg_tag", "asg_tag_2"})
CHOICES = {"action": frozenset({"ACCEPT", "REJECT"}), "log_status": frozenset(STATUS_KINDS)}
TIMES = frozenset({"start_s", "end_s"})
#: Greatest value on record rows. Lines without traffic may carry anything.
LIMITS = {"srcport": 65535, "dstport": 65535, "protocol": 255}
LARGEST = {"int": 2**31 - 1, "bigint": 2**63 - 1}
#: A time above this is in milliseconds; one that is still above it after division by 1000 is no time.
LATEST_S = 10**11


@dataclass(frozen=True)
class Layout:
    """An ordered format, ready for parsing. `names` are AWS's names; unknown ones are kept as text."""

    names: tuple[str, ...]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Column names, in the order of the format."""
        return tuple(columns(self.names).values())

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """`int`, `bigint` or `text`, in the order of the format."""
        return tuple(FIELDS[name].type if name in FIELDS else "text" for name in self.names)

    @cached_property
    def unknown(self) -> tuple[str, ...]:
        """Names that the field table lacks."""
        return tuple(name for name in self.names if name not in FIELDS)

    @cached_property
    def transit(self) -> bool:
        """Whether a transit gateway writes this format."""
        return any(name.startswith("tgw-") or name == "resource-type" for name in self.names)

    @cached_property
    def flow_columns(self) -> tuple[str, ...]:
        """Those columns of the format that describe traffic."""
        return tuple(column for column in self.columns if column in FLOW_COLUMNS)

    @cached_property
    def free_text(self) -> bool:
        """Whether every column takes any text, so that a repeated header line would pass for a record."""
        return all(
            kind == "text" and column not in ADDRESSES and column not in CHOICES
            for kind, column in zip(self.kinds, self.columns, strict=True)
        )

    @cached_property
    def types(self) -> dict[str, pa.DataType]:
        """Types of the columns of the format, as they are read and handed on."""
        return {
            column: TEXT if kind == "text" else arrow_type(FIELDS[name])
            for name, column, kind in zip(self.names, self.columns, self.kinds, strict=True)
        }

    @cached_property
    def schema(self) -> pa.Schema:
        """The schema of every batch of this format."""
        return pa.schema([*self.types.items(), *ADDED])


@lru_cache(maxsize=256)
def layout_of(names: tuple[str, ...]) -> Layout:
    """The layout of a format; the same object for the same format."""
    return Layout(names)


def arrow_schema(names: tuple[str, ...]) -> pa.Schema:
    """The schema of the batches of a format: its own columns in order, then those of ADDED. Text comes as TEXT."""
    return layout_of(tuple(names)).schema


DEFAULT = layout_of(DEFAULT_FORMAT)
