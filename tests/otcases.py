"""Small problems for the solver's tests."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
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


class Draw(NamedTuple):
    """One random problem."""

    case: Case
    alpha: float
    rho: float
    eps: float

    def options(self) -> dict[str, Any]:
        """The arguments of ``ufgw`` beside the costs."""
        return {"alpha": self.alpha, "rho": self.rho, "eps": self.eps, "mu": self.case.mu, "nu": self.case.nu}


def draw_problem(seed: int, eps: tuple[float, float], rho: tuple[float, float]) -> Draw:
    """A problem of 3 to 12 nodes a side with log-uniform eps and rho from the given ranges."""
    rng = np.random.default_rng(seed)
    n, m = (int(k) for k in rng.integers(3, 13, 2))
    low_high = [math.exp(rng.uniform(math.log(low), math.log(high))) for low, high in (rho, eps)]
    return Draw(make_case(n, m, seed=seed), float(rng.uniform(0.1, 1.0)), *low_high)


def plain_sweeps(eps: float, rho: float) -> int:
    """Sweeps after which plain Sinkhorn's slowest mode, of rate kappa^2, has shrunk to rounding."""
    return int(40 / (1 - (rho / (rho + eps)) ** 2)) + 100


USUAL = [draw_problem(seed, (0.02, 0.5), (0.02, 2.0)) for seed in range(200)]
"""The random problems on which every oracle is asked."""
