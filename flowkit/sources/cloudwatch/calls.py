"""Calls to AWS at the pace that the account allows, and in words what AWS answered when it refused.

The quota of FilterLogEvents is a few calls per second for a whole account and region, whoever else is calling. So the
pace is shared by all threads of a source, halved when AWS throttles, and raised a little with every good answer.
Source: CloudWatch Logs User Guide, "CloudWatch Logs quotas".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from flowkit.errors import SourceError

__all__ = ["Calls", "Denied", "Missing", "Pace"]

#: Calls per second: at the start, at least, at most, and what each good answer adds.
START, LEAST, MOST, MORE = 5.0, 0.2, 50.0, 0.05
#: How long AWS may throttle without one good answer, and how often a failing service is asked again.
PATIENCE_S = 300.0
ATTEMPTS = 6
#: How often a page may give the token by which it was asked for, before it counts as a loop.
SAME_TOKEN = 20

_THROTTLED = frozenset(
    {"ThrottlingException", "Throttling", "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded"}
    | {"LimitExceededException", "SlowDown"}
)
_DENIED = frozenset({"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_UNKNOWN = frozenset({"UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure", "InvalidAccessKeyId"})
_UNSIGNED = frozenset({"SignatureDoesNotMatch", "InvalidSignatureException", "RequestTimeTooSkewed"})


class Missing(SourceError):
    """AWS says that what was asked for is not there."""


class Denied(SourceError):
    """AWS refuses the call to this caller."""


class Pace:
    """When the next call may go out. One for all threads; `sleep` and `clock` are replaced in tests."""

    def __init__(
        self, sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.sleep, self._clock = sleep, clock
        self._lock = threading.Lock()
        self.per_s = START
        self._next_s = self._slowed_s = self._good_s = clock()

    def wait(self) -> None:
        """Sleep until it is this call's turn."""
        with self._lock:
            now_s = self._clock()
            at_s = max(now_s, self._next_s)
            self._next_s = at_s + 1 / self.per_s
        if at_s > now_s:
            self.sleep(at_s - now_s)

    def answered(self) -> None:
        """A good answer: a little faster."""
        with self._lock:
            self.per_s = min(MOST, self.per_s + MORE)
            self._good_s = self._clock()

    def throttled(self) -> float:
        """Half as fast, once for all calls that were under way. For how many seconds no good answer has come."""
        with self._lock:
            now_s = self._clock()
            if now_s - self._slowed_s >= 1 / self.per_s:
                self.per_s = max(LEAST, self.per_s / 2)
                self._slowed_s = now_s
            self._next_s = max(self._next_s, now_s + 1 / self.per_s)
            return now_s - self._good_s


class Calls:
    """Calls about one log group. Raises SourceError, in a sentence, for everything that waiting does not mend."""

    def __init__(self, about: str, pace: Pace | None = None) -> None:
        self._about = about
        self.pace = pace or Pace()

    def ask(self, client: Any, operation: str, action: str, **parameters: Any) -> dict[str, Any]:
        """One answer of a boto3 client. `action` is the IAM action that the call needs, such as `logs:StartQuery`."""
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

        failures = 0
        while True:
            self.pace.wait()
            try:
                answer: dict[str, Any] = getattr(client, operation)(**parameters)
            except ClientError as error:
                code = str(error.response.get("Error", {}).get("Code", ""))
                status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
                if code in _THROTTLED or status == 429:
                    self._throttled(action)
                    continue
                failures += 1
                if status < 500 or failures >= ATTEMPTS:
                    raise self._sentence(code, str(error), action, failures) from error
            except HTTPClientError as error:
                failures += 1
                if failures >= ATTEMPTS:
                    raise SourceError(
                        f"AWS did not answer {action} for {self._about} {failures} times: {error}."
                    ) from error
            except BotoCoreError as error:
                raise SourceError(f"{action} for {self._about} cannot be called: {str(error).rstrip('.')}.") from error
            else:
                self.pace.answered()
                return answer
            self.pace.sleep(min(8.0, 0.25 * 2**failures))

    def pages(self, client: Any, operation: str, action: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """All answers of a paged call. An empty page is not the end: only an answer without a token is."""
        name = "NextToken" if action.startswith("ec2:") else "nextToken"
        token: dict[str, Any] = {}
        same = 0
        while True:
            answer = self.ask(client, operation, action, **parameters, **token)
            yield answer
            if not answer.get(name):
                return
            same = same + 1 if token.get(name) == answer[name] else 0
            if same > SAME_TOKEN:
                raise SourceError(f"{action} for {self._about} does not get on: {same} times the same page token.")
            token = {name: answer[name]}

    def _throttled(self, action: str) -> None:
        waited_s = self.pace.throttled()
        if waited_s > PATIENCE_S:
            raise SourceError(
                f"AWS has throttled {action} for {waited_s / 60:.0f} minutes without one answer. "
                "Something else uses up the account's quota; try again later, or ask AWS for a higher quota."
            )

    def _sentence(self, code: str, text: str, action: str, failures: int) -> SourceError:
        """The error that says what a code means and what to do."""
        if code in _DENIED:
            return Denied(f"AWS refuses {action} on {self._about}. Allow that action in the caller's IAM policy.")
        if code == "ResourceNotFoundException":
            return Missing(f"{self._about} does not exist. Check its name, the account and the region.")
        if code in _EXPIRED:
            return SourceError("The AWS credentials have expired. Sign in again and repeat the command.")
        if code in _UNKNOWN:
            return SourceError(
                "AWS does not know these credentials. Check the profile, the keys and the session token."
            )
        if code in _UNSIGNED:
            return SourceError("AWS refuses the signature. Check the secret key and the clock of this machine.")
        if failures > 1:
            return SourceError(f"{action} for {self._about} failed {failures} times: {text.rstrip('.')}.")
        return SourceError(f"{action} for {self._about} failed: {text.rstrip('.')}.")
