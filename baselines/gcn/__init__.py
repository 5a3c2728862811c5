"""GCN: symmetric-normalised mean propagation over the fused modality states (Kipf & Welling, 2017)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch_geometric.nn import GCNConv

from magbench.api import Encoded, Encoder


class GCN(Encoder):
    """Project each modality, fuse by concatenation, propagate ``layers`` times."""

    def __init__(self, in_dims: dict[str, int], **options: Any) -> None:
        super().__init__(in_dims, **options)
        widths = [self.fused_dim, *[self.hidden] * self.layers]
        self.convs = nn.ModuleList(GCNConv(a, b) for a, b in pairwise(widths))

    def forward(self, x: dict[str, Tensor], edge_index: Tensor, observed: dict[str, Tensor]) -> Encoded:
        z = self.project(x, observed)
        h = self.fuse(z)
        for index, conv in enumerate(self.convs):
            h = conv(self.dropout(h) if index else h, edge_index).relu()
        return Encoded(z=z, h=h)
