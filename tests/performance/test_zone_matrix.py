"""What goes from zone to zone: by the sender of the bytes, each byte once."""

from __future__ import annotations

from flowkit.performance import az_matrix, subnet_matrix
from tests.rows import flow, flows_of, reply

PLACES = {"eni-1": ("use1-az1", "subnet-1"), "eni-2": ("use1-az2", "subnet-2")}


def placed(row, interface_id, direction):
    az_id, subnet_id = PLACES[interface_id]
    return {**row, "interface_id": interface_id, "az_id": az_id, "subnet_id": subnet_id, "flow_direction": direction}


def across():
    there, back = flow(bytes=1000, packets=10), reply(flow(), bytes=5000, packets=5)
    return [placed(there, "eni-1", "egress"), placed(back, "eni-1", "ingress"),
            placed(there, "eni-2", "ingress"), placed(back, "eni-2", "egress")]  # fmt: skip


def test_az_matrix_has_one_cell_per_sending_and_receiving_zone():
    table = az_matrix(flows_of(across())).table
    assert table.values.tolist() == [
        ["use1-az2", "use1-az1", True, 5000, 5000 / 6000, 5],
        ["use1-az1", "use1-az2", True, 1000, 1000 / 6000, 10],
    ]


def test_az_matrix_says_internet_where_the_peer_is_public():
    rows = [*across(), placed(flow(dstaddr="8.8.8.8", bytes=70, srcport=41000), "eni-1", "egress")]
    last = az_matrix(flows_of(rows)).table.iloc[-1]
    assert (last.sender_zone, last.receiver_zone, last.bytes) == ("use1-az1", "internet", 70)
    assert str(last.crosses) == "<NA>"


def test_az_matrix_adds_up_to_all_traffic():
    rows = [*across(), placed(flow(dstaddr="8.8.8.8", bytes=70, srcport=41000), "eni-1", "egress")]
    table = az_matrix(flows_of(rows)).table
    assert (table["bytes"].sum(), round(table["bytes_share"].sum(), 12)) == (6070, 1.0)


def test_subnet_matrix_has_one_cell_per_sending_and_receiving_subnet():
    table = subnet_matrix(flows_of(across()), top_n=1).table
    assert table.values.tolist() == [["subnet-2", "subnet-1", True, 5000, 5000 / 6000, 5]]


def test_matrices_say_which_field_would_tell_the_place():
    assert az_matrix(flows_of([flow()])).missing == ("az_id",)
    assert subnet_matrix(flows_of([flow()])).missing == ("subnet_id",)


def test_az_matrix_takes_zones_from_the_inventory():
    interfaces = [
        {"interface_id": f"eni-{n}", "vpc_id": "vpc-1", "az_id": f"use1-az{n}", "private_addresses": [f"10.0.0.{n}"]}
        for n in (1, 2)
    ]
    table = az_matrix(flows_of([flow(bytes=9)], inventory={"interfaces": interfaces})).table
    assert table[["sender_zone", "receiver_zone", "bytes"]].values.tolist() == [["use1-az1", "use1-az2", 9]]


def test_matrices_have_the_same_columns_without_records():
    assert list(az_matrix(flows_of([])).table.columns) == list(az_matrix(flows_of(across())).table.columns)
    assert list(subnet_matrix(flows_of([])).table.columns) == list(subnet_matrix(flows_of(across())).table.columns)
