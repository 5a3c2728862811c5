"""Outcomes of stored cells: the metric that is shown comes first, and everything else is the record's own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from magbench.errors import UnknownNameError
from magbench.registry import Registry
from magbench.results.frame import StoredCell, read_cells
from magbench.tables.frames import scores_frame
from magbench.tables.listing import listing_of
from magbench.tables.outcome import outcome_of


@pytest.fixture
def stored(finished: Path) -> list[StoredCell]:
    return read_cells(finished)


def test_the_frame_has_a_row_a_score(stored: list[StoredCell]) -> None:
    frame = scores_frame(outcome_of(cell, Registry.default()) for cell in stored)
    assert list(frame.columns) == ["task", "dataset", "method", "seed", "metric", "value"]
    assert len(frame) == 9 * 2
    assert frame["value"].between(0, 1).all()


def test_the_metric_that_is_asked_for_comes_first(stored: list[StoredCell]) -> None:
    cell = next(cell for cell in stored if cell.record.method.name == "mlp")
    plain, shown = (outcome_of(cell, Registry.default(), metric) for metric in (None, "macro_f1"))
    assert list(plain.scores) == ["accuracy", "macro_f1"] and list(shown.scores) == ["macro_f1", "accuracy"]
    assert shown.score == cell.record.value("macro_f1")
    assert plain.items is None  # each seed has a split of its own
    assert plain.history == () and len(outcome_of(cell, Registry.default(), curves=True).history) == 2


def test_what_is_not_shipped_is_told(stored: list[StoredCell]) -> None:
    cell = stored[0]
    other = cell.record.method.model_copy(update={"name": "my_own_method"})
    foreign = dataclasses.replace(cell, record=cell.record.model_copy(update={"method": other}))
    assert outcome_of(cell, Registry.default()).shipped and not outcome_of(foreign, Registry.default()).shipped


def test_the_table_is_mean_and_std_over_seeds(stored: list[StoredCell]) -> None:
    (table,) = listing_of(stored).results
    row = {row.method: row for row in table.rows}["mlp"]
    values = [cell.record.value("accuracy") for cell in stored if cell.record.method.name == "mlp"]
    assert (row.score.mean, row.score.std) == (pytest.approx(np.mean(values)), pytest.approx(np.std(values, ddof=1)))
    assert row.seeds == 3


def test_failures_have_no_row_and_an_unknown_metric_is_named(stored: list[StoredCell]) -> None:
    failed = [dataclasses.replace(c, record=c.record.model_copy(update={"status": "failed"})) for c in stored]
    assert listing_of(failed).results == ()
    with pytest.raises(UnknownNameError, match="'accurracy'"):
        listing_of(stored, "accurracy")
