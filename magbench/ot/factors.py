"""Cosine costs by their factors: low rank, so that a plan's transport cost needs no N^3 work."""

from __future__ import annotations

from dataclasses import dataclass

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

    @torch.no_grad()
    def dense(self) -> Tensor:
        """The cost ``[N, N]`` of one problem."""
        return modality_cost(self.Z) if self.cost is None else self.cost

    @torch.no_grad()
    def low_rank(self, dense: Tensor) -> Factors | None:
        """The factors of ``dense``; None where they would not pay (d > 2N/3) or not be exact (zero or equal rows)."""
        unit = unit_rows(self.Z)
        n, d = unit.shape
        mean = float((n * n - unit.double().sum(0).square().sum()) / (n * n))
        if 3 * d > 2 * n or mean < _SMALLEST_MEAN or bool((unit.abs().amax(1) == 0).any()):
            return None
        return Factors(unit.contiguous().numpy(), 1.0 / mean, dense.numpy())
