"""Which flow logs write into a log group, in which format, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flowkit.errors import SourceError
from flowkit.sources import LogGroup
from flowkit.sources.cloudwatch.calls import Calls

__all__ = ["Writer", "described", "writers_of"]


@dataclass(frozen=True, slots=True)
class Writer:
    """A flow log that writes into the group: its id, its format string, and when it was made (epoch seconds)."""

    flow_log_id: str
    log_format: str
    created_s: float


def writers_of(ec2: Any, calls: Calls, group: str) -> tuple[tuple[Writer, ...], str]:
    """(flow logs, a sentence when they could not be asked for), from DescribeFlowLogs by log group.

    Blind spot: a flow log that was deleted is not among them, though its records still are in the group.
    """
    wanted = [{"Name": "log-group-name", "Values": [group]}]
    try:
        answers = list(calls.pages(ec2, "describe_flow_logs", "ec2:DescribeFlowLogs", Filter=wanted))
    except SourceError as error:
        return (), f"The format could not be asked for: {error}"
    found = [
        Writer(one["FlowLogId"], one["LogFormat"], one["CreationTime"].timestamp() if "CreationTime" in one else 0.0)
        for answer in answers
        for one in answer.get("FlowLogs", [])
        if one.get("LogFormat")
    ]
    return tuple(sorted(found, key=lambda one: one.flow_log_id)), ""


def described(group: str, writers: tuple[Writer, ...], until_s: int, note: str) -> LogGroup:
    """What is known of the records before `until_s`: flow logs made later wrote none of them."""
    able = [one for one in writers if one.created_s < until_s]
    notes = [note] if note else []
    if writers and not able:
        notes.append(f"{_names(writers)} writes into this log group only since later; what wrote before is not known.")
    if len(able) > 1:
        same = len({one.log_format for one in able}) == 1
        how = "" if same else " in different formats; a line is read where it fits one of them and no other"
        notes.append(
            f"{_names(able)} write into this log group{how}. Their records bear no mark: "
            "where they watch the same interface, its traffic counts once for each."
        )
    return LogGroup(group, tuple((one.flow_log_id, one.log_format) for one in able), " ".join(notes))


def _names(writers: list[Writer] | tuple[Writer, ...]) -> str:
    names = [one.flow_log_id for one in writers]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
