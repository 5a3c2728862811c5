"""Block descent on the two objectives of :mod:`magbench.ot.unbalanced`: linearise at the plan, solve, repeat.

What costs O(N^2) and more is a :class:`Backend`'s work; here are the outer iterations, their objective, the line search
on the mass and the record of what happened, in float64 on vectors and numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from magbench.ot.side import Side, Vector

UNSETTLED = 1e-3
"""A last plan change or marginal error above this counts as not converged where no tolerance is given."""
VANISHED = 1e-30
"""Mass of a joint plan at which its iteration ends with the empty plan."""


class Step(NamedTuple):
    """One outer iteration.

    ``objective`` after it; ``plan_change`` = |P - P_before|_1 / |P|_1; ``mass`` of the plan; ``marginal_error`` = how
    far the row marginal is from the one its potential implies, in relative L1 norm (0 once Sinkhorn has converged);
    ``sweeps`` = Sinkhorn sweeps done in it.
    """

    objective: float
    plan_change: float
    mass: float
    marginal_error: float
    sweeps: int


@dataclass
class Plan:
    """``scale`` times a backend's matrix P, of which the other fields speak.

    ``row`` and ``col`` are its marginals, ``entropy`` = <P, log P / mu nu'>, ``linear`` = <M, P>; ``product``: whether
    P = mu nu'.
    """

    values: Any
    row: Vector
    col: Vector
    entropy: float
    linear: float
    scale: float = 1.0
    product: bool = False

    def __post_init__(self) -> None:
        self._total = float(self.row.sum())

    @property
    def mass(self) -> float:
        """Sum of all entries, scaled."""
        return self.scale * self._total

    @property
    def scaled_entropy(self) -> float:
        """<sP, log sP / mu nu'>."""
        return self.scale * self.entropy + (math.log(self.scale) * self.mass if self.scale > 0 else 0.0)


class Solved(NamedTuple):
    """A solved linear problem: its plan, potentials f, g in units of the cost, <C, P>, and the sweeps it took."""

    plan: Plan
    f: Vector
    g: Vector
    cost: float
    sweeps: int


class Linear(NamedTuple):
    """The linear problem around a plan: C = ``structure`` T(plan) + ``anchor`` M + ``constant``, and how it is damped.

    ``rates`` = (eps / rho, eps / rho') of the two sides, where moving a constant from g to f has one best value
    (:func:`magbench.ot.sinkhorn.shift`), else None.
    """

    structure: float
    anchor: float
    constant: float
    eps: float
    kappa_row: Vector
    kappa_col: Vector
    rates: tuple[float, float] | None


class Backend(Protocol):
    """The costs Cx, Cy, M and the weights of one problem, and what is done with them in O(N^2) and more."""

    def distortion(self, plan: Plan) -> tuple[Any, float]:
        """T(plan) in a form that :meth:`solve` takes, and <T(plan), plan>; only one is alive at a time."""

    def solve(self, distortion: Any, problem: Linear, g: Vector, n_sinkhorn: int, still: float) -> Solved:
        """``n_sinkhorn`` sweeps from the column potential g, fewer where one moves no potential by more than ``still``
        eps; consumes T."""

    def change(self, before: Plan, after: Plan) -> float:
        """sum |after - before|, after which ``before`` is not used any more."""

    def release(self, plan: Plan) -> None:
        """Take back the memory of a plan."""


@dataclass(frozen=True)
class Setting:
    """What defines the objective beside the costs."""

    alpha: float
    eps: float
    row: Side
    col: Side

    @property
    def total(self) -> float:
        """Mass of mu nu'."""
        return self.row.total * self.col.total

    def linear(self, structure: float, anchor: float, constant: float = 0.0, mass: float = 1.0) -> Linear:
        """The linear problem with these weights, of which eps and rho are ``mass`` times the objective's."""
        eps = mass * self.eps
        rates = self.row.rate(eps, mass), self.col.rate(eps, mass)
        kappas = self.row.kappa(eps, mass), self.col.kappa(eps, mass)
        return Linear(structure, anchor, constant, eps, *kappas, rates if sum(rates) > 0 else None)


@dataclass(frozen=True)
class Schedule:
    """How long to iterate, and how.

    With ``tol`` the linear problems are solved inexactly, each only as far as the last outer iteration's change makes
    worth while; the marginal error of the last one certifies the end. Without it, all sweeps are done.
    """

    n_outer: int
    n_sinkhorn: int
    tol: float | None
    mass_step: bool = True
    gw_mass_norm: bool = False

    def still(self, change: float) -> float:
        """Movement of the potentials, in units of eps, at which sweeps end after an outer iteration of ``change``."""
        return 0.0 if self.tol is None else 0.1 * change

    def settled(self, step: Step) -> bool:
        """Whether an outer iteration counts as converged."""
        return max(step.plan_change, step.marginal_error) < (UNSETTLED if self.tol is None else self.tol)


class Iterate(NamedTuple):
    """One plan with the potentials f, g of the linear problem that it solved."""

    plan: Plan
    f: Vector
    g: Vector


class Descent(NamedTuple):
    """The end of an iteration: plans (``second`` of the joint objective alone), whether it converged, and its steps."""

    first: Iterate
    second: Iterate | None
    converged: bool
    history: tuple[Step, ...]


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


def descend_plain(backend: Backend, setting: Setting, schedule: Schedule, start: Iterate) -> Descent:
    """Minimise the plain objective."""
    plan, f, g = start
    distortion, _ = backend.distortion(plan)
    history: list[Step] = []
    converged, change = False, 1.0
    for _ in range(schedule.n_outer):
        structure = 2.0 * setting.alpha / (plan.mass if schedule.gw_mass_norm else 1.0)
        problem = setting.linear(structure, 1.0 - setting.alpha)
        solved = backend.solve(distortion, problem, g, schedule.n_sinkhorn, schedule.still(change))
        f, g = solved.f, solved.g
        residual = setting.row.residual(solved.plan.row, f)
        distortion, inner = backend.distortion(solved.plan)
        objective = _rescale(setting, schedule, solved.plan, setting.alpha * inner)
        change = backend.change(plan, solved.plan) / max(solved.plan.mass, 1e-30)
        plan = solved.plan
        history.append(Step(objective, change, plan.mass, residual, solved.sweeps))
        converged = schedule.settled(history[-1])
        if converged and schedule.tol is not None:
            break
    return Descent(Iterate(plan, f, g), None, converged, tuple(history))


def _rescale(setting: Setting, schedule: Schedule, plan: Plan, quadratic: float) -> float:
    """Scale a plan of scale 1 by the mass step and return the objective after it."""
    row, col, mass = plan.row, plan.col, plan.mass
    linear, entropy = (1.0 - setting.alpha) * plan.linear, setting.eps * plan.entropy
    scale = 1.0
    if schedule.mass_step and not (setting.row.exact or setting.col.exact) and mass > 0:
        slope = setting.row.scale(row) + setting.col.scale(col) + setting.eps * mass
        pull = linear + setting.row.entropy(row) + setting.col.entropy(col) + entropy
        if schedule.gw_mass_norm:
            # T / mass does not change with the scale, so the structure term pulls linearly.
            scale = optimal_scale(pull + 2.0 * quadratic / mass, 0.0, slope)
        else:
            scale = optimal_scale(pull, quadratic, slope)
        plan.scale = scale
    structure = scale * quadratic / mass if schedule.gw_mass_norm and mass > 0 else scale * scale * quadratic
    kl = plan.scaled_entropy - plan.mass + setting.total
    penalty = setting.row.penalty(scale * row) + setting.col.penalty(scale * col)
    return scale * linear + structure + penalty + setting.eps * kl


def descend_joint(backend: Backend, setting: Setting, schedule: Schedule, first: Iterate, second: Iterate) -> Descent:
    """Minimise the joint objective over two plans of equal mass, each in turn."""
    history: list[Step] = []
    converged, change = False, 1.0
    for _ in range(schedule.n_outer):
        sweeps = schedule.n_sinkhorn, schedule.still(change)
        if second.plan is not first.plan:
            backend.release(second.plan)
        second, _, errors, done = _joint_half(backend, setting, first.plan, second.g, *sweeps)
        before = first.plan
        if second.plan.mass > VANISHED:
            first, structure, error, more = _joint_half(backend, setting, second.plan, first.g, *sweeps)
        if min(first.plan.mass, second.plan.mass) <= VANISHED:
            # Nothing is transported any more: the next linear problem would have eps = 0.
            first.plan.scale = second.plan.scale = 0.0
            objective = _joint_objective(setting, first.plan, second.plan, 0.0)
            history.append(Step(objective, 1.0, 0.0, errors, done))
            break
        objective = _joint_objective(setting, first.plan, second.plan, structure)
        change = backend.change(before, first.plan) / max(first.plan.mass, 1e-30)
        history.append(Step(objective, change, first.plan.mass, max(errors, error), done + more))
        converged = schedule.settled(history[-1])
        if converged and schedule.tol is not None:
            break
    return Descent(first, second, converged, tuple(history))


def _joint_half(
    backend: Backend, setting: Setting, given: Plan, g: Vector, n_sinkhorn: int, still: float
) -> tuple[Iterate, float, float, int]:
    """The best plan against ``given``, scaled to equal mass.

    With ``given`` fixed the objective is mass(given) times an unbalanced problem plus a constant in the local cost.

    Returns:
        The plan, alpha <T(given), plan>, the residual of its row marginal, and the sweeps done.
    """
    mass = given.mass
    row, col = setting.row.entropy(given.scale * given.row), setting.col.entropy(given.scale * given.col)
    constant = row + col + setting.eps * given.scaled_entropy
    problem = setting.linear(setting.alpha, 0.5 * (1.0 - setting.alpha), constant, mass)
    distortion, _ = backend.distortion(given)
    solved = backend.solve(distortion, problem, g, n_sinkhorn, still)
    plan = solved.plan
    residual = setting.row.residual(plan.row, solved.f, mass)
    structure = solved.cost - problem.anchor * plan.linear - constant * plan.mass
    plan.scale = math.sqrt(mass / max(plan.mass, 1e-300))
    return Iterate(plan, solved.f, solved.g), plan.scale * structure, residual, solved.sweeps


def _joint_objective(setting: Setting, first: Plan, second: Plan, structure: float) -> float:
    """``structure`` = alpha <T(second), first>."""
    masses, total = first.mass * second.mass, setting.total
    value = structure + 0.5 * (1.0 - setting.alpha) * (first.scale * first.linear + second.scale * second.linear)
    for side, p, q in ((setting.row, first.row, second.row), (setting.col, first.col, second.col)):
        value += second.mass * side.entropy(first.scale * p) + first.mass * side.entropy(second.scale * q)
        value += side.uniform_rho * (side.total**2 - masses)
    cross = second.mass * first.scaled_entropy + first.mass * second.scaled_entropy
    return value + setting.eps * (cross + total**2 - masses)
