"""The floor: the least time an outer iteration can take on this machine, were all its work done at the ceilings.

A half-step (a joint problem has two an outer iteration, a plain one has one) on N nodes with states of width d

* multiplies matrices: Cx P Cy through the rank-d factor of the cosine cost, 6 d N^2 flops, or densely, 4 N^3;
* reads the kernel once a Sinkhorn iteration, for rows and columns can be summed in the same pass;
* exponentiates N^2 numbers once;
* moves N^2 entries eight times more: gradient out; gradient and anchor in, kernel out; kernel, anchor and last plan in,
  plan out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magbench.perf.ceilings import Ceilings

MOVES = 8


@dataclass(frozen=True)
class Floor:
    """Seconds of each part of one outer iteration."""

    matmul: float
    sinkhorn: float
    exp: float
    moves: float

    @property
    def total(self) -> float:
        """Seconds of one outer iteration."""
        return self.matmul + self.sinkhorn + self.exp + self.moves


def floor(ceilings: Ceilings, n: int, *, dim: int, inner: int, kl: str) -> Floor:
    """The floor of one outer iteration.

    Args:
        ceilings: of this machine, measured at n.
        n: nodes N.
        dim: width d of the states.
        inner: Sinkhorn iterations a half-step.
        kl: ``"joint"`` or ``"plain"``.
    """
    halves = 2 if kl == "joint" else 1
    matrix = n * n * np.dtype(ceilings.precision).itemsize
    return Floor(
        matmul=halves * min(6 * dim * n**2, 4 * n**3) / ceilings.flops,
        sinkhorn=halves * inner * matrix / ceilings.read[n],
        exp=halves * n**2 / ceilings.exp[n],
        moves=halves * MOVES * matrix / ceilings.read[n],
    )
