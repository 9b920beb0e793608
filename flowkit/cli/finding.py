"""`flowkit findings`: what the rules found, as JSON, CSV, OCSF events or a table, without running a notebook."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from flowkit.cli.saying import json_text, opened, print_json
from flowkit.cli.telling import labelled, progress_of, say_part
from flowkit.sources import without_options

__all__ = ["findings", "reached"]


def findings(options: argparse.Namespace) -> int:
    """`flowkit findings`. Entries of the suppressions file that did nothing are told on standard error.

    OCSF is about security unless `--room` says otherwise: a Detection Finding is no place for an idle NAT gateway.
    """
    from flowkit.progress import Progress
    from flowkit.review import ROOMS, ocsf_events, review
    from flowkit.show.export import findings_csv, findings_text

    rooms = {"": ("security",) if options.format == "ocsf" else ROOMS, "all": ROOMS}.get(options.room, (options.room,))
    with opened(options) as flows:
        with Progress(progress_of(options)).during("looking for findings"):
            reviews = [review(flows, room, suppressions=options.suppressions) for room in rooms]
        events = [one for each in reviews for one in ocsf_events(each, flows, made_s=int(time.time()))] \
            if options.format == "ocsf" else []  # fmt: skip
        part = labelled(flows)
        say_part(flows)
    told = [each.as_dict() for each in reviews]
    found, suppressed = _of(told, "findings"), _of(told, "suppressed")
    notes = list(dict.fromkeys(note for each in told for note in (each["suppressions"] or {}).get("notes", ())))
    for note in notes:
        print(f"flowkit: {note}", file=sys.stderr)
    match options.format:
        case "csv":
            sys.stdout.write(findings_csv([*found, *suppressed]))
        case "table":
            print(findings_text(found, suppressed, records=told[0]["records"]))
        case "ocsf":
            for event in events:
                print(json_text(event))
        case _:
            print_json({"flowkit_findings": 1, "source": without_options(options.source), **part,
                        "period": told[0]["period"],
                        "records": told[0]["records"], "findings": found, "suppressed": suppressed,
                        "notes": notes})  # fmt: skip
    return reached(found, options.fail_on)


def reached(found: Sequence[Mapping[str, Any]], floor: str) -> int:
    """The exit code: 3 where one of the findings is as bad as `floor`. Suppressed ones are not among them."""
    from flowkit.finding import at_least

    return 3 if floor and any(at_least(one["severity"], floor) for one in found) else 0


def _of(told: Sequence[Mapping[str, Any]], key: str) -> list[dict[str, Any]]:
    return [{"room": each["room"], **one} for each in told for one in each[key]]
