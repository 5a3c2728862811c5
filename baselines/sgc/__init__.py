"""SGC: graph convolution without nonlinearities, S^K X and a linear map (Wu et al., 2019).

The map is a logistic regression where classes are asked for (:mod:`.classification`), a ridge regression between frozen
features in retrieval (:mod:`.retrieval`), and elsewhere, here, what the training loop finds.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from magbench.api import Encoder, EncoderOptions
from magbench.nn.propagation import Propagation


class SGCOptions(EncoderOptions):
    """``K``: smoothing steps; default: as many as ``layers``."""

    K: int | None = Field(None, ge=0)


class SGC(Encoder):
    """S^K (X W + b) with X the layer-normalised features of all modalities, side by side."""

    Options = SGCOptions

    def __init__(self, in_dims: dict[str, int], **options: Any) -> None:
        super().__init__(in_dims, **options)
        self.depth = self.hops = self.layers if self.options.K is None else self.options.K
        self.fused_dim = self.hidden
        self.propagation = Propagation()

    def project(self, x: dict[str, Tensor], observed: dict[str, Tensor]) -> dict[str, Tensor]:
        """modality → [N, hidden]: its part of X W + b; zero where missing."""
        return {
            name: projection(functional.layer_norm(x[name], x[name].shape[-1:])) * observed[name].unsqueeze(-1)
            for name, projection in self.projections.items()
        }

    def fuse(self, z: dict[str, Tensor]) -> Tensor:
        """The sum of the parts, after dropout: [N, hidden]."""
        return self.dropout(torch.stack(list(z.values())).sum(0))

    def inputs(self, index: int, h: Tensor) -> Tensor:
        return h

    def layer(self, index: int, h: Tensor, edge_index: Tensor, degree: Tensor, wanted: int) -> Tensor:
        return self.propagation(h, edge_index, degree)[:wanted]
