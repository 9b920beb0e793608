"""Rejected traffic by what it probably is: somebody's broken configuration, a search for doors, or noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowkit.engines import bind
from flowkit.engines.ctes import share
from flowkit.question import Answer, question
from flowkit.security.wording import rows_of

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["misconfigured", "rejected_reasons"]

share("read_as")

# `sources`: how many doors a source was refused at, to know those who search. `answering`: services that answered
# somebody else, to know those who are kept out of what others may use.
_SQL = """
WITH refused AS (
  SELECT src_id, srcaddr, src_name, dst_id, dstaddr, dst_name, dst_interface_id, protocol, dstport, start_s, end_s,
         CASE WHEN src_scope IN ('vpc', 'private') THEN 1 ELSE 0 END AS inside
  FROM conversations
  WHERE in_period AND leg = '' AND rejected AND initiator_by <> 'unknown' AND protocol NOT IN (1, 58)
    AND src_scope IN ('vpc', 'private', 'public', 'aws')
), sources AS (
  SELECT src_id, CAST(count(*) AS BIGINT) AS doors FROM (
    SELECT DISTINCT src_id, dst_id, protocol, dstport FROM refused
  ) AS tried GROUP BY src_id
), answering AS (
  SELECT dst_id, protocol, dstport, CAST(count(DISTINCT src_id) AS BIGINT) AS clients FROM conversations
  WHERE in_period AND leg = '' AND state = 'answered' AND initiator_by <> 'unknown'
  GROUP BY dst_id, protocol, dstport
), paths AS (
  SELECT src_id, dst_id, protocol, dstport, min(srcaddr) AS srcaddr, max(src_name) AS src_name,
         min(dstaddr) AS dstaddr, max(dst_name) AS dst_name, max(dst_interface_id) AS dst_interface_id,
         max(inside) AS inside, CAST(count(*) AS BIGINT) AS attempts,
         CAST(count(DISTINCT start_s - start_s % 600) AS BIGINT) AS stretches,
         min(start_s) AS first_s, max(end_s) AS last_s
  FROM refused GROUP BY src_id, dst_id, protocol, dstport
), read_as AS (
  SELECT p.*, s.doors, COALESCE(a.clients, 0) AS clients,
         CASE WHEN s.doors > $doors THEN 'search for doors'
              WHEN p.inside = 1 AND p.attempts >= $attempts AND p.stretches >= $stretches THEN 'likely misconfiguration'
              WHEN p.inside = 0 AND p.attempts >= 2 * $attempts AND p.stretches >= $stretches AND a.clients > 0
              THEN 'likely misconfiguration'
              WHEN p.inside = 1 THEN 'stray' ELSE 'background noise' END AS reading
  FROM paths p
  JOIN sources s ON s.src_id = p.src_id
  LEFT JOIN answering a ON a.dst_id = p.dst_id AND a.protocol = p.protocol AND a.dstport = p.dstport
), shown AS (
  SELECT r.*, CASE WHEN reading = 'likely misconfiguration' THEN r.srcaddr
                   WHEN inside = 1 THEN 'your own hosts' ELSE 'the internet' END AS source,
         CASE WHEN reading = 'likely misconfiguration' THEN r.dstaddr ELSE '' END AS target,
         CASE WHEN reading = 'likely misconfiguration' THEN r.dstport ELSE -1 END AS port
  FROM read_as r
)
SELECT reading, source, max(CASE WHEN target <> '' THEN src_name END) AS src_name,
       max(CASE WHEN target <> '' THEN target END) AS dstaddr,
       max(CASE WHEN target <> '' THEN dst_name END) AS dst_name,
       max(CASE WHEN target <> '' THEN protocol END) AS protocol,
       max(CASE WHEN target <> '' THEN dstport END) AS dstport,
       CAST(sum(attempts) AS BIGINT) AS rejected, CAST(count(DISTINCT src_id) AS BIGINT) AS sources,
       CAST(count(DISTINCT dst_id) AS BIGINT) AS targets,
       CAST(count(DISTINCT protocol * 65536 + dstport) AS BIGINT) AS ports,
       max(CASE WHEN target <> '' THEN clients END) AS answered_clients,
       CAST(sum(attempts) AS DOUBLE) / max(t.all_attempts) AS rejected_share,
       max(CASE WHEN target <> '' THEN dst_interface_id END) AS interface_id, min(first_s) AS first_s,
       max(last_s) AS last_s
FROM shown
CROSS JOIN (SELECT sum(attempts) AS all_attempts FROM paths) t
GROUP BY reading, source, target, CASE WHEN target <> '' THEN src_id END, CASE WHEN target <> '' THEN dst_id END,
         CASE WHEN target <> '' THEN protocol END, port
ORDER BY CASE reading WHEN 'likely misconfiguration' THEN 0 WHEN 'search for doors' THEN 1 WHEN 'stray' THEN 2 ELSE 3
         END, rejected DESC, source, target, port, protocol
LIMIT $top_n
"""

#: A source refused at more doors than this looks for them: an application is configured with a handful of addresses.
_DOORS = 10
#: Refused attempts on one path before it is more than a stray. Somebody outside needs twice as many.
_ATTEMPTS = 10
#: In how many stretches of ten minutes, so that one burst is no steady failure.
_STRETCHES = 3

_CAVEATS = (
    "What repeats steadily at one door is configured to; what tries many doors searches; the rest from the internet "
    "is noise. The log does not say what anybody meant.",
)


@question(needs=("action", "srcaddr", "dstaddr", "dstport"), sharper_with=("tcp_flags", "inventory", "flow_direction"))
def rejected_reasons(flows: Flows, *, top_n: int = 50) -> Answer:
    """Which rejected traffic is likely a misconfiguration, and which is background noise?

    Rows by `reading`. `likely misconfiguration`, a row per source and service: a host of yours was refused there at
    least 10 times in three different stretches of ten minutes, or somebody outside at least 20 times at a service that
    answers others (`answered_clients`), and neither was refused at more than ten doors. `search for doors`: sources
    refused at more than ten. `stray`: the other refusals of your own hosts. `background noise`: the rest of the
    internet. The last three are sums, with the number of `sources`, `targets` and `ports`. `rejected` counts
    conversations, `rejected_share` is of all that are told here.

    Blind spots: ICMP is left out; a service without TCP flags whose replies were refused may look like a client.
    Source: the thresholds are reasoned, not measured: an application retries the few addresses it was given, for hours;
    a scanner never stays at one door (Jung and others, "Fast Portscan Detection", IEEE S&P 2004).

    >>> import flowkit
    >>> flowkit.security.rejected_reasons(flowkit.open("sample:")).table.reading.iloc[0]
    'likely misconfiguration'
    """
    return flows.ask(_sql(top_n), caveats=_CAVEATS)


def _sql(top_n: int) -> str:
    return bind(_SQL, top_n=top_n, doors=_DOORS, attempts=_ATTEMPTS, stretches=_STRETCHES)


def misconfigured(flows: Flows) -> Mapping[tuple[str, int, int], Sequence[Mapping[str, Any]]]:
    """The likely misconfigurations by the service that refuses: (`dstaddr`, `protocol`, `dstport`)."""
    found: dict[tuple[str, int, int], list[Mapping[str, Any]]] = {}
    for row in rows_of(flows.ask(_sql(1000)).table):
        if row["reading"] == "likely misconfiguration":
            found.setdefault((row["dstaddr"], row["protocol"], row["dstport"]), []).append(row)
    return found
