"""Drawing: formats by unit, escaping, charts, cards, exports."""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ET
from decimal import Decimal
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from flowkit import show
from flowkit.finding import Finding
from flowkit.question import Answer
from flowkit.show.export import csv_text, findings_csv
from flowkit.show.format import clean, heading, kind, shown
from flowkit.show.view import unwrap, wrap

EVIL = "<script>alert('x')</script>"


def answer(rows: dict, **fields) -> Answer:
    known = {"sql": "SELECT 1", "name": "a_question", "question": "What is it?", "records": 48210}
    return Answer(**{**known, **fields}, _table=pd.DataFrame(rows))


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("total_bytes", 0, "0 bytes"),
        ("total_bytes", 1, "1 byte"),
        ("total_bytes", 1023, "1,023 bytes"),
        ("total_bytes", 1536, "1.5 KiB"),
        ("total_bytes", 123 * 1024**2, "123 MiB"),
        ("bytes", 5 * 1024**4, "5.0 TiB"),
        ("first_s", 1_700_000_000, "2023-11-14 22:13:20"),
        ("hour_s", 1_699_999_200, "2023-11-14 22:00"),
        ("window_start_s", 1_700_000_000, "2023-11-14 22:13:20"),
        ("gap_s", 350, "5 min 50 s"),
        ("longest_s", 59, "59 s"),
        ("longest_s", 90061, "1 d 1 h"),
        ("mean_s", 2.25, "2.2 s"),
        ("reject_share", 0.1234, "12.3 %"),
        ("reject_share", 1.0, "100 %"),
        ("reject_share", 0.0001, "<0.1 %"),
        ("reject_share", 0.9999, ">99.9 %"),
        ("nat_usd", 1234.5, "$1,234.50"),
        ("nat_usd", Decimal("0.0042"), "$0.0042"),
        ("nat_usd", 0, "$0.00"),
        ("nat_usd", -3.5, "-$3.50"),
        ("peak_bps", 1_250_000_000, "1.2 Gbit/s"),
        ("records", 48210, "48,210"),
        ("records", 48210.0, "48,210"),
        ("dstport", 40000, "40000"),
        ("protocol", 6, "TCP (6)"),
        ("protocol", 253, "253"),
        ("tcp_flags", 18, "SYN ACK (18)"),
        ("account_id", "012345678901", "012345678901"),
        ("rejected", True, "yes"),
        ("rejected", np.bool_(False), "no"),
        ("dstaddr", ["10.0.0.1", "10.0.0.2"], "10.0.0.1, 10.0.0.2"),
        ("dstport", list(range(1, 9)), "1, 2, 3, 4, 5 and 3 more"),
        ("records", None, "–"),
        ("records", float("nan"), "–"),
        ("records", pd.NA, "–"),
    ],
)
def test_a_value_is_formatted_by_the_unit_in_its_column_name(column, value, text):
    assert shown(column, value) == text


def test_a_word_that_only_ends_in_s_has_no_unit():
    assert kind("ports") == ""
    assert kind("fresh_s") == "s"


def test_headings_are_words():
    assert heading("srcaddr") == "Source"
    assert heading("rejected_records") == "Rejected records"
    assert heading("nat_usd") == "NAT estimated"
    assert heading("hour_s") == "Hour (UTC)"
    assert heading("total_bytes") == "Total bytes"


def test_control_and_direction_characters_are_written_out():
    assert clean("a\nb\u202ec") == "a\\nb\\u202ec"
    assert clean("10.0.0.1 – ok") == "10.0.0.1 – ok"


def test_a_table_escapes_every_text():
    view = show.table(
        answer({"srcaddr": [EVIL], "records": [1]}, caveats=(EVIL,), sql=f"SELECT '{EVIL}'", question=EVIL)
    )
    assert "<script" not in view.html
    assert view.html.count("&lt;script&gt;alert(") == 6  # caption, its label, cell, caveat, question, SQL


def test_a_table_without_rows_says_none():
    view = show.table(answer({"srcaddr": []}))
    assert view.text == "None in 48,210 records."
    assert "How this was computed" in view.html


def test_a_table_that_cannot_be_given_says_which_field_is_missing():
    view = show.table(Answer("", missing=("flow_direction",), name="rejected_paths"))
    assert view.text == (
        "Not answered: needs flow-direction, which this log lacks. It was added in version 5: "
        "include ${flow-direction} in the log format."
    )


def test_showing_a_bare_answer_never_raises():
    assert "Not answered" in Answer("", missing=("tcp_flags",), name="x")._repr_html_()


def test_a_table_says_how_many_rows_it_leaves_out():
    html = show.table(answer({"records": range(60)}), limit=50).html
    assert "The first 50 of 60 rows." in html
    assert html.count("<tr>") == 51


def test_the_sql_stands_behind_a_fold_with_its_line_breaks():
    html = show.table(answer({"n": [1]}, sql="SELECT 'a''b' AS x -- why\nFROM flows")).html
    assert "<b>SELECT</b> <i>&#x27;a&#x27;&#x27;b&#x27;</i> <b>AS</b> x <s>-- why</s>\n<b>FROM</b> flows" in html


def test_sorting_uses_the_exact_value_behind_a_rounded_one():
    assert 'data-v="1536"' in show.table(answer({"total_bytes": [1536, 10, 3]})).html


class Balanced(HTMLParser):
    """Fails where a tag is not closed in its place."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.names += [value for name, value in attrs if name == "id"]
        if tag not in ("br", "img", "input", "meta", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def balanced(html: str) -> Balanced:
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    assert len(parser.names) == len(set(parser.names))
    return parser


HOURS = {
    "hour_s": [0, 3600, 7200, 0],
    "action": ["ACCEPT", "ACCEPT", "ACCEPT", "REJECT"],
    "total_bytes": [10, 30, 20, 5],
}


def test_charts_tell_their_message_in_words():
    bars = show.bars(answer({"srcaddr": ["10.0.0.1", "10.0.0.2"], "records": [90, 3]}), "srcaddr", "records")
    assert bars.text == "Records by source. Bar chart of 2: 10.0.0.1 leads with 90."
    lines = show.lines(answer(HOURS), "hour_s", "total_bytes", split="action")
    assert lines.text == (
        "Total bytes over time. ACCEPT: highest 30 bytes at 1970-01-01 01:00, 3 points. "
        "REJECT: highest 5 bytes at 1970-01-01 00:00, 3 points."
    )
    heat = show.heatmap(answer(HOURS), "hour_s", "action", "total_bytes")
    assert heat.text == (
        "Total bytes by action and hour (UTC). Heat map of 2 by 3: the most, 30 bytes, at ACCEPT and 1970-01-01 01:00."
    )
    histogram = show.histogram(
        answer({"packet_bytes": [0, 500, 1000], "records": [3, 6, 3]}), "packet_bytes", "records"
    )
    assert histogram.text == (
        "Records by packet bytes. Histogram of 3 buckets: the fullest is 500 with 6, 50.0 % of all."
    )


def charts() -> list:
    hostile = answer({"srcaddr": [EVIL, "$x_1$", 'font: "a" id="b" #2468a8', "a\n\u202e"], "records": [4, 3, 2, 1]})
    return [
        show.bars(hostile, "srcaddr", "records", caption=EVIL),
        show.bars(hostile, ["srcaddr", "records"], "records", split="srcaddr"),
        show.lines(answer(HOURS), "hour_s", "total_bytes", split="action"),
        show.lines(
            answer(HOURS).__class__("x", _table=pd.DataFrame({"hour_s": [0], "n": [1]}), records=1), "hour_s", "n"
        ),
        show.heatmap(hostile, "records", "srcaddr", "records"),
        show.histogram(answer({"packet_bytes": [0, 64, 4096], "records": [3, 6, 3]}), "packet_bytes", "records"),
    ]


def test_charts_are_well_formed_and_hold_no_markup_from_the_log():
    for chart in charts():
        balanced(chart.html)
        svg = re.search(r"<svg.*</svg>", chart.html, re.S)
        assert svg is not None
        assert ET.fromstring(svg.group()).attrib["aria-label"]
        assert "<script" not in chart.html


def test_text_in_a_chart_stays_as_it_was_in_the_log():
    html = charts()[0].html
    assert "$x_1$" in html
    assert 'font: "a" id="b" #2468a8' in html.replace("&quot;", '"')


def test_the_same_answer_draws_the_same_bytes():
    assert [chart.html for chart in charts()] == [chart.html for chart in charts()]


def test_two_charts_on_a_page_share_no_names():
    parsers = [set(balanced(chart.html).names) for chart in charts()[2:]]
    assert sum(len(names) for names in parsers) == len(set().union(*parsers))


def test_colours_are_the_pages_own_and_refused_is_always_the_same():
    html = charts()[2].html
    assert "var(--fk-reject, #c64b1c)" in html
    assert "var(--fk-c1, #2468a8)" in html


def test_a_line_is_cut_where_hours_are_missing():
    gap = {"hour_s": [0, 3600, 7200, 36000, 39600], "records": [1, 2, 3, 4, 5]}
    whole = {"hour_s": [0, 3600, 7200, 10800, 14400], "records": [1, 2, 3, 4, 5]}
    strokes = [show.lines(answer(t), "hour_s", "records").html.count("stroke-width: 1.8") for t in (gap, whole)]
    assert strokes == [2, 1]


def test_many_points_do_not_make_a_large_page():
    n = 5000
    dense = answer({"hour_s": np.arange(n) * 3600, "total_bytes": np.arange(n) * 7919 % 1000 + 1})
    assert len(show.lines(dense, "hour_s", "total_bytes").html) < 250_000
    grid = {"hour_s": np.tile(np.arange(168) * 3600, 30), "name": np.repeat([f"n{i}" for i in range(30)], 168)}
    assert len(show.heatmap(answer({**grid, "n": np.arange(5040)}), "hour_s", "name", "n").html) < 250_000


def test_charts_of_nothing_are_one_line():
    assert show.bars(answer({"a": [], "n": []}), "a", "n").text == "None in 48,210 records."
    assert show.bars(answer({"a": ["x"], "n": [None]}), "a", "n").text == "Nothing to draw in 48,210 records."


def finding(**fields) -> Finding:
    known = {
        "id": "port_scan-0123", "rule": "port_scan", "title": "a scan", "severity": "high", "confidence": 0.9,
        "subject": {"dstport": 22, "srcaddr": "8.8.8.8"}, "first_seen": "2026-11-02T03:04:05Z",
        "last_seen": "2026-11-02T03:44:05Z", "count": 812, "explanation": "e", "could_also_be": "c", "next_step": "n",
    }  # fmt: skip
    return Finding(**{**known, **fields})


def test_a_finding_is_a_card_with_severity_in_words_and_evidence_behind_a_fold():
    html = show.findings([finding(evidence=[{"dstport": 22, "records": 3}], attack=("T1046",))]).html
    balanced(html)
    for text in ("1 high", ">High<", "Evidence: 1 row of 812", "confidence 90 %", "ATT&amp;CK T1046", "03:44:05"):
        assert text in html
    assert html.index("8.8.8.8") < html.index(">Port<")


def test_a_finding_escapes_every_text():
    html = show.findings([finding(title=EVIL, explanation=EVIL, subject={EVIL: EVIL}, evidence=[{EVIL: EVIL}])]).html
    assert "<script" not in html


def test_a_card_sets_the_call_of_its_next_step_apart():
    call = "aws ec2 describe-vpcs --filters 'Name=tag:a b,Values=<x>'"
    html = show.findings([finding(next_step=f"Ask the owner: {call}")]).html
    balanced(html)
    assert '<dd>Ask the owner: <span class="fk-call"><code><span>aws</span> <span>ec2</span>' in html
    assert "<span>b,Values=&lt;x&gt;&#x27;</span></code></span></dd>" in html
    for words in ("Do nothing.", "Ask for aws ec2 access.", "See: aws"):
        assert "fk-call" not in show.findings([finding(next_step=words)]).html


def test_many_sources_are_one_card_that_opens():
    html = show.findings([finding(subject={"srcaddr": [f"10.0.0.{i}" for i in range(12)]})]).html
    assert "and 4 more" in html
    assert html.count("<article") == 1


def test_low_findings_are_folded_where_there_is_something_worse():
    def folded(*severities: str) -> int:
        return show.findings([finding(severity=each) for each in severities]).html.count("<details><summary><h3")

    assert folded("high", "low", "info") == 2
    assert folded("low", "info") == 1
    assert folded("high") == 0


def test_new_findings_are_marked():
    assert '<span class="fk-change">new</span>' in show.findings([finding()], changes={"new": ["port_scan-0123"]}).html


def test_no_findings_is_said():
    assert show.findings([], records=48210).text == "No findings in 48,210 records."


def test_csv_guards_formulas_and_nothing_else():
    rows = [{"a": v} for v in ("=1+1", "+1", "-1", "@x", "\t=1", "10.0.0.1", -5, None, ["=a", "b"])]
    cells = [row[0] if row else "" for row in csv.reader(io.StringIO(csv_text(["a"], rows)))][1:]
    assert cells == ["'=1+1", "'+1", "'-1", "'@x", "'\t=1", "10.0.0.1", "-5", "", "'=a b"]


def test_findings_csv_has_the_subject_in_columns():
    row = next(
        csv.DictReader(io.StringIO(findings_csv([finding(subject={"srcaddr": "8.8.8.8", "az": "x"}).as_dict()])))
    )
    assert (row["srcaddr"], row["dstaddr"], row["other_subject"]) == ("8.8.8.8", "", '{"az": "x"}')


def test_only_our_own_markup_is_recognised():
    assert unwrap(wrap("<p>x</p>")) == '<div class="fk"><p>x</p></div>'
    assert unwrap("<div>x</div>") is None
