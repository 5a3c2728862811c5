"""The report in a real browser: silent console, no request, sorting by mouse and keyboard, no overflow on a phone."""

from __future__ import annotations

from pathlib import Path

import pytest
from outcomes import samples

from magbench.board.report import write_report
from magbench.tables.outcome import Outcome
from magbench.tables.report import report_of


@pytest.fixture
def visit(silent, tmp_path: Path):
    """Opens the report of some cells."""

    def opened(cells: list[Outcome], **options: object):
        target = write_report(report_of(cells), tmp_path, title="Quick start", sampled=samples(cells))
        return silent(target, **options)

    return opened


def column(page, index: int) -> list[str]:
    cells = page.locator("table.sortable tbody tr").evaluate_all(
        f"rows => rows.map(row => row.cells[{index}].innerText)"
    )
    return [cell.split()[0].replace("−", "-") for cell in cells]


def header(page, name: str):
    return page.locator("table.sortable thead th", has=page.get_by_role("button", name=name))


def test_sorts_by_click(visit, cells: list[Outcome]) -> None:
    page = visit(cells)
    assert column(page, 1) == sorted(column(page, 1), reverse=True)
    page.get_by_role("button", name="Accuracy").click()
    assert column(page, 1) == sorted(column(page, 1))
    assert header(page, "Accuracy").get_attribute("aria-sort") == "ascending"
    page.get_by_role("button", name="Method").click()
    assert column(page, 0) == sorted(column(page, 0))
    assert header(page, "Accuracy").get_attribute("aria-sort") is None
    assert page.locator("#status").inner_text() == "Sorted by Method, ascending."


def test_sorts_by_keyboard(visit, cells: list[Outcome]) -> None:
    page = visit(cells)
    button = page.get_by_role("button", name="Macro-F1")
    button.focus()
    page.keyboard.press("Enter")
    assert header(page, "Macro-F1").get_attribute("aria-sort") == "descending"
    page.keyboard.press("Space")
    assert header(page, "Macro-F1").get_attribute("aria-sort") == "ascending"
    assert column(page, 3) == sorted(column(page, 3))
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    assert header(page, "95 % interval").get_attribute("aria-sort") == "descending"


def test_the_focused_header_is_marked(visit, cells: list[Outcome]) -> None:
    page = visit(cells)
    page.get_by_role("link", name="Cite and reproduce").focus()
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.tagName") != "BUTTON":
        page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_empty_values_stay_last(visit, cells: list[Outcome]) -> None:
    page = visit(cells)
    for _ in range(2):
        page.get_by_role("button", name="Difference to host").click()
        assert column(page, 4)[-2:] == ["–", "–"]


@pytest.mark.parametrize("width", [320, 375, 768, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows(visit, cells: list[Outcome], width: int, scheme: str) -> None:
    page = visit(cells, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.locator("summary").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_text_has_contrast_in_both_schemes(visit, cells: list[Outcome]) -> None:
    luminance = """colour => {
        const channel = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
        const [r, g, b] = colour.match(/[\\d.]+/g).map(Number);
        return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
    }"""
    for scheme in ("light", "dark"):
        page = visit(cells, color_scheme=scheme)
        paper = page.evaluate(f"({luminance})(getComputedStyle(document.body).backgroundColor)")
        for selector in ("body", ".note", ".rest", "thead button"):
            ink = page.evaluate(f"({luminance})(getComputedStyle(document.querySelector('{selector}')).color)")
            low, high = sorted((ink, paper))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (scheme, selector)


def test_pictures_are_shown(visit, cells: list[Outcome]) -> None:
    page = visit(cells)
    sizes = page.locator(".card img").evaluate_all("images => images.map(image => image.naturalWidth)")
    assert sizes and set(sizes) == {48}


def test_script_in_a_label_stays_text(visit, cell) -> None:
    evil = "<script>document.title = 'taken'</script>"
    page = visit([cell(evil, 0), cell(f"{evil}+x", 0), cell("a", 0, status="failed", error=evil, scores={})])
    assert page.title() == "Quick start" and evil in page.locator("pre").first.inner_text()


def test_hundreds_of_rows_filter_and_sort(visit, cell) -> None:
    long = [cell(f"mlp[hidden={i},dropout=0.{i}]+optimag[lam={i}]", s, history=[]) for i in range(150) for s in (0, 1)]
    page = visit(long, viewport={"width": 375, "height": 800})
    page.get_by_label("Filter methods").fill("hidden=7 LAM=7")
    assert page.locator("table.sortable tbody tr:visible").count() == 11
    assert page.locator(".filter output").inner_text() == "11 of 150"
    page.get_by_role("button", name="Method").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_prints_with_everything_open(visit, cells: list[Outcome]) -> None:
    page = visit(cells)
    assert page.pdf(format="A4").startswith(b"%PDF")
    assert page.locator("details:not([open])").count() == 0
