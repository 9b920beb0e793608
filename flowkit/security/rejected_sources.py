"""Rejected traffic by who sent it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.engines import bind
from flowkit.question import Answer, question

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["rejected_sources"]

_SQL = """
SELECT c.srcaddr, max(c.src_name) AS src_name, max(c.src_scope) AS src_scope, CAST(count(*) AS BIGINT) AS rejected,
       CAST(sum(c.fwd_packets) AS BIGINT) AS packets, CAST(count(DISTINCT c.dst_id) AS BIGINT) AS targets,
       CAST(count(DISTINCT CASE WHEN c.protocol IN (6, 17) THEN c.protocol * 65536 + c.dstport END) AS BIGINT) AS ports,
       CAST(count(*) AS DOUBLE) / max(t.rejected) AS rejected_share, min(c.start_s) AS first_s, max(c.end_s) AS last_s
FROM conversations c
CROSS JOIN (SELECT count(*) AS rejected FROM conversations WHERE rejected AND in_period AND leg = '') t
WHERE c.rejected AND c.in_period AND c.leg = '' AND ($path = '' OR c.path = $path)
GROUP BY c.srcaddr, c.src_id
ORDER BY rejected DESC, c.srcaddr, c.src_id
LIMIT $top_n
"""


@question(needs=("action",), sharper_with=("tcp_flags", "flow_direction", "inventory"))
def rejected_sources(flows: Flows, *, top_n: int = 20, path: str = "") -> Answer:
    """Whose traffic was rejected most?

    Rows per source: `rejected` conversations (each once, though two interfaces may have logged it), their `packets`,
    the `targets` and `ports` tried, `rejected_share` of all rejected conversations. `path` narrows to `internal`,
    `inbound` or `outbound`. Packets that came after their connection had ended are not rejections and are left out.

    Blind spots: a REJECT does not say whether a security group or a network ACL refused; who began is a guess where the
    log has no TCP flags. Source: AWS, "Flow log records" (action).

    >>> import flowkit
    >>> flowkit.security.rejected_sources(flowkit.open("sample:"), top_n=3).table.shape[0]
    3
    """
    return flows.ask(bind(_SQL, top_n=top_n, path=path))
