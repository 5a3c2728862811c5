"""What a metric is: a function with a name, a version, a direction and bounds.

The version is part of every result's key. It rises when the value for some input changes, so that two versions of a
metric never stand in one column. A metric refuses what it cannot score (NaN, another shape, nothing at all); it never
returns NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from magbench.errors import MethodError


@dataclass(frozen=True)
class Metric:
    """One score of a prediction.

    Attributes:
        name: how tasks and records call it, e.g. ``"accuracy"``.
        version: raised whenever the value for some input changes.
        higher_is_better: the direction of improvement.
        bounds: smallest and largest value the function can return.
        function: to a float from ``(y_true, y_pred)``, of ranks from ``(above, equal)``, of texts from
            ``(references, texts)``.
        items: the same arguments to one score a test item, whose mean the metric is; None if it is no such mean.
    """

    name: str
    version: int
    higher_is_better: bool
    bounds: tuple[float, float]
    function: Callable[..., float]
    items: Callable[..., NDArray[np.float64]] | None = None

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """Score a prediction.

        Raises:
            DataError: if the truth cannot be scored against.
            MethodError: if the prediction does not fit the truth, or its score is outside the bounds.
        """
        value = float(self.function(y_true, y_pred))
        low, high = self.bounds
        if not low <= value <= high:
            raise MethodError(f"Metric {self.name!r} gave {value}, outside its bounds [{low}, {high}].")
        return value
