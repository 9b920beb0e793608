"""Rule 9: a handshake that was answered and never finished is suspected, not seen."""

from __future__ import annotations

from flowkit.performance import half_open
from flowkit.performance.half_open import half_open_rule
from tests.performance.rows import T, answered, around, gap, left_open, reset, without_flags
from tests.rows import flow, flows_of


def many(times, make=left_open, **fields):
    return [row for n in range(times) for row in make(**{"srcport": 30000 + n, "start_s": T + 10 * n, **fields})]


def test_half_open_fires_on_a_client_that_never_finishes():
    (finding,) = half_open_rule(flows_of(around(many(50))))
    assert (finding.rule, finding.severity, finding.count) == ("half_open", "medium", 50)
    assert finding.subject == {"srcaddr": "10.0.0.1", "dstaddr": "10.0.0.2", "dstport": 443, "protocol": 6}
    assert finding.confidence == 0.75


def test_half_open_fires_by_packets_where_there_are_no_flags():
    flows = flows_of(around(without_flags(many(50)), flags=False))
    (finding,) = half_open_rule(flows)
    assert (finding.severity, finding.confidence) == ("medium", 0.6)
    assert len(half_open(flows).caveats) == 2


def test_half_open_stays_quiet_below_fifty():
    assert half_open_rule(flows_of(around(many(49)))) == []


def test_half_open_leaves_out_clients_below_twenty():
    rows = many(50) + many(19, srcaddr="10.0.0.3") + many(20, srcaddr="10.0.0.4")
    (finding,) = half_open_rule(flows_of(around(rows)))
    assert (finding.subject["srcaddr"], finding.count) == (["10.0.0.1", "10.0.0.4"], 70)


def test_half_open_stays_quiet_where_half_of_the_handshakes_are_finished():
    rows = many(50) + [row for n in range(50) for row in answered(srcport=50000 + n, start_s=T + 10 * n)]
    assert half_open_rule(flows_of(around(rows))) == []


def test_half_open_leaves_out_an_idle_connection():
    # SYN, ACK and keep-alives forth, SYN-ACK and answers back: one packet more forth than back.
    knocked = {"packets": 4, "bytes": 216}
    assert half_open(flows_of(around(many(60, **knocked))), min_per_source=1).table["half_open"].sum() == 60
    longer = [{**row, "packets": 6, "bytes": 320} if row["dstport"] == 443 else row for row in many(60)]
    assert half_open(flows_of(around(longer)), min_per_source=1).table.empty


def test_half_open_without_flags_leaves_out_resets():
    assert half_open(flows_of(around(without_flags(many(60, reset)), flags=False))).table.empty


def test_half_open_is_not_judged_where_the_log_holds_one_verdict_only():
    accepted = [row for row in around(many(60)) if row["action"] == "ACCEPT"]
    assert half_open(flows_of(accepted)).table.empty
    assert half_open(flows_of(without_flags(accepted))).table.empty


def test_half_open_is_not_judged_beside_lost_records():
    skipped = gap("SKIPDATA", tcp_flags=None)
    rows = [{**row, "flow_direction": "egress" if row["dstport"] == 443 else "ingress"} for row in many(60)]
    assert half_open(flows_of(around([*rows, skipped]))).table["half_open"].sum() < 60
    plain = without_flags([*rows, skipped])
    hour = [row for row in plain if row["start_s"] < T - T % 3600 + 3600]
    assert half_open(flows_of(around(hour, flags=False))).table.empty


def test_half_open_has_the_same_columns_without_records():
    table = half_open(flows_of([])).table
    assert list(table.columns) == list(half_open(flows_of(around(many(1)))).table.columns)
    assert table.empty


def test_half_open_names_the_field_it_lacks():
    flows = flows_of([{k: v for k, v in flow().items() if k != "packets"}])
    assert half_open(flows).missing == ("packets",)
    assert half_open_rule(flows) == []
