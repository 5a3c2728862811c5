"""Ladders in a report: variants of one task on one axis, on noise beside, and no row that may not be shown."""

from __future__ import annotations

import pytest
from outcomes import make_retrieval, render
from outline import Outline

from magbench.board.panels import draw_curves
from magbench.tables.controls import arrange, controls_of
from magbench.tables.curves import Curves
from magbench.tables.ladders import ladders_of
from magbench.tables.outcome import Outcome


def cell(written: str, method: str, level: float, towers: str = "pure") -> Outcome:
    return make_retrieval("", method, 0, level, towers, task=f"retrieval/toy{written}@1")


CELLS = [
    cell("", "gcn", 0.5), cell("", "ridge", 0.3),
    cell("[pair_share=0.1]", "gcn", 0.2), cell("[pair_share=0.5]", "gcn", 0.4),
    cell("[pair_share=0.5]", "ridge", 0.2),
    cell("[control=random]", "gcn", 0.45), cell("[control=random,pair_share=0.1]", "gcn", 0.1),
    cell("[pool=all,pair_share=0.1]", "gcn", 0.9), cell("[control=no_graph,pair_share=0.1]", "gcn", 0.9),
]  # fmt: skip


def ladders(cells: list[Outcome]) -> tuple[Curves, ...]:
    own, beside, _ = arrange(cells)
    section = [found for found in own if found.task == "retrieval/toy@1"]
    controls = controls_of(section, beside)
    assert controls is not None
    return ladders_of(controls, section, [*own, *beside])


def test_a_task_and_its_variants_stand_on_one_axis() -> None:
    (ladder,) = ladders(CELLS)
    assert ladder.axis == "share of the training pairs"
    assert [curve.title for curve in ladder.panels] == ["the task’s features", "random features"]
    own, noise = ({(point.y, point.x): point.mean for point in curve.points} for curve in ladder.panels)
    expected = {("gcn", 0.1): 0.2, ("gcn", 0.5): 0.4, ("gcn", 1.0): 0.5, ("ridge", 0.5): 0.2, ("ridge", 1.0): 0.3}
    assert own == pytest.approx(expected)
    assert noise == pytest.approx({("gcn", 0.1): 0.1, ("gcn", 1.0): 0.45})
    drawn, beside = (panel.chart for panel in draw_curves(ladder).panels)
    assert [tick.label for tick in drawn.x_ticks] == ["0.1", "0.5", "1"]
    assert drawn.y_ticks == beside.y_ticks


def test_a_coupled_row_without_noise_is_no_rung() -> None:
    goma = [cell(written, "goma", 0.65, "coupled") for written in ("", "[control=random]", "[edge_swap=0.5]")]
    assert [ladder.axis for ladder in ladders([*CELLS, *goma])] == ["share of the training pairs"]
    also = cell("[control=random,edge_swap=0.5]", "goma", 0.6, "coupled")
    swapped = ladders([*CELLS, *goma, also])[1]
    assert swapped.axis == "share of edges swapped"
    assert [(point.x, point.seeds) for point in swapped.panels[0].points] == [(0.0, 1), (0.5, 1)]


def test_only_what_has_a_rung_is_drawn() -> None:
    """However many methods are better on the task itself."""
    better = [cell("", f"better{number}", 0.6) for number in range(8)]
    (ladder,) = ladders([*better, *CELLS])
    assert {line.name for line in draw_curves(ladder).panels[0].chart.lines} == {"gcn", "ridge"}


def test_a_value_that_is_no_number_is_no_rung() -> None:
    assert len(ladders([*CELLS, cell("[edge_swap=some]", "gcn", 0.4)])) == 1


def test_the_page() -> None:
    text = Outline(render(CELLS, title="x")).text
    assert "Recall@1 over the share of the training pairs" in text and "edges swapped" not in text
    assert "Recall@1 over the share" not in Outline(render(CELLS[:2], title="x")).text
