"""`records`, `flows` and `gaps`: what was read, what counts, and where the log says it is incomplete."""

from __future__ import annotations

from collections.abc import Sequence

from flowkit.engines import bind
from flowkit.fields import FIELDS_BY_COLUMN

__all__ = [
    "COUNTED",
    "DERIVED_COLUMNS",
    "DIRECTION",
    "ELECTED",
    "ELECTED_JOIN",
    "ELECTED_WHERE",
    "GAPS",
    "LATE_REJECTS",
    "NONE_ELECTED",
    "OUTSIDE",
    "REFUSED",
    "SQL_TYPES",
    "WINDOWS",
    "flows_sql",
    "late_parts",
    "records_sql",
]

SQL_TYPES = {"int": "INTEGER", "bigint": "BIGINT", "text": "VARCHAR"}

#: Columns that reading adds to the fields.
DERIVED_COLUMNS = {
    "src_key": "VARCHAR",
    "dst_key": "VARCHAR",
    "record_kind": "VARCHAR",
    "flow_log_id": "VARCHAR",
    "object_id": "BIGINT",
    "row_kind": "VARCHAR",
}

#: What a line is: `OK` for a record, else what the log says of its own gap. A format may lack `log-status`; then the
#: reader tells by the values.
_STATUS = """CASE WHEN row_kind = 'record' THEN 'OK'
  WHEN row_kind = 'nodata' THEN 'NODATA' ELSE COALESCE(log_status, 'SKIPDATA') END"""


#: Names that the tables add: a field of a version yet to come that is called so gets an `x_` before its name.
_OURS = ("observer", "status", "network", "direction", "late")


def records_sql(present: Sequence[str]) -> str:
    """`records`: the columns of every version over a relation `raw_records` that has only some of them.

    Columns that flowkit does not know come last, as text.
    """
    have = set(present)
    columns = [
        name if name in have else f"CAST(NULL AS {SQL_TYPES[field.type]}) AS {name}"
        for name, field in FIELDS_BY_COLUMN.items()
    ]
    columns += [name if name in have else f"CAST(NULL AS {kind}) AS {name}" for name, kind in DERIVED_COLUMNS.items()]
    unknown = sorted(have - set(FIELDS_BY_COLUMN) - set(DERIVED_COLUMNS))
    columns += [f"{name} AS x_{name}" if name in _OURS else name for name in unknown]
    observers = [name for name in ("interface_id", "resource_id", "tgw_attachment_id") if name in have]
    observer = f"COALESCE({', '.join([*observers, chr(39) * 2])})" if observers else "''"
    return f"SELECT {', '.join(columns)}, {observer} AS observer, {_STATUS} AS status FROM raw_records"


# Rule 2. Logs of different ids may watch the same interface with other intervals; no key joins their rows. So one log
# is elected per observer, action and hour: the richest format, then the finest interval, then the most records. What
# another log saw wholly before the elected log's first record, or after its last one, fills in.
_LOGS = """
SELECT flow_log_id, min(start_s) AS log_first_s, max(end_s) AS log_last_s,
       CAST(sum(CASE WHEN end_s - start_s > 90 THEN 1 ELSE 0 END) AS DOUBLE) / count(*) AS long_share
FROM records WHERE status = 'OK' GROUP BY flow_log_id
"""

ELECTED = f"""
WITH logs AS ({_LOGS}), seen AS (
  SELECT observer, COALESCE(action, '') AS verdict, start_s - start_s % 3600 AS hour_s, flow_log_id, count(*) AS n
  FROM records WHERE status = 'OK' AND start_s IS NOT NULL
  GROUP BY observer, COALESCE(action, ''), start_s - start_s % 3600, flow_log_id
), ranked AS (
  SELECT s.observer, s.verdict, s.hour_s, s.flow_log_id, l.log_first_s, l.log_last_s,
         row_number() OVER (
           PARTITION BY s.observer, s.verdict, s.hour_s
           ORDER BY r.richness DESC NULLS LAST, CASE WHEN l.long_share > 0.001 THEN 1 ELSE 0 END, s.n DESC,
             s.flow_log_id
         ) AS place
  FROM seen s JOIN logs l ON l.flow_log_id = s.flow_log_id JOIN log_richness r ON r.flow_log_id = s.flow_log_id
), contested AS (
  SELECT observer, verdict, hour_s FROM ranked GROUP BY observer, verdict, hour_s HAVING count(*) > 1
)
SELECT r.observer, r.verdict, r.hour_s, r.flow_log_id, r.log_first_s, r.log_last_s
FROM ranked r JOIN contested c ON c.observer = r.observer AND c.verdict = r.verdict AND c.hour_s = r.hour_s
WHERE r.place = 1
"""

#: What `ELECTED` gives for a single flow log, without looking.
NONE_ELECTED = """
SELECT '' AS observer, '' AS verdict, CAST(0 AS BIGINT) AS hour_s, '' AS flow_log_id, CAST(0 AS BIGINT) AS log_first_s,
       CAST(0 AS BIGINT) AS log_last_s
WHERE 1 = 0
"""

# Rule 10. Whether a REJECT is late is asked of records of the same tuple at the same observer. `tracking_s` is how long
# AWS tracks an idle established TCP connection by default (432,000 s; 350 s on Nitro v6 instance types, so this is the
# cautious end). A reply that was never accepted at all is not late: that is a blocked return.
# Refused records come first, in a table of their own: then an engine knows that they are few.
REFUSED = """
WITH refused AS (
  SELECT DISTINCT r.observer, r.srcaddr, r.dstaddr, r.srcport, r.dstport, r.protocol, r.start_s, r.end_s,
         r.protocol <> 6 OR r.tcp_flags IS NOT NULL OR (p.port IS NOT NULL AND r.dstport >= 1024) AS after_its_own,
         r.protocol = 6 AND r.tcp_flags IS NOT NULL AS after_the_other
  FROM records r LEFT JOIN service_ports p ON p.port = r.srcport AND p.protocol = r.protocol
  WHERE r.status = 'OK' AND r.action = 'REJECT' AND r.record_kind <> 'transit_gateway' AND r.protocol IN (6, 17)
    AND COALESCE(r.tcp_flags, 0) % 4 < 2
)
SELECT observer, srcaddr, dstaddr, srcport, dstport, protocol, start_s, end_s, srcaddr AS from_addr,
       dstaddr AS to_addr, srcport AS from_port, dstport AS to_port
FROM refused WHERE after_its_own
UNION ALL
SELECT observer, srcaddr, dstaddr, srcport, dstport, protocol, start_s, end_s, dstaddr, srcaddr, dstport, srcport
FROM refused WHERE after_the_other
"""

LATE_REJECTS = """
SELECT DISTINCT f.observer, f.srcaddr, f.dstaddr, f.srcport, f.dstport, f.protocol, f.start_s, f.end_s
FROM records a
JOIN refused f ON f.observer = a.observer AND f.protocol = a.protocol
 AND f.from_addr = a.srcaddr AND f.to_addr = a.dstaddr AND f.from_port = a.srcport AND f.to_port = a.dstport
WHERE a.status = 'OK' AND a.action = 'ACCEPT' AND a.start_s <= f.end_s AND a.end_s >= f.start_s - $tracking_s
"""

GAPS = """
SELECT observer, status AS log_status, start_s - start_s % 3600 AS hour_s,
       CAST(count(*) AS BIGINT) AS gap_records, min(start_s) AS first_s, max(end_s) AS last_s
FROM records
WHERE status <> 'OK' AND start_s >= $since_s AND start_s < $until_s
GROUP BY observer, status, start_s - start_s % 3600
"""

_FLOWS = """
SELECT r.*, i.network,
       $direction AS direction,
       $late AS late
FROM records r LEFT JOIN all_interfaces i ON i.observer = r.observer$late_join$elected_join
WHERE r.status = 'OK'$which$period$elected
"""

#: Which way a record goes at its observer: what the log says, else by the observer's own address (rule 4).
DIRECTION = """COALESCE(r.flow_direction,
           CASE WHEN r.srcaddr = i.own_address OR r.srcaddr = i.own_ipv6 THEN 'egress'
                WHEN r.dstaddr = i.own_address OR r.dstaddr = i.own_ipv6 THEN 'ingress' END)"""

#: Joins for late REJECTs (alias `l`) and for the election (alias `e`), to records under the alias `r`.
LATE_JOIN = """
LEFT JOIN late_rejects l
  ON r.action = 'REJECT' AND l.observer = r.observer AND l.srcaddr = r.srcaddr AND l.dstaddr = r.dstaddr
 AND l.srcport = r.srcport AND l.dstport = r.dstport AND l.protocol = r.protocol
 AND l.start_s = r.start_s AND l.end_s = r.end_s"""

ELECTED_JOIN = """
LEFT JOIN elected e
  ON e.observer = r.observer AND e.verdict = COALESCE(r.action, '') AND e.hour_s = r.start_s - r.start_s % 3600"""

ELECTED_WHERE = """
  AND (e.flow_log_id IS NULL OR e.flow_log_id = r.flow_log_id
       OR r.end_s <= e.log_first_s OR r.start_s >= e.log_last_s)"""


def late_parts(late: bool) -> tuple[tuple[str, str, str], ...]:
    """Records (alias `r`) in parts by whether they can be late: condition, join, and what says that one is (`l`).

    Only REJECTs can be: where there are late ones, the many other records are spared the join.
    """
    if not late:
        return (("", "", "FALSE"),)
    return (
        ("\n  AND COALESCE(r.action, '') <> 'REJECT'", "", "FALSE"),
        ("\n  AND r.action = 'REJECT'", LATE_JOIN, "l.observer IS NOT NULL"),
    )


def flows_sql(*, late: bool, overlap: bool, since_s: int | None, until_s: int | None) -> str:
    """`flows` as a query. The joins for late REJECTs and for the election are left out where there are none.

    Without a period (`since_s` None) everything counts, records without a `start` included.
    """
    period = ""
    if since_s is not None:
        period = bind("\n  AND r.start_s >= $since_s AND r.start_s < $until_s", since_s=since_s, until_s=until_s)
    text = (
        _FLOWS.replace("$direction", DIRECTION)
        .replace("$elected_join", ELECTED_JOIN if overlap else "")
        .replace("$period", period)
        .replace("$elected", ELECTED_WHERE if overlap else "")
    )
    return "UNION ALL".join(
        text.replace("$which", which).replace("$late_join", join).replace("$late", is_late)
        for which, join, is_late in late_parts(late)
    )


#: Lines outside the period, by object and status: the ledger moves them to `out_of_period`.
OUTSIDE = """
SELECT object_id, status, count(*) AS n FROM records
WHERE start_s IS NULL OR start_s < $since_s OR start_s >= $until_s
GROUP BY object_id, status ORDER BY object_id, status
"""

# One row for all records that share an interface, a window and a verdict: what asks when, not with whom, reads this.
WINDOWS = """
SELECT observer, network, flow_log_id, direction, action, late, start_s, end_s, CAST(count(*) AS BIGINT) AS records,
       CAST(sum(bytes) AS BIGINT) AS bytes, CAST(sum(packets) AS BIGINT) AS packets
FROM flows
GROUP BY observer, network, flow_log_id, direction, action, late, start_s, end_s
"""

COUNTED = "SELECT COALESCE(CAST(sum(records) AS BIGINT), 0) AS n FROM windows"
