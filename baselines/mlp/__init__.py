"""MLP: the fused modality states of each node by itself, no graph."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from magbench.api import Encoded, Encoder


class MLP(Encoder):
    """Project each modality, fuse by concatenation, apply ``layers - 1`` hidden layers."""

    def __init__(self, in_dims: dict[str, int], **options: Any) -> None:
        super().__init__(in_dims, **options)
        widths = [self.fused_dim, *[self.hidden] * max(1, self.layers - 1)]
        self.linears = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x: dict[str, Tensor], edge_index: Tensor, observed: dict[str, Tensor]) -> Encoded:
        z = self.project(x, observed)
        h = self.fuse(z)
        for index, linear in enumerate(self.linears):
            h = linear(self.dropout(h) if index else h).relu()
        return Encoded(z=z, h=h)
