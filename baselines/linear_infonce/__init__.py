"""Linear InfoNCE: one linear map a side, trained to find each other's training pairs; no graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from magbench.api import PureNetwork, RetrievalNetworkOptions, Side


class LinearOptions(RetrievalNetworkOptions):
    """``hidden``: width of the common space; ``dropout``: of the features."""

    hidden: int = Field(256, ge=1)
    dropout: float = Field(0.5, ge=0, lt=1)


class LinearInfoNCE(PureNetwork):
    """Layer-normalised features through dropout and one linear map."""

    Options = LinearOptions

    def __init__(self, in_dims: Mapping[str, int], **options: Any) -> None:
        super().__init__(in_dims, **options)
        self.dropout = nn.Dropout(self.options.dropout)
        self.maps = nn.ModuleDict({name: nn.Linear(dim, self.options.hidden) for name, dim in in_dims.items()})

    def embed(self, modality: str, side: Side) -> tuple[Tensor, Tensor]:
        features = functional.layer_norm(side.x, side.x.shape[-1:])
        z = self.maps[modality](self.dropout(features))
        return z, z
