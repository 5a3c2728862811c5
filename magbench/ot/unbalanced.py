"""Unbalanced fused Gromov-Wasserstein: a soft matching of two metric spaces that may leave nodes out.

Notation: structure weight alpha, costs Cx ``[Nx, Nx]`` and Cy ``[Ny, Ny]``, anchor M ``[Nx, Ny]``, weights mu, nu,
KL(a|b) = sum a log(a/b) - a + b, T(P)_ij = sum_kl (Cx_ik - Cy_jl)^2 P_kl. Two objectives carry that name:

* ``kl="plain"``: (1-alpha) <M,P> + alpha <T(P),P> + rho [KL(P1|mu) + KL(P'1|nu)] + eps KL(P|mu nu');
* ``kl="joint"`` (Séjourné, Vialard & Peyré 2021, arXiv 2009.04266; Thual et al. 2022, arXiv 2206.09398), two plans P, Q
  of equal mass: alpha <T(Q),P> + (1-alpha)/2 <M,P+Q> + rho [KL(P1 x Q1|mu x mu) + KL(P'1 x Q'1|nu x nu)]
  + eps KL(P x Q|(mu nu') x (mu nu')).

Both are solved by block descent: linearise, then Sinkhorn from the last potentials (:mod:`magbench.ot.descent`). On a
CPU that is done by numba kernels (:mod:`magbench.ot.numba_backend`), elsewhere by torch
(:mod:`magbench.ot.torch_backend`); both take the same steps.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from magbench.checks import choice
from magbench.errors import DataError, MagbenchWarning, OptionError
from magbench.ot.descent import (
    UNSETTLED,
    Descent,
    Iterate,
    Plan,
    Schedule,
    Setting,
    Step,
    descend_joint,
    descend_plain,
)
from magbench.ot.factors import CosineFactors
from magbench.ot.matmul import fast_float32, torch_matmul
from magbench.ot.numba_backend import NumbaBackend
from magbench.ot.problem import UFGWProblem, check_iterations, check_problem
from magbench.ot.torch_backend import TorchBackend

_COLLAPSED_MASS = 0.05


class MassCollapseWarning(MagbenchWarning):
    """The plan has lost almost all of its mass, so whatever is built on it is nearly switched off."""


class NotConvergedWarning(MagbenchWarning):
    """Plan or marginals had not settled when the iterations ended: gradients by the envelope theorem are off."""


@dataclass(frozen=True)
class UFGWResult:
    """A solved problem.

    Attributes:
        plan: ``[Nx, Ny]``, detached.
        plan2: the second plan of ``kl="joint"``, None otherwise.
        objective: value of the chosen objective.
        mass: total mass of ``plan``.
        relative_entropy: <P, log P / mu nu'> of ``plan``.
        row_marginal: ``[Nx]``, plan summed over columns.
        col_marginal: ``[Ny]``, plan summed over rows.
        potentials: (f ``[Nx]``, g ``[Ny]``) of the last linear problem, in units of the cost (0 for nodes of weight 0);
            at convergence of the plain objective row_marginal = mu exp(-f / rho).
        converged: whether the last outer iteration's plan change and marginal error are both below ``tol`` (1e-3 where
            tol is None).
        history: one :class:`magbench.ot.descent.Step` an outer iteration.
    """

    plan: Tensor
    plan2: Tensor | None
    objective: float
    mass: float
    relative_entropy: float
    row_marginal: Tensor
    col_marginal: Tensor
    potentials: tuple[Tensor, Tensor]
    converged: bool
    history: tuple[Step, ...]


@torch.no_grad()
def ufgw(
    Cx: Tensor | CosineFactors,
    Cy: Tensor,
    M: Tensor | None = None,
    *,
    alpha: float,
    rho: float | Tensor,
    eps: float,
    mu: Tensor | None = None,
    nu: Tensor | None = None,
    kl: str = "plain",
    marginals: str = "both",
    mass_step: bool = True,
    gw_mass_norm: bool = False,
    n_outer: int = 5,
    n_sinkhorn: int = 20,
    tol: float | None = None,
    init: UFGWResult | Tensor | str | None = None,
    backend: str = "auto",
) -> UFGWResult:
    """Solve one unbalanced fused Gromov-Wasserstein problem; no gradient flows through it.

    Args:
        Cx: symmetric cost ``[Nx, Nx]`` of the rows' space, float32 or float64; or :class:`CosineFactors`, which spares
            the numba backend the N^3 work.
        Cy: symmetric cost ``[Ny, Ny]`` of the columns' space.
        M: linear (anchor) cost ``[Nx, Ny]``; None means zero.
        alpha: weight of the structure term, in [0, 1].
        rho: strength of the marginal penalties, inf = exact; a tensor ``[Nx]`` gives each node its own (plain only;
            with ``marginals="both"`` row i and column i are taken to be the same node, so Nx = Ny).
        eps: entropic strength, > 0.
        mu: weights ``[Nx]``, >= 0 (default 1/Nx); a zero weight gives a zero row.
        nu: weights ``[Ny]`` (default 1/Ny).
        kl: ``"plain"`` or ``"joint"``, see the module's formulas.
        marginals: ``"both"`` relaxed by rho, ``"target_fixed"`` (P'1 = nu exactly) or ``"target_free"`` (no penalty
            on P'1).
        mass_step: after each outer iteration of the plain objective scale the plan by the s that minimises J(sP);
            it damps the 2-cycles of large alpha with small rho. Ignored where a marginal is exact.
        gw_mass_norm: divide the structure term's local cost by the plan's mass (plain only), so that small plans feel
            structure as strongly as large ones.
        n_outer: outer iterations, at most.
        n_sinkhorn: Sinkhorn sweeps in each linear problem, at most: fewer where the potentials move by rounding only,
            or, with ``tol``, by less than a tenth of the last plan change.
        tol: stop when an outer iteration changes the plan by less and leaves a smaller ``marginal_error``, in relative
            L1 norms (see :class:`magbench.ot.descent.Step`); None runs all iterations.
        init: a plan ``[Nx, Ny]`` or an earlier result (its potentials are used too) to start from; ``"anchor"``: the
            plan of M alone (alpha = 0), which costs no matrix product and, where M is informative, spares outer
            iterations; default mu nu'. The problem is not convex: another start may end in another optimum.
        backend: ``"numba"`` (CPU), ``"torch"`` (any device) or ``"auto"``: numba for costs on a CPU.

    Raises:
        OptionError: an option out of its range.
        DataError: costs or weights that do not fit.

    Warns:
        MassCollapseWarning: the mass is under 5 % of that of mu.
        NotConvergedWarning: the last plan change or marginal error is above tol, or above 1e-3 where tol is None.
    """
    choice("kl", kl, ("plain", "joint"))
    choice("backend", backend, ("auto", "numba", "torch"))
    cost = _one_problem(Cx)
    problem = check_problem(cost, Cy, M, alpha=alpha, rho=rho, eps=eps, mu=mu, nu=nu, marginals=marginals)
    check_iterations(n_outer, n_sinkhorn, tol, cost.dtype)
    if kl == "joint" and ((isinstance(rho, Tensor) and rho.dim() > 0) or gw_mass_norm):
        found = "gw_mass_norm=True" if gw_mass_norm else "a rho for each node"
        raise OptionError(f"kl='joint' does not take {found}; use kl='plain'.")
    if backend == "numba" and cost.device.type != "cpu":
        raise OptionError(f"backend='numba' runs on a CPU, but the costs are on {cost.device}; use backend='auto'.")
    schedule = Schedule(n_outer, n_sinkhorn, tol, mass_step, gw_mass_norm)
    on_cpu = backend != "torch" and cost.device.type == "cpu"
    factors = Cx if isinstance(Cx, CosineFactors) else None
    result = _solve(problem, factors, schedule, kl, _checked_init(problem, init), on_cpu)
    _warn(result, problem.setting.row.total, tol)
    return result


def ufgw_batch(
    Cx: Tensor | CosineFactors,
    Cy: Tensor,
    M: Tensor | None = None,
    *,
    init: Sequence[UFGWResult] | None = None,
    **options: object,
) -> tuple[UFGWResult, ...]:
    """Solve B problems, one after another; each is :func:`ufgw` on its part of the batch.

    Args:
        Cx: costs ``[B, Nx, Nx]``, or :class:`CosineFactors` of states ``[B, Nx, d]``.
        Cy: ``[Ny, Ny]`` shared, or ``[B, Ny, Ny]``.
        M: ``[Nx, Ny]`` shared, ``[B, Nx, Ny]`` or None.
        init: earlier results to start from, one a problem.
        options: as for :func:`ufgw`, shared.

    Raises:
        DataError: batches of different lengths.
    """
    states = Cx.Z if isinstance(Cx, CosineFactors) else Cx
    if states.dim() != 3:
        raise DataError(f"ufgw_batch: Cx has the shape {tuple(states.shape)}; it must be [B, ...]. For one, use ufgw.")
    lengths = {"Cx": len(states)}
    lengths |= {name: len(x) for name, x in (("Cy", Cy), ("M", M)) if x is not None and x.dim() == 3}
    lengths |= {} if init is None else {"init": len(init)}
    if len(set(lengths.values())) > 1:
        raise DataError(f"ufgw_batch: the lengths of the batch differ, {lengths}; give one entry a problem.")
    parts = [CosineFactors(z) for z in states] if isinstance(Cx, CosineFactors) else list(Cx)
    return tuple(
        ufgw(
            part,
            Cy[b] if Cy.dim() == 3 else Cy,
            M[b] if M is not None and M.dim() == 3 else M,
            init=None if init is None else init[b],
            **options,  # type: ignore[arg-type]
        )
        for b, part in enumerate(parts)
    )


def _one_problem(Cx: Tensor | CosineFactors) -> Tensor:
    states = Cx.Z if isinstance(Cx, CosineFactors) else Cx
    if states.dim() == 3:
        raise DataError(f"Cx has the shape {tuple(states.shape)}; for a batch of problems use ufgw_batch.")
    return Cx.dense() if isinstance(Cx, CosineFactors) else Cx


class _Init:
    """Where to begin, in full size: plans (None: mu nu'), potentials, and whether the anchor's plan comes first."""

    def __init__(self, problem: UFGWProblem, init: UFGWResult | Tensor | str | None) -> None:
        n, m = len(problem.Cx), len(problem.Cy)
        self.anchored = isinstance(init, str)
        self.potentials = np.zeros(n), np.zeros(m)
        self.first = self.second = init.detach() if isinstance(init, Tensor) else None
        if isinstance(init, UFGWResult):
            self.first, self.second = init.plan, init.plan if init.plan2 is None else init.plan2
            f, g = (potential.to("cpu", torch.float64).numpy() for potential in init.potentials)
            self.potentials = f, g


def _checked_init(problem: UFGWProblem, init: UFGWResult | Tensor | str | None) -> _Init:
    if isinstance(init, str):
        choice("init", init, ("anchor",))
        if problem.M is None:
            raise OptionError("init='anchor' needs an anchor M of a weight 1 - alpha above 0; give M, or no init.")
    found, shape = _Init(problem, init), (len(problem.Cx), len(problem.Cy))
    if found.first is not None and found.first.shape != shape:
        raise OptionError(f"init has the shape {tuple(found.first.shape)}; it must be {shape}.")
    return found


def _solve(
    problem: UFGWProblem, factors: CosineFactors | None, schedule: Schedule, kl: str, init: _Init, on_cpu: bool
) -> UFGWResult:
    """Solve among the nodes of positive weight; the others get zero rows and columns."""
    setting = problem.setting
    rows, cols = setting.row.weights > 0, setting.col.weights > 0
    whole = bool(rows.all() and cols.all())
    part = problem if whole else problem.part(rows, cols)
    setting = part.setting
    structure = setting.alpha > 0
    backend: NumbaBackend | TorchBackend
    if on_cpu:
        dense = part.Cx.detach().contiguous()
        low_rank = factors.low_rank(dense) if factors is not None and whole else None
        backend = NumbaBackend(
            low_rank or dense.numpy(),
            part.Cy.detach().contiguous().numpy(),
            None if part.M is None else part.M.detach().contiguous().numpy(),
            setting.row.weights,
            setting.col.weights,
            structure=structure,
            matmul=torch_matmul,
        )
    else:
        backend = TorchBackend(part.Cx, part.Cy, part.M, setting.row.weights, setting.col.weights, structure=structure)
    f, g = init.potentials[0][rows], init.potentials[1][cols]
    first = Iterate(_start(backend, part, _chosen(init.first, rows, cols, whole)), f, g)
    second = first
    if init.second is not init.first:
        second = Iterate(_start(backend, part, _chosen(init.second, rows, cols, whole)), f, g)
    with fast_float32(problem.Cx.device) if on_cpu else nullcontext():
        if init.anchored:
            backend.structure = False
            once = replace(schedule, n_outer=1, tol=None)
            begun = _descend(backend, replace(setting, alpha=0.0), once, kl, first, second)
            first, second = begun.first, begun.second or begun.first
            backend.structure = structure
        end = _descend(backend, setting, schedule, kl, first, second)
    return _result(end, problem, rows, cols)


def _descend(
    backend: NumbaBackend | TorchBackend, setting: Setting, schedule: Schedule, kl: str, first: Iterate, second: Iterate
) -> Descent:
    if kl == "plain":
        return descend_plain(backend, setting, schedule, first)
    return descend_joint(backend, setting, schedule, first, second)


def _chosen(plan: Tensor | None, rows: NDArray[np.bool_], cols: NDArray[np.bool_], whole: bool) -> Tensor | None:
    return plan if plan is None or whole else plan[torch.from_numpy(rows)][:, torch.from_numpy(cols)]


def _start(backend: NumbaBackend | TorchBackend, problem: UFGWProblem, plan: Tensor | None) -> Plan:
    """A plan to begin with, and its <M, P> and <P, log P / mu nu'> (0 log 0 = 0)."""
    setting, M = problem.setting, problem.M
    mu, nu = (torch.from_numpy(side.weights).to(problem.Cx.device) for side in (setting.row, setting.col))
    if plan is None:
        linear = 0.0 if M is None else float(mu.to(M) @ M @ nu.to(M))
        values, entropy = None, 0.0
    else:
        wide = plan.to(problem.Cx.device, torch.float64)
        linear = 0.0 if M is None else float((M.double() * wide).sum())
        entropy = float(torch.xlogy(wide, wide).sum() - wide.sum(1) @ mu.log() - wide.sum(0) @ nu.log())
        values = plan.to(problem.Cx, copy=True)
    if isinstance(backend, NumbaBackend):
        return backend.start(None if values is None else values.numpy(), linear, entropy)
    return backend.start(values, linear, entropy)


def _result(end: Descent, problem: UFGWProblem, rows: NDArray[np.bool_], cols: NDArray[np.bool_]) -> UFGWResult:
    plan = _matrix(end.first.plan, problem, rows, cols)
    last = end.history[-1]
    return UFGWResult(
        plan,
        None if end.second is None else _matrix(end.second.plan, problem, rows, cols),
        last.objective,
        last.mass,
        end.first.plan.scaled_entropy,
        plan.sum(1),
        plan.sum(0),
        (_vector(end.first.f, problem, rows), _vector(end.first.g, problem, cols)),
        end.converged,
        end.history,
    )


def _matrix(plan: Plan, problem: UFGWProblem, rows: NDArray[np.bool_], cols: NDArray[np.bool_]) -> Tensor:
    values: Tensor = torch.as_tensor(plan.values).mul_(plan.scale)
    if values.shape == (len(rows), len(cols)):
        return values
    full = problem.Cx.new_zeros((len(rows), len(cols)))
    i, j = (torch.from_numpy(np.flatnonzero(kept)).to(full.device) for kept in (rows, cols))
    full[i[:, None], j[None, :]] = values
    return full


def _vector(values: NDArray[np.float64], problem: UFGWProblem, kept: NDArray[np.bool_]) -> Tensor:
    full = np.zeros(len(kept))
    full[kept] = values
    return torch.from_numpy(full).to(problem.Cx)


def _warn(result: UFGWResult, total: float, tol: float | None) -> None:
    if result.mass < _COLLAPSED_MASS * total:
        warnings.warn(
            f"ufgw: the plan kept {result.mass / total:.2%} of the mass; raise rho or lower eps.",
            MassCollapseWarning,
            stacklevel=4,
        )
    if not result.converged:
        last = result.history[-1]
        warnings.warn(
            f"ufgw: the last of {len(result.history)} outer iterations still changed the plan by {last.plan_change:.2g}"
            f" with a marginal error of {last.marginal_error:.2g} (limit {UNSETTLED if tol is None else tol:g});"
            " raise n_outer or n_sinkhorn.",
            NotConvergedWarning,
            stacklevel=4,
        )
