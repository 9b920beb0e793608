"""Services whose protocol sends passwords or data in clear text, by the boundary they cross."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowkit.engines import bind
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.wording import count_of, host, look_up, one_or_list, rows_of, sentence, service

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["cleartext_protocol", "cleartext_services"]

#: (port, protocol) that know no encryption at all.
_ALWAYS = (
    (21, 6), (23, 6), (69, 17), (512, 6), (513, 6), (514, 6), (873, 6), (1883, 6), (5900, 6), (6379, 6), (11211, 6),
    (11211, 17),
)  # fmt: skip
#: Those that can switch to TLS in the middle (STARTTLS and its like), or have a version of their own that encrypts
#: (SNMPv3), which no flow log shows.
_PERHAPS = (
    (25, 6), (110, 6), (143, 6), (161, 17), (389, 6), (587, 6), (1433, 6), (3306, 6), (5432, 6), (5672, 6), (9042, 6),
    (27017, 6),
)  # fmt: skip
_WEB = ((80, 6), (8080, 6))

_SQL = """
WITH spoken AS (
  SELECT c.src_id, c.dst_id, c.srcaddr, c.dstaddr, c.src_name, c.dst_name, c.protocol, c.dstport, c.start_s, c.end_s,
         c.fwd_bytes, c.rev_bytes,
         CASE WHEN c.path IN ('inbound', 'outbound') THEN 'internet'
              WHEN c.src_network <> c.dst_network THEN 'networks' ELSE 'inside' END AS crossing
  FROM conversations c
  WHERE c.in_period AND c.leg = '' AND c.path IN ('inbound', 'outbound', 'internal') AND c.initiator_by <> 'unknown'
    AND c.state = 'answered' AND c.dst_scope IN ('vpc', 'private', 'public') AND c.src_scope <> 'aws'
    AND (c.protocol = 17 OR (c.fwd_packets >= 4 AND c.rev_packets >= 3))
    AND c.protocol * 65536 + c.dstport IN $listed
)
SELECT CASE WHEN s.protocol * 65536 + s.dstport IN $always THEN 'clear text'
            WHEN s.protocol * 65536 + s.dstport IN $web THEN 'web' ELSE 'perhaps' END AS reading,
       s.crossing, CASE WHEN s.crossing <> 'internet' THEN 'internal'
                        WHEN min(d.scope) = 'public' THEN 'outbound' ELSE 'inbound' END AS path,
       min(s.dstaddr) AS dstaddr, max(s.dst_name) AS dst_name, s.protocol, s.dstport,
       CASE WHEN count(DISTINCT s.src_id) = 1 THEN min(s.srcaddr) END AS srcaddr,
       CAST(count(DISTINCT s.src_id) AS BIGINT) AS clients, CAST(count(*) AS BIGINT) AS conversations,
       CAST(sum(s.fwd_bytes) AS BIGINT) AS sent_bytes, CAST(sum(s.rev_bytes) AS BIGINT) AS received_bytes,
       min(s.start_s) AS first_s, max(s.end_s) AS last_s$keys
FROM spoken s
JOIN (SELECT endpoint_id, min(scope) AS scope FROM addresses GROUP BY endpoint_id) d ON d.endpoint_id = s.dst_id
GROUP BY s.crossing, s.dst_id, s.protocol, s.dstport
ORDER BY CASE s.crossing WHEN 'internet' THEN 0 WHEN 'networks' THEN 1 ELSE 2 END, conversations DESC, dstaddr,
         s.protocol, s.dstport, s.dst_id
LIMIT $top_n
"""

_CAVEATS = (
    "Told by port number: a service on another port does not show, and one that wraps its port in TLS shows wrongly.",
    "Whether a conversation switched to TLS (STARTTLS) is not in the log: such protocols read 'perhaps'.",
)


def _numbers(ports: Sequence[tuple[int, int]]) -> list[int]:
    """Protocol and port as one number."""
    return [protocol * 65536 + port for port, protocol in ports]


def _bound(top_n: int, *, keys: str) -> str:
    return bind(
        _SQL.replace("$keys", keys),
        listed=_numbers((*_ALWAYS, *_PERHAPS, *_WEB)), always=_numbers(_ALWAYS), web=_numbers(_WEB), top_n=top_n,
    )  # fmt: skip


@question(needs=("srcaddr", "dstaddr", "dstport", "protocol"), sharper_with=("tcp_flags", "inventory", "vpc_id"))
def cleartext_services(flows: Flows, *, top_n: int = 50) -> Answer:
    """Which services were spoken with in clear text, and across which boundary?

    Rows per service that exchanged data: `reading` is `clear text` (telnet, FTP, TFTP, rsh and rlogin, rsync, MQTT,
    VNC, Redis, memcached: there is nothing else on these ports), `perhaps` (mail, directories, databases, SNMP: they
    can encrypt on the same port) or `web` (HTTP). `crossing` is `internet`, `networks` (between two of our networks) or
    `inside`. `clients` hosts spoke with it, `sent_bytes` from them and `received_bytes` to them.

    Blind spots: the content, so whether TLS was switched on; other ports; what a VPN or Nitro encrypts on the way
    (`unencrypted_paths` knows the latter). Source: RFC 8314 "Cleartext Considered Obsolete" (mail); PCI DSS 4.0, 2.2.7
    and 4.2.1 (administration and card data); Redis and memcached security pages.

    >>> import flowkit
    >>> flowkit.security.cleartext_services(flowkit.open("sample:")).table.columns[0]
    'reading'
    """
    return flows.ask(_bound(top_n, keys=""), caveats=_CAVEATS)


#: (reading, crossing) -> severity and confidence; what is not here is in the table only.
_SEVERITY = {
    ("clear text", "internet"): ("medium", 0.9),
    ("perhaps", "internet"): ("low", 0.4),
    ("web", "internet"): ("info", 0.3),
    ("clear text", "networks"): ("low", 0.7),
    ("clear text", "inside"): ("low", 0.5),
}
#: Inside, data stores without encryption are the rule, and not each is worth a finding.
_USUAL_INSIDE = (873, 1883, 6379, 11211)


def cleartext_protocol(flows: Flows) -> list[Finding]:
    """Findings of `cleartext_services`, one per port, boundary and direction.

    Clear text across the internet is medium, what may have switched to TLS there is low, and HTTP of ours info (what we
    fetch by HTTP is no finding). Between our own
    networks and inside, only clear text logins and file transfers are told, and low.
    """
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows_of(flows.sql(_bound(5_000, keys=", s.dst_id"))):
        quiet = row["crossing"] != "internet" and row["dstport"] in _USUAL_INSIDE
        quiet = quiet or (row["reading"], row["path"]) == ("web", "outbound")
        if (row["reading"], row["crossing"]) in _SEVERITY and not quiet:
            key = (row["reading"], row["crossing"], row["path"], row["protocol"], row["dstport"])
            groups.setdefault(key, []).append(row)
    return [_finding(flows, key, members) for key, members in groups.items()]


_CLIENTS = """
SELECT DISTINCT srcaddr FROM conversations
WHERE in_period AND leg = '' AND state = 'answered' AND protocol = $protocol AND dstport = $dstport
  AND dst_id IN $servers AND path = $path AND initiator_by <> 'unknown' ORDER BY srcaddr LIMIT 1000
"""


def _finding(flows: Flows, key: tuple[Any, ...], members: Sequence[Mapping[str, Any]]) -> Finding:
    reading, crossing, path, protocol, port = key
    severity, confidence = _SEVERITY[reading, crossing]
    named = {"protocol": protocol, "dstport": port, "path": path, "servers": [row["dst_id"] for row in members]}
    clients = [row["srcaddr"] for row in rows_of(flows.sql(bind(_CLIENTS, **named)))]
    servers = {row["dstaddr"] for row in members}
    first = members[0]
    whom = host(first["dstaddr"], first["dst_name"]) if len(servers) == 1 else count_of(len(servers), "host")
    who = clients[0] if len(clients) == 1 else count_of(len(clients), "client")
    what, conversations = service(port, protocol), sum(row["conversations"] for row in members)
    where = {
        ("internet", "inbound"): "from the internet",
        ("internet", "outbound"): "out to the internet",
        ("networks", "internal"): "between networks of yours",
        ("inside", "internal"): "inside your network",
    }[crossing, path]
    ours = clients[0] if path == "outbound" else first["dstaddr"]
    return Finding(
        id=finding_id("cleartext_protocol", {"crossing": crossing, "path": path, "protocol": protocol, "port": port}),
        rule="cleartext_protocol",
        title=f"{sentence(what)} of {whom} is used {where}"
        + (", in clear text" if reading == "clear text" else ", perhaps in clear text" if reading == "perhaps" else ""),
        severity=severity,
        confidence=confidence,
        subject={
            "srcaddr": one_or_list(clients),
            "dstaddr": one_or_list(servers),
            "dstport": port,
            "protocol": protocol,
        },
        first_seen=iso(min(row["first_s"] for row in members)),
        last_seen=iso(max(row["last_s"] for row in members)),
        count=conversations,
        explanation=(
            f"{sentence(who)} spoke with {what} of {whom} {where} in {count_of(conversations, 'conversation')} that "
            f"carried {sum(row['sent_bytes'] + row['received_bytes'] for row in members):,} bytes. "
            + {
                "clear text": "Nothing on this port is encrypted: who sits on the way reads it, passwords included.",
                "perhaps": "It may switch to TLS or not; where it does not, passwords can be read on the way.",
                "web": "HTTP can be read and changed on the way, unless it only sends its visitors on to HTTPS.",
            }[reading]
        ),
        could_also_be="Another service on this port; a tunnel or a VPN that encrypts around it.",
        next_step=(
            "Have it redirect to HTTPS at the load balancer: "
            if reading == "web"
            else "Use the protocol's encrypted sister (SSH, SFTP, LDAPS, TLS), or put a VPN around it: "
        )
        + look_up(ours),
        evidence=[{name: value for name, value in row.items() if name != "dst_id"} for row in members[:20]],
        attack=("T1040",),
    )
