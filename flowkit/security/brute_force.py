"""Password guessing: many short, like-sized conversations with something that asks for a password."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flowkit.engines import bind
from flowkit.engines.ctes import share
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.attempts import ATTEMPTS
from flowkit.security.logins import LOGINS, login_values
from flowkit.security.spread_guesses import spread_findings
from flowkit.security.wording import count_of, host, look_up, rows_of, service

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["brute_force", "brute_forced"]

share("login_bins", "login_tries", "login_held", "login_refused")

#: Short conversations of one source with one login. Hydra, Medusa and Ncrack try hundreds; people give up after some.
MIN_ATTEMPTS = 30
#: Mail clients look for mail all day, each time with a login: so many times the line from the internet.
MAIL_TIMES = 10
#: Programs without a connection pool log in for each step: so many times the line from inside, within ten minutes.
BURST_TIMES = 10
#: How far the middle half of their sizes may spread, in % of the median: failing logins are alike, sessions are not.
SPREAD_PERCENT = 50
#: The same where programs log in as often: one tool with passwords of some length, against queries of any.
BURST_SPREAD_PERCENT = 10
#: From this period on, something done in three of four hours is a job, and in one of four at most a burst.
JUDGED_S = 4 * 3600
STEADY_PERCENT, BURST_PERCENT = 75, 25
#: A steady pace from the internet that never exceeds this per hour is a monitor: two a minute.
MONITOR_PER_HOUR = 120
#: A session: twenty times an attempt, and more than what any refusal takes; or longer than an attempt may last.
SESSION_BYTES, SESSION_TIMES = 50_000, 20

_KEY = "source, dst_id, dstport"

_SQL = f"""
WITH {ATTEMPTS}
, {LOGINS.strip()}
, login_bins AS (
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
), login_tries AS (
  SELECT {_KEY}, min(family) AS family, min(srcaddr) AS srcaddr, max(src_name) AS src_name, min(dstaddr) AS dstaddr,
         max(dst_name) AS dst_name, max(inside) AS inside, CAST(count(*) AS BIGINT) AS attempts,
         count(DISTINCT start_s - start_s % 3600) AS hours, min(start_s) AS first_s, max(end_s) AS last_s,
         max(CASE WHEN nth = $min_attempts THEN start_s END) AS enough_s,
         CAST(max(CASE WHEN place * 4 <= shorts + 3 THEN size_bytes END) AS BIGINT) AS p25_bytes,
         CAST(max(CASE WHEN place * 2 <= shorts + 1 THEN size_bytes END) AS BIGINT) AS p50_bytes,
         CAST(max(CASE WHEN place * 4 <= 3 * shorts + 3 THEN size_bytes END) AS BIGINT) AS p75_bytes
  FROM shorts GROUP BY {_KEY} HAVING count(*) >= $min_attempts
), login_held AS (
  SELECT l.source, l.dst_id, l.dstport, min(l.start_s) AS login_s, max(l.end_s) AS logout_s,
         CAST(max(l.size_bytes) AS BIGINT) AS login_bytes
  FROM logins l
  JOIN login_tries t ON t.source = l.source AND t.dst_id = l.dst_id AND t.dstport = l.dstport
  WHERE l.start_s >= t.enough_s AND ((l.size_bytes >= $session_bytes AND l.size_bytes >= $session_times * t.p50_bytes)
    OR l.end_s - l.start_s > $short_s)
  GROUP BY l.source, l.dst_id, l.dstport
), login_refused AS (
  SELECT a.source, a.dst_id, a.dstport, CAST(count(*) AS BIGINT) AS attempts
  FROM attempts a
  JOIN login_tries t ON t.source = a.source AND t.dst_id = a.dst_id AND t.dstport = a.dstport
  WHERE a.protocol = 6 AND a.answered = 1 AND (a.fwd_packets < $asked_packets OR a.rev_packets < $answered_packets
    OR (a.dstport IN $key_exchange_ports AND a.fwd_bytes + a.rev_bytes < $least_bytes))
  GROUP BY a.source, a.dst_id, a.dstport
), alike AS (
  SELECT dst_id, dstport, count(*) AS sources FROM login_tries GROUP BY dst_id, dstport
)
SELECT CASE
         WHEN (t.p75_bytes - t.p25_bytes) * 100 > $spread_percent * t.p50_bytes THEN 'varied'
         WHEN f.hour_attempts < $min_attempts THEN 'spread out'
         WHEN NOT t.inside AND t.family = 'mail' AND f.hour_attempts < $mail_times * $min_attempts THEN 'usual for mail'
         WHEN $period_s >= $judged_s AND t.hours * 3600 * 100 >= $steady_percent * $period_s
           AND (t.inside OR f.hour_attempts <= $monitor_per_hour) THEN 'steady'
         WHEN NOT t.inside THEN 'guessing'
         WHEN t.family = 'shell' AND f.burst_attempts >= $min_attempts THEN 'guessing'
         WHEN t.family <> 'shell' AND f.burst_attempts >= $burst_times * $min_attempts
           AND (t.p75_bytes - t.p25_bytes) * 100 <= $burst_spread_percent * t.p50_bytes
           THEN CASE WHEN $period_s >= $judged_s AND t.hours * 3600 * 100 <= $burst_percent * $period_s
                      AND n.sources = 1 AND h.login_s IS NULL THEN 'guessing' ELSE 'burst' END
         ELSE 'usual for programs' END AS reading,
       t.srcaddr, t.src_name, t.inside, t.dstaddr, t.dst_name, t.dstport, t.family, t.attempts,
       COALESCE(u.attempts, 0) AS turned_away, CAST(f.hour_attempts AS BIGINT) AS most_in_an_hour, t.p50_bytes,
       t.p75_bytes - t.p25_bytes AS spread_bytes,
       h.login_bytes, h.login_s AS login_start_s, h.logout_s AS login_end_s, t.first_s, t.last_s$keys
FROM login_tries t
JOIN login_bins f ON f.source = t.source AND f.dst_id = t.dst_id AND f.dstport = t.dstport
JOIN alike n ON n.dst_id = t.dst_id AND n.dstport = t.dstport
LEFT JOIN login_refused u ON u.source = t.source AND u.dst_id = t.dst_id AND u.dstport = t.dstport
LEFT JOIN login_held h ON h.source = t.source AND h.dst_id = t.dst_id AND h.dstport = t.dstport
ORDER BY CASE WHEN t.inside THEN 1 ELSE 0 END, t.attempts DESC, t.srcaddr, t.dstaddr, t.dstport
LIMIT $top_n
"""

_KEYS = ", t.source, t.dst_id"

_CAVEATS = (
    "Flow records do not say whether a password was right. A conversation much longer or larger than the attempts "
    "before it is read as a login.",
)


@question(needs=("srcaddr", "dstaddr", "dstport", "bytes", "packets"), sharper_with=("tcp_flags", "inventory"))
def brute_forced(flows: Flows, *, min_attempts: int = MIN_ATTEMPTS, top_n: int = 50) -> Answer:
    """Who knocked at a login again and again, and did it open?

    Rows per source, target and login port (`family`: `shell` is SSH, RDP, FTP, telnet, VNC; `database`, `mail`,
    `directory` with Kerberos, SMB and WinRM) with at least `min_attempts` short, answered conversations, `reading`
    first: `guessing`; `varied` (their sizes differ: the middle half spreads over more than half the median, so these
    are different sessions); `spread out` (never `min_attempts` within an hour); `usual for mail` (clients look for mail
    all day); `steady` (in three of four hours: a job, or from the internet a monitor); `burst` (inside, hundreds of the
    same size at a database or directory: guessing, or a job without a connection pool); `usual for programs`.
    `login_bytes`, `login_start_s`, `login_end_s`: a long or large conversation of the same source after `min_attempts`
    short ones. `turned_away` were closed before a password could be sent: SSH servers do that when too many knock.

    Inside, `min_attempts` must fall within ten minutes, three a minute: no person types that fast. At a database, mail
    or directory service ten times as many must, of one size within a tenth, from the only host that does so there, in
    at most a quarter of a period of four hours or more, and never a session: what a program does it does again.

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
        _SQL.replace("$keys", _KEYS if keys else ""), min_attempts=min_attempts, period_s=until_s - since_s,
        top_n=top_n, mail_times=MAIL_TIMES, burst_times=BURST_TIMES, spread_percent=SPREAD_PERCENT,
        burst_spread_percent=BURST_SPREAD_PERCENT, judged_s=JUDGED_S, steady_percent=STEADY_PERCENT,
        burst_percent=BURST_PERCENT, monitor_per_hour=MONITOR_PER_HOUR, session_bytes=SESSION_BYTES,
        session_times=SESSION_TIMES, **login_values(flows.interval_s),
    )  # fmt: skip


_EVIDENCE = f"""
WITH {ATTEMPTS}
SELECT srcaddr, srcport, dstaddr, dstport, fwd_packets, rev_packets, fwd_bytes, rev_bytes, start_s, end_s
FROM attempts
WHERE source IN $sources AND dst_id = $dst_id AND dstport = $dstport AND protocol = 6 AND answered = 1
  AND fwd_packets >= 4
ORDER BY fwd_bytes + rev_bytes DESC, start_s, srcport LIMIT 20
"""


def brute_force(flows: Flows, *, min_attempts: int = MIN_ATTEMPTS) -> list[Finding]:
    """Findings of `brute_forced` and `spread_guesses`: guessing is medium, high when a login seems to follow; `burst`
    and `steady` from the internet are low.

    Whoever takes part in guessing that is spread over many sources or targets is told there, unless a login follows.
    """
    rows = rows_of(flows.sql(_bound(flows, min_attempts, 500, keys=True)))
    spread = spread_findings(flows, min_attempts=min_attempts)
    told = {pair for _, pairs in spread for pair in pairs}
    found = [found for found, _ in spread]
    for row in rows:
        mild = row["reading"] == "burst" or (row["reading"] == "steady" and not row["inside"])
        if mild or (
            row["reading"] == "guessing"
            and (row["login_start_s"] is not None or (row["source"], row["dst_id"], row["dstport"]) not in told)
        ):
            found.append(_finding(flows, row, mild=mild))
    return found


def _finding(flows: Flows, row: Mapping[str, Any], *, mild: bool) -> Finding:
    who, whom = host(row["srcaddr"], row["src_name"]), host(row["dstaddr"], row["dst_name"])
    what, opened = service(row["dstport"], 6), row["login_start_s"] is not None and row["reading"] != "steady"
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
        severity="low" if mild else "high" if opened else "medium",
        confidence=0.3 if mild else 0.85,
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
            + "Close the port to this source. The security groups that say who may come: "
            + look_up(row["dstaddr"], show="NetworkInterfaces[].Groups[]")
        ),
        evidence=rows_of(flows.sql(bind(_EVIDENCE, **named))),
        attack=("T1110", "T1078") if opened else ("T1110",),
    )
