"""What a method of node classification is given, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from magbench.tasks.views import TaskView


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


@dataclass(frozen=True, eq=False)
class NodeAnswer:
    """What a method answers in node classification.

    Attributes:
        nodes: int64 [M] node ids.
        scores: float32 [M, C]; the largest score is the predicted class, the lowest class among equal ones.
    """

    nodes: NDArray[np.int64]
    scores: NDArray[np.float32]
