"""One entry of a suppressions file: read strictly, and matched against findings."""

from __future__ import annotations

import difflib
import ipaddress
import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, cast

from flowkit.errors import ParameterError
from flowkit.fields import FIELDS_BY_COLUMN
from flowkit.finding import Finding

__all__ = ["Entry", "read_entries"]

#: A value in a message; one that refers to itself would have no end.
_short = reprlib.repr

#: Fields of findings that no flow log has: what policies are made of.
_OF_POLICIES = ("group_id", "rule_id", "network_acl_id")

_KEYS = ("rule", "id", "subject", "reason", "expires", "owner")


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry: all that it names must fit. `subject` maps a field to the values of which each of a finding's must be
    one: text, numbers, address ranges like `10.0.9.0/28`, number ranges like `8000-8099`.
    """

    number: int
    rule: tuple[str, ...]
    id: tuple[str, ...]
    subject: Mapping[str, tuple[str, ...]]
    reason: str
    expires: date
    owner: str

    @property
    def name(self) -> str:
        """The entry in a message: `entry 3 (port_scan)`."""
        what = ", ".join((*self.rule, *self.id)) or ", ".join(self.subject)
        return f"entry {self.number} ({what})"

    def as_dict(self) -> dict[str, Any]:
        """What a report says about it."""
        told = {"entry": self.number, "rule": list(self.rule), "id": list(self.id),
                "subject": {field: list(values) for field, values in self.subject.items()},
                "reason": self.reason, "expires": self.expires.isoformat(), "owner": self.owner}  # fmt: skip
        return {key: value for key, value in told.items() if value}

    def rooms(self, rules: Mapping[str, str]) -> set[str]:
        """The rooms whose rules it names, by `rules` (rule to room); the empty one where it names no rule."""
        named = {*self.rule, *(one.rpartition("-")[0] for one in self.id)}
        return {rules.get(rule, "") for rule in named} or {""}

    def matches(self, finding: Finding) -> bool:
        """Whether `finding` is one that this entry means.

        Of a finding about many (addresses, ports), every one must be among the entry's values: what is known must not
        hide what is not.
        """
        if (self.rule and finding.rule not in self.rule) or (self.id and finding.id not in self.id):
            return False
        for field, wanted in self.subject.items():
            value = finding.subject.get(field)
            values = list(value) if isinstance(value, (list, tuple)) else [value]
            if not values or not all(one is not None and any(_fits(one, w) for w in wanted) for one in values):
                return False
        return True


def _fits(value: Any, wanted: str) -> bool:
    text = str(value)
    if text == wanted:
        return True
    span = re.fullmatch(r"(\d+)-(\d+)", wanted)
    if span and text.isdecimal():
        return int(span[1]) <= int(text) <= int(span[2])
    try:
        return ipaddress.ip_address(text) in ipaddress.ip_network(wanted)
    except ValueError:
        return False


def read_entries(path: str, rules: Sequence[str]) -> list[Entry]:
    """The entries of a file. Raises ParameterError that names file, entry and remedy; `rules` are those that exist."""
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML ships no types
        """PyYAML's safe loader, but a key that stands twice in one entry is an error."""

    def mapping(loader: Any, node: Any) -> dict[Any, Any]:
        keys = [loader.construct_object(key) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"'{key}' stands twice", node.start_mark)
        return cast("dict[Any, Any]", loader.construct_mapping(node, deep=True))

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    try:
        filed = yaml.load(Path(path).read_text(encoding="utf-8"), Loader)  # noqa: S506 - a subclass of SafeLoader
    except OSError as error:
        raise ParameterError(f"suppressions {path} cannot be read: {error.strerror or error}.") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ParameterError(f"suppressions {path} is not YAML: {' '.join(str(error).split())}.") from error
    if filed is None:
        return []
    if not isinstance(filed, list):
        raise ParameterError(
            f"suppressions {path} is not a list of entries. Begin each entry with '- rule:' or '- id:'."
        )
    return [_entry(path, number, one, rules) for number, one in enumerate(filed, 1)]


def _entry(path: str, number: int, filed: Any, rules: Sequence[str]) -> Entry:
    def wrong(text: str) -> ParameterError:
        return ParameterError(f"suppressions {path} entry {number}: {text}")

    if not isinstance(filed, dict):
        raise wrong(f"it is not a mapping. Write rule, id or subject, and reason and expires, not {_short(filed)}.")
    for key in filed:
        if key not in _KEYS:
            raise wrong(f"there is no '{key}'.{_near(key, _KEYS)}")
    subject = filed.get("subject", {})
    if not isinstance(subject, dict):
        raise wrong(f"subject must map fields to values, such as srcaddr: 10.0.9.0/28, not {_short(subject)}.")
    for field in subject:
        if field not in (fields := (*FIELDS_BY_COLUMN, *_OF_POLICIES)):
            raise wrong(f"there is no field '{field}'.{_near(field, fields, few=True)}")
    said = {key: _texts(filed[key], key, wrong) if key in filed else () for key in ("rule", "id")}
    values = {str(field): _texts(value, f"subject {field}", wrong) for field, value in subject.items()}
    for rule in said["rule"]:
        if rule not in rules:
            raise wrong(f"there is no rule '{rule}'.{_near(rule, rules)}")
    for field, text in ((name, text) for name, texts in values.items() if name.endswith("addr") for text in texts):
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise wrong(f"subject {field}: {error}. Write an address, or a range like 10.0.9.0/28.") from error
    if not any((*said.values(), values)):
        raise wrong("it names nothing. Give it rule, id or subject, or it would match every finding.")
    reason, owner, expires = filed.get("reason"), filed.get("owner", ""), filed.get("expires")
    if not isinstance(reason, str) or not reason.strip():
        raise wrong("it needs a reason, one sentence that says why this is no matter.")
    if not isinstance(owner, str):
        raise wrong(f"owner must be text, not {_short(owner)}.")
    if type(expires) is not date:
        given = (
            ""
            if expires is None
            else f", not {expires.isoformat() if isinstance(expires, datetime) else _short(expires)}"
        )
        raise wrong(f"it needs a last day, such as expires: 2027-03-31{given}.")
    return Entry(number, said["rule"], said["id"], values, " ".join(reason.split()), expires, owner.strip())


def _texts(value: Any, key: str, wrong: Any) -> tuple[str, ...]:
    """One value or a list of them, as text."""
    values = value if isinstance(value, list) else [value]
    for one in values:
        if type(one) not in (str, int) or one == "":
            raise wrong(f"{key} must be a value or a list of values, not {_short(value)}. Put quotes around text.")
    if not values:
        raise wrong(f"{key} is an empty list. Name a value, or take the line out.")
    return tuple(str(one) for one in values)


def _near(name: Any, known: Sequence[str], *, few: bool = False) -> str:
    near = difflib.get_close_matches(str(name), known, n=1)
    if near:
        return f" Did you mean '{near[0]}'?"
    return " Fields are AWS's, with underscores (docs/fields.md)." if few else f" It may be {', '.join(known)}."
