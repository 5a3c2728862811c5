"""Metrics of class predictions: one true and one predicted class (an integer) per node.

Truth and prediction are int arrays of shape [n]. ``accuracy`` is the share of nodes that are right; ``macro_f1`` is the
mean of the per-class F1 over the classes present in the truth, so that a class nobody could be tested on neither helps
nor hurts. Both go through scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import accuracy_score, f1_score

from magbench.errors import DataError, MagbenchError, MethodError
from magbench.metrics.base import Metric


def accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Share of nodes whose predicted class is the true one.

    Args:
        y_true: int [n], classes from 0 up.
        y_pred: int [n].

    Raises:
        DataError: if the truth is empty, not one-dimensional, or holds NaN or an unlabelled node (-1).
        MethodError: if the prediction has another shape, NaN, or values that are no class numbers.

    >>> accuracy([0, 1, 2, 2], [0, 1, 1, 2])
    0.75
    """
    return float(accuracy_score(*_classes(y_true, y_pred)))


def hit(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
    """float64 [n], 1 where the predicted class is the true one, else 0; raises as :func:`accuracy`.

    >>> hit([0, 1, 2, 2], [0, 1, 1, 2])
    array([1., 1., 0., 1.])
    """
    true, predicted = _classes(y_true, y_pred)
    return np.asarray(true == predicted, dtype=np.float64)


def macro_f1(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Mean over the classes present in ``y_true`` of ``2 TP / (2 TP + FP + FN)``; a class never hit counts as 0.

    A class that is predicted but absent from the truth has no term of its own; its false positives still cost the
    class they were taken from.

    Args:
        y_true: int [n], classes from 0 up.
        y_pred: int [n].

    Raises:
        DataError: if the truth is empty, not one-dimensional, or holds NaN or an unlabelled node (-1).
        MethodError: if the prediction has another shape, NaN, or values that are no class numbers.

    >>> macro_f1([0, 0, 1, 1], [0, 0, 1, 2])
    0.8333333333333333
    """
    true, predicted = _classes(y_true, y_pred)
    return float(f1_score(true, predicted, labels=np.unique(true), average="macro", zero_division=0))


ACCURACY = Metric("accuracy", version=1, higher_is_better=True, bounds=(0.0, 1.0), function=accuracy, items=hit)
MACRO_F1 = Metric("macro_f1", version=1, higher_is_better=True, bounds=(0.0, 1.0), function=macro_f1)


def _classes(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Both arrays as int64 [n], or the error that says which of them is at fault."""
    true = _integers("y_true", y_true, DataError)
    if true.ndim != 1 or true.size == 0:
        raise DataError(f"y_true has shape {true.shape}; expected [n] with n >= 1.")
    if true.min() < 0:
        raise DataError(f"y_true holds {true.min()}; expected classes from 0 up, so score labelled nodes only.")
    predicted = _integers("y_pred", y_pred, MethodError)
    if predicted.shape != true.shape:
        raise MethodError(
            f"y_pred has shape {predicted.shape}; expected {true.shape}, one class for each node of y_true."
        )
    return true, predicted


def _integers(name: str, values: ArrayLike, error: Callable[[str], MagbenchError]) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.dtype.kind not in "iuf":
        raise error(f"{name} has dtype {array.dtype}; expected integer classes.")
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise error(f"{name} holds {int((~np.isfinite(array)).sum())} NaN or infinite values; expected classes.")
        if not np.equal(array, np.round(array)).all():
            raise error(f"{name} holds fractions; expected integer classes (take the argmax of scores first).")
    return array.astype(np.int64)
