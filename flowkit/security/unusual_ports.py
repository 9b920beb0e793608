"""Services outside that ordinary hosts do not use: mail from hosts that are no mail servers, TOR, mining, tunnels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flowkit.engines import bind
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.wording import count_of, host, look_up, one_or_list, rows_of

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["unusual_port", "unusual_ports"]

#: 25 is mail between servers; 465 and 587 are where a client hands mail to its provider. RFC 5321, RFC 6409, RFC 8314.
_MAIL = (25, 465, 587)
#: TOR: 9001 relays, 9030 directories, 9050 and 9150 proxies, 9051 control, 9040 transparent. Tor manual (torrc).
_TOR = (9001, 9030, 9040, 9050, 9051, 9150)
#: Stratum ports in the documentation of large mining pools (2Miners, Ethermine, F2Pool, HeroMiners, MineXMR, NiceHash,
#: Slush Pool, SupportXMR), without those that much else uses (80, 443, 8080).
_MINING = (3032, 3333, 3334, 3357, 4444, 5555, 6666, 7777, 9999, 10128, 10343, 14433, 14444, 45560, 45700)

# A pool is spoken with for hours in small messages: half an hour and less than 2,000 bytes a second either way (stratum
# sends some hundred bytes a minute). A TOR client keeps a few guards, for long: two addresses and ten minutes.
_LONG_S, _SMALL_BPS, _TOR_PEERS, _TOR_S = 1_800, 2_000, 2, 600
#: A client hands mail to one provider, or two; ten other mail servers is a campaign, fifty is spam.
_FEW_SERVERS, _SPAM_SERVERS = 10, 50
_TUNNEL_PACKETS = 10

# `ours` first: by initiator, and where that is unknown (no TCP flags, and no port of a registered service) by the
# ports, a listed one outside against one of those that Linux gives to clients here. Other protocols have no initiator
# that matters. `connections`: one that is silent for longer than a conversation may be goes on with the same ports.
_ENDS = """SELECT c.{our}_id AS src_id, c.{their}_id AS dst_id, c.{our}addr AS srcaddr, c.{our}_name AS src_name,
         c.{our}_role AS src_role, c.{their}addr AS dstaddr, c.protocol, c.{our}port AS srcport,
         c.{their}port AS dstport, c.start_s, c.end_s,
         c.{out}_bytes AS out_bytes, c.{back}_bytes AS back_bytes, c.{out}_packets AS out_packets,
         CASE WHEN c.fwd_packets > 0 AND c.rev_packets > 0 AND NOT c.rejected AND c.state <> 'reset'
              THEN 1 ELSE 0 END AS answered
  FROM conversations c
  WHERE c.in_period AND c.leg = '' AND c.{our}_scope IN ('vpc', 'private') AND c.{their}_scope IN ('public', 'aws')
    AND c.{their}_aws_service IS NULL AND (c.late_rejects = 0 OR c.rejected OR c.rev_packets > 0)
    AND c.{out}_packets > 0 AND ((c.protocol = 6 AND c.{their}port IN $listed AND {began})
      OR c.protocol NOT IN (1, 6, 17, 58))"""
_UNKNOWN = "c.initiator_by = 'unknown' AND c.{our}port >= 32768"
_BEGUN = _ENDS.format(our="src", their="dst", out="fwd", back="rev",
                      began=f"(c.initiator_by <> 'unknown' OR {_UNKNOWN.format(our='src')})")  # fmt: skip
_TURNED = _ENDS.format(our="dst", their="src", out="rev", back="fwd", began=_UNKNOWN.format(our="dst"))

_SQL = f"""
WITH ours AS (
  {_BEGUN}
  UNION ALL
  {_TURNED}
), gone AS (
  SELECT o.*,
         CASE WHEN protocol = 6 AND dstport IN $mail THEN 'mail' WHEN protocol = 6 AND dstport IN $tor THEN 'tor'
              WHEN protocol = 6 THEN 'mining' WHEN protocol IN (50, 51) THEN 'ipsec' ELSE 'tunnel' END AS use,
         CASE WHEN protocol = 6 AND dstport IN (465, 587) THEN 587 WHEN protocol = 6 AND dstport = 25 THEN 25
              ELSE 0 END AS mail_port
  FROM ours o
), connections AS (
  SELECT use, mail_port, src_id, protocol, dst_id, srcport, dstport, min(srcaddr) AS srcaddr,
         max(src_name) AS src_name, max(src_role) AS src_role, min(dstaddr) AS dstaddr, count(*) AS conversations,
         sum(answered) AS answered, sum(out_packets) AS out_packets, sum(out_bytes) AS out_bytes,
         sum(back_bytes) AS back_bytes, min(start_s) AS start_s, max(end_s) AS end_s
  FROM gone GROUP BY use, mail_port, src_id, protocol, dst_id, srcport, dstport
), mail_hosts AS (
  SELECT DISTINCT dst_id FROM conversations
  WHERE in_period AND protocol = 6 AND dstport IN (25, 110, 143, 465, 587, 993, 995) AND state = 'answered'
    AND dst_scope IN ('vpc', 'private') AND initiator_by <> 'unknown'
), used AS (
  SELECT use, mail_port, src_id, protocol, min(srcaddr) AS srcaddr, max(src_name) AS src_name,
         max(src_role) AS src_role, CASE WHEN count(DISTINCT dst_id) = 1 THEN min(dstaddr) END AS dstaddr,
         CASE WHEN protocol = 6 AND count(DISTINCT dstport) = 1 THEN min(dstport) END AS dstport,
         CAST(count(DISTINCT dst_id) AS BIGINT) AS peers,
         CAST(count(DISTINCT CASE WHEN answered > 0 THEN dst_id END) AS BIGINT) AS answered_peers,
         CAST(sum(conversations) AS BIGINT) AS conversations, CAST(sum(answered) AS BIGINT) AS answered,
         CAST(sum(out_packets) AS BIGINT) AS sent_packets, CAST(sum(out_bytes) AS BIGINT) AS sent_bytes,
         CAST(sum(back_bytes) AS BIGINT) AS received_bytes,
         CAST(sum(CASE WHEN answered > 0 THEN end_s - start_s ELSE 0 END) AS BIGINT) AS open_s,
         max(CASE WHEN answered > 0 AND end_s - start_s >= $long_s AND out_bytes < $bps * (end_s - start_s)
                   AND back_bytes < $bps * (end_s - start_s) THEN end_s - start_s ELSE 0 END) AS longest_small_s,
         min(start_s) AS first_s, max(end_s) AS last_s
  FROM connections GROUP BY use, mail_port, src_id, protocol
)
SELECT CASE WHEN COALESCE(u.src_role, '') IN ('nat_gateway', 'regional_nat_gateway') THEN 'many behind one'
            WHEN u.use = 'mail' AND m.dst_id IS NOT NULL THEN 'mail host'
            WHEN u.use = 'ipsec' THEN 'vpn'
            WHEN u.answered = 0 THEN 'in vain'
            WHEN u.use = 'mail' AND u.answered_peers >= $few THEN 'many mail servers'
            WHEN u.use = 'mail' AND u.mail_port = 587 THEN 'hands over mail'
            WHEN u.use = 'mail' THEN 'few mail servers'
            WHEN u.use = 'tor' AND u.answered_peers >= $tor_peers AND u.open_s >= $tor_s THEN 'tor'
            WHEN u.use = 'mining' AND u.longest_small_s > 0 THEN 'mining'
            WHEN u.use = 'tunnel' AND u.sent_packets >= $tunnel_packets AND u.received_bytes > 0 THEN 'tunnel'
            ELSE 'port only' END AS reading,
       u.use, u.srcaddr, u.src_name, u.dstaddr, u.protocol, u.dstport, u.peers, u.answered_peers, u.conversations,
       u.answered, u.sent_bytes, u.received_bytes, u.open_s, u.first_s, u.last_s$keys
FROM used u
LEFT JOIN mail_hosts m ON m.dst_id = u.src_id
ORDER BY CASE WHEN u.answered > 0 THEN 0 ELSE 1 END, u.peers DESC, u.conversations DESC, u.srcaddr, u.use, u.mail_port,
         u.protocol, u.src_id
LIMIT $top_n
"""
_KEYS = ", u.src_id, u.mail_port"

_CAVEATS = (
    "A port number is weak evidence: any service can listen on any port. Only what also behaves like it is told as a "
    "finding of weight.",
)


@question(needs=("srcaddr", "dstaddr", "dstport", "protocol"), sharper_with=("tcp_flags", "action", "inventory"))
def unusual_ports(flows: Flows, *, top_n: int = 50) -> Answer:
    """Which hosts use services outside that ordinary hosts do not?

    Rows per host of ours and `use`: `mail` (ports 25, and 465 with 587), `tor`, `mining` (ports of pools), `ipsec`,
    `tunnel` (protocols other than TCP, UDP, ICMP and IPsec: GRE, IP in IP, IPv6 in IPv4, SCTP ...). `peers` addresses
    outside, `answered_peers` that answered, `open_s` the time its answered conversations lasted, added up.

    `reading` is `many mail servers` (ten or more answered), `few mail servers`, `hands over mail` (to a provider, on
    465 or 587), `mail host` (it takes mail itself), `tor` (two peers or more, ten minutes or more), `mining` (half an
    hour with one peer at less than 2,000 bytes a second), `tunnel` (ten packets or more, and some came back), `vpn`
    (IPsec), `in vain` (nobody answered), `many behind one` (a NAT gateway), or `port only`.

    Blind spots: TOR and mining over port 443, which both offer; a pool's proxy inside. AWS closes port 25 outward
    unless asked. Source: MITRE ATT&CK T1071.003, T1090.003, T1496, T1572; the port lists come from the Tor manual and
    the documentation of mining pools.

    >>> import flowkit
    >>> flowkit.security.unusual_ports(flowkit.open("sample:")).table.columns[0]
    'reading'
    """
    return flows.ask(_bound(top_n, keys=""), caveats=_CAVEATS)


def _bound(top_n: int, *, keys: str) -> str:
    return bind(
        _SQL.replace("$keys", keys),
        mail=_MAIL, tor=_TOR, listed=(*_MAIL, *_TOR, *_MINING), long_s=_LONG_S, bps=_SMALL_BPS,
        few=_FEW_SERVERS, tor_peers=_TOR_PEERS, tor_s=_TOR_S, tunnel_packets=_TUNNEL_PACKETS, top_n=top_n,
    )  # fmt: skip


#: The conversations of one row, longest first.
_MEMBERS = f"""
WITH ours AS (
  {_BEGUN}
  UNION ALL
  {_TURNED}
)
SELECT srcaddr, dstaddr, CASE WHEN protocol = 6 THEN dstport END AS dstport, protocol, start_s, end_s,
       out_bytes AS sent_bytes, back_bytes AS received_bytes, answered FROM ours
WHERE src_id = $src_id AND protocol = $protocol
ORDER BY end_s - start_s DESC, start_s, dstaddr, dstport LIMIT 5000
"""

#: reading -> severity, confidence, what it does, why it matters, what else, ATT&CK technique.
_SAID = {
    "many mail servers": (
        "medium", 0.8, "sends mail to {peers}",
        "A host that takes no mail and sends it to many servers sends spam, or was told to by somebody else.",
        "A newsletter or alarm system that delivers by itself.", "T1071.003",
    ),
    "few mail servers": (
        "low", 0.3, "sends mail to {peers} by itself",
        "Mail goes past your mail server, so nobody filters or logs it.",
        "A host that sends its own alarms; a test of mail delivery.", "T1071.003",
    ),
    "tor": (
        "medium", 0.6, "keeps connections with {peers} on TOR's ports",
        "TOR hides who speaks with whom; on a server it carries commands or data past all controls.",
        "Another service on 9001 or 9030 (a supervisor, a storage console); a researcher's host.", "T1090.003",
    ),
    "mining": (
        "medium", 0.6, "keeps a long, thin connection with {peers} on a mining pool's port",
        "This is what a miner's talk with its pool looks like; it uses your computers for somebody else's coins.",
        "A game, a chat or a debugger on the same port.", "T1496",
    ),
    "tunnel": (
        "medium", 0.5, "exchanges protocol {protocol} with {peers}",
        "Protocols that wrap others carry anything past rules that look at ports.",
        "A tunnel to a partner or an office that somebody built on purpose.", "T1572",
    ),
    "port only": (
        "low", 0.2, "speaks with {peers} on a port known for {use}",
        "Nothing but the port number (or the protocol) speaks for it.",
        "Any other service that happens to listen there.", "",
    ),
}  # fmt: skip


def unusual_port(flows: Flows) -> list[Finding]:
    """Findings of `unusual_ports`, one per host and use.

    What also behaves like it is medium, spam to fifty servers or more high, a port number alone low.
    """
    rows = rows_of(flows.sql(_bound(500, keys=_KEYS)))
    return [_finding(flows, row) for row in rows if row["reading"] in _SAID]


def _finding(flows: Flows, row: Mapping[str, Any]) -> Finding:
    severity, confidence, does, why, otherwise, attack = _SAID[row["reading"]]
    if row["reading"] == "many mail servers" and row["answered_peers"] >= _SPAM_SERVERS:
        severity, confidence = "high", 0.9
    of_use = {"tor": _TOR, "mining": _MINING, "mail": (25,) if row["mail_port"] == 25 else (465, 587)}
    ports = of_use.get(row["use"], ())
    members = rows_of(flows.sql(bind(_MEMBERS, src_id=row["src_id"], protocol=row["protocol"], listed=ports)))
    who = host(row["srcaddr"], row["src_name"])
    said = does.format(
        peers=row["dstaddr"] or count_of(row["peers"], "address", "addresses"), protocol=row["protocol"], use=row["use"]
    )
    subject: dict[str, Any] = {
        "srcaddr": row["srcaddr"],
        "dstaddr": one_or_list(one["dstaddr"] for one in members),
        "protocol": row["protocol"],
    }
    if row["protocol"] == 6:
        subject["dstport"] = one_or_list(one["dstport"] for one in members)
    inputs = {"use": row["use"], "srcaddr": row["srcaddr"], "port": row["mail_port"], "protocol": row["protocol"]}
    return Finding(
        id=finding_id("unusual_port", inputs),
        rule="unusual_port",
        title=f"{who} {said}",
        severity=severity,
        confidence=confidence,
        subject=subject,
        first_seen=iso(row["first_s"]),
        last_seen=iso(row["last_s"]),
        count=row["conversations"],
        explanation=(
            f"{who} {said}: {count_of(row['conversations'], 'conversation')}, {row['answered']:,} answered, "
            f"{row['sent_bytes']:,} bytes sent and {row['received_bytes']:,} received, open for "
            f"{row['open_s'] / 60:,.0f} minutes in all. {why}"
        ),
        could_also_be=otherwise,
        next_step=f"See which program on {who} holds the connection, and ask its owner: {look_up(row['srcaddr'])}",
        evidence=members[:20],
        attack=(attack,) if attack else (),
    )
