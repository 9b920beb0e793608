"""Hand-made records for tests: only the fields that matter, the rest filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from flowkit.fields import FIELDS_BY_COLUMN, arrow_type
from flowkit.flows import Flows, from_records
from flowkit.inventory import Inventory
from flowkit.tables.keys import address_key

START_S = 1_700_000_000

_DEFAULTS = {
    "version": 2,
    "account_id": "123456789012",
    "interface_id": "eni-1",
    "srcaddr": "10.0.0.1",
    "dstaddr": "10.0.0.2",
    "srcport": 40000,
    "dstport": 443,
    "protocol": 6,
    "packets": 10,
    "bytes": 1000,
    "start_s": START_S,
    "action": "ACCEPT",
    "log_status": "OK",
}
_EXTRA = {
    "src_key": pa.string(),
    "dst_key": pa.string(),
    "record_kind": pa.string(),
    "flow_log_id": pa.string(),
    "object_id": pa.int64(),
    "row_kind": pa.string(),
}


def flow(**fields: Any) -> dict[str, Any]:
    """One record. `start_s` defaults to 1,700,000,000 and `end_s` to 59 s later."""
    row = {**_DEFAULTS, **fields}
    if row["start_s"] is not None:
        row.setdefault("end_s", row["start_s"] + 59)
    row.setdefault("flow_log_id", "fl-1")
    row.setdefault("object_id", 1)
    row.setdefault("row_kind", {"OK": "record", None: "record", "NODATA": "nodata"}.get(row["log_status"], "skipdata"))
    if "record_kind" not in row:
        regional = row.get("interface_id") is None and str(row.get("resource_id") or "").startswith("nat-")
        row["record_kind"] = "transit_gateway" if row.get("tgw_id") else "regional_nat" if regional else "interface"
    for side in ("src", "dst"):
        address = row.get(f"{side}addr")
        row.setdefault(f"{side}_key", address_key(address) if address else None)
    return row


def reply(row: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """The same record the other way round: ends swapped, the rest kept unless given."""
    turned = dict(row)
    for a, b in (("srcaddr", "dstaddr"), ("srcport", "dstport"), ("src_key", "dst_key")):
        turned[a], turned[b] = row[b], row[a]
    for a, b in (("pkt_srcaddr", "pkt_dstaddr"),):
        if a in row or b in row:
            turned[a], turned[b] = row.get(b), row.get(a)
    if "flow_direction" in row:
        turned["flow_direction"] = {"ingress": "egress", "egress": "ingress"}.get(row["flow_direction"])
    for side in ("src", "dst"):
        if f"{side}addr" in fields:
            turned.pop(f"{side}_key", None)
    return flow(**{**turned, **fields})


def table_of(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Records as an Arrow table with the columns that any of them has."""
    names = list(dict.fromkeys(name for row in rows for name in row)) if rows else [*_DEFAULTS, "end_s", *_EXTRA]
    kinds = {name: _EXTRA.get(name) or _kind(name) for name in names}
    return pa.table({name: pa.array([row.get(name) for row in rows], type=kind) for name, kind in kinds.items()})


def _kind(name: str) -> pa.DataType:
    return arrow_type(FIELDS_BY_COLUMN[name]) if name in FIELDS_BY_COLUMN else pa.string()


def flows_of(
    rows: Iterable[Mapping[str, Any]],
    *,
    inventory: Inventory | Mapping[str, Any] | None = None,
    since: str | int = "",
    until: str | int = "",
    cidrs: Sequence[str] = (),
) -> Flows:
    """Flows over hand-made records. A field that no record of a flow log has counts as lacking in its format."""
    rows = list(rows)
    logs: dict[str, dict[str, Any]] = {}
    for row in rows:
        log = logs.setdefault(
            row["flow_log_id"], {"flow_log_id": row["flow_log_id"], "fields": {}, "provenance": "header", "records": 0}
        )
        log["records"] += 1
        log["fields"].update({FIELDS_BY_COLUMN[name].name: None for name in row if name in FIELDS_BY_COLUMN})
    formats = [{**log, "fields": list(log["fields"])} for log in logs.values()]
    if isinstance(inventory, Mapping):
        inventory = Inventory.from_dict({"flowkit_inventory": 1, **inventory})
    return from_records(
        table_of(rows), formats=formats, inventory=inventory, since=since, until=until, cidrs=cidrs, source="test"
    )
