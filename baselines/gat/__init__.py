"""GAT: attention over neighbours (Veličković et al., 2018)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from pydantic import Field, model_validator
from torch import Tensor, nn
from torch_geometric.nn import GATConv

from magbench.api import Encoder, EncoderOptions


class GATOptions(EncoderOptions):
    """``heads`` share the hidden width: ``hidden`` must be a multiple of it."""

    heads: int = Field(4, ge=1)

    @model_validator(mode="after")
    def _divides(self) -> GATOptions:
        if self.hidden % self.heads:
            raise ValueError(f"hidden = {self.hidden} must be a multiple of heads = {self.heads}")
        return self


class GAT(Encoder):
    """Project each modality, fuse by concatenation, apply ``layers`` attention convolutions of ``heads`` heads."""

    Options = GATOptions

    def __init__(self, in_dims: dict[str, int], **options: Any) -> None:
        super().__init__(in_dims, **options)
        heads = self.options.heads
        widths = [self.fused_dim, *[self.hidden] * self.layers]
        self.convs = nn.ModuleList(GATConv(a, b // heads, heads) for a, b in pairwise(widths))

    def layer(self, index: int, h: Tensor, edge_index: Tensor, degree: Tensor, wanted: int) -> Tensor:
        return self.convs[index](h, edge_index)[:wanted].relu()
