"""Password guessing that is spread: many sources at one login, or one source at many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowkit.engines import bind
from flowkit.engines.ctes import matching
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.attempts import ATTEMPTS
from flowkit.security.logins import LOGINS, login_values
from flowkit.security.wording import count_of, host, look_up, one_or_list, rows_of, sentence, service

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["spread_findings", "spread_guesses"]

#: The line for one source at one login, as in `brute_forced`.
MIN_ATTEMPTS = 30
#: So many times that line must be reached together within an hour: a public login has some honest visitors an hour.
TOGETHER_TIMES = 4
#: Least sources at one login, and least logins of one source: fewer are told one by one.
MIN_SOURCES, MIN_TARGETS = 10, 5
#: Inside, tries per target: deployments log in to many hosts, but not again and again.
INSIDE_TRIES = 5
#: How much of the attempts must remain without the busiest pair, in %: else it is that one's guessing.
WITHOUT_BUSIEST = 50
#: How far the middle half of the sizes may spread, in % of the median: several tools differ more than the tries of one,
#: but visitors who do something differ by more than that.
SPREAD_PERCENT = 100
#: So many short conversations before a session make the session doubtful.
FEW = 3
#: A session, as in `brute_forced`.
SESSION_BYTES = 50_000

_KEY = "shape, hub, dstport, inside"
_HOUR = f"{_KEY}, phase, hour_s"


# `hub` is the target that many sources share (shape `sources`, from the internet only: inside, clients look the same)
# or the source of many targets (shape `targets`), `other` the far side.
_FOUND = f"""
WITH {ATTEMPTS}
, {LOGINS.strip()}
, tries AS (
  SELECT 'sources' AS shape, dst_id AS hub, source AS other, s.* FROM shorts s WHERE NOT inside
  UNION ALL
  SELECT 'targets', source, dst_id, s.* FROM shorts s WHERE NOT inside OR (family = 'shell' AND target_inside)
), timed AS (
  SELECT 0 AS phase, start_s - start_s % 3600 AS hour_s, t.* FROM tries t WHERE family <> 'mail'
  UNION ALL
  SELECT 1, start_s - (start_s + 1800) % 3600, t.* FROM tries t WHERE family <> 'mail'
), pairs AS (
  SELECT {_HOUR}, other, count(*) AS tried FROM timed GROUP BY {_HOUR}, other
), hours AS (
  SELECT {_HOUR}, CAST(sum(tried) AS BIGINT) AS tried FROM pairs GROUP BY {_HOUR}
  HAVING count(*) >= CASE WHEN shape = 'sources' THEN $min_sources ELSE $min_targets END
     AND sum(tried) >= $together_times * $min_attempts
     AND (sum(tried) - max(tried)) * 100 >= $without_busiest * $together_times * $min_attempts
     AND (NOT inside OR sum(tried) >= $inside_tries * count(*))
), told AS (
  SELECT {_KEY}, max(tried) AS most_in_an_hour FROM hours GROUP BY {_KEY}
), placed AS (
  SELECT t.*, o.most_in_an_hour,
         row_number() OVER (PARTITION BY t.shape, t.hub, t.dstport, t.inside ORDER BY t.size_bytes, t.start_s, t.other,
                            t.srcport) AS hub_place,
         count(*) OVER (PARTITION BY t.shape, t.hub, t.dstport, t.inside) AS hub_tries
  FROM tries t JOIN told o ON {matching(_KEY, "o", "t")}
), sized AS (
  SELECT {_KEY}, CAST(max(CASE WHEN hub_place * 4 <= hub_tries + 3 THEN size_bytes END) AS BIGINT) AS p25_bytes,
         CAST(max(CASE WHEN hub_place * 2 <= hub_tries + 1 THEN size_bytes END) AS BIGINT) AS p50_bytes,
         CAST(max(CASE WHEN hub_place * 4 <= 3 * hub_tries + 3 THEN size_bytes END) AS BIGINT) AS p75_bytes
  FROM placed GROUP BY {_KEY}
), doubted AS (
  SELECT source, dst_id, dstport, min(start_s) AS enough_s FROM placed WHERE nth = $few GROUP BY source, dst_id, dstport
), sessions AS (
  SELECT l.source, l.dst_id, l.dstport, count(*) AS sessions FROM logins l
  JOIN doubted d ON d.source = l.source AND d.dst_id = l.dst_id AND d.dstport = l.dstport
  WHERE l.start_s >= d.enough_s AND (l.size_bytes >= $session_bytes OR l.end_s - l.start_s > $short_s)
  GROUP BY l.source, l.dst_id, l.dstport
), members AS (
  SELECT p.shape, p.hub, p.dstport, p.inside, p.source, p.dst_id, min(p.srcaddr) AS srcaddr, min(p.dstaddr) AS dstaddr,
         max(p.src_name) AS src_name, max(p.dst_name) AS dst_name, min(p.family) AS family, count(*) AS tried,
         max(p.most_in_an_hour) AS most_in_an_hour, max(COALESCE(s.sessions, 0)) AS sessions,
         min(p.start_s) AS first_s, max(p.end_s) AS last_s
  FROM placed p
  LEFT JOIN sessions s ON s.source = p.source AND s.dst_id = p.dst_id AND s.dstport = p.dstport
  GROUP BY p.shape, p.hub, p.dstport, p.inside, p.source, p.dst_id
)
"""

_ROWS = f"""
SELECT CASE WHEN (z.p75_bytes - z.p25_bytes) * 100 > $spread_percent * z.p50_bytes THEN 'varied'
            ELSE 'guessing' END AS reading,
       m.shape, m.inside, CASE WHEN m.shape = 'targets' THEN min(m.srcaddr) END AS srcaddr,
       CASE WHEN m.shape = 'sources' THEN min(m.dstaddr) END AS dstaddr, m.dstport, min(m.family) AS family,
       CAST(count(DISTINCT m.source) AS BIGINT) AS sources, CAST(count(DISTINCT m.dst_id) AS BIGINT) AS targets,
       CAST(sum(m.tried) AS BIGINT) AS attempts, max(m.most_in_an_hour) AS most_in_an_hour, z.p50_bytes,
       z.p75_bytes - z.p25_bytes AS spread_bytes, CAST(sum(m.sessions) AS BIGINT) AS sessions,
       min(m.first_s) AS first_s, max(m.last_s) AS last_s$keys
FROM members m JOIN sized z ON {matching(_KEY, "z", "m")}
GROUP BY m.shape, m.inside, m.hub, m.dstport, z.p25_bytes, z.p50_bytes, z.p75_bytes
ORDER BY attempts DESC, m.dstport, m.shape, srcaddr, dstaddr
LIMIT $top_n
"""

_CAVEATS = (
    "Flow records do not say whether a password was right. A conversation much longer or larger than the attempts "
    "before it is counted as a session.",
)


def _bound(flows: Flows, sql: str, min_attempts: int, **more: object) -> str:
    return bind(
        sql, min_attempts=min_attempts, together_times=TOGETHER_TIMES, min_sources=MIN_SOURCES,
        min_targets=MIN_TARGETS, inside_tries=INSIDE_TRIES, without_busiest=WITHOUT_BUSIEST, few=FEW,
        session_bytes=SESSION_BYTES, **login_values(flows.interval_s), **more,
    )  # fmt: skip


@question(needs=("srcaddr", "dstaddr", "dstport", "bytes", "packets"), sharper_with=("tcp_flags", "inventory"))
def spread_guesses(flows: Flows, *, min_attempts: int = MIN_ATTEMPTS, top_n: int = 50) -> Answer:
    """Who guesses passwords from many addresses at one login, or from one at many?

    Rows per login with at least ten sources from the internet (`shape` is `sources`) or per source with at least five
    targets (`targets`), where short conversations reach four times `min_attempts` within an hour: `sources`, `targets`,
    `attempts`, `most_in_an_hour`, the median size `p50_bytes` and how far its middle half spreads (`spread_bytes`),
    and `sessions`, which followed three attempts or more of the same pair. `reading` is `guessing`, or `varied` (the
    middle half spreads over more than the median: these are visits, not refusals). From inside, only shells count, with
    five tries per target: a deployment logs in everywhere, but once or twice.

    Blind spots: fewer tries; sources inside at one service, which is what its clients do; mail. Source: Javed, Paxson,
    "Detecting Stealthy, Distributed SSH Brute-Forcing", ACM CCS 2013 (failures of a whole site, then who takes part).

    >>> import flowkit
    >>> flowkit.security.spread_guesses(flowkit.open("sample:")).table.columns[0]
    'reading'
    """
    sql = _bound(flows, _FOUND + _ROWS.replace("$keys", ""), min_attempts, spread_percent=SPREAD_PERCENT, top_n=top_n)
    return flows.ask(sql, caveats=_CAVEATS)


_MEMBERS = """
SELECT shape, hub, dstport, inside, source, dst_id, srcaddr, dstaddr, src_name, dst_name, sessions FROM members
ORDER BY shape, hub, dstport, tried DESC, srcaddr, dstaddr
"""

_EVIDENCE = f"""
WITH {ATTEMPTS}
SELECT srcaddr, srcport, dstaddr, dstport, fwd_packets, rev_packets, fwd_bytes, rev_bytes, start_s, end_s
FROM attempts
WHERE source IN $sources AND dst_id IN $targets AND dstport = $dstport AND protocol = 6 AND answered = 1
ORDER BY fwd_bytes + rev_bytes DESC, start_s, srcport, srcaddr, dstaddr LIMIT 20
"""


def spread_findings(flows: Flows, *, min_attempts: int) -> list[tuple[Finding, set[tuple[int, int, int]]]]:
    """Findings of `spread_guesses` for the rule `brute_force`, each with the (source, target, port) that it tells of.

    Medium, and high where a session followed.
    """
    rows = rows_of(
        flows.sql(
            _bound(flows, _FOUND + _ROWS.replace("$keys", ", m.hub"), min_attempts, spread_percent=SPREAD_PERCENT,
                   top_n=500)
        )
    )  # fmt: skip
    rows = [row for row in rows if row["reading"] == "guessing"]
    if not rows:
        return []
    members = rows_of(flows.sql(_bound(flows, _FOUND + _MEMBERS, min_attempts)))
    found = []
    for row in rows:
        own = [one for one in members if all(one[name] == row[name] for name in ("shape", "hub", "dstport", "inside"))]
        told = {(one["source"], one["dst_id"], one["dstport"]) for one in own}
        found.append((_finding(flows, row, own), told))
    return found


def _finding(flows: Flows, row: Mapping[str, Any], members: Sequence[Mapping[str, Any]]) -> Finding:
    sources, targets = ([one[name] for one in members] for name in ("srcaddr", "dstaddr"))
    crowd, what, opened = row["shape"] == "sources", service(row["dstport"], 6), row["sessions"] > 0
    named = {
        "sources": sorted({one["source"] for one in members}), "targets": sorted({one["dst_id"] for one in members}),
        "dstport": row["dstport"],
    }  # fmt: skip
    first = members[0]
    who = f"{len(set(sources)):,} internet addresses" if crowd else host(str(row["srcaddr"]), first["src_name"])
    whom = host(str(row["dstaddr"]), first["dst_name"]) if crowd else count_of(row["targets"], "host")
    ending = (
        f" {count_of(row['sessions'], 'longer conversation')} followed on such attempts: at least one of them seems to "
        "have succeeded."
        if opened
        else " No longer conversation followed."
    )
    return Finding(
        id=finding_id(
            "brute_force",
            {"srcaddr": row["srcaddr"] or "many", "dstaddr": row["dstaddr"] or "many", "dstport": row["dstport"]},
        ),
        rule="brute_force",
        title=f"{who} tried {row['attempts']:,} logins at {what} of {whom}",
        severity="high" if opened else "medium",
        confidence=0.8,
        subject={
            "srcaddr": one_or_list(sources),
            "dstaddr": one_or_list(targets),
            "dstport": row["dstport"],
            "protocol": 6,
        },
        first_seen=iso(row["first_s"]),
        last_seen=iso(row["last_s"]),
        count=row["attempts"],
        explanation=(
            f"{sentence(what)} of {whom} is open to {'the internet' if crowd else 'it'}, and "
            + (f"{count_of(row['sources'], 'source')} share the guessing" if crowd else f"{who} tries them in turn")
            + f": each pair has only some short conversations of about {row['p50_bytes']:,} bytes, together they are "
            "many, and no limit on one address stops them." + ending
        ),
        could_also_be="A service with many users who connect often and briefly."
        if crowd
        else "A deployment or an inventory that logs in to every host for each step; a vulnerability scanner of yours.",
        next_step=(
            "Read the login records, then take the port off the internet: a VPN, Session Manager, a list of allowed "
            f"sources. Its security groups: {look_up(row['dstaddr'], show='NetworkInterfaces[].Groups[]')}"
            if crowd
            else "Read the login records of the targets, and see what runs on the source. Whose it is: "
            + look_up(first["srcaddr"])
        ),
        evidence=rows_of(flows.sql(bind(_EVIDENCE, **named))),
        attack=("T1110.003", "T1078") if opened else ("T1110.003",),
    )
