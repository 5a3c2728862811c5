"""magbench's own solver behind one door: whatever is measured of it is made here.

Four ways in: :func:`magbench.ot.ufgw` with the modality cost as factors (what OptiMAG does) or as a matrix (all that
peers can use), the compiled backend on numpy's BLAS, which needs no torch, and, to a tolerance, the first from the
anchor's plan instead of mu nu', from which peers start.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from magbench.errors import MagbenchWarning
from magbench.perf.problem import Problem
from magbench.perf.solution import Solution, Solve

OURS = "magbench"
DENSE = "magbench dense"
NUMPY = "magbench numpy"
ANCHORED = "magbench anchor"
NAMES = (OURS, DENSE, NUMPY, ANCHORED)


def prepare(
    problem: Problem,
    outer: int,
    inner: int,
    *,
    dense: bool = False,
    mass_step: bool = False,
    tol: float | None = None,
    init: str | None = None,
) -> Solve:
    """``outer`` outer iterations of ``inner`` Sinkhorn iterations by :func:`magbench.ot.ufgw`, fewer with ``tol``.

    Args:
        problem: what to solve.
        outer: outer iterations.
        inner: Sinkhorn iterations of each linear problem.
        dense: give the modality cost as a matrix, not by its factors.
        mass_step: take the plain objective's mass step, which no peer takes.
        tol: stop where plan and marginals have settled to it.
        init: ``"anchor"`` to start from the anchor's plan; None, as peers do, from mu nu'.
    """
    import torch

    from magbench.ot import CosineFactors, ufgw

    z, Cx, Cy, M = (torch.from_numpy(part) for part in (problem.z, problem.Cx, problem.Cy, problem.M))
    cost = Cx if dense else CosineFactors(z)

    def solve() -> Solution:
        with warnings.catch_warnings():  # of too few iterations: their number is what is being measured
            warnings.simplefilter("ignore", MagbenchWarning)
            found = ufgw(
                cost, Cy, M, alpha=problem.alpha, rho=problem.rho, eps=problem.eps, kl=problem.kl, n_outer=outer,
                n_sinkhorn=inner, mass_step=mass_step, tol=tol, init=init,
            )  # fmt: skip
        return Solution(found.plan, found.plan2)

    return solve


def prepare_numpy(
    problem: Problem, outer: int, inner: int, *, mass_step: bool = False, tol: float | None = None
) -> Solve:
    """The same by the compiled backend on numpy's BLAS, with factors."""
    descend = _descent(problem, outer, inner, mass_step, tol)

    def solve() -> Solution:
        end = descend()
        plans = [half.plan.values * half.plan.scale for half in (end.first, end.second) if half is not None]
        return Solution(*plans)

    return solve


def history(problem: Problem, outer: int, inner: int, tol: float | None = None) -> list[tuple[float, int]]:
    """Objective after each outer iteration and Sinkhorn sweeps done in it, with the solver's own settings."""
    end = _descent(problem, outer, inner, True, tol)()
    return [(float(step.objective), int(step.sweeps)) for step in end.history]


def _descent(problem: Problem, outer: int, inner: int, mass_step: bool, tol: float | None) -> Callable[[], Any]:
    from magbench.ot.descent import Iterate, Schedule, Setting, descend_joint, descend_plain
    from magbench.ot.numba_backend import Factors, NumbaBackend
    from magbench.ot.side import Side

    weights = np.full(problem.n, 1.0 / problem.n)
    side = Side(weights, np.full(problem.n, problem.rho))
    setting, schedule = Setting(problem.alpha, problem.eps, side, side), Schedule(outer, inner, tol, mass_step)
    linear = float(problem.M.mean(dtype=np.float64))

    def factors() -> Any:
        unit = problem.z / np.linalg.norm(problem.z, axis=1, keepdims=True)
        mean = 1.0 - float(np.square(unit.sum(0, dtype=np.float64)).sum()) / problem.n**2
        dense = np.maximum((1.0 - unit @ unit.T) / problem.z.dtype.type(mean), 0.0)
        np.fill_diagonal(dense, 0.0)
        return Factors(unit, 1.0 / mean, dense)

    def descend() -> Any:
        backend = NumbaBackend(
            factors() if 3 * problem.z.shape[1] <= 2 * problem.n else problem.Cx,
            problem.Cy, problem.M, weights, weights,
        )  # fmt: skip
        start = Iterate(backend.start(None, linear), np.zeros(problem.n), np.zeros(problem.n))
        if problem.kl == "plain":
            return descend_plain(backend, setting, schedule, start)
        return descend_joint(backend, setting, schedule, start, start)

    return descend
