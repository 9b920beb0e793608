"""The internet's background noise: probes at everything that has a public address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.engines import bind
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.attempts import ATTEMPTS
from flowkit.security.wording import count_of, rows_of

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["background_noise", "reject_storm"]

_SQL = f"""
WITH {ATTEMPTS}
, probes AS (
  SELECT COALESCE(a.dst_interface_id, '') AS interface_id, a.dstaddr, a.dst_name, a.dst_role, a.source, a.srcaddr,
         a.protocol, a.dstport,
         a.rejected, a.start_s, a.end_s
  FROM attempts a
  WHERE NOT a.inside AND a.target_inside AND a.answered = 0
), busiest AS (
  SELECT interface_id, max(tried) AS tried FROM (
    SELECT interface_id, source, count(DISTINCT protocol * 65536 + dstport) AS tried FROM probes GROUP BY interface_id,
           source
  ) AS by_source GROUP BY interface_id
)
SELECT p.interface_id, min(p.dstaddr) AS dstaddr, max(p.dst_name) AS dst_name, max(p.dst_role) AS role,
       CAST(count(*) AS BIGINT) AS probes,
       CAST(sum(CASE WHEN p.rejected THEN 1 ELSE 0 END) AS BIGINT) AS rejected,
       CAST(count(DISTINCT p.source) AS BIGINT) AS sources,
       CAST(count(DISTINCT p.protocol * 65536 + p.dstport) AS BIGINT) AS ports,
       CAST(max(b.tried) AS BIGINT) AS most_ports_by_one_source,

       CAST(count(*) * 3600 AS DOUBLE) / max(CASE WHEN i.last_s > i.first_s
       THEN i.last_s - i.first_s END) AS probes_per_hour, min(p.start_s) AS first_s, max(p.end_s) AS last_s
FROM probes p
JOIN busiest b ON b.interface_id = p.interface_id
LEFT JOIN interfaces i ON i.observer = p.interface_id
GROUP BY p.interface_id, CASE WHEN p.interface_id = '' THEN p.dstaddr END
ORDER BY probes DESC, p.interface_id, dstaddr
LIMIT $top_n
"""

_CAVEATS = (
    "A NAT gateway has no security group: probes of it are ACCEPT and stay without an answer. They count as "
    "probes, not as rejected.",
)


@question(needs=("srcaddr", "dstaddr", "dstport"), sharper_with=("action", "tcp_flags", "inventory"))
def background_noise(flows: Flows, *, top_n: int = 50) -> Answer:
    """How much of the internet's background noise arrives, and where?

    Rows per interface that public addresses tried in vain: `probes` (conversations that were refused or not answered),
    of those `rejected`, the number of `sources` and `ports`, `most_ports_by_one_source`, `probes_per_hour` from the
    interface's first record to its last.

    Every public address gets such probes all day. They say that the rules work; what stands out from them is told by
    `port_scans`, what answers them by `exposed_services`.

    Blind spots: probes that a network ACL or AWS drops before the interface. Source: Durumeric, Bailey, Halderman, "An
    Internet-Wide View of Internet-Wide Scanning", USENIX Security 2014.

    >>> import flowkit
    >>> flowkit.security.background_noise(flowkit.open("sample:")).table.columns[0]
    'interface_id'
    """
    return flows.ask(bind(_SQL, top_n=top_n), caveats=_CAVEATS)


def reject_storm(flows: Flows) -> list[Finding]:
    """The background noise of all interfaces as one finding of severity info."""
    rows = rows_of(flows.sql(bind(_SQL, top_n=1000)))
    if not rows:
        return []
    probes = sum(row["probes"] for row in rows)
    named = sorted({row["interface_id"] for row in rows if row["interface_id"]})
    busiest = rows[0]
    return [
        Finding(
            id=finding_id("reject_storm", {"of": "internet"}),
            rule="reject_storm",
            title=f"Internet background noise: {count_of(probes, 'probe')} at {count_of(len(rows), 'interface')}, "
            "none answered",
            severity="info",
            confidence=0.9,
            subject={"interface_id": named} if named else {"dstaddr": sorted({row["dstaddr"] for row in rows})},
            first_seen=iso(min(row["first_s"] for row in rows)),
            last_seen=iso(max(row["last_s"] for row in rows)),
            count=probes,
            explanation=(
                "Public addresses are probed all day by scanners that mean everybody. The busiest interface got "
                f"{busiest['probes']:,} probes from "
                f"{count_of(busiest['sources'], 'source')}"
                + (f", {busiest['probes_per_hour']:,.0f} an hour" if busiest["probes_per_hour"] else "")
                + ". They were refused or met nobody. Scans that stand out are told on their own and count here too."
            ),
            could_also_be="A customer or partner whose address is missing in a security group, lost among the probes.",
            next_step="Nothing, unless somebody complains of a closed door. Fewer public addresses mean less of it.",
            evidence=rows[:20],
            attack=("T1595",),
        )
    ]
