"""A run from arguments to files: check, set the scene, find the scale, route, write."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flowkit.errors import ParameterError
from flowkit.finding import iso
from flowkit.generate import GenerateSummary, bill, incidents, traffic
from flowkit.generate.company import REGION, Company, found
from flowkit.generate.conversations import Talk
from flowkit.generate.draw import rng_for
from flowkit.generate.hops import Hops, route
from flowkit.generate.incidents import Incident
from flowkit.generate.lines import FORMATS
from flowkit.generate.network import Lookup
from flowkit.generate.records import Sightings
from flowkit.generate.scene import Scene
from flowkit.generate.snapshot import flow_log_id, inventory
from flowkit.generate.windows import Windows
from flowkit.generate.write import Delivery

__all__ = ["Order", "checked", "run"]


@dataclass(frozen=True, slots=True)
class Order:
    """Checked arguments. `formats` is the log format by VPC, `level` how hard gzip tries."""

    dest: Path
    seed: int
    start_s: int
    length_s: int
    records: int
    formats: dict[int, str]
    interval_s: int
    clean: bool
    account: str
    level: int


def checked(
    dest: str | Path,
    seed: int,
    hours: int,
    records: int,
    formats: dict[int, str],
    interval_s: int,
    clean: bool,
    start: str,
    account: str,
    level: int = 6,
) -> Order:
    """The order, or a ParameterError that names what is wrong with it."""
    for name, value, low in (("seed", seed, 0), ("hours", hours, 1), ("records", records, 1000)):
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise ParameterError(f"generate: {name} is {value!r}. Give a whole number of at least {low}.")
    for name in formats.values():
        if name not in FORMATS:
            raise ParameterError(f"generate: format is {name!r}. Give one of {', '.join(FORMATS)}.")
    if interval_s not in (60, 600):
        raise ParameterError(f"generate: interval is {interval_s!r}. Give 60 or 600, the two that AWS has.")
    if account and not re.fullmatch(r"\d{12}", account):
        raise ParameterError(f"generate: account is {account!r}. Give 12 digits.")
    try:
        moment = datetime.fromisoformat(start or "2026-11-02")
    except ValueError as error:
        raise ParameterError(f"generate: start is {start!r}. Give a date or an instant such as 2026-11-02.") from error
    start_s = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    folder = Path(dest)
    if (folder / "AWSLogs").exists():
        raise ParameterError(f"generate: {folder} already holds flow logs. Give an empty folder.")
    return Order(folder, seed, start_s, hours * 3600, records, formats, interval_s, clean, account, level)


@dataclass(frozen=True, slots=True)
class _World:
    company: Company
    incidents: list[Incident]
    hops: Hops
    net: Lookup
    sightings: Sightings


def _simulate(order: Order, scale: float) -> _World:
    """The whole period once, with ordinary traffic at this scale (0: none of it)."""
    scene, planted = _set_scene(order, scale)
    company = scene.company
    if scale:
        traffic.talk(scene)
    net = company.lookup()
    hops = route(scene.talk.table(), net)
    windows = Windows.cut(rng_for(order.seed, "windows"), len(company.interfaces), order.length_s, order.interval_s)
    return _World(company, [one.seen(hops) for one in planted], hops, net, Sightings(hops, net, windows))


def _set_scene(order: Order, scale: float) -> tuple[Scene, list[Incident]]:
    """The company on its stage, with the incidents planted first, since they change rules that other traffic meets."""
    for attempt in range(200):
        company = found(order.seed, order.records, order.account)
        scene = Scene(company, Talk(order.length_s), order.start_s, order.length_s, order.interval_s, scale)
        try:
            return scene, [] if order.clean else incidents.plant(scene, attempt)
        except LookupError:
            continue
    raise LookupError("no attempt found a free host for every incident; the company is too small for them")


def _scaled(order: Order, progress: Callable[[str], None] | None) -> _World:
    """The world at the scale that gives the wanted number of records."""
    planted = 0 if order.clean else _simulate(order, 0.0).sightings.count()
    if planted > 0.8 * order.records:
        raise ParameterError(
            f"generate: records is {order.records}, but the incidents alone make {planted}. "
            f"Give at least {planted * 5 // 4 // 1000 * 1000 + 1000}, or leave them out with clean."
        )
    scale = min(0.5, order.records / (4_000 * order.length_s / 3600))
    for _ in range(6):
        world = _simulate(order, scale)
        count = world.sightings.count()
        if progress:
            progress(f"simulated {count:,} records")
        if abs(count - order.records) <= 0.04 * order.records or scale <= 0.01:
            break
        scale = max(0.01, scale * (order.records - planted) / max(1, count - planted))
    return world


def run(order: Order, progress: Callable[[str], None] | None) -> GenerateSummary:
    """Simulate, write the objects, then what is known about them."""
    world = _scaled(order, progress)
    company = world.company
    order.dest.mkdir(parents=True, exist_ok=True)
    charges = bill.of_hops(company, world.hops, world.net, order.start_s, order.length_s)
    delivery = Delivery(
        order.dest, company, order.formats, order.start_s, order.length_s, charges, order.level, progress
    )
    # About a quarter of a million records at a time, in whole five-minute slots.
    step_s = max(600, int(order.length_s * min(1.0, 250_000 / order.records)) // 300 * 300)
    delivery.deliver(world.sightings, world.incidents, step_s)
    charges.write(order.dest / "bill.csv")
    _dump(order.dest / "truth.json", _truth(order, world.incidents))
    _dump(order.dest / "inventory.json", inventory(company, order.formats, order.start_s, order.interval_s))
    return GenerateSummary(
        dest=order.dest,
        seed=order.seed,
        account_id=company.account_id,
        region=REGION,
        since_s=order.start_s,
        until_s=order.start_s + order.length_s,
        records=delivery.records,
        gap_lines=delivery.gaps,
        objects=delivery.objects,
        text_bytes=delivery.text_bytes,
        incidents=len(world.incidents),
        flow_log_ids=tuple(flow_log_id(company, vpc) for vpc in order.formats),
    )


def _truth(order: Order, planted: list[Incident]) -> dict[str, Any]:
    names = sorted(set(order.formats.values()))
    return {
        "flowkit_truth": 1,
        "seed": order.seed,
        "period": {"since": iso(order.start_s), "until": iso(order.start_s + order.length_s)},
        "format": names[0] if len(names) == 1 else " and ".join(names),
        "interval_s": order.interval_s,
        "incidents": [
            {
                "rule": one.rule,
                "severity": one.severity,
                "subject": one.subject,
                "first_seen": iso(order.start_s + int(one.first_s)),
                "last_seen": iso(order.start_s + int(-(-one.last_s // 1))),
                "note": one.note,
                "detectable": one.detectable,
                "why_not": one.why_not,
            }
            for one in planted
        ],
    }


def _dump(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
