"""Accuracy and macro-F1 against torchmetrics over a grid, numbers worked by hand, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score

from magbench.errors import DataError, MethodError
from magbench.metrics.base import Metric
from magbench.metrics.classification import ACCURACY, MACRO_F1, accuracy, macro_f1

GRID = [
    (n, k, skew, noise) for n in (1, 7, 200) for k in (2, 5, 40) for skew in (0.2, 5.0) for noise in (0.0, 0.4, 1.0)
]


def draw(n: int, k: int, skew: float, noise: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([n, k, int(10 * skew), int(10 * noise)])
    y_true = rng.choice(k, size=n, p=rng.dirichlet(np.full(k, skew)))
    return y_true, np.where(rng.random(n) < noise, rng.integers(k, size=n), y_true)


@pytest.mark.parametrize(("n", "k", "skew", "noise"), GRID)
def test_agrees_with_torchmetrics(n: int, k: int, skew: float, noise: float) -> None:
    y_true, y_pred = draw(n, k, skew, noise)
    target, preds = torch.tensor(y_true), torch.tensor(y_pred)
    assert accuracy(y_true, y_pred) == pytest.approx(
        multiclass_accuracy(preds, target, num_classes=k, average="micro").item(), abs=1e-6
    )
    per_class = multiclass_f1_score(preds, target, num_classes=k, average="none")
    assert macro_f1(y_true, y_pred) == pytest.approx(per_class[target.unique()].mean().item(), abs=1e-6)


def test_by_hand() -> None:
    y_true, y_pred = [0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 3, 0]
    # right: nodes 0, 1 and 3, so 3 of 6.
    assert accuracy(y_true, y_pred) == 0.5
    # class 0: TP 2, FP 1, FN 1 -> 4/6; class 1: TP 1, FP 1, FN 1 -> 2/4; class 2: TP 0 -> 0; class 3 is not in y_true.
    assert macro_f1(y_true, y_pred) == pytest.approx((4 / 6 + 2 / 4 + 0) / 3)


@pytest.mark.parametrize("metric", [ACCURACY, MACRO_F1])
class TestContract:
    def test_perfect_and_hopeless_meet_the_bounds(self, metric: Metric) -> None:
        assert (metric([0, 1, 2], [0, 1, 2]), metric([0, 1, 2], [1, 2, 0])) == (1.0, 0.0)
        assert metric.higher_is_better and metric.bounds == (0.0, 1.0) and metric.version == 1

    def test_whole_floats_and_tensors_are_classes(self, metric: Metric) -> None:
        assert metric(torch.tensor([0, 1]), np.array([0.0, 1.0])) == 1.0

    @pytest.mark.parametrize(
        ("y_pred", "message"),
        [
            ([0.0, np.nan, 1.0], "1 NaN"),
            ([0, 1], r"shape \(2,\); expected \(3,\)"),
            ([[0], [1], [1]], "shape"),
            ([0.2, 0.7, 1.0], "fractions"),
            (["a", "b", "c"], "dtype"),
        ],
    )
    def test_bad_predictions_are_the_methods_fault(self, metric: Metric, y_pred: list, message: str) -> None:
        with pytest.raises(MethodError, match=message):
            metric([0, 1, 1], y_pred)

    @pytest.mark.parametrize(("y_true", "message"), [([], r"shape \(0,\)"), ([0, -1], "-1"), ([0.0, np.nan], "NaN")])
    def test_bad_truth_is_the_datas_fault(self, metric: Metric, y_true: list, message: str) -> None:
        with pytest.raises(DataError, match=message):
            metric(y_true, [0] * len(y_true))


def test_value_outside_the_bounds_is_refused() -> None:
    with pytest.raises(MethodError, match="outside its bounds"):
        Metric("broken", 1, True, (0.0, 1.0), lambda y_true, y_pred: float("nan"))([0], [0])
