"""The linear map that brings both modalities' features to one width before they are smoothed together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from magbench.checks import number


class LinearMap(nn.Module):
    """One linear map a side, on layer-normalised features after dropout.

    Trained by InfoNCE on the pairs and then frozen, it is the linear model without a graph; trained through the
    smoothing it fits the graph's fingerprint instead, and what it maps to retrieves worse by itself.

    Args:
        in_dims: widths d_0 and d_1.
        dim: common width.
        dropout: of the features, while training.

    Raises:
        OptionError: ``dim`` is below 1.
    """

    def __init__(self, in_dims: Sequence[int], dim: int, *, dropout: float = 0.5) -> None:
        super().__init__()
        number("dim", dim, 1, low_open=False)
        self.maps = nn.ModuleList(nn.Linear(width, dim) for width in in_dims)
        self.dropout = nn.Dropout(dropout)

    def reset(self) -> None:
        """Draw the maps anew, from the global generator."""
        for linear in self.maps:
            cast(nn.Linear, linear).reset_parameters()

    def forward(self, side: int, x: Tensor, observed: Tensor) -> Tensor:
        """float [n_p, dim], with rows of zeros where the side is not observed.

        Args:
            side: p, 0 or 1.
            x: float [n_p, d_p].
            observed: bool [n_p].
        """
        features = functional.layer_norm(x, x.shape[-1:])
        rows: Tensor = self.maps[side](self.dropout(features)) * observed[:, None]
        return rows
