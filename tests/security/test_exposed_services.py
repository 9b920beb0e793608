"""Services that answer the internet."""

from __future__ import annotations

import pytest

from flowkit.errors import MissingField
from flowkit.security import exposed_services
from flowkit.security.exposed_services import exposed_service
from tests.rows import flows_of
from tests.security.rows import WEB, probe, quiet, session

UNRELATED = ["1.1.1.1", "8.8.8.8", "9.9.9.9"]
NEIGHBOURS = ["1.1.1.1", "1.1.2.2", "1.1.3.3"]


def visits(sources, port=5432, **fields):
    return [row for place, src in enumerate(sources) for row in session(src, WEB, port, at_s=place, **fields)]


def severities(rows, **parameters):
    return [found.severity for found in exposed_service(flows_of(rows), **parameters)]


def test_exposed_service_fires_on_a_database_that_answers_unrelated_sources():
    (found,) = exposed_service(flows_of([*visits(UNRELATED), *quiet()]))
    assert found.severity == "high"
    assert found.subject == {"dstaddr": WEB, "dstport": 5432, "protocol": 6, "interface_id": "eni-1"}


def test_exposed_service_is_medium_for_administration():
    assert severities([*visits(UNRELATED, 22), *quiet()]) == ["medium"]


def test_exposed_service_is_low_for_one_neighbourhood():
    assert severities([*visits(NEIGHBOURS), *quiet()]) == ["low"]
    assert severities([*visits(UNRELATED[:2]), *quiet()]) == ["low"]


def test_exposed_service_is_quiet_on_web_servers():
    assert severities([*visits(UNRELATED, 443), *quiet()]) == []


def test_exposed_service_is_quiet_on_ports_that_refuse_or_stay_silent():
    refused = [probe(src, WEB, 5432, at_s=place) for place, src in enumerate(UNRELATED)]
    silent = [probe(src, WEB, 3306, at_s=place, action="ACCEPT") for place, src in enumerate(UNRELATED)]
    assert severities([*refused, *silent, *quiet()]) == []


def test_exposed_service_is_quiet_on_databases_that_answer_inside():
    assert severities([*visits(["10.0.7.1", "10.1.7.2", "172.16.7.3"]), *quiet()]) == []


def test_exposed_services_counts_each_conversation_and_source_once():
    rows = [
        *visits(UNRELATED, 443, up=1_000, down=9_000),
        *session("1.1.1.1", WEB, 443, at_s=50, sport=40_001, up=1_000, down=5_000),
    ]
    refused = probe("9.9.9.9", WEB, 443, at_s=60, srcport=51_111)
    table = exposed_services(flows_of([*rows, refused, *quiet()])).table
    row = table.iloc[0].to_dict()
    assert (row["kind"], row["service"], row["dstaddr"], row["dstport"]) == ("web", "https", WEB, 443)
    assert (row["sources"], row["neighbourhoods"], row["answered"], row["used"], row["refused"], row["sent_bytes"]) == (
        3,
        3,
        4,
        4,
        1,
        32_000,
    )


def inventory(*rules, **face):
    one = {"interface_id": "eni-1", "vpc_id": "vpc-1", "private_addresses": [WEB], "security_groups": ["sg-a"], **face}
    return {
        "vpcs": [{"vpc_id": "vpc-1", "cidrs": ["10.0.0.0/16"]}],
        "interfaces": [one],
        "instances": [{"instance_id": "i-1", "name": "db-1", "tags": {"Team": "payments", "Name": "db-1"}}],
        "security_groups": [{"group_id": "sg-a", "vpc_id": "vpc-1", "ingress": list(rules)}],
    }


def rule(rule_id, cidr, port=5432):
    return {"rule_id": rule_id, "protocol": "6", "from_port": port, "to_port": port, "cidr": cidr}


def reached(facts):
    rows = [{**row, "vpc_id": "vpc-1"} for row in [*visits(UNRELATED), *quiet()]]
    return flows_of(rows, inventory=facts)


def test_exposed_service_names_the_rule_that_lets_them_in_and_how_to_narrow_it():
    facts = inventory(rule("sgr-no", "0.0.0.0/0", 443), rule("sgr-yes", "0.0.0.0/0"), rule("sgr-own", "10.0.0.0/8"))
    (found,) = exposed_service(reached(facts))
    assert "Rule sgr-yes of sg-a opens TCP port 5432 to 0.0.0.0/0." in found.explanation
    assert "sgr-no" not in found.explanation
    assert found.next_step.endswith(
        "aws ec2 modify-security-group-rules --group-id sg-a --security-group-rules 'SecurityGroupRuleId=sgr-yes,"
        "SecurityGroupRule={IpProtocol=6,FromPort=5432,ToPort=5432,CidrIpv4=10.0.0.0/16}'"
    )


def test_exposed_service_names_the_rule_that_lets_in_a_list_of_partners():
    (found,) = exposed_service(reached(inventory(rule("sgr-partner", "8.8.8.0/24"))))
    assert "Rule sgr-partner of sg-a opens TCP port 5432 to 8.8.8.0/24." in found.explanation


def test_exposed_services_says_who_owns_a_service_and_which_rules_open_it():
    def first(facts):
        table = exposed_services(reached(facts)).table
        return table.loc[table.dstport == 5432, ["owner", "rules", "risky"]].iloc[0].tolist()

    opened = rule("sgr-yes", "0.0.0.0/0")
    assert first(inventory(opened, instance_id="i-1")) == ["payments (team)", "sgr-yes", True]
    assert first(inventory(opened, owner="amazon-rds")) == ["amazon-rds", "sgr-yes", True]
    assert first(inventory(opened, name="db-9")) == ["db-9", "sgr-yes", True]


def test_exposed_services_flags_no_web_server():
    table = exposed_services(flows_of([*visits(UNRELATED, 443), *quiet()])).table
    assert table.risky.tolist() == [False]
    assert table.owner.isna().all()


def test_exposed_services_of_nothing_has_its_columns():
    empty, full = exposed_services(flows_of([])), exposed_services(flows_of([*visits(UNRELATED), *quiet()]))
    assert empty.table.empty
    assert list(empty.table.columns) == list(full.table.columns)


def test_exposed_services_without_sources_says_so():
    rows = [
        {name: value for name, value in row.items() if name not in ("srcaddr", "src_key")} for row in visits(UNRELATED)
    ]
    with pytest.raises(MissingField, match="exposed_services needs srcaddr, which this log lacks"):
        _ = exposed_services(flows_of(rows)).table
