"""Small problems for the solver's tests."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from magbench.ot import modality_cost

F64 = torch.float64
INF = float("inf")


class Case(NamedTuple):
    """Costs and non-uniform weights."""

    Cx: Tensor
    Cy: Tensor
    M: Tensor
    mu: Tensor
    nu: Tensor


def make_case(n: int = 30, m: int | None = None, seed: int = 0, dtype: torch.dtype = F64) -> Case:
    """Cosine costs of random points, a random anchor, weights in the ratio 1 to 6."""
    m = m or n
    generator = torch.Generator().manual_seed(seed)
    points = [torch.randn(k, 6, generator=generator, dtype=F64) for k in (n, m)]
    M = torch.rand(n, m, generator=generator, dtype=F64)
    weights = [torch.rand(k, generator=generator, dtype=F64) + 0.2 for k in (n, m)]
    parts = [modality_cost(points[0]), modality_cost(points[1]), M, *(w / w.sum() for w in weights)]
    return Case(*(part.to(dtype) for part in parts))
