"""An objective: what a task family adds to the one training loop.

It builds the *network* from an encoder (for most families: the encoder and a *head* on top), and supplies the *batches*
of an epoch, the task *loss* of a batch, the *value* on validation that selects the checkpoint (higher is better), and
the *prediction*. Objectives hold nothing but options: what they work on, and the generator they draw from, is passed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Generic, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from magbench.graph.batches import Batches, Features
from magbench.graph.neighbors import NeighborSampler
from magbench.nn.encoder import Encoded, Encoder
from magbench.options import Options, parse_options
from magbench.regularizers.base import Context, Regularizer
from magbench.specs import Training
from magbench.tasks.views import TaskView
from magbench.train.batch import Batch
from magbench.train.device import device_of
from magbench.train.network import Network, encode
from magbench.train.sampling import SampledBatches

ViewT = TypeVar("ViewT")
GraphViewT = TypeVar("GraphViewT", bound=TaskView)


class Objective(ABC, Generic[ViewT]):
    """Base of the objectives, one a family: all that the loop asks of it.

    A *network* is what :meth:`build` makes, *states* are what it gives for a batch or for everything: an object with
    ``z``, modality → what regularisers see.

    Raises:
        OptionError: an option is unknown or out of range.
    """

    Options: ClassVar[type[Options]] = Options
    family: ClassVar[str]
    metric: ClassVar[str]
    """What is measured on validation to select."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """Training constants of the family that differ from the protocol's."""
    mini_batches: ClassVar[bool] = True
    """Whether protocols that sample neighbours can be followed."""

    def __init__(self, **options: Any) -> None:
        self.options: Any = parse_options(self.Options, options, self.family)

    def towers(self, cls: type[Any]) -> Literal["pure", "coupled"] | None:
        """In retrieval: how what ``cls`` makes treats the two sides; in other families None."""
        return None

    @abstractmethod
    def build(self, cls: type[Any], options: Any, view: ViewT, training: Training, seed: int) -> nn.Module:
        """An untrained network of the class of an encoder or a network; the global generator is seeded."""

    def parameters(self, network: Any) -> Iterable[Any]:
        """What the optimiser is given: parameters, or groups of them with constants of their own."""
        parameters: Iterable[Any] = network.parameters()
        return parameters

    def fitted(self, network: Any) -> int:
        """Number of parameters that fitting sets: those that the loop trains and any that :meth:`build` fitted."""
        return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)

    @abstractmethod
    def epochs(
        self, network: Any, view: ViewT, training: Training, regularizers: Sequence[Regularizer], seed: int
    ) -> Callable[[int], Iterator[Any]]:
        """From the number of an epoch, from 1, to its batches in order; a batch has ``to(device)``."""

    @abstractmethod
    def forward(self, network: Any, batch: Any) -> Any:
        """The states of one batch, with gradients."""

    @abstractmethod
    def loss(self, network: Any, states: Any, batch: Any) -> Tensor:
        """Task loss of one batch, a scalar."""

    @abstractmethod
    def context(self, states: Any, batch: Any, step: int, generator: torch.Generator) -> Context:
        """What a regulariser sees of one batch."""

    @abstractmethod
    def encode(self, network: Any, view: ViewT, training: Training) -> Any:
        """The states of everything for evaluation, without dropout and gradients."""

    @abstractmethod
    def validate(self, network: Any, states: Any, view: ViewT) -> float:
        """The value that selects, from the states of everything; higher is better, any finite number."""

    @abstractmethod
    def predict(self, network: Any, states: Any, view: ViewT) -> Any:
        """The prediction, from the states of everything."""

    def telemetry(self, network: Any, view: ViewT, training: Training) -> dict[str, float]:
        """Numbers of the trained network that are worth keeping."""
        return {}


class EncoderObjective(Objective[GraphViewT]):
    """Base of the families that train one encoder on one graph, with a head of their own on its fused states."""

    @abstractmethod
    def head(self, encoder: Encoder, view: GraphViewT) -> nn.Module:
        """The network on top of the fused states; initialised from the global generator, which is seeded."""

    @abstractmethod
    def batches(self, view: GraphViewT, generator: torch.Generator) -> Iterator[Batch]:
        """The steps of one epoch, in order, on the whole graph."""

    @abstractmethod
    def samples(
        self, view: GraphViewT, sampler: NeighborSampler, features: Features, *, batch_size: int, seed: int
    ) -> Batches:
        """Mini-batches around the items that are trained on."""

    @abstractmethod
    def targets(self, view: GraphViewT, data: Data) -> tuple[Tensor, Tensor]:
        """``targets`` and ``labels`` of one of the mini-batches."""

    def build(self, cls: type[Encoder], options: Any, view: GraphViewT, training: Training, seed: int) -> Network:
        encoder = cls({name: features.size(1) for name, features in view.x.items()}, **options.model_dump())
        return Network(encoder, self.head(encoder, view))

    def epochs(
        self, network: Network, view: GraphViewT, training: Training, regularizers: Sequence[Regularizer], seed: int
    ) -> Callable[[int], Iterator[Batch]]:
        if training.sampling is None:
            generator, device = torch.Generator().manual_seed(seed), device_of(network)
            x, observed = ({m: rows.to(device) for m, rows in part.items()} for part in (view.x, view.observed))
            there = replace(view, x=x, observed=observed)  # once, not in every step
            return lambda epoch: self.batches(there, generator)
        active = [regularizer for regularizer in regularizers if regularizer.active]
        for regularizer in active:
            regularizer.prepare(view.edge_index, view.num_nodes)
        return SampledBatches(self, view, training.sampling, network.encoder, seed, regularized=bool(active)).epoch

    def forward(self, network: Network, batch: Batch) -> Encoded:
        encoded: Encoded = network(batch.x, batch.edge_index, batch.observed, batch.degree)
        return Encoded(encoded.z, encoded.h.float())

    def context(self, states: Encoded, batch: Batch, step: int, generator: torch.Generator) -> Context:
        return Context(
            z={name: z.float() for name, z in states.z.items()},  # half precision under a sampled protocol on a GPU
            h=states.h,
            node_ids=batch.node_ids,
            edge_index=batch.graph,
            observed=batch.observed,
            y_train=batch.y_train,
            step=step,
            generator=generator,
        )

    def encode(self, network: Network, view: GraphViewT, training: Training) -> Encoded:
        return encode(network, view, in_blocks=training.sampling is not None)
