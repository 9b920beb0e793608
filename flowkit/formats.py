"""Log formats as text, and what an object's key says about it.

A log format is an ordered tuple of AWS field names. It is written as `${version} ${srcaddr}` by AWS, `$${version}` in
Terraform, `${!version}` in CloudFormation, as a comma list, or as the header line of a file; all of them are read here.
Blind spot: nothing here guesses a format from a record; a name that the field table lacks is kept as it stands.
Source: AWS VPC User Guide, "Flow log files" (object keys) and "Flow log records".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from flowkit.errors import FormatError
from flowkit.fields import FIELDS, FIELDS_BY_COLUMN

__all__ = [
    "DERIVED_COLUMNS",
    "KeyInfo",
    "as_header",
    "columns",
    "field_name",
    "parse_format",
    "parse_key",
    "to_format_string",
]

#: Columns that flowkit adds to a record, or keeps free for its own tables. No field of a log may take these names.
DERIVED_COLUMNS = frozenset(
    {"src_key", "dst_key", "record_kind", "row_kind", "flow_log_id", "object_id"}
    | {"network", "observer", "direction", "late", "start", "end"}
)

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,127}")
_PLACEHOLDER = re.compile(r"\$\$?\{!?\s*([^{}\s]*)\s*\}")


def field_name(text: str) -> str:
    """AWS's spelling of a field written in any case, with hyphens or underscores, or as a column of `flows`.

    A name that the field table lacks comes back unchanged.
    """
    lower = text.strip().lower()
    name = lower.replace("_", "-")
    if name in FIELDS:
        return name
    if lower in FIELDS_BY_COLUMN:
        return FIELDS_BY_COLUMN[lower].name
    return text.strip()


def parse_format(text: str) -> tuple[str, ...]:
    """The fields of a log format, in order, by AWS's names.

    >>> parse_format("${version} ${srcaddr}")
    ('version', 'srcaddr')
    >>> parse_format("srcaddr, dstaddr")
    ('srcaddr', 'dstaddr')
    """
    if not text.strip():
        raise FormatError("The log format is empty. Give the fields in order, such as '${version} ${srcaddr}'.")
    between = _PLACEHOLDER.sub(" ", text)
    if "$" in text or "{" in text:
        if between.replace(",", " ").strip(" \t\r\n\"'"):
            left = between.replace(",", " ").split()[0]
            raise FormatError(f"The log format has {left!r} outside of ${{...}}. Write every field as ${{name}}.")
        words = [match.group(1) for match in _PLACEHOLDER.finditer(text)]
    else:
        words = [word.strip("\"'") for word in text.replace(",", " ").split()]
    names = tuple(field_name(word) for word in words)
    for name in names:
        if not _NAME.fullmatch(name):
            raise FormatError(f"The log format names a field {name!r}, which cannot be a field's name.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FormatError(f"The log format names {twice[0]} twice. A field can stand in it only once.")
    if not any(name in FIELDS for name in names):
        raise FormatError(
            f"The log format names no field that flow logs have ({', '.join(names[:3])}). "
            "Give AWS's field names, such as '${version} ${srcaddr}'."
        )
    return names


def to_format_string(names: Sequence[str]) -> str:
    """The format as AWS writes it.

    >>> to_format_string(("version", "srcaddr"))
    '${version} ${srcaddr}'
    """
    return " ".join(f"${{{name}}}" for name in names)


def as_header(values: Sequence[str]) -> tuple[str, ...] | None:
    """The fields if these values are a header line, else None.

    A header line has only names, none twice, and at least half of them are fields that the table knows.
    """
    if not values or not all(_NAME.fullmatch(value) for value in values):
        return None
    names = tuple(field_name(value) for value in values)
    known = sum(name in FIELDS for name in names)
    if 2 * known < len(names) or len(set(names)) < len(names):
        return None
    return names


def columns(names: Sequence[str]) -> dict[str, str]:
    """AWS field name -> column name, for known and unknown fields, in order and without clashes."""
    taken = {FIELDS[name].column for name in names if name in FIELDS}
    found: dict[str, str] = {}
    for name in names:
        if name in FIELDS:
            found[name] = FIELDS[name].column
            continue
        column = re.sub(r"[^a-z0-9_]", "_", name.lower())
        if not re.match(r"[a-z]", column) or column in FIELDS_BY_COLUMN or column in DERIVED_COLUMNS:
            column = f"x_{column}"
        free, count = column, 1
        while free in taken:
            count += 1
            free = f"{column}_{count}"
        taken.add(free)
        found[name] = free
    return found


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What the key of a delivered object says. `''` and None where it does not say.

    `slot_start_s` is the start of the five minutes (UTC, epoch seconds) in which the object's records end.
    """

    account_id: str = ""
    region: str = ""
    flow_log_id: str = ""
    slot_start_s: int | None = None
    hive: bool = False
    hourly: bool = False
    parquet: bool = False


_FILE = re.compile(
    r"(?P<account>\d{12}|unknown)_[a-z]*flowlogs_(?P<region>[a-z]{2,}(?:-[a-z]+)+-\d+)_(?P<id>fl-[0-9A-Za-z]+)"
    r"_(?P<slot>\d{8}T\d{4}Z)_[0-9A-Za-z]+(?:\.(?:log|gz|parquet|txt))*"
)
_PLAIN = re.compile(
    r"(?:^|/)AWSLogs/(?:o-[a-z0-9]+/)?(?P<account>\d{12}|unknown)/[a-z]*flowlogs/(?P<region>[a-z0-9-]+)"
    r"/\d{4}/\d{2}/\d{2}/(?P<hour>\d{2}/)?[^/]*$"
)
_HIVE = re.compile(
    r"(?:^|/)AWSLogs/(?:o-[a-z0-9]+/)?aws-account-id=(?P<account>\d{12}|unknown)/(?:aws-)?service=[a-z]*flowlogs"
    r"/aws-region=(?P<region>[a-z0-9-]+)/year=\d{4}/month=\d{2}/day=\d{2}/(?P<hour>hour=\d{2}/)?[^/]*$"
)


def parse_key(key: str) -> KeyInfo | None:
    """What an object's key (or path, with any prefix) says; None where it follows none of AWS's patterns.

    The file's own name is believed before its folders, so a file copied elsewhere keeps its flow log id.
    """
    key = key.replace("\\", "/")
    name = key.rsplit("/", 1)[-1]
    file = _FILE.fullmatch(name)
    hive = _HIVE.search(key)
    folder = hive or _PLAIN.search(key)
    said = file or folder
    if said is None:
        return None
    slot: int | None = None
    if file is not None:
        try:
            slot = int(datetime.strptime(file["slot"], "%Y%m%dT%H%MZ").replace(tzinfo=UTC).timestamp())
        except ValueError:
            slot = None
    return KeyInfo(
        account_id=said["account"],
        region=said["region"],
        flow_log_id=file["id"] if file is not None else "",
        slot_start_s=slot,
        hive=hive is not None,
        hourly=folder is not None and folder["hour"] is not None,
        parquet=name.endswith(".parquet"),
    )
