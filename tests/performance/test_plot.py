"""The plot: positions on logarithmic scales by hand, escaped names, nothing fetched, numbers beside the picture."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from magbench.perf.compare import Row
from magbench.perf.plot import Log, apart, page, series
from magbench.perf.report import Report
from magbench.perf.timing import Spread


def _row(solver: str, n: int, ms: float, **more: object) -> Row:
    spread = Spread(ms / 1e3, ms / 1.1e3, ms / 0.9e3, 3)
    return Row("joint", "float64", n, solver, "5 x 20", spread, **{"difference": 1e-12, **more})  # type: ignore[arg-type]


ROWS = (
    _row("magbench", 128, 1.0, floor_share=0.5),
    _row("POT <torch>", 128, 10.0, ratio=Spread(10.0, 9.0, 11.0, 3)),
    _row("magbench", 512, 16.0, floor_share=0.8),
    _row("POT <torch>", 512, 400.0, ratio=Spread(25.0, 24.0, 26.0, 3)),
    _row("wrong", 512, 0.001, difference=0.5),
    Row("joint", "float64", 512, "broken", "5 x 20", note="NaN & worse"),
)


def _report(rows: tuple[Row, ...] = ROWS) -> Report:
    return Report({"cpu": "A <b>chip</b>", "packages": {"numpy": "2", "fugw": None}}, (), rows, (), None)


def test_logarithmic_scale_by_hand() -> None:
    scale = Log(1.0, 100.0, 0.0, 200.0)
    assert [scale(value) for value in (1.0, 10.0, 100.0)] == [0.0, 100.0, 200.0]
    assert scale.decades() == [1.0, 10.0, 100.0]
    assert Log(0.5, 70.0, 0.0, 1.0).decades() == [1.0, 10.0]


def test_labels_keep_their_distance_and_order() -> None:
    found = apart([50.0, 52.0, 10.0], 12.0, 0.0, 100.0)
    assert found == [50.0, 62.0, 10.0]
    squeezed = apart([95.0, 96.0, 97.0], 12.0, 0.0, 100.0)
    assert squeezed == [76.0, 88.0, 100.0]
    assert apart([], 12.0, 0.0, 100.0) == []


def test_lines_are_those_that_count_and_the_floor() -> None:
    lines = {line.name: line.points for line in series(ROWS)}
    assert list(lines) == ["magbench", "POT <torch>", "floor"]
    assert [(n, round(ms, 6)) for n, ms, _, _ in lines["floor"]] == [(128, 0.5), (512, 12.8)]


def test_the_page_is_self_contained_escaped_and_dark_at_night() -> None:
    html = page(_report())
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!data:)", html)
    assert "@import" not in html and "url(" not in html
    assert "default-src 'none'" in html
    assert "prefers-color-scheme: dark" in html
    assert "<torch>" not in html and "<b>chip" not in html
    assert "POT &lt;torch&gt;" in html and "NaN &amp; worse" in html
    assert "another objective" in html
    assert "fugw None" not in html
    (figure,) = re.findall("<svg.*?</svg>", html, re.DOTALL)
    assert len(ElementTree.fromstring(figure).findall("polyline")) == 3


def test_a_panel_without_figures_says_so() -> None:
    assert "Nothing was measured" in page(_report((ROWS[-1],)))
