"""Conversations that may be attempts to log in: answered, short and small, at a port where something asks for a
password.
"""

from __future__ import annotations

__all__ = ["LOGINS", "LOGIN_PORTS", "login_values", "short_s"]

#: Packets there and back that carry a question and an answer: a probe of an open port has fewer.
ASKED_PACKETS, ANSWERED_PACKETS = 4, 3
#: Least bytes of an attempt at SSH and RDP, both ways: the key exchange alone takes more (RFC 4253: two lists of
#: algorithms, two keys, a host key), a health check that only reads the banner takes less.
LEAST_BYTES = 1_500
KEY_EXCHANGE_PORTS = (22, 2222, 3389)
#: How long a failed attempt may last: three passwords typed by a program, and a server that waits before it says no.
SHORT_S = 120
#: Nor less than so many windows: its two, and one more.
SHORT_WINDOWS = 3

#: Ports that ask for a password, by family, with the most bytes (both ways) a failed attempt takes there.
#: SSH: banner, key exchange and up to three passwords stay under 10 kB (OpenSSH and libssh); a git fetch or a command
#: begins about there. RDP and directories carry a certificate. FTP: user, password, refusal.
LOGIN_PORTS: dict[int, tuple[str, int]] = {
    22: ("shell", 10_000),
    2222: ("shell", 10_000),
    23: ("shell", 10_000),
    3389: ("shell", 20_000),
    5900: ("shell", 10_000),
    5901: ("shell", 10_000),
    21: ("shell", 3_000),
    990: ("shell", 10_000),
    88: ("directory", 5_000),
    139: ("directory", 10_000),
    445: ("directory", 10_000),
    5985: ("directory", 20_000),
    5986: ("directory", 20_000),
    389: ("directory", 10_000),
    636: ("directory", 20_000),
    3268: ("directory", 10_000),
    3269: ("directory", 20_000),
    1433: ("database", 10_000),
    1521: ("database", 10_000),
    1522: ("database", 10_000),
    3306: ("database", 10_000),
    5432: ("database", 10_000),
    6379: ("database", 5_000),
    9042: ("database", 10_000),
    27017: ("database", 10_000),
    25: ("mail", 10_000),
    110: ("mail", 10_000),
    143: ("mail", 10_000),
    465: ("mail", 15_000),
    587: ("mail", 15_000),
    993: ("mail", 15_000),
    995: ("mail", 15_000),
}

_PORTS = " UNION ALL ".join(
    f"SELECT {port} AS port, '{family}' AS family, {most} AS most_bytes" for port, (family, most) in LOGIN_PORTS.items()
)

# `nth` counts short ones by time, `place` by size, for quartiles.
LOGINS = f"""
login_ports AS ({_PORTS}), logins AS (
  SELECT a.*, p.family, a.fwd_bytes + a.rev_bytes AS size_bytes,
         a.fwd_bytes + a.rev_bytes <= p.most_bytes AND a.end_s - a.start_s <= $short_s AS short
  FROM attempts a JOIN login_ports p ON p.port = a.dstport
  WHERE a.protocol = 6 AND a.answered = 1 AND a.fwd_packets >= $asked_packets AND a.rev_packets >= $answered_packets
    AND (a.dstport NOT IN $key_exchange_ports OR a.fwd_bytes + a.rev_bytes >= $least_bytes)
), shorts AS (
  SELECT l.*, row_number() OVER (PARTITION BY source, dst_id, dstport ORDER BY start_s, srcport, size_bytes) AS nth,
         row_number() OVER (PARTITION BY source, dst_id, dstport ORDER BY size_bytes, start_s, srcport) AS place,
         count(*) OVER (PARTITION BY source, dst_id, dstport) AS shorts
  FROM logins l WHERE short
)"""


def short_s(interval_s: int) -> int:
    """How many seconds a failed attempt may seem to last, at an aggregation interval of `interval_s` seconds."""
    return max(SHORT_S, SHORT_WINDOWS * interval_s)


def login_values(interval_s: int) -> dict[str, object]:
    """The values that `LOGINS` asks for, at an aggregation interval of `interval_s` seconds."""
    return {
        "short_s": short_s(interval_s), "asked_packets": ASKED_PACKETS, "answered_packets": ANSWERED_PACKETS,
        "key_exchange_ports": KEY_EXCHANGE_PORTS, "least_bytes": LEAST_BYTES,
    }  # fmt: skip
