"""Where the log itself says that records are missing."""

from __future__ import annotations

from flowkit.engines import bind
from flowkit.flows import Flows
from flowkit.question import Answer, question

__all__ = ["log_gaps"]

_LOWER_BOUND = "Where records were skipped, every count and sum here is a lower bound."

_SQL = """
WITH summed AS (
  SELECT g.observer AS interface_id, max(i.name) AS name, g.log_status,
         CAST(sum(g.gap_records) AS BIGINT) AS gap_records,
         CAST(count(DISTINCT g.hour_s) AS BIGINT) AS hours, COALESCE(max(i.records), 0) AS records,
         min(g.first_s) AS first_s, max(g.last_s) AS last_s
  FROM gaps g LEFT JOIN interfaces i ON i.observer = g.observer
  GROUP BY g.observer, g.log_status
)
SELECT interface_id, name, log_status, gap_records, hours, records, first_s, last_s FROM summed
ORDER BY CASE WHEN log_status = 'NODATA' THEN 1 ELSE 0 END, gap_records DESC, interface_id, log_status
LIMIT $top_n
"""


@question(needs=("log_status",))
def log_gaps(flows: Flows, *, top_n: int = 50) -> Answer:
    """Where is the log itself incomplete?

    Rows per interface and status: `SKIPDATA` and `INCOMPLETEDATA` (AWS lost records), then `NODATA` (there was no
    traffic); `gap_records` such lines, in `hours` distinct hours, beside `records` that count; `first_s`, `last_s`.

    Blind spots: how much is missing in a skipped window, nobody can say. Source: AWS VPC User Guide, "Flow log record
    examples", no data and skipped records.

    >>> import flowkit as fk
    >>> answer = fk.performance.log_gaps(fk.open("sample:", progress=False))
    """
    return flows.ask(bind(_SQL, top_n=top_n), caveats=(_LOWER_BOUND,))
