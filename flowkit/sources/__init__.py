"""Where bytes come from. A source yields objects: a name, a way to open them, and hints; nothing more.

What an object holds is decided by its content (`flowkit.envelopes`), never by its name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from flowkit.errors import SourceError
from flowkit.formats import KeyInfo

__all__ = ["LogGroup", "Object", "is_remote", "resolve", "without_options"]


@dataclass(frozen=True, slots=True)
class LogGroup:
    """The CloudWatch log group that an object's records are from, and what AWS says of them.

    `formats` holds (flow log id, format string) of each flow log that writes into it; `note` is for the ledger.
    `hourly_bytes` is what an hour of it holds on average, 0 where AWS does not say; `only_insights`: it answers Logs
    Insights only, which bills what a query scans.
    """

    name: str
    formats: tuple[tuple[str, str], ...] = ()
    note: str = ""
    hourly_bytes: int = 0
    only_insights: bool = False


@dataclass(frozen=True, slots=True)
class Object:
    """One thing to read.

    `uri` names it everywhere, `name` within its source. `size` is in bytes, None when unknown. `etag` changes when the
    content does; `''` means that nothing can be said, so it has to be read each time. `hints` is what its key says.
    `refused` is a ledger status and a sentence where the source will not open it. `remote`: opening it waits for a
    network, so it is worth fetching ahead of its turn. `log_group`: where records of CloudWatch Logs are from.
    """

    uri: str
    name: str
    opener: Callable[[], BinaryIO] = field(repr=False, compare=False)
    size: int | None = None
    etag: str = ""
    hints: KeyInfo | None = None
    refused: tuple[str, str] | None = None
    log_group: LogGroup | None = None
    remote: bool = False

    def open(self) -> BinaryIO:
        """The content, from its first byte. May raise OSError. The caller closes it."""
        return self.opener()


#: Schemes of sources that are reached over a network.
_REMOTE = ("s3", "cloudwatch", "athena")

#: Schemes that later versions read, and what to do until then.
_NOT_YET = {
    "athena": "Unload the table to files first and name their folder.",
}


def sample() -> str:
    """The folder of the bundled logs. The floor that can also generate them assigns its own function here."""
    raise SourceError("sample: names the bundled logs, which are not there. Name a file, a folder or a glob instead.")


def is_remote(source: str) -> bool:
    """Whether a source is reached over a network. Without a period, only its last full day is read."""
    return source.partition(":")[0] in _REMOTE and ":" in source


def without_options(source: str) -> str:
    """A source as it may be shown: a remote one without `?role_arn=..` and the like."""
    return source.partition("?")[0] if is_remote(source) else source


def resolve(
    source: str | Sequence[str],
    *,
    since_s: int | None = None,
    until_s: int | None = None,
    asked: Counter[str] | None = None,
) -> list[Object]:
    """The objects that a source, or several, name: a file, a folder, a glob, `-`, `sample:`, or `s3://bucket/prefix`.

    `since_s` and `until_s` (epoch seconds) spare a remote source the listing of what cannot hold records of the period;
    objects on disk are all named. Sorted by name, whatever order they were named in; what is named twice is read once.
    `asked` counts the billed requests that this took, by name (`LIST`). Raises SourceError when a source names nothing.
    """
    wanted = [source] if isinstance(source, str) else list(source)
    if not wanted:
        raise SourceError("No source was given. Name a file, a folder, a glob, or sample: for the bundled logs.")
    requests: Counter[str] = Counter() if asked is None else asked
    found = {each.uri: each for one in wanted for each in _objects(one, since_s, until_s, requests)}
    return sorted(found.values(), key=lambda each: (each.name, each.uri))


def _objects(source: str, since_s: int | None, until_s: int | None, asked: Counter[str]) -> list[Object]:
    from flowkit.sources import files

    scheme = source.partition(":")[0]
    if source == "-":
        return [files.standard_input()]
    if source in ("sample:", "sample"):
        return files.find(sample())
    if source.startswith("s3://"):
        from flowkit.sources import s3

        return s3.find(source, since_s, until_s, asked)
    if source.startswith("cloudwatch:"):
        from flowkit.sources import cloudwatch

        return cloudwatch.find(source, since_s, until_s)
    if scheme in _NOT_YET and source != scheme:
        raise SourceError(f"{source} cannot be read directly yet. {_NOT_YET[scheme]}")
    return files.find(source)
