"""The torch backend of the solver: any device, and the independent reference of the compiled one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from magbench.ot.descent import Linear, Plan, Solved
from magbench.ot.side import Vector
from magbench.ot.sinkhorn import Problem, sinkhorn


class TorchBackend:
    """Backend of :mod:`magbench.ot.descent` in torch; ``structure`` tells whether T is needed (alpha > 0)."""

    def __init__(
        self, Cx: Tensor, Cy: Tensor, M: Tensor | None, mu: Vector, nu: Vector, *, structure: bool = True
    ) -> None:
        self.Cx, self.Cy, self.M, self.structure = Cx, Cy, M, structure
        self.mu, self.nu = self._vector(mu), self._vector(nu)

    def start(self, values: Tensor | None, linear: float = 0.0, entropy: float = 0.0) -> Plan:
        """The plan with the given entries (mu nu' if None), of which <M, P> and <P, log P / mu nu'> are known."""
        plan = torch.outer(self.mu, self.nu) if values is None else values
        return Plan(plan, _numpy(plan.sum(1)), _numpy(plan.sum(0)), entropy, linear, product=values is None)

    def distortion(self, plan: Plan) -> tuple[Any, float]:
        """T(plan) with its scale, and <T(plan), plan>."""
        if not self.structure:
            return (torch.zeros_like(plan.values), 0.0), 0.0
        values = squared_distortion(self.Cx, self.Cy, plan.values)
        return (values, plan), plan.scale**2 * _inner(values, plan.values)

    def solve(self, distortion: Any, problem: Linear, g: Vector, n_sinkhorn: int, still: float) -> Solved:
        """``n_sinkhorn`` sweeps from the column potential g, fewer where one moves no potential by over ``still``."""
        values, plan = distortion
        cost = values * (problem.structure * (plan.scale if self.structure else 1.0)) + problem.constant
        if self.M is not None:
            cost.add_(self.M, alpha=problem.anchor)
        kappas = self._vector(problem.kappa_row), self._vector(problem.kappa_col)
        linear = Problem(cost, self.mu, self.nu, problem.eps, *kappas, problem.rates)
        solved = sinkhorn(linear, self._vector(g), n_sinkhorn, still=still)
        row, col = _numpy(solved.plan.sum(1)), _numpy(solved.plan.sum(0))
        f, g = _numpy(solved.f), _numpy(solved.g)
        inner = _inner(cost, solved.plan)
        anchor = 0.0 if self.M is None else _inner(self.M, solved.plan)
        # P = mu nu' exp((f + g - C) / eps), so <P, log P / mu nu'> needs no logarithm of N^2 entries.
        entropy = (float(row @ f) + float(col @ g) - inner) / problem.eps
        return Solved(Plan(solved.plan, row, col, entropy, anchor), f, g, inner, solved.sweeps)

    def change(self, before: Plan, after: Plan) -> float:
        """sum |after - before|."""
        return float((after.values * after.scale - before.values * before.scale).abs().sum())

    def release(self, plan: Plan) -> None:
        """Nothing: torch takes memory back by itself."""

    def _vector(self, values: Vector) -> Tensor:
        return torch.as_tensor(values, dtype=self.Cx.dtype, device=self.Cx.device)


def squared_distortion(Cx: Tensor, Cy: Tensor, plan: Tensor) -> Tensor:
    """T(P) ``[Nx, Ny]``: (Cx^2 r)_i + (Cy^2 c)_j - 2 (Cx P Cy)_ij for symmetric costs (Peyré et al. 2016, prop. 1)."""
    row, col = (Cx * Cx) @ plan.sum(1), (Cy * Cy) @ plan.sum(0)
    return (Cx @ plan @ Cy).mul_(-2.0).add_(row[:, None]).add_(col[None, :])


def _inner(left: Tensor, right: Tensor) -> float:
    return float(torch.dot(left.reshape(-1), right.reshape(-1)))


def _numpy(values: Tensor) -> Vector:
    return values.detach().to("cpu", torch.float64).numpy().astype(np.float64)
