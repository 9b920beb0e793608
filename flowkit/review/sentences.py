"""A review in three sentences, made from its numbers. Each sentence carries the values it was made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from flowkit.finding import SEVERITIES, Finding, at_least

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["sentences"]


def sentences(
    flows: Flows,
    room: str,
    findings: Sequence[Finding],
    figures: Sequence[Mapping[str, Any]],
    coverage: Sequence[Mapping[str, Any]],
    changes: Mapping[str, Any] | None,
    *,
    suppressed: int = 0,
) -> list[dict[str, Any]]:
    """What was found, what the traffic was, and how far the log can be trusted; and what changed, with a baseline."""
    part = [_said(str(flows.part), **asdict(flows.part))] if flows.part else []
    if not flows.records:
        return [_said("There is no record in this period, so nothing can be said.", records=0), *part]
    found = _savings(flows, findings) if room == "cost" else _found(flows, findings)
    told = [found, *part, _traffic(room, {str(one["key"]): one["value"] for one in figures})]
    if changes is not None:
        new, gone = len(changes["new"]), len(changes["gone"])
        told.append(
            _said(
                f"Against the baseline, {_count(new, 'finding')} {_is(new)} new and {gone} {_is(gone)} gone.",
                new=new,
                gone=gone,
            )
        )
    if suppressed:
        told.append(
            _said(
                f"{_count(suppressed, 'finding')} {_is(suppressed)} suppressed, listed below with the reason.",
                suppressed=suppressed,
            )
        )
    told.append(_trust(flows, coverage))
    return [one for one in told if one["text"]]


def _said(text: str, **values: Any) -> dict[str, Any]:
    return {"text": text, "values": values}


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _is(n: int) -> str:
    return "is" if n == 1 else "are"


def _found(flows: Flows, findings: Sequence[Finding]) -> dict[str, Any]:
    counts = {level: sum(f.severity == level for f in findings) for level in SEVERITIES}
    grave = [f for f in findings if at_least(f.severity, "medium")]
    values = {"records": flows.records, **counts}
    if not grave:
        minor = counts["low"] + counts["info"]
        rest = f", and {_count(minor, 'finding')} of less weight" if minor else ""
        return _said(f"Nothing of medium severity or above was found in {flows.records:,} records{rest}.", **values)
    levels = " and ".join(
        ", ".join(f"{counts[level]} {level}" for level in SEVERITIES[:3] if counts[level]).rsplit(", ", 1)
    )
    first = grave[0]
    needs = "needs" if len(grave) == 1 else "need"
    return _said(
        f"{_count(len(grave), 'finding')} {needs} a look ({levels}), first of all: {first.title.rstrip('.')}.",
        first=first.id,
        **values,
    )


def _savings(flows: Flows, findings: Sequence[Finding]) -> dict[str, Any]:
    """Cost findings are things to change, of whatever severity."""
    if not findings:
        return _said(f"No saving stands out in {flows.records:,} records.", records=flows.records, savings=0)
    more = "" if len(findings) == 1 else f", and {_count(len(findings) - 1, 'more finding')} below"
    text = f"There is money to save: {findings[0].title.rstrip('.')}{more}."
    return _said(text, first=findings[0].id, records=flows.records, savings=len(findings))


def _traffic(room: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    if room == "security" and "rejected" in figures:
        keys: tuple[str, ...] = ("conversations", "rejected", "rejected_sources", "exposed")
        text = (
            f"Of {_count(figures['conversations'], 'conversation')}, {figures['rejected']:,} "
            f"{'was' if figures['rejected'] == 1 else 'were'} rejected; "
            f"{_count(figures['rejected_sources'], 'internet source')} knocked in vain, "
            f"and {_count(figures['exposed'], 'service')} answered the internet."
        )
    elif room == "performance":
        keys = ("conversations", "failed", "interfaces", "bytes")
        text = (
            f"{_bytes(figures['bytes'])} moved in {_count(figures['conversations'], 'conversation')} over "
            f"{_count(figures['interfaces'], 'interface')}; {_count(figures['failed'], 'internal connection')} failed."
        )
    elif room == "cost" and "estimated_usd" in figures:
        keys = ("estimated_usd",)
        text = (
            f"What these logs show is estimated to cost ${float(figures['estimated_usd']):,.2f} in this period; "
            "the AWS bill is the authority."
        )
    else:
        return _said("")
    return _said(text, **{key: figures[key] for key in keys})


def _bytes(n: int) -> str:
    size, unit = float(n), 0
    units = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")
    while size >= 1024 and unit < len(units) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:,.0f} {units[unit]}" if unit == 0 else f"{size:,.1f} {units[unit]}"


def _trust(flows: Flows, coverage: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    able = sum(bool(one["answerable"]) for one in coverage)
    totals = flows.ledger.totals if flows.ledger is not None else {}
    skipped, malformed = totals.get("skipdata", 0), totals.get("malformed", 0)
    text = (
        f"This log can answer all {len(coverage)} questions asked of it"
        if able == len(coverage)
        else f"This log can answer {able} of the {len(coverage)} questions asked of it"
    )
    flaws = []
    if skipped:
        flaws.append(f"AWS lost records {skipped:,} times (SKIPDATA), so totals are a lower bound")
    if malformed:
        flaws.append(f"{_count(malformed, 'line')} could not be read")
    text += f"; {' and '.join(flaws)}." if flaws else "."
    return _said(text, answerable=able, questions=len(coverage), skipdata=skipped, malformed=malformed)
