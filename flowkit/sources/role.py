"""AWS credentials of a role, for every source that is reached through one."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

__all__ = ["everywhere", "in_role"]


def everywhere(endpoint_url: str) -> str | None:
    """The endpoint to use for other services than the one it was given for; None for AWS's own.

    One below amazonaws.com is one service's alone; any other stands for all of AWS, as local stand-ins do.
    """
    own = (urlsplit(endpoint_url).hostname or "").endswith(".amazonaws.com")
    return None if own else endpoint_url or None


def in_role(session: Any, role_arn: str, external_id: str, endpoint_url: str) -> Any:
    """A boto3 session like `session` with the credentials of a role, renewed before they expire.

    `external_id` may be empty. `endpoint_url` is the source's own, from which STS's follows. Raises what boto3 raises.
    """
    import boto3
    import botocore.session
    from botocore.credentials import RefreshableCredentials

    region = session.region_name or "us-east-1"
    sts = session.client("sts", region_name=region, endpoint_url=everywhere(endpoint_url))
    asked = {"RoleArn": role_arn, "RoleSessionName": "flowkit"}
    if external_id:
        asked["ExternalId"] = external_id

    def renewed() -> dict[str, str]:
        given = sts.assume_role(**asked)["Credentials"]
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "token": given["SessionToken"],
            "expiry_time": given["Expiration"].isoformat(),
        }

    inner = botocore.session.get_session()
    inner._credentials = RefreshableCredentials.create_from_metadata(renewed(), renewed, "sts-assume-role")
    return boto3.Session(botocore_session=inner, region_name=session.region_name or None)
