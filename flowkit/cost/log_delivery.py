"""What the delivery of the flow logs themselves costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flowkit.cost.money import book_or_default, priced, region_of
from flowkit.flows import Flows
from flowkit.prices import PriceBook
from flowkit.question import Answer, question

if TYPE_CHECKING:
    from flowkit.ledger import LedgerRow

__all__ = ["log_delivery"]

#: Where a log was delivered to, by the inventory's word or by what its records are wrapped in, to the price's item.
_ITEMS = {
    "s3": "logs_to_s3_bytes",
    "cloud-watch-logs": "logs_to_cloudwatch_bytes",
    "kinesis-data-firehose": "logs_to_firehose_bytes",
}
_BY_ENVELOPE = {
    "text": "s3",
    "gzip": "s3",
    "parquet": "s3",
    "firehose": "kinesis-data-firehose",
    "subscription": "cloud-watch-logs",
    "filter_log_events": "cloud-watch-logs",
    "export": "cloud-watch-logs",
    "csv": "cloud-watch-logs",
}

_COLUMNS = ("flow_log_id", "account_id", "region", "destination", "objects", "lines", "item", "billed_bytes")


@question(needs=(), sharper_with=("inventory",))
def log_delivery(
    flows: Flows, *, book: PriceBook | str | None = None, region: str = "", used_gb: Mapping[str, Decimal] | None = None
) -> Answer:
    """What does delivering these flow logs cost?

    One row per flow log and destination: `lines` and `billed_bytes` of uncompressed text as the ledger read them,
    before any election between overlapping logs, NODATA and SKIPDATA included. Tiers are shared with all other vended
    logs of the month: `used_gb` says how much of them is used already, per item. Parquet is charged for its text,
    which is reconstructed, and for the conversion.

    Blind spots: records that AWS lost (SKIPDATA) are billed and are in no object; storage, requests and queries come
    on top. An object that lies partly outside the period counts by its share of lines. Source: "Vended logs" on the
    CloudWatch pricing page.
    """
    book = book_or_default(book)
    home, said = region_of(flows, region)
    told = {one.flow_log_id: one.log_destination_type for one in (flows.inventory.flow_logs if flows.inventory else ())}
    sums: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    rows = [row for row in flows.ledger or () if row.text_bytes]
    for row in rows:
        place = told.get(row.flow_log_id) or _BY_ENVELOPE.get(row.envelope, "s3")
        keys = [(row.flow_log_id, row.account_id, row.region or home, place, _ITEMS[place])]
        if row.envelope == "parquet":
            keys.append((row.flow_log_id, row.account_id, row.region or home, "parquet", "logs_parquet_bytes"))
        for key in keys:
            for at, amount in enumerate((1, row.lines - row.out_of_period, _inside(row))):
                sums[key][at] += amount
    caveats = [*said]
    if any(row.envelope == "parquet" for row in rows):
        caveats.append("Estimated: the text size of Parquet objects is reconstructed from their rows.")
    if any(row.out_of_period for row in rows):
        caveats.append("Objects that lie partly outside the period count by their share of lines.")
    answer = Answer("", caveats=tuple(caveats), records=flows.records, _table=_table(sums))
    return priced(answer, book, used_gb=used_gb)


def _inside(row: LedgerRow) -> int:
    """The text of an object that belongs to the period, by its share of lines; whole bytes."""
    if not row.out_of_period or not row.lines:
        return row.text_bytes
    return row.text_bytes * (row.lines - row.out_of_period) // row.lines


def _table(sums: Mapping[tuple[str, ...], list[int]]) -> Any:
    import pandas as pd

    rows = [
        (log, account, region, place, objects, lines, item, size)
        for (log, account, region, place, item), (objects, lines, size) in sums.items()
    ]
    rows.sort(key=lambda row: (-row[7], row[0], row[3], row[2], row[1]))
    frame = pd.DataFrame(rows, columns=list(_COLUMNS))
    text = dict.fromkeys(("flow_log_id", "account_id", "region", "destination", "item"), "string")
    return frame.astype({**text, "objects": "Int64", "lines": "Int64", "billed_bytes": "Int64"})
