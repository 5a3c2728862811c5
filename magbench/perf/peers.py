"""The solvers that are compared, one function each: the same problem in, a call that solves it out.

Each function maps (alpha, rho, eps) to the peer's own parameters, converts the costs to its arrays beforehand and
returns a call that is the solve alone. All run exactly ``outer`` outer iterations of ``inner`` Sinkhorn iterations, in
the same order of updates as ours, so that plans agree iterate for iterate in exact arithmetic:

* POT 0.9.7 (J/alpha): alpha' = (1-alpha)/alpha, rho' = rho/alpha, eps' = eps/alpha; ``sinkhorn``, not its default "mm";
* fugw 0.1.1 (J): the same parameters; updates columns first, so the two spaces are swapped and the plan transposed;
* ott-jax 0.6 (L, its mass correction off): eps' = eps/(2 alpha), tau = rho/(rho+eps), penalty = (1-alpha)/(2 alpha),
  M' = M + eps' log(N^2) / penalty, for its entropy is taken against 1; columns first, so swapped too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from unittest import mock

from magbench.errors import UnknownNameError
from magbench.perf import ours
from magbench.perf.problem import Array, Problem
from magbench.perf.solution import Solution, Solve


@dataclass(frozen=True)
class Peer:
    """A solver.

    Attributes:
        name: as printed.
        packages: distributions it needs; the first carries its version.
        objectives: which it solves.
        precisions: types it computes in.
        prepare: (problem, outer, inner) -> the call to time.
    """

    name: str
    packages: tuple[str, ...]
    objectives: tuple[str, ...]
    precisions: tuple[str, ...]
    prepare: Callable[[Problem, int, int], Solve]

    @property
    def installed(self) -> bool:
        """Whether every distribution is there."""
        return all(installed_version(package) for package in self.packages)

    def takes(self, problem: Problem) -> bool:
        """Whether it solves this objective in this precision."""
        return problem.kl in self.objectives and problem.precision in self.precisions


def prepare_pot_numpy(problem: Problem, outer: int, inner: int) -> Solve:
    """POT on numpy arrays; float64 only, for it upcasts float32 silently."""
    return _prepare_pot(problem, outer, inner, lambda array: array)


def prepare_pot_torch(problem: Problem, outer: int, inner: int) -> Solve:
    """POT on torch tensors."""
    import torch

    return _prepare_pot(problem, outer, inner, torch.from_numpy)


def prepare_fugw(problem: Problem, outer: int, inner: int) -> Solve:
    """fugw with its progress bar off, for the bar takes part of its time, and without checks of convergence."""
    import torch
    from fugw.solvers.dense import FUGWSolver

    solver = FUGWSolver(
        nits_bcd=outer, nits_uot=inner, tol_bcd=0.0, tol_uot=0.0, eval_bcd=outer + 1, eval_uot=inner + 1
    )
    Cx, Cy, M, w = (torch.from_numpy(part) for part in (problem.Cx, problem.Cy, problem.M.T, problem.weights))
    rho = torch.tensor(problem.rho, dtype=w.dtype)

    def solve() -> Solution:
        with mock.patch("fugw.solvers.utils._get_progress", _no_progress):
            found = solver.solve(
                alpha=problem.alpha, rho_s=rho, rho_t=rho, eps=problem.eps, reg_mode="joint", divergence="kl",
                F=M, Ds=Cy, Dt=Cx, ws=w, wt=w, solver="sinkhorn",
            )  # fmt: skip
        return Solution(found["pi"].T, found["gamma"].T)

    return solve


def prepare_ott(problem: Problem, outer: int, inner: int) -> Solve:
    """ott-jax, compiled; the first call compiles."""
    import jax
    from ott.geometry.geometry import Geometry
    from ott.problems.quadratic.quadratic_problem import QuadraticProblem
    from ott.solvers.linear.sinkhorn import Sinkhorn
    from ott.solvers.quadratic.gromov_wasserstein import GromovWasserstein

    eps, penalty = problem.eps / (2.0 * problem.alpha), (1.0 - problem.alpha) / (2.0 * problem.alpha)
    tau = problem.rho / (problem.rho + problem.eps)
    anchor = (problem.M.T + eps * math.log(problem.n**2) / penalty).astype(problem.M.dtype)
    linear = Sinkhorn(threshold=0.0, min_iterations=inner, max_iterations=inner, inner_iterations=inner)
    solver = GromovWasserstein(
        linear_solver=linear, epsilon=eps, min_iterations=outer, max_iterations=outer, threshold=0.0, warm_start=True
    )

    @jax.jit
    def run(Cx: Any, Cy: Any, M: Any) -> Any:
        quadratic = QuadraticProblem(
            Geometry(cost_matrix=Cy), Geometry(cost_matrix=Cx), Geometry(cost_matrix=M), fused_penalty=penalty,
            tau_a=tau, tau_b=tau, gw_unbalanced_correction=False,
        )  # fmt: skip
        return solver(quadratic).matrix

    double = problem.precision == "float64"
    with jax.enable_x64(double):
        arrays = tuple(jax.numpy.asarray(part) for part in (problem.Cx, problem.Cy, anchor))

    def solve() -> Solution:
        with jax.enable_x64(double):
            return Solution(run(*arrays).block_until_ready().T)

    return solve


BOTH = ("float32", "float64")
PEERS = (
    Peer(ours.OURS, ("torch",), ("joint", "plain"), BOTH, ours.prepare),
    Peer(ours.DENSE, ("torch",), ("joint", "plain"), BOTH, partial(ours.prepare, dense=True)),
    Peer(ours.NUMPY, ("numpy",), ("joint", "plain"), BOTH, ours.prepare_numpy),
    Peer("POT numpy", ("POT",), ("joint",), ("float64",), prepare_pot_numpy),
    Peer("POT torch", ("POT", "torch"), ("joint",), BOTH, prepare_pot_torch),
    Peer("fugw", ("fugw", "torch"), ("joint",), BOTH, prepare_fugw),
    Peer("ott", ("ott-jax", "jax"), ("plain",), BOTH, prepare_ott),
)


def peer(name: str) -> Peer:
    """The peer of that name.

    Raises:
        UnknownNameError: there is none.
    """
    known = {found.name: found for found in PEERS}
    if name not in known:
        raise UnknownNameError("peer", name, known)
    return known[name]


def installed_version(package: str) -> str | None:
    """Version of an installed distribution."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _prepare_pot(problem: Problem, outer: int, inner: int, array: Callable[[Array], Any]) -> Solve:
    from ot.gromov import fused_unbalanced_gromov_wasserstein

    Cx, Cy, M = (array(part) for part in (problem.Cx, problem.Cy, problem.M))
    alpha = problem.alpha
    options = {
        "reg_marginals": problem.rho / alpha, "epsilon": problem.eps / alpha, "alpha": (1.0 - alpha) / alpha,
        "unbalanced_solver": "sinkhorn", "max_iter": outer, "max_iter_ot": inner, "tol": 0.0, "tol_ot": 0.0,
    }  # fmt: skip
    return lambda: Solution(*fused_unbalanced_gromov_wasserstein(Cx, Cy, M=M, **options))


class _Bar:
    """What fugw asks of a progress bar."""

    def add_task(self, *arguments: object, **options: object) -> None:
        """Do nothing."""

    def update(self, *arguments: object, **options: object) -> None:
        """Do nothing."""


def _no_progress(**options: object) -> AbstractContextManager[_Bar]:
    return nullcontext(_Bar())
