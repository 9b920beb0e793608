"""Time at the limit: levels are exact sums of windows, a limit is the instance's, and a burst is not a limit."""

from __future__ import annotations

import pytest

from flowkit.performance import saturation
from flowkit.performance.saturated_interface import saturated_interface
from tests.performance.rows import T, around
from tests.rows import flow, flows_of

#: 1 Mbit/s, which is 7,500,000 bytes in a window of 60 s.
FULL = 7_500_000
INVENTORY = {
    "interfaces": [
        {
            "interface_id": f"eni-{n}",
            "account_id": "123456789012",
            "private_addresses": [f"10.0.0.{n}"],
            "instance_id": "i-1",
        }
        for n in (1, 2)
    ],
    "instances": [{"instance_id": "i-1", "instance_type": "t9.tiny", "baseline_gbps": 0.001}],
}


def busy(minutes, size=FULL, **fields):
    return [
        flow(**{"start_s": T + 60 * n, "bytes": size, "flow_direction": "egress", **fields}) for n in range(minutes)
    ]


def first(rows, **more):
    return saturation(flows_of(rows, **more)).table.iloc[0]


def test_saturation_measures_time_above_shares_of_the_baseline():
    rows = [*busy(2), *busy(5, FULL * 9 // 10)[2:], *busy(9, FULL * 7 // 10)[5:], *busy(10, FULL * 7 // 10 - 75)[9:]]
    row = first(rows, inventory=INVENTORY)
    assert (row.baseline_bps, row.max_bps) == (1_000_000, 1_000_000)
    assert (row.above_100_s, row.above_90_s, row.above_70_s) == (120, 300, 540)
    assert (row.longest_high_s, row.first_s, row.last_s) == (300, T, T + 299)


def test_saturation_adds_what_overlaps():
    # Half the level for two minutes, and as much again in the second one.
    rows = [flow(start_s=T, end_s=T + 119, bytes=FULL, flow_direction="egress"),
            flow(start_s=T + 60, bytes=FULL // 2, srcport=41000, flow_direction="egress")]  # fmt: skip
    row = first(rows, inventory=INVENTORY)
    assert (row.max_bps, row.above_90_s) == (1_000_000, 60)


def test_saturation_adds_the_interfaces_of_one_instance():
    rows = busy(3, FULL // 2) + busy(3, FULL // 2, interface_id="eni-2", srcaddr="10.0.0.2", dstaddr="10.0.0.9")
    row = first(rows, inventory=INVENTORY)
    assert (row.interfaces, row.max_bps, row.above_90_s, row.interface_id) == (2, 1_000_000, 180, "eni-1")


def test_saturation_tells_directions_apart_and_leaves_out_what_was_refused():
    rows = busy(2) + busy(1, flow_direction="ingress") + busy(1, srcport=41000, action="REJECT")
    table = saturation(flows_of(rows, inventory=INVENTORY)).table
    assert table[["direction", "max_bps", "above_90_s"]].values.tolist() == [
        ["egress", 1_000_000, 120],
        ["ingress", 1_000_000, 60],
    ]


def test_saturation_without_an_inventory_knows_no_baseline_and_says_so():
    answer = saturation(flows_of(busy(3)))
    assert answer.table[["baseline_bps", "above_90_s"]].isna().all(axis=None)
    assert "No baseline bandwidth is known" in answer.caveats[1]


def test_saturated_interface_fires_after_twenty_minutes_at_the_baseline():
    (finding,) = saturated_interface(flows_of(around(busy(20)), inventory=INVENTORY))
    assert (finding.rule, finding.severity, finding.subject) == (
        "saturated_interface",
        "medium",
        {"interface_id": "eni-1"},
    )
    assert finding.title == "eni-1: egress at the instance's baseline bandwidth for 20 minutes"
    assert (finding.first_seen, finding.last_seen) == ("2023-11-14T22:10:00Z", "2023-11-14T22:29:59Z")
    assert "Flow logs cannot show that it did." in finding.explanation


def test_saturated_interface_stays_quiet_a_minute_earlier():
    assert saturated_interface(flows_of(around(busy(19)), inventory=INVENTORY)) == []


def test_saturated_interface_stays_quiet_below_ninety_percent():
    assert saturated_interface(flows_of(around(busy(30, FULL * 9 // 10 - 75)), inventory=INVENTORY)) == []
    assert len(saturated_interface(flows_of(around(busy(30, FULL * 9 // 10)), inventory=INVENTORY))) == 1


def test_saturated_interface_bridges_one_window_but_not_two():
    gap = [row for row in busy(22) if row["start_s"] != T + 600]
    assert len(saturated_interface(flows_of(around(gap), inventory=INVENTORY))) == 1
    wide = [row for row in busy(23) if not T + 600 <= row["start_s"] <= T + 660]
    assert saturated_interface(flows_of(around(wide), inventory=INVENTORY)) == []


def test_saturated_interface_is_low_where_credits_carry_it():
    (finding,) = saturated_interface(flows_of(around(busy(20, 3 * FULL)), inventory=INVENTORY))
    assert finding.severity == "low"
    assert finding.title == "eni-1: egress above the instance's baseline bandwidth for 20 minutes"


def test_saturated_interface_calls_a_flat_ceiling_low_without_a_baseline():
    (finding,) = saturated_interface(flows_of(around(busy(20, 40 * FULL))))
    assert (finding.severity, finding.confidence) == ("low", 0.3)
    assert finding.title == "eni-1: egress flat at a level it never exceeded for 20 minutes"


def test_saturated_interface_calls_no_ceiling_what_is_the_usual_level_or_small_or_a_gateway():
    assert saturated_interface(flows_of(busy(60, 40 * FULL))) == []
    assert saturated_interface(flows_of(around(busy(20, 29 * FULL)))) == []
    gateway = {"interfaces": [{"interface_id": "eni-1", "interface_type": "nat_gateway"}]}
    assert saturated_interface(flows_of(around(busy(20, 40 * FULL)), inventory=gateway)) == []


def test_saturation_has_the_same_columns_without_records():
    table = saturation(flows_of([])).table
    assert list(table.columns) == list(saturation(flows_of(busy(1))).table.columns)
    assert table.empty


def test_saturation_names_the_field_it_lacks():
    flows = flows_of([{k: v for k, v in flow().items() if k != "bytes"}])
    assert saturation(flows).missing == ("bytes",)
    assert saturated_interface(flows) == []


@pytest.mark.parametrize("order", [1, -1])
def test_saturation_does_not_depend_on_the_order_of_records(order):
    rows = [*busy(5, 1_234_567), *busy(5, 7_654_321, srcport=41000)]
    # 8,888,888 bytes in 60 s, rounded down.
    assert first(rows[::order], inventory=INVENTORY).max_bps == 1_185_185
