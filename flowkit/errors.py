"""Every error flowkit raises on purpose. Each message says what is wrong, where, and what to do.

FlowkitError
├── SourceError        nothing there, or nothing that could be read
├── LimitError         more to read from afar than anybody agreed to
├── StoreError         a store that cannot be used, or that is damaged
├── FormatError        a log format that cannot be understood (names file and line)
├── MissingField       a question needs a field that this log lacks
├── ParameterError     an unknown or mistyped parameter
├── InventoryError     an inventory file that cannot be used
├── PriceError         a price that the price book does not have
└── ReportError        a notebook that failed or ran out of time
"""

from __future__ import annotations

__all__ = [
    "FlowkitError",
    "FormatError",
    "InventoryError",
    "LimitError",
    "MissingField",
    "ParameterError",
    "PriceError",
    "ReportError",
    "SourceError",
    "StoreError",
]


class FlowkitError(Exception):
    """The family. The command line prints its message on one line and exits with 1."""


class SourceError(FlowkitError):
    """A source that does not exist, or of which nothing could be read."""


class LimitError(FlowkitError):
    """A read from a remote source that is larger than the limit, and was not agreed to. Nothing was read."""


class StoreError(FlowkitError):
    """A store that is none, has another format, lies where it cannot be safe, or is damaged."""


class FormatError(FlowkitError):
    """A log format string or a file whose format cannot be known."""


class MissingField(FlowkitError):
    """A question asked of a log that lacks a field it needs."""


class ParameterError(FlowkitError):
    """A parameter that does not exist or has the wrong type."""


class InventoryError(FlowkitError):
    """An inventory file that cannot be read as one."""


class PriceError(FlowkitError):
    """A price that is not in the price book. Never silently zero."""


class ReportError(FlowkitError):
    """A notebook that failed, or that ran out of time."""
