"""A review's findings as OCSF Detection Findings, the events that a SIEM or a security lake takes in.

Source: Open Cybersecurity Schema Framework 1.6.0, class 2004, https://schema.ocsf.io/1.6.0/classes/detection_finding,
with the `cloud` profile. The tests hold every event against the published schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flowkit.finding import Finding
from flowkit.reference import attack_techniques

if TYPE_CHECKING:
    from flowkit.flows import Flows
    from flowkit.review import Review

__all__ = ["ocsf_events"]

_VERSION = "1.6.0"
_CLASS, _CREATE = 2004, 1
_SEVERITY = {"info": (1, "Informational"), "low": (2, "Low"), "medium": (3, "Medium"), "high": (4, "High"),
             "critical": (5, "Critical")}  # fmt: skip
_NEW, _SUPPRESSED = (1, "New"), (3, "Suppressed")
_IP_ADDRESS, _RESOURCE_UID, _PORT = (2, "IP Address"), (10, "Resource UID"), (11, "Port")
_OBSERVED = {"srcaddr": _IP_ADDRESS, "dstaddr": _IP_ADDRESS, "srcport": _PORT, "dstport": _PORT}
#: The parts of a subject that are resources of AWS, with the names that CloudFormation has for them.
_RESOURCES = {
    "interface_id": "AWS::EC2::NetworkInterface",
    "instance_id": "AWS::EC2::Instance",
    "subnet_id": "AWS::EC2::Subnet",
    "vpc_id": "AWS::EC2::VPC",
    "group_id": "AWS::EC2::SecurityGroup",
    "network_acl_id": "AWS::EC2::NetworkAcl",
}
_PATHS = {"inbound": (1, "Inbound"), "outbound": (2, "Outbound"), "internal": (3, "Lateral")}
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp", 132: "sctp"}


def ocsf_events(reviewed: Review, flows: Flows, *, made_s: int) -> list[dict[str, Any]]:
    """The findings of the review `reviewed` of `flows` as OCSF events, suppressed ones last with status Suppressed.

    `made_s` is when the findings were made, in seconds since the epoch: the events' `time`. What the class has no
    place for (rule, subject, count, what else it could be) is under `unmapped`. Times are in milliseconds.
    """
    where = _where(flows)
    found = [_event(finding, reviewed.room, where, made_s) for finding in reviewed.findings]
    for one in reviewed.suppressed:
        event = _event(one.finding, reviewed.room, where, made_s)
        until = f"{one.entry.reason} Suppressed until {one.entry.expires.isoformat()}"
        event |= {"status_id": _SUPPRESSED[0], "status": _SUPPRESSED[1],
                  "comment": f"{until}, {one.entry.owner}." if one.entry.owner else f"{until}."}  # fmt: skip
        found.append(event)
    return found


def _where(flows: Flows) -> dict[str, Any]:
    """The cloud object: the account and region, where the logs are of one."""
    where: dict[str, Any] = {"provider": "AWS"}
    if flows.region:
        where["region"] = flows.region
    if len(flows.accounts) == 1:
        where["account"] = {"uid": flows.accounts[0], "type_id": 10, "type": "AWS Account"}
    return where


def _event(finding: Finding, room: str, where: Mapping[str, Any], made_s: int) -> dict[str, Any]:
    severity_id, severity = _SEVERITY[finding.severity]
    confidence_id, confidence = _confidence(finding.confidence)
    first_ms, last_ms = _ms(finding.first_seen), _ms(finding.last_seen)
    event = {
        "metadata": _metadata(finding, made_s),
        "category_uid": 2, "category_name": "Findings",
        "class_uid": _CLASS, "class_name": "Detection Finding",
        "activity_id": _CREATE, "activity_name": "Create",
        "type_uid": _CLASS * 100 + _CREATE, "type_name": "Detection Finding: Create",
        "time": made_s * 1000, "start_time": first_ms, "end_time": last_ms,
        "severity_id": severity_id, "severity": severity,
        "confidence_id": confidence_id, "confidence": confidence,
        "confidence_score": round(100 * finding.confidence),
        "status_id": _NEW[0], "status": _NEW[1],
        "message": finding.title,
        "cloud": dict(where),
        "finding_info": _info(finding, made_s, first_ms, last_ms),
        "evidences": _evidences(finding),
        "resources": _resources(finding.subject, where),
        "observables": _observables(finding.subject),
        "remediation": {"desc": finding.next_step},
        "unmapped": {"room": room, "rule": finding.rule, "subject": dict(finding.subject), "count": finding.count,
                     "could_also_be": finding.could_also_be},
    }  # fmt: skip
    return {key: value for key, value in event.items() if value not in (None, [])}


def _metadata(finding: Finding, made_s: int) -> dict[str, Any]:
    from flowkit import __version__

    product = {"name": "flowkit", "vendor_name": "flowkit", "version": __version__, "feature": {"name": finding.rule}}
    return {"version": _VERSION, "profiles": ["cloud"], "product": product, "event_code": finding.rule,
            "logged_time": made_s * 1000, "log_name": "VPC Flow Logs", "log_provider": "AWS"}  # fmt: skip


def _info(finding: Finding, made_s: int, first_ms: int | None, last_ms: int | None) -> dict[str, Any]:
    info = {
        "uid": finding.id,
        "title": finding.title,
        "desc": finding.explanation,
        "types": [finding.rule],
        "created_time": made_s * 1000,
        "first_seen_time": first_ms,
        "last_seen_time": last_ms,
        "data_sources": ["AWS VPC Flow Logs"],
        "analytic": {"uid": finding.rule, "name": finding.rule, "type_id": 1, "type": "Rule"},
        "attacks": [_attack(technique) for technique in finding.attack],
    }
    return {key: value for key, value in info.items() if value not in (None, [])}


def _attack(technique: str) -> dict[str, Any]:
    known = attack_techniques()
    parent = technique.partition(".")[0]
    attack: dict[str, Any] = {"technique": _named(parent), "version": "17"}
    if parent != technique:
        attack["sub_technique"] = _named(technique)
    if technique in known:
        _, tactic, tactic_name = known[technique]
        attack["tactic"] = {"uid": tactic, "name": tactic_name}
    return attack


def _named(technique: str) -> dict[str, str]:
    name = attack_techniques().get(technique, ("",))[0]
    return {"uid": technique, "name": name} if name else {"uid": technique}


def _evidences(finding: Finding) -> list[dict[str, Any]]:
    """Each row of evidence with its two ends, as far as the row or the subject names one; else the subject alone."""
    one = {name: value for name, value in finding.subject.items() if type(value) in (str, int)}
    return [_evidence({**one, **row}, row) for row in finding.evidence or [one]]


def _evidence(known: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    evidence: dict[str, Any] = {"data": dict(row)}
    for side in ("src", "dst"):
        end = {"ip": known.get(f"{side}addr"), "port": known.get(f"{side}port")}
        if end["ip"]:
            evidence[f"{side}_endpoint"] = {key: value for key, value in end.items() if value is not None}
    direction_id, direction = _PATHS.get(str(known.get("path")), (0, "Unknown"))
    about = {"protocol_num": known.get("protocol"), "protocol_name": _PROTOCOLS.get(known.get("protocol", -1)),
             "community_uid": known.get("community_id")}  # fmt: skip
    about = {key: value for key, value in about.items() if value is not None}
    if about:
        evidence["connection_info"] = {"direction_id": direction_id, "direction": direction, **about}
    return evidence


def _resources(subject: Mapping[str, Any], where: Mapping[str, Any]) -> list[dict[str, Any]]:
    region = {"region": where["region"]} if "region" in where else {}
    return [
        {"uid": str(one), "type": kind, "cloud_partition": "aws", **region}
        for field, kind in _RESOURCES.items()
        for one in _several(subject.get(field))
    ]


def _observables(subject: Mapping[str, Any]) -> list[dict[str, Any]]:
    kinds = {**_OBSERVED, **dict.fromkeys(_RESOURCES, _RESOURCE_UID)}
    return [
        {"name": f"unmapped.subject.{field}", "value": str(one), "type_id": kinds[field][0], "type": kinds[field][1]}
        for field in subject
        if field in kinds
        for one in _several(subject[field])
    ]


def _several(value: Any) -> list[Any]:
    values = value if isinstance(value, (list, tuple)) else [value]
    return [one for one in values if one is not None]


def _confidence(share: float) -> tuple[int, str]:
    return (3, "High") if share >= 0.7 else (2, "Medium") if share >= 0.4 else (1, "Low")


def _ms(instant: str | None) -> int | None:
    """An ISO 8601 UTC instant in milliseconds since the epoch."""
    if instant is None:
        return None
    return int(datetime.fromisoformat(instant.replace("Z", "+00:00")).astimezone(UTC).timestamp()) * 1000
