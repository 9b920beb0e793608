"""OCSF events hold against the published schema, and say what the findings say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

import flowkit as fk
from flowkit.cli import main
from flowkit.finding import SEVERITIES
from flowkit.reference import attack_techniques
from flowkit.review import Review, ocsf_events
from flowkit.review.entries import Entry
from flowkit.review.suppressions import Suppressed
from tests.findings import finding
from tests.rows import flow, flows_of

ROOT = Path(__file__).parent.parent
SCHEMA = json.loads((ROOT / "tests" / "schemas" / "ocsf-1.6.0-detection_finding.json").read_text(encoding="utf-8"))
MADE_S = 1_795_000_000


def problems(event):
    return [f"{list(one.path)}: {one.message}" for one in jsonschema.Draft202012Validator(SCHEMA).iter_errors(event)]


def events_of(*found, suppressed=(), flows=None):
    flows = flows or flows_of([flow()])
    review = Review("security", tuple(found), (), (), (), "", flows.period, flows.records, suppressed=tuple(suppressed))
    events = ocsf_events(review, flows, made_s=MADE_S)
    assert [problems(event) for event in events] == [[] for _ in events]
    return events


def test_the_schema_is_one_that_can_fail():
    (event,) = events_of(finding())
    assert problems({**event, "type_uid": 200_404}) != []
    assert problems({**event, "severity_id": "high"}) != []
    assert problems({**event, "rule": "port_scan"}) != []
    assert problems({key: value for key, value in event.items() if key != "finding_info"}) != []


def test_an_event_says_what_the_finding_says():
    (event,) = events_of(finding(attack=("T1595.001",)))
    assert (event["class_uid"], event["category_uid"], event["activity_id"], event["type_uid"]) == (2004, 2, 1, 200401)
    assert (event["time"], event["start_time"], event["end_time"]) == (
        1_795_000_000_000, 1_793_588_400_000, 1_793_592_000_000,
    )  # fmt: skip
    assert (event["metadata"]["version"], event["metadata"]["product"]["name"]) == ("1.6.0", "flowkit")
    assert (event["status_id"], event["message"]) == (1, "A scan")
    assert event["remediation"] == {"desc": "Look: aws ec2 describe-vpcs"}
    assert event["cloud"] == {
        "provider": "AWS",
        "account": {"uid": "123456789012", "type_id": 10, "type": "AWS Account"},
    }
    info = event["finding_info"]
    assert (info["uid"], info["title"], info["desc"]) == ("port_scan-000000000001", "A scan", "It tried 150 ports.")
    assert (info["types"], info["created_time"]) == (["port_scan"], 1_795_000_000_000)
    assert (info["first_seen_time"], info["last_seen_time"]) == (1_793_588_400_000, 1_793_592_000_000)
    assert info["attacks"] == [
        {
            "technique": {"uid": "T1595", "name": "Active Scanning"},
            "sub_technique": {"uid": "T1595.001", "name": "Scanning IP Blocks"},
            "tactic": {"uid": "TA0043", "name": "Reconnaissance"},
            "version": "17",
        }
    ]
    assert event["unmapped"] == {
        "room": "security", "rule": "port_scan", "count": 150, "could_also_be": "A test.",
        "subject": {"srcaddr": "10.0.9.5", "dstaddr": "10.0.1.7", "protocol": 6},
    }  # fmt: skip


@pytest.mark.parametrize(("severity", "number"), list(zip(SEVERITIES, (5, 4, 3, 2, 1), strict=True)))
def test_every_severity_has_its_number(severity, number):
    assert events_of(finding(severity=severity))[0]["severity_id"] == number


@pytest.mark.parametrize(
    ("confidence", "number", "score"), [(0.39, 1, 39), (0.4, 2, 40), (0.69, 2, 69), (0.7, 3, 70), (1.0, 3, 100)]
)
def test_confidence_is_a_level_and_a_score(confidence, number, score):
    event = events_of(finding(confidence=confidence))[0]
    assert (event["confidence_id"], event["confidence_score"]) == (number, score)


def test_evidence_has_both_ends_its_protocol_and_the_community_id():
    row = {"srcaddr": "128.232.110.120", "dstaddr": "66.35.250.204", "srcport": 34855, "dstport": 80, "start_s": 1,
           "community_id": "1:LQU9qZlK+B5F3KDmev6m5PMibrg="}  # fmt: skip
    (event,) = events_of(finding(evidence=[row]))
    assert event["evidences"] == [
        {
            "data": row,
            "src_endpoint": {"ip": "128.232.110.120", "port": 34855},
            "dst_endpoint": {"ip": "66.35.250.204", "port": 80},
            "connection_info": {
                "direction_id": 0, "direction": "Unknown", "protocol_num": 6, "protocol_name": "tcp",
                "community_uid": "1:LQU9qZlK+B5F3KDmev6m5PMibrg=",
            },
        }
    ]  # fmt: skip


def test_a_finding_without_evidence_has_its_subject_as_evidence():
    (event,) = events_of(finding(subject={"srcaddr": ["10.0.0.1", "10.0.0.2"], "dstaddr": "10.0.0.3", "dstport": 22}))
    assert event["evidences"] == [
        {"data": {"dstaddr": "10.0.0.3", "dstport": 22}, "dst_endpoint": {"ip": "10.0.0.3", "port": 22}}
    ]


def test_the_subject_is_observables_and_resources():
    subject = {"srcaddr": ["10.0.0.1", "2001:db8::1"], "dstport": 22, "protocol": 6, "interface_id": "eni-1"}
    (event,) = events_of(finding(subject=subject))
    assert [(one["type_id"], one["value"]) for one in event["observables"]] == [
        (2, "10.0.0.1"), (2, "2001:db8::1"), (11, "22"), (10, "eni-1"),
    ]  # fmt: skip
    assert event["resources"] == [{"uid": "eni-1", "type": "AWS::EC2::NetworkInterface", "cloud_partition": "aws"}]


def test_a_suppressed_finding_is_an_event_with_that_status_and_the_reason():
    from datetime import date

    entry = Entry(1, ("port_scan",), (), {}, "Our scanner.", date(2027, 3, 31), "secops")
    events = events_of(finding(id="a-1"), suppressed=[Suppressed(finding(id="a-2"), entry)])
    assert [(one["finding_info"]["uid"], one["status_id"], one["status"]) for one in events] == [
        ("a-1", 1, "New"), ("a-2", 3, "Suppressed"),
    ]  # fmt: skip
    assert events[1]["comment"] == "Our scanner. Suppressed until 2027-03-31, secops."
    assert "comment" not in events[0]


def test_what_is_not_known_is_left_out():
    (event,) = events_of(finding(first_seen=None, last_seen=None, attack=("T9999",), subject={"group_id": "sg-1"}))
    assert "start_time" not in event
    assert event["finding_info"]["attacks"] == [{"technique": {"uid": "T9999"}, "version": "17"}]
    assert [one["type"] for one in event["resources"]] == ["AWS::EC2::SecurityGroup"]


def test_logs_of_several_accounts_name_none():
    flows = flows_of([flow(), flow(account_id="210987654321", interface_id="eni-2")])
    assert events_of(finding(), flows=flows)[0]["cloud"] == {"provider": "AWS"}


def test_every_technique_that_a_rule_names_is_known_by_name():
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "flowkit" / "security").rglob("*.py"))
    named = set(re.findall(r'"(T\d{4}(?:\.\d{3})?)"', text))
    assert "T1046" in named
    assert named - set(attack_techniques()) == set()


@pytest.fixture(scope="module")
def bundled():
    with fk.open("sample:") as flows:
        yield flows


@pytest.mark.parametrize("room", ["security", "performance", "cost"])
def test_every_finding_of_the_bundled_logs_is_a_valid_event(bundled, room):
    reviewed = fk.review.review(bundled, room)
    events = ocsf_events(reviewed, bundled, made_s=MADE_S)
    assert len(events) == len(reviewed.findings) > 0
    assert [problems(event) for event in events] == [[] for _ in events]


@pytest.mark.parametrize("room", ["security", "performance", "cost"])
def test_every_next_step_of_the_bundled_logs_ends_with_a_call_to_make(bundled, room):
    from flowkit.show.cards import CALL

    without = [one.id for one in fk.review.review(bundled, room).findings if not CALL.search(one.next_step)]
    assert without == []


def test_evidence_of_single_conversations_carries_its_community_id(bundled):
    found = {one.rule: one for one in fk.review.review(bundled, "security").findings}
    row = found["beacon"].evidence[0]
    subject = found["beacon"].subject
    assert row["community_id"] == fk.community_id(
        subject["srcaddr"], subject["dstaddr"], row["srcport"], subject["dstport"], subject["protocol"]
    )
    assert "community_id" not in found["host_sweep"].evidence[0]


def test_the_command_prints_an_event_a_line_of_security_alone(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("FLOWKIT_CACHE_DIR", str(tmp_path / "cache"))
    lines = [f"2 012345678901 eni-1 10.0.0.9 10.0.0.2 40000 {port} 6 1 40 1700000000 1700000059 REJECT OK"
             for port in range(1, 101)]  # fmt: skip
    (tmp_path / "a.log").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert main(["findings", str(tmp_path / "a.log"), "--format", "ocsf"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [problems(event) for event in events] == [[] for _ in events]
    assert "port_scan" in [one["unmapped"]["rule"] for one in events]
    assert {one["unmapped"]["room"] for one in events} == {"security"}
