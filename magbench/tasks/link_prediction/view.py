"""What a method of link prediction is given, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from magbench.tasks.views import TaskView


@dataclass(frozen=True, eq=False)
class LinkPredictionView(TaskView):
    """Link prediction: score each candidate of each query of ``test``; edges held out are in no direction in the graph.

    ``edge_index`` holds the training edges alone, in both directions; under a control or a corruption it may lack some
    of them and have others. Messages run along it, while ``train`` stays what is learnt.

    Attributes:
        train: int64 [2, E], every training edge once, u < v.
        val: int64 [2, V], validation edges as source and target; for model selection only.
        val_negatives: int32 [V, K'], false targets of the validation sources.
        test: the queries to answer; which candidate is right is not in the view.
    """

    train: Tensor
    val: Tensor
    val_negatives: Tensor
    test: Queries


@dataclass(frozen=True, eq=False)
class Queries:
    """Sources and, for each, its candidates: one true target and false ones, in an order that says nothing.

    Attributes:
        source: int64 [Q].
        candidates: int32 [Q, C].
    """

    source: Tensor
    candidates: Tensor

    def __len__(self) -> int:
        return len(self.source)


@dataclass(frozen=True, eq=False)
class LinkAnswer:
    """What a method answers in link prediction.

    Attributes:
        scores: float32 [Q, C], one for each of ``view.test.candidates``; higher is likelier.
    """

    scores: NDArray[np.float32]
