"""What a method is given (a view) and what it gives back (a prediction).

In a view, what may not be seen is absent, not masked by convention: the labels of the test nodes are not in the
object at all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, eq=False)
class TaskView:
    """The part every family shares.

    Attributes:
        task: versioned task id.
        seed: the run's; a split that is not fixed was drawn with it.
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

    @property
    def y_train(self) -> Tensor:
        """int64 [N]; the class of training nodes, -1 everywhere else: everywhere, where the task has no classes."""
        return torch.full((self.num_nodes,), -1)


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
class LinkPredictionView(TaskView):
    """Link prediction: score each candidate of each query of ``test``; edges held out are in no direction in the graph.

    ``edge_index`` holds the training edges alone, in both directions.

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


class Prediction(ABC):
    """What is stored of a cell: named arrays with the same number of rows, enough to score again."""

    STORED: ClassVar[dict[str, str]]
    """Array (a field of the class) → its type on disk."""

    SCORED: ClassVar[tuple[str, str] | None] = None
    """The two arrays that metrics take, where the task's version fixes the items; they stand in :meth:`compact` too."""

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


@dataclass(frozen=True, eq=False)
class FixedNodePrediction(NodePrediction):
    """What is kept of class scores where the task's version fixes the test nodes.

    Attributes:
        true: int64 [M], the true class of each node, so that methods can be compared over nodes without the data.
    """

    STORED: ClassVar = {**NodePrediction.STORED, "true": "<i8"}
    SCORED: ClassVar = ("true", "classes")

    true: NDArray[np.int64]

    def compact(self) -> dict[str, NDArray[Any]]:
        return {**super().compact(), "true": self.true.astype(np.uint16)}


@dataclass(frozen=True, eq=False)
class LinkPrediction:
    """What a method answers in link prediction.

    Attributes:
        scores: float32 [Q, C], one for each of ``view.test.candidates``; higher is likelier.
    """

    scores: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class RetrievalPrediction:
    """What a method answers in retrieval.

    Attributes:
        embeddings: modality → float32 [M, d], one row for each of the side's; scores are inner products.
    """

    embeddings: dict[str, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class RankPrediction(Prediction):
    """What is kept of scored queries: where the right candidate stands.

    Attributes:
        above: int32 [Q], candidates with a higher score.
        equal: int32 [Q], other candidates with the same score.
    """

    STORED: ClassVar = {"above": "<i4", "equal": "<i4"}
    SCORED: ClassVar = ("above", "equal")

    above: NDArray[np.int32]
    equal: NDArray[np.int32]

    def compact(self) -> dict[str, NDArray[Any]]:
        return {"above": self.above, "equal": self.equal}


@dataclass(frozen=True, eq=False)
class PairRanks(RankPrediction):
    """What is kept of retrieval: the ranks of both directions, and whose they are.

    Attributes:
        item: int32 [Q], the place of the query's node among the nodes that are asked, in ascending order.
        side: uint8 [Q], the side that asks: 0 or 1.
    """

    STORED: ClassVar = {**RankPrediction.STORED, "item": "<i4", "side": "|u1"}

    item: NDArray[np.int32]
    side: NDArray[np.uint8]

    def compact(self) -> dict[str, NDArray[Any]]:
        return {**super().compact(), "item": self.item, "side": self.side}


PREDICTIONS: tuple[type[Any], ...] = (NodePrediction, FixedNodePrediction, RankPrediction, PairRanks)
"""The kinds of prediction that are stored; a file's arrays tell which it holds."""


@dataclass(frozen=True, eq=False)
class Scored:
    """What metrics take of a stored prediction, one entry a query, and whose each entry is.

    Attributes:
        first, second: the two arrays of :attr:`Prediction.SCORED`.
        item: int [Q], the test item of each entry; None where each is one of its own.
        side: int [Q], the direction it asks in; as ``item``.
    """

    first: NDArray[Any]
    second: NDArray[Any]
    item: NDArray[Any] | None = None
    side: NDArray[Any] | None = None

    def items(self, score: Callable[..., NDArray[np.float64]]) -> NDArray[np.float64]:
        """One score a test item, whose mean is the metric: directions count the same, and in each its entries do."""
        scores = score(self.first, self.second)
        if self.item is None or self.side is None:
            return scores
        count = int(self.item.max()) + 1
        total, sides = np.zeros(count), np.unique(self.side)
        for side in sides:
            own = self.side == side
            total += np.bincount(self.item[own], weights=scores[own], minlength=count) * (count / own.sum())
        mean: NDArray[np.float64] = total / len(sides)
        return mean


def scored_of(arrays: Mapping[str, NDArray[Any]]) -> Scored | None:
    """What metrics take of the arrays of a compact prediction; None where the task draws a split a seed."""
    names = next((kind.SCORED for kind in PREDICTIONS if kind.SCORED and set(kind.SCORED) <= set(arrays)), None)
    if names is None:
        return None
    return Scored(arrays[names[0]], arrays[names[1]], arrays.get("item"), arrays.get("side"))
