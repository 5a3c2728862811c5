"""Link prediction as an objective: a decoder of pairs, and binary cross-entropy of edges against random pairs.

At each step a random share of the training edges are *targets*: they are taken out of the graph in both directions, the
encoder passes messages along the rest, and the decoder has to tell the targets from as many pairs with a random end.
The graph, what messages run along, is that of the training edges; under a control or a corruption it may lack some of
them and have others, and the targets stay what they are.
Validation is the mean reciprocal rank of each validation edge among its fixed negatives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.data import Data

from magbench.graph.batches import Batches, Features, LinkBatches
from magbench.graph.neighbors import NeighborSampler
from magbench.metrics.ranking import count_above_equal, mrr
from magbench.nn.decoders import DECODERS, Decoder
from magbench.nn.encoder import Encoded, Encoder
from magbench.options import Options
from magbench.tasks.link_prediction.view import LinkAnswer, LinkPredictionView
from magbench.train.batch import Batch
from magbench.train.network import Network
from magbench.train.objective import EncoderObjective


class LinkPredictionOptions(Options):
    """What an encoder can be told beside its own options."""

    decoder: Literal["hadamard_mlp", "dot"] = "hadamard_mlp"
    """How the states of a pair become its score."""
    target_share: float = Field(0.2, gt=0, lt=1)
    """Share of the training edges that one step predicts."""


class LinkPredictionObjective(EncoderObjective[LinkPredictionView]):
    """On the whole graph an epoch is one step. Regularisers see all training edges.

    Dropout is .2, as in MAGB's link prediction: with the .5 of node classification validation took four times as many
    steps to come as far on emoji.
    """

    Options = LinkPredictionOptions
    family = "link_prediction"
    defaults: ClassVar[Mapping[str, Any]] = {"dropout": 0.2}
    metric = "mrr"

    def head(self, encoder: Encoder, view: LinkPredictionView) -> nn.Module:
        return DECODERS[self.options.decoder](encoder.hidden)

    def batches(self, view: LinkPredictionView, generator: torch.Generator) -> Iterator[Batch]:
        order = torch.randperm(view.train.size(1), generator=generator)
        edges = view.train[:, order]
        count = max(1, round(self.options.target_share * edges.size(1)))
        carried, others = _carried(view)
        rest = torch.cat([edges[:, count:][:, carried[order[count:]]], others], dim=1)
        pairs, labels = with_negatives(edges[:, :count], view.num_nodes, generator)
        yield Batch(
            node_ids=torch.arange(view.num_nodes),
            x=view.x,
            observed=view.observed,
            edge_index=torch.cat([rest, rest.flip(0)], dim=1),
            graph=view.edge_index,
            y_train=view.y_train,
            targets=pairs,
            labels=labels,
        )

    def samples(
        self, view: LinkPredictionView, sampler: NeighborSampler, features: Features, *, batch_size: int, seed: int
    ) -> Batches:
        return LinkBatches(sampler, features, view.train, batch_size=batch_size, seed=seed)

    def targets(self, view: LinkPredictionView, data: Data) -> tuple[Tensor, Tensor]:
        return data.edge_label_index, data.edge_label

    def loss(self, network: Network, encoded: Encoded, batch: Batch) -> Tensor:
        decoder = cast(Decoder, network.head)
        embedded = decoder.embed(encoded.h)
        logits = decoder(embedded[batch.targets[0]], embedded[batch.targets[1]])
        return functional.binary_cross_entropy_with_logits(logits, batch.labels)

    def validate(self, network: Network, encoded: Encoded, view: LinkPredictionView) -> float:
        decoder = cast(Decoder, network.head)
        device = encoded.h.device
        candidates = torch.cat([view.val[1:].t().int(), view.val_negatives], dim=1).to(device)
        scores = decoder.rank_scores(decoder.embed(encoded.h), view.val[0].to(device), candidates).cpu()
        return mrr(*count_above_equal(scores.numpy(), np.zeros(len(scores), dtype=np.int64)))

    def predict(self, network: Network, encoded: Encoded, view: LinkPredictionView) -> LinkAnswer:
        decoder = cast(Decoder, network.head)
        device, test = encoded.h.device, view.test
        scores = decoder.rank_scores(decoder.embed(encoded.h), test.source.to(device), test.candidates.to(device))
        return LinkAnswer(scores.float().cpu().numpy())


def _carried(view: LinkPredictionView) -> tuple[Tensor, Tensor]:
    """Which training edges the graph has, bool [E], and its other edges, each once, int64 [2, O]."""
    once = view.edge_index[:, view.edge_index[0] < view.edge_index[1]]
    if torch.equal(once, view.train):
        return torch.ones(view.train.size(1), dtype=torch.bool), once[:, :0]
    trained, graph = (edges[0] * view.num_nodes + edges[1] for edges in (view.train, once))
    return torch.isin(trained, graph), once[:, ~torch.isin(graph, trained)]


def with_negatives(edges: Tensor, num_nodes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Edges (int64 [2, P]) and as many pairs that keep one end, drawn at random, and get a random other one.

    Returns:
        Pairs int64 [2, 2 P] and labels float32 [2 P]: first the edges (1), then the others (0).
    """
    count = edges.size(1)
    swap = torch.rand(count, generator=generator) < 0.5
    source = torch.where(swap, edges[1], edges[0])
    other = torch.randint(num_nodes - 1, (count,), generator=generator)
    negatives = torch.stack([source, other + (other >= source)])
    labels = torch.cat([torch.ones(count), torch.zeros(count)])
    return torch.cat([edges, negatives], dim=1), labels
