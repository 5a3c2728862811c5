"""Encoders: networks that turn modality features and a graph into per-modality states ``z`` and fused states ``h``.

``z`` is taken after the activation, before dropout and before fusion: it is what regularisers see.

An encoder says what one :meth:`Encoder.layer` does, or, where its structure is another, overrides ``forward`` as a
whole. The former can be evaluated node block by node block (:mod:`magbench.nn.blocks`), so that no graph is too large.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from magbench.errors import MethodError
from magbench.options import Options, parse_options


class EncoderOptions(Options):
    """Options every encoder has; the defaults are those of ``standard@1``."""

    hidden: int = Field(256, ge=1)
    """Width of the states."""
    layers: int = Field(2, ge=1)
    """Number of layers."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Share of the inputs of a layer that training sets to zero."""
    lr: float = Field(3e-3, gt=0)
    """Learning rate of AdamW."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """Output of an encoder.

    Attributes:
        z: modality → float [N, hidden], before fusion.
        h: float [N, hidden], fused.
    """

    z: dict[str, Tensor]
    h: Tensor


class Encoder(nn.Module):
    """Base of encoders: projects each modality to ``hidden``, fuses them, and applies :meth:`layer` ``depth`` times.

    Args:
        in_dims: modality → feature width d_m.
        options: values for the fields of ``Options``.

    Attributes:
        depth: how often :meth:`layer` is applied; ``layers`` unless a subclass says otherwise.
        hops: how far a node sees: the hops of neighbours that a mini-batch holds; ``layers``, or 0 without a graph.

    Raises:
        OptionError: an option is unknown or out of range.
    """

    Options: type[EncoderOptions] = EncoderOptions

    def __init__(self, in_dims: Mapping[str, int], **options: Any) -> None:
        super().__init__()
        self.options = parse_options(self.Options, options, type(self).__name__.lower())
        self.hidden, self.layers = self.options.hidden, self.options.layers
        self.depth = self.hops = self.layers
        self.fused_dim = self.hidden * len(in_dims)
        self.dropout = nn.Dropout(self.options.dropout)
        self.projections = nn.ModuleDict({name: nn.Linear(dim, self.hidden) for name, dim in in_dims.items()})

    @property
    def layered(self) -> bool:
        """Whether the encoder is a chain of :meth:`layer`, not a ``forward`` of its own."""
        return type(self).forward is Encoder.forward

    def forward(
        self, x: dict[str, Tensor], edge_index: Tensor, observed: dict[str, Tensor], degree: Tensor | None = None
    ) -> Encoded:
        """Encode all nodes: ``x[m]`` float [N, d_m], ``edge_index`` int64 [2, E], ``observed[m]`` bool [N].

        Args:
            x: features of each modality.
            edge_index: source and target of each edge.
            observed: where each modality is present.
            degree: int64 [N], the nodes' degrees where ``edge_index`` is only a sample; default: those of
                ``edge_index``. A subclass that overrides ``forward`` is not given it.
        """
        z = self.project(x, observed)
        h = self.fuse(z)
        if degree is None:
            degree = torch.bincount(edge_index[1], minlength=len(h))
        for index in range(self.depth):
            h = self.layer(index, self.inputs(index, h), edge_index, degree, len(h))
        return Encoded(z=z, h=h)

    def inputs(self, index: int, h: Tensor) -> Tensor:
        """What step ``index`` is given of the states ``h`` before it: dropout, but for the first, which :meth:`fuse`
        has applied it to."""
        return self.dropout(h) if index else h

    def layer(self, index: int, h: Tensor, edge_index: Tensor, degree: Tensor, wanted: int) -> Tensor:
        """The states [wanted, hidden] of the first ``wanted`` nodes after step ``index``.

        Only edges of ``edge_index`` may carry anything from node to node. It may hold a sample of a node's edges, or
        none: ``degree`` is what the node has in the whole graph.

        Args:
            index: number of the step, from 0.
            h: states [n, .] before it.
            edge_index: int64 [2, e] over the n nodes.
            degree: int64 [n].
            wanted: in evaluation by blocks n or fewer, else n.

        Raises:
            MethodError: the subclass has neither this nor a ``forward`` of its own.
        """
        raise MethodError(f"{type(self).__name__} defines neither layer() nor forward(); an encoder needs one of them.")

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
