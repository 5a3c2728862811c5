"""Mini-batch training: an objective's items a few at a time, each batch with a sampled neighbourhood.

An encoder that sees k hops is given k hops of neighbours. Regularisers compare nodes along edges, so with one of them
even an encoder that sees no graph is given as many hops as it has layers; they see the sampled edges in both
directions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from torch import Tensor
from torch_geometric.data import Data

from magbench.data.mag import simple_undirected
from magbench.graph.adjacency import Adjacency
from magbench.graph.batches import Batches, Features
from magbench.graph.neighbors import NeighborSampler
from magbench.nn.encoder import Encoder
from magbench.specs import Sampling
from magbench.tasks.views import TaskView
from magbench.train.batch import Batch
from magbench.train.device import device_of


class Items(Protocol):
    """What is asked of an objective."""

    def samples(
        self, view: Any, sampler: NeighborSampler, features: Features, *, batch_size: int, seed: int
    ) -> Batches:
        """Mini-batches around the items that are trained on."""

    def targets(self, view: Any, data: Data) -> tuple[Tensor, Tensor]:
        """``targets`` and ``labels`` of one of the mini-batches."""


class SampledBatches:
    """The mini-batches of a training run.

    Args:
        objective: says what the items are, and what is right for them.
        view: what may be seen.
        sampling: items a batch and neighbours a node.
        encoder: says how many hops it sees, and by where it lies whether batches are made ready for a GPU.
        seed: seeds order and draws.
        regularized: whether a regulariser will look at the batches.
    """

    def __init__(
        self,
        objective: Items,
        view: TaskView,
        sampling: Sampling,
        encoder: Encoder,
        seed: int,
        *,
        regularized: bool,
    ) -> None:
        self.objective, self.view = objective, view
        hops = max(encoder.hops, encoder.layers if regularized else 0)
        sampler = NeighborSampler(Adjacency.of(view.edge_index, view.num_nodes), [sampling.fanout] * hops)
        features = Features(view.x, view.observed)
        self.batches = objective.samples(view, sampler, features, batch_size=sampling.batch_size, seed=seed)
        self.y_train = view.y_train
        self.pinned = device_of(encoder).type == "cuda"

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The steps of one epoch, in order."""
        for data in self.batches.epoch(epoch, pin_memory=self.pinned):
            yield self._batch(data)

    def _batch(self, data: Data) -> Batch:
        targets, labels = self.objective.targets(self.view, data)
        return Batch(
            node_ids=data.n_id,
            x={name: data[f"x_{name}"] for name in self.view.x},
            observed={name: data[f"has_{name}"] for name in self.view.x},
            edge_index=data.edge_index,
            graph=simple_undirected(data.edge_index, data.num_nodes),
            y_train=self.y_train[data.n_id],
            targets=targets,
            labels=labels,
            degree=data.degree,
        )
