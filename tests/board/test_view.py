"""The pictures of a section: bars, strips and curves."""

from __future__ import annotations

import pytest
from outcomes import make_cell as cell

from magbench.board.label import Label, label_of
from magbench.board.view import SectionView, section_view
from magbench.tables.outcome import Outcome
from magbench.tables.report import report_of


def view(cells: list[Outcome]) -> SectionView:
    (section,) = report_of(cells).sections
    return section_view(1, section, [], 0)


def test_a_regularised_method_stands_beside_its_host() -> None:
    found = view([cell("a", 0), cell("a+x", 0), cell("b+x", 0)])
    assert {strip.label.full: len(strip.chart.columns) for strip in found.strips} == {"a+x": 2, "b+x": 1}


def test_a_curve_a_seed(cells: list[Outcome]) -> None:
    found = view(cells)
    assert len(found.curves) == 5 and all(len(curve.chart.lines) == 5 for curve in found.curves)
    assert [curve.label.full for curve in found.curves][:2] == ["mlp", "mlp+optimag"]


def test_very_wide_intervals_are_open_in_the_picture() -> None:
    cells = [cell("a", seed, scores={"accuracy": value}) for seed, value in enumerate((0.5, 0.7))]
    cells += [cell("b", seed, scores={"accuracy": value}) for seed, value in enumerate((0.60, 0.601))]
    bars = view(cells).bars
    assert bars["a"] and bars["a"].open_low and bars["a"].open_high
    assert bars["b"] and not bars["b"].open_low and not bars["b"].open_high


@pytest.mark.parametrize("host", ["mlp", "sage[lr=1e+16]", 'mlp[s="]+"]'])
def test_labels(host: str) -> None:
    assert label_of(host) == Label(host, host, "")
    assert label_of(f"{host}+optimag[lam=1e+16]+dagr") == Label(
        f"{host}+optimag[lam=1e+16]+dagr", host, "+optimag[lam=1e+16]+dagr"
    )
