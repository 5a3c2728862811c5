"""An objective: what a task family adds to the one training loop.

It supplies a *head* on top of the encoder, the *batches* of an epoch, the task *loss* of a batch, the *value* on
validation that selects the checkpoint (higher is better), and the *prediction*. Objectives hold nothing but options:
what they work on, and the generator they draw from, is passed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from magbench.graph.batches import Batches, Features
from magbench.graph.neighbors import NeighborSampler
from magbench.nn.encoder import Encoded, Encoder
from magbench.options import Options, parse_options
from magbench.tasks.views import TaskView

ViewT = TypeVar("ViewT", bound=TaskView)


@dataclass(frozen=True, eq=False)
class Batch:
    """The input of one optimisation step; its nodes have positions 0 … n-1.

    Attributes:
        node_ids: int64 [n], the nodes' numbers in the whole graph.
        x: modality → float32 [n, d_m].
        observed: modality → bool [n].
        edge_index: int64 [2, e], what messages run along.
        graph: int64 [2, e'], the edges among these nodes that regularisers see.
        y_train: int64 [n]; the class of training nodes, -1 everywhere else.
        targets: what the loss is taken on: nodes int64 [t], or pairs of nodes int64 [2, t].
        labels: [t], what is right for each target.
        degree: int64 [n], degrees in the graph that ``edge_index`` is a sample of; None: it is no sample.
    """

    node_ids: Tensor
    x: dict[str, Tensor]
    observed: dict[str, Tensor]
    edge_index: Tensor
    graph: Tensor
    y_train: Tensor
    targets: Tensor
    labels: Tensor
    degree: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """The same on ``device``; tensors that lie there already are not copied."""

        def move(value: Any) -> Any:
            if isinstance(value, dict):
                return {name: move(entry) for name, entry in value.items()}
            return value if value is None else value.to(device, non_blocking=True)

        return Batch(**{entry.name: move(getattr(self, entry.name)) for entry in fields(self)})


class Objective(ABC, Generic[ViewT]):
    """Base of the objectives, one a family.

    Raises:
        OptionError: an option is unknown or out of range.
    """

    Options: ClassVar[type[Options]] = Options
    family: ClassVar[str]
    value_name: ClassVar[str]
    """What the history calls the value that selects, e.g. ``val_accuracy``."""

    def __init__(self, **options: Any) -> None:
        self.options: Any = parse_options(self.Options, options, self.family)

    @abstractmethod
    def head(self, encoder: Encoder, view: ViewT) -> nn.Module:
        """The network on top of the fused states; initialised from the global generator, which is seeded."""

    @abstractmethod
    def batches(self, view: ViewT, generator: torch.Generator) -> Iterator[Batch]:
        """The steps of one epoch, in order, on the whole graph."""

    @abstractmethod
    def samples(
        self, view: ViewT, sampler: NeighborSampler, features: Features, *, batch_size: int, seed: int
    ) -> Batches:
        """Mini-batches around the items that are trained on."""

    @abstractmethod
    def targets(self, view: ViewT, data: Data) -> tuple[Tensor, Tensor]:
        """``targets`` and ``labels`` of one of the mini-batches."""

    @abstractmethod
    def loss(self, head: nn.Module, encoded: Encoded, batch: Batch) -> Tensor:
        """Task loss of one batch, a scalar."""

    @abstractmethod
    def validate(self, head: nn.Module, encoded: Encoded, view: ViewT) -> float:
        """The value that selects, from the states of all nodes; higher is better, at least 0."""

    @abstractmethod
    def predict(self, head: nn.Module, encoded: Encoded, view: ViewT) -> Any:
        """The prediction, from the states of all nodes."""
