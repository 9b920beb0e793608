"""The internet's background noise: probes at everything that has a public address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowkit.engines import bind
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.attempts import ATTEMPTS
from flowkit.security.rejected_reasons import misconfigured
from flowkit.security.wording import aws_cli, count_of, host, look_up, one_or_list, rows_of, sentence, service

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
    """The background noise of all interfaces as one finding of severity info.

    And what is refused so steadily that it is likely a misconfiguration (`rejected_reasons`), one low finding per
    service that refuses.
    """
    rows = rows_of(flows.sql(bind(_SQL, top_n=1000)))
    noise = [_noise(rows)] if rows else []
    if not flows.records or flows.share("action") == 0.0:
        return noise
    return noise + [_misconfigured(paths) for paths in misconfigured(flows).values()]


def _noise(rows: Sequence[Mapping[str, Any]]) -> Finding:
    """All probes from the internet, as one."""
    probes = sum(row["probes"] for row in rows)
    named = sorted({row["interface_id"] for row in rows if row["interface_id"]})
    busiest = rows[0]
    return Finding(
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
        next_step=(
            "Nothing, unless somebody complains of a closed door. Fewer public addresses mean less of it; those you "
            "have: " + aws_cli("ec2", "describe-network-interfaces", "--filters", "Name=association.public-ip,Values=*")
        ),
        evidence=rows[:20],
        attack=("T1595",),
    )


def _misconfigured(paths: Sequence[Mapping[str, Any]]) -> Finding:
    """The sources that one service refuses steadily."""
    row = max(paths, key=lambda one: (one["rejected"], one["source"]))
    whom, what = host(row["dstaddr"], row["dst_name"]), service(row["dstport"], row["protocol"])
    who = host(row["source"], row["src_name"]) if len(paths) == 1 else count_of(len(paths), "source")
    subject = {
        "srcaddr": one_or_list(one["source"] for one in paths),
        **{name: row[name] for name in ("dstaddr", "dstport", "protocol")},
    }
    rejected = sum(one["rejected"] for one in paths)
    others = f" {sentence(count_of(row['answered_clients'], 'other client'))} got an answer there."
    return Finding(
        id=finding_id("reject_storm", {name: row[name] for name in ("dstaddr", "dstport", "protocol")}),
        rule="reject_storm",
        title=f"{who} to {what} of {whom}: refused steadily, likely a misconfiguration",
        severity="low",
        confidence=0.7,
        subject=subject,
        first_seen=iso(min(one["first_s"] for one in paths)),
        last_seen=iso(max(one["last_s"] for one in paths)),
        count=rejected,
        explanation=(
            f"{sentence(what)} of {whom} refused {who} {count_of(rejected, 'time')}, again and again, and hardly any "
            "other door did. Who looks for doors tries many; this is an application that was told to come here, and a "
            "rule that does not know it." + (others if row["answered_clients"] else "")
        ),
        could_also_be="A service that moved while its clients were not told; a host that was shut out on purpose.",
        next_step=(
            "Ask the owner of the source whether it should get in. If so, `blocked_by` names what refuses; if not, "
            "stop it at the source. Whose address it is: " + look_up(row["source"])
        ),
        evidence=[dict(one) for one in paths[:20]],
    )
