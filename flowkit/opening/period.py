"""The period that is read: what was asked for, or the last full day of a remote source."""

from __future__ import annotations

import time
from collections.abc import Sequence

from flowkit.errors import ParameterError
from flowkit.flows import when
from flowkit.sources import is_remote

__all__ = ["period_of"]

_DAY_S = 86_400


def period_of(
    source: str | Sequence[str], since: str | int = "", until: str | int = ""
) -> tuple[int | None, int | None, tuple[str, ...]]:
    """(since, until, what to tell about them) in epoch seconds; None for no limit. Raises ParameterError.

    A remote `source` without `since` and `until` is read for its last full day (UTC), and that is told.
    """
    since_s, until_s = _moment(since, "since"), _moment(until, "until")
    if since_s is not None and until_s is not None and until_s <= since_s:
        raise ParameterError(f"until ({until}) is not after since ({since}).")
    named = [source] if isinstance(source, str) else source
    if since_s is not None or until_s is not None or not any(is_remote(one) for one in named):
        return since_s, until_s, ()
    until_s = int(time.time()) // _DAY_S * _DAY_S
    day = time.strftime("%Y-%m-%d", time.gmtime(until_s - _DAY_S))
    told = f"No period was given, so only the last full day (UTC) of the remote source was read: {day}."
    return until_s - _DAY_S, until_s, (told,)


def _moment(value: str | int, name: str) -> int | None:
    return None if value in ("", None) else when(str(value), name=name)
