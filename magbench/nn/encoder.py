"""Encoders: networks that turn modality features and a graph into per-modality states ``z`` and fused states ``h``.

``z`` is taken after the activation, before dropout and before fusion: it is what regularisers see.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from magbench.options import Options, parse_options


class EncoderOptions(Options):
    """Options every encoder has; the defaults are those of ``standard@1``."""

    hidden: int = Field(256, ge=1)
    layers: int = Field(2, ge=1)
    dropout: float = Field(0.5, ge=0, lt=1)
    lr: float = Field(3e-3, gt=0)


@dataclass(frozen=True, eq=False)
class Encoded:
    """Output of an encoder.

    Attributes:
        z: modality → float [N, hidden], before fusion.
        h: float [N, hidden], fused.
    """

    z: dict[str, Tensor]
    h: Tensor


class Encoder(nn.Module, ABC):
    """Base of encoders: projects each modality to ``hidden`` and leaves the rest to :meth:`forward`.

    Args:
        in_dims: modality → feature width d_m.
        options: values for the fields of ``Options``.

    Raises:
        OptionError: an option is unknown or out of range.
    """

    Options: type[EncoderOptions] = EncoderOptions

    def __init__(self, in_dims: Mapping[str, int], **options: Any) -> None:
        super().__init__()
        self.options = parse_options(self.Options, options, type(self).__name__.lower())
        self.hidden, self.layers = self.options.hidden, self.options.layers
        self.fused_dim = self.hidden * len(in_dims)
        self.dropout = nn.Dropout(self.options.dropout)
        self.projections = nn.ModuleDict({name: nn.Linear(dim, self.hidden) for name, dim in in_dims.items()})

    @abstractmethod
    def forward(self, x: dict[str, Tensor], edge_index: Tensor, observed: dict[str, Tensor]) -> Encoded:
        """Encode all nodes: ``x[m]`` float [N, d_m], ``edge_index`` int64 [2, E], ``observed[m]`` bool [N]."""

    def project(self, x: dict[str, Tensor], observed: dict[str, Tensor]) -> dict[str, Tensor]:
        """modality → [N, hidden]: layer-normalised features through a linear map and a ReLU; zero where missing."""
        z = {}
        for name, projection in self.projections.items():
            features = functional.layer_norm(x[name], x[name].shape[-1:])
            z[name] = projection(features).relu() * observed[name].unsqueeze(-1)
        return z

    def fuse(self, z: dict[str, Tensor]) -> Tensor:
        """Concatenate the modalities after dropout: [N, fused_dim]."""
        return torch.cat([self.dropout(z[name]) for name in self.projections], dim=-1)
