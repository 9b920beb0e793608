"""Suppressed findings are set aside by reason and date, and never hidden; a file that is wrong says where and how."""

from __future__ import annotations

import csv
import io
import json

import pytest

from flowkit.cli import main
from flowkit.errors import ParameterError
from flowkit.review import review
from flowkit.review.suppressions import suppress
from flowkit.show import summary
from tests.findings import finding
from tests.rows import START_S, flow, flows_of

#: 2026-11-03T00:00:00Z, the end of a period whose last day is 2026-11-02.
UNTIL_S = 1_793_664_000
RULES = {"port_scan": "security", "beacon": "security", "half_open": "performance"}
LAST = "reason: Known.\n  expires: 2026-12-31\n"


@pytest.fixture
def applied(tmp_path):
    """What a file's text does to findings of the security review."""

    def apply(text, *found, room="security", until_s=UNTIL_S):
        path = tmp_path / "s.yaml"
        path.write_text(text, encoding="utf-8")
        return suppress(found, str(path), until_s=until_s, rules=RULES, room=room)

    return apply


def matched(applied, entry, **fields):
    return bool(applied(f"- {entry}\n  {LAST}", finding(**fields)).suppressed)


def test_without_a_file_nothing_is_suppressed():
    found = [finding()]
    assert suppress(found, "", until_s=UNTIL_S, rules=RULES, room="security").findings == tuple(found)


def test_a_suppressed_finding_is_listed_with_reason_last_day_and_owner(applied):
    mine, other = finding(), finding(id="beacon-1", rule="beacon")
    done = applied("- rule: port_scan\n  reason: Our scanner.\n  expires: 2026-12-31\n  owner: secops\n", mine, other)
    assert done.findings == (other,)
    (one,) = done.suppressed
    assert one.as_dict() == {
        **mine.as_dict(),
        "suppression": {
            "entry": 1, "rule": ["port_scan"], "reason": "Our scanner.", "expires": "2026-12-31", "owner": "secops",
        },
    }  # fmt: skip
    assert [(e["state"], e["count"]) for e in done.entries] == [("acting", 1)]
    assert done.notes == ()


@pytest.mark.parametrize(
    ("entry", "fits"),
    [
        ("rule: port_scan", True),
        ("rule: [beacon, port_scan]", True),
        ("rule: beacon", False),
        ("id: port_scan-000000000001", True),
        ("id: port_scan-000000000002", False),
        ("subject: {srcaddr: 10.0.9.5}", True),
        ("subject: {srcaddr: 10.0.9.0/28}", True),
        ("subject: {srcaddr: 10.0.9.0/30}", False),
        ("subject: {srcaddr: [10.0.8.0/24, 10.0.9.5]}", True),
        ("subject: {protocol: 6}", True),
        ("subject: {protocol: 5-7}", True),
        ("subject: {protocol: 7-9}", False),
        ("subject: {dstport: 22}", False),
        ("subject: {srcaddr: 10.0.9.5, dstaddr: 10.0.1.8}", False),
    ],
)
def test_all_that_an_entry_names_must_fit(applied, entry, fits):
    assert matched(applied, entry) is fits


def test_a_range_covers_ipv6_however_it_is_written(applied):
    subject = {"srcaddr": "2001:db8::5"}
    assert matched(applied, 'subject: {srcaddr: "2001:DB8::/64"}', subject=subject)
    assert matched(applied, 'subject: {srcaddr: "2001:db8:0::5"}', subject=subject)
    assert not matched(applied, 'subject: {srcaddr: "2001:db8:1::/64"}', subject=subject)


def test_a_finding_about_many_is_suppressed_only_where_all_of_them_are_known(applied):
    known, more = ["10.0.9.1", "10.0.9.2"], ["10.0.9.1", "8.8.8.8"]
    assert matched(applied, "subject: {srcaddr: 10.0.9.0/28}", subject={"srcaddr": known})
    assert not matched(applied, "subject: {srcaddr: 10.0.9.0/28}", subject={"srcaddr": more})
    assert not matched(applied, "subject: {srcaddr: 10.0.9.0/28}", subject={"srcaddr": []})


@pytest.mark.parametrize(("last_day", "acts"), [("2026-11-02", True), ("2026-11-01", False)])
def test_an_entry_acts_up_to_its_last_day(applied, last_day, acts):
    done = applied(f"- rule: port_scan\n  reason: Known.\n  expires: {last_day}\n", finding())
    assert bool(done.suppressed) is acts
    assert [e["state"] for e in done.entries] == ["acting" if acts else "expired"]


def test_an_expired_entry_says_what_it_would_have_matched(applied, tmp_path):
    text = "- rule: {}\n  reason: Known.\n  expires: 2026-10-31\n"
    name = tmp_path / "s.yaml"
    assert applied(text.format("port_scan"), finding()).notes == (
        f"{name}: entry 1 (port_scan) expired on 2026-10-31 and no longer acts; it would match a finding that is told "
        "again. Look once more, then give it a later date or take it out.",
    )
    assert applied(text.format("beacon"), finding()).notes == (
        f"{name}: entry 1 (beacon) expired on 2026-10-31 and no longer acts. It would match nothing: take it out.",
    )


def test_an_entry_that_matches_nothing_is_told_in_its_own_room_only(applied, tmp_path):
    text = f"- rule: half_open\n  {LAST}- rule: beacon\n  {LAST}"
    done = applied(text, finding())
    assert done.notes == (
        f"{tmp_path / 's.yaml'}: entry 2 (beacon) matched no finding of this security review. If it never will, take "
        "it out.",
    )
    assert [e["entry"] for e in done.entries] == [2]


def test_of_two_entries_that_match_the_first_is_told_and_both_count(applied):
    done = applied(f"- rule: port_scan\n  {LAST}- subject: {{protocol: 6}}\n  {LAST}", finding())
    assert [one.entry.number for one in done.suppressed] == [1]
    assert [(e["state"], e["count"]) for e in done.entries] == [("acting", 1), ("acting", 1)]


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "[]"])
def test_an_empty_file_suppresses_nothing(applied, text):
    assert applied(text, finding()).suppressed == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rule: port_scan", " is not a list of entries. Begin each entry with '- rule:' or '- id:'."),
        ("- port_scan",
         " entry 1: it is not a mapping. Write rule, id or subject, and reason and expires, not 'port_scan'."),
        ("- rul: port_scan", " entry 1: there is no 'rul'. Did you mean 'rule'?"),
        (f"- rule: port_scna\n  {LAST}", " entry 1: there is no rule 'port_scna'. Did you mean 'port_scan'?"),
        (f"- subject: {{scraddr: 10.0.0.1}}\n  {LAST}",
         " entry 1: there is no field 'scraddr'. Did you mean 'srcaddr'?"),
        (f"- subject: 22\n  {LAST}",
         " entry 1: subject must map fields to values, such as srcaddr: 10.0.9.0/28, not 22."),
        (f"- subject: {{dstport: [yes]}}\n  {LAST}",
         " entry 1: subject dstport must be a value or a list of values, not [True]. Put quotes around text."),
        (f"- rule: []\n  {LAST}", " entry 1: rule is an empty list. Name a value, or take the line out."),
        (f"- subject: {{srcaddr: 10.0.9.5/28}}\n  {LAST}",
         " entry 1: subject srcaddr: 10.0.9.5/28 has host bits set. Write an address, or a range like 10.0.9.0/28."),
        (f"- {LAST}", " entry 1: it names nothing. Give it rule, id or subject, or it would match every finding."),
        (f"- rule: beacon\n  {LAST}- rule: port_scan\n  expires: 2026-12-31",
         " entry 2: it needs a reason, one sentence that says why this is no matter."),
        ("- rule: beacon\n  reason: Known.", " entry 1: it needs a last day, such as expires: 2027-03-31."),
        ("- rule: beacon\n  reason: Known.\n  expires: never",
         " entry 1: it needs a last day, such as expires: 2027-03-31, not 'never'."),
        ("- rule: beacon\n  reason: Known.\n  expires: 2027-01-01 12:00:00",
         " entry 1: it needs a last day, such as expires: 2027-03-31, not 2027-01-01T12:00:00."),
        (f"- rule: beacon\n  owner: 7\n  {LAST}", " entry 1: owner must be text, not 7."),
    ],
)  # fmt: skip
def test_a_wrong_file_names_the_entry_and_the_remedy(applied, tmp_path, text, message):
    with pytest.raises(ParameterError) as told:
        applied(text)
    assert str(told.value) == f"suppressions {tmp_path / 's.yaml'}{message}"


@pytest.mark.parametrize(
    "text",
    ["- rule: [", "- rule: a\n  rule: b", "- !!python/object/apply:os.system ['true']", "- rule: \x00",
     "- expires: 2026-99-99"],
)  # fmt: skip
def test_what_is_no_plain_yaml_is_an_error_that_names_the_file(applied, tmp_path, text):
    with pytest.raises(ParameterError, match=rf"suppressions {tmp_path / 's.yaml'} is not YAML: "):
        applied(text)


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ParameterError) as told:
        suppress([], str(tmp_path / "no.yaml"), until_s=UNTIL_S, rules=RULES, room="security")
    assert str(told.value) == f"suppressions {tmp_path / 'no.yaml'} cannot be read: No such file or directory."


SCAN = [flow(srcaddr="10.0.0.9", dstaddr="10.0.0.2", dstport=port, action="REJECT", packets=1, bytes=40,
             start_s=START_S + port) for port in range(1, 101)]  # fmt: skip
ENTRY = "- rule: port_scan\n  subject: {srcaddr: 10.0.0.9}\n  reason: Our <scanner>.\n  expires: 2099-12-31\n"


@pytest.fixture
def suppressions(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(ENTRY, encoding="utf-8")
    return str(path)


def test_a_review_sets_suppressed_findings_aside_and_says_so(suppressions):
    flows = flows_of(SCAN)
    (scan,) = [one for one in review(flows, "security").findings if one.rule == "port_scan"]
    done = review(flows, "security", suppressions=suppressions)
    assert scan.id not in [one.id for one in done.findings]
    told = done.as_dict()
    assert [(one["id"], one["suppression"]["reason"]) for one in told["suppressed"]] == [(scan.id, "Our <scanner>.")]
    assert told["suppressions"]["entries"][0]["state"] == "acting"
    assert "1 finding is suppressed, listed below with the reason." in [one["text"] for one in told["summary"]]


def test_a_suppressed_finding_is_neither_new_nor_gone_against_a_baseline(suppressions, tmp_path):
    flows, then = flows_of(SCAN), tmp_path / "then.json"
    then.write_text(json.dumps(review(flows, "security").as_dict()), encoding="utf-8")
    now = review(flows, "security", baseline=str(then), suppressions=suppressions)
    assert (now.changes["new"], now.changes["gone"]) == ([], [])
    then.write_text(json.dumps(now.as_dict()), encoding="utf-8")
    after = review(flows, "security", baseline=str(then))
    assert (after.changes["new"], after.changes["gone"]) == ([], [])


def test_the_summary_shows_what_is_suppressed_and_escapes_it(suppressions):
    view = summary(review(flows_of(SCAN), "security", suppressions=suppressions))
    assert "1 suppressed finding</summary>" in view.html
    assert "Our &lt;scanner&gt;." in view.html
    assert "2099-12-31" in view.html
    assert "<scanner>" not in view.html
    assert view.text.endswith("1 suppressed finding")


def test_without_suppressions_the_summary_does_not_speak_of_them():
    assert "suppressed" not in summary(review(flows_of(SCAN), "security")).html


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setenv("FLOWKIT_CACHE_DIR", str(tmp_path / "cache"))
    lines = [f"2 012345678901 eni-1 10.0.0.9 10.0.0.2 40000 {port} 6 1 40 {START_S + port} {START_S + port} REJECT OK"
             for port in range(1, 101)]  # fmt: skip
    (tmp_path / "a.log").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(tmp_path / "a.log")


def test_findings_lists_what_is_suppressed_in_every_format(capsys, log, suppressions):
    def told(kind):
        code = main(["findings", log, "--format", kind, "--suppressions", suppressions, "--fail-on", "medium"])
        return code, capsys.readouterr().out

    code, text = told("json")
    assert code == 0
    assert [one["rule"] for one in json.loads(text)["suppressed"]] == ["port_scan"]
    (row,) = [one for one in csv.DictReader(io.StringIO(told("csv")[1])) if one["suppressed"]]
    assert (row["rule"], row["suppressed"], row["suppressed_until"]) == ("port_scan", "Our <scanner>.", "2099-12-31")
    assert "\n1 suppressed:\nhigh      until 2099-12-31  10.0.0.9 scanned 100 TCP ports" in told("table")[1]
    assert main(["findings", log, "--fail-on", "medium"]) == 3


def test_a_report_refuses_a_wrong_file_before_it_reads_anything(capsys, log, tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("- rule: beacon\n  reason: Known.\n", encoding="utf-8")
    assert main(["report", "all", log, "--suppressions", str(path), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert said == f"flowkit: suppressions {path} entry 1: it needs a last day, such as expires: 2027-03-31.\n"
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "cache").exists()


def test_an_entry_that_did_nothing_is_told_on_standard_error(capsys, log, tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("- rule: beacon\n  reason: Known.\n  expires: 2099-12-31\n", encoding="utf-8")
    assert main(["findings", log, "--suppressions", str(path)]) == 0
    said = capsys.readouterr().err
    assert said == (
        f"flowkit: {path}: entry 1 (beacon) matched no finding of this security review. If it never will, take it "
        "out.\n"
    )
