"""Retrieval in a report: controls beside scores, coupled methods, tracks and curves."""

from __future__ import annotations

import pytest
from outcomes import make_retrieval, render, retrieval_cells, stepwise_cells
from outline import Outline

from magbench.board.controls import control_view
from magbench.tables.controls import arrange, controls_of
from magbench.tables.outcome import Outcome


@pytest.fixture
def retrieval() -> list[Outcome]:
    return retrieval_cells()


def test_a_coupled_method_is_not_shown_without_its_control(retrieval: list[Outcome]) -> None:
    page = render(retrieval, title="x")
    assert "goma on retrieval/toy@1 is not shown" in Outline(page).text
    assert "0.650" not in page
    shown = render([*retrieval, make_retrieval("random", "goma", 0, 0.55, "coupled")], title="x")
    text = Outline(shown).text
    assert "0.650" in text and "is not shown" not in text
    assert shown.count('class="sub coupled"') == 3  # in the table, beside its controls and by direction


def test_a_control_tells_its_seeds_where_they_are_others(retrieval: list[Outcome]) -> None:
    fewer = [cell for cell in retrieval if "random" not in cell.task or cell.method != "gcn" or cell.seed == 0]
    marked = '<span class="sub">1 seed</span>'
    assert render(fewer, title="x").count(marked) == 1 and marked not in render(retrieval, title="x")


def test_a_track_a_method(retrieval: list[Outcome]) -> None:
    """Score, noise and both ends of the content gain on one scale from 0; no picture where no control was run."""
    own, beside, _ = arrange(retrieval)
    table = controls_of(own, beside)
    assert table is not None
    found = control_view(table)
    assert found.scale is not None
    assert found.names == ("no_graph", "random", "node_disjoint")
    assert (found.scale.low, found.scale.high) == (0.0, 0.5)
    page = render(retrieval, title="x")
    left, right = found.scale(0.3), found.scale(0.4)
    assert f'<line class="content" x1="{left}" x2="{right}"' in page  # ridge: from no graph to node-disjoint
    assert f'<circle class="dot" cx="{found.scale(0.45)}" cy="11"' in page  # gcn on noise
    assert f'<circle class="mean" cx="{found.scale(0.5)}" cy="11"' in page
    assert page.count('<div class="apart">') == 1
    more = [make_retrieval(control, f"m{i}", 0, 0.1, "pure") for i in range(12) for control in ("", "random")]
    long = render([*retrieval, *more], title="x")
    assert long.count('<div class="apart">') == 2 and "<summary>2 more</summary>" in long
    plain = [cell for cell in retrieval if cell.task == "retrieval/toy@1" and cell.method != "goma"]
    assert '<div class="apart">' not in render(plain, title="x")


def test_smoothing_step_by_step(retrieval: list[Outcome]) -> None:
    """A picture a quantity; those that belong together on one scale."""
    cells = stepwise_cells(retrieval)
    own, beside, _ = arrange(cells)
    table = controls_of(own, beside)
    assert table is not None
    found = control_view(table).smoothing
    assert len(found) == 6
    for panel in found:
        assert [line.name for line in panel.chart.lines] == ["gcn"]
    assert found[2].chart.y_ticks == found[3].chart.y_ticks
    assert "Smoothing, step by step" in Outline(render(cells, title="x")).text
    assert "Smoothing, step by step" not in Outline(render(retrieval, title="x")).text


def test_the_page(retrieval: list[Outcome]) -> None:
    page = render(retrieval, title="x")
    assert render(list(reversed(retrieval)), title="x") == page
    outline = Outline(page)
    assert outline.open == []
    for part in ("40 candidates", "Fingerprint’s share", "90 %", "Content gain", "+0.100", "text → image", "isolated"):
        assert part in outline.text, part
    assert outline.count("section") == 3  # the task, environment, citation: controls have none of their own


def test_a_control_alone_has_a_section(retrieval: list[Outcome]) -> None:
    alone = [cell for cell in retrieval if "random" in cell.task]
    assert "retrieval/toy[control=random]@1" in Outline(render(alone, title="x")).text


def test_a_method_without_controls_says_so(retrieval: list[Outcome]) -> None:
    plain = [cell for cell in retrieval if cell.task == "retrieval/toy@1" and cell.method == "gcn"]
    text = Outline(render(plain, title="x")).text
    assert "not run" in text and "No method has both controls" in text
