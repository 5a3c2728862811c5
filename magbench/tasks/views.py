"""What a method is given (a view) and what it gives back (a prediction).

In a view, what may not be seen is absent, not masked by convention: the labels of the test nodes are not in the
object at all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, eq=False)
class TaskView:
    """The part every family shares.

    Attributes:
        task: versioned task id.
        seed: the seed the split was drawn with.
        x: modality → float32 [N, d_m]; rows of missing modalities are zero.
        observed: modality → bool [N].
        edge_index: int64 [2, E], both directions.
        texts: the nodes' texts, or ``None``.
        images: lazy sequence of the nodes' pictures, or ``None``.
    """

    task: str
    seed: int
    x: dict[str, Tensor]
    observed: dict[str, Tensor]
    edge_index: Tensor
    texts: Sequence[str | None] | None
    images: Sequence[Any] | None

    @property
    def num_nodes(self) -> int:
        return next(iter(self.x.values())).size(0)


@dataclass(frozen=True, eq=False)
class NodeClassificationView(TaskView):
    """Node classification: predict a class for each node of ``test``.

    Attributes:
        y: int64 [N]; the class of training and validation nodes, -1 everywhere else.
        train, val, test: int64 node ids; validation is for model selection only.
        num_classes: number of classes C; labels are 0 … C-1.
    """

    y: Tensor
    train: Tensor
    val: Tensor
    test: Tensor
    num_classes: int

    @property
    def y_train(self) -> Tensor:
        """int64 [N]; the class of training nodes, -1 everywhere else."""
        hidden = self.y.new_full(self.y.shape, -1)
        hidden[self.train] = self.y[self.train]
        return hidden


class Prediction(ABC):
    """What is stored of a cell: named arrays with the same number of rows, enough to score again."""

    STORED: ClassVar[dict[str, str]]
    """Array (a field of the class) → its type on disk."""

    @abstractmethod
    def compact(self) -> dict[str, NDArray[Any]]:
        """The arrays that are committed with kept results."""

    @property
    def rows(self) -> int:
        """Number of predicted items."""
        return len(getattr(self, next(iter(self.STORED))))


@dataclass(frozen=True, eq=False)
class NodePrediction(Prediction):
    """Class scores of nodes.

    Attributes:
        nodes: int64 [M] node ids.
        scores: float32 [M, C]; the largest score is the predicted class.
    """

    STORED: ClassVar = {"nodes": "<i8", "scores": "<f4"}

    nodes: NDArray[np.int64]
    scores: NDArray[np.float32]

    @property
    def classes(self) -> NDArray[np.int64]:
        """The predicted class of each node (the lowest index among equal scores)."""
        return np.asarray(self.scores.argmax(axis=1), dtype=np.int64)

    def compact(self) -> dict[str, NDArray[Any]]:
        return {"nodes": self.nodes.astype(np.int32), "classes": self.classes.astype(np.uint16)}


PREDICTIONS: tuple[type[Any], ...] = (NodePrediction,)
"""The kinds of prediction that are stored; a file's arrays tell which it holds."""
