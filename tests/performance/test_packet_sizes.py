"""Packet sizes are means per conversation, direction and hour; every packet is in one class."""

from __future__ import annotations

from flowkit.performance import packet_sizes, packet_sizes_by_service, small_packets
from tests.performance.rows import T, answered, around
from tests.rows import flow, flows_of


def classes(rows):
    table = packet_sizes(flows_of(rows)).table
    return {int(row.packet_from_bytes): (row.packets, row.bytes) for row in table.itertuples()}


def test_packet_sizes_puts_a_mean_at_the_bound_into_the_lower_class():
    rows = [flow(srcport=40000, packets=10, bytes=640), flow(srcport=40001, packets=10, bytes=641)]
    assert classes(rows) == {0: (10, 640), 65: (10, 641)}


def test_packet_sizes_has_a_class_for_every_size():
    sizes = [64, 128, 256, 512, 1024, 1500, 9001]
    rows = [flow(srcport=40000 + n, packets=2, bytes=2 * size) for n, size in enumerate(sizes)]
    assert list(classes(rows)) == [0, 65, 129, 257, 513, 1025, 1501]
    table = packet_sizes(flows_of(rows)).table
    assert table["packet_to_bytes"].fillna(0).tolist() == [64, 128, 256, 512, 1024, 1500, 0]


def test_packet_sizes_adds_up_to_all_packets_once():
    rows = [
        flow(packets=3, bytes=300),
        flow(packets=3, bytes=300, interface_id="eni-2"),
        flow(srcport=40001, packets=5, bytes=9000),
    ]
    table = packet_sizes(flows_of(rows)).table
    assert (table["packets"].sum(), table["bytes"].sum()) == (8, 9300)
    assert (round(table["packets_share"].sum(), 12), round(table["bytes_share"].sum(), 12)) == (1.0, 1.0)


def test_packet_sizes_by_service_shares_out_each_services_packets():
    rows = around(
        answered(start_s=T, packets=10, bytes=600) + answered(start_s=T, srcport=40001, packets=30, bytes=45_000)
    )
    table = packet_sizes_by_service(flows_of(rows)).table
    https = table[table["service"] == "https 443"]
    # Forth: 10 packets of 60 bytes, 30 of 1,500; back: 8 of 500 in each of the two.
    seen = https[["packet_from_bytes", "packets"]].values.tolist()
    assert seen == [[0, 10], [257, 16], [1025, 30]]
    assert https["packets_share"].tolist() == [10 / 56, 16 / 56, 30 / 56]


def test_packet_sizes_by_service_stops_at_top_n_services():
    rows = around(
        [row for n in range(4) for row in answered(dstport=(22, 80, 443, 5432)[n], srcport=40000 + n, start_s=T)]
    )
    assert packet_sizes_by_service(flows_of(rows), top_n=2).table["service"].nunique() == 2


def test_small_packets_counts_means_of_at_most_128_bytes():
    hour = T - T % 3600
    rows = [
        flow(dstport=53, protocol=17, srcport=40000 + n, start_s=hour, packets=720, bytes=720 * size)
        for n, size in enumerate((128, 129, 90))
    ]
    row = small_packets(flows_of(rows)).table.iloc[0]
    assert (row["service"], row["small_packets"], row["packets"]) == ("dns 53", 1440, 2160)
    assert (row["small_share"], row["busiest_hour_pps"]) == (1440 / 2160, 0.4)


def test_small_packets_leaves_out_services_without_any():
    assert small_packets(flows_of([flow(packets=10, bytes=15_000)])).table.empty


def test_all_three_have_the_same_columns_without_records():
    for question in (packet_sizes, packet_sizes_by_service, small_packets):
        table = question(flows_of([])).table
        assert list(table.columns) == list(question(flows_of([flow(packets=10, bytes=600)])).table.columns)
        assert table.empty


def test_all_three_name_the_field_they_lack():
    flows = flows_of([{k: v for k, v in flow().items() if k != "packets"}])
    assert (
        packet_sizes(flows).missing
        == packet_sizes_by_service(flows).missing
        == small_packets(flows).missing
        == ("packets",)
    )
