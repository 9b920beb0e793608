"""The rule of `saturation`: an interface that stays at the limit of its instance."""

from __future__ import annotations

from typing import Any

from flowkit.finding import Finding, aws_cli, finding_id, iso
from flowkit.flows import Flows
from flowkit.performance.saturation import saturation
from flowkit.question import Answer

__all__ = ["findings", "saturated_interface"]

#: Below this no instance type has its limit, in bits per second: the smallest baseline is that of t2.nano and t3.nano.
MIN_CEILING_BPS = 30_000_000

_EVIDENCE = (
    "interface_id", "direction", "baseline_bps", "high_bps", "max_bps", "above_90_s", "longest_high_s", "flat_s",
    "first_s", "last_s",
)  # fmt: skip


def saturated_interface(flows: Flows, *, min_saturated_s: int = 1200) -> list[Finding]:
    """The rule: at least `min_saturated_s` seconds in one stretch, flat at the baseline of the instance.

    Twenty minutes at one level is past what a burst needs and what most instances have credits for (AWS: 5 to 60
    minutes). Without a baseline a level that nothing exceeds is at most low.
    """
    answer = saturation(flows, top_n=500)
    return findings(answer, min_saturated_s=min_saturated_s) if answer.answerable else []


def findings(answer: Answer, *, min_saturated_s: int = 1200) -> list[Finding]:
    """Findings of an answer of `saturation`: one per interface, whichever directions are at the limit."""
    table = answer.table
    hosts: dict[str, list[dict[str, Any]]] = {}
    for line in table.astype(object).where(table.notna(), None).to_dict("records"):
        row = {str(name): value for name, value in line.items()}
        if _severity(row, min_saturated_s):
            hosts.setdefault(str(row["interface_id"]), []).append(row)
    return [_finding(group, min_saturated_s) for group in hosts.values()]


def _severity(row: dict[str, Any], min_saturated_s: int) -> str:
    if row["baseline_bps"] is not None:
        if row["flat_s"] >= min_saturated_s:
            return "medium"
        return "low" if row["longest_high_s"] >= min_saturated_s else ""
    # A ceiling without a known limit: long, high, and unlike the rest of the time. Gateways and load balancers grow
    # with their load.
    if row["role"] not in (None, "instance"):
        return ""
    lasting = row["longest_high_s"] >= min_saturated_s and row["plateau_bps"] >= MIN_CEILING_BPS
    capped = row["p50_bps"] * 2 <= row["plateau_bps"] and row["max_bps"] * 100 <= 115 * row["plateau_bps"]
    return "low" if lasting and capped else ""


def _finding(rows: list[dict[str, Any]], min_saturated_s: int) -> Finding:
    first = max(rows, key=lambda row: (row["flat_s"], row["longest_high_s"], row["direction"]))
    severity = min((_severity(row, min_saturated_s) for row in rows), key=("medium", "low").index)
    name = f"{first['name']} ({first['interface_id']})" if first["name"] else str(first["interface_id"])
    minutes = int(first["longest_high_s"]) // 60
    return Finding(
        id=finding_id("saturated_interface", {"interface_id": first["interface_id"]}),
        rule="saturated_interface",
        title=f"{name}: {first['direction']} {_what(first, severity)} for {minutes:,} minutes",
        severity=severity,
        confidence=0.6 if severity == "medium" else 0.3,
        subject={"interface_id": first["interface_id"]},
        first_seen=iso(int(first["first_s"])),
        last_seen=iso(int(first["last_s"])),
        count=len(rows),
        evidence=[{name: row[name] for name in _EVIDENCE if row[name] is not None} for row in rows],
        explanation=_explanation(first, severity),
        could_also_be=(
            "A sender or receiver at the other end that is the slower one, a transfer that limits its own rate, or a "
            "burst that credits still carried."
        ),
        next_step=(
            "Compare with the instance's counters bw_in_allowance_exceeded and bw_out_allowance_exceeded (ethtool -S,"
            " or CloudWatch through its agent) at that time; if they grew, spread the transfer or take a larger type. "
            "Its instance: "
            + aws_cli("ec2", "describe-network-interfaces", "--network-interface-ids", first["interface_id"])
        ),
    )


def _what(row: dict[str, Any], severity: str) -> str:
    if row["baseline_bps"] is None:
        return "flat at a level it never exceeded"
    return "at the instance's baseline bandwidth" if severity == "medium" else "above the instance's baseline bandwidth"


def _explanation(row: dict[str, Any], severity: str) -> str:
    level = f"{row['high_bps'] / 1e9:,.2f} Gbit/s"
    if row["baseline_bps"] is None:
        return (
            f"The level stayed at {level} and never rose much higher, as where a limit holds it. What the limit is, "
            "this log and inventory do not say."
        )
    share, kind = 100 * row["high_bps"] / row["baseline_bps"], row["instance_type"] or "this instance"
    text = (
        f"{level} on average, {share:,.0f} % of the {row['baseline_bps'] / 1e9:,.2f} Gbit/s that {kind} may use at "
        "any time."
    )
    if severity == "medium":
        return (
            f"{text} A level that long and that flat looks like the limit itself: what wanted to go faster had to "
            "wait. Flow logs cannot show that it did."
        )
    return f"{text} That is lent from network credits: when they are used up, it falls back to the baseline."
