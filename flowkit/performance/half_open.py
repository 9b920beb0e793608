"""Handshakes that were answered and never finished."""

from __future__ import annotations

from typing import Any

from flowkit.engines import bind
from flowkit.finding import Finding, finding_id, iso, look_up
from flowkit.flows import Flows
from flowkit.question import Answer, question

__all__ = ["findings", "half_open", "half_open_rule"]

_SUSPECTED = "Suspected: the last packet of a handshake is a pure ACK, which flow logs do not show as a flag."
_BY_PACKETS = (
    "This log lacks tcp-flags. Counted here is one packet without payload that drew at least three back, also without "
    "payload: a handshake that was finished takes two packets of the client, and a refused one draws a single packet."
)

# By flags: SYN one way, SYN-ACK back, no FIN, no reset, handshake-sized packets (that is the state `half_open`); and
# at least as many packets back as forth, since an idle but finished connection has one more forth. By packets, where
# there are no flags: as in the caveat; not at the edges of what was read, not beside records that AWS lost, not where
# the log holds one verdict only.
_SQL = """
WITH verdicts AS (
  SELECT count(DISTINCT action) AS verdicts FROM windows
), lost AS (
  SELECT DISTINCT observer, hour_s FROM gaps WHERE log_status IN ('SKIPDATA', 'INCOMPLETEDATA')
), handshakes AS (
  SELECT c.src_id, c.dst_id, c.srcaddr, c.src_name, c.dstaddr, c.dst_name, c.dst_network, c.dstport, c.protocol, c.path,
         c.start_s, c.end_s,
         CASE WHEN c.fwd_flags IS NULL AND c.rev_flags IS NULL THEN 'packets' ELSE 'flags' END AS judged_by,
         CASE WHEN c.state = 'half_open' AND c.fwd_packets <= c.rev_packets THEN 1
              WHEN c.fwd_flags IS NULL AND c.rev_flags IS NULL AND c.state = 'answered'
               AND c.fwd_packets = 1 AND c.rev_packets >= 3
               AND c.fwd_bytes <= 64 AND c.rev_bytes <= 64 * c.rev_packets AND NOT c.cut_left AND NOT c.cut_right
               AND v.verdicts > 1 AND s.observer IS NULL AND d.observer IS NULL THEN 1
              ELSE 0 END AS half_open
  FROM conversations c
  CROSS JOIN verdicts v
  LEFT JOIN lost s ON s.observer = c.src_interface_id AND s.hour_s = c.start_s - c.start_s % 3600
  LEFT JOIN lost d ON d.observer = c.dst_interface_id AND d.hour_s = c.start_s - c.start_s % 3600
  WHERE c.in_period AND c.leg = '' AND c.protocol = 6 AND c.initiator_by <> 'unknown'
   AND c.state IN ('answered', 'half_open')
), clients AS (
  SELECT h.src_id, h.dst_id, min(h.srcaddr) AS srcaddr, max(h.src_name) AS src_name, min(h.dstaddr) AS dstaddr,
         max(h.dst_name) AS dst_name, max(h.dst_network) AS dst_network, h.dstport, h.protocol, h.path,
         CAST(sum(h.half_open) AS BIGINT) AS half_open, CAST(count(*) AS BIGINT) AS answered,
         CAST(sum(h.half_open) AS DOUBLE) / count(*) AS half_open_share,
         min(h.judged_by) AS judged_by, min(CASE WHEN h.half_open = 1 THEN h.start_s END) AS first_s,
         max(CASE WHEN h.half_open = 1 THEN h.end_s END) AS last_s
  FROM handshakes h
  GROUP BY h.src_id, h.dst_id, h.dstport, h.protocol, h.path
  HAVING sum(h.half_open) >= $min_per_source
)
SELECT c.srcaddr, c.src_name, c.dstaddr, c.dst_name, c.dst_network, c.dstport, c.protocol, p.service, c.path,
       c.half_open, c.answered, c.half_open_share, c.judged_by, c.first_s, c.last_s
FROM clients c
LEFT JOIN service_ports p ON p.port = c.dstport AND p.protocol = c.protocol
ORDER BY c.half_open DESC, c.srcaddr, c.dstaddr, c.dstport, c.path, c.src_id, c.dst_id
LIMIT $top_n
"""


@question(needs=("srcaddr", "dstaddr", "dstport", "packets", "bytes"), sharper_with=("tcp_flags",))
def half_open(flows: Flows, *, min_per_source: int = 1, top_n: int = 200) -> Answer:
    """Which clients leave handshakes half-open?

    Rows per client, server and port with at least `min_per_source` of them: `half_open` handshakes, of `answered`
    ones in all, `half_open_share`, whether they were `judged_by` flags or packets, `first_s`, `last_s`.

    Blind spots: an idle connection that carries nothing looks alike, so all of these are suspected; without tcp-flags
    those are missed where the client sent its SYN twice. Not judged at the edges of what was read, beside records
    that AWS lost, and in logs that hold only accepted or only rejected traffic. Source: RFC 4987 (SYN flooding) for
    what a half-open connection is; RFC 9293 section 3.5.

    >>> import flowkit as fk
    >>> answer = fk.performance.half_open(fk.open("sample:", progress=False))
    """
    told = (_SUSPECTED,) if not flows.records or flows.share("tcp_flags") else (_SUSPECTED, _BY_PACKETS)
    return flows.ask(bind(_SQL, min_per_source=min_per_source, top_n=top_n), caveats=told)


def half_open_rule(flows: Flows, *, min_half_open: int = 50, min_per_source: int = 20) -> list[Finding]:
    """The rule: a service with at least `min_half_open` of them from clients that left at least `min_per_source` each.

    A client that stops answering a few times is a network's everyday loss; one that leaves dozens, and more than half
    of all it opens, is broken, cut off from the answers, or doing it on purpose.
    """
    answer = half_open(flows, min_per_source=min_per_source, top_n=2000)
    return findings(answer, min_half_open=min_half_open) if answer.answerable else []


def findings(answer: Answer, *, min_half_open: int = 50) -> list[Finding]:
    """Findings of an answer of `half_open`: one per server and port, with its clients."""
    table = answer.table
    services: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for line in table.astype(object).where(table.notna(), None).to_dict("records"):
        row = {str(name): value for name, value in line.items()}
        if row["half_open_share"] > 0.5:
            services.setdefault((row["dst_network"], row["dstaddr"], row["dstport"]), []).append(row)
    return [
        _finding(group) for group in services.values() if sum(int(row["half_open"]) for row in group) >= min_half_open
    ]


def _finding(rows: list[dict[str, Any]]) -> Finding:
    first = rows[0]
    clients = sorted({str(row["srcaddr"]) for row in rows})
    count, answered = sum(int(row["half_open"]) for row in rows), sum(int(row["answered"]) for row in rows)
    server = f"{first['dst_name']} ({first['dstaddr']})" if first["dst_name"] else first["dstaddr"]
    by_flags = all(row["judged_by"] == "flags" for row in rows)
    who = clients[0] if len(clients) == 1 else f"{len(clients)} clients"
    return Finding(
        id=finding_id("half_open", {"dstaddr": first["dstaddr"], "dstport": int(first["dstport"])}),
        rule="half_open",
        title=f"{server}, TCP port {first['dstport']}: {who} left {count:,} handshakes half-open",
        severity="medium",
        confidence=0.75 if by_flags else 0.6,
        subject={
            "srcaddr": clients[0] if len(clients) == 1 else clients,
            "dstaddr": first["dstaddr"],
            "dstport": int(first["dstport"]),
            "protocol": 6,
        },
        first_seen=iso(min(int(row["first_s"]) for row in rows)),
        last_seen=iso(max(int(row["last_s"]) for row in rows)),
        count=count,
        evidence=[
            {
                name: row[name]
                for name in ("srcaddr", "dstaddr", "dstport", "half_open", "answered", "first_s", "last_s")
            }
            for row in rows[:20]
        ],
        explanation=(
            f"{count:,} of the {answered:,} handshakes that were answered were never finished, as far as their "
            "packets tell: the server answered and waited, and no data followed. Each holds a place in the server's "
            "queue of connections until it times out."
        ),
        could_also_be=(
            "A client that is cut off from the answers (asymmetric routing, a firewall), health checks that only "
            "knock, or a SYN flood."
        ),
        next_step=(
            "Look at the client's own interface: do the answers arrive there? On the server, look at the SYN backlog "
            f"and whether SYN cookies are on. Whose the client is: {look_up(clients[0])}"
        ),
    )
