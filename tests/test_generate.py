"""The generator, judged by reading its files with nothing but gzip and split."""

from __future__ import annotations

import csv
import gzip
import ipaddress
import json
import shutil
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

from flowkit import policy
from flowkit.errors import ParameterError
from flowkit.fields import VPC_FIELDS
from flowkit.formats import parse_key
from flowkit.generate import generate, sample
from flowkit.inventory import Inventory

SAMPLE = Path(__file__).parent.parent / "data" / "sample"
RULES = {
    "port_scan",
    "host_sweep",
    "brute_force",
    "beacon",
    "exfiltration",
    "exposed_service",
    "return_rejected",
    "lateral_movement",
    "new_peer",
    "policy_open",
    "flood",
    "dns_bypass",
    "unusual_port",
    "failing_service",
    "saturated_interface",
    "half_open",
    "cross_az_chatter",
    "gateway_endpoint_missing",
}
#: Rules whose subject does nothing else than the incident.
ALONE = {"host_sweep", "brute_force", "beacon", "exfiltration", "exposed_service", "return_rejected", "failing_service"}
INTS = ("srcport", "dstport", "protocol", "packets", "bytes", "start", "end", "tcp-flags")


def rows_of(folder):
    """Every line under a folder as a dict by AWS's field names; gap lines included."""
    rows = []
    for path in sorted(folder.rglob("*.log.gz")):
        header, *lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        names = header.split(" ")
        for line in lines:
            values = line.split(" ")
            assert len(values) == len(names)
            row = dict(zip(names, values, strict=True))
            row |= {name: int(row[name]) for name in INTS if row.get(name, "-") != "-"}
            row["path"] = path
            rows.append(row)
    return rows


class Run:
    def __init__(self, folder, **order):
        self.summary = generate(folder, **order)
        self.folder = Path(folder)
        self.lines = rows_of(self.folder)
        self.rows = [row for row in self.lines if row["log-status"] == "OK"]
        self.truth = json.loads((self.folder / "truth.json").read_text())
        self.snapshot = json.loads((self.folder / "inventory.json").read_text())
        self.by_id = {i["interface_id"]: i for i in self.snapshot["interfaces"]}
        with (self.folder / "bill.csv").open() as text:
            self.bill = list(csv.DictReader(text))

    def billed(self, usage_type):
        found = Counter()
        for line in self.bill:
            if line["usage_type"] == usage_type:
                found[line["resource"]] += int(line["quantity"])
        return found

    def owner_of(self):
        """Address -> interface, pods' addresses included."""
        owners = {}
        for one in self.snapshot["interfaces"]:
            for address in one["private_addresses"] + one["ipv6_addresses"]:
                owners[address] = one
            for prefix in one["prefixes"]:
                owners |= {str(address): one for address in ipaddress.ip_network(prefix)}
        return owners


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("day"), seed=7, hours=24, records=30_000)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("clean"), seed=7, hours=24, records=30_000, clean=True)


@pytest.fixture(scope="module")
def coarse(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("coarse"), seed=11, hours=24, records=30_000, format="v2", interval_s=600)


@pytest.fixture(scope="module")
def newest(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("newest"), seed=3, hours=6, records=20_000, format="v11")


def test_the_number_of_records_is_within_fifteen_percent(day, clean, coarse, newest):
    for run, wanted in ((day, 30_000), (clean, 30_000), (coarse, 30_000), (newest, 20_000)):
        assert len(run.rows) == run.summary.records
        assert len(run.lines) == run.summary.records + run.summary.gap_lines
        assert abs(len(run.rows) - wanted) <= 0.15 * wanted


def test_the_same_order_gives_the_same_bytes(tmp_path, day):
    generate(tmp_path / "again", seed=7, hours=24, records=30_000)
    ours = {p.relative_to(day.folder): p.read_bytes() for p in day.folder.rglob("*") if p.is_file()}
    again = tmp_path / "again"
    assert {p.relative_to(again): p.read_bytes() for p in again.rglob("*") if p.is_file()} == ours


def test_another_seed_is_another_company(day, coarse):
    assert not set(day.by_id) & set(coarse.by_id)
    assert day.summary.account_id != coarse.summary.account_id


def test_formats_have_their_fields_in_order_and_their_version(day, coarse, newest):
    for run, version, count in ((coarse, 2, 14), (day, 5, 29), (newest, 11, 54)):
        names = [name for name in run.lines[0] if name != "path"]
        assert names == [field.name for field in VPC_FIELDS if field.version <= version]
        assert len(names) == count
        assert {row["version"] for row in run.lines} == {str(version)}


def test_keys_say_account_region_flow_log_and_the_five_minutes_of_the_records_end(day):
    for row in day.lines:
        key = parse_key(row["path"].relative_to(day.folder).as_posix())
        assert (key.account_id, key.region) == (day.summary.account_id, "us-east-1")
        assert key.flow_log_id in day.summary.flow_log_ids
        assert key.slot_start_s <= row["end"] < key.slot_start_s + 300


def test_all_traffic_lies_inside_the_period(day, coarse):
    for run in (day, coarse):
        since, until = run.summary.since_s, run.summary.until_s
        assert until - since == 86_400
        assert all(since <= row["start"] <= row["end"] < until for row in run.lines)


@pytest.mark.parametrize(("name", "longest"), [("day", 60), ("coarse", 600)])
def test_an_interface_shares_its_windows_among_all_its_records(name, longest, request):
    run = request.getfixturevalue(name)
    windows = defaultdict(set)
    for row in run.rows:
        windows[row["interface-id"]].add((row["start"], row["end"]))
    for spans in windows.values():
        ordered = sorted(spans)
        assert all(before[1] < after[0] for before, after in pairwise(ordered))
        assert all(end - start < longest for start, end in ordered)
    assert sum(map(len, windows.values())) < 0.6 * len(run.rows)


def test_interfaces_do_not_agree_on_windows(day):
    starts = defaultdict(set)
    for row in day.rows:
        starts[row["start"]].add(row["interface-id"])
    assert sum(len(ids) == 1 for ids in starts.values()) > 0.2 * len(starts)


def test_no_record_occurs_twice(day, newest):
    key = ("interface-id", "start", "pkt-srcaddr", "pkt-dstaddr", "srcaddr", "srcport", "dstport", "protocol", "action")
    for run in (day, newest):
        seen = Counter(tuple(r[name] for name in key) for r in run.rows)
        assert max(seen.values()) == 1


def both_ends(run):
    """Sums per packet tuple and direction, by interface, of what was accepted."""
    sums = defaultdict(Counter)
    for r in run.rows:
        if r["action"] == "ACCEPT":
            key = (r["pkt-srcaddr"], r["pkt-dstaddr"], r["srcport"], r["dstport"], r["protocol"])
            sums[key][r["interface-id"]] += r["bytes"]
    return sums


def test_both_ends_of_a_hop_count_the_same_bytes_in_other_windows(day):
    refused = {
        (r["pkt-srcaddr"], r["pkt-dstaddr"], r["srcport"], r["dstport"], r["protocol"])
        for r in day.rows
        if r["action"] == "REJECT"
    }
    pairs = [ends for key, ends in both_ends(day).items() if len(ends) == 2 and key not in refused]
    assert len(pairs) > 1_000
    assert all(len(set(ends.values())) == 1 for ends in pairs)


def test_flags_are_ored_over_the_window_and_direction(day):
    tcp = [r for r in day.rows if r["protocol"] == 6 and r["action"] == "ACCEPT"]
    # Opened and closed in one window: SYN and FIN from the opener, SYN-ACK and FIN from the responder.
    assert {r["tcp-flags"] for r in tcp} == {0, 1, 2, 3, 4, 6, 18, 19}
    assert {r["tcp-flags"] for r in day.rows if r["protocol"] != 6} == {0}
    flags = defaultdict(int)
    for r in tcp:
        flags[r["interface-id"], r["srcaddr"], r["dstaddr"], r["srcport"], r["dstport"]] |= r["tcp-flags"]
    web = [f for (_, _, _, _, dport), f in flags.items() if dport == 9000]
    assert set(web) <= {2, 3}
    # A long connection says SYN in its first window, nothing in between, FIN in its last.
    database = defaultdict(list)
    for r in tcp:
        if r["dstport"] == 5432:
            database[r["interface-id"], r["srcaddr"], r["srcport"]].append((r["start"], r["tcp-flags"]))
    longest = [f for _, f in sorted(max(database.values(), key=len))]
    assert longest[0] == 2
    assert longest[-1] == 1
    assert set(longest[1:-1]) == {0}


def test_icmp_has_no_ports(day):
    icmp = [r for r in day.rows if r["protocol"] == 1]
    assert {r["action"] for r in icmp} == {"ACCEPT", "REJECT"}
    assert {(r["srcport"], r["dstport"]) for r in icmp} == {(0, 0)}


def test_a_nat_gateway_shows_four_legs_with_ports_of_its_own_outside(day):
    nat = next(n for n in day.snapshot["nat_gateways"] if n["vpc_id"] == day.snapshot["vpcs"][0]["vpc_id"])
    own = nat["private_addresses"][0]
    rows = [r for r in day.rows if r["interface-id"] == nat["interface_id"] and r["action"] == "ACCEPT"]
    legs = Counter()
    for r in rows:
        if r["flow-direction"] == "ingress":
            assert r["dstaddr"] == own
            legs["client to gateway" if r["pkt-dstaddr"] != own else "peer to gateway"] += r["bytes"]
        else:
            assert r["srcaddr"] == own
            legs["gateway to client" if r["pkt-srcaddr"] != own else "gateway to peer"] += r["bytes"]
    assert len(legs) == 4
    assert legs["client to gateway"] == legs["gateway to peer"]
    # Scans of its public address come in on the outer leg too, are accepted, and end there.
    assert legs["peer to gateway"] > legs["gateway to client"] > 0
    inner = {(r["pkt-dstaddr"], r["srcport"]) for r in rows if r["dstaddr"] == own and r["pkt-dstaddr"] != own}
    outer = {(r["pkt-dstaddr"], r["srcport"]) for r in rows if r["pkt-srcaddr"] == own}
    assert len(inner & outer) < 0.02 * len(inner)
    assert {a for a, _ in inner} == {a for a, _ in outer}


def test_pods_show_only_in_the_packet_addresses_of_their_node(day):
    nodes = [i for i in day.snapshot["interfaces"] if i["prefixes"]]
    pods = {str(a): n["interface_id"] for n in nodes for p in n["prefixes"] for a in ipaddress.ip_network(p)}
    at_home = [r for r in day.rows if pods.get(r["pkt-srcaddr"]) == r["interface-id"]]
    assert at_home
    for r in at_home:
        assert r["srcaddr"] == day.by_id[r["interface-id"]]["private_addresses"][0]
    away = [r for r in day.rows if r["pkt-srcaddr"] in pods and pods[r["pkt-srcaddr"]] != r["interface-id"]]
    assert away
    assert all(r["srcaddr"] == r["pkt-srcaddr"] for r in away)


def test_traffic_path_is_said_on_egress_only(day):
    assert {r["traffic-path"] for r in day.rows if r["flow-direction"] == "ingress"} == {"-"}
    # 2 is the build host, which is no Nitro instance: its gateway endpoint and Internet gateway look the same.
    assert {r["traffic-path"] for r in day.rows if r["flow-direction"] == "egress"} == {"1", "2", "3", "4", "7", "8"}
    for r in day.rows:
        if r["traffic-path"] in ("2", "7"):
            assert r["pkt-dst-aws-service"] == "S3"
        if r["traffic-path"] == "3":
            assert r["dstaddr"].startswith("192.168.")


def test_requester_managed_interfaces_have_no_instance(day):
    for r in day.rows:
        one = day.by_id[r["interface-id"]]
        assert r["instance-id"] == (one["instance_id"] or "-")
        if one["interface_type"] != "interface":
            assert r["instance-id"] == "-"


@pytest.mark.parametrize("name", ["day", "clean"])
def test_nat_bytes_of_the_bill_are_the_inner_legs(name, request):
    run = request.getfixturevalue(name)
    found = Counter()
    for nat in run.snapshot["nat_gateways"]:
        own = nat["private_addresses"]
        for r in run.rows:
            if r["interface-id"] == nat["interface_id"]:
                inner = r["pkt-dstaddr"] not in own if r["flow-direction"] == "ingress" else r["pkt-srcaddr"] not in own
                found[nat["nat_gateway_id"]] += r["bytes"] if inner else 0
    assert found == run.billed("NatGateway-Bytes")
    assert set(run.billed("NatGateway-Hours").values()) == {24}


@pytest.mark.parametrize("name", ["day", "clean"])
def test_zone_crossings_of_the_bill_are_every_paying_side(name, request):
    run = request.getfixturevalue(name)
    owners, gateways = run.owner_of(), {n["interface_id"]: n for n in run.snapshot["nat_gateways"]}
    found = Counter()
    for r in run.rows:
        one = run.by_id[r["interface-id"]]
        other = owners.get(r["pkt-srcaddr"] if r["flow-direction"] == "ingress" else r["pkt-dstaddr"])
        if r["action"] != "ACCEPT" or other is None or other["az_id"] == one["az_id"]:
            continue
        kinds = {one["interface_type"], other["interface_type"]}
        if kinds & {"load_balancer", "vpc_endpoint"} or kinds == {"rds"} or one["interface_type"] == "elasticache":
            continue
        found[one["interface_id"]] += r["bytes"]
        if one["interface_id"] in gateways:  # the client's own rows show the Internet peer, not the gateway
            found[other["interface_id"]] += r["bytes"]
    assert {k: v for k, v in found.items() if v} == run.billed("DataTransfer-Regional-Bytes")


@pytest.mark.parametrize("name", ["day", "clean"])
def test_internet_bytes_of_the_bill_are_what_leaves_by_an_internet_gateway(name, request):
    run = request.getfixturevalue(name)
    found = Counter()
    for r in run.rows:
        if r["action"] == "ACCEPT" and r["traffic-path"] in ("2", "8") and r["pkt-dst-aws-service"] == "-":
            found[r["interface-id"]] += r["bytes"]
    assert found == run.billed("DataTransfer-Out-Bytes")


def test_endpoint_bytes_of_the_bill_are_both_directions_at_the_endpoints(day):
    found = Counter()
    for r in day.rows:
        if day.by_id[r["interface-id"]]["interface_type"] == "vpc_endpoint":
            found[day.by_id[r["interface-id"]]["owner"]] += r["bytes"]
    assert found == day.billed("VpcEndpoint-Bytes")
    assert set(day.billed("VpcEndpoint-Hours").values()) == {72}


def test_delivery_of_the_bill_is_the_text_of_all_objects(day, coarse, newest):
    for run in (day, coarse, newest):
        found = Counter()
        for path in run.folder.rglob("*.log.gz"):
            found[parse_key(path.as_posix()).flow_log_id] += len(gzip.decompress(path.read_bytes()))
        assert found == run.billed("S3-Egress-Bytes")
        assert sum(found.values()) == run.summary.text_bytes


def test_a_bill_over_midnight_has_a_line_per_day(tmp_path):
    run = Run(tmp_path, seed=5, hours=6, records=20_000, start="2026-03-01T21:00:00Z")
    assert {line["day"] for line in run.bill} == {"2026-03-01", "2026-03-02"}
    hours = {line["day"]: line["quantity"] for line in run.bill if line["usage_type"] == "NatGateway-Hours"}
    assert hours == {"2026-03-01": "3", "2026-03-02": "3"}
    inner = sum(run.billed("NatGateway-Bytes").values())
    nats = {n["interface_id"]: n["private_addresses"][0] for n in run.snapshot["nat_gateways"]}
    seen = 0
    for r in run.rows:
        if own := nats.get(r["interface-id"]):
            peer = r["pkt-dstaddr"] if r["flow-direction"] == "ingress" else r["pkt-srcaddr"]
            seen += r["bytes"] * (peer != own)
    assert seen == inner


def test_bytes_cost_what_the_price_book_says(day):
    line = next(line for line in day.bill if line["usage_type"] == "NatGateway-Bytes")
    assert float(line["cost_usd"]) == pytest.approx(int(line["quantity"]) / 1e9 * 0.045, abs=1e-6)


def test_every_rule_is_planted_once_and_the_port_scan_also_slowly(day, coarse, newest):
    for run in (day, coarse, newest):
        planted = Counter(i["rule"] for i in run.truth["incidents"])
        assert set(planted) == RULES
        assert planted.pop("port_scan") == 2
        assert set(planted.values()) == {1}


def test_a_clean_run_is_the_same_company_without_incidents_or_faults(day, clean):
    assert clean.truth["incidents"] == []
    assert set(clean.by_id) == set(day.by_id)
    groups = {g["name"]: g for g in clean.snapshot["security_groups"]}
    for name in ("bastion", "reporting"):
        assert all(rule.get("cidr") != "0.0.0.0/0" for rule in groups[name]["ingress"])
    assert all(e["action"] == "allow" for acl in clean.snapshot["network_acls"] for e in acl["entries"])
    private = [t for t in clean.snapshot["route_tables"] if any(r["target"].startswith("nat-") for r in t["routes"])]
    assert all(any(r["destination"].startswith("pl-") for r in t["routes"]) for t in private)


def test_a_clean_run_has_the_lookalikes(clean):
    web = {i["private_addresses"][0] for i in clean.snapshot["interfaces"] if i["name"].startswith("web-")}
    nodes = {i["private_addresses"][0] for i in clean.snapshot["interfaces"] if i["interface_type"] == "load_balancer"}
    monitor = next(i for i in clean.snapshot["interfaces"] if i["name"] == "monitor")
    checks = [r for r in clean.rows if r["srcaddr"] in nodes and r["dstaddr"] in web and r["bytes"] < 600]
    assert len(checks) > 500
    assert len({r["dstaddr"] for r in clean.rows if r["interface-id"] == monitor["interface_id"]}) > 20
    accepted = {
        (r["interface-id"], r["srcaddr"], r["srcport"], r["dstport"]) for r in clean.rows if r["action"] == "ACCEPT"
    }
    late = [
        r for r in clean.rows
        if r["action"] == "REJECT" and (r["interface-id"], r["srcaddr"], r["srcport"], r["dstport"]) in accepted
    ]  # fmt: skip
    assert late
    assert not any(r["tcp-flags"] & 2 for r in late)


def test_every_incident_shows_in_the_records(day, coarse):
    for run in (day, coarse):
        for incident in run.truth["incidents"]:
            subject = {key.replace("_", "-"): value for key, value in incident["subject"].items()}
            subject.pop("vpc-id", None)
            wanted = {key: set(value) if isinstance(value, list) else {value} for key, value in subject.items()}
            if {"srcaddr", "interface-id"} <= set(wanted) and incident["rule"] == "gateway_endpoint_missing":
                wanted.pop("interface-id")
            if incident["rule"] == "return_rejected":
                wanted.pop("interface-id")
            found = [r for r in run.rows if all(r[key] in values for key, values in wanted.items())]
            assert found, incident
            for key, values in wanted.items():
                if len(values) < 50:
                    assert {r[key] for r in found} == values
            since, until = iso_s(incident["first_seen"]) - 601, iso_s(incident["last_seen"]) + 601
            inside = [since <= r["start"] and r["end"] <= until for r in found]
            assert any(inside)
            if incident["rule"] in ALONE:
                assert all(inside), incident


def iso_s(text):
    from datetime import datetime

    return int(datetime.fromisoformat(text).timestamp())


def rows_for(run, rule):
    incident = next(i for i in run.truth["incidents"] if i["rule"] == rule)
    subject = {k.replace("_", "-"): v for k, v in incident["subject"].items() if not isinstance(v, list)}
    subject.pop("interface-id", None)
    return incident, [r for r in run.rows if all(r.get(k, v) == v for k, v in subject.items())]


def test_half_open_handshakes_are_one_packet_one_way_and_several_back(day):
    _, forward = rows_for(day, "half_open")
    planted = [r for r in forward if r["tcp-flags"] == 2 and r["packets"] == 1 and r["bytes"] == 60]
    assert len({(r["srcaddr"], r["srcport"]) for r in planted}) >= 250
    ports = {r["srcport"] for r in planted}
    back = Counter()
    for r in day.rows:
        if r["srcaddr"] == planted[0]["dstaddr"] and r["srcport"] == planted[0]["dstport"] and r["dstport"] in ports:
            back[r["dstport"]] |= r["tcp-flags"]
    assert sum(flags == 18 for flags in back.values()) >= 250


def test_refused_replies_follow_accepted_questions(day):
    incident, forward = rows_for(day, "return_rejected")
    assert {r["action"] for r in forward} == {"ACCEPT"}
    subject = incident["subject"]
    back = [
        r for r in day.rows
        if (r["srcaddr"], r["dstaddr"], r["srcport"]) == (subject["dstaddr"], subject["srcaddr"], subject["dstport"])
    ]  # fmt: skip
    refused = [r for r in back if r["action"] == "REJECT"]
    assert len({r["dstport"] for r in refused}) >= 80
    assert {r["interface-id"] for r in refused} == {subject["interface_id"]}


def test_a_saturated_interface_stays_at_its_types_baseline(day, coarse):
    for run in (day, coarse):
        incident, _ = rows_for(run, "saturated_interface")
        one = run.by_id[incident["subject"]["interface_id"]]
        instance = next(i for i in run.snapshot["instances"] if i["instance_id"] == one["instance_id"])
        own = one["private_addresses"][0]
        rates = {}
        for side in ("srcaddr", "dstaddr"):
            windows = Counter()
            for r in run.rows:
                if r["interface-id"] == one["interface_id"] and r[side] == own:
                    windows[r["start"], r["end"] + 1] += r["bytes"]
            inside = [
                8 * size / (end - start) / 1e9 / instance["baseline_gbps"]
                for (start, end), size in windows.items()
                if start > iso_s(incident["first_seen"]) + 600
                and end < iso_s(incident["last_seen"]) - 600
                and end - start > 20
            ]
            rates[side] = sum(inside) / len(inside)
        assert max(rates.values()) == pytest.approx(1.0, abs=0.05)


def test_the_rules_of_the_inventory_explain_every_refusal_and_every_acceptance(day):
    inventory = Inventory.load(day.folder / "inventory.json")
    opened = {}
    for r in day.rows:
        one = day.by_id[r["interface-id"]]
        if (
            r["flow-direction"] == "ingress"
            and r["protocol"] == 6
            and r["tcp-flags"] & 18 == 2
            and one["security_groups"]
        ):
            opened[r["interface-id"], r["pkt-srcaddr"], r["dstport"]] = r["action"]
    assert Counter(opened.values())["ACCEPT"] > 300
    wrong = []
    for (interface, peer, port), action in opened.items():
        verdict = policy.security_groups(inventory, interface, egress=False, protocol=6, peer=peer, port=port)
        if verdict.allowed != (action == "ACCEPT"):
            wrong.append((day.by_id[interface]["name"], peer, port, action, verdict))
    assert wrong == []


def test_gap_lines_say_nothing_but_interface_and_time(day):
    gaps = [r for r in day.lines if r["log-status"] != "OK"]
    assert {r["log-status"] for r in gaps} == {"NODATA", "SKIPDATA"}
    for r in gaps:
        filled = {name for name, value in r.items() if value != "-"}
        assert filled == {"version", "account-id", "interface-id", "start", "end", "log-status", "path"}


def test_version_eleven_names_the_next_hop_and_encodes_tags(newest):
    nats = {n["interface_id"] for n in newest.snapshot["nat_gateways"]}
    to_nat = [r for r in newest.rows if r["next-hop-interface-id"] in nats]
    assert to_nat
    for r in to_nat:
        assert r["next-hop-interface-type"] == "nat_gateway"
        assert r["next-hop-az-id"] == newest.by_id[r["next-hop-interface-id"]]["az_id"]
    tags = {r["instance-tag"] for r in newest.rows} - {"-"}
    assert "web%2D1a" in tags
    assert {r["instance-tag-2"] for r in newest.rows if r["instance-tag"] == "web%2D1a"} == {"team%20web%2Fprod"}
    tasks = [r for r in newest.rows if r["ecs-cluster-name"] == "shop-tasks"]
    assert tasks
    assert {r["instance-id"] for r in tasks} == {"-"}


def test_ipv6_shows_at_the_load_balancer(day):
    six = [r for r in day.rows if r["type"] == "IPv6"]
    assert six
    assert {day.by_id[r["interface-id"]]["interface_type"] for r in six} == {"load_balancer"}
    assert all(":" in r["srcaddr"] and ":" in r["dstaddr"] for r in six)


def test_some_clients_reach_a_nat_gateway_in_another_zone(clean):
    owners = clean.owner_of()
    zones = Counter()
    for nat in clean.snapshot["nat_gateways"]:
        for r in clean.rows:
            if r["interface-id"] == nat["interface_id"] and r["pkt-srcaddr"] in owners:
                zones[owners[r["pkt-srcaddr"]]["az_id"] == nat["az_id"]] += 1
    assert zones[False] > 50
    assert zones[True] > 50


def test_the_inventory_loads_and_its_ids_resolve(day):
    inventory = Inventory.load(day.folder / "inventory.json")
    for one in inventory.interfaces:
        subnet = inventory.subnet(one.subnet_id)
        assert subnet is not None
        assert subnet.az_id == one.az_id
        assert any(ipaddress.ip_address(one.addresses[0]) in ipaddress.ip_network(c) for c in subnet.cidrs)
        assert inventory.network_acl_of(one.subnet_id) is not None
        assert inventory.route_table_of(one.subnet_id) is not None
        assert all(inventory.security_group(group) is not None for group in one.security_groups)
    assert {log.flow_log_id for log in inventory.flow_logs} == set(day.summary.flow_log_ids)


def test_a_beacon_that_cannot_be_seen_is_said_to_be_so(tmp_path):
    run = Run(tmp_path, seed=2, hours=2, records=20_000, interval_s=600)
    beacon = next(i for i in run.truth["incidents"] if i["rule"] == "beacon")
    assert beacon["detectable"] is False
    assert beacon["why_not"].startswith("only ")
    assert all(i["why_not"] == "" for i in run.truth["incidents"] if i["detectable"])


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"format": "v3"}, "generate: format is 'v3'. Give one of v2, v5, v11."),
        ({"interval_s": 300}, "generate: interval is 300. Give 60 or 600, the two that AWS has."),
        ({"hours": 0}, "generate: hours is 0. Give a whole number of at least 1."),
        ({"account": "123"}, "generate: account is '123'. Give 12 digits."),
        ({"start": "yesterday"}, "generate: start is 'yesterday'. Give a date or an instant such as 2026-11-02."),
    ],
)
def test_a_wrong_order_is_refused_in_one_sentence(tmp_path, order, message):
    with pytest.raises(ParameterError) as caught:
        generate(tmp_path, **order)
    assert str(caught.value) == message
    assert list(tmp_path.iterdir()) == []


def test_logs_are_never_mixed_with_logs_that_are_there(tmp_path):
    (tmp_path / "AWSLogs").mkdir()
    with pytest.raises(ParameterError, match="already holds flow logs"):
        generate(tmp_path)


def test_too_few_records_for_the_incidents_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="the incidents alone make"):
        generate(tmp_path, records=5_000)


def test_the_account_keeps_its_leading_zero(tmp_path):
    summary = generate(tmp_path, hours=1, records=2_000, clean=True, account="012345678901")
    assert summary.account_id == "012345678901"
    assert {r["account-id"] for r in rows_of(tmp_path)} == {"012345678901"}


def test_the_bundled_sample_is_what_sample_writes(tmp_path):
    sample(tmp_path)
    ours, bundled = rows_of(tmp_path), rows_of(SAMPLE)
    for rows, folder in ((ours, tmp_path), (bundled, SAMPLE)):
        for row in rows:
            row["path"] = row["path"].relative_to(folder).as_posix()
    assert ours == bundled
    for name in ("truth.json", "bill.csv", "inventory.json"):
        assert (tmp_path / name).read_text() == (SAMPLE / name).read_text()
    files = [p for p in SAMPLE.rglob("*") if p.is_file()]
    assert sum(-(-p.stat().st_size // 4096) * 4096 for p in files) <= 2_000_000
    shutil.rmtree(tmp_path)
