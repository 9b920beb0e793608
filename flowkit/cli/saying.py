"""What several commands do alike: open what they are asked about, and print JSON."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from flowkit.cli.telling import progress_of
from flowkit.errors import ParameterError

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["json_text", "opened", "print_json"]


def opened(options: argparse.Namespace, *, allow_nothing: bool = False) -> Flows:
    """The flows that the arguments of a command name."""
    import flowkit

    return flowkit.open(
        options.source, since=options.since, until=options.until, inventory=options.inventory,
        log_format=options.log_format, cidrs=[part.strip() for part in options.cidrs.split(",") if part.strip()],
        fraction=options.fraction or 1.0, yes=options.yes,
        strict=options.strict, allow_nothing=allow_nothing, progress=progress_of(options),
    )  # fmt: skip


def print_json(value: Any) -> None:
    """Print a value as JSON that people can read too."""
    print(json_text(value, indent=1))


def json_text(value: Any, *, indent: int | None = None) -> str:
    """A value as JSON; NaN and infinity, which JSON does not have, are an error and not a surprise for the reader."""
    try:
        return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ParameterError(f"A value cannot be written as JSON: {error}.") from error
