"""The rule of `failing_services`: an application path that never works and is tried again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flowkit.finding import Finding, finding_id, iso, look_up
from flowkit.flows import Flows
from flowkit.performance.failing_services import failing_services
from flowkit.question import Answer

__all__ = ["failing_service", "findings"]

Row = Mapping[str, Any]

#: How attempts fail, most telling first: in the title, and how sure that makes the finding.
_KINDS = {
    "rejected": ("refused", 0.95),
    "refused_at_source": ("refused on their way out", 0.95),
    "return_rejected": ("let in, but the answers are refused", 0.9),
    "reset": ("answered by a reset", 0.85),
    "ignored": ("let in, but not answered", 0.75),
    "no_reply": ("not answered", 0.7),
}

_WHY = {
    "rejected": (
        "The server's interface refused the packets: no inbound rule of its security group or network ACL allows them."
    ),
    "refused_at_source": (
        "The client's own interface refused the packets: no outbound rule of its security group or network ACL allows"
        " them."
    ),
    "return_rejected": (
        "The packets were let in and answered, but the answers were refused: a network ACL, which needs a rule for "
        "each direction."
    ),
    "reset": "Each was answered by a reset: nothing listens on this port, or it turns clients away.",
    "ignored": (
        "The server's interface let the packets in, and nothing came back: the host or its own firewall drops them."
    ),
    "no_reply": (
        "The packets left the client, and nothing came back. The server's interface did not log them: they were lost "
        "on the way, or it is not logged."
    ),
}

_COULD_ALSO_BE = {
    "rejected": (
        "A client that should have been taken away, or somebody inside who tries a port that is closed on purpose."
    ),
    "refused_at_source": "Software that the rule is meant to keep from calling out.",
    "return_rejected": "Answers that came after the connection had ended, if the rules turn out to be right.",
    "reset": "A service that is down for now, or a health check of a port that is not in use any more.",
    "ignored": "An overloaded server, or answers that leave through another interface.",
    "no_reply": "A host that was taken away, or answers on a path that is not logged.",
}

_GROUPS, _SUBNET = "NetworkInterfaces[].Groups[]", "NetworkInterfaces[].SubnetId"

#: What to do, whose interface to look at (`src` or `dst`), and what of it.
_NEXT = {
    "rejected": (
        "If the path is wanted, allow inbound TCP {port} from these clients in the server's security group (and its "
        "subnet's network ACL); else stop the clients. The server's groups: ",
        "dst",
        _GROUPS,
    ),
    "refused_at_source": (
        "If the path is wanted, allow outbound TCP {port} in the client's security group and its subnet's network ACL; "
        "else stop the client. Its groups: ",
        "src",
        _GROUPS,
    ),
    "return_rejected": (
        "Allow TCP 1024-65535 back to the clients in the network ACL of the subnet that refused the answers. "
        "The server's subnet: ",
        "dst",
        _SUBNET,
    ),
    "reset": (
        "Check that the service runs and listens on port {port} of that address, not only on the loopback address. "
        "Whose it is: ",
        "dst",
        "",
    ),
    "ignored": (
        "Check that something listens on port {port} of the host, and what the host's own firewall drops. "
        "Which host it is: ",
        "dst",
        "",
    ),
    "no_reply": (
        "Check that the host runs and that there is a route to it and back; look at the log of its interface. "
        "Whether it is yours: ",
        "dst",
        "",
    ),
}

_EVIDENCE = (
    "srcaddr", "dstaddr", "called_address", "dstport", "attempts", "failed", "rejected", "return_rejected", "reset",
    "no_reply", "first_s", "last_s",
)  # fmt: skip


def failing_service(flows: Flows, *, min_attempts: int = 20, min_span_s: int = 900) -> list[Finding]:
    """The rule: every path of `failing_services`, by server and port, or by client where three or more servers fail."""
    answer = failing_services(flows, min_attempts=min_attempts, min_span_s=min_span_s, top_n=2000)
    return findings(answer) if answer.answerable else []


def findings(answer: Answer) -> list[Finding]:
    """Findings of an answer of `failing_services`.

    Medium where the path is internal and one of our own hosts is known to stand at its other end; low where the server
    is outside, or nobody knows whether it exists.
    """
    table = answer.table
    rows: list[Row] = [
        {str(name): value for name, value in row.items()}
        for row in table.astype(object).where(table.notna(), None).to_dict("records")
    ]
    return [_finding(group) for group in _gathered(rows)]


def _gathered(rows: Sequence[Row]) -> list[list[Row]]:
    """Paths that belong together: the clients of a server, or the servers of a client with three or more that fail."""
    targets: dict[tuple[Any, ...], int] = {}
    for row in rows:
        targets[_client(row)] = targets.get(_client(row), 0) + 1
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        server = (row["dst_network"], row["dstaddr"], row["dstport"], _kind(row))
        groups.setdefault(_client(row) if targets[_client(row)] >= 3 else server, []).append(row)
    return list(groups.values())


def _client(row: Row) -> tuple[Any, ...]:
    return (row["src_network"], row["srcaddr"], row["dstport"], _kind(row), "client")


def _kind(row: Row) -> str:
    """How most of the attempts failed; of equals the more telling."""
    kind = max(("rejected", "return_rejected", "reset", "no_reply"), key=lambda state: int(row[state]))
    if kind == "rejected" and row["refused_at_source"]:
        return "refused_at_source"
    return "ignored" if kind == "no_reply" and row["let_in"] else kind


def _finding(rows: Sequence[Row]) -> Finding:
    kind, first = _kind(rows[0]), rows[0]
    clients, servers = sorted({str(row["srcaddr"]) for row in rows}), sorted({str(row["dstaddr"]) for row in rows})
    attempts, failed = sum(int(row["attempts"]) for row in rows), sum(int(row["failed"]) for row in rows)
    port = f"TCP port {first['dstport']}" + (f" ({first['service']})" if first["service"] else "")
    known = kind in ("rejected", "return_rejected") or all(row["dst_interface_id"] for row in rows)
    internal = all(row["path"] == "internal" for row in rows)
    broke = any(_broke(row) for row in rows)
    who, whom = _named(clients, first, "src", "clients"), _named(servers, first, "dst", "servers")
    stable = {"dstport": int(first["dstport"]), **({"srcaddr": clients} if len(servers) > 1 else {"dstaddr": servers})}
    return Finding(
        id=finding_id("failing_service", stable),
        rule="failing_service",
        title=f"{whom}, {port}: attempts of {who} are {_KINDS[kind][0]}",
        severity="medium" if internal and known else "low",
        confidence=round(_KINDS[kind][1] - (0.0 if known else 0.2) - (0.1 if broke else 0.0), 2),
        subject={
            "srcaddr": clients[0] if len(clients) == 1 else clients,
            "dstaddr": servers[0] if len(servers) == 1 else servers,
            "dstport": int(first["dstport"]),
            "protocol": 6,
        },
        first_seen=iso(min(int(row["since_s"] if _broke(row) else row["first_s"]) for row in rows)),
        last_seen=iso(max(int(row["last_s"]) for row in rows)),
        count=failed,
        evidence=[{name: row[name] for name in _EVIDENCE if row[name] is not None} for row in rows[:20]],
        explanation=(
            f"{failed:,} of {attempts:,} attempts failed. {_WHY[kind]}{_called(rows)}{' It worked before.' * broke}"
        ),
        could_also_be=_COULD_ALSO_BE[kind],
        next_step=_next_step(kind, first),
    )


def _next_step(kind: str, row: Row) -> str:
    text, side, show = _NEXT[kind]
    return text.format(port=row["dstport"]) + look_up(str(row[f"{side}addr"]), show=show)


def _broke(row: Row) -> bool:
    """Whether the path worked, and stopped."""
    return int(row["failed_since"]) < int(row["failed"]) or int(row["failed"]) < int(row["attempts"])


def _named(addresses: Sequence[str], row: Row, side: str, noun: str) -> str:
    if len(addresses) > 1:
        return f"{len(addresses)} {noun}"
    name = row[f"{side}_name"]
    return f"{name} ({addresses[0]})" if name else addresses[0]


def _called(rows: Sequence[Row]) -> str:
    called = sorted({str(row["called_address"]) for row in rows if row["called_address"]})
    if not called:
        return ""
    return f" The clients called {', '.join(called)}, which this interface carries for a pod or as a secondary address."
