"""Encryption in transit and Block Public Access, from the fields that tell of them."""

from __future__ import annotations

import pytest

from flowkit.errors import MissingField
from flowkit.security import block_public_access, unencrypted_paths
from flowkit.security.unencrypted_paths import unencrypted
from tests.rows import flow, flows_of, reply

A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"
MB = 1_000_000


def hop(src, dst, size, status, **fields):
    """One record at the sender's interface; `status` as `encryption-status` has it."""
    return flow(
        srcaddr=src, dstaddr=dst, bytes=size, encryption_status=status, flow_direction="egress", vpc_id="vpc-1",
        interface_id=f"eni-{src[-1]}", **fields,
    )  # fmt: skip


def shares(rows):
    table = unencrypted_paths(flows_of(rows)).table
    columns = ("path", "port", "bytes", "unencrypted_bytes", "unknown_bytes")
    return list(zip(*(table[name] for name in columns), strict=True))


def severities(rows):
    return [one.severity for one in unencrypted(flows_of(rows))]


def test_unencrypted_fires_where_a_tenth_of_the_bytes_is_the_exception():
    (one,) = unencrypted(flows_of([hop(A, B, 9 * MB, 1), hop(B, C, MB, 0)]))
    assert (one.severity, one.title) == ("medium", "10.0 % of the bytes inside vpc-1 travelled unencrypted")
    assert one.subject == {"vpc_id": "vpc-1", "srcaddr": B, "dstaddr": C}
    assert one.next_step.endswith("aws ec2 describe-vpc-encryption-controls --filters Name=vpc-id,Values=vpc-1")


def test_unencrypted_is_low_where_more_is_and_quiet_where_most_is():
    assert severities([hop(A, B, 9 * MB, 1), hop(B, C, MB + 1, 0)]) == ["low"]
    assert severities([hop(A, B, MB, 3), hop(B, C, MB - 1, 0)]) == ["low"]
    assert severities([hop(A, B, MB, 1), hop(B, C, MB, 0)]) == []


def test_unencrypted_is_quiet_where_all_is_encrypted_and_where_the_state_is_unknown():
    assert severities([hop(A, B, MB, 1), hop(B, C, MB, 2)]) == []
    assert severities([hop(A, B, MB, 1), hop(B, C, MB, None)]) == []


def test_unencrypted_is_quiet_on_the_internet():
    assert severities([hop(A, B, 9 * MB, 1), hop(A, "8.8.8.8", MB, 0)]) == []


def test_unencrypted_paths_counts_each_byte_once_and_tells_the_unknown_apart():
    sent = hop(A, B, MB, 0)
    seen = {**hop(A, B, MB, 0), "interface_id": "eni-2", "flow_direction": "ingress"}
    answered = reply(seen, bytes=3 * MB, encryption_status=1)
    assert shares([sent, seen, answered]) == [("internal", 443, 4 * MB, MB, 0)]
    assert shares([hop(A, B, MB, None)]) == [("internal", 443, MB, 0, MB)]


def test_unencrypted_paths_gives_the_share_of_what_is_known():
    table = unencrypted_paths(flows_of([hop(A, B, 3 * MB, 1), hop(A, B, MB, 0), hop(A, B, MB, None)])).table
    assert table["unencrypted_share"].tolist() == [0.25]


def test_unencrypted_paths_leaves_out_what_was_refused():
    assert shares([hop(A, B, MB, 0, action="REJECT")]) == []


def test_unencrypted_paths_of_nothing_has_its_columns():
    empty, full = unencrypted_paths(flows_of([])), unencrypted_paths(flows_of([hop(A, B, MB, 0)]))
    assert empty.table.empty
    assert list(empty.table.columns) == list(full.table.columns)
    assert unencrypted(flows_of([])) == []


def test_unencrypted_paths_without_the_field_says_so():
    with pytest.raises(MissingField, match="unencrypted_paths needs encryption-status, which this log lacks"):
        _ = unencrypted_paths(flows_of([flow()])).table
    assert unencrypted(flows_of([flow()])) == []


def refused(src, dst, reason, **fields):
    return flow(srcaddr=src, dstaddr=dst, action="REJECT", reject_reason=reason, bytes=None, packets=2, **fields)


def test_block_public_access_lists_what_it_refused_by_interface_and_direction():
    rows = [
        refused("8.8.8.8", A, "BPA", flow_direction="ingress"),
        refused("9.9.9.9", A, "BPA", flow_direction="ingress"),
        refused(A, "8.8.8.8", "BPA", flow_direction="egress"),
    ]
    table = block_public_access(flows_of(rows)).table
    assert table["direction"].tolist() == ["ingress", "egress"]
    assert table["dstport"].isna().tolist() == [False, True]
    counts = table[["records", "packets", "peers"]].to_numpy().tolist()
    assert counts == [[2, 4, 2], [1, 2, 1]]
    assert table["first_peer"].tolist() == ["8.8.8.8", "8.8.8.8"]


def test_block_public_access_tells_endpoints_apart_and_is_quiet_on_other_refusals():
    rows = [refused(A, B, "EC", flow_direction="egress"), refused(A, B, None, flow_direction="egress")]
    assert block_public_access(flows_of(rows)).table["reject_reason"].tolist() == ["EC"]


def test_block_public_access_is_quiet_on_what_was_accepted():
    assert block_public_access(flows_of([flow(reject_reason="BPA")])).table.empty


def test_block_public_access_of_nothing_has_its_columns():
    empty, full = block_public_access(flows_of([])), block_public_access(flows_of([refused(A, B, "BPA")]))
    assert empty.table.empty
    assert list(empty.table.columns) == list(full.table.columns)


def test_block_public_access_without_the_field_says_so():
    with pytest.raises(MissingField, match="block_public_access needs reject-reason, which this log lacks"):
        _ = block_public_access(flows_of([flow()])).table
