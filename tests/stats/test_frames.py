"""The checks of results frames."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from magbench.errors import RecordError
from magbench.stats.frames import check_dense, check_scores, missing_cells


def test_a_dense_frame_passes_sorted_and_cut_to_its_key(results) -> None:
    frame = results({"b": [0.1, 0.2], "a": [0.3, 0.4]})
    assert list(check_dense(frame)["method"]) == ["a", "a", "b", "b"]
    assert "split" not in check_dense(frame)


def test_missing_cells_are_named(results) -> None:
    frame = results({"mlp": [0.1, 0.2, 0.3], "gcn": [0.1, 0.2, 0.3]})
    frame = frame[~((frame["method"] == "gcn") & (frame["seed"] > 0))]
    assert len(missing_cells(frame)) == 2
    with pytest.raises(
        RecordError, match=r"2 cells are missing: task=nc/toy method=gcn seed=1 metric=accuracy; .*seed=2"
    ):
        check_dense(frame)


def test_many_missing_cells_are_counted(results) -> None:
    frame = pd.concat([results({"mlp": [0.1] * 20}), results({"gcn": [0.1]})])
    with pytest.raises(RecordError, match=r"19 cells are missing: .*; and 11 more"):
        check_dense(frame)


def test_tasks_may_have_different_methods_and_seeds(results) -> None:
    check_dense(pd.concat([results({"mlp": [0.1]}), results({"gcn": [0.1, 0.2]}, task="lp/toy")]))


def test_an_empty_frame_is_dense(results) -> None:
    assert check_dense(results({"mlp": [0.1]}).iloc[:0]).empty


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(results, value: float) -> None:
    with pytest.raises(RecordError, match=r"1 values are NaN or infinite: task=nc/toy method=mlp seed=1"):
        check_scores(results({"mlp": [0.1, value]}))


def test_a_cell_that_stands_twice_is_refused(results) -> None:
    with pytest.raises(RecordError, match="1 cells stand twice"):
        check_scores(pd.concat([results({"mlp": [0.1]}), results({"mlp": [0.2]})]))


def test_a_missing_column_is_named(results) -> None:
    with pytest.raises(RecordError, match=r"lacks \['seed'\]"):
        check_scores(results({"mlp": [0.1]}).drop(columns="seed"))
