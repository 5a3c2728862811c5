"""Label propagation: training labels spread over the graph (Zhu & Ghahramani, 2002); features are not used."""

from __future__ import annotations

import torch
from pydantic import Field
from torch.nn import functional
from torch_geometric.nn import LabelPropagation as PyGLabelPropagation

from magbench.api import Method, NodeAnswer, NodeClassificationView, Options


class LabelPropagationOptions(Options):
    """``layers`` propagation steps; ``alpha`` is the share that comes from the neighbours at each."""

    layers: int = Field(50, ge=1)
    alpha: float = Field(0.9, ge=0, le=1)


class LabelPropagation(Method):
    """PyG's label propagation; a node that no label reaches gets the training classes' frequencies."""

    Options = LabelPropagationOptions

    def fit(self, view: NodeClassificationView, *, seed: int) -> None:
        counts = torch.bincount(view.y[view.train], minlength=view.num_classes)
        self.prior = counts / counts.sum()

    def predict(self, view: NodeClassificationView) -> NodeAnswer:
        model = PyGLabelPropagation(self.options.layers, self.options.alpha)
        seen = torch.zeros(view.num_nodes, dtype=torch.bool)
        seen[view.train] = True
        one_hot = functional.one_hot(view.y_train.clamp(min=0), view.num_classes).float()
        scores = model(one_hot, view.edge_index, mask=seen)[view.test]
        scores = scores + 1e-6 * self.prior
        return NodeAnswer(view.test.numpy(), scores.numpy())
