"""A path that never works and is tried again and again; and what only looks like one."""

from __future__ import annotations

from flowkit.performance import failing_services
from flowkit.performance.failing_service import failing_service
from tests.performance.rows import T, answered, around, rejected, reset, unanswered, without_flags
from tests.rows import flow, flows_of


def again(make, times, *, every_s=60, first_port=40000, **fields):
    return [row for n in range(times) for row in make(srcport=first_port + n, start_s=T + every_s * n, **fields)]


def found(rows, **more):
    return failing_service(flows_of(around(rows), **more))


def test_failing_service_fires_on_a_path_that_is_always_refused():
    (finding,) = found(again(rejected, 20))
    assert (finding.rule, finding.severity, finding.count) == ("failing_service", "medium", 20)
    assert finding.subject == {"srcaddr": "10.0.0.1", "dstaddr": "10.0.0.2", "dstport": 443, "protocol": 6}
    assert finding.title == "10.0.0.2, TCP port 443 (https): attempts of 10.0.0.1 are refused"
    assert finding.explanation.startswith("20 of 20 attempts failed. The server's interface refused")


def test_failing_service_fires_without_flags_too():
    rows = around(without_flags(again(rejected, 20)), flags=False)
    (finding,) = failing_service(flows_of(rows))
    assert finding.severity == "medium"


def test_failing_service_stays_quiet_below_twenty_attempts():
    assert found(again(rejected, 19)) == []


def test_failing_service_stays_quiet_within_a_quarter_of_an_hour():
    # Twenty attempts, the last window ending 899 s after the first one began; then one second more.
    assert found(again(rejected, 20, every_s=44)[:-1] + rejected(srcport=50000, start_s=T + 840)) == []
    assert len(found(again(rejected, 20, every_s=44)[:-1] + rejected(srcport=50000, start_s=T + 841))) == 1


def test_failing_service_stays_quiet_where_one_attempt_in_five_works():
    rows = again(rejected, 20) + [
        row for n in range(5) for row in answered(srcport=50000 + n, start_s=T + 240 * n + 100)
    ]
    assert found(rows) == []


def test_failing_service_sees_a_path_that_worked_and_stopped():
    rows = again(answered, 30, every_s=10, first_port=50000)
    rows += [{**row, "start_s": row["start_s"] + 600, "end_s": row["end_s"] + 600} for row in again(rejected, 20)]
    (finding,) = found(rows)
    assert finding.first_seen == "2023-11-14T22:20:00Z"  # T + 600
    assert "20 of 50 attempts failed" in finding.explanation
    assert finding.explanation.endswith("It worked before.")


def test_failing_service_stays_quiet_about_udp_and_about_outsiders():
    assert found(again(rejected, 30, protocol=17, tcp_flags=0)) == []
    assert found(again(rejected, 30, srcaddr="8.8.8.8")) == []


def test_failing_service_is_low_where_nobody_knows_the_silent_server():
    (finding,) = found(again(unanswered, 20, dstaddr="10.0.9.9"))
    assert (finding.severity, finding.title) == (
        "low",
        "10.0.9.9, TCP port 443 (https): attempts of 10.0.0.1 are not answered",
    )


def test_failing_service_is_medium_where_the_silent_server_is_known():
    inventory = {
        "interfaces": [{"interface_id": "eni-7", "account_id": "123456789012", "private_addresses": ["10.0.9.9"]}]
    }
    (finding,) = found(again(unanswered, 20, dstaddr="10.0.9.9"), inventory=inventory)
    assert finding.severity == "medium"


def test_failing_service_is_low_where_the_server_is_outside():
    rows = again(rejected, 20, dstaddr="8.8.8.8", interface_id="eni-1", flow_direction="egress")
    (finding,) = found(rows)
    assert finding.severity == "low"
    assert "refused on their way out" in finding.title


def test_failing_service_tells_a_reset_from_a_refusal():
    inventory = {
        "interfaces": [{"interface_id": "eni-7", "account_id": "123456789012", "private_addresses": ["10.0.0.2"]}]
    }
    (finding,) = found(again(reset, 20), inventory=inventory)
    assert (finding.severity, finding.title.split(" are ")[1]) == ("medium", "answered by a reset")


def test_failing_service_gathers_the_clients_of_one_server():
    rows = again(rejected, 20) + again(rejected, 25, srcaddr="10.0.0.5")
    (finding,) = found(rows)
    assert finding.subject["srcaddr"] == ["10.0.0.1", "10.0.0.5"]
    assert (finding.count, finding.subject["dstaddr"]) == (45, "10.0.0.2")


def test_failing_service_gathers_the_servers_of_a_client_when_three_or_more_fail():
    rows = [row for n in range(3) for row in again(rejected, 20, dstaddr=f"10.0.1.{n}", interface_id=f"eni-{n + 20}")]
    (finding,) = found(rows)
    assert finding.subject["dstaddr"] == ["10.0.1.0", "10.0.1.1", "10.0.1.2"]
    assert finding.subject["srcaddr"] == "10.0.0.1"


def test_failing_service_takes_an_attempt_told_under_two_addresses_for_one():
    called = [
        flow(tcp_flags=2, dstaddr="10.0.9.9", flow_direction="egress", srcport=40000 + n, start_s=T + 60 * n)
        for n in range(20)
    ]
    (finding,) = found([*called, *again(rejected, 20, flow_direction="ingress")])
    assert (finding.count, finding.subject["dstaddr"]) == (20, "10.0.0.2")
    assert "The clients called 10.0.9.9" in finding.explanation


def test_failing_service_keeps_its_id_while_evidence_grows():
    (few,), (many,) = found(again(rejected, 20)), found(again(rejected, 40) + again(rejected, 20, srcaddr="10.0.0.5"))
    assert few.id == many.id


def test_failing_services_has_the_same_columns_without_records():
    table = failing_services(flows_of([])).table
    assert list(table.columns) == list(failing_services(flows_of(around(again(rejected, 20)))).table.columns)
    assert table.empty


def test_failing_services_names_the_field_it_lacks():
    flows = flows_of([{k: v for k, v in flow().items() if k != "action"}])
    assert failing_services(flows).missing == ("action",)
    assert failing_service(flows) == []
