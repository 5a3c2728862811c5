"""Retrieval as an objective: symmetric InfoNCE on the training pairs, mean reciprocal rank of the validation pairs.

What embeds the sides is a network of :mod:`magbench.train.towers`: an encoder of ours or a user's as two pure towers,
or a network of a method's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from statistics import fmean
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from magbench.metrics.exact import rank_counts
from magbench.metrics.ranking import mrr
from magbench.nn.contrastive import info_nce
from magbench.nn.encoder import Encoder
from magbench.options import Options
from magbench.regularizers.base import Context, Regularizer
from magbench.specs import Training
from magbench.tasks.retrieval.view import RetrievalAnswer, RetrievalView, Side
from magbench.train.device import device_of
from magbench.train.objective import Objective
from magbench.train.towers import Embedded, RetrievalNetwork, Towers

MOST_PAIRS = 2048
"""Training pairs that one step compares; where there are more, an epoch has several steps."""


class RetrievalOptions(Options):
    """What an encoder or a network can be told beside its own options."""

    temperature: float = Field(0.07, gt=0)
    """What the inner products of InfoNCE are divided by."""


@dataclass(frozen=True, eq=False)
class PairBatch:
    """The input of one optimisation step: everything, and the pairs that the loss is taken on.

    Attributes:
        sides, cross: as in the view.
        pairs: int64 [2, p], rows of the first and of the second side.
        train: int64 [2, P], all training pairs, which regularisers see as nodes 0 … P-1.
        graph: int64 [2, e], edges among them, in both directions.
        repeated: whether an item stands in several pairs.
    """

    sides: dict[str, Side]
    cross: dict[str, Tensor]
    pairs: Tensor
    train: Tensor
    graph: Tensor
    repeated: bool = False

    def to(self, device: torch.device) -> PairBatch:
        """The same on ``device``; tensors that lie there already are not copied."""
        sides, cross = on_device(self.sides, self.cross, device)
        pairs, train, graph = (part.to(device) for part in (self.pairs, self.train, self.graph))
        return PairBatch(sides, cross, pairs, train, graph, self.repeated)


class RetrievalObjective(Objective[RetrievalView]):
    """Every step embeds both sides as a whole; up to ``MOST_PAIRS`` training pairs an epoch is one step.

    The learning rate of encoders is .001: with the .003 of node classification one seed of SAGE's towers never left its
    start on tabler, and on emoji each encoder's validation MRR was lower, the mean of ten seeds (SAGE .53, not .62).
    """

    Options = RetrievalOptions
    family = "retrieval"
    defaults: ClassVar[Mapping[str, Any]] = {"lr": 1e-3}
    mini_batches = False
    metric = "mrr"

    def towers(self, cls: type[Encoder] | type[RetrievalNetwork]) -> Literal["pure", "coupled"]:
        return Towers.towers if issubclass(cls, Encoder) else cls.towers

    def build(
        self,
        cls: type[Encoder] | type[RetrievalNetwork],
        options: Any,
        view: RetrievalView,
        training: Training,
        seed: int,
    ) -> RetrievalNetwork:
        in_dims = {name: side.x.size(1) for name, side in view.sides.items()}
        if issubclass(cls, Encoder):
            return Towers(cls, in_dims, options)
        network = cls(in_dims, **options.model_dump())
        network.prepare(view, training, seed, self)
        return network

    def parameters(self, network: RetrievalNetwork) -> list[dict[str, Any]]:
        return network.parameter_groups()

    def fitted(self, network: RetrievalNetwork) -> int:
        return super().fitted(network) + network.fitted_before

    def epochs(
        self,
        network: RetrievalNetwork,
        view: RetrievalView,
        training: Training,
        regularizers: Sequence[Regularizer],
        seed: int,
    ) -> Callable[[int], Iterator[PairBatch]]:
        generator = torch.Generator().manual_seed(seed)
        repeated = any(len(own.unique()) < len(own) for own in view.train)
        sides, cross = on_device(view.sides, view.cross, device_of(network))  # once, not in every step

        def epoch(number: int) -> Iterator[PairBatch]:
            for pairs in _parts(view.train, generator):
                yield PairBatch(sides, cross, pairs, view.train, view.train_edges, repeated)

        return epoch

    def forward(self, network: RetrievalNetwork, batch: PairBatch) -> Embedded:
        embedded: Embedded = network(batch.sides, batch.cross)
        return embedded

    def loss(self, network: RetrievalNetwork, states: Embedded, batch: PairBatch) -> Tensor:
        first, second = (rows[own] for rows, own in zip(states.embeddings.values(), batch.pairs, strict=True))
        loss = info_nce(first, second, self.options.temperature, batch.pairs if batch.repeated else None)
        return loss if states.penalty is None else loss + states.penalty

    def context(self, states: Embedded, batch: PairBatch, step: int, generator: torch.Generator) -> Context:
        """The training pairs alone; ``h`` is the mean of a pair's two embeddings."""
        own = dict(zip(batch.sides, batch.train, strict=True))
        halves = [states.embeddings[name][rows] for name, rows in own.items()]
        number = batch.train.size(1)
        return Context(
            z={name: states.z[name][rows] for name, rows in own.items()},
            h=(halves[0] + halves[1]) / 2,
            node_ids=torch.arange(number, device=batch.train.device),
            edge_index=batch.graph,
            observed={name: batch.sides[name].observed[rows] for name, rows in own.items()},
            y_train=batch.train.new_full((number,), -1),
            step=step,
            generator=generator,
        )

    @torch.no_grad()
    def encode(self, network: RetrievalNetwork, view: RetrievalView, training: Training) -> Embedded:
        network.eval()
        embedded: Embedded = network(*on_device(view.sides, view.cross, device_of(network)))
        return embedded

    def validate(self, network: RetrievalNetwork, states: Embedded, view: RetrievalView) -> float:
        return pair_mrr(states.embeddings, view.val)

    def predict(self, network: RetrievalNetwork, states: Embedded, view: RetrievalView) -> RetrievalAnswer:
        return prediction(states.embeddings)

    def telemetry(self, network: RetrievalNetwork, view: RetrievalView, training: Training) -> dict[str, float]:
        return network.telemetry()


def prediction(embeddings: Mapping[str, Tensor]) -> RetrievalAnswer:
    """Embeddings float [M, d] of each side as a prediction."""
    return RetrievalAnswer({name: rows.float().cpu().numpy() for name, rows in embeddings.items()})


def pair_mrr(embeddings: Mapping[str, Tensor], pairs: Tensor) -> float:
    """Mean reciprocal rank of pairs among themselves, mean of both directions.

    Args:
        embeddings: first and second side, float [M, d].
        pairs: int64 [2, P]; an item is ranked among the items that the pairs have on the other side. Where it has
            several partners, the best of them counts.
    """
    first, second = embeddings.values()
    return fmean((_direction(first, second, pairs), _direction(second, first, pairs.flip(0))))


def _direction(queries: Tensor, gallery: Tensor, pairs: Tensor) -> float:
    (query, row), (candidate, column) = (own.unique(return_inverse=True) for own in pairs)
    row, order = row.sort(stable=True)
    count = row.bincount()
    place = torch.arange(len(row)) - (count.cumsum(0) - count)[row]
    positive = torch.full((len(query), int(count.max())), -1)
    positive[row, place] = column[order]
    device = queries.device
    parts = queries[query.to(device)].float(), gallery[candidate.to(device)].float(), positive.to(device)
    above, equal = rank_counts(*parts)
    return mrr(above.cpu().numpy(), equal.cpu().numpy())


def on_device(
    sides: Mapping[str, Side], cross: Mapping[str, Tensor], device: torch.device
) -> tuple[dict[str, Side], dict[str, Tensor]]:
    """Sides and messages on ``device``; tensors that lie there already are not copied."""
    moved = {
        name: replace(
            side, x=side.x.to(device), observed=side.observed.to(device), edge_index=side.edge_index.to(device)
        )
        for name, side in sides.items()
    }
    return moved, {name: edges.to(device) for name, edges in cross.items()}


def _parts(train: Tensor, generator: torch.Generator) -> Sequence[Tensor]:
    """The pairs of each step of an epoch; one step has them all, in their order."""
    if train.size(1) <= MOST_PAIRS:
        return [train]
    order = torch.randperm(train.size(1), generator=generator)
    return train[:, order].tensor_split(ceil(train.size(1) / MOST_PAIRS), dim=1)
