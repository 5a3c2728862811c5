"""GraphSAGE: each node beside the mean of its neighbours (Hamilton et al., 2017)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch_geometric.nn import SAGEConv

from magbench.api import Encoder
from magbench.nn.propagation import adjacency


class SAGE(Encoder):
    """Project each modality, fuse by concatenation, apply ``layers`` mean-aggregating convolutions."""

    def __init__(self, in_dims: dict[str, int], **options: Any) -> None:
        super().__init__(in_dims, **options)
        widths = [self.fused_dim, *[self.hidden] * self.layers]
        self.convs = nn.ModuleList(SAGEConv(a, b) for a, b in pairwise(widths))

    def layer(self, index: int, h: Tensor, edge_index: Tensor, degree: Tensor, wanted: int) -> Tensor:
        return self.convs[index]((h, h[:wanted]), *adjacency(edge_index, wanted, len(h))).relu()
