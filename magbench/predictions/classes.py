"""Classes: the predicted class of each test node, beside the true one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from magbench.predictions.base import Column, Prediction, Slice


@dataclass(frozen=True, eq=False)
class Classes(Prediction):
    """A class for each test node.

    Attributes:
        nodes: int64 [M], node ids.
        true: int64 [M], their classes.
        classes: int64 [M], the predicted ones.
        scores: float32 [M, C], what they are the largest of; not kept.
    """

    kind: ClassVar = "classes"
    COLUMNS: ClassVar = {
        "nodes": Column("<i8", "<i4"),
        "true": Column("<i8", "<u2"),
        "classes": Column("<i8", "<u2"),
        "scores": Column("<f4", None, width=1, optional=True),
    }

    nodes: NDArray[np.int64]
    true: NDArray[np.int64]
    classes: NDArray[np.int64]
    scores: NDArray[np.float32] | None = None

    def slices(self) -> Iterator[Slice]:
        yield Slice("test", ((self.true, self.classes),), len(self.nodes))

    def items(self, score: Callable[..., NDArray[Any]]) -> NDArray[np.float64]:
        return score(self.true, self.classes)
