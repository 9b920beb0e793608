"""Reports as a reader meets them: in a real browser, offline, on a phone, in the dark, on paper, without a mouse."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import CALL, PHONE, WIDE  # type: ignore[import-not-found]  # pytest puts this folder on the path

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def report_in(pages: Path) -> Path:
    return pages / "2026-11-02" / "security_review.html"


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_a_page_opens_without_a_request_an_error_or_a_sideways_scroll(opened, pages, size, dark, scripts):
    for path in (report_in(pages), pages / "index.html"):
        page = opened(path, size=size, dark=dark, scripts=scripts)
        assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []
        assert page.messages == []
        width = page.page.locator("html").evaluate("e => e.scrollWidth") if scripts else _width(page)
        assert width <= size["width"]


def _width(page) -> float:
    """How far the page's parts reach, where no script can be asked."""
    boxes = [locator.bounding_box() for locator in page.page.locator("main, header, footer, section, h1, h2").all()]
    return max(box["x"] + box["width"] for box in boxes if box)


def test_a_table_sorts_by_a_click_and_back(opened, pages):
    page = opened(report_in(pages)).page
    table = page.locator('table[data-name="a"]')
    head = table.locator('th[data-column="total_bytes"]')

    def column() -> list[str]:
        return table.locator("tbody tr td:nth-child(4)").all_inner_texts()

    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert column()[:2] == ["13.5 MiB", "11.9 MiB"]
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert column()[:3] == ["1.0 KiB", "8.0 KiB", "27.0 KiB"]


def test_sorting_works_from_the_keyboard(opened, pages):
    page = opened(report_in(pages)).page
    page.locator('table[data-name="a"] th[data-column="srcaddr"] button').focus()
    page.keyboard.press("Enter")
    first = page.locator('table[data-name="a"] tbody tr td').first.inner_text()
    assert first == "10.0.0.7"
    page.keyboard.press("Enter")
    assert page.locator('table[data-name="a"] tbody tr td').first.inner_text() == "10.0.23.7"


def test_a_filter_leaves_the_rows_that_hold_the_text_and_counts_them(opened, pages):
    page = opened(report_in(pages)).page
    page.get_by_label("Filter rows").first.fill("10.0.2")
    seen = page.locator('table[data-name="a"] tbody tr:visible')
    assert seen.count() == 5  # 10.0.2.7 and 10.0.20.7 to 10.0.23.7
    assert page.locator(".fk-tools [role=status]").first.inner_text() == "5 of 24 rows"


def test_without_scripts_everything_is_there(opened, pages):
    page = opened(report_in(pages), scripts=False).page
    assert page.locator('table[data-name="a"] tbody tr').count() == 24
    assert page.locator("article.fk-finding").count() == 5
    page.locator("article.fk-high summary", has_text="Evidence").click()
    assert page.locator("article.fk-high table").is_visible()


def test_a_call_is_copied_by_its_button(opened, pages):
    page = opened(report_in(pages)).page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = page.locator(".fk-call button").first
    button.click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("() => navigator.clipboard.readText()") == CALL


def test_without_scripts_a_call_is_text_without_a_button(opened, pages):
    page = opened(report_in(pages), scripts=False).page
    assert page.locator(".fk-call").first.inner_text() == CALL
    assert page.locator(".fk-call button").count() == 0


def test_the_keyboard_reaches_the_report_past_the_contents(opened, pages):
    page = opened(report_in(pages)).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "report"


def test_whatever_has_the_focus_shows_it(opened, pages):
    page = opened(report_in(pages)).page
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break  # past the last one
        style = page.evaluate(
            "(() => { const s = getComputedStyle(document.activeElement); return [s.outlineStyle, s.outlineWidth] })()"
        )
        assert style[0] != "none", page.evaluate("document.activeElement.outerHTML.slice(0, 200)")


def test_every_picture_has_words_and_every_heading_an_anchor(opened, pages):
    page = opened(report_in(pages)).page
    assert page.locator("svg").count() == 3
    for picture in page.locator("svg").all():
        assert len(picture.get_attribute("aria-label")) > 40
    for section in page.locator("main > section").all():
        name = section.get_attribute("id")
        assert page.locator(f'a[href="#{name}"]').count() >= 1
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


def test_a_link_to_a_folded_finding_opens_it(opened, pages):
    page = opened(report_in(pages)).page
    assert not page.locator("article.fk-info .fk-foot").is_visible()
    page.evaluate("location.hash = '#finding-port_scan-info'")
    page.locator("article.fk-info .fk-foot").wait_for(state="visible")


CONTRAST = """
() => {
  const parse = (c) => (c.match(/[\\d.]+/g) || []).map(Number);
  const lum = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] > .99) return c; } return [255, 255, 255]; };
  const bad = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const e = node.parentElement;
    if (!node.textContent.trim() || !e.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    if (["SCRIPT", "STYLE"].includes(e.tagName)) continue;
    const style = getComputedStyle(e);
    const [a, b] = [lum(parse(e.closest("svg") ? style.fill : style.color)), lum(ground(e))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) bad.push([ratio.toFixed(2), e.className || e.tagName, node.textContent.trim().slice(0, 40)]);
  }
  return bad;
}
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out_from_its_ground(opened, pages, dark):
    """WCAG AA: 4.5 to 1. Numbers inside a heat map's cells stand on a shade, which is judged by eye (the checklist)."""
    for path in (report_in(pages), pages / "index.html"):
        page = opened(path, dark=dark).page
        inside = {t for t in page.locator(".fk-figure svg text").all_text_contents() if t.replace(",", "").isdigit()}
        assert [entry for entry in page.evaluate(CONTRAST) if entry[2] not in inside] == []


def test_paper_is_white_with_no_controls_and_no_cut_tables(opened, pages):
    page = opened(report_in(pages), size={"width": 680, "height": 960}, dark=True).page
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(28, 36, 49)"
    assert not page.locator(".fk-tools").first.is_visible()
    assert not page.locator(".fk-sql").first.is_visible()
    assert len(page.pdf(format="A4")) > 20_000


def test_hostile_log_text_runs_nothing(opened, tmp_path):
    from flowkit.report.html import page_of, render

    evil = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    outputs = [{"output_type": "display_data", "data": {"text/html": f"<div>{evil}<form action='//x'></form></div>"}}]
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": f"# T\n\n## A {evil}\n\n{evil}"},
        {"cell_type": "code", "metadata": {}, "source": "", "outputs": outputs},
    ]
    record = {
        "title": evil, "source": evil, "period": {"since_s": 0, "until_s": 86400}, "parameters": {"x": evil},
        "records": 1, "summary": [{"text": evil}], "headlines": [{"label": evil, "value": 1, "note": evil}],
        "findings": [], "run": {"at": "now", "flowkit": "0"},
    }  # fmt: skip
    path = tmp_path / "hostile.html"
    path.write_text(render(page_of({"cells": cells}), record))
    page = opened(path)
    assert "owned" not in page.page.title().replace(evil, "")
    assert page.page.locator("img, form").count() == 0
    assert page.page.locator("script").count() == 1
    assert page.messages == []
