"""The tables that every question reads, and how each is made from `raw_records`.

    raw_records -> records -> interfaces -> addresses -> conversations -> parts, services_hour
                        \\-> flows -> windows; gaps

`build` runs the steps in order on an engine; what only the steps need is dropped as soon as it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from flowkit.engines import bind
from flowkit.tables import addresses, conversations, initiator, interfaces, legs, parts, records
from flowkit.tables.keys import address_keys

__all__ = ["HALO_S", "TABLES", "Facts", "Workbench", "build", "flows_view", "prepare"]

#: The tables that a question may name.
TABLES = (
    "flows", "records", "gaps", "windows", "interfaces", "addresses", "conversations", "conversation_parts",
    "services_hour", "connections_open",
)  # fmt: skip

#: The bits of `tcp_flags`, FIN to URG.
_FLAG_BITS = (1, 2, 4, 8, 16, 32)

#: How far beyond the period records are read for conversations: an idle gap and one long window (rule 5).
HALO_S = 350 + 600

#: How many records a share of the conversations may have, before there are two. Measured in docs/decisions/shares.md.
SHARE_RECORDS = 2_500_000

#: AWS's default time-out for tracking an idle established TCP connection, in seconds (rule 10).
TRACKING_S = 432_000


class Workbench(Protocol):
    """What building tables asks of an engine, beyond running queries."""

    def run(self, sql: str) -> pa.Table:
        """Run one query and return its rows."""
        ...

    def execute(self, sql: str) -> None:
        """Run a statement whose rows nobody wants."""
        ...

    def register(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table readable under `name`."""
        ...

    def scatter(self, name: str, sql: str, column: str, shares: int) -> None:
        """Make rows readable under `name`, and those whose `column` is n under `name_n`, for n from 0 to `shares`."""
        ...


@dataclass(frozen=True, slots=True)
class Facts:
    """What had to be known before the tables could be made."""

    since_s: int
    until_s: int
    interval_s: int
    first_s: int
    last_s: int
    late: bool
    overlap: bool
    records: int
    flag_bits: tuple[int, ...]

    @property
    def shares(self) -> int:
        """In how many shares conversations are made, so that what one needs fits into memory."""
        return 1 + self.records // SHARE_RECORDS


def prepare(
    engine: Workbench,
    columns: Sequence[str],
    *,
    small: Mapping[str, pa.Table],
    richness: Mapping[str, int],
    since_s: int | None,
    until_s: int | None,
) -> Facts:
    """Make `records`, the observers, the election and `flows` as views; find out the facts about the log."""
    engine.execute(f"CREATE VIEW records AS {records.records_sql(columns)}")
    for name, table in small.items():
        engine.register(name, table)
    engine.register(
        "log_richness",
        pa.table(
            {
                "flow_log_id": pa.array(list(richness), pa.string()),
                "richness": pa.array(list(richness.values()), pa.int64()),
            }
        ),
    )
    span = engine.run(
        "SELECT min(start_s) AS first_s, max(COALESCE(end_s, start_s)) AS last_s, max(start_s) AS last_start_s, "
        "CAST(sum(CASE WHEN end_s - start_s > 90 THEN 1 ELSE 0 END) AS BIGINT) AS long_rows, count(*) AS n, "
        + "".join(f"max(tcp_flags % {2 * bit} - tcp_flags % {bit}) AS bit_{bit}, " for bit in _FLAG_BITS)
        + "count(DISTINCT flow_log_id) AS logs FROM records WHERE status = 'OK'"
    ).to_pylist()[0]
    first_s, last_s = span["first_s"] or 0, span["last_s"] or 0
    interval_s = 600 if (span["long_rows"] or 0) * 1000 > span["n"] else 60
    since = since_s if since_s is not None else first_s
    until = until_s if until_s is not None else (span["last_start_s"] + 1 if span["last_start_s"] is not None else 0)
    _make(engine, "observers", interfaces.OBSERVERS)
    _make(engine, "own_addresses", interfaces.OWN_ADDRESSES)
    _make(engine, "nat_observers", f"{interfaces.NAT_BY_PACKETS}")
    engine.execute(f"INSERT INTO nat_observers {interfaces.NAT_BY_BYTES}")
    _make(engine, "all_interfaces", interfaces.ALL_INTERFACES)
    _make(engine, "refused", records.REFUSED)
    _make(engine, "late_rejects", bind(records.LATE_REJECTS, tracking_s=TRACKING_S))
    _drop(engine, "refused")
    _make(engine, "elected", records.ELECTED if span["logs"] > 1 else records.NONE_ELECTED)
    return Facts(
        since, until, interval_s, first_s, last_s,
        late=_any(engine, "late_rejects"), overlap=_any(engine, "elected"), records=span["n"],
        flag_bits=tuple(bit for bit in _FLAG_BITS if span[f"bit_{bit}"]),
    )  # fmt: skip


def build(
    engine: Workbench,
    facts: Facts,
    *,
    bounded: bool,
    keep: Callable[[str, str], None],
    add: Callable[[str, str], None],
) -> None:
    """Make the derived tables. `keep(name, sql)` stores a table that stays, `add(name, sql)` more rows of one.

    Steps in between are dropped. `bounded` says that a period was asked for, so that records outside it do not count.
    """
    keep("gaps", bind(records.GAPS, since_s=facts.since_s, until_s=facts.until_s))
    keep("windows", records.WINDOWS)
    keep("interfaces", interfaces.INTERFACES)
    _make(engine, "seen", addresses.SEEN)
    distinct = engine.run("SELECT DISTINCT address FROM seen").column(0)
    engine.register("address_keys", pa.table({"address": distinct, "addr_key": address_keys(distinct)}))
    _make(engine, "seen_keyed", addresses.SEEN_KEYED)
    _make(engine, "claims", addresses.CLAIMS)
    _make(engine, "owners", addresses.OWNERS)
    keep("addresses", addresses.ADDRESSES)
    _drop(engine, "seen", "seen_keyed", "claims", "owners")
    from_s, to_s = (facts.since_s - HALO_S, facts.until_s + HALO_S) if bounded else (None, None)
    text = legs.legs_sql(shares=facts.shares, late=facts.late, overlap=facts.overlap, from_s=from_s, to_s=to_s)
    engine.scatter("legs_shared", text, "share", facts.shares)
    _make(engine, "spoken_to", f"{initiator.SPOKEN_TO} LIMIT 0".replace("$share", "legs_shared_0"))
    for share in range(facts.shares):
        engine.execute(f"INSERT INTO spoken_to {initiator.SPOKEN_TO}".replace("$share", f"legs_shared_{share}"))
    _make(engine, "fan_in", initiator.FAN_IN)
    _make(engine, "served", conversations.SERVED)
    _make(engine, "hosts", conversations.HOSTS)
    _make(engine, "skipped", conversations.SKIPPED)
    verdicts = engine.run("SELECT DISTINCT action FROM windows").column(0).to_pylist()
    one_action = len(set(verdicts) - {None}) == 1
    for share in range(facts.shares):
        _converse(engine, facts, share, bounded=bounded, one_action=one_action, add=add if share else keep)
    _drop(engine, "spoken_to", "fan_in", "served", "hosts", "skipped")


def _converse(
    engine: Workbench, facts: Facts, share: int, *, bounded: bool, one_action: bool, add: Callable[[str, str], None]
) -> None:
    """Make the conversations of one share, and what is told by the hour, and `add` them."""
    inside = f"$.start_s >= {facts.since_s} AND $.start_s < {facts.until_s}" if bounded else "TRUE"
    gap_s = max(350, 2 * facts.interval_s)
    _make(engine, "legs", legs.LEGS.replace("$share", f"legs_shared_{share}"))
    _make(engine, "long_tuples", bind(legs.LONG_TUPLES, gap_s=gap_s))
    _make(engine, "sessions", bind(legs.SESSIONS, gap_s=gap_s))
    _make(engine, "sides", legs.sides_sql(inside.replace("$.", ""), facts.flag_bits))
    _make(engine, "faced", bind(initiator.faced_sql(facts.flag_bits), interval_s=facts.interval_s))
    _drop(engine, "sides")
    text = bind(
        conversations.JUDGED.replace("$in_period", inside.replace("$.", "o.")),
        interval_s=facts.interval_s,
        gap_s=gap_s,
        first_s=facts.first_s,
        last_s=facts.last_s,
        one_action=one_action,
        share=share,
        shares=facts.shares,
    )
    _make(engine, "judged", text)
    _drop(engine, "faced")
    add("conversations", conversations.CONVERSATIONS)
    _make(engine, "share_parts", parts.parts_sql(inside.replace("$.", "s."), facts.flag_bits))
    add("conversation_parts", "SELECT * FROM share_parts")
    _drop(engine, "sessions", "long_tuples", "legs")
    add("services_hour", parts.SERVICES_HOUR)
    text = parts.CONNECTIONS_OPEN.replace("$inside", inside.replace("$.", "")).replace("$share", f"legs_shared_{share}")
    add("connections_open", bind(text, interval_s=facts.interval_s))
    _drop(engine, "share_parts", "judged")


def flows_view(engine: Workbench, facts: Facts, *, bounded: bool) -> None:
    """Make the view `flows`."""
    engine.execute(
        "CREATE VIEW flows AS "
        + records.flows_sql(
            late=facts.late,
            overlap=facts.overlap,
            since_s=facts.since_s if bounded else None,
            until_s=facts.until_s if bounded else None,
        )
    )


def _make(engine: Workbench, name: str, sql: str) -> None:
    engine.execute(f"CREATE TABLE {name} AS {sql}")


def _drop(engine: Workbench, *names: str) -> None:
    for name in names:
        engine.execute(f"DROP TABLE {name}")


def _any(engine: Workbench, name: str) -> bool:
    return bool(engine.run(f"SELECT 1 FROM {name} LIMIT 1").num_rows)
