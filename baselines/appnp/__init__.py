"""APPNP: a network of each node by itself, then personalised propagation of what it says (Gasteiger et al., 2019).

The encoder is that of every family but retrieval, where the features are frozen (:mod:`.retrieval`).
"""

from __future__ import annotations

from typing import Any

import torch
from magbench.baselines.mlp import MLP
from pydantic import Field
from torch import Tensor

from magbench.api import EncoderOptions
from magbench.nn.propagation import Propagation


class APPNPOptions(EncoderOptions):
    """``alpha``: teleport share of each step; ``K``: steps."""

    alpha: float = Field(0.1, gt=0, le=1)
    K: int = Field(10, ge=0)


class APPNP(MLP):
    """H(0) = MLP, H(k + 1) = (1 - alpha) S H(k) + alpha H(0); a linear head reads H(K).

    A linear head and the propagation can be exchanged (but for the bias), so this is predicting, then propagating.
    """

    Options = APPNPOptions

    def __init__(self, in_dims: dict[str, int], **options: Any) -> None:
        super().__init__(in_dims, **options)
        self.depth, self.hops = self.depth + self.options.K, self.options.K
        self.propagation = Propagation()

    def inputs(self, index: int, h: Tensor) -> Tensor:
        return super().inputs(index, h) if index < len(self.linears) else h

    def layer(self, index: int, h: Tensor, edge_index: Tensor, degree: Tensor, wanted: int) -> Tensor:
        """A step of the propagation hands on the states beside H(0), as [wanted, 2 hidden], but for the last."""
        if index < len(self.linears):
            return super().layer(index, h, edge_index, degree, wanted)
        alpha, states, start = self.options.alpha, h[:, : self.hidden], h[:wanted, -self.hidden :]
        states = (1 - alpha) * self.propagation(states, edge_index, degree)[:wanted] + alpha * start
        return states if index == self.depth - 1 else torch.cat([states, start], dim=1)
