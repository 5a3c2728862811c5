"""Unbalanced fused Gromov-Wasserstein: a soft matching of two metric spaces that may leave nodes out.

Notation: structure weight alpha, costs Cx ``[Nx, Nx]`` and Cy ``[Ny, Ny]``, anchor M ``[Nx, Ny]``, weights mu, nu,
KL(a|b) = sum a log(a/b) - a + b, T(P)_ij = sum_kl (Cx_ik - Cy_jl)^2 P_kl. Two objectives carry that name:

* ``kl="plain"``: (1-alpha) <M,P> + alpha <T(P),P> + rho [KL(P1|mu) + KL(P'1|nu)] + eps KL(P|mu nu');
* ``kl="joint"`` (Séjourné, Vialard & Peyré 2021, arXiv 2009.04266; Thual et al. 2022, arXiv 2206.09398), two plans P, Q
  of equal mass: alpha <T(Q),P> + (1-alpha)/2 <M,P+Q> + rho [KL(P1 x Q1|mu x mu) + KL(P'1 x Q'1|nu x nu)]
  + eps KL(P x Q|(mu nu') x (mu nu')).

Both are solved by block descent: linearise, then :func:`magbench.ot.sinkhorn.sinkhorn` with warm-started potentials.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from magbench.checks import choice
from magbench.errors import MagbenchWarning, OptionError
from magbench.ot.problem import UFGWProblem, check_iterations, check_problem
from magbench.ot.sinkhorn import Problem, SinkhornResult, kappa, sinkhorn

_COLLAPSED_MASS = 0.05
_UNSETTLED_CHANGE = 1e-3


class MassCollapseWarning(MagbenchWarning):
    """The plan has lost almost all of its mass, so whatever is built on it is nearly switched off."""


class NotConvergedWarning(MagbenchWarning):
    """The plan still moved when the iterations ended, so gradients by the envelope theorem are off."""


class Step(NamedTuple):
    """One outer iteration: the objective after it, the plan's relative L1 change, its mass."""

    objective: float
    plan_change: float
    mass: float


@dataclass(frozen=True)
class UFGWResult:
    """A solved problem.

    Attributes:
        plan: ``[Nx, Ny]``, detached.
        plan2: the second plan of ``kl="joint"``, None otherwise.
        objective: value of the chosen objective.
        mass: total mass of ``plan``.
        row_marginal: ``[Nx]``, plan summed over columns.
        col_marginal: ``[Ny]``, plan summed over rows.
        potentials: (f ``[Nx]``, g ``[Ny]``) of the last linear problem, in units of the cost; at convergence of the
            plain objective row_marginal = mu exp(-f / rho).
        converged: whether the last outer iteration changed the plan by less than ``tol`` (1e-3 where tol is None).
        history: one :class:`Step` an outer iteration.
    """

    plan: Tensor
    plan2: Tensor | None
    objective: float
    mass: float
    row_marginal: Tensor
    col_marginal: Tensor
    potentials: tuple[Tensor, Tensor]
    converged: bool
    history: tuple[Step, ...]


class _Loop(NamedTuple):
    """How long to iterate and from where."""

    n_outer: int
    n_sinkhorn: int
    tol: float | None
    plan: Tensor
    given: bool
    f: Tensor
    g: Tensor
    mass_step: bool
    gw_mass_norm: bool


@torch.no_grad()
def ufgw(
    Cx: Tensor,
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
    init: UFGWResult | Tensor | None = None,
) -> UFGWResult:
    """Solve one unbalanced fused Gromov-Wasserstein problem; no gradient flows through it.

    Args:
        Cx: symmetric cost ``[Nx, Nx]`` of the rows' space, float32 or float64.
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
        n_sinkhorn: Sinkhorn sweeps in each linear problem.
        tol: stop when an outer iteration changes the plan by less, in relative L1 norm; None runs all iterations.
        init: a plan ``[Nx, Ny]`` or an earlier result (its potentials are used too) to start from; default mu nu'.

    Raises:
        OptionError: an option out of its range.
        DataError: costs or weights that do not fit.

    Warns:
        MassCollapseWarning: the mass is under 5 % of that of mu.
        NotConvergedWarning: the last change of the plan is above tol, or above 1e-3 where tol is None.
    """
    choice("kl", kl, ("plain", "joint"))
    problem = check_problem(Cx, Cy, M, alpha=alpha, rho=rho, eps=eps, mu=mu, nu=nu, marginals=marginals)
    check_iterations(n_outer, n_sinkhorn, tol, Cx.dtype)
    if kl == "joint" and (isinstance(problem.row.rho, Tensor) or gw_mass_norm):
        found = "gw_mass_norm=True" if gw_mass_norm else "a rho for each node"
        raise OptionError(f"kl='joint' does not take {found}; use kl='plain'.")
    plan, f, g = _start(problem, init)
    loop = _Loop(n_outer, n_sinkhorn, tol, plan, init is not None, f, g, mass_step, gw_mass_norm)
    result = _solve_joint(problem, loop, init) if kl == "joint" else _solve_plain(problem, loop)
    _warn(result, float(problem.row.weights.sum()), tol)
    return result


def squared_distortion(Cx: Tensor, Cy: Tensor, plan: Tensor) -> Tensor:
    """T(P) ``[Nx, Ny]``: (Cx^2 r)_i + (Cy^2 c)_j - 2 (Cx P Cy)_ij for symmetric costs (Peyré et al. 2016, prop. 1)."""
    row, col = (Cx * Cx) @ plan.sum(1), (Cy * Cy) @ plan.sum(0)
    return (Cx @ plan @ Cy).mul_(-2.0).add_(row[:, None]).add_(col[None, :])


def optimal_scale(linear: float, quadratic: float, slope: float) -> float:
    """The s > 0 minimising s linear + s^2 quadratic + slope (s log s - s), for quadratic >= 0 and slope > 0.

    That is s = W(b e^-a) / b with a = linear / slope, b = 2 quadratic / slope and Lambert's W (s = e^-a where b = 0);
    w + log w = log b - a is solved by Newton's method, so that e^-a may overflow.
    """
    a, b = linear / slope, 2.0 * quadratic / slope
    if b <= 1e-300:
        return math.exp(min(-a, 700.0))
    x = math.log(b) - a
    if x < -30.0:  # W(e^x) = e^x to double precision
        return math.exp(-a)
    w = x if x > 1.0 else math.exp(x) / (1.0 + math.exp(x))
    for _ in range(50):
        step = w * (1.0 + x - math.log(w)) / (1.0 + w) - w
        w += step
        if abs(step) <= 1e-15 * w:
            break
    return w / b


def _solve_plain(problem: UFGWProblem, loop: _Loop) -> UFGWResult:
    plan, f, g = loop.plan, loop.f, loop.g
    tensor = _tensor(problem, plan) if loop.given else _product_tensor(problem)
    mass = float(plan.sum())
    history: list[Step] = []
    converged = False
    scaling = loop.mass_step and not (problem.row.exact or problem.col.exact)
    for _ in range(loop.n_outer):
        cost = _local_cost(problem, tensor, 2.0 * problem.alpha / (mass if loop.gw_mass_norm else 1.0))
        solved = _linear(problem, cost, problem.eps, g, loop.n_sinkhorn)
        f, g = solved.f, solved.g
        tensor = _tensor(problem, solved.plan)
        objective, mass = _scale_and_value(problem, loop, scaling, cost, solved, tensor)
        change = _change(plan, solved.plan)
        plan = solved.plan
        history.append(Step(objective, change, mass))
        converged = change < (_UNSETTLED_CHANGE if loop.tol is None else loop.tol)
        if converged and loop.tol is not None:
            break
    return UFGWResult(
        plan, None, history[-1].objective, mass, plan.sum(1), plan.sum(0), (f, g), converged, tuple(history)
    )


def _scale_and_value(
    problem: UFGWProblem, loop: _Loop, scaling: bool, cost: Tensor, solved: SinkhornResult, tensor: Tensor | None
) -> tuple[float, float]:
    """Apply the mass step to the plan and T(P) in place; returns (objective, mass) after it."""
    plan, row, col = solved.plan, solved.plan.sum(1), solved.plan.sum(0)
    mass, eps = float(row.sum()), problem.eps
    linear = _inner(problem.anchor, plan)
    quadratic = problem.alpha * _inner(tensor, plan)
    # P = mu nu' exp((f + g - C) / eps), so eps <P, log P / mu nu'> needs no logarithm of N^2 entries.
    entropy = float(row @ solved.f + col @ solved.g) - _inner(cost, plan)
    slope = problem.row.scale(row) + problem.col.scale(col) + eps * mass
    scale = 1.0
    if scaling and mass > 0:
        pull = linear + problem.row.entropy(row) + problem.col.entropy(col) + entropy
        if loop.gw_mass_norm:
            # T / mass does not change with the scale, so the structure term pulls linearly.
            scale = optimal_scale(pull + 2.0 * quadratic / mass, 0.0, slope)
        else:
            scale = optimal_scale(pull, quadratic, slope)
        plan.mul_(scale)
        if tensor is not None:
            tensor.mul_(scale)
    total = float(problem.row.weights.sum()) * float(problem.col.weights.sum())
    kl = scale * entropy + eps * (scale * mass * (math.log(scale) - 1.0) + total) if scale > 0 else eps * total
    structure = scale * quadratic / mass if loop.gw_mass_norm and mass > 0 else scale * scale * quadratic
    penalty = problem.row.penalty(scale * row) + problem.col.penalty(scale * col)
    return scale * linear + structure + penalty + kl, scale * mass


def _solve_joint(problem: UFGWProblem, loop: _Loop, init: UFGWResult | Tensor | None) -> UFGWResult:
    first = loop.plan
    second = init.plan2 if isinstance(init, UFGWResult) and init.plan2 is not None else first
    duals = [(loop.f, loop.g), (loop.f, loop.g)]
    history: list[Step] = []
    converged = False
    for _ in range(loop.n_outer):
        before = first
        second, duals[1], _ = _joint_half(problem, first, duals[1], loop.n_sinkhorn)
        first, duals[0], distortion = _joint_half(problem, second, duals[0], loop.n_sinkhorn)
        change = _change(before, first)
        objective = _joint_objective(problem, first, second, distortion)
        history.append(Step(objective, change, float(first.sum())))
        converged = change < (_UNSETTLED_CHANGE if loop.tol is None else loop.tol)
        if converged and loop.tol is not None:
            break
    last = history[-1]
    return UFGWResult(
        first, second, last.objective, last.mass, first.sum(1), first.sum(0), duals[0], converged, tuple(history)
    )


def _joint_half(
    problem: UFGWProblem, given: Tensor, duals: tuple[Tensor, Tensor], n_sinkhorn: int
) -> tuple[Tensor, tuple[Tensor, Tensor], float]:
    """The best plan against ``given``, scaled to equal mass; returns (plan, potentials, alpha <T(given), plan>).

    With ``given`` fixed the objective is mass(given) times an unbalanced problem plus a constant in the local cost.
    """
    mass = float(given.sum())
    tensor = _tensor(problem, given)
    structure = _local_cost(problem, tensor, problem.alpha, anchor=0.5)
    row, col = given.sum(1), given.sum(0)
    constant = problem.row.entropy(row) + problem.col.entropy(col) + problem.eps * _entropy(problem, given, row, col)
    relaxed = [mass * rho if isinstance(rho, float) else rho for rho in (problem.row.rho, problem.col.rho)]
    linear = Problem(
        structure.add_(constant),
        problem.row.weights,
        problem.col.weights,
        mass * problem.eps,
        kappa(relaxed[0], mass * problem.eps),
        kappa(relaxed[1], mass * problem.eps),
    )
    solved = sinkhorn(linear, duals[1], n_sinkhorn)
    plan = solved.plan.mul_(math.sqrt(mass / max(float(solved.plan.sum()), 1e-300)))
    return plan, (solved.f, solved.g), problem.alpha * _inner(tensor, plan)


def _joint_objective(problem: UFGWProblem, first: Tensor, second: Tensor, distortion: float) -> float:
    value = distortion + 0.5 * (_inner(problem.anchor, first) + _inner(problem.anchor, second))
    rows, cols = (first.sum(1), second.sum(1)), (first.sum(0), second.sum(0))
    masses = float(first.sum()), float(second.sum())
    for side, (p, q) in ((problem.row, rows), (problem.col, cols)):
        rho = side.rho if isinstance(side.rho, float) and math.isfinite(side.rho) else 0.0
        total = float(side.weights.sum())
        value += masses[1] * side.entropy(p) + masses[0] * side.entropy(q) + rho * (total**2 - masses[0] * masses[1])
    total = float(problem.row.weights.sum()) * float(problem.col.weights.sum())
    entropies = [_entropy(problem, plan, plan.sum(1), plan.sum(0)) for plan in (first, second)]
    cross = masses[1] * entropies[0] + masses[0] * entropies[1] + total**2 - masses[0] * masses[1]
    return value + problem.eps * cross


def _linear(problem: UFGWProblem, cost: Tensor, eps: float, g: Tensor, n_sinkhorn: int) -> SinkhornResult:
    row, col = problem.row, problem.col
    linear = Problem(cost, row.weights, col.weights, eps, kappa(row.rho, eps), kappa(col.rho, eps))
    return sinkhorn(linear, g, n_sinkhorn)


def _start(problem: UFGWProblem, init: UFGWResult | Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    plan = problem.row.weights[:, None] * problem.col.weights[None, :]
    f, g = torch.zeros_like(problem.row.weights), torch.zeros_like(problem.col.weights)
    if isinstance(init, UFGWResult):
        f, g = (potential.to(f) for potential in init.potentials)
        init = init.plan
    if init is not None:
        if init.shape != plan.shape:
            raise OptionError(f"init has the shape {tuple(init.shape)}; it must be {tuple(plan.shape)}.")
        plan = init.detach().to(plan)
    return plan, f, g


def _tensor(problem: UFGWProblem, plan: Tensor) -> Tensor | None:
    """T(P), or None where alpha = 0 and it is not needed."""
    return squared_distortion(problem.Cx, problem.Cy, plan) if problem.alpha > 0 else None


def _product_tensor(problem: UFGWProblem) -> Tensor | None:
    """T(mu nu'), which has rank 1 apart from its marginal terms: O(N^2)."""
    if problem.alpha == 0:
        return None
    mu, nu, Cx, Cy = problem.row.weights, problem.col.weights, problem.Cx, problem.Cy
    row, col = (Cx * Cx) @ mu * nu.sum(), (Cy * Cy) @ nu * mu.sum()
    return torch.outer(Cx @ mu, Cy @ nu).mul_(-2.0).add_(row[:, None]).add_(col[None, :])


def _local_cost(problem: UFGWProblem, tensor: Tensor | None, weight: float, anchor: float = 1.0) -> Tensor:
    """``anchor`` (1 - alpha) M + ``weight`` T, a fresh tensor."""
    shape = (len(problem.Cx), len(problem.Cy))
    cost = problem.Cx.new_zeros(shape) if tensor is None else tensor * weight
    return cost if problem.anchor is None else cost.add_(problem.anchor, alpha=anchor)


def _inner(left: Tensor | None, right: Tensor) -> float:
    return 0.0 if left is None else float(torch.dot(left.reshape(-1), right.reshape(-1)))


def _entropy(problem: UFGWProblem, plan: Tensor, row: Tensor, col: Tensor) -> float:
    """<P, log(P / mu nu')> with 0 log 0 = 0."""
    mu, nu = problem.row.weights, problem.col.weights
    reference = torch.xlogy(row, torch.where(mu > 0, mu, torch.ones_like(mu))).sum()
    reference = reference + torch.xlogy(col, torch.where(nu > 0, nu, torch.ones_like(nu))).sum()
    return float(torch.xlogy(plan, plan).sum() - reference)


def _change(before: Tensor, after: Tensor) -> float:
    """Relative L1 distance of two plans."""
    return float((after - before).abs().sum()) / max(float(after.sum()), 1e-30)


def _warn(result: UFGWResult, total: float, tol: float | None) -> None:
    if result.mass < _COLLAPSED_MASS * total:
        warnings.warn(
            f"ufgw: the plan kept {result.mass / total:.2%} of the mass; raise rho or lower eps.",
            MassCollapseWarning,
            stacklevel=4,
        )
    if not result.converged:
        warnings.warn(
            f"ufgw: the last of {len(result.history)} outer iterations still changed the plan by"
            f" {result.history[-1].plan_change:.2g} (limit {_UNSETTLED_CHANGE if tol is None else tol:g});"
            " raise n_outer or n_sinkhorn.",
            NotConvergedWarning,
            stacklevel=4,
        )
