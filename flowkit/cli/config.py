"""`flowkit report --config FILE`: the options of a report from a TOML file. What stands on the command line wins.

out = "reports"
store = "mystore"
since = "2026-11-02"
fail_on = "high"

[parameters]
top_n = 50
"""

from __future__ import annotations

import argparse
import difflib
from pathlib import Path
from typing import Any

from flowkit.errors import ParameterError
from flowkit.finding import SEVERITIES

__all__ = ["settled"]

_TEXT = (
    "out", "store", "since", "until", "inventory", "log_format", "baseline", "suppressions", "fail_on",
)  # fmt: skip
_WHOLE = ("cell_timeout", "timeout")
_KINDS = {
    **dict.fromkeys(_TEXT, str),
    **dict.fromkeys(_WHOLE, int),
    "fraction": float,
    "yes": bool,
    "cidrs": list,
    "parameters": dict,
}
#: Options that are parameters of the notebooks too.
_PASSED_ON = ("inventory", "log_format", "suppressions", "cidrs")


def settled(options: argparse.Namespace) -> dict[str, Any]:
    """The options of `report`, from its arguments and its configuration file, with `parameters` by name."""
    filed = _filed(options.config) if options.config else {}
    wanted = {name: getattr(options, name) or filed.get(name, "") for name in _KINDS if name != "parameters"}
    parameters = dict(filed.get("parameters", {}))
    parameters |= {name: wanted[name] for name in _PASSED_ON if wanted[name]}
    for given in options.param:
        name, equals, value = given.partition("=")
        if not equals or not name.strip():
            raise ParameterError(f"--param {given!r} is not NAME=VALUE.")
        parameters[name.strip()] = value
    for name in ("since", "until", "baseline"):
        wanted[name] = wanted[name] or parameters.pop(name, "")
    return {**wanted, "parameters": parameters}


def _filed(name: str) -> dict[str, Any]:
    import tomllib

    try:
        filed = tomllib.loads(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(f"{name} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ParameterError(f"{name} is not TOML: {error}.") from error
    for key, value in filed.items():
        if key not in _KINDS:
            near = difflib.get_close_matches(key, _KINDS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else f" It may have {', '.join(_KINDS)}."
            raise ParameterError(f"{name} has an unknown option '{key}'.{hint}")
        if type(value) is not _KINDS[key] and (key, value) != ("fraction", 1):
            raise ParameterError(f"{name}: {key} must be {_WORDS[_KINDS[key]]}, not {value!r}.")
    if filed.get("fail_on", "high") not in SEVERITIES:
        raise ParameterError(f"{name}: fail_on must be one of {', '.join(SEVERITIES)}, not {filed['fail_on']!r}.")
    return filed


_WORDS = {
    str: "text in quotes",
    int: "a whole number",
    float: "a number such as 0.1",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}
