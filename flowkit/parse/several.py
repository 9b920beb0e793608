"""Lines of a log group into which several flow logs write, in formats that differ.

Nothing in a line says which flow log wrote it. A line is read only where it fits one of the formats in every value and
none of the others; otherwise it is malformed, and the reason asks for `log_format=`. Blind spot: a line that a deleted
flow log wrote in a format of the past, and that fits one of today's formats, is read in that.
"""

from __future__ import annotations

from collections.abc import Mapping

from flowkit.envelopes import Bad
from flowkit.formats import parse_format
from flowkit.parse.explain import arrays_of, why_bad
from flowkit.parse.layout import Layout, layout_of
from flowkit.parse.tally import Tally
from flowkit.parse.text import TextReader
from flowkit.sources import LogGroup

__all__ = ["SeveralReader", "disagreeing", "formats_of"]


def formats_of(group: LogGroup, flow_log_id: str) -> Mapping[str, str]:
    """The one format of a log group, by its name and by the flow log's id; nothing where its flow logs disagree."""
    texts = {text for _, text in group.formats}
    if len(texts) != 1:
        return {}
    return dict.fromkeys(filter(None, (group.name, flow_log_id)), texts.pop())


def disagreeing(group: LogGroup) -> bool:
    """Whether the flow logs of a group disagree about the format."""
    return len({text for _, text in group.formats}) > 1


class SeveralReader(TextReader):
    """Reads each line in the one format of the group that it fits."""

    def __init__(self, tally: Tally, group: LogGroup) -> None:
        super().__init__(tally, lambda: None)
        self._layouts: dict[Layout, str] = {}
        for flow_log_id, text in group.formats:
            self._layouts.setdefault(layout_of(parse_format(text)), flow_log_id)

    def read(self, block: bytes | Bad) -> None:
        """Count and hand on one block of whole lines, the rows of each format together."""
        if isinstance(block, Bad):
            super().read(block)
            return
        tally = self._tally
        tally.text_bytes += len(block)
        good: dict[Layout, list[list[str | None]]] = {}
        for raw in block.removesuffix(b"\n").split(b"\n"):
            tally.lines += 1
            values = self._values(raw)
            if values is None:
                continue
            cells: list[str | None] = [None if value == "-" else value for value in values]
            fitting = [layout for layout in self._layouts if not why_bad(cells, layout)]
            if len(fitting) == 1:
                good.setdefault(fitting[0], []).append(cells)
            else:
                tally.bad(self._why(len(values), fitting), raw.decode("utf-8"))
        for layout, rows in good.items():
            self._layout = self._layout or layout
            if tally.layout is None:
                tally.use(layout, "flow log")
            tally.unknown |= dict.fromkeys(layout.unknown)
            if not tally.good(arrays_of(rows, layout), layout):
                raise AssertionError("a line passed one check and failed the other; please report this with the file")

    def _why(self, count: int, fitting: list[Layout]) -> str:
        names = " and ".join(self._layouts[layout] for layout in fitting or self._layouts)
        fits = "fits the formats of" if fitting else "fits none of the formats of"
        return f"has {count} {'value' if count == 1 else 'values'} and {fits} {names}"
