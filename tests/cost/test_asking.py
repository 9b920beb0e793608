"""A query runs once per Flows, however many questions need its rows."""

from __future__ import annotations

from decimal import Decimal

import pytest

from flowkit import cost
from tests.cost.rows import hop, inventory
from tests.rows import flows_of


def test_a_query_runs_once_and_its_answers_do_not_share_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    flows = flows_of(hop("a", "b", 10**9), inventory=inventory())
    first = cost.cross_az(flows)
    ran: list[str] = []
    real = type(flows).arrow
    monkeypatch.setattr(type(flows), "arrow", lambda self, text: ran.append(text) or real(self, text))
    first.table["billed_bytes"] = 0
    again = cost.cross_az(flows)
    assert ran == []
    assert sum(again.table["estimated_usd"], Decimal(0)) == Decimal("0.02")
    assert list(again.table["billed_bytes"]) == [10**9, 10**9]
    cost.cross_az(flows, region="eu-west-1")
    assert len(ran) == 1
