"""What a method of retrieval is given, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Side:
    """One modality of a retrieval view. Its rows are in an order of its own: a row's number says nothing of its pair.

    Attributes:
        x: float32 [M, d_m]; rows of missing items are zero.
        observed: bool [M].
        edge_index: int64 [2, E], source and target; messages run from source to target. No self-loops; both
            directions, unless a control takes some away.
    """

    x: Tensor
    observed: Tensor
    edge_index: Tensor

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, eq=False)
class RetrievalView:
    """Cross-modal retrieval: embed the rows of both sides so that the two of a pair have the largest inner product.

    All items and the graph among them are there, without labels (a transductive task); which rows are pairs is said of
    ``train`` and ``val`` alone.

    Attributes:
        task: versioned task id.
        seed: the seed that the method draws from.
        sides: modality → its side; two of them, the first asked for the second and back.
        train, val: int64 [2, P], pairs as rows of the first and of the second side; validation is for selection only.
        test: modality → int64 [T], the rows that are asked, in no common order.
        cross: modality → int64 [2, E], for methods that pass messages between the sides: source, a row of the other
            side, and target, a row of this one, whose nodes are neighbours; never the same node.
        train_edges: int64 [2, E], both directions: places in ``train`` of pairs whose nodes are neighbours.
        features: name of the feature set.
    """

    task: str
    seed: int
    sides: dict[str, Side]
    train: Tensor
    val: Tensor
    test: dict[str, Tensor]
    cross: dict[str, Tensor]
    train_edges: Tensor
    features: str = ""


@dataclass(frozen=True, eq=False)
class RetrievalAnswer:
    """What a method answers in retrieval.

    Attributes:
        embeddings: modality → float32 [M, d], one row for each of the side's; scores are inner products.
    """

    embeddings: dict[str, NDArray[np.float32]]
