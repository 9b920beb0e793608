"""What S3 refused, as one sentence without its full stop: what is wrong, and what to do."""

from __future__ import annotations

__all__ = ["told"]

_EXPIRED = "the credentials have expired; renew them (aws sso login, or new keys) and run again"
_CLOCK = "S3 says that the clock of this machine is wrong; set the clock and run again"
_BUSY = "S3 asks to slow down, even after several tries; run again later"
_GONE = "it was deleted after it was listed"
_REPLACED = "it was replaced after it was listed; run again to read what is there now"
_ARCHIVED = "it is archived; restore it from its storage class first"

#: Error codes of S3, STS and KMS, and what they mean for whoever reads logs.
_MEANINGS = {
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"), _EXPIRED),
    **dict.fromkeys(("RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"), _CLOCK),
    **dict.fromkeys(("SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded"), _BUSY),
    **dict.fromkeys(("NoSuchKey", "NoSuchVersion"), _GONE),
    **dict.fromkeys(("PreconditionFailed", "412"), _REPLACED),
    "InvalidObjectState": _ARCHIVED,
    "NoSuchBucket": "there is no such bucket; check its name",
    "InvalidAccessKeyId": "AWS does not know the access key; check the profile or the environment",
    "InvalidClientTokenId": "AWS does not know the access key; check the profile or the environment",
    "SignatureDoesNotMatch": "the secret key does not belong to the access key; check the profile or the environment",
    "InvalidToken": "the session token is not valid; renew the credentials and run again",
    "InvalidBucketName": "that is no name of a bucket; check it",
}
_PAYER = " there, and add ?requester_pays=true where the reader pays"
_OWN_KEY = "it is encrypted with a key of the sender's own (SSE-C), which cannot be given; read a copy without it"
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403", "Forbidden", "AllAccessDisabled"})


def told(error: Exception, action: str) -> str:
    """The sentence for an error of botocore. `action` is the permission that the request needed.

    >>> told(ValueError("no such thing"), "s3:GetObject")
    'no such thing'
    """
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return _without_answer(error)
    said = response.get("Error", {})
    code, message = str(said.get("Code", "")), str(said.get("Message", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
    if code.startswith("KMS") or (code in _DENIED and ("kms" in message.lower() or "ciphertext" in message.lower())):
        return f"the KMS key that encrypts it refuses ({code}); allow kms:Decrypt on that key, and enable it"
    if code in ("InvalidRequest", "InvalidArgument") and "server side encryption" in message.lower():
        return f"{_OWN_KEY} ({code})"
    if code in _MEANINGS:
        return f"{_MEANINGS[code]} ({code})"
    if code in _DENIED:
        return f"access is denied ({code}); allow {action}{_PAYER if action.startswith('s3:') else ''}"
    if status >= 500:
        return f"S3 failed with {code or status}, even after several tries; run again later"
    return f"S3 answered {code or status}: {message.strip().rstrip('.') or 'nothing more'}"


def _without_answer(error: Exception) -> str:
    """For what never reached S3, or broke on the way."""
    name = type(error).__name__
    if name in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"):
        return "there are no AWS credentials; set a profile (?profile=..) or run aws configure"
    if name in ("SSOTokenLoadError", "UnauthorizedSSOTokenError", "TokenRetrievalError"):
        return _EXPIRED
    if name in ("EndpointConnectionError", "ConnectTimeoutError", "ConnectionClosedError", "ProxyConnectionError"):
        return "no connection could be made; check the network, the region and endpoint_url"
    text = " ".join(str(error).split()).rstrip(".")
    return text[:300] or name
