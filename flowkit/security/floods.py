"""Floods: more packets than anybody who means to talk would send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowkit.engines import bind
from flowkit.finding import Finding, finding_id, iso
from flowkit.question import Answer, question
from flowkit.security.flood_judgement import FLOODS, MANY_SOURCES
from flowkit.security.flood_traffic import FLOOD_TRAFFIC
from flowkit.security.wording import MOST_LISTED, aws_cli, count_of, host, look_up, one_or_list, rows_of, service

if TYPE_CHECKING:
    from flowkit.flows import Flows

__all__ = ["flood", "floods"]

_KEYS = ", key_id, inside"

_CAVEATS = (
    "Ten minutes are judged at a time, and a flood of a second is spread over its window: peak_pps is the mean of the "
    "worst ten minutes, a lower bound.",
    "Sources of a flood may be forged; then the list names addresses that have nothing to do with it.",
)


@question(needs=("srcaddr", "dstaddr", "packets"), sharper_with=("tcp_flags", "action", "inventory"))
def floods(flows: Flows, *, top_n: int = 50) -> Answer:
    """Was anybody flooded, and did a host of ours take part?

    Rows per target and kind with an unusual number of packets in ten minutes, SYNs by `port` too: `kind` is `syn`
    (handshakes that led to nothing), `udp` (without a word back), `icmp`, `amplified` (answers of amplification ports
    that nobody asked for), `reflected` (a host of ours gives such answers) or `backscatter` (an outside host answers
    SYNs that our address never sent: it was forged). `role` says whether we are the `victim`, the `source` or
    `spoofed`. `peers` other ends, `packets` and `bytes` in all, `refused_share` of the packets refused by a rule,
    `peak_pps` in the worst ten minutes, `usual_pps` the median of all ten minutes in the log.

    `reading` is `flood`, or what speaks against it: `usual` (less than three times the median or nine median deviations
    above it, once there are four hours to compare), `both ways` (ICMP that both ends sent alike: nobody can say who
    began), `known peers` (clients that were served at other times, one way streams between hosts that talk, scans);
    `backscatter` stands for itself.

    Blind spots: floods of whole requests, which look like visitors; what AWS Shield or a network ACL drops before the
    interface; floods shorter than they are strong (below 1,000 SYNs or 60,000 datagrams in ten minutes); SYNs spread
    over many ports, which read as scans. Source: Moore, Shannon, Brown, Voelker, Savage, "Inferring Internet
    Denial-of-Service Activity", ACM TOCS 2006; Rossow, "Amplification Hell", NDSS 2014; Leys et al., "Detecting
    outliers: use absolute deviation around the median", 2013.

    >>> import flowkit
    >>> flowkit.security.floods(flowkit.open("sample:")).table.columns[0]
    'reading'
    """
    return flows.ask(bind(FLOODS.replace("$keys", ""), top_n=top_n), caveats=_CAVEATS)


#: Who took part, most packets first: their number may be that of all forged addresses, so it is cut.
_MEMBERS = f"""
WITH {FLOOD_TRAFFIC.strip()}
SELECT from_addr AS srcaddr, to_addr AS dstaddr, from_port AS srcport, to_port AS dstport, protocol,
       CAST(packets AS BIGINT) AS packets, bytes, start_s, end_s
FROM weighed
WHERE kind = $kind AND CASE WHEN kind = 'reflected' THEN from_id ELSE to_id END = $key_id
  AND start_s >= $first_s AND end_s <= $last_s
ORDER BY packets DESC, start_s, srcaddr, srcport, dstaddr, dstport
LIMIT 20000
"""

#: From 500 SYNs a second an unprotected server fails (Chang 2002, cited by Moore et al.): 300,000 in ten minutes.
_OVERWHELMING_PPS = 500
#: A client that tries again, be it a pool of workers, hardly sends more SYNs than this.
_BUSY_CLIENT_PPS = 50

_KINDS = {
    "syn": ("a SYN flood", "handshakes that never led to anything", "T1499.001"),
    "udp": ("a UDP flood", "datagrams that were never answered", "T1498.001"),
    "icmp": ("an ICMP flood", "ICMP packets", "T1498.001"),
    "amplified": ("an amplification attack", "answers that it never asked for", "T1498.002"),
    "reflected": ("an amplification attack", "answers many times as large as the questions", "T1498.002"),
}
_ELSE = {
    "syn": "A crowd of clients whose server went down; a load test of your own.",
    "udp": "A load test; a stream or a collector of telemetry whose answers this log does not hold.",
    "icmp": "A monitor or a network test (`ping -f`, a path MTU probe) of your own.",
    "amplified": "Late answers to questions that were asked before this log begins.",
    "reflected": "A public name or time server that you run on purpose.",
}


def flood(flows: Flows) -> list[Finding]:
    """Findings of `floods`, one per victim and kind.

    High where a host of ours takes part (SYNs to few: from 50 a second, which no client that tries again does), or 500
    packets a second and more came in; medium else. ICMP that both ends
    sent alike is low, forged addresses of ours are info.
    """
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    rows = rows_of(flows.sql(bind(FLOODS.replace("$keys", _KEYS), top_n=500)))
    for row in rows:
        if row["reading"] in ("flood", "both ways", "backscatter") and not _on_its_way(row, rows):
            groups.setdefault((row["reading"], row["kind"], row["key_id"]), []).append(row)
    return [
        _backscatter(members) if kind == "backscatter" else _finding(flows, members)
        for (_, kind, _), members in groups.items()
    ]


def _on_its_way(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether this is what another row tells, seen on its way out at a NAT gateway that nothing makes known as one.

    At the same time an address outside got as much (within a tenth) of the same kind, from the same source, or, since
    what leaves the gateway shows too, from both.
    """
    return bool(row["inside"] and row["srcaddr"]) and any(
        not other["inside"]
        and other["kind"] == row["kind"]
        and (other["srcaddr"] == row["srcaddr"] or other["peers"] == 2)
        and abs(other["packets"] - other["peers"] * row["packets"]) * 10 <= other["packets"]
        and other["first_s"] <= row["last_s"]
        and row["first_s"] <= other["last_s"]
        for other in rows
    )


def _finding(flows: Flows, members: Sequence[Mapping[str, Any]]) -> Finding:
    row = members[0]
    kind, ours, unsure = row["kind"], row["role"] == "source", row["reading"] == "both ways"
    first_s, last_s = min(one["first_s"] for one in members), max(one["last_s"] for one in members)
    rows = rows_of(flows.sql(bind(_MEMBERS, kind=kind, key_id=row["key_id"], first_s=first_s, last_s=last_s)))
    sources, targets = ({one[name] for one in rows} for name in ("srcaddr", "dstaddr"))
    ports = sorted({one["port"] for one in members if one["port"] is not None})
    packets, peak = sum(one["packets"] for one in members), max(one["peak_pps"] for one in members)
    name, what, attack = _KINDS[kind]
    who = (
        host(row["srcaddr"], row["src_name"]) if row["srcaddr"] else count_of(max(len(sources), row["peers"]), "source")
    )
    whom = (
        host(row["dstaddr"], row["dst_name"])
        if row["dstaddr"]
        else count_of(len(targets), "outside address", "outside addresses")
    )
    at = f" at {service(ports[0], row['protocol'])}" if len(ports) == 1 else ""
    subject = {"srcaddr": one_or_list(sources), "dstaddr": one_or_list(targets), "protocol": row["protocol"]}
    if ports and kind == "syn":
        subject["dstport"] = one_or_list(ports)
    if kind == "reflected":
        subject["srcport"] = one_or_list(ports)
    listed = f" The subject lists the first {MOST_LISTED:,}." if max(len(sources), len(targets)) > MOST_LISTED else ""
    least = _OVERWHELMING_PPS if not ours else _BUSY_CLIENT_PPS if kind == "syn" else 0
    refused = sum(one["packets"] * one["refused_share"] for one in members) / packets
    grave = peak >= least and (ours or refused <= 0.99)
    met = (
        "All of it was refused at the interface, so only bandwidth was lost. "
        if refused > 0.99
        else "Rules refused part of it. "
        if refused > 0.01
        else ""
    )
    return Finding(
        id=finding_id("flood", {"kind": kind, "key": row["srcaddr" if kind == "reflected" else "dstaddr"]}),
        rule="flood",
        title=f"{who} sent {name}{at} to {whom}" if ours else f"{whom} met {name}{at} from {who}",
        severity="low" if unsure else "high" if grave else "medium",
        confidence=0.3 if unsure else 0.9 if row["peers"] >= MANY_SOURCES else 0.8,
        subject=subject,
        first_seen=iso(first_s),
        last_seen=iso(last_s),
        count=packets,
        explanation=(
            f"{whom} got {packets:,} packets in all, {what}; {peak:,.0f} a second in the worst ten minutes, "
            f"where {max(one['usual_pps'] for one in members):,.1f} are usual. {met}"
            + (
                "A host of yours takes part in an attack on others: most likely it is no longer yours alone."
                if ours
                else "This much, and nothing of it a conversation, keeps others out."
            )
            + (" Both ends sent alike, so who began cannot be told." if unsure else "")
            + listed
        ),
        could_also_be=_ELSE[kind],
        next_step=(
            f"Isolate {who} in a security group without rules, and find out what runs there: {look_up(min(sources))}"
            if ours
            else "Refuse the sources in the network ACL, and put AWS Shield, CloudFront or a load balancer in front. "
            f"The interface it has: {look_up(min(targets))}"
        ),
        evidence=rows[:20],
        attack=(attack,),
    )


def _backscatter(members: Sequence[Mapping[str, Any]]) -> Finding:
    row = members[0]
    packets = sum(one["packets"] for one in members)
    return Finding(
        id=finding_id("flood", {"kind": "backscatter", "key": row["srcaddr"]}),
        rule="flood",
        title=f"{row['srcaddr']} answers connections that nobody here began",
        severity="info",
        confidence=0.7,
        subject={"srcaddr": row["srcaddr"], "srcport": one_or_list(one["port"] for one in members), "protocol": 6},
        first_seen=iso(min(one["first_s"] for one in members)),
        last_seen=iso(max(one["last_s"] for one in members)),
        count=packets,
        explanation=(
            f"{row['srcaddr']} sent {count_of(packets, 'SYN-ACK')} to "
            f"{count_of(max(one['peers'] for one in members), 'address', 'addresses')} of yours that had sent it none. "
            "It is probably under a SYN flood in which your address was forged; nothing of yours takes part."
        ),
        could_also_be="Asymmetric routes: the SYNs left by an interface that is not logged.",
        next_step=(
            "Nothing, unless the owner of that address complains; then show that no SYN left you. The interface: "
            + (look_up(row["dstaddr"]) if row["dstaddr"] else aws_cli("ec2", "describe-network-interfaces"))
        ),
        evidence=list(members)[:20],
        attack=("T1498",),
    )
