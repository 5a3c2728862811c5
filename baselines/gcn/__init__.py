"""GCN: symmetric-normalised mean propagation over the fused modality states (Kipf & Welling, 2017)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch_geometric.nn import GCNConv

from magbench.api import Encoder
from magbench.nn.propagation import adjacency, symmetric_norm


class GCN(Encoder):
    """Project each modality, fuse by concatenation, propagate ``layers`` times."""

    def __init__(self, in_dims: dict[str, int], **options: Any) -> None:
        super().__init__(in_dims, **options)
        widths = [self.fused_dim, *[self.hidden] * self.layers]
        self.convs = nn.ModuleList(GCNConv(a, b, normalize=False) for a, b in pairwise(widths))

    def layer(self, index: int, h: Tensor, edge_index: Tensor, degree: Tensor, wanted: int) -> Tensor:
        edges, weight = symmetric_norm(edge_index, degree)
        return self.convs[index](h, *adjacency(edges, len(h), len(h), weight))[:wanted].relu()
