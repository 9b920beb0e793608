"""An S3 client with the credentials that a place names: a profile, a role with external id, or the usual ones."""

from __future__ import annotations

import os
from typing import Any

from flowkit.errors import SourceError
from flowkit.sources.role import in_role
from flowkit.sources.s3.place import Place
from flowkit.sources.s3.refusals import told

__all__ = ["CONNECTIONS", "client_of"]

#: Objects fetched at once, and so connections kept open.
CONNECTIONS = 8

#: Tries of one request, the waits between them growing, before a fault of the server or the network counts.
_TRIES = 5


def client_of(place: Place) -> Any:
    """A client that may be used from several threads. Raises SourceError where there are no credentials."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    endpoint = place.endpoint_url or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    config = Config(
        retries={"mode": "standard", "total_max_attempts": _TRIES},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=2 * CONNECTIONS,
        s3={"addressing_style": "path"} if endpoint else None,  # a host of one's own has no names per bucket
    )
    try:
        session = boto3.Session(profile_name=place.profile or None, region_name=place.region or None)
        if place.role_arn:
            session = in_role(session, place.role_arn, place.external_id, place.endpoint_url)
        return session.client("s3", endpoint_url=place.endpoint_url or None, config=config)
    except (BotoCoreError, ClientError, ValueError) as error:
        needed = "sts:AssumeRole" if place.role_arn else "s3:ListBucket"
        raise SourceError(f"s3://{place.bucket} cannot be reached: {told(error, needed)}.") from error
