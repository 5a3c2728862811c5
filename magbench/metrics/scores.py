"""Scores: what metrics make of a stored prediction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from magbench.errors import UnknownNameError
from magbench.metrics import METRICS
from magbench.predictions.base import Prediction


@dataclass(frozen=True)
class Score:
    """One number: ``metric`` (with its version) on ``split``, over ``n`` items.

    ``split`` is ``test``, or a part of it as ``test/<part>``. ``pool`` is the number of candidates of a query, where
    the family has them as its metrics' scale (the larger one, where directions differ).
    """

    metric: str
    version: int
    split: str
    value: float
    n: int
    pool: int | None = None


def score_prediction(prediction: Prediction, metrics: Iterable[str]) -> list[Score]:
    """Every metric on every slice of a prediction, all test items first.

    Raises:
        UnknownNameError: no metric is called so.
        MethodError, DataError: the metric cannot score what is there.
    """
    names = list(metrics)
    for name in names:
        if name not in METRICS:
            raise UnknownNameError("metric", name, METRICS)
    return [
        Score(
            name,
            METRICS[name].version,
            part.split,
            float(np.mean([METRICS[name](*group) for group in part.groups])),
            part.n,
            part.pool,
        )
        for part in prediction.slices()
        for name in names
    ]
