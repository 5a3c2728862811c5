"""Cosine costs by their factors: low rank, so that a plan's transport cost needs no N^3 work."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from magbench.errors import DataError
from magbench.ot.costs import modality_cost, unit_rows
from magbench.ot.numba_backend import Factors

_SMALLEST_MEAN = 1e-3
"""Below, the states nearly coincide and 1 - <u, u> is rounding, which normalisation would blow up."""


@dataclass(frozen=True)
class CosineFactors:
    """The cost :func:`magbench.ot.modality_cost` of the states ``Z`` ``[N, d]``, or of ``[B, N, d]`` for a batch.

    ``cost`` ``[N, N]`` is that cost, where it is known already.

    Raises:
        DataError: another number of dimensions, a dtype that is neither float32 nor float64, a cost of another size.
    """

    Z: Tensor
    cost: Tensor | None = None

    def __post_init__(self) -> None:
        if self.Z.dim() not in (2, 3) or self.Z.dtype not in (torch.float32, torch.float64):
            raise DataError(
                f"CosineFactors: Z is {self.Z.dtype} of shape {tuple(self.Z.shape)}; it must be float32 or float64 of"
                " shape [N, d], or [B, N, d] for a batch."
            )
        if self.cost is not None and self.cost.shape != (len(self.Z), len(self.Z)):
            raise DataError(
                f"CosineFactors: cost has the shape {tuple(self.cost.shape)}; with Z of shape {tuple(self.Z.shape)} it"
                " must be [N, N]."
            )

    @cached_property
    def unit(self) -> Tensor:
        """The states ``[N, d]`` scaled to length 1."""
        return unit_rows(self.Z.detach())

    @cached_property
    def mean(self) -> float:
        """Mean cosine distance of all N^2 pairs."""
        n = len(self.unit)
        return float((n * n - self.unit.double().sum(0).square().sum()) / (n * n))

    @torch.no_grad()
    def dense(self) -> Tensor:
        """The cost ``[N, N]`` of one problem."""
        if self.cost is not None:
            return self.cost
        if self.mean < _SMALLEST_MEAN:
            return modality_cost(self.Z)
        one, scale = self.unit.new_ones(()), 1.0 / self.mean
        cost = torch.addmm(one, self.unit, self.unit.t(), beta=scale, alpha=-scale)
        return cost.clamp_min_(0.0).fill_diagonal_(0.0)

    def low_rank(self, dense: Tensor) -> Factors | None:
        """The factors of ``dense``; None where they would not pay (d > 2N/3) or not be exact (zero or equal rows)."""
        n, d = self.unit.shape
        if 3 * d > 2 * n or self.mean < _SMALLEST_MEAN or bool((self.unit.abs().amax(1) == 0).any()):
            return None
        return Factors(self.unit.contiguous().numpy(), 1.0 / self.mean, dense.numpy())
