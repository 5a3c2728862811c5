"""What stands below a table: runs, learning curves and telemetry; and how a report is cut into sections."""

from __future__ import annotations

import json

import numpy as np
import pytest
from outcomes import make_cell as cell
from outcomes import make_cells, retrieval_cells, stepwise_cells

from magbench.tables.outcome import Outcome
from magbench.tables.report import Report, report_of
from magbench.tables.section import Section, validated


def section(cells: list[Outcome]) -> Section:
    (found,) = report_of(cells).sections
    return found


def test_telemetry_is_there_where_measured() -> None:
    cells = make_cells()
    found = section(cells)
    assert found.quantities == ("mass", "diag_share")
    (mass, _) = found.telemetry[0].values
    measured = [cell.telemetry["mass"] for cell in cells if cell.method == found.telemetry[0].method]
    assert mass is not None
    assert (mass.mean, mass.std) == pytest.approx((np.mean(measured), np.std(measured, ddof=1)))


def test_runs_stand_seed_by_seed_each_host_before_its_variants() -> None:
    cells = make_cells()
    found = section(cells)
    assert [runs.method for runs in found.runs][:2] == ["mlp", "mlp+optimag"] and len(found.runs) == 5
    scores = {(cell.method, cell.seed): cell.scores["accuracy"] for cell in cells if cell.ok}
    assert {(runs.method, run.seed): run.score for runs in found.runs for run in runs.runs} == scores
    assert found.runs[0].mean == pytest.approx(np.mean([scores["mlp", seed] for seed in range(5)]))
    assert found.selected == "accuracy"


def test_the_first_best_epoch_counts_and_what_is_not_validated_is_skipped() -> None:
    history = [
        {"epoch": 1, "val_accuracy": 0.2},
        {"epoch": 2, "train_loss": 1.0},
        {"epoch": 3, "val_accuracy": None},
        {"epoch": 4, "val_accuracy": float("nan")},
        {"epoch": 5, "val_accuracy": 0.6},
        {"epoch": 10, "val_accuracy": 0.6},
    ]
    assert validated(history) == [(1, 0.2), (5, 0.6), (10, 0.6)]
    run, unvalidated = section([cell("a", 0, history=history), cell("a", 1, history=[])]).runs[0].runs
    assert (run.epochs, run.validation, run.best_epoch) == ((1, 5, 10), (0.2, 0.6, 0.6), 5)
    assert (unvalidated.epochs, unvalidated.best_epoch) == ((), None)


def test_tasks_and_protocols_are_separate_sections() -> None:
    cells = [cell("a", 0), cell("a", 0, task="nc/b@1"), cell("a", 0, protocol="standard@1")]
    found = [(s.results.task, s.results.protocol) for s in report_of(cells).sections]
    assert found == [
        ("nc/b@1", "quickstart@1"),
        ("node_classification/emoji@1", "quickstart@1"),
        ("node_classification/emoji@1", "standard@1"),
    ]


def test_a_report_is_json_and_comes_back() -> None:
    """Failures, one-seed rows, controls and curves among it: no NaN, no infinity, nothing lost."""
    cells = [*make_cells(), *stepwise_cells(retrieval_cells()), cell("alone", 0, task="nc/b@1", cost={"fit_s": np.nan})]
    report = report_of(cells)
    text = json.dumps(report.model_dump(mode="json"), allow_nan=False)
    assert Report.model_validate_json(text) == report
