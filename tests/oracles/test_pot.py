"""POT as oracle of both objectives, on 200 random problems and extreme eps and rho.

Joint: POT's fused unbalanced solver, iterate for iterate. Plain: block descent written with POT's linear unbalanced
Sinkhorn (and, where its kernel would underflow, with scipy's logsumexp).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import ot
import pytest
import torch
from otcases import USUAL, Draw, draw_problem, make_case, plain_sweeps
from scipy.special import logsumexp

from magbench.ot import ufgw

pytestmark = pytest.mark.filterwarnings("ignore::magbench.errors.MagbenchWarning", "ignore::UserWarning")

Array = np.ndarray


EXTREME = [draw_problem(1000 + seed, (5e-4, 5e-3), (0.01, 0.05)) for seed in range(12)]
STIFF = [draw_problem(2000 + seed, (0.02, 0.05), (50.0, 1e4)) for seed in range(6)]


def _pot_joint(draw: Draw, outer: int) -> tuple[Array, float] | None:
    """Plan and objective; None where POT's kernel leaves the floating-point range."""
    case, alpha, rho, eps = draw
    try:
        plan, _, log = ot.gromov.fused_unbalanced_gromov_wasserstein(
            case.Cx.numpy(), case.Cy.numpy(), case.mu.numpy(), case.nu.numpy(), reg_marginals=rho / alpha,
            epsilon=eps / alpha, unbalanced_solver="sinkhorn", alpha=(1 - alpha) / alpha, M=case.M.numpy(),
            max_iter=outer, tol=0, max_iter_ot=plain_sweeps(eps, rho), tol_ot=1e-16, log=True,
        )  # fmt: skip
    except ValueError as error:
        assert "NaN in coupling" in str(error)
        return None
    return plan, alpha * float(log["fugw_cost"])


def test_joint_equals_pot_on_200_problems() -> None:
    worst_plan = worst_value = 0.0
    compared = 0
    for draw in USUAL:
        # Two outer iterations, each linear problem solved to the end by both.
        theirs = _pot_joint(draw, 2)
        if theirs is None or theirs[0].sum() < 1e-3:
            continue  # the extreme problems are below
        plan, value = theirs
        found = ufgw(*draw.case[:3], **draw.options(), kl="joint", n_outer=2, n_sinkhorn=5000)
        compared += 1
        worst_plan = max(worst_plan, float(np.abs(found.plan.numpy() - plan).sum() / plan.sum()))
        worst_value = max(worst_value, abs(found.objective / value - 1))
    assert compared >= 180
    assert worst_plan < 1e-9
    assert worst_value < 1e-10


Linear = Callable[[Array, Array, Array, float, float], Array]


def _pot_linear(a: Array, b: Array, cost: Array, eps: float, rho: float) -> Array:
    reference, sweeps = a[:, None] * b, plain_sweeps(eps, rho)
    plan = ot.unbalanced.sinkhorn_knopp_unbalanced(
        a, b, cost, eps, rho, reg_type="kl", c=reference, numItermax=sweeps, stopThr=1e-16
    )
    return np.asarray(plan)


def _pot_translation_invariant(a: Array, b: Array, cost: Array, eps: float, rho: float) -> Array:
    plan = ot.unbalanced.sinkhorn_unbalanced_translation_invariant(
        a, b, cost, eps, rho, reg_type="kl", c=a[:, None] * b, numItermax=2000, stopThr=1e-16
    )
    return np.asarray(plan)


def _log_linear(a: Array, b: Array, cost: Array, eps: float, rho: float) -> Array:
    f, g, kappa = np.zeros(len(a)), np.zeros(len(b)), rho / (rho + eps)
    for _ in range(plain_sweeps(eps, rho)):
        f = -kappa * eps * logsumexp(np.log(b) + (g - cost) / eps, axis=1)
        g = -kappa * eps * logsumexp((np.log(a) + f / eps)[:, None] - cost / eps, axis=0)
    return np.exp(np.log(a)[:, None] + np.log(b) + (f[:, None] + g - cost) / eps)


def _plain_loop(draw: Draw, outer: int, linear: Linear) -> Array:
    case, alpha, rho, eps = draw
    Cx, Cy, M, a, b = (part.numpy() for part in case)
    plan = a[:, None] * b
    for _ in range(outer):
        row, col = (Cx**2) @ plan.sum(1), (Cy**2) @ plan.sum(0)
        tensor = row[:, None] + col - 2 * Cx @ plan @ Cy
        plan = linear(a, b, (1 - alpha) * M + 2 * alpha * tensor, eps, rho)
    return plan


def _plain_value(draw: Draw, P: Array) -> float:
    case, alpha, rho, eps = draw
    Cx, Cy, M, a, b = (part.numpy() for part in case)

    def kl(x: Array, y: Array) -> float:
        positive = x > 0
        return float((x[positive] * np.log(x[positive] / y[positive])).sum() - x.sum() + y.sum())

    row, col = (Cx**2) @ P.sum(1), (Cy**2) @ P.sum(0)
    structure = float(((row[:, None] + col - 2 * Cx @ P @ Cy) * P).sum())
    return (
        (1 - alpha) * float((M * P).sum())
        + alpha * structure
        + rho * (kl(P.sum(1), a) + kl(P.sum(0), b))
        + eps * kl(P, a[:, None] * b)
    )


@pytest.mark.parametrize(
    ("draws", "linear"),
    [(USUAL, _pot_linear), (EXTREME, _log_linear), (STIFF, _pot_translation_invariant)],
    ids=["200 problems", "smallest eps", "largest rho"],
)
def test_plain_equals_a_loop_of_linear_problems(draws: list[Draw], linear: Linear) -> None:
    worst_plan = worst_value = 0.0
    compared = 0
    for draw in draws:
        plan = _plain_loop(draw, 2, linear)
        if not np.isfinite(plan).all() or plan.sum() < 1e-3:
            continue
        found = ufgw(*draw.case[:3], **draw.options(), mass_step=False, n_outer=2, n_sinkhorn=5000)
        compared += 1
        worst_plan = max(worst_plan, float(np.abs(found.plan.numpy() - plan).sum() / plan.sum()))
        worst_value = max(worst_value, abs(found.objective / _plain_value(draw, plan) - 1))
    assert compared >= 0.9 * len(draws)
    assert worst_plan < 1e-8
    assert worst_value < 1e-10


def test_float32_at_the_smallest_eps_is_near_float64() -> None:
    # POT's float32 gives NaN here; ours must not, and its objective is float32-accurate.
    for seed in range(20):
        case = make_case(40, seed=seed)
        options: dict[str, Any] = {"alpha": 0.6, "rho": 0.1, "eps": 5e-4, "n_outer": 3}
        wide = ufgw(case.Cx, case.Cy, case.M, **options)
        narrow = ufgw(case.Cx.float(), case.Cy.float(), case.M.float(), **options)
        assert torch.isfinite(narrow.plan).all()
        assert narrow.objective == pytest.approx(wide.objective, rel=1e-4)
