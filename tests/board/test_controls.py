"""Retrieval in a report: controls beside scores, two rankings, coupled methods, curves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from magbench.board.cells import ReportCell
from magbench.board.controls import controls_of, split_cells
from magbench.board.report import render

from .test_report import Outline

ITEMS = 40
LEVELS = {
    ("", "gcn"): 0.5, ("random", "gcn"): 0.45, ("no_graph", "gcn"): 0.2, ("node_disjoint", "gcn"): 0.2,
    ("", "ridge"): 0.3, ("random", "ridge"): 0.0, ("no_graph", "ridge"): 0.3, ("node_disjoint", "ridge"): 0.4,
    ("", "goma"): 0.65,
}  # fmt: skip


def make(control: str, method: str, seed: int, level: float, towers: str, task: str = "") -> ReportCell:
    right = np.arange(ITEMS) < level * ITEMS
    return ReportCell(
        task=task or (f"retrieval/toy[control={control}]@1" if control else "retrieval/toy@1"),
        dataset="toy@1", method=method, seed=seed, status="ok", error=None,
        scores={"recall@1": float(right.mean()), "mrr": float(right.mean())}, n_test=2 * ITEMS,
        history=[], telemetry={}, cost={"fit_s": 1.0}, params=10, protocol="standard@1", env={}, sample=[],
        items=right.astype(float).tolist(), features="clip", towers=towers, pool=ITEMS,
        parts={"text->image": level, "image->text": level, "isolated": level / 2},
        recall={1: level, 10: min(1.0, 2 * level)},
    )  # fmt: skip


@pytest.fixture
def retrieval() -> list[ReportCell]:
    """Two pure methods with controls, and a coupled one without."""
    return [
        make(control, method, seed, level, "coupled" if method == "goma" else "pure")
        for (control, method), level in LEVELS.items()
        for seed in range(2)
    ]


def test_a_coupled_method_is_not_shown_without_its_control(retrieval: list[ReportCell]) -> None:
    own, beside, hidden = split_cells(retrieval)
    assert {cell.method for cell in own} == {"gcn", "ridge"}
    assert {cell.task for cell in own} == {"retrieval/toy@1"}
    assert len(beside) == 12
    assert len(hidden) == 1 and "magbench run -t 'retrieval/toy[control=random]' -m 'goma'" in hidden[0]
    page = render(retrieval, title="x")
    assert "goma on retrieval/toy@1 is not shown" in Outline(page).text
    assert "0.650" not in page
    bare = [cell for cell in retrieval if cell.method != "goma"] + [
        make(control, "goma", 0, 0.2, "coupled") for control in ("", "no_graph")
    ]
    failed = replace(make("", "lost", 0, 0.3, "pure"), status="failed", scores={}, items=())
    own, beside, _ = split_cells([*bare, failed, make("no_graph", "lost", 0, 0.3, "pure")])
    assert len(beside) == 12
    alone = {(cell.task, cell.method) for cell in own} - {("retrieval/toy@1", "gcn"), ("retrieval/toy@1", "ridge")}
    assert alone == {
        ("retrieval/toy@1", "lost"),
        ("retrieval/toy[control=no_graph]@1", "lost"),
        ("retrieval/toy[control=no_graph]@1", "goma"),
    }  # what no row stands for has a section of its own
    shown = render([*retrieval, make("random", "goma", 0, 0.55, "coupled")], title="x")
    text = Outline(shown).text
    assert "0.650" in text and "is not shown" not in text
    assert shown.count('class="sub coupled"') == 3  # in the table, beside its controls and by direction


def test_two_rankings(retrieval: list[ReportCell]) -> None:
    own, beside, _ = split_cells(retrieval)
    found = controls_of(own, beside)
    assert found is not None
    assert [(row.label.full, row.rank, row.content_rank) for row in found.rows] == [("gcn", 1, 2), ("ridge", 2, 1)]
    gcn, ridge = found.rows
    assert (gcn.score.mean, gcn.share) == (0.5, pytest.approx(0.9))
    assert ridge.gain is not None and gcn.gain is not None
    assert ridge.gain.value == pytest.approx(0.1)
    assert ridge.gain.low <= 0.1 <= ridge.gain.high
    assert (gcn.gain.value, gcn.gain.significant) == (0.0, False)
    assert found.best is ridge
    assert found.names == ("no_graph", "random", "node_disjoint")
    assert found.pool == ITEMS
    assert [curve.title for curve in found.curves] == ["the task’s features", "random features"]


def test_a_control_tells_its_seeds_where_they_are_others(retrieval: list[ReportCell]) -> None:
    fewer = [cell for cell in retrieval if "random" not in cell.task or cell.method != "gcn" or cell.seed == 0]
    own, beside, _ = split_cells(fewer)
    found = controls_of(own, beside)
    assert found is not None
    assert {row.label.full: row.seeds["random"] for row in found.rows} == {"gcn": 1, "ridge": None}
    marked = '<span class="sub">1 seed</span>'
    assert render(fewer, title="x").count(marked) == 1 and marked not in render(retrieval, title="x")


def test_a_track_a_method(retrieval: list[ReportCell]) -> None:
    """Score, noise and both ends of the content gain on one scale from 0; no picture where no control was run."""
    own, beside, _ = split_cells(retrieval)
    found = controls_of(own, beside)
    assert found is not None and found.scale is not None
    assert (found.scale.low, found.scale.high) == (0.0, 0.5)
    page = render(retrieval, title="x")
    left, right = found.scale(0.3), found.scale(0.4)
    assert f'<line class="content" x1="{left}" x2="{right}"' in page  # ridge: from no graph to node-disjoint
    assert f'<circle class="dot" cx="{found.scale(0.45)}" cy="11"' in page  # gcn on noise
    assert f'<circle class="mean" cx="{found.scale(0.5)}" cy="11"' in page
    assert page.count('<div class="apart">') == 1
    more = [make(control, f"m{i}", 0, 0.1, "pure") for i in range(12) for control in ("", "random")]
    long = render([*retrieval, *more], title="x")
    assert long.count('<div class="apart">') == 2 and "<summary>2 more</summary>" in long
    plain = [cell for cell in retrieval if cell.task == "retrieval/toy@1" and cell.method != "goma"]
    assert '<div class="apart">' not in render(plain, title="x")


def test_smoothing_step_by_step(retrieval: list[ReportCell]) -> None:
    """A curve a method that measured it, the mean over seeds; on noise beside; nothing where nobody did."""
    level = {"val_mrr": 0.4, "paired": 0.5, "unpaired": 0.1, "dirichlet": 0.3, "effective_rank": 20.0}
    cells = [
        replace(cell, steps={name: {0: value, 1: value + cell.seed} for name, value in level.items()})
        if cell.method == "gcn" and cell.task in ("retrieval/toy@1", "retrieval/toy[control=random]@1")
        else cell
        for cell in retrieval
    ]
    own, beside, _ = split_cells(cells)
    found = controls_of(own, beside)
    assert found is not None
    assert [curve.title for curve in found.smoothing] == [
        "MRR, the task’s features", "MRR, random features", "Cosine of pairs", "Cosine of strangers",
        "Dirichlet energy", "Effective rank",
    ]  # fmt: skip
    for curve in found.smoothing:
        assert [line.name for line in curve.chart.lines] == ["gcn"]
    assert [dot.value for dot in found.smoothing[0].chart.lines[0].dots] == [0.4, pytest.approx(0.9)]
    assert found.smoothing[2].chart.y_ticks == found.smoothing[3].chart.y_ticks
    assert "Smoothing, step by step" in Outline(render(cells, title="x")).text
    assert "Smoothing, step by step" not in Outline(render(retrieval, title="x")).text


def test_the_page(retrieval: list[ReportCell]) -> None:
    page = render(retrieval, title="x")
    assert render(list(reversed(retrieval)), title="x") == page
    outline = Outline(page)
    assert outline.open == []
    for part in ("40 candidates", "Fingerprint’s share", "90 %", "Content gain", "+0.100", "text → image", "isolated"):
        assert part in outline.text, part
    assert outline.count("section") == 3  # the task, environment, citation: controls have none of their own


def test_a_control_alone_has_a_section(retrieval: list[ReportCell]) -> None:
    alone = [cell for cell in retrieval if "random" in cell.task]
    own, beside, _ = split_cells(alone)
    assert (own, beside) == (alone, [])
    assert "retrieval/toy[control=random]@1" in Outline(render(alone, title="x")).text


def test_a_method_without_controls_says_so(retrieval: list[ReportCell]) -> None:
    plain = [cell for cell in retrieval if cell.task == "retrieval/toy@1" and cell.method == "gcn"]
    found = controls_of(plain, [])
    assert found is not None and found.best is None
    assert found.rows[0].gain is None
    text = Outline(render(plain, title="x")).text
    assert "not run" in text and "No method has both controls" in text


def test_controls_of_another_feature_set_stand_apart(retrieval: list[ReportCell]) -> None:
    other = [replace(cell, features="t5", scores={"recall@1": 0.9}, items=[0.9] * ITEMS) for cell in retrieval]
    own, beside, _ = split_cells([*retrieval, *other])
    section = [cell for cell in own if cell.features == "clip"]
    alone = split_cells(retrieval)
    assert controls_of(section, beside) == controls_of(*alone[:2])
