"""How to reach a log group: what stands after the question mark of a source, and the clients made from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from flowkit.errors import SourceError
from flowkit.sources.role import everywhere, in_role

__all__ = ["Place", "clients_of", "place_of"]

_OPTIONS = ("region", "profile", "endpoint_url", "role_arn", "external_id")
_NAME = re.compile(r"[\w/.#-]{1,512}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """A log group and how to reach it. Empty options take what the AWS tools would take."""

    group: str
    region: str = ""
    profile: str = ""
    endpoint_url: str = ""
    role_arn: str = ""
    external_id: str = ""


def place_of(source: str) -> Place:
    """Read `cloudwatch:LOG-GROUP?option=value&...`. Raises SourceError where it cannot be understood.

    >>> place_of("cloudwatch:/vpc/flow-logs?region=eu-west-1").group
    '/vpc/flow-logs'
    """
    group, _, query = source.partition(":")[2].partition("?")
    if not group:
        raise SourceError(f"{source} names no log group. Write cloudwatch:LOG-GROUP, for example cloudwatch:/vpc/flow.")
    if not _NAME.fullmatch(group):
        raise SourceError(f"{group!r} cannot be a log group's name. Give its name, not its ARN.")
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in _OPTIONS:
            known = ", ".join(_OPTIONS)
            raise SourceError(f"A CloudWatch source has no option {name!r}. There are {known}.")
    if options.get("external_id") and not options.get("role_arn"):
        raise SourceError("external_id is given without role_arn. Name the role that it belongs to.")
    return Place(group, **options)


def clients_of(place: Place) -> tuple[Any, Any]:
    """(logs, ec2): boto3 clients that threads may share. Raises SourceError.

    They try each call once: pace and repeats are `calls`' business. An `endpoint_url` below amazonaws.com is one of
    CloudWatch Logs alone; any other stands for all of AWS, as local stand-ins do.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    config = Config(
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=32,
    )
    try:
        session = boto3.Session(profile_name=place.profile or None, region_name=place.region or None)
        if place.role_arn:
            session = in_role(session, place.role_arn, place.external_id, place.endpoint_url)
        if not session.region_name:
            raise SourceError(f"No AWS region is set. Write cloudwatch:{place.group}?region=eu-west-1, with yours.")
        if session.get_credentials() is None:
            raise SourceError("There are no AWS credentials. Set a profile (?profile=..) or run aws configure.")
        logs = session.client("logs", endpoint_url=place.endpoint_url or None, config=config)
        return logs, session.client("ec2", endpoint_url=everywhere(place.endpoint_url), config=config)
    except (BotoCoreError, ClientError, ValueError) as error:
        raise SourceError(f"Log group {place.group} cannot be reached: {str(error).rstrip('.')}.") from error
