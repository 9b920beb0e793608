"""What an S3 source says: bucket, prefix, how to get in, and which logs are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from flowkit.errors import SourceError
from flowkit.formats import KeyInfo

__all__ = ["Place", "place_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One prefix of one bucket.

    `profile`, `region`, `endpoint_url`, `role_arn` and `external_id` say how to reach it; empty takes what the AWS
    tools would take. `requester_pays`: whoever reads pays for it. `accounts`, `log_regions` and `flow_logs` keep only
    objects whose key names one of them; empty keeps all.
    """

    bucket: str
    prefix: str
    profile: str = ""
    region: str = ""
    endpoint_url: str = ""
    role_arn: str = ""
    external_id: str = ""
    requester_pays: bool = False
    accounts: frozenset[str] = frozenset()
    log_regions: frozenset[str] = frozenset()
    flow_logs: frozenset[str] = frozenset()

    def wants(self, key: KeyInfo | None) -> bool:
        """Whether the filters let an object with such a key through. What the key does not say is not let through."""
        said = key or KeyInfo()
        return (
            (not self.accounts or said.account_id in self.accounts)
            and (not self.log_regions or said.region in self.log_regions)
            and (not self.flow_logs or said.flow_log_id in self.flow_logs)
        )


_TEXTS = ("profile", "region", "endpoint_url", "role_arn", "external_id")
_LISTS = {"account": "accounts", "log_region": "log_regions", "flow_log": "flow_logs"}


def place_of(source: str) -> Place:
    """Read `s3://bucket/prefix?option=value&...`. Raises SourceError for an option that does not exist.

    >>> place_of("s3://logs/vpc?region=eu-west-1&account=111111111111").prefix
    'vpc'
    """
    path, _, query = source.removeprefix("s3://").partition("?")
    bucket, _, prefix = path.partition("/")
    if not bucket:
        raise SourceError(f"{source} names no bucket. Write s3://bucket/prefix.")
    texts: dict[str, Any] = {}
    lists: dict[str, Any] = {}
    pays = False
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in _TEXTS:
            texts[name] = value
        elif name in _LISTS:
            lists[_LISTS[name]] = lists.get(_LISTS[name], frozenset()) | frozenset(filter(None, value.split(",")))
        elif name == "requester_pays" and value in ("true", "false"):
            pays = value == "true"
        elif name == "requester_pays":
            raise SourceError(f"requester_pays is {value!r} in the source. Write true or false.")
        else:
            known = ", ".join([*_TEXTS, "requester_pays", *_LISTS])
            raise SourceError(f"An S3 source has no option {name!r}. There are {known}.")
    if texts.get("external_id") and not texts.get("role_arn"):
        raise SourceError("external_id is given without role_arn. Name the role that it belongs to.")
    return Place(bucket=bucket, prefix=prefix, requester_pays=pays, **texts, **lists)
