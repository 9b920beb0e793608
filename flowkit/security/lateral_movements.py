"""Hosts that were reached over an administration port and soon after reached on, which they never did before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flowkit.baseline import ADMIN_PORTS, administrators
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.chains import Chain, chains
from flowkit.security.wording import count_of, host, look_up, rows_of, service

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["lateral_movement", "lateral_movements"]

#: Ports over which one host gives another commands: SSH, telnet, RPC (WMI, remote services), SMB, RDP, VNC, WinRM.
#: MITRE ATT&CK, T1021 "Remote Services" and T1570 "Lateral Tool Transfer".
_PORTS = ", ".join(map(str, ADMIN_PORTS))

#: How long after a session's last record a hop still counts as following from it.
_FOLLOW_S = 3_600

# `episodes`: times at which a host began to administer others, more than an hour after it last did. `pairs`: who
# reached whom for the first time; what was under way when the log begins is no first time. Every earlier session with
# the host that reaches on is a possible step before.
_SQL = f"""
WITH contacts AS (
  SELECT src_id, dst_id, srcaddr, src_name, dstaddr, dst_name, dstport, start_s, end_s, cut_left,
         CASE WHEN src_scope = 'vpc' OR src_interface_id IS NOT NULL OR dst_interface_id IS NULL THEN 1
              ELSE 0 END AS of_ours
  FROM conversations
  WHERE in_period AND leg = '' AND protocol = 6 AND dstport IN ({_PORTS}) AND initiator_by <> 'unknown'
    AND state = 'answered' AND fwd_packets >= 4 AND rev_packets >= 2 AND src_id <> dst_id
    AND src_scope IN ('vpc', 'private') AND dst_scope IN ('vpc', 'private')
), paused AS (
  SELECT src_id, start_s, max(end_s) OVER (
           PARTITION BY src_id ORDER BY start_s, end_s, dst_id, dstport, srcaddr
           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before_s
  FROM contacts
), habits AS (
  SELECT src_id, CAST(sum(CASE WHEN before_s IS NULL OR start_s - before_s > {_FOLLOW_S} THEN 1
                               ELSE 0 END) AS BIGINT) AS episodes
  FROM paused GROUP BY src_id
), pairs AS (
  SELECT src_id, dst_id, min(srcaddr) AS srcaddr, max(src_name) AS src_name, min(dstaddr) AS dstaddr,
         max(dst_name) AS dst_name, max(dstport) AS dstport, min(start_s) AS first_s, max(end_s) AS last_s,
         max(of_ours) AS of_ours, CAST(count(*) AS BIGINT) AS conversations,
         max(CASE WHEN cut_left THEN 1 ELSE 0 END) AS cut
  FROM contacts GROUP BY src_id, dst_id
), known AS (
  SELECT endpoint_id, min(first_s) AS first_s FROM (
    SELECT src_id AS endpoint_id, min(start_s) AS first_s FROM conversations
    WHERE src_id IN (SELECT src_id FROM pairs) GROUP BY src_id
    UNION ALL
    SELECT dst_id, min(start_s) FROM conversations WHERE dst_id IN (SELECT src_id FROM pairs) GROUP BY dst_id
  ) AS ends GROUP BY endpoint_id
)
SELECT p.src_id, p.dst_id, p.srcaddr, p.src_name, p.dstaddr, p.dst_name, p.dstport, p.first_s, p.last_s,
       p.conversations, p.of_ours, p.cut, h.episodes, p.first_s - k.first_s AS quiet_s, a.src_id AS before_id,
       max(a.start_s) AS reached_s
FROM pairs p
JOIN habits h ON h.src_id = p.src_id
JOIN known k ON k.endpoint_id = p.src_id
LEFT JOIN contacts a ON a.dst_id = p.src_id AND a.src_id <> p.dst_id AND a.start_s <= p.first_s
 AND p.first_s <= a.end_s + {_FOLLOW_S}
GROUP BY p.src_id, p.dst_id, p.srcaddr, p.src_name, p.dstaddr, p.dst_name, p.dstport, p.first_s, p.last_s,
         p.conversations, p.of_ours, p.cut, h.episodes, k.first_s, a.src_id
ORDER BY p.first_s, p.src_id, p.dst_id, reached_s DESC NULLS LAST, before_id NULLS LAST
"""

#: Who administers others as often as this does so for a living: a bastion, a deployment host, a backup server.
_HABIT_EPISODES = 3
#: Names that tell the same.
_JUMP_NAMES = ("bastion", "jump", "ansible")
#: How long hosts must have been watched without it before two hops, or three, are taken for more than a coincidence.
_QUIET_S = {2: 6 * 3_600, 3: 3_600}
#: First contacts within an hour from one host that nobody had reached, from which they are told as a fan-out.
_FAN_OUT = 5

_COLUMNS = (
    "reading", "chain", "hop", "srcaddr", "src_name", "dstaddr", "dst_name", "dstport", "conversations", "quiet_s",
    "first_s", "last_s",
)  # fmt: skip
_WORDS = ("reading", "srcaddr", "src_name", "dstaddr", "dst_name")

_CAVEATS = (
    "Sessions over administration ports that went both ways. Two hops within one window have no order; a chain that "
    "rests on such a pair is told with less confidence.",
)


@question(needs=("srcaddr", "dstaddr", "dstport"), sharper_with=("tcp_flags", "inventory", "flow_direction"))
def lateral_movements(flows: Flows, *, baseline: str = "", jump_hosts: Sequence[str] = ()) -> Answer:
    """Did anybody move from host to host over administration ports?

    Rows per hop, in time order within each `chain`, the longest chain first. A hop from B to C follows one from A to B
    if it began while that session lasted or within an hour after, B had never reached C before, and B is not one of
    those that administer for a living: hosts that began to administer others at three different times (an hour apart),
    that are named bastion, jump or ansible, that are in `jump_hosts` (names or addresses), or that did so in the
    `baseline`. `hop` counts from the first session on, `quiet_s` is how long the log had watched the source without
    this. `reading` is `chain`, or `fan-out`: five first contacts or more within an hour by a host that nobody had
    reached, after six hours without.

    Ports: 22, 23, 135, 445, 3389, 5900, 5985, 5986, TCP. Sessions from the internet are no hop: see `brute_forced`.

    Blind spots: hops over other ports or through an agent (Systems Manager); what happened before the log begins;
    sessions between pods or hosts that no logged interface saw. Source: MITRE ATT&CK, tactic TA0008, technique T1021;
    chains of first contacts after Liu, Stokes, Mead and others, "Latte: Large-Scale Lateral Movement Detection", MILCOM
    2018, without its learned score.
    """
    answer = flows.ask(_SQL, caveats=_CAVEATS)
    found = _chains(flows, rows_of(answer.table), baseline, jump_hosts)
    rows = [
        {**hop, "reading": chain.reading, "chain": place} for place, chain in enumerate(found, 1) for hop in chain.hops
    ]
    return replace(answer, _table=_framed(rows))


def _framed(rows: list[dict[str, Any]]) -> Any:
    import pandas as pd

    kinds = {name: "string" if name in _WORDS else "Int64" for name in _COLUMNS}
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(kinds)


def _chains(flows: Flows, rows: list[dict[str, Any]], baseline: str, jump_hosts: Sequence[str]) -> list[Chain]:
    """The chains and fan-outs that the first contacts make."""
    usual = {*jump_hosts, *administrators(baseline)}
    habitual = {
        row["src_id"]
        for row in rows
        if row["episodes"] >= _HABIT_EPISODES
        or {row["srcaddr"], row["src_name"]} & usual
        or any(word in (row["src_name"] or "").lower() for word in _JUMP_NAMES)
    }
    found = chains(rows, habitual, interval_s=flows.interval_s, fan_out=_FAN_OUT, within_s=_FOLLOW_S)
    return [chain for chain in found if chain.reading == "chain" or chain.quiet_s >= _QUIET_S[2]]


def lateral_movement(flows: Flows, *, baseline: str = "", jump_hosts: Sequence[str] = ()) -> list[Finding]:
    """Findings of `lateral_movements`, one per chain.

    Three hops are high where each host was watched for an hour without such a thing, else medium; two are medium after
    six hours of that, else low. A session from a private address that no interface of the log or the inventory has, to
    a host that has one, comes from outside (an office, a VPN): it opens a chain and is no hop of it. One hop is no
    finding. A chain whose order rests on one window is one step milder. A fan-out alone is low. `baseline` and
    `jump_hosts` as for the question.
    """
    rows = rows_of(flows.ask(_SQL).table) if lateral_movements(flows).answerable else []
    found = _chains(flows, rows, baseline, jump_hosts)
    return [_finding(chain) for chain in found if chain.reading == "fan-out" or _hops(chain) >= 2]


def _hops(chain: Chain) -> int:
    """The length of a chain among your own hosts."""
    return chain.length - (0 if chain.begins_inside else 1)


def _severity(chain: Chain) -> str:
    """How bad a chain is, by its length, by how long its hosts were quiet, and by whether its order is certain."""
    length = _hops(chain)
    if chain.reading == "fan-out":
        return "low"
    quiet = chain.quiet_s >= _QUIET_S[min(length, 3)]
    grades = ("high", "medium", "low")
    step = (0 if quiet else 1) if length >= 3 else (1 if quiet else 2)
    return grades[min(2, step + (0 if chain.in_order else 1))]


def _finding(chain: Chain) -> Finding:
    first = chain.hops[0]
    sources = list(dict.fromkeys(hop["srcaddr"] for hop in chain.hops))
    reached = list(dict.fromkeys(hop["dstaddr"] for hop in chain.hops))
    ports = sorted({hop["dstport"] for hop in chain.hops})
    begun = host(first["srcaddr"], first["src_name"])
    what = service(ports[0], 6) if len(ports) == 1 else f"{len(ports)} administration ports"
    steps = "; ".join(
        f"{iso(hop['first_s'])} {host(hop['srcaddr'], hop['src_name'])} to {host(hop['dstaddr'], hop['dst_name'])}"
        for hop in chain.hops[:6]
    )
    more = f"; and {count_of(len(chain.hops) - 6, 'more hop')}" if len(chain.hops) > 6 else ""
    fan_out = chain.reading == "fan-out"
    severity = _severity(chain)
    title = (
        f"{begun} reached {count_of(len(reached), 'host')} over {what} within an hour, the first time"
        if fan_out
        else f"{begun} went on from host to host over {what}: {count_of(chain.length, 'hop')}, "
        f"{count_of(len(reached), 'host')}"
    )
    return Finding(
        id=finding_id("lateral_movement", {"srcaddr": first["srcaddr"], "dstaddr": first["dstaddr"]}),
        rule="lateral_movement",
        title=title,
        severity=severity,
        confidence={"high": 0.8, "medium": 0.6, "low": 0.3}[severity],
        subject={
            "srcaddr": sources if len(sources) > 1 else sources[0],
            "dstaddr": reached if len(reached) > 1 else reached[0],
            "dstport": ports if len(ports) > 1 else ports[0],
            "protocol": 6,
        },
        first_seen=iso(first["first_s"]),
        last_seen=iso(max(hop["last_s"] for hop in chain.hops)),
        count=len(chain.hops),
        explanation=(
            f"In time order: {steps}{more}. "
            + (
                "It had never begun such a session in this log before, and nobody was seen to log in to it first."
                if fan_out
                else "Each host reached on during the session that had reached it, or within an hour after, and none "
                f"had reached its target before; they had been watched for at least {chain.quiet_s // 60:,} minutes. "
                "Whoever takes over one host moves on to the next like this."
            )
            + ("" if chain.in_order else " Two of the hops began within one window, so their order is not certain.")
        ),
        could_also_be=(
            "An administrator who goes on from one host to the next, or a new bastion, deployment or backup host: name "
            "it in jump_hosts."
        ),
        next_step=(
            "Ask who was logged in on each host at these times, and look at the last hosts reached first. Whose the "
            "first is: " + look_up(first["srcaddr"])
        ),
        evidence=[{name: hop.get(name) for name in _COLUMNS[2:]} for hop in chain.hops[:20]],
        attack=("T1021",),
    )
