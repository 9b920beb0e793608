"""Lists of addresses to beware of, read from a file of anybody's making.

The file is hostile text until proven otherwise: nothing of it is trusted to be an address before it has been parsed as
one, and labels are plain text of limited length. A line that holds no address is counted and named by its number; the
rest loads.
"""

from __future__ import annotations

import csv
import hashlib
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flowkit.errors import ParameterError

__all__ = ["ThreatList", "read_threat_list"]

#: Names of columns that hold addresses, and of those that say why, in the feeds that we know (abuse.ch, MISP, OTX,
#: CINS, FireHOL, Spamhaus). Of several, the first of these that a header has.
_ADDRESS_COLUMNS = (
    "ip", "ip_address", "ipaddress", "address", "addr", "dst_ip", "src_ip", "cidr", "network", "netblock", "prefix",
    "indicator", "ioc", "ioc_value", "value",
)  # fmt: skip
_LABEL_COLUMNS = (
    "label", "malware", "malware_printable", "threat", "threat_type", "description", "category", "reason", "comment",
    "name", "tags", "tag", "source",
)  # fmt: skip
_LONGEST_LINE, _LONGEST_LABEL, _BAD_LINES_NAMED = 4_096, 80, 5
#: A block wider than this lists a good part of the internet and is a mistake more likely than a threat.
_WIDEST = {4: 8, 6: 16}
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_V4 = "00000000000000000000ffff"


@dataclass(frozen=True, slots=True)
class ThreatList:
    """A list as it was read: `entries` are (low key, high key, label), keys as in `src_key` of docs/tables.md.

    `lines` counts all lines, `bad` those without an address; `bad_lines` names the first of them: (number, reason).
    `digest` is of the file's bytes: the same list has the same.
    """

    entries: tuple[tuple[str, str, str], ...]
    lines: int
    bad: int
    bad_lines: tuple[tuple[int, str], ...]
    digest: str


def read_threat_list(path: str | Path) -> ThreatList:
    """The list in the file at `path`: one address or CIDR block (IPv4, IPv6) per line, or CSV with a header.

    Lines may be empty or comments (`#`, `;`, `//`). What follows an address on its line is its label. Of CSV, the
    column of addresses is known by its name (`ip`, `address`, `cidr`, `indicator` and their like), and so is that of
    labels; the header may be a comment, as some feeds have it. Blocks wider than /8 (IPv6 /16) are bad lines. Raises
    ParameterError where the file cannot be read or holds no address at all.
    """
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ParameterError(f"threat_list {path} cannot be read: {reason}.") from error
    entries: list[tuple[str, str, str]] = []
    bad: list[tuple[int, str]] = []
    wrong = lines = 0
    text = data.decode("utf-8-sig", errors="replace")
    for lines, found in enumerate(_lines(text), 1):
        if isinstance(found, tuple):
            entries.append(found)
        elif found:
            wrong += 1
            if len(bad) < _BAD_LINES_NAMED:
                bad.append((lines, found))
    if wrong and not entries:
        number, reason = bad[0]
        raise ParameterError(f"threat_list {path} holds no address: line {number} {reason}.")
    return ThreatList(tuple(entries), lines, wrong, tuple(bad), hashlib.sha256(data).hexdigest())


def _lines(text: str) -> Iterator[tuple[str, str, str] | str]:
    """Per line its entry, the reason why it has none, or the empty string where none is due."""
    columns: tuple[int, int, str] | None = None
    begun = False
    for line in text.removesuffix("\n").split("\n") if text else ():
        line = line.strip()
        if not line or (comment := line.startswith(("#", ";", "//"))):
            if line and comment and not begun and columns is None:
                columns = _header(line.lstrip("#;/ "))
            yield ""
        elif len(line) > _LONGEST_LINE:
            yield f"is longer than {_LONGEST_LINE:,} characters"
        elif not begun and columns is None and (columns := _header(line)) is not None:
            yield ""
        else:
            begun = True
            yield _from_csv(line, *columns) if columns is not None else _from_plain(line)


def _header(line: str) -> tuple[int, int, str] | None:
    """Where a CSV header has addresses and labels (-1: nowhere), and its delimiter; None if it is no header."""
    for delimiter in ",;\t|":
        names = [name.strip().strip('"').lower().replace(" ", "_") for name in line.split(delimiter)]
        at = next((names.index(name) for name in _ADDRESS_COLUMNS if name in names), -1)
        if at >= 0 and (len(names) > 1 or delimiter == ","):
            return at, next((names.index(name) for name in _LABEL_COLUMNS if name in names), -1), delimiter
    return None


def _from_csv(line: str, at: int, label_at: int, delimiter: str) -> tuple[str, str, str] | str:
    try:
        cells = next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return "is no CSV"
    if len(cells) <= at:
        return "has too few columns"
    return _entry(cells[at].strip(), cells[label_at] if 0 <= label_at < len(cells) else "")


def _from_plain(line: str) -> tuple[str, str, str] | str:
    word, *rest = re.split(r"[\s,;#|]+", line, maxsplit=1)
    return _entry(word.strip('"'), rest[0] if rest else "")


def _entry(word: str, label: str) -> tuple[str, str, str] | str:
    address, slash, length = word.partition("/")
    if address.count(":") == 1:  # 1.1.1.1:443, as lists of command servers have it
        address = address.partition(":")[0]
    try:
        if ":" in address:
            key, most, version = socket.inet_pton(socket.AF_INET6, address).hex(), 128, 6
        else:
            key, most, version = _V4 + socket.inet_pton(socket.AF_INET, address).hex(), 32, 4
    except (OSError, ValueError):
        return "holds no address"
    label = _UNPRINTABLE.sub(" ", label).strip(" #;,|\"'")[:_LONGEST_LABEL] if label else ""
    if not slash:
        return key, key, label
    if not (length.isascii() and length.isdigit() and len(length) <= 3 and int(length) <= most):
        return "holds no CIDR block"
    if int(length) < _WIDEST[version]:
        return f"holds a block wider than /{_WIDEST[version]}"
    low, high = _block(key, most - int(length))
    return low, high, label


def _block(key: str, free: int) -> tuple[str, str]:
    """First and last key of the block around an address, of which the last `free` bits vary."""
    low = int(key, 16) >> free << free
    return f"{low:032x}", f"{low | ((1 << free) - 1):032x}"
