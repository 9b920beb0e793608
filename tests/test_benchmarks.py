"""The yardsticks: what counts as found, what a lab's records look like, which thresholds are tried."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import thresholds
from benchmarks.detection.lab import Lab
from benchmarks.detection.scoring import Positive, is_about, judged, wilson
from flowkit.finding import Finding
from flowkit.generate.conversations import DROP_AT_DESTINATION


def finding(rule="port_scan", severity="medium", srcaddr="10.0.0.1", dstaddr="10.0.0.2"):
    return Finding(
        id=f"{rule}-{srcaddr}-{dstaddr}", rule=rule, title="t", severity=severity, confidence=0.5,
        subject={"srcaddr": srcaddr, "dstaddr": dstaddr}, first_seen=None, last_seen=None, count=1, explanation="",
        could_also_be="", next_step="",
    )  # fmt: skip


def positive(**more):
    fields = {
        "rules": ("port_scan",),
        "kind": "k",
        "subject": {"srcaddr": "10.0.0.1", "dstaddr": "10.0.0.2"},
        "intensity": 20,
        "unit": "ports",
        "actors": frozenset(["10.0.0.1", "10.0.0.2"]),
        "note": "",
    }
    return Positive(**{**fields, **more})


def found(outcome):
    return [one[-1] for one in outcome.tries]


def test_a_finding_about_the_subject_is_true_and_its_positive_found():
    outcome = judged([finding()], [positive()], "here")
    assert (found(outcome), outcome.true, outcome.false) == ([True], ["port_scan"], [])


def test_a_low_finding_is_neither_found_nor_false():
    outcome = judged([finding(severity="low")], [positive()], "here")
    assert (found(outcome), outcome.true, outcome.false) == ([False], [], [])


def test_a_finding_about_somebody_else_is_false():
    outcome = judged([finding(), finding(srcaddr="10.9.9.9", dstaddr="10.9.9.8")], [positive()], "here")
    assert [rule for rule, _ in outcome.false] == ["port_scan"]


def test_the_right_rule_with_the_ends_turned_around_is_missed_and_false():
    outcome = judged([finding(srcaddr="10.0.0.2", dstaddr="10.0.0.1")], [positive()], "here")
    assert (found(outcome), len(outcome.missed), len(outcome.false)) == ([False], 1, 1)


def test_another_rule_about_a_planted_actor_is_nobodys_fault():
    outcome = judged([finding(), finding(rule="beacon")], [positive()], "here")
    assert (outcome.true, outcome.false) == (["port_scan"], [])


def test_below_the_line_missing_is_no_miss_and_finding_is_no_error():
    below = positive(counted=False)
    assert judged([], [below], "here").missed == []
    assert judged([finding()], [below], "here").false == []


@pytest.mark.parametrize(("listed", "enough"), [(8, True), (7, False)])
def test_four_fifths_of_many_sources_must_be_listed(listed, enough):
    sources = [f"1.1.1.{n}" for n in range(10)]
    assert is_about(finding(srcaddr=sources[:listed]), {"srcaddr": frozenset(sources)}) is enough


def test_wilson_interval_of_95_in_100():
    # Wilson (1927) with z = 1.96: centre (0.95 + 0.019208) / 1.038416, half 0.0444
    assert wilson(95, 100) == pytest.approx((0.8882, 0.9785), abs=0.0005)
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("interval_s", [60, 600])
def test_a_lab_gives_every_packet_once_per_interface_whatever_the_interval(interval_s):
    lab = Lab(3, ("v5", interval_s))
    one, other = lab.hosts(2)
    lab.talk.probe(one.address_id, other.address_id, np.arange(1, 31), np.arange(30) * 100.0, block=DROP_AT_DESTINATION)
    with lab.flows() as flows:
        rows = flows.sql("SELECT action, flow_direction, CAST(sum(packets) AS BIGINT) AS n FROM flows GROUP BY ALL")
        assert sorted(rows.itertuples(index=False, name=None)) == [("ACCEPT", "egress", 30), ("REJECT", "ingress", 30)]
        assert flows.interval_s == interval_s


def test_a_lab_in_the_default_format_has_no_flags():
    lab = Lab(3, ("v2", 60))
    lab.talk.tcp(lab.host().address_id, lab.outside(), 443, 100.0, 5.0, 1000, 1000)
    with lab.flows() as flows:
        assert flows.share("tcp_flags") == 0.0
        assert flows.share("action") == 1.0


def test_what_leaves_a_private_host_passes_the_nat_gateway():
    lab = Lab(3, ("v5", 60))
    lab.talk.tcp(lab.host().address_id, lab.outside(), 443, 100.0, 5.0, 1000, 1000)
    with lab.flows() as flows:
        seen = flows.sql("SELECT DISTINCT interface_id FROM flows")
        assert lab.nat.interface_id in set(seen["interface_id"])


_SOURCE = """
MIN_PORTS = 15
MOST_S: float = 4 * 3_600
_LEAST = {"syn": 1_000}
_ONE, _OTHER = 50, 3_000
_SQL = "SELECT 15"

def ask(flows, *, min_calls=12, top_n=50):
    return bind(_SQL, min_calls=min_calls, most_hosts=2, top_n=200)
"""


def test_thresholds_are_constants_defaults_and_named_numbers_of_a_query():
    assert [(one.name, one.value) for one in thresholds.thresholds_of("m", _SOURCE)] == [
        ("MIN_PORTS", 15),
        ("MOST_S", 14_400),
        ("_LEAST['syn']", 1_000),
        ("_ONE", 50),
        ("_OTHER", 3_000),
        ("ask.min_calls", 12),
        ("ask.bind.most_hosts", 2),
    ]


def test_a_threshold_is_replaced_where_it_stands_and_nowhere_else():
    one = thresholds.thresholds_of("m", _SOURCE)[1]
    assert one.applied(_SOURCE, 7) == _SOURCE.replace("4 * 3_600", "(7)")


def test_deleting_a_lower_bound_makes_it_nothing_and_an_upper_bound_huge():
    least, most, *_ = thresholds.thresholds_of("m", _SOURCE)
    assert list(least.mutations()) == [("halved", 7), ("doubled", 30), ("deleted (0)", 0)]
    assert list(most.mutations()) == [("halved", 7_200), ("doubled", 28_800), ("deleted (huge)", 10**15)]
