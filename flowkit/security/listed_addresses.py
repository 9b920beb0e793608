"""Traffic with addresses on a given list of threats."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from flowkit.engines import bind
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.attempts import ATTEMPTS
from flowkit.security.wording import count_of, host, look_up, one_or_list, rows_of, service
from flowkit.tables.keys import disjoint
from flowkit.threats import ThreatList, read_threat_list

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["listed_addresses", "threat_list"]

# Single addresses of the list are joined by their key. Its blocks do not overlap, so that the block of an address can
# only be the last one that begins at it or before: one pass over both in order of their keys finds it, however many
# there are. Only addresses outside count: lists of unroutable space hold private ones. Conversations with data have at
# least a question and an answer after the handshake: four packets there and three back.
_SQL = f"""
WITH {ATTEMPTS}
, outside AS (
  SELECT endpoint_id, min(addr_key) AS addr_key FROM addresses WHERE scope IN ('public', 'aws') GROUP BY endpoint_id
), marks AS (
  SELECT low_key AS mark_key, 0 AS kind, CAST(NULL AS BIGINT) AS endpoint_id, low_key FROM $blocks
  UNION ALL
  SELECT addr_key, 1, endpoint_id, NULL FROM outside
), placed AS (
  SELECT endpoint_id, mark_key, max(low_key) OVER (ORDER BY mark_key, kind, endpoint_id NULLS FIRST
         ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS low_key
  FROM marks
), hits AS (
  SELECT p.endpoint_id, COALESCE(a.label, b.label) AS label
  FROM placed p
  LEFT JOIN $addresses a ON a.addr_key = p.mark_key
  LEFT JOIN $blocks b ON b.low_key = p.low_key AND p.mark_key <= b.high_key
  WHERE p.endpoint_id IS NOT NULL AND (a.addr_key IS NOT NULL OR b.low_key IS NOT NULL)
), unclear AS (
  SELECT * FROM conversations
  WHERE in_period AND leg = '' AND initiator_by = 'unknown' AND protocol IN (6, 17) AND fwd_packets > 0
    AND rev_packets > 0 AND NOT rejected
), met AS (
  SELECT h.endpoint_id AS listed_id, h.label, a.dst_id AS host_id, 'inbound' AS way, a.srcaddr AS listed, a.dstaddr AS
         host, a.dst_name AS name, a.protocol, a.dstport, a.answered, a.rejected, a.fwd_packets, a.rev_packets,
         a.fwd_bytes AS in_bytes, a.rev_bytes AS out_bytes, a.start_s, a.end_s
  FROM attempts a JOIN hits h ON h.endpoint_id = a.src_id WHERE a.target_inside
  UNION ALL
  SELECT h.endpoint_id, h.label, a.src_id, 'outbound', a.dstaddr, a.srcaddr, a.src_name, a.protocol, a.dstport,
         a.answered, a.rejected, a.fwd_packets, a.rev_packets, a.rev_bytes, a.fwd_bytes, a.start_s, a.end_s
  FROM attempts a JOIN hits h ON h.endpoint_id = a.dst_id WHERE a.inside
  UNION ALL
  SELECT h.endpoint_id, h.label, c.dst_id, 'either', c.srcaddr, c.dstaddr, c.dst_name, c.protocol, c.dstport, 1, FALSE,
         c.fwd_packets, c.rev_packets, c.fwd_bytes, c.rev_bytes, c.start_s, c.end_s
  FROM unclear c JOIN hits h ON h.endpoint_id = c.src_id WHERE c.dst_scope IN ('vpc', 'private')
  UNION ALL
  SELECT h.endpoint_id, h.label, c.src_id, 'either', c.dstaddr, c.srcaddr, c.src_name, c.protocol, c.dstport, 1, FALSE,
         c.rev_packets, c.fwd_packets, c.rev_bytes, c.fwd_bytes, c.start_s, c.end_s
  FROM unclear c JOIN hits h ON h.endpoint_id = c.dst_id WHERE c.src_scope IN ('vpc', 'private')
), told AS (
  SELECT m.way, m.listed_id, m.host_id, m.protocol, m.dstport, min(m.listed) AS address, max(m.label) AS label,
         min(m.host) AS host, max(m.name) AS name, CAST(count(*) AS BIGINT) AS conversations,
         CAST(sum(m.answered) AS BIGINT) AS answered,
         CAST(sum(CASE WHEN m.answered = 1 AND (m.protocol <> 6 OR (m.fwd_packets >= 4 AND m.rev_packets >= 3))
                       THEN 1 ELSE 0 END) AS BIGINT) AS used,
         CAST(sum(m.out_bytes) AS BIGINT) AS sent_bytes, CAST(sum(m.in_bytes) AS BIGINT) AS received_bytes,
         min(m.start_s) AS first_s, max(m.end_s) AS last_s
  FROM met m GROUP BY m.way, m.listed_id, m.host_id, m.protocol, m.dstport
)
SELECT CASE WHEN t.way = 'outbound' AND t.answered > 0 THEN 'contacted'
            WHEN t.way = 'outbound' THEN 'called in vain'
            WHEN t.way = 'either' THEN 'exchanged'
            WHEN t.used > 0 AND COALESCE(k.kind, '') <> 'web' THEN 'served'
            WHEN t.used > 0 THEN 'visited' WHEN t.answered > 0 THEN 'answered' ELSE 'probed' END AS reading,
       t.address, t.label, t.host, t.name, t.protocol, t.dstport, t.conversations, t.answered, t.sent_bytes,
       t.received_bytes, t.first_s, t.last_s
FROM told t
LEFT JOIN service_ports k ON k.port = t.dstport AND k.protocol = t.protocol
ORDER BY CASE WHEN t.way = 'outbound' THEN 0 ELSE 1 END, t.answered DESC, t.conversations DESC, t.address, t.host,
         t.protocol, t.dstport, t.way
LIMIT $top_n
"""


_CAVEATS = (
    "Only addresses outside are compared with the list, and TCP and UDP only. The list is in the query's tables named "
    "threats_, its blocks cut so that they do not overlap; where they nest, the narrowest gives the label.",
)


@question(needs=("srcaddr", "dstaddr"), sharper_with=("tcp_flags", "action", "inventory"))
def listed_addresses(flows: Flows, *, threat_list: str = "", top_n: int = 50) -> Answer:
    """Who exchanged traffic with an address on the threat list?

    `threat_list` is a file of addresses and blocks as in docs/parameters.md; without one there are no rows. Rows per
    listed `address` (with its `label`), `host` of ours and service: `conversations`, how many were `answered`,
    `sent_bytes` by our host and `received_bytes`. `reading` is `contacted` (our host began, and got an answer),
    `called in vain` (it began, and got none), `served` (the listed address began, and a service of ours other than a
    web server exchanged data with it), `visited` (a web server did), `answered` (a handshake without data), `exchanged`
    (both sent, and the log does not tell who began) or `probed` (nobody answered).

    Blind spots: addresses behind NAT or a content network are shared by good and bad; a list is as good as its last
    update; what is reached by way of a proxy shows the proxy. Source: MITRE ATT&CK T1071 and its detection by known
    addresses; the pyramid of pain (Bianco, 2013) says how soon an address is changed.

    >>> import flowkit
    >>> flowkit.security.listed_addresses(flowkit.open("sample:")).table.columns[0]
    'reading'
    """
    sql, said = _bound(flows, threat_list, top_n)
    return flows.ask(sql, caveats=[*said, *_CAVEATS])


def _bound(flows: Flows, path: str, top_n: int) -> tuple[str, Sequence[str]]:
    """The query, its list ready in the engine, and what to say of the list. Only its digest goes into the text."""
    name, said, tables = _tables(path, _stamp(path))
    sql = _SQL
    for part, table in tables.items():
        flows.engine.register(f"{name}_{part}", table)
        sql = sql.replace(f"${part}", f"{name}_{part}")
    return bind(sql, top_n=top_n), said


def _stamp(path: str) -> tuple[int, int]:
    """Size and time of a file, by which a changed one is known."""
    file = Path(path)
    return (file.stat().st_size, file.stat().st_mtime_ns) if path and file.is_file() else (0, 0)


@functools.lru_cache(maxsize=2)
def _tables(path: str, _: tuple[int, int]) -> tuple[str, tuple[str, ...], Mapping[str, pa.Table]]:
    """The list at `path`: its name, what to say of it, and its `addresses` and `blocks`, which do not overlap.

    All empty without a path. The stamp is only there so that a list that changed is read again.
    """
    listed = read_threat_list(path) if path else None
    entries = listed.entries if listed else ()
    # of equal addresses the label that sorts last wins, as `disjoint` has it for blocks
    single: dict[str, str] = {}
    for low, high, label in entries:
        if low == high and single.get(low, "") <= label:
            single[low] = label
    blocks = disjoint(entry for entry in entries if entry[0] != entry[1])
    names = ("low_key", "high_key", "label")
    tables = {
        "addresses": pa.table(
            {"addr_key": pa.array(single, pa.string()), "label": pa.array(single.values(), pa.string())}
        ),
        "blocks": pa.table({name: pa.array([one[at] for one in blocks], pa.string()) for at, name in enumerate(names)}),
    }
    return f"threats_{listed.digest[:16] if listed else 'none'}", tuple(_said(listed)), tables


def _said(listed: ThreatList | None) -> list[str]:
    if listed is None:
        return ["No threat list was given: threat_list takes a file of addresses and blocks."]
    said = [f"The list has {count_of(len(listed.entries), 'entry', 'entries')} in {count_of(listed.lines, 'line')}."]
    if listed.bad:
        named = "; ".join(f"line {number} {reason}" for number, reason in listed.bad_lines)
        more = f" and {listed.bad - len(listed.bad_lines):,} more" if listed.bad > len(listed.bad_lines) else ""
        were = "was" if listed.bad == 1 else "were"
        said.append(f"{count_of(listed.bad, 'line')} of it could not be read and {were} left out: {named}{more}.")
    return said


#: How bad each reading is, and how sure: a list knows addresses, not who has them today.
_SEVERITY = {
    "contacted": ("high", 0.8),
    "served": ("high", 0.7),
    "called in vain": ("medium", 0.6),
    "visited": ("medium", 0.5),
    "exchanged": ("low", 0.5),
    "answered": ("low", 0.4),
    "probed": ("info", 0.9),
}


def threat_list(flows: Flows, *, threat_list: str = "") -> list[Finding]:
    """Findings of `listed_addresses`, for the file `threat_list`; none without one.

    What we contacted is one finding per listed address, what came is one per service of ours, and all mere probes
    together are one of severity info.
    """
    if not threat_list:
        return []
    sql, _ = _bound(flows, threat_list, 5_000)
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows_of(flows.sql(sql)):
        reading = row["reading"]
        if reading in ("contacted", "called in vain", "exchanged"):
            key: tuple[Any, ...] = ("listed", row["address"])
        elif reading == "probed":
            key = ("probed",)
        else:
            key = ("service", row["host"], row["protocol"], row["dstport"])
        groups.setdefault(key, []).append(row)
    return [_finding(key, members) for key, members in groups.items()]


def _finding(key: tuple[Any, ...], members: Sequence[Mapping[str, Any]]) -> Finding:
    worst = min(members, key=lambda row: list(_SEVERITY).index(row["reading"]))
    outward, probed = key[0] == "listed", key[0] == "probed"
    severity, confidence = _SEVERITY[worst["reading"]]
    listed, hosts = {row["address"] for row in members}, {row["host"] for row in members}
    conversations, sent = sum(row["conversations"] for row in members), sum(row["sent_bytes"] for row in members)
    mine = host(worst["host"], worst["name"]) if len(hosts) == 1 else count_of(len(hosts), "host")
    what = service(worst["dstport"], worst["protocol"])
    theirs = f"{worst['address']}, which is on the threat list" if len(listed) == 1 else count_of(
        len(listed), "address of the threat list", "addresses of the threat list"
    )  # fmt: skip
    label = f" The list says of {worst['address']}: {worst['label']}." if worst["label"] else ""
    subject: dict[str, Any] = {
        "srcaddr": one_or_list(hosts if outward else listed),
        "dstaddr": one_or_list(listed if outward else hosts),
    }
    if not probed:
        subject["dstport"] = one_or_list(row["dstport"] for row in members)
        subject["protocol"] = one_or_list(row["protocol"] for row in members)
    title = {
        "contacted": f"{mine} contacted {theirs}",
        "called in vain": f"{mine} called {theirs}, without an answer",
        "served": f"{mine} served {what} to {theirs}",
        "visited": f"{mine} served {what} to {theirs}",
        "exchanged": f"{mine} exchanged data with {theirs}",
        "answered": f"{mine} answered a mere handshake with {what} of {theirs}",
        "probed": f"{count_of(len(listed), 'address', 'addresses')} of the threat list knocked in vain",
    }[worst["reading"]]
    whom = count_of(len(listed), "listed address", "listed addresses")
    return Finding(
        id=finding_id("threat_list", {"key": list(key)}),
        rule="threat_list",
        title=title,
        severity=severity,
        confidence=confidence,
        subject=subject,
        first_seen=iso(min(row["first_s"] for row in members)),
        last_seen=iso(max(row["last_s"] for row in members)),
        count=conversations,
        explanation=(
            f"In {count_of(conversations, 'conversation')} with {whom}, {mine} sent {sent:,} bytes and got "
            f"{sum(row['received_bytes'] for row in members):,}. "
            + (
                "Who began cannot be told from this log, so it may be a visit or a call home."
                if worst["reading"] == "exchanged"
                else "A host of yours went there by itself, which is what malware does that calls home."
                if outward
                else "They came, and nobody answered: the rules work."
                if probed
                else "They came, and a service of yours answered."
            )
            + label
        ),
        could_also_be=(
            "An address that changed hands, or that many share (a content network, NAT, a TOR exit); a list that is "
            "wide or old."
        ),
        next_step=(
            f"Nothing, while it stays at that. What they knocked at first: {look_up(worst['host'])}"
            if probed
            else f"Find the program on {mine} that calls there, and refuse the address until you know: "
            f"{look_up(worst['host'])}"
            if outward
            else "Look into the service's own log for what they asked, and refuse them if that is not theirs: "
            f"{look_up(worst['host'])}"
        ),
        evidence=[dict(row) for row in members[:20]],
        attack=("T1071",) if outward else ("T1595",) if probed else ("T1190",),
    )
