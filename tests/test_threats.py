"""Threat lists: what is read of a file of anybody's making, and what is named as unreadable."""

from __future__ import annotations

import pytest

from flowkit.errors import ParameterError
from flowkit.threats import read_threat_list

V4 = "00000000000000000000ffff"


@pytest.fixture
def read(tmp_path):
    def of(text):
        file = tmp_path / "list.txt"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_threat_list(file)

    return of


def test_a_plain_list_holds_addresses_blocks_and_comments(read):
    listed = read("# a list\n\n1.1.1.1\n1.1.2.0/24 ; SBL1\n2001:db8::/32 # bad house\n; end\n// end\n")
    assert listed.entries == (
        (V4 + "01010101", V4 + "01010101", ""),
        (V4 + "01010200", V4 + "010102ff", "SBL1"),
        ("20010db8" + "0" * 24, "20010db8" + "f" * 24, "bad house"),
    )
    assert (listed.lines, listed.bad) == (7, 0)


def test_a_block_with_host_bits_is_the_block_around_it(read):
    assert read("1.1.1.77/30").entries == ((V4 + "0101014c", V4 + "0101014f", ""),)


def test_a_csv_is_read_by_its_header(read):
    text = 'first_seen,dst_ip,dst_port,malware\n2026-01-01,8.8.8.8,443,"Emotet, v5"\n2026-01-02,9.9.9.9,80,\n'
    assert [(low[-8:], label) for low, _, label in read(text).entries] == [
        ("08080808", "Emotet, v5"),
        ("09090909", ""),
    ]


def test_a_csv_header_may_be_a_comment_and_have_other_delimiters(read):
    text = "# feed of today\n# date;ip;reason\n2026;8.8.8.8;scanner\n"
    assert [label for _, _, label in read(text).entries] == ["scanner"]


def test_an_address_may_carry_a_port(read):
    assert read("8.8.8.8:4444").entries == ((V4 + "08080808", V4 + "08080808", ""),)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(read):
    assert len(read(b"\xef\xbb\xbf8.8.8.8\r\n9.9.9.9\r\n").entries) == 2


def test_bad_lines_are_counted_and_named_and_the_rest_loads(read):
    listed = read("8.8.8.8\nevil.example\n8.8.8.8/33\n1.0.0.0/7\n9.9.9.9\n300.1.1.1\n8.8.8.8/x\n2000::/15\n")
    assert [low[-8:] for low, _, _ in listed.entries] == ["08080808", "09090909"]
    assert (listed.lines, listed.bad) == (8, 6)
    assert listed.bad_lines == (
        (2, "holds no address"),
        (3, "holds no CIDR block"),
        (4, "holds a block wider than /8"),
        (6, "holds no address"),
        (7, "holds no CIDR block"),
    )


def test_a_line_without_end_is_a_bad_line(read):
    listed = read("8.8.8.8\n" + "9" * 5_000 + "\n")
    assert (len(listed.entries), listed.bad_lines) == (1, ((2, "is longer than 4,096 characters"),))


def test_labels_are_cut_and_freed_of_control_characters(read):
    ((_, _, label),) = read("8.8.8.8 # \x1b[31mred\u202e\t" + "x" * 100).entries
    assert (label.startswith("[31mred x"), len(label)) == (True, 80)


@pytest.mark.parametrize(
    "text",
    [b"\x00\xff\xfe" * 50, "8.8.8.8\x00.1\n", "'; DROP TABLE flows; --", "<script>alert(1)</script>", "1.1.1.1/²"],
)
def test_hostile_text_is_a_bad_line(read, text):
    with pytest.raises(ParameterError, match=r"list\.txt holds no address: line 1 holds no"):
        read(text)


def test_an_empty_list_is_empty(read):
    assert read("").entries == ()
    assert read("# nothing today\n").entries == ()


def test_a_list_that_is_not_there_says_so(tmp_path):
    with pytest.raises(ParameterError, match=r"^threat_list .*/none\.txt cannot be read: No such file or directory\.$"):
        read_threat_list(tmp_path / "none.txt")


def test_the_same_list_has_the_same_digest(read):
    assert read("8.8.8.8\n").digest == read("8.8.8.8\n").digest != read("8.8.8.9\n").digest
