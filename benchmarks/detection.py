"""How much of what is planted is found, and how much is found that is not there: seeds drawn at run time, every
variant.

    python benchmarks/detection.py --seeds 20 --out docs/detection.md

For each seed and each of {v2, v5} x {60, 600 s}, logs are generated with incidents and without (`--clean`), reviewed
with one build and one set of thresholds, and the findings compared with `truth.json`. An incident is found when a
finding of its rule has its least severity or more and the same values for every field of its subject (lists as sets).
On clean logs everything of medium or above counts as false; on planted ones, what matches no incident is listed, since
one incident may rightly have two findings.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOMS = ("security", "performance", "cost")
VARIANTS = tuple((log_format, interval_s) for log_format in ("v2", "v5") for interval_s in (60, 600))


@dataclass
class Tally:
    """What one variant gave."""

    planted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    clean_runs: int = 0
    clean_hours: float = 0.0


def main() -> int:
    """Run the benchmark and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="how many seeds to draw (20)")
    parser.add_argument("--seed", type=int, action="append", default=[], help="use this seed instead; may be repeated")
    parser.add_argument("--hours", type=int, default=24, help="hours of logs per run (24)")
    parser.add_argument("--records", type=int, default=60_000, help="records per run (60000)")
    parser.add_argument("--variant", action="append", default=[], help="only this one, such as v2-600; may be repeated")
    parser.add_argument("--without-inventory", action="store_true", help="review without inventory.json")
    parser.add_argument("--out", default="", help="write the tables there as well")
    given = parser.parse_args()
    seeds = given.seed or [secrets.randbelow(10**9) for _ in range(given.seeds)]
    wanted = [v for v in VARIANTS if not given.variant or f"{v[0]}-{v[1]}" in given.variant]
    tallies: dict[tuple[str, int], Tally] = defaultdict(Tally)
    for number, seed in enumerate(seeds, 1):
        for variant in wanted:
            for clean in (False, True):
                one_run(seed, variant, clean, given, tallies[variant])
            print(f"seed {number} of {len(seeds)}: {seed} {variant[0]}/{variant[1]}", file=sys.stderr)
        if given.out:  # after every seed, so that a run that is cut short has its table too
            Path(given.out).write_text(report(seeds[:number], tallies, given), encoding="utf-8")
    print(report(seeds, tallies, given))
    return 0


def one_run(seed: int, variant: tuple[str, int], clean: bool, given: argparse.Namespace, tally: Tally) -> None:
    """Generate one set of logs, review it, compare."""
    from flowkit.generate import generate

    log_format, interval_s = variant
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FLOWKIT_CACHE_DIR"] = str(Path(folder) / "cache")
        logs = Path(folder) / "logs"
        generate(
            logs,
            seed=seed,
            hours=given.hours,
            records=given.records,
            format=log_format,
            interval_s=interval_s,
            clean=clean,
        )
        truth = json.loads((logs / "truth.json").read_text(encoding="utf-8"))
        findings = list(reviewed(str(logs), "none" if given.without_inventory else ""))
    told = f"seed {seed} {log_format}/{interval_s}"
    grave = [f for f in findings if rank(f["severity"]) <= rank("medium")]
    if clean:
        tally.clean_runs += 1
        tally.clean_hours += given.hours
        tally.false += [f"{told}: {f['severity']} {f['rule']}: {f['title']}" for f in grave]
        return
    explained: set[str] = set()
    for incident in truth["incidents"]:
        rule = incident["rule"]
        hits = [f for f in findings if matches(f, incident)]
        explained |= {f["id"] for f in hits}
        if not incident.get("detectable", True):
            tally.skipped[rule] += 1
            continue
        tally.planted[rule] += 1
        if hits:
            tally.found[rule] += 1
        else:
            tally.missed.append(f"{told}: {rule} {brief(incident['subject'])} ({incident['note']})")
    tally.beside += [f"{told}: {f['severity']} {f['rule']}: {f['title']}" for f in grave if f["id"] not in explained]


def reviewed(source: str, inventory: str) -> Iterator[dict[str, Any]]:
    """The findings of every room that there is."""
    import flowkit as fk

    with fk.open(source, inventory=inventory, progress=False) as flows:
        for room in ROOMS:
            try:
                found = fk.review.review(flows, room).findings
            except (ModuleNotFoundError, ImportError) as missing:
                print(f"{room} is left out: {missing}", file=sys.stderr)
                continue
            yield from (finding.as_dict() for finding in found)


def matches(finding: Mapping[str, Any], incident: Mapping[str, Any]) -> bool:
    """Whether a finding is of the incident's rule, bad enough, and about the same subject."""
    return (
        finding["rule"] == incident["rule"]
        and rank(finding["severity"]) <= rank(incident["severity"])
        and all(same(finding["subject"].get(name), value) for name, value in incident["subject"].items())
    )


def same(one: Any, other: Any) -> bool:
    """Equal, lists as sets, and a list of one as its value."""
    as_set = [set(value) if isinstance(value, list) else {value} for value in (one, other)]
    return as_set[0] == as_set[1]


def rank(severity: str) -> int:
    """0 for the worst."""
    return ("critical", "high", "medium", "low", "info").index(severity)


def brief(subject: Mapping[str, Any]) -> str:
    """A subject on one line."""
    return ", ".join(f"{k}={f'{len(v)} of them' if isinstance(v, list) else v}" for k, v in subject.items())


def wilson(found: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share after Wilson (1927)."""
    if not of:
        return 0.0, 1.0
    z, share = 1.96, found / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * (share * (1 - share) / of + z * z / (4 * of * of)) ** 0.5 / (1 + z * z / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def report(seeds: Sequence[int], tallies: Mapping[tuple[str, int], Tally], given: argparse.Namespace) -> str:
    """The tables in Markdown."""
    import flowkit

    variants = list(tallies)
    rules = sorted({rule for tally in tallies.values() for rule in [*tally.planted, *tally.skipped]})
    lines = [
        "# What is found",
        "",
        f"Generated by `benchmarks/detection.py` with flowkit {flowkit.__version__}: {len(seeds)} seeds drawn at "
        f"run time, {given.hours} hours and "
        f"about {given.records:,} records a run, "
        + ("without" if given.without_inventory else "with")
        + " the inventory. One build, one set of thresholds. An incident counts as found when a finding of its "
        "rule has its least severity or",
        "more and an equal subject.",
        "",
        "| rule | " + " | ".join(f"{fmt}, {s} s" for fmt, s in variants) + " | all | 95 % interval |",
        "|---|" + "---|" * (len(variants) + 2),
    ]
    for rule in rules:
        cells = [f"{tallies[v].found[rule]} of {tallies[v].planted[rule]}" for v in variants]
        found, planted = (sum(getattr(t, name)[rule] for t in tallies.values()) for name in ("found", "planted"))
        low, high = wilson(found, planted)
        lines.append(f"| {rule} | {' | '.join(cells)} | {found} of {planted} | {low:.3f} to {high:.3f} |")
    skipped = sum((t.skipped for t in tallies.values()), Counter())
    if skipped:
        said = ", ".join(f"{count} {rule}" for rule, count in sorted(skipped.items()))
        lines += ["", f"Planted but not detectable by construction (the truth says why), not counted: {said}."]
    runs, hours = sum(t.clean_runs for t in tallies.values()), sum(t.clean_hours for t in tallies.values())
    false = [one for t in tallies.values() for one in t.false]
    days = hours / 24 or 1
    lines += [
        "",
        f"On the same seeds without incidents ({runs} runs, {hours:,.0f} hours): {len(false)} findings of medium "
        f"or above, {len(false) / days:.2f} a day.",
    ]
    beside = [one for t in tallies.values() for one in t.beside]
    for title, entries in (
        ("False findings on clean logs", false),
        ("Missed", [one for t in tallies.values() for one in t.missed]),
        ("Beside the planted incidents, of medium or above", alike(beside)),
    ):
        if entries:
            lines += ["", f"## {title}", "", *[f"- {entry}" for entry in entries[:60]]]
            lines += [f"- and {len(entries) - 60} more"] if len(entries) > 60 else []
    lines += ["", f"Seeds: {', '.join(str(seed) for seed in seeds)}.", ""]
    return "\n".join(lines)


def alike(entries: Sequence[str]) -> list[str]:
    """Entries `seed S variant: severity rule: title` by severity and rule: how many, in how many runs, the first."""
    groups: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        groups[entry.split(": ", 2)[1]].append(entry)
    return [
        f"{kind}: {len(group)} in {len({one.split(':')[0] for one in group})} runs, such as: {group[0]}"
        for kind, group in sorted(groups.items())
    ]


if __name__ == "__main__":
    sys.exit(main())
