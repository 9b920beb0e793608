"""Rules 10 and 11: late REJECTs, blocked returns, and the legs of NAT gateways."""

from __future__ import annotations

from tests.rows import START_S as T
from tests.rows import flow, flows_of, reply

AROUND = [
    flow(srcaddr="10.0.0.1", dstaddr="10.0.0.200", srcport=1111, dstport=2222, start_s=T - 10_000),
    flow(srcaddr="10.0.0.1", dstaddr="10.0.0.200", srcport=1111, dstport=2222, start_s=T + 20_000),
]


def late(rows):
    return flows_of([*AROUND, *rows]).sql("SELECT late FROM flows WHERE action = 'REJECT'").late.tolist()


def conversation(rows, **options):
    found = flows_of([*AROUND, *rows], **options).sql("SELECT * FROM conversations WHERE dstaddr <> '10.0.0.200'")
    assert len(found) == 1
    return found.iloc[0]


def test_a_reject_after_an_accepted_conversation_without_syn_is_late():
    rows = [flow(tcp_flags=3), reply(flow(), tcp_flags=19), flow(tcp_flags=4, action="REJECT", start_s=T + 120)]
    assert late(rows) == [True]
    row = conversation(rows)
    assert (row.state, row.rejected, row.late_rejects) == ("answered", False, 1)


def test_a_reject_with_syn_is_never_late():
    assert late([flow(tcp_flags=2), flow(tcp_flags=2, action="REJECT", start_s=T + 120)]) == [False]


def test_a_reject_without_any_accept_is_not_late():
    assert late([flow(tcp_flags=0, action="REJECT")]) == [False]


def test_a_reject_of_the_same_tuple_at_another_interface_is_not_late():
    other = [flow(interface_id="eni-2", srcaddr="10.0.0.2", dstaddr="10.0.0.99", start_s=T - 9000)]
    assert late([*other, flow(tcp_flags=0), flow(tcp_flags=0, action="REJECT", interface_id="eni-2")]) == [False]


def test_after_the_tracking_time_out_a_reject_is_a_refusal():
    assert late([flow(tcp_flags=0), flow(tcp_flags=0, action="REJECT", start_s=T + 59 + 432_000)]) == [True]
    assert late([flow(tcp_flags=0), flow(tcp_flags=0, action="REJECT", start_s=T + 60 + 432_000)]) == [False]


def test_in_v2_only_a_service_port_to_an_ephemeral_one_can_be_late():
    server = flow(srcaddr="10.0.0.1", srcport=443, dstaddr="9.9.9.9", dstport=50000)
    assert late([server, reply(server), {**server, "action": "REJECT", "start_s": T + 90}]) == [True]
    client = flow(srcaddr="9.9.9.9", srcport=50000, dstaddr="10.0.0.1", dstport=443)
    assert late([client, reply(client), {**client, "action": "REJECT", "start_s": T + 90}]) == [False]


def subnets(same: bool):
    return {
        "subnets": [
            {"subnet_id": "subnet-1", "vpc_id": "vpc-1", "cidrs": ["10.0.0.0/24"]},
            {"subnet_id": "subnet-2", "vpc_id": "vpc-1", "cidrs": ["10.0.1.0/24"]},
        ],
        "interfaces": [
            {"interface_id": "eni-1", "vpc_id": "vpc-1", "subnet_id": "subnet-1", "private_addresses": ["10.0.0.1"]},
            {
                "interface_id": "eni-9",
                "vpc_id": "vpc-1",
                "subnet_id": "subnet-1" if same else "subnet-2",
                "private_addresses": ["10.0.0.2"],
            },
        ],
    }


def test_a_reply_refused_where_the_question_passed_is_a_blocked_return():
    ask = flow(srcaddr="10.0.0.2", dstaddr="10.0.0.1", tcp_flags=2, vpc_id="vpc-1")
    row = conversation([ask, reply(ask, tcp_flags=18, action="REJECT")], inventory=subnets(same=False))
    assert (row.state, row.rev_dst_action, row.fwd_dst_action) == ("return_rejected", "REJECT", "ACCEPT")
    assert not row.rejected


def test_within_one_subnet_no_nacl_can_block_a_return():
    ask = flow(srcaddr="10.0.0.2", dstaddr="10.0.0.1", tcp_flags=2, vpc_id="vpc-1")
    row = conversation([ask, reply(ask, tcp_flags=18, action="REJECT")], inventory=subnets(same=True))
    assert row.state != "return_rejected"


def test_a_blocked_udp_reply_is_not_late():
    ask = flow(srcaddr="10.0.1.9", dstaddr="10.0.0.1", dstport=53, protocol=17, tcp_flags=0)
    assert conversation([ask, reply(ask, action="REJECT")]).state == "return_rejected"


def test_a_reply_refused_at_another_interface_than_the_question_is_no_blocked_return():
    ask = flow(srcaddr="10.0.0.1", dstaddr="10.0.0.2", tcp_flags=2, interface_id="eni-1")
    others = [flow(srcaddr="10.0.0.2", dstaddr=f"10.0.0.{n}", interface_id="eni-2", start_s=T - 9000) for n in (77, 78)]
    back = reply(ask, tcp_flags=18, action="REJECT", interface_id="eni-2")
    rows = flows_of([*AROUND, *others, ask, back]).sql(
        "SELECT * FROM conversations WHERE dstport = 443 AND start_s = 1700000000"
    )
    assert rows.state.tolist() != ["return_rejected"]


NAT, CLIENT, PEER = "10.0.0.220", "10.0.1.5", "203.0.113.5"


def zonal_legs(bytes_out=1000, bytes_back=9000, start_s=T):
    """The four legs at a NAT gateway's interface as AWS publishes them, and the two at the client's."""
    nat = {"interface_id": "eni-nat", "vpc_id": "vpc-1", "instance_id": None, "start_s": start_s}
    host = {"interface_id": "eni-client", "vpc_id": "vpc-1", "instance_id": "i-1", "start_s": start_s + 7}
    return [
        flow(
            **nat,
            flow_direction="ingress",
            srcaddr=CLIENT,
            dstaddr=NAT,
            pkt_srcaddr=CLIENT,
            pkt_dstaddr=PEER,
            bytes=bytes_out,
        ),
        flow(
            **nat,
            flow_direction="egress",
            srcaddr=NAT,
            dstaddr=PEER,
            pkt_srcaddr=NAT,
            pkt_dstaddr=PEER,
            srcport=61000,
            bytes=bytes_out,
        ),
        flow(
            **nat,
            flow_direction="ingress",
            srcaddr=PEER,
            dstaddr=NAT,
            pkt_srcaddr=PEER,
            pkt_dstaddr=NAT,
            srcport=443,
            dstport=61000,
            bytes=bytes_back,
        ),
        flow(
            **nat,
            flow_direction="egress",
            srcaddr=NAT,
            dstaddr=CLIENT,
            pkt_srcaddr=PEER,
            pkt_dstaddr=CLIENT,
            srcport=443,
            dstport=40000,
            bytes=bytes_back,
        ),
        flow(
            **host,
            flow_direction="egress",
            srcaddr=CLIENT,
            dstaddr=PEER,
            pkt_srcaddr=CLIENT,
            pkt_dstaddr=PEER,
            bytes=bytes_out,
        ),
        flow(
            **host,
            flow_direction="ingress",
            srcaddr=PEER,
            dstaddr=CLIENT,
            pkt_srcaddr=PEER,
            pkt_dstaddr=CLIENT,
            srcport=443,
            dstport=40000,
            bytes=bytes_back,
        ),
    ]


def test_the_four_legs_of_a_zonal_nat_are_one_conversation_of_the_client():
    flows = flows_of(zonal_legs())
    counted = flows.sql("SELECT srcaddr, dstaddr, fwd_bytes, rev_bytes FROM conversations WHERE leg = ''")
    assert list(counted.itertuples(index=False, name=None)) == [(CLIENT, PEER, 1000, 9000)]
    assert flows.sql("SELECT leg FROM conversations WHERE srcaddr = '10.0.0.220'").leg.tolist() == ["nat_outer"]
    assert flows.sql("SELECT role, role_source FROM interfaces WHERE observer = 'eni-nat'").values.tolist() == [
        ["nat_gateway", "inferred"]
    ]


def test_traffic_seen_only_at_the_nat_is_still_counted_once():
    flows = flows_of(zonal_legs()[:4])
    total = flows.sql("SELECT CAST(sum(fwd_bytes + rev_bytes) AS BIGINT) AS n FROM conversations WHERE leg = ''").n[0]
    assert total == 10_000


def test_the_legs_of_a_regional_nat_are_one_conversation_of_the_client():
    public = "198.51.100.7"
    nat = {"interface_id": None, "resource_id": "nat-0abc", "vpc_id": "vpc-1"}
    host = {"interface_id": "eni-client", "vpc_id": "vpc-1", "instance_id": "i-1"}
    rows = [
        flow(**nat, flow_direction="ingress", srcaddr=CLIENT, dstaddr=PEER, bytes=1000),
        flow(**nat, flow_direction="egress", srcaddr=public, dstaddr=PEER, srcport=61000, bytes=1000),
        flow(**nat, flow_direction="ingress", srcaddr=PEER, dstaddr=public, srcport=443, dstport=61000, bytes=9000),
        flow(**nat, flow_direction="egress", srcaddr=PEER, dstaddr=CLIENT, srcport=443, dstport=40000, bytes=9000),
        flow(**host, flow_direction="egress", srcaddr=CLIENT, dstaddr=PEER, bytes=1000),
        flow(**host, flow_direction="ingress", srcaddr=PEER, dstaddr=CLIENT, srcport=443, dstport=40000, bytes=9000),
    ]
    flows = flows_of([{**row, "pkt_srcaddr": row["srcaddr"], "pkt_dstaddr": row["dstaddr"]} for row in rows])
    counted = flows.sql("SELECT srcaddr, dstaddr, fwd_bytes, rev_bytes FROM conversations WHERE leg = ''")
    assert list(counted.itertuples(index=False, name=None)) == [(CLIENT, PEER, 1000, 9000)]


def plain(rows):
    return [
        {
            k: v
            for k, v in row.items()
            if k not in ("pkt_srcaddr", "pkt_dstaddr", "flow_direction", "instance_id", "vpc_id")
        }
        for row in rows
    ]


def test_without_packet_addresses_a_nat_is_known_by_the_inventory_and_its_legs_are_labelled():
    inventory = {
        "nat_gateways": [{"nat_gateway_id": "nat-1", "interface_id": "eni-nat"}],
        "interfaces": [{"interface_id": "eni-nat", "private_addresses": [NAT], "account_id": "123456789012"}],
    }
    flows = flows_of(plain(zonal_legs()), inventory=inventory)
    counted = flows.sql("SELECT srcaddr, dstaddr, fwd_bytes FROM conversations WHERE leg = ''")
    assert list(counted.itertuples(index=False, name=None)) == [(CLIENT, PEER, 1000)]
    assert set(flows.sql("SELECT leg FROM conversations").leg) == {"", "nat_inner", "nat_outer"}


def test_without_packet_addresses_a_nat_seen_alone_is_counted_by_its_outer_legs():
    inventory = {
        "nat_gateways": [{"nat_gateway_id": "nat-1", "interface_id": "eni-nat"}],
        "interfaces": [{"interface_id": "eni-nat", "private_addresses": [NAT], "account_id": "123456789012"}],
    }
    flows = flows_of(plain(zonal_legs()[:4]), inventory=inventory)
    counted = flows.sql("SELECT srcaddr, dstaddr, fwd_bytes, rev_bytes FROM conversations WHERE leg = ''")
    assert list(counted.itertuples(index=False, name=None)) == [(NAT, PEER, 1000, 9000)]


def test_without_packet_addresses_or_inventory_a_nat_is_inferred_from_its_bytes():
    rows = []
    for n in range(4):
        for row in plain(zonal_legs(bytes_out=1000 + n, start_s=T + 100 * n)):
            swap = {"203.0.113.5": f"203.0.113.{5 + n}"}
            rows.append(
                flow(
                    **{k: swap.get(v, v) if isinstance(v, str) else v for k, v in row.items() if not k.endswith("_key")}
                )
            )
    flows = flows_of(rows)
    assert flows.sql("SELECT role FROM interfaces WHERE observer = 'eni-nat'").role.tolist() == ["nat_gateway"]


def test_geneve_wraps_other_traffic_and_is_not_added():
    rows = [flow(protocol=17, srcport=60001, dstport=6081, bytes=5000), flow(bytes=70)]
    flows = flows_of(rows)
    assert flows.sql("SELECT CAST(sum(fwd_bytes) AS BIGINT) AS n FROM conversations WHERE leg = ''").n[0] == 70
    assert flows.sql("SELECT leg FROM conversations WHERE dstport = 6081").leg.tolist() == ["encapsulated"]


def test_the_appliance_and_transit_gateway_legs_of_awss_example_are_one_conversation():
    """AWS's own example of traffic through a transit gateway to an appliance (VPC guide, flow log record examples)."""
    client, server = "10.20.33.164", "10.40.2.236"
    rows = [
        flow(
            interface_id="eni-server",
            instance_id="i-1",
            vpc_id="vpc-2",
            flow_direction="ingress",
            srcaddr=client,
            dstaddr=server,
            pkt_srcaddr=client,
            pkt_dstaddr=server,
            srcport=39812,
            dstport=80,
            tcp_flags=3,
            bytes=100,
        ),
        flow(
            interface_id="eni-server",
            instance_id="i-1",
            vpc_id="vpc-2",
            flow_direction="egress",
            srcaddr=server,
            dstaddr=client,
            pkt_srcaddr=server,
            pkt_dstaddr=client,
            srcport=80,
            dstport=39812,
            tcp_flags=19,
            bytes=900,
        ),
        flow(
            interface_id="eni-tgw",
            instance_id=None,
            vpc_id="vpc-2",
            flow_direction="egress",
            srcaddr="10.40.1.175",
            dstaddr=server,
            pkt_srcaddr=client,
            pkt_dstaddr=server,
            srcport=39812,
            dstport=80,
            tcp_flags=3,
            bytes=100,
        ),
        flow(
            interface_id="eni-tgw2",
            instance_id=None,
            vpc_id="vpc-2",
            flow_direction="ingress",
            srcaddr=server,
            dstaddr="10.40.2.31",
            pkt_srcaddr=server,
            pkt_dstaddr=client,
            srcport=80,
            dstport=39812,
            tcp_flags=19,
            bytes=900,
        ),
    ]
    found = flows_of(rows).sql("SELECT srcaddr, dstaddr, dstport, fwd_bytes, rev_bytes FROM conversations")
    assert list(found.itertuples(index=False, name=None)) == [(client, server, 80, 100, 900)]
