"""Password guessing: many short, like-sized conversations with something that asks for a password."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowkit.engines import bind
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.attempts import ATTEMPTS
from flowkit.security.logins import LOGINS, short_s
from flowkit.security.wording import count_of, host, look_up, one_or_list, rows_of, sentence, service

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["brute_force", "brute_forced"]

_KEY = "source, dst_id, dstport"

_SQL = f"""
WITH {ATTEMPTS}
, {LOGINS.strip()}
, fresh AS (
  SELECT {_KEY}, max(CASE WHEN wide THEN attempts END) AS hour_attempts,
         max(CASE WHEN wide THEN 0 ELSE attempts END) AS burst_attempts
  FROM (
    SELECT {_KEY}, TRUE AS wide, start_s - start_s % 3600 AS bin_s, count(*) AS attempts FROM shorts GROUP BY {_KEY},
           start_s - start_s % 3600
    UNION ALL
    SELECT {_KEY}, TRUE, start_s - (start_s + 1800) % 3600, count(*) FROM shorts GROUP BY {_KEY},
           start_s - (start_s + 1800) % 3600
    UNION ALL
    SELECT {_KEY}, FALSE, start_s - start_s % 600, count(*) FROM shorts GROUP BY {_KEY}, start_s - start_s % 600
    UNION ALL
    SELECT {_KEY}, FALSE, start_s - (start_s + 300) % 600, count(*) FROM shorts GROUP BY {_KEY},
           start_s - (start_s + 300) % 600
  ) AS bins GROUP BY {_KEY}
), tried AS (
  SELECT {_KEY}, min(family) AS family, min(srcaddr) AS srcaddr, max(src_name) AS src_name, min(dstaddr) AS dstaddr,
         max(dst_name) AS dst_name, max(inside) AS inside, CAST(count(*) AS BIGINT) AS attempts,
         count(DISTINCT start_s - start_s % 3600) AS hours, min(start_s) AS first_s, max(end_s) AS last_s,
         max(CASE WHEN nth = $min_attempts THEN start_s END) AS enough_s,
         CAST(max(CASE WHEN place * 4 <= shorts + 3 THEN size_bytes END) AS BIGINT) AS p25_bytes,
         CAST(max(CASE WHEN place * 2 <= shorts + 1 THEN size_bytes END) AS BIGINT) AS p50_bytes,
         CAST(max(CASE WHEN place * 4 <= 3 * shorts + 3 THEN size_bytes END) AS BIGINT) AS p75_bytes
  FROM shorts GROUP BY {_KEY} HAVING count(*) >= $min_attempts
), held AS (
  SELECT l.source, l.dst_id, l.dstport, min(l.start_s) AS login_s, max(l.end_s) AS logout_s,
         CAST(max(l.size_bytes) AS BIGINT) AS login_bytes
  FROM logins l
  JOIN tried t ON t.source = l.source AND t.dst_id = l.dst_id AND t.dstport = l.dstport
  WHERE l.start_s >= t.enough_s AND ((l.size_bytes >= 50000 AND l.size_bytes >= 20 * t.p50_bytes)
    OR l.end_s - l.start_s > $short_s)
  GROUP BY l.source, l.dst_id, l.dstport
), turned AS (
  SELECT a.source, a.dst_id, a.dstport, CAST(count(*) AS BIGINT) AS attempts
  FROM attempts a
  JOIN tried t ON t.source = a.source AND t.dst_id = a.dst_id AND t.dstport = a.dstport
  WHERE a.protocol = 6 AND a.answered = 1 AND (a.fwd_packets < 4 OR a.rev_packets < 3)
  GROUP BY a.source, a.dst_id, a.dstport
)
SELECT CASE
         WHEN (t.p75_bytes - t.p25_bytes) * 2 > t.p50_bytes THEN 'varied'
         WHEN f.hour_attempts < $min_attempts THEN 'spread out'
         WHEN NOT t.inside AND (t.family <> 'mail' OR f.hour_attempts >= 10 * $min_attempts) THEN 'guessing'
         WHEN NOT t.inside THEN 'usual for mail'
         WHEN $period_s >= 4 * 3600 AND t.hours * 3600 * 4 >= 3 * $period_s THEN 'steady'
         WHEN t.family = 'shell' AND f.burst_attempts >= $min_attempts THEN 'guessing'
         WHEN t.family <> 'shell' AND f.burst_attempts >= 10 * $min_attempts
           AND (t.p75_bytes - t.p25_bytes) * 10 <= t.p50_bytes THEN 'burst'
         ELSE 'usual for programs' END AS reading,
       t.srcaddr, t.src_name, t.inside, t.dstaddr, t.dst_name, t.dstport, t.family, t.attempts,
       COALESCE(u.attempts, 0) AS turned_away,        CAST(f.hour_attempts AS BIGINT) AS most_in_an_hour, t.p50_bytes,
       t.p75_bytes - t.p25_bytes AS spread_bytes,
       h.login_bytes, h.login_s AS login_start_s, h.logout_s AS login_end_s, t.first_s, t.last_s$keys
FROM tried t
JOIN fresh f ON f.source = t.source AND f.dst_id = t.dst_id AND f.dstport = t.dstport
LEFT JOIN turned u ON u.source = t.source AND u.dst_id = t.dst_id AND u.dstport = t.dstport
LEFT JOIN held h ON h.source = t.source AND h.dst_id = t.dst_id AND h.dstport = t.dstport
ORDER BY CASE WHEN t.inside THEN 1 ELSE 0 END, t.attempts DESC, t.srcaddr, t.dstaddr, t.dstport
LIMIT $top_n
"""

_KEYS = ", t.source, t.dst_id"

_CAVEATS = (
    "Flow records do not say whether a password was right. A conversation much longer or larger than the attempts "
    "before it is read as a login.",
)


@question(needs=("srcaddr", "dstaddr", "dstport", "bytes", "packets"), sharper_with=("tcp_flags", "inventory"))
def brute_forced(flows: Flows, *, min_attempts: int = 30, top_n: int = 50) -> Answer:
    """Who knocked at a login again and again, and did it open?

    Rows per source, target and login port (`family`: `shell` is SSH, RDP, FTP, telnet, VNC; `database`, `mail`,
    `directory`) with at least `min_attempts` short, answered conversations, `reading` first: `guessing`; `varied`
    (their sizes differ: the middle half spreads over more than half the median, so these are different sessions);
    `spread out` (never `min_attempts` within an hour); `usual for mail` (clients look for mail all day); `steady`
    (inside, in three of four hours: a job); `burst` (inside, hundreds of the same size at a database or directory:
    guessing, or a job without a connection pool); `usual for programs`. `login_bytes`, `login_start_s`, `login_end_s`:
    a long or large conversation of the same source after `min_attempts` short ones. `turned_away` were closed before a
    password could be sent: SSH servers do that when too many knock.

    Inside, `min_attempts` must fall within ten minutes, three a minute: no person types that fast.

    Blind spots: success that stays short; a new password per day; guessing through a shared address. Source: Hofstede,
    Hendriks, Sperotto, Pras, "SSH Compromise Detection using NetFlow/IPFIX", ACM CCR 2014 (many flows of like size,
    then a different one).

    >>> import flowkit
    >>> flowkit.security.brute_forced(flowkit.open("sample:")).table.columns[0]
    'reading'
    """
    return flows.ask(_bound(flows, min_attempts, top_n, keys=False), caveats=_CAVEATS)


def _bound(flows: Flows, min_attempts: int, top_n: int, *, keys: bool) -> str:
    since_s, until_s = flows.period
    return bind(
        _SQL.replace("$keys", _KEYS if keys else ""), min_attempts=min_attempts, short_s=short_s(flows.interval_s),
        period_s=until_s - since_s, top_n=top_n,
    )  # fmt: skip


_EVIDENCE = f"""
WITH {ATTEMPTS}
SELECT srcaddr, srcport, dstaddr, dstport, fwd_packets, rev_packets, fwd_bytes, rev_bytes, start_s, end_s
FROM attempts
WHERE source IN $sources AND dst_id = $dst_id AND dstport = $dstport AND protocol = 6 AND answered = 1 AND fwd_packets
  >= 4
ORDER BY fwd_bytes + rev_bytes DESC, start_s, srcport LIMIT 20
"""

# Outside sources that each stay below the line but not together. `hour_s` is the busiest hour's.
_CROWDS = f"""
WITH {ATTEMPTS}
, {LOGINS.strip()}
, outsiders AS (
  SELECT * FROM shorts WHERE NOT inside AND family IN ('shell', 'database') AND source NOT IN $known
), hours AS (
  SELECT dst_id, dstport, start_s - start_s % 3600 AS hour_s, count(*) AS attempts, count(DISTINCT source) AS sources
  FROM outsiders GROUP BY dst_id, dstport, start_s - start_s % 3600
), crowded AS (
  SELECT DISTINCT dst_id, dstport FROM hours WHERE attempts >= 4 * $min_attempts AND sources >= 10
)
SELECT o.dst_id, o.dstport, o.dstaddr, o.dst_name, o.source, o.srcaddr, count(*) AS attempts, min(o.start_s) AS first_s,
       max(o.end_s) AS last_s
FROM outsiders o JOIN crowded c ON c.dst_id = o.dst_id AND c.dstport = o.dstport
GROUP BY o.dst_id, o.dstport, o.dstaddr, o.dst_name, o.source, o.srcaddr
ORDER BY o.dst_id, o.dstport, attempts DESC, o.srcaddr
"""


def brute_force(flows: Flows, *, min_attempts: int = 30) -> list[Finding]:
    """Findings of `brute_forced`: guessing is medium, high when a login seems to follow; `burst` is low.

    Ten or more outside sources that together reach four times `min_attempts` within an hour are one finding.
    """
    rows = rows_of(flows.sql(_bound(flows, min_attempts, 500, keys=True)))
    guessed = [row for row in rows if row["reading"] == "guessing"]
    found = [_finding(flows, row) for row in rows if row["reading"] in ("guessing", "burst")]
    known = [row["source"] for row in guessed] or [-1]
    crowd = rows_of(flows.sql(bind(_CROWDS, min_attempts=min_attempts, short_s=short_s(flows.interval_s), known=known)))
    services: dict[tuple[Any, Any], list[Mapping[str, Any]]] = {}
    for row in crowd:
        services.setdefault((row["dst_id"], row["dstport"]), []).append(row)
    return found + [_crowd(flows, members) for members in services.values()]


def _finding(flows: Flows, row: Mapping[str, Any]) -> Finding:
    who, whom = host(row["srcaddr"], row["src_name"]), host(row["dstaddr"], row["dst_name"])
    what, opened, burst = service(row["dstport"], 6), row["login_start_s"] is not None, row["reading"] == "burst"
    named = {"sources": [row["source"]], "dst_id": row["dst_id"], "dstport": row["dstport"]}
    tries = row["attempts"] + row["turned_away"]
    told = (
        f" Then, at {iso(row['login_start_s'])}, a conversation of another kind began ({row['login_bytes']:,} "
        "bytes): it looks as if one attempt succeeded."
        if opened
        else " No longer conversation followed."
    )
    return Finding(
        id=finding_id("brute_force", {"srcaddr": row["srcaddr"], "dstaddr": row["dstaddr"], "dstport": row["dstport"]}),
        rule="brute_force",
        title=f"{who} tried {tries:,} logins at {what} of {whom}"
        + (", and one seems to have worked" if opened else ""),
        severity="low" if burst else "high" if opened else "medium",
        confidence=0.3 if burst else 0.85,
        subject={"srcaddr": row["srcaddr"], "dstaddr": row["dstaddr"], "dstport": row["dstport"], "protocol": 6},
        first_seen=iso(row["first_s"]),
        last_seen=iso(max(row["last_s"], row["login_end_s"] or 0)),
        count=tries,
        explanation=(
            f"{who} had {count_of(row['attempts'], 'short conversation')} with {what} of {whom}, "
            f"{row['most_in_an_hour']:,} of them within an hour, "
            f"most of about {row['p50_bytes']:,} bytes: too short for work, and like one another, as failing "
            "logins are."
            + (f" {row['turned_away']:,} more were turned away at once." if row["turned_away"] else "")
            + told
        ),
        could_also_be=(
            "A job that opens a connection for every step, such as a deployment, a check of the login or a "
            "program without a "
            "connection pool; a client with an outdated password."
        ),
        next_step=(
            (
                f"Treat {whom} as taken until its login records say otherwise. "
                if opened
                else f"Read the login records of {whom}. "
            )
            + f"Close the port to this source, and see who may reach it: {look_up(row['dstaddr'])}"
        ),
        evidence=rows_of(flows.sql(bind(_EVIDENCE, **named))),
        attack=("T1110", "T1078") if opened else ("T1110",),
    )


def _crowd(flows: Flows, members: Sequence[Mapping[str, Any]]) -> Finding:
    row = members[0]
    addresses = [one["srcaddr"] for one in members]
    attempts = sum(one["attempts"] for one in members)
    whom, what = host(row["dstaddr"], row["dst_name"]), service(row["dstport"], 6)
    named = {"sources": [one["source"] for one in members], "dst_id": row["dst_id"], "dstport": row["dstport"]}
    return Finding(
        id=finding_id("brute_force", {"srcaddr": "many", "dstaddr": row["dstaddr"], "dstport": row["dstport"]}),
        rule="brute_force",
        title=f"{len(set(addresses)):,} internet addresses tried {attempts:,} logins at {what} of {whom}",
        severity="medium",
        confidence=0.8,
        subject={
            "srcaddr": one_or_list(addresses),
            "dstaddr": row["dstaddr"],
            "dstport": row["dstport"],
            "protocol": 6,
        },
        first_seen=iso(min(one["first_s"] for one in members)),
        last_seen=iso(max(one["last_s"] for one in members)),
        count=attempts,
        explanation=(
            f"{sentence(what)} of {whom} is open to the internet, and "
            f"{count_of(len(set(addresses)), 'source')} share the guessing: each has only some short "
            "conversations, together they are many."
        ),
        could_also_be="A service with many users who connect often and briefly.",
        next_step="Take the port off the internet (a VPN, Session Manager, a list of allowed sources): "
        f"{look_up(row['dstaddr'])}",
        evidence=rows_of(flows.sql(bind(_EVIDENCE, **named))),
        attack=("T1110.003",),
    )
