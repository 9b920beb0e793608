"""Who outside exchanged most with us."""

from __future__ import annotations

import pytest

from flowkit.errors import MissingField
from flowkit.security import external_peers
from tests.rows import flows_of
from tests.security.rows import OUTSIDE, WEB, probe, quiet, session


def rows():
    return [
        *session(OUTSIDE, WEB, 443, up=1_000, down=6_000),
        *session(WEB, "8.8.8.8", 443, sport=41_000, up=2_000, down=500),
        *session(WEB, "8.8.8.8", 8443, at_s=30, sport=41_001, up=300, down=200),
        probe("9.9.9.9", WEB, 22),
        *quiet(),
    ]


def test_external_peers_counts_bytes_from_our_point_of_view():
    table = external_peers(flows_of(rows())).table
    columns = ["address", "sent_bytes", "received_bytes", "conversations", "begun_by_us", "ports", "lowest_port"]
    assert table[columns].to_numpy().tolist() == [
        [OUTSIDE, 6_000, 1_000, 1, 0, 1, 443], ["8.8.8.8", 2_300, 700, 2, 2, 2, 443],
    ]  # fmt: skip
    assert table["bytes_share"].tolist() == [0.7, 0.3]


def test_external_peers_ignores_rejected_and_internal_conversations():
    assert external_peers(flows_of([probe("9.9.9.9", WEB, 22), *quiet()])).table.empty


def test_external_peers_keeps_to_top_n():
    assert external_peers(flows_of(rows()), top_n=1).table["address"].tolist() == [OUTSIDE]


def test_external_peers_of_nothing_has_its_columns():
    empty, full = external_peers(flows_of([])), external_peers(flows_of(rows()))
    assert empty.table.empty
    assert list(empty.table.columns) == list(full.table.columns)


def test_external_peers_without_bytes_says_so():
    without = [{name: value for name, value in row.items() if name != "bytes"} for row in rows()]
    with pytest.raises(MissingField, match="external_peers needs bytes, which this log lacks"):
        _ = external_peers(flows_of(without)).table
