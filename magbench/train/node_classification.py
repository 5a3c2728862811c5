"""Node classification as an objective: a linear head, cross-entropy on the training nodes, validation accuracy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.data import Data

from magbench.graph.batches import Batches, Features, NodeBatches
from magbench.graph.neighbors import NeighborSampler
from magbench.nn.encoder import Encoded, Encoder
from magbench.tasks.node_classification.view import NodeAnswer, NodeClassificationView
from magbench.train.batch import Batch
from magbench.train.network import Network
from magbench.train.objective import EncoderObjective


class NodeClassificationObjective(EncoderObjective[NodeClassificationView]):
    """On the whole graph an epoch is one step."""

    family = "node_classification"
    metric = "accuracy"

    def head(self, encoder: Encoder, view: NodeClassificationView) -> nn.Module:
        """Logits float [N, C] of states [N, hidden]."""
        return nn.Sequential(nn.Dropout(encoder.options.dropout), nn.Linear(encoder.hidden, view.num_classes))

    def batches(self, view: NodeClassificationView, generator: torch.Generator) -> Iterator[Batch]:
        yield Batch(
            node_ids=torch.arange(view.num_nodes),
            x=view.x,
            observed=view.observed,
            edge_index=view.edge_index,
            graph=view.edge_index,
            y_train=view.y_train,
            targets=view.train,
            labels=view.y[view.train],
        )

    def samples(
        self,
        view: NodeClassificationView,
        sampler: NeighborSampler,
        features: Features,
        *,
        batch_size: int,
        seed: int,
    ) -> Batches:
        return NodeBatches(sampler, features, view.train, batch_size=batch_size, seed=seed)

    def targets(self, view: NodeClassificationView, data: Data) -> tuple[Tensor, Tensor]:
        seeds = torch.arange(data.batch_size)
        return seeds, view.y[data.n_id[seeds]]

    def loss(self, network: Network, encoded: Encoded, batch: Batch) -> Tensor:
        return functional.cross_entropy(network.head(encoded.h)[batch.targets], batch.labels)

    def validate(self, network: Network, encoded: Encoded, view: NodeClassificationView) -> float:
        classes = network.head(encoded.h)[view.val].argmax(1).cpu()
        return float((classes == view.y[view.val]).double().mean())

    def predict(self, network: Network, encoded: Encoded, view: NodeClassificationView) -> NodeAnswer:
        logits = network.head(encoded.h)[view.test].cpu()
        return NodeAnswer(view.test.numpy(), logits.float().numpy().astype(np.float32))
