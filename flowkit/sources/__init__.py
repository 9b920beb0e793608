"""Where bytes come from. A source yields objects: a name, a way to open them, and hints; nothing more.

What an object holds is decided by its content (`flowkit.envelopes`), never by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from flowkit.errors import SourceError
from flowkit.formats import KeyInfo

__all__ = ["Object", "resolve"]


@dataclass(frozen=True, slots=True)
class Object:
    """One thing to read.

    `uri` names it everywhere, `name` within its source. `size` is in bytes, None when unknown. `etag` changes when the
    content does; `''` means that nothing can be said, so it has to be read each time. `hints` is what its key says.
    `refused` is a ledger status and a sentence where the source will not open it.
    """

    uri: str
    name: str
    opener: Callable[[], BinaryIO] = field(repr=False, compare=False)
    size: int | None = None
    etag: str = ""
    hints: KeyInfo | None = None
    refused: tuple[str, str] | None = None

    def open(self) -> BinaryIO:
        """The content, from its first byte. May raise OSError. The caller closes it."""
        return self.opener()


#: Schemes that later versions read, and what to do until then.
_NOT_YET = {
    "s3": "Copy the objects to a folder first (aws s3 sync) and name that folder.",
    "cloudwatch": "Export the log group to files first (aws logs create-export-task) and name their folder.",
    "athena": "Unload the table to files first and name their folder.",
}


def sample() -> str:
    """The folder of the bundled logs. The floor that can also generate them assigns its own function here."""
    raise SourceError("sample: names the bundled logs, which are not there. Name a file, a folder or a glob instead.")


def resolve(source: str | Sequence[str]) -> list[Object]:
    """The objects that a source, or several, name: a file, a folder, a glob, `-` for standard input, or `sample:`.

    Sorted by name, whatever order they were named in; what is named twice is read once. Raises SourceError when a
    source names nothing.
    """
    wanted = [source] if isinstance(source, str) else list(source)
    if not wanted:
        raise SourceError("No source was given. Name a file, a folder, a glob, or sample: for the bundled logs.")
    found = {each.uri: each for one in wanted for each in _objects(one)}
    return sorted(found.values(), key=lambda each: (each.name, each.uri))


def _objects(source: str) -> list[Object]:
    from flowkit.sources import files

    scheme = source.partition(":")[0]
    if source == "-":
        return [files.standard_input()]
    if source in ("sample:", "sample"):
        return files.find(sample())
    if scheme in _NOT_YET and source != scheme:
        raise SourceError(f"{source} cannot be read directly yet. {_NOT_YET[scheme]}")
    return files.find(source)
