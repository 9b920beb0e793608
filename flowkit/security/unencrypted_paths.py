"""Encryption in transit, where VPC encryption controls tell of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowkit.engines import bind
from flowkit.finding import Finding, aws_cli, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.wording import count_of, one_or_list, rows_of

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["unencrypted", "unencrypted_paths"]

# Each hop once: what the sender's interface logged, and what came in from a sender that no interface of ours is. The
# service is the known port of the two, else the smaller one. Refused packets carry nothing.
_HOPS = """
WITH ends AS (
  SELECT network, address, min(scope) AS scope, max(interface_id) AS interface_id FROM addresses
  GROUP BY network, address
), hops AS (
  SELECT f.network, f.srcaddr, f.dstaddr, f.protocol, f.bytes, f.encryption_status, f.start_s, f.end_s,
         CASE WHEN s.scope IN ('vpc', 'private') AND d.scope IN ('vpc', 'private') THEN 'internal'
              WHEN s.scope IN ('vpc', 'private') THEN 'outbound' ELSE 'inbound' END AS path,
         CASE WHEN b.port IS NOT NULL AND a.port IS NULL THEN f.dstport
              WHEN a.port IS NOT NULL AND b.port IS NULL THEN f.srcport
              WHEN f.dstport <= f.srcport THEN f.dstport ELSE f.srcport END AS port
  FROM flows f
  JOIN ends s ON s.network = f.network AND s.address = f.srcaddr
  JOIN ends d ON d.network = f.network AND d.address = f.dstaddr
  LEFT JOIN service_ports a ON a.port = f.srcport AND a.protocol = f.protocol
  LEFT JOIN service_ports b ON b.port = f.dstport AND b.protocol = f.protocol
  WHERE COALESCE(f.action, 'ACCEPT') = 'ACCEPT' AND f.record_kind = 'interface'
    AND (f.direction = 'egress' OR (f.direction = 'ingress' AND s.interface_id IS NULL))
)
"""

_SQL = f"""{_HOPS.strip()}
SELECT h.network, h.path, h.protocol, h.port, k.service, CAST(sum(h.bytes) AS BIGINT) AS bytes,
       CAST(sum(CASE WHEN h.encryption_status = 0 THEN h.bytes ELSE 0 END) AS BIGINT) AS unencrypted_bytes,
       CAST(sum(CASE WHEN h.encryption_status IS NULL THEN h.bytes ELSE 0 END) AS BIGINT) AS unknown_bytes,
       CAST(sum(CASE WHEN h.encryption_status = 0 THEN h.bytes END) AS DOUBLE)
         / NULLIF(sum(CASE WHEN h.encryption_status >= 0 THEN h.bytes END), 0) AS unencrypted_share,
       CAST(count(DISTINCT CASE WHEN h.encryption_status = 0 THEN concat(h.srcaddr, ' ', h.dstaddr) END) AS BIGINT)
         AS unencrypted_pairs, min(h.start_s) AS first_s, max(h.end_s) AS last_s
FROM hops h
LEFT JOIN service_ports k ON k.port = h.port AND k.protocol = h.protocol
GROUP BY h.network, h.path, h.protocol, h.port, k.service
ORDER BY unencrypted_bytes DESC, bytes DESC, h.network, h.path, h.protocol, h.port
LIMIT $top_n
"""

_CAVEATS = (
    "The field is absent where encryption controls are off or the state is not known: such bytes are told apart and "
    "count in no share.",
    "Towards the internet only traffic with endpoints of AWS can be told encrypted; other TLS does not show.",
)


@question(needs=("encryption_status", "bytes", "srcaddr", "dstaddr"), sharper_with=("flow_direction", "inventory"))
def unencrypted_paths(flows: Flows, *, top_n: int = 50) -> Answer:
    """How much of the traffic was encrypted in transit, by network, path and service?

    Rows per network, path and service port: `bytes`, of them `unencrypted_bytes` and `unknown_bytes` (no state was
    logged), `unencrypted_share` of those whose state is known (0 to 1), `unencrypted_pairs` of addresses.

    Blind spots: encryption by the application between hosts of your own is not recognised, only that of Nitro and, by
    its port, that of endpoints of AWS; in monitor mode the state does not foretell what enforce mode would refuse.
    Source: AWS, "VPC encryption controls" and the field `encryption-status` (0 none, 1 Nitro, 2 application, 3 both).

    >>> import flowkit
    >>> flowkit.security.unencrypted_paths(flowkit.open("sample:")).missing
    ('encryption_status',)
    """
    return flows.ask(bind(_SQL, top_n=top_n), caveats=_CAVEATS)


# Where most of the bytes inside a network whose state is known are encrypted, encryption is meant, and the rest are
# exceptions.
_NETWORKS = f"""{_HOPS.strip()}
SELECT network, CAST(sum(CASE WHEN encryption_status >= 1 THEN bytes ELSE 0 END) AS BIGINT) AS encrypted_bytes,
       CAST(sum(CASE WHEN encryption_status = 0 THEN bytes ELSE 0 END) AS BIGINT) AS unencrypted_bytes
FROM hops WHERE path = 'internal'
GROUP BY network HAVING sum(CASE WHEN encryption_status = 0 THEN bytes ELSE 0 END) > 0
  AND sum(CASE WHEN encryption_status >= 1 THEN bytes ELSE 0 END) > sum(CASE WHEN encryption_status = 0
  THEN bytes ELSE 0 END)
ORDER BY network
"""
_PAIRS = f"""{_HOPS.strip()}
SELECT srcaddr, dstaddr, protocol, port, CAST(sum(bytes) AS BIGINT) AS bytes, min(start_s) AS first_s,
       max(end_s) AS last_s
FROM hops WHERE path = 'internal' AND encryption_status = 0 AND network = $network
GROUP BY srcaddr, dstaddr, protocol, port ORDER BY bytes DESC, srcaddr, dstaddr, protocol, port
"""
#: Up to a tenth of the bytes is an exception that somebody should know; more is a migration under way.
_EXCEPTION = 10


def unencrypted(flows: Flows) -> list[Finding]:
    """Findings of `unencrypted_paths`, one per network in which most bytes inside are encrypted, but not all.

    Medium where at most a tenth is not, low where more is.
    """
    if flows.share("encryption_status") == 0.0 or flows.share("bytes") == 0.0:
        return []
    networks = rows_of(flows.sql(_NETWORKS))
    return [_finding(row, rows_of(flows.sql(bind(_PAIRS, network=row["network"])))) for row in networks]


def _finding(row: Mapping[str, Any], pairs: Sequence[Mapping[str, Any]]) -> Finding:
    plain, whole = row["unencrypted_bytes"], row["unencrypted_bytes"] + row["encrypted_bytes"]
    exception = plain * _EXCEPTION <= whole
    network = row["network"]
    place = {"vpc_id": network} if network.startswith("vpc-") else {"account_id": network}
    command = (
        ("ec2", "describe-vpc-encryption-controls", "--filters", f"Name=vpc-id,Values={network}")
        if "vpc_id" in place
        else ("ec2", "describe-vpc-encryption-controls")
    )
    return Finding(
        id=finding_id("unencrypted", place),
        rule="unencrypted",
        title=f"{100 * plain / whole:.1f} % of the bytes inside {network} travelled unencrypted",
        severity="medium" if exception else "low",
        confidence=0.8 if exception else 0.5,
        subject={
            **place,
            "srcaddr": one_or_list(one["srcaddr"] for one in pairs),
            "dstaddr": one_or_list(one["dstaddr"] for one in pairs),
        },
        first_seen=iso(min(one["first_s"] for one in pairs)),
        last_seen=iso(max(one["last_s"] for one in pairs)),
        count=len(pairs),
        explanation=(
            f"Of {whole:,} bytes inside {network} whose state is known, {plain:,} were not encrypted in transit, in "
            f"{count_of(len(pairs), 'path')} between addresses. The others were, so encryption is meant here, and "
            "enforcing it would cut these paths."
        ),
        could_also_be="TLS between hosts of your own, which this field does not recognise; a migration under way.",
        next_step=f"Move these hosts to instance types that encrypt, or exclude them knowingly: {aws_cli(*command)}",
        evidence=[dict(one) for one in pairs[:20]],
        attack=("T1040",),
    )
