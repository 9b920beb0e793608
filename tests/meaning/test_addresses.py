"""Rules 4, 6 and 13: whose address it is."""

from __future__ import annotations

from tests.rows import START_S as T
from tests.rows import flow, flows_of


def interface(flows, observer):
    return flows.sql(f"SELECT * FROM interfaces WHERE observer = '{observer}'").iloc[0]


def address(flows, address):
    return flows.sql(f"SELECT * FROM addresses WHERE address = '{address}' ORDER BY valid_from_s, network")


def test_the_address_in_all_rows_of_an_interface_is_its_own():
    rows = [flow(dstaddr=f"10.0.0.{n}", srcaddr="10.0.0.1") for n in range(5, 9)]
    assert interface(flows_of(rows), "eni-1").own_address == "10.0.0.1"


def test_an_interface_with_one_peer_is_told_apart_by_the_peers_own_interface():
    rows = [
        flow(),
        flow(interface_id="eni-2", srcaddr="10.0.0.2", dstaddr="10.0.0.9"),
        flow(interface_id="eni-2", srcaddr="10.0.0.2", dstaddr="10.0.0.8"),
    ]
    assert interface(flows_of(rows), "eni-1").own_address == "10.0.0.1"


def test_an_interface_that_forwards_for_others_has_no_own_address():
    rows = [flow(srcaddr=f"10.0.{n}.1", dstaddr=f"10.1.{n}.1") for n in range(4)]
    assert (
        interface(flows_of(rows), "eni-1").own_address is None
        or flows_of(rows).sql("SELECT own_address IS NULL AS n FROM interfaces").n[0]
    )


def test_direction_follows_from_the_own_address_where_the_log_lacks_it():
    rows = [flow(dstaddr=f"10.0.0.{n}") for n in (5, 6)] + [flow(srcaddr="10.0.0.7", dstaddr="10.0.0.1")]
    found = flows_of(rows).sql("SELECT srcaddr, direction FROM flows ORDER BY srcaddr, dstaddr")
    assert list(found.direction) == ["egress", "egress", "ingress"]


def test_flow_direction_beats_the_own_address():
    rows = [
        flow(flow_direction="egress", srcaddr="10.0.0.1"),
        flow(flow_direction="ingress", srcaddr="10.0.0.8", dstaddr="10.0.0.1"),
    ]
    assert set(flows_of(rows).sql("SELECT direction FROM flows").direction) == {"egress", "ingress"}


def test_overlapping_addresses_of_two_vpcs_are_two_hosts():
    rows = [
        flow(vpc_id="vpc-1", interface_id="eni-1", dstaddr="10.0.0.5"),
        flow(vpc_id="vpc-1", interface_id="eni-1", dstaddr="10.0.0.6"),
        flow(vpc_id="vpc-2", interface_id="eni-2", dstaddr="10.0.0.5"),
        flow(vpc_id="vpc-2", interface_id="eni-2", dstaddr="10.0.0.6"),
    ]
    flows = flows_of(rows)
    assert address(flows, "10.0.0.1").endpoint_id.nunique() == 2
    assert len(flows.sql("SELECT * FROM conversations WHERE dstaddr = '10.0.0.5'")) == 2


def test_a_peered_host_is_the_same_host_from_either_vpc():
    rows = [
        flow(vpc_id="vpc-1", interface_id="eni-1", srcaddr="10.1.0.1", dstaddr="10.2.0.1", bytes=900, start_s=T + 10),
        flow(vpc_id="vpc-1", interface_id="eni-1", srcaddr="10.1.0.1", dstaddr="10.1.0.9"),
        flow(vpc_id="vpc-2", interface_id="eni-2", srcaddr="10.1.0.1", dstaddr="10.2.0.1", bytes=900, start_s=T + 17),
        flow(vpc_id="vpc-2", interface_id="eni-2", srcaddr="10.2.0.1", dstaddr="10.2.0.9"),
    ]
    found = flows_of(rows).sql("SELECT * FROM conversations WHERE dstaddr = '10.2.0.1'")
    assert list(found.fwd_bytes) == [900]
    assert (found.src_network[0], found.dst_network[0], found.observers[0]) == ("vpc-1", "vpc-2", "both")


def test_a_recycled_address_is_two_hosts_one_after_the_other():
    rows = [flow(interface_id="eni-old", srcaddr="10.0.0.9", dstaddr=f"10.0.0.{n}", start_s=T) for n in (1, 2)]
    rows += [flow(interface_id="eni-new", srcaddr="10.0.0.9", dstaddr=f"10.0.0.{n}", start_s=T + 7200) for n in (1, 2)]
    found = address(flows_of(rows), "10.0.0.9")
    assert list(found.interface_id) == ["eni-old", "eni-new"]
    assert found.valid_to_s.tolist()[:1] == found.valid_from_s.tolist()[1:] == [T + 7200]


def test_two_interfaces_with_one_address_at_once_leave_its_owner_open():
    rows = [flow(interface_id=f"eni-{n}", srcaddr="10.0.0.9", dstaddr=f"10.0.0.{m}") for n in (1, 2) for m in (1, 2)]
    assert address(flows_of(rows), "10.0.0.9").interface_id.isna().all()


def test_scopes_are_told_in_an_explicit_order():
    peers = {
        "8.8.8.8": "public",
        "192.168.7.7": "private",
        "169.254.1.1": "link_local",
        "224.0.0.251": "multicast",
        "203.0.113.5": "public",
        "100.64.0.9": "private",
        "2001:4860:4860::8888": "public",
        "fe80::1": "link_local",
        "ff02::1": "multicast",
        "64:ff9b::808:808": "public",
    }
    rows = [flow(dstaddr=peer) for peer in peers]
    found = flows_of(rows).sql("SELECT address, scope FROM addresses")
    assert {row.address: row.scope for row in found.itertuples() if row.address in peers} == peers


def test_ipv6_of_a_vpc_is_inside_though_it_is_global_unicast():
    rows = [flow(srcaddr="2600:1f18:1:1::5", dstaddr=f"2001:db8::{n}", interface_id="eni-6") for n in range(3)]
    rows.append(flow(srcaddr="2600:1f18:1:1::5", dstaddr="2600:1f18:1:1::77", interface_id="eni-6"))
    flows = flows_of(rows)
    assert address(flows, "2600:1f18:1:1::5").scope[0] == "vpc"
    assert address(flows, "2600:1f18:1:1::77").scope[0] == "vpc"  # the same /64
    assert address(flows, "2001:db8::1").scope[0] == "public"


def test_cidrs_that_are_yours_are_inside():
    rows = [flow(dstaddr="52.0.0.9"), flow(dstaddr="52.1.0.9")]
    flows = flows_of(rows, cidrs=["52.0.0.0/16"])
    assert address(flows, "52.0.0.9").scope[0] == "vpc"
    assert address(flows, "52.1.0.9").scope[0] == "public"


def test_a_pod_behind_a_node_belongs_to_the_node():
    rows = [
        flow(
            interface_id="eni-node",
            instance_id="i-1",
            flow_direction="egress",
            srcaddr="10.0.0.1",
            pkt_srcaddr="10.0.0.77",
            dstaddr="10.0.0.9",
            pkt_dstaddr="10.0.0.9",
        ),
        flow(
            interface_id="eni-node",
            instance_id="i-1",
            flow_direction="egress",
            srcaddr="10.0.0.1",
            pkt_srcaddr="10.0.0.1",
            dstaddr="10.0.0.9",
            pkt_dstaddr="10.0.0.9",
            dstport=80,
        ),
    ]
    flows = flows_of(rows)
    assert address(flows, "10.0.0.77").interface_id[0] == "eni-node"
    assert set(flows.sql("SELECT srcaddr FROM conversations").srcaddr) == {"10.0.0.77", "10.0.0.1"}


def test_the_inventory_names_what_the_records_do_not():
    inventory = {
        "vpcs": [{"vpc_id": "vpc-1", "cidrs": ["10.0.0.0/16"]}],
        "subnets": [{"subnet_id": "subnet-1", "vpc_id": "vpc-1", "az_id": "use1-az1", "cidrs": ["10.0.0.0/24"]}],
        "interfaces": [
            {
                "interface_id": "eni-2",
                "vpc_id": "vpc-1",
                "subnet_id": "subnet-1",
                "private_addresses": ["10.0.0.2"],
                "name": "db-1",
            },
            {
                "interface_id": "eni-1",
                "vpc_id": "vpc-1",
                "subnet_id": "subnet-1",
                "private_addresses": ["10.0.0.1"],
                "name": "app-1",
            },
        ],
    }
    row = flows_of([flow()], inventory=inventory).sql("SELECT * FROM conversations").iloc[0]
    assert (row.src_name, row.dst_name, row.dst_interface_id, row.dst_az_id) == ("app-1", "db-1", "eni-2", "use1-az1")
    assert (row.src_network, row.dst_network) == ("vpc-1", "vpc-1")
