"""Ladders in a report: variants of one task on one axis, on noise beside, and no row that may not be shown."""

from __future__ import annotations

import pytest

from magbench.board.cells import ReportCell
from magbench.board.controls import controls_of, split_cells
from magbench.board.ladders import Ladder, ladders_of
from magbench.board.report import render

from .test_controls import make
from .test_report import Outline


def cell(written: str, method: str, level: float, towers: str = "pure") -> ReportCell:
    return make("", method, 0, level, towers, task=f"retrieval/toy{written}@1")


CELLS = [
    cell("", "gcn", 0.5), cell("", "ridge", 0.3),
    cell("[pair_share=0.1]", "gcn", 0.2), cell("[pair_share=0.5]", "gcn", 0.4),
    cell("[pair_share=0.5]", "ridge", 0.2),
    cell("[control=random]", "gcn", 0.45), cell("[control=random,pair_share=0.1]", "gcn", 0.1),
    cell("[pool=all,pair_share=0.1]", "gcn", 0.9), cell("[control=no_graph,pair_share=0.1]", "gcn", 0.9),
]  # fmt: skip


def ladders(cells: list[ReportCell]) -> tuple[Ladder, ...]:
    own, beside, _ = split_cells(cells)
    section = [found for found in own if found.task == "retrieval/toy@1"]
    controls = controls_of(section, beside)
    assert controls is not None
    return ladders_of(controls, section, [*own, *beside])


def test_a_task_and_its_variants_stand_on_one_axis() -> None:
    (ladder,) = ladders(CELLS)
    assert ladder.axis == "share of the training pairs"
    assert [curve.title for curve in ladder.curves] == ["the task’s features", "random features"]
    own, noise = (curve.chart for curve in ladder.curves)
    assert [tick.label for tick in own.x_ticks] == ["0.1", "0.5", "1"]
    found = {line.name: [(dot.at, dot.value) for dot in line.dots] for line in own.lines}
    assert found == {
        "gcn": [("0.1", 0.2), ("0.5", pytest.approx(0.4)), ("1", 0.5)],
        "ridge": [("0.5", 0.2), ("1", pytest.approx(0.3))],
    }
    (line,) = noise.lines
    assert [(dot.at, dot.value) for dot in line.dots] == [("0.1", 0.1), ("1", pytest.approx(0.45))]
    assert own.y_ticks == noise.y_ticks


def test_a_coupled_row_without_noise_is_no_rung() -> None:
    goma = [cell(written, "goma", 0.65, "coupled") for written in ("", "[control=random]", "[edge_swap=0.5]")]
    assert [ladder.axis for ladder in ladders([*CELLS, *goma])] == ["share of the training pairs"]
    also = cell("[control=random,edge_swap=0.5]", "goma", 0.6, "coupled")
    swapped = ladders([*CELLS, *goma, also])[1]
    assert swapped.axis == "share of edges swapped"
    assert [(dot.at, dot.seeds) for dot in swapped.curves[0].chart.lines[0].dots] == [("0", 1), ("0.5", 1)]


def test_only_what_has_a_rung_is_drawn() -> None:
    """However many methods are better on the task itself."""
    better = [cell("", f"better{number}", 0.6) for number in range(8)]
    (ladder,) = ladders([*better, *CELLS])
    assert {line.name for line in ladder.curves[0].chart.lines} == {"gcn", "ridge"}


def test_a_value_that_is_no_number_is_no_rung() -> None:
    assert len(ladders([*CELLS, cell("[edge_swap=some]", "gcn", 0.4)])) == 1


def test_the_page() -> None:
    text = Outline(render(CELLS, title="x")).text
    assert "Recall@1 over the share of the training pairs" in text and "edges swapped" not in text
    assert "Recall@1 over the share" not in Outline(render(CELLS[:2], title="x")).text
