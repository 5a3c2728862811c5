"""MLP: the fused modality states of each node by itself, no graph."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from magbench.api import Encoder


class MLP(Encoder):
    """Project each modality, fuse by concatenation, apply ``layers - 1`` hidden layers."""

    def __init__(self, in_dims: dict[str, int], **options: Any) -> None:
        super().__init__(in_dims, **options)
        widths = [self.fused_dim, *[self.hidden] * max(1, self.layers - 1)]
        self.linears = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.depth, self.hops = len(self.linears), 0

    def layer(self, index: int, h: Tensor, edge_index: Tensor, degree: Tensor, wanted: int) -> Tensor:
        return self.linears[index](h[:wanted]).relu()
