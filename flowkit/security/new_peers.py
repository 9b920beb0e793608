"""Hosts of yours that began to talk: against a baseline, or late in the period after a long quiet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flowkit.baseline import Footprint, footprint
from flowkit.engines import bind
from flowkit.finding import Finding, at_least, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.lateral_movements import lateral_movement
from flowkit.security.wording import count_of, host, look_up, one_or_list, rows_of, service

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["new_peer", "new_peers"]

# One row per pair and service among our own hosts, with when either end, and the source's use of that port with
# anybody, were first seen. Without a baseline (`all_pairs` false) only pairs remain that were watched and quiet.
_SQL = """
WITH talks AS (
  SELECT src_id, dst_id, src_network, dst_network, srcaddr, src_name, dstaddr, dst_name, protocol, dstport, start_s,
         end_s, cut_left, fwd_bytes + rev_bytes AS bytes
  FROM conversations
  WHERE in_period AND leg = '' AND state = 'answered' AND initiator_by <> 'unknown' AND protocol IN (6, 17)
    AND src_scope IN ('vpc', 'private') AND dst_scope IN ('vpc', 'private') AND src_id <> dst_id
), pairs AS (
  SELECT src_id, dst_id, src_network, dst_network, srcaddr, max(src_name) AS src_name, dstaddr,
         max(dst_name) AS dst_name, protocol, dstport, CAST(count(*) AS BIGINT) AS conversations,
         CAST(sum(bytes) AS BIGINT) AS bytes, min(start_s) AS first_s, max(end_s) AS last_s,
         max(CASE WHEN cut_left THEN 1 ELSE 0 END) AS cut
  FROM talks GROUP BY src_id, dst_id, src_network, dst_network, srcaddr, dstaddr, protocol, dstport
), uses AS (
  SELECT src_id, protocol, dstport, min(first_s) AS first_s FROM pairs GROUP BY src_id, protocol, dstport
), seen AS (
  SELECT endpoint_id, min(first_s) AS first_s FROM (
    SELECT src_id AS endpoint_id, min(start_s) AS first_s FROM conversations WHERE leg = '' GROUP BY src_id
    UNION ALL
    SELECT dst_id, min(start_s) FROM conversations WHERE leg = '' AND rev_packets > 0 GROUP BY dst_id
  ) AS ends GROUP BY endpoint_id
)
SELECT p.src_network, p.dst_network, p.srcaddr, p.src_name, p.dstaddr, p.dst_name, p.protocol, p.dstport, k.service,
       COALESCE(k.kind, 'unknown') AS kind, p.conversations, p.bytes, p.first_s, p.last_s
FROM pairs p
JOIN uses u ON u.src_id = p.src_id AND u.protocol = p.protocol AND u.dstport = p.dstport
LEFT JOIN seen a ON a.endpoint_id = p.src_id
LEFT JOIN seen b ON b.endpoint_id = p.dst_id
LEFT JOIN service_ports k ON k.port = p.dstport AND k.protocol = p.protocol
WHERE $all_pairs OR (p.cut = 0 AND $long_enough AND u.first_s >= $last_part_s
      AND a.first_s <= $first_part_s AND b.first_s <= $first_part_s)
ORDER BY p.first_s, p.srcaddr, p.dstaddr, p.protocol, p.dstport, p.src_network, p.dst_network
"""

#: Without a baseline: a period of at least this long, both ends there in its first quarter, the contact in its last.
_LEAST_S = 12 * 3_600
_QUARTERS = 4
#: A source that first contacts this many hosts late in the period is rolled out from, or will be told as a fan-out.
_ROLL_OUT = 5
#: Kinds of service with which a first contact matters most.
_RISKY = ("admin", "database", "directory")

_COLUMNS = (
    "reading", "srcaddr", "src_name", "dstaddr", "dst_name", "protocol", "dstport", "service", "kind", "conversations",
    "bytes", "first_s", "last_s",
)  # fmt: skip
_WORDS = ("reading", "srcaddr", "src_name", "dstaddr", "dst_name", "service", "kind")

_ALONE = (
    "Without a baseline, what is new can only be told within a period of twelve hours or more: first contact in its "
    "last quarter, by a source that had not used this port with anybody, both ends there since the first quarter."
)
_PARTIAL = "The baseline left out the least used pairs of hosts, so that some of these may not be new."


@question(needs=("srcaddr", "dstaddr", "dstport"), sharper_with=("tcp_flags", "inventory", "flow_direction"))
def new_peers(flows: Flows, *, baseline: str = "", top_n: int = 200) -> Answer:
    """Which of your hosts talk with one another now and did not before?

    Rows per source, target and service that was answered, most telling `reading` first. Against a `baseline`:
    `first use of the port` (the source used this protocol and port with nobody), `new service` (the target did not
    answer on it), `new pair`, `new host` (one end was not there at all). Without one: `late first contact`. With the
    `kind` of service, `conversations`, `bytes`, `first_s` and `last_s`.

    Blind spots: a baseline shorter than a week lacks what happens once a week; addresses that were handed to other
    hosts look like new talk; pairs that no logged interface saw. Source: first contact as in NIST SP 800-94, section 6
    (network behaviour analysis); the thresholds are reasoned.
    """
    before = footprint(baseline)
    since_s, until_s = flows.period
    part_s = (until_s - since_s) // _QUARTERS
    sql = bind(
        _SQL,
        all_pairs=before is not None,
        long_enough=until_s - since_s >= _LEAST_S,
        first_part_s=since_s + part_s,
        last_part_s=until_s - part_s,
    )
    caveats = [_ALONE] if before is None else [_PARTIAL] if "peers" in before.partial else []
    if baseline and before is None:
        caveats.append("The baseline is of a report from before reports carried a footprint, so it tells nothing here.")
    answer = flows.ask(sql, caveats=caveats)
    return replace(answer, _table=_framed(_read(rows_of(answer.table), before)[:top_n]))


def _framed(rows: list[dict[str, Any]]) -> Any:
    import pandas as pd

    kinds = {name: "string" if name in _WORDS else "Int64" for name in _COLUMNS}
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(kinds)


_READINGS = ("first use of the port", "late first contact", "new service", "new pair", "new host")


def _read(rows: list[dict[str, Any]], before: Footprint | None) -> list[dict[str, Any]]:
    """The rows that are new, each with how it reads, most telling first."""
    if before is None:
        return [{**row, "reading": "late first contact"} for row in rows]
    peers, services = before.lists["peers"], before.lists["services"]
    hosts = {(network, address) for network, address in before.lists["hosts"]}
    uses = {(src_network, srcaddr, protocol, port) for src_network, srcaddr, _, _, protocol, port in peers}
    found = []
    for row in rows:
        one, other = (row["src_network"], row["srcaddr"]), (row["dst_network"], row["dstaddr"])
        what = (row["protocol"], row["dstport"])
        if (*one, *other, *what) in peers:
            continue
        if one not in hosts or other not in hosts:
            reading = "new host"
        elif (*one, *what) not in uses:
            reading = "first use of the port"
        else:
            reading = "new pair" if (*other, *what) in services else "new service"
        found.append({**row, "reading": reading})
    found.sort(key=lambda row: (_READINGS.index(row["reading"]), row["kind"] not in _RISKY))
    return found


def new_peer(flows: Flows, *, baseline: str = "") -> list[Finding]:
    """Findings of `new_peers`, one per source, for administration, database and directory ports.

    Against a `baseline`, a source that uses such a port for the first time is medium (low where the baseline left out
    pairs); late in the period without one, low. Everything else that is new against the baseline is one low finding.
    What `lateral_movement` tells of, as medium or worse, is not told again.
    """
    answer = new_peers(flows, baseline=baseline, top_n=100_000)
    if not answer.answerable:
        return []
    moved = {
        (hop["srcaddr"], hop["dstaddr"], hop["dstport"])
        for chain in lateral_movement(flows, baseline=baseline)
        if at_least(chain.severity, "medium")
        for hop in chain.evidence
    }
    before = footprint(baseline)
    sure = before is not None and "peers" not in before.partial
    groups: dict[str, list[dict[str, Any]]] = {}
    others = []
    for row in rows_of(answer.table):
        if (row["srcaddr"], row["dstaddr"], row["dstport"]) in moved:
            continue
        if row["kind"] in _RISKY and row["reading"] in ("first use of the port", "late first contact"):
            groups.setdefault(row["srcaddr"], []).append(row)
        elif row["reading"] in ("first use of the port", "new service", "new pair"):
            others.append(row)
    found = [
        _finding(members, "medium" if sure else "low", before is not None)
        for members in groups.values()
        if before is not None or len({row["dstaddr"] for row in members}) < _ROLL_OUT
    ]
    return found + ([_rest(others)] if others else [])


def _subject(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: one_or_list(row[name] for row in rows) for name in ("srcaddr", "dstaddr", "dstport", "protocol")}


def _finding(rows: Sequence[Mapping[str, Any]], severity: str, compared: bool) -> Finding:
    row = rows[0]
    who = host(row["srcaddr"], row["src_name"])
    targets = sorted({one["dstaddr"] for one in rows})
    whom = host(row["dstaddr"], row["dst_name"]) if len(targets) == 1 else count_of(len(targets), "host")
    ports = sorted({(one["dstport"], one["protocol"]) for one in rows})
    what = service(*ports[0]) if len(ports) == 1 else f"{len(ports)} administration or database ports"
    told = (
        "In the baseline it used that with nobody, although both were there."
        if compared
        else "In the first three quarters of the period it used that with nobody, although both were there."
    )
    inputs = {"srcaddr": row["srcaddr"], "ports": ports}
    return Finding(
        id=finding_id("new_peer", inputs),
        rule="new_peer",
        title=f"{who} began to talk to {what} of {whom}",
        severity=severity,
        confidence=0.6 if severity == "medium" else 0.45,
        subject=_subject(rows),
        first_seen=iso(min(one["first_s"] for one in rows)),
        last_seen=iso(max(one["last_s"] for one in rows)),
        count=sum(one["conversations"] for one in rows),
        explanation=(
            f"{who} had {count_of(sum(one['conversations'] for one in rows), 'answered conversation')} with {what} of "
            f"{whom}. {told} Applications talk to the same few others day after day; whoever takes over a host goes "
            "elsewhere."
        ),
        could_also_be="A new release, a migration, or a job that runs less often than what was compared with.",
        next_step=(
            "Ask the owner of the source what changed at that time, and look at what it did next. Whose address it is: "
            + look_up(row["srcaddr"])
        ),
        evidence=[dict(one) for one in rows[:20]],
        attack=("T1021",),
    )


def _rest(rows: Sequence[Mapping[str, Any]]) -> Finding:
    sources = {row["srcaddr"] for row in rows}
    return Finding(
        id=finding_id("new_peer", {"of": "everything else"}),
        rule="new_peer",
        title=f"{count_of(len(rows), 'pair')} of your hosts talk that did not in the baseline",
        severity="low",
        confidence=0.5,
        subject=_subject(rows),
        first_seen=iso(min(row["first_s"] for row in rows)),
        last_seen=iso(max(row["last_s"] for row in rows)),
        count=len(rows),
        explanation=(
            f"{count_of(len(sources), 'host')} of yours began to use services of others that the baseline does not "
            "have. By port and kind of service nothing stands out; the table of new peers lists them all."
        ),
        could_also_be="Ordinary growth; traffic so rare that the baseline happened to lack it.",
        next_step="Read the list once, then make this report the next baseline. Whose the first address is: "
        + look_up(min(sources)),
        evidence=[dict(row) for row in rows[:20]],
    )
