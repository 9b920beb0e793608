"""A notebook's parameter cell as a typed interface: `name: type = literal  # help`, one line each.

The cell is read, never run. Types are `str`, `int`, `float`, `bool` and `list`. Text from a command line is converted
strictly, so that an account id keeps its leading zero and `false` is false; a name that nothing uses is an error.
"""

from __future__ import annotations

import ast
import difflib
import io
import math
import tokenize
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowkit.errors import ParameterError

__all__ = ["COMMON", "Parameter", "convert", "parameters_of", "read_cell", "settle"]

#: Parameters that mean the same in every notebook and have their own arguments in `report`.
COMMON = ("source", "since", "until", "inventory", "log_format", "baseline", "suppressions", "cidrs")

_TYPES = {"str": str, "int": int, "float": float, "bool": bool, "list": list}
_ARTICLE = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "list": "a list"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One line of a parameter cell."""

    name: str
    type: str
    default: Any
    help: str


def parameters_of(notebook: Mapping[str, Any], name: str) -> dict[str, Parameter]:
    """The parameters of a notebook (its JSON), from the cell tagged `parameters`. `name` is for messages."""
    cells = [
        cell
        for cell in notebook.get("cells", ())
        if cell.get("cell_type") == "code" and "parameters" in cell.get("metadata", {}).get("tags", ())
    ]
    if len(cells) != 1:
        raise ParameterError(f"{name} has {len(cells)} cells tagged 'parameters'; a report needs exactly one.")
    source = cells[0].get("source", "")
    return read_cell("".join(source) if isinstance(source, list) else source, name)


def read_cell(source: str, name: str) -> dict[str, Parameter]:
    """The parameters that the text of a parameter cell declares."""
    try:
        tree = ast.parse(source)
        helps = _comments(source)
    except (SyntaxError, tokenize.TokenError) as error:
        raise ParameterError(f"{name}: the parameter cell is not Python: {error}.") from error
    found: dict[str, Parameter] = {}
    for line in tree.body:
        if not (isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.value is not None):
            raise ParameterError(
                f"{name}: line {line.lineno} of the parameter cell is not `name: type = literal  # help`."
            )
        annotation = ast.unparse(line.annotation)
        if annotation not in _TYPES:
            raise ParameterError(f"{name}: {line.target.id} has type {annotation}; use one of {', '.join(_TYPES)}.")
        try:
            default = ast.literal_eval(line.value)
        except ValueError as error:
            raise ParameterError(f"{name}: the default of {line.target.id} is not a literal.") from error
        if annotation == "float" and type(default) is int:
            default = float(default)
        if type(default) is not _TYPES[annotation]:
            raise ParameterError(f"{name}: the default of {line.target.id} is not {_ARTICLE[annotation]}.")
        if line.target.id in found:
            raise ParameterError(f"{name}: {line.target.id} is declared twice.")
        help_text = helps.get(line.end_lineno or line.lineno, "")
        found[line.target.id] = Parameter(line.target.id, annotation, default, help_text)
    return found


def settle(declared: Mapping[str, Mapping[str, Parameter]], given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """For each notebook the values it is to run with: those given, converted, and only those it declares.

    `declared` is by notebook name. A given name that none of them declares is an error with a suggestion, and so is a
    value of the wrong type, before anything runs.
    """
    known = sorted({name for parameters in declared.values() for name in parameters})
    who = next(iter(declared)) if len(declared) == 1 else f"None of {', '.join(declared)}"
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else f" It has {', '.join(known)}."
            has = "has no parameter" if len(declared) == 1 else "has a parameter"
            raise ParameterError(f"{who} {has} '{name}'.{hint}")
    return {
        notebook: {
            name: convert(parameters[name], value, notebook) for name, value in given.items() if name in parameters
        }
        for notebook, parameters in declared.items()
    }


def convert(parameter: Parameter, value: Any, notebook: str) -> Any:
    """A value as the parameter's type: text is read strictly, any other value must already have the type."""
    wrong = ParameterError(f"{notebook}: {parameter.name} must be {_ARTICLE[parameter.type]}, not {value!r}.")
    if parameter.type == "str":
        if not isinstance(value, str):
            raise wrong
        return value
    if parameter.type == "list":
        return _list(parameter, value, wrong)
    if isinstance(value, str):
        return _number_or_truth(parameter.type, value.strip(), wrong)
    if parameter.type == "float" and type(value) is int:
        return float(value)
    if type(value) is not _TYPES[parameter.type] or (isinstance(value, float) and not math.isfinite(value)):
        raise wrong
    return value


def _number_or_truth(kind: str, text: str, wrong: ParameterError) -> int | float | bool:
    if kind == "bool":
        if text.lower() not in ("true", "false"):
            raise wrong
        return text.lower() == "true"
    digits = text[1:] if text[:1] in ("-", "+") else text
    if kind == "int":
        if not (digits.isascii() and digits.isdecimal()):
            raise wrong
        return int(text)
    try:
        number = float(text)
    except ValueError:
        raise wrong from None
    if not math.isfinite(number) or "_" in text:
        raise wrong
    return number


def _list(parameter: Parameter, value: Any, wrong: ParameterError) -> list[Any]:
    items: Sequence[Any]
    if isinstance(value, str):
        items = [part.strip() for part in value.split(",") if part.strip()]
    elif isinstance(value, (list, tuple)):
        items = list(value)
    else:
        raise wrong
    kinds = {type(item) for item in parameter.default}
    if kinds <= {int} and kinds:
        return [_number_or_truth("int", item, wrong) if isinstance(item, str) else item for item in items]
    if not all(isinstance(item, str) for item in items):
        raise wrong
    return list(items)


def _comments(source: str) -> dict[int, str]:
    """The comment at the end of each line, by line number."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ").rstrip() for token in tokens if token.type == tokenize.COMMENT}
