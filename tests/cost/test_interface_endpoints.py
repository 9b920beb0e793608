"""Both directions at interface endpoints, once."""

from __future__ import annotations

from decimal import Decimal

from flowkit.cost import interface_endpoints
from tests.cost.rows import default_format, hop, inventory
from tests.rows import flows_of

ENDPOINT = {
    "vpc_endpoints": [
        {
            "vpc_endpoint_id": "vpce-1",
            "vpc_id": "vpc-1",
            "endpoint_type": "Interface",
            "service_name": "com.amazonaws.us-east-1.logs",
            "interface_ids": ["eni-ep"],
        }
    ]
}


def test_interface_endpoints_charge_both_directions_at_the_endpoint() -> None:
    rows = [*hop("a", "endpoint", 3 * 10**9), *hop("endpoint", "a", 10**9), *hop("b", "endpoint", 10**9)]
    table = interface_endpoints(flows_of(rows, inventory=inventory(**ENDPOINT))).table
    assert list(table["vpc_endpoint_id"]) == ["vpce-1"]
    assert list(table["service"]) == ["com.amazonaws.us-east-1.logs"]
    assert (table.loc[0, "to_bytes"], table.loc[0, "from_bytes"], table.loc[0, "clients"]) == (4 * 10**9, 10**9, 2)
    # 5 GB x 0.01.
    assert table.loc[0, "estimated_usd"] == Decimal("0.05")


def test_interface_endpoints_are_counted_at_their_clients_where_they_are_not_logged() -> None:
    rows = [*hop("a", "endpoint", 300, at="a"), *hop("endpoint", "a", 100, at="a")]
    table = interface_endpoints(flows_of(rows, inventory=inventory(**ENDPOINT))).table
    assert list(table["seen_at"]) == ["client"]
    assert (table.loc[0, "to_bytes"], table.loc[0, "from_bytes"]) == (300, 100)


def test_interface_endpoints_ignore_other_hosts_and_refused_packets() -> None:
    rows = [*hop("a", "b", 300), *hop("a", "endpoint", 300, action="REJECT")]
    assert interface_endpoints(flows_of(rows, inventory=inventory(**ENDPOINT))).table.empty


def test_interface_endpoints_work_on_the_default_format() -> None:
    rows = default_format([*hop("a", "endpoint", 300), *hop("endpoint", "a", 100)])
    assert list(interface_endpoints(flows_of(rows, inventory=inventory(**ENDPOINT))).table["billed_bytes"]) == [400]


def test_interface_endpoints_without_inventory_say_what_is_missing_and_keep_their_columns() -> None:
    some = interface_endpoints(flows_of(hop("a", "endpoint", 1), inventory=inventory(**ENDPOINT))).table
    answer = interface_endpoints(flows_of(hop("a", "endpoint", 300)))
    assert answer.table.empty
    assert list(answer.table.columns) == list(some.columns)
    assert "Without an inventory endpoints are known only where the records say interface-type." in answer.caveats
    assert interface_endpoints(flows_of([])).table.empty


def test_interface_endpoints_without_bytes_name_the_field() -> None:
    rows = [{name: value for name, value in row.items() if name != "bytes"} for row in hop("a", "endpoint", 1)]
    assert interface_endpoints(flows_of(rows)).missing == ("bytes",)
