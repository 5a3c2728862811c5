"""A study's numbers: verdicts follow from the statistics, the best setting from the grid, and what was not run."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from studies import GRID, PARTS, TASKS, cell, fixed_rows, grid_rows, kept, parts_rows

from magbench.tables.study import StudyTable, study_table


@pytest.fixture(scope="module")
def parts() -> StudyTable:
    return study_table(kept(PARTS, parts_rows()))


def test_answers_say_what_the_statistics_say(parts: StudyTable) -> None:
    helps, beyond = parts.questions
    assert {(a.task, a.host): a.verdict for a in helps.answers} == {
        ("nc/a@1", "mlp"): "better",
        ("nc/b@1", "mlp"): "better",
        ("nc/a@1", "sage"): "worse",
        ("nc/b@1", "sage"): "worse",
    }
    assert {a.verdict for a in beyond.answers} == {"undecided"}
    assert (helps.tested, helps.counts, beyond.counts) == (4, {"better": 2, "worse": 2}, {"undecided": 4})
    assert helps.mean == pytest.approx(np.mean([answer.difference for answer in helps.answers]))


def test_a_host_with_a_plus_in_an_option_is_a_host() -> None:
    host = "mlp[lr=1e+16]"
    study = {"contrasts": PARTS["study"]["contrasts"][:1]}
    description = {**PARTS, "tasks": ["nc/a"], "methods": [host, f"{host}+ours"], "study": study}
    rows = [cell(method, s, 0.6 + 0.01 * s + 0.001 * len(method)) for method in description["methods"] for s in (0, 1)]
    (question,) = study_table(kept(description, rows, seeds=2)).questions
    assert [answer.host for answer in question.answers] == [host]


def test_an_answer_holds_its_numbers(parts: StudyTable) -> None:
    """The mean difference by hand, and Holm over the four contrasts of one task."""
    answer = parts.questions[0].answers[0]
    rows = [row for row in parts_rows() if row.task == TASKS[0]]
    scores = {(row.method, row.seed): row.score for row in rows}
    mean = 100 * np.mean([scores["mlp+ours", seed] - scores["mlp", seed] for seed in range(10)])
    assert answer.difference == pytest.approx(mean)
    assert answer.low < answer.boot_low < answer.difference < answer.boot_high < answer.high
    assert (answer.seeds, answer.family) == (10, 4)


HITS = {
    "mlp": [[0, 0, 0, 0, 1, 1, 0, 1, 0, 0], [0, 0, 0, 1, 1, 0, 0, 1, 0, 0]],
    "mlp+ours": [[1, 1, 1, 1, 1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1, 1, 1, 0, 1]],
    "mlp+trivial": [[1, 1, 1, 0, 1, 1, 1, 1, 0, 0], [1, 1, 0, 1, 1, 1, 0, 1, 0, 1]],
}


def sign_flips(a: str, b: str) -> tuple[float, float]:
    """Mean and two-sided p of all sign patterns over the items' differences, averaged over seeds."""
    difference = np.mean(HITS[b], axis=0) - np.mean(HITS[a], axis=0)
    flipped = [np.mean(difference * signs) for signs in product((-1, 1), repeat=len(difference))]
    return float(difference.mean()), float(np.mean(np.abs(flipped) >= abs(difference.mean()) - 1e-12))


def test_a_fixed_split_is_tested_over_its_items_and_a_drawn_one_over_seeds() -> None:
    """Both kinds in one study: every sign pattern and Holm by hand on one task, as without it on the other."""
    drawn = [row for row in parts_rows() if row.task == TASKS[1]]
    study = study_table(kept(PARTS, [*fixed_rows(HITS), *drawn]))
    helps, beyond = (question.answers[0] for question in study.questions)
    (gain, p), (edge, q) = sign_flips("mlp", "mlp+ours"), sign_flips("mlp+trivial", "mlp+ours")
    assert (helps.fixed, helps.difference, helps.p) == (True, pytest.approx(100 * gain), pytest.approx(p))
    assert (beyond.difference, beyond.p) == (pytest.approx(100 * edge), pytest.approx(q))
    assert (helps.family, helps.p_holm, beyond.p_holm) == (2, pytest.approx(2 * p), pytest.approx(max(2 * p, q)))
    assert (helps.verdict, helps.boot_low) == ("better", None)
    row = next(row for row in study.tasks[0].rows if row.method == "mlp+ours")
    # Here the family are the two regularised rows.
    assert (row.gain, row.p_holm) == (pytest.approx(100 * gain), pytest.approx(2 * p))

    alone = study_table(kept(PARTS, drawn))
    for with_fixed, without in zip(study.questions, alone.questions, strict=True):
        assert [answer for answer in with_fixed.answers if answer.task == TASKS[1]] == list(without.answers)
    assert study.tasks[1] == alone.tasks[1]


def test_tasks_of_different_metrics_are_each_compared_by_their_own() -> None:
    rows = parts_rows()
    other = [row for row in rows if row.task == TASKS[1]]
    swapped = [replace(row, record=row.record.model_copy(update={"scores": row.record.scores[::-1]})) for row in other]
    study = study_table(kept(PARTS, [*(row for row in rows if row not in other), *swapped]))
    assert [task.metric for task in study.tasks] == ["accuracy", "macro_f1"]
    whole = study_table(kept(PARTS, rows)).questions[0].answers
    found = study.questions[0].answers
    # Macro-F1 of the factory is half the accuracy.
    assert [a.difference for a in found] == pytest.approx([a.difference / (1 + (a.task == TASKS[1])) for a in whole])


def test_one_seed_and_missing_rows_are_not_tested() -> None:
    view = study_table(kept(PARTS, [row for row in parts_rows(1) if row.method != "mlp+trivial"]))
    verdicts = {answer.verdict for question in view.questions for answer in question.answers}
    assert verdicts == {"untested"}
    assert view.questions[0].tested == 0
    assert view.questions[1].answers[0].note == "no results of mlp+trivial"
    assert study_table(kept(PARTS, [])).questions == ()


def test_counts_costs_and_what_was_not_run() -> None:
    rows = [row for row in parts_rows() if not (row.method == "mlp" and row.seed > 6 and row.task == TASKS[1])]
    rows[0] = cell(rows[0].method, rows[0].seed, 0.0, rows[0].task, error="x", dirty=True)
    view = study_table(kept(PARTS, rows))
    assert (view.planned, view.ok, view.missing) == (120, 116, 3)
    assert [(found.method, found.status, found.error) for found in view.failed] == [("mlp", "failed", "E: x")]
    assert view.core_hours == pytest.approx(117 * 36 / 3600)
    assert [(group.task, group.method, group.seeds) for group in view.not_run] == [(TASKS[1], "mlp", (7, 8, 9))]
    row, regularised = view.tasks[0].rows[:2]
    assert (row.method, row.seeds, row.failed, row.seconds) == ("mlp", 9, 1, 30)
    assert (row.telemetry["lam"], regularised.telemetry["lam"]) == (None, 2)
    assert view.commits == ("unknown", "unknown+")


def test_the_grid_holds_gains_and_telemetry() -> None:
    task = study_table(kept(GRID, grid_rows(), 3)).tasks[0]
    grid = task.grid
    assert grid is not None and (grid.x, grid.y, grid.xs, grid.ys) == ("alpha", "rho", (0.5, 0.9), (0.1, 1))
    gain, mass = grid.quantities
    assert (gain.name, mass.name) == ("gain", "mass")
    (at_one,) = gain.slices
    assert at_one.at == 1
    assert {(p.x, p.y): p.mean for p in at_one.points} == pytest.approx(
        {(0.5, 0.1): 0, (0.9, 0.1): 1, (0.5, 1): 2, (0.9, 1): 3}, abs=1e-9
    )
    assert {p.seeds for p in at_one.points} == {3}
    assert {p.y: p.mean for p in mass.slices[0].points} == pytest.approx({0.1: 0.1, 1: 1.0})
    assert [row.method for row in task.rows] == ["mlp", "mlp+trivial"]


def test_the_best_setting_stands_beside_what_it_must_be_held_against() -> None:
    grid = study_table(kept(GRID, grid_rows(), 3)).tasks[0].grid
    assert grid is not None and grid.best is not None
    best, (rival,) = grid.best, grid.rivals
    assert (best.setting, best.seeds, best.settings, best.above) == ({"rho": 1, "alpha": 0.9, "eps": 1}, 3, 4, 3)
    assert best.gain == pytest.approx(3)
    assert (rival.method, rival.gain, rival.beaten) == ("mlp+trivial", pytest.approx(2.5), 1)
    margins = {(m.quantity, m.axis): [(level.at, level.mean) for level in m.levels] for m in grid.margins}
    assert margins["gain", "rho"] == [(0.1, pytest.approx(0.5)), (1, pytest.approx(2.5))]
    assert margins["mass", "rho"] == [(0.1, pytest.approx(0.1)), (1, pytest.approx(1))]
    without = [row for row in grid_rows() if row.method != "mlp"]
    grid = study_table(kept(GRID, without, 3)).tasks[0].grid
    assert grid is not None and (grid.best, grid.rivals, grid.margins) == (None, (), ())


def test_a_study_is_json_and_comes_back(parts: StudyTable) -> None:
    for table in (parts, study_table(kept(GRID, grid_rows(1), 3)), study_table(kept(PARTS, []))):
        text = json.dumps(table.model_dump(mode="json"), allow_nan=False)
        assert StudyTable.model_validate_json(text) == table
