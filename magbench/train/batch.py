"""A batch: the input of one optimisation step on one graph, the whole one or a sample of it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor


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
