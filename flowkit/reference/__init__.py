"""Facts from outside, as data files. Each file says where it comes from and when it was checked."""

from __future__ import annotations

import csv
import functools
from importlib import resources

__all__ = ["address_classes", "attack_techniques", "known_services", "s3_ranges"]


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


@functools.cache
def known_services() -> tuple[tuple[int, int, str, str], ...]:
    """(port, protocol, service, kind) of ports where a server listens, most of them registered with IANA.

    `kind` is `admin`, `database`, `cleartext`, `mail`, `directory`, `web`, `infrastructure` or `other`.
    """
    return tuple((int(row["port"]), int(row["protocol"]), row["service"], row["kind"]) for row in _rows("services.csv"))


@functools.cache
def address_classes() -> tuple[tuple[str, str], ...]:
    """(CIDR, scope) of addresses with a meaning of their own. Everything else is `public`."""
    return tuple((row["cidr"], row["scope"]) for row in _rows("address_classes.csv"))


@functools.cache
def s3_ranges() -> tuple[tuple[str, str, str], ...]:
    """(CIDR, service, region) of S3 in the regions whose prices are bundled; nothing else is in it."""
    return tuple((row["cidr"], row["service"], row["region"]) for row in _rows("s3_ranges.csv"))


@functools.cache
def attack_techniques() -> dict[str, tuple[str, str, str]]:
    """MITRE ATT&CK techniques that rules point to: id to (name, tactic id, tactic name)."""
    return {row["technique"]: (row["name"], row["tactic"], row["tactic_name"]) for row in _rows("attack.csv")}
