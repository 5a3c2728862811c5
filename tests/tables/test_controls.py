"""Retrieval's controls as a table: two rankings, what stands beside what, coupled methods, curves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from outcomes import ITEMS, make_retrieval, retrieval_cells, stepwise_cells

from magbench.tables.controls import arrange, controls_of
from magbench.tables.outcome import Outcome


@pytest.fixture
def retrieval() -> list[Outcome]:
    return retrieval_cells()


def test_a_coupled_method_is_not_shown_without_its_control(retrieval: list[Outcome]) -> None:
    own, beside, hidden = arrange(retrieval)
    assert {cell.method for cell in own} == {"gcn", "ridge"}
    assert {cell.task for cell in own} == {"retrieval/toy@1"}
    assert len(beside) == 12
    assert len(hidden) == 1 and "magbench run -t 'retrieval/toy[control=random]' -m 'goma'" in hidden[0]
    bare = [cell for cell in retrieval if cell.method != "goma"] + [
        make_retrieval(control, "goma", 0, 0.2, "coupled") for control in ("", "no_graph")
    ]
    failed = replace(make_retrieval("", "lost", 0, 0.3, "pure"), status="failed", scores={}, items=())
    own, beside, _ = arrange([*bare, failed, make_retrieval("no_graph", "lost", 0, 0.3, "pure")])
    assert len(beside) == 12
    alone = {(cell.task, cell.method) for cell in own} - {("retrieval/toy@1", "gcn"), ("retrieval/toy@1", "ridge")}
    assert alone == {
        ("retrieval/toy@1", "lost"),
        ("retrieval/toy[control=no_graph]@1", "lost"),
        ("retrieval/toy[control=no_graph]@1", "goma"),
    }  # what no row stands for has a section of its own


def test_two_rankings(retrieval: list[Outcome]) -> None:
    own, beside, _ = arrange(retrieval)
    found = controls_of(own, beside)
    assert found is not None
    assert [(row.method, row.rank, row.content_rank) for row in found.rows] == [("gcn", 1, 2), ("ridge", 2, 1)]
    gcn, ridge = found.rows
    assert (gcn.score.mean, gcn.share) == (0.5, pytest.approx(0.9))
    assert ridge.gain is not None and gcn.gain is not None
    assert ridge.gain.value == pytest.approx(0.1)
    assert ridge.gain.low <= 0.1 <= ridge.gain.high
    assert (gcn.gain.value, gcn.gain.significant) == (0.0, False)
    assert found.best is ridge and found.recall is not None
    assert found.pool == ITEMS
    assert [curve.title for curve in found.recall.panels] == ["the task’s features", "random features"]


def test_a_control_tells_its_seeds_where_they_are_others(retrieval: list[Outcome]) -> None:
    fewer = [cell for cell in retrieval if "random" not in cell.task or cell.method != "gcn" or cell.seed == 0]
    own, beside, _ = arrange(fewer)
    found = controls_of(own, beside)
    assert found is not None
    seeds = {row.method: (row.seeds, row.control_seeds["random"]) for row in found.rows}
    assert seeds == {"gcn": (2, 1), "ridge": (2, 2)}


def test_smoothing_step_by_step(retrieval: list[Outcome]) -> None:
    """A curve a method that measured it, the mean over seeds; on noise beside; nothing where nobody did."""
    cells = stepwise_cells(retrieval)
    own, beside, _ = arrange(cells)
    found = controls_of(own, beside)
    assert found is not None
    assert [[curve.title for curve in group.panels] for group in found.smoothing] == [
        ["MRR, the task’s features", "MRR, random features"],
        ["Cosine of pairs", "Cosine of strangers"],
        ["Dirichlet energy"],
        ["Effective rank"],
    ]
    for group in found.smoothing:
        assert group.methods == ("gcn",) and {p.y for curve in group.panels for p in curve.points} == {"gcn"}
    assert [(p.x, p.mean) for p in found.smoothing[0].panels[0].points] == [(0, 0.4), (1, pytest.approx(0.9))]


def test_a_control_alone_has_a_section(retrieval: list[Outcome]) -> None:
    alone = [cell for cell in retrieval if "random" in cell.task]
    own, beside, _ = arrange(alone)
    assert (own, beside) == (alone, [])


def test_a_method_without_controls_says_so(retrieval: list[Outcome]) -> None:
    plain = [cell for cell in retrieval if cell.task == "retrieval/toy@1" and cell.method == "gcn"]
    found = controls_of(plain, [])
    assert found is not None and found.best is None
    assert found.rows[0].gain is None


def test_controls_of_another_feature_set_stand_apart(retrieval: list[Outcome]) -> None:
    other = [replace(cell, features="t5", scores={"recall@1": 0.9}, items=[0.9] * ITEMS) for cell in retrieval]
    own, beside, _ = arrange([*retrieval, *other])
    section = [cell for cell in own if cell.features == "clip"]
    alone = arrange(retrieval)
    assert controls_of(section, beside) == controls_of(*alone[:2])
