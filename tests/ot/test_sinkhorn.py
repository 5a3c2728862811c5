"""Sinkhorn: kernel domain against log domain, against POT, and closed forms."""

from __future__ import annotations

import math

import ot
import pytest
import torch
from torch import Tensor

from magbench.ot.sinkhorn import Problem, kappa, sinkhorn

INF = float("inf")


def _problem(n: int, m: int, eps: float, rho: float, dtype: torch.dtype = torch.float64, seed: int = 0) -> Problem:
    generator = torch.Generator().manual_seed(seed)
    cost = torch.rand(n, m, generator=generator, dtype=torch.float64)
    mu = torch.rand(n, generator=generator, dtype=torch.float64) + 0.2
    nu = torch.rand(m, generator=generator, dtype=torch.float64) + 0.2
    mu, nu = (mu / mu.sum()).to(dtype), (nu / nu.sum()).to(dtype)
    return Problem(cost.to(dtype), mu, nu, eps, kappa(rho, eps), kappa(rho, eps))


def _zeros(problem: Problem) -> Tensor:
    return torch.zeros_like(problem.nu)


@pytest.mark.parametrize("rho", [0.01, 0.1, INF])
@pytest.mark.parametrize("eps", [0.05, 0.005, 5e-4, 1e-4])
def test_kernel_domain_equals_log_domain(eps: float, rho: float) -> None:
    problem = _problem(30, 40, eps, rho)
    fast = sinkhorn(problem, _zeros(problem), 60)
    slow = sinkhorn(problem, _zeros(problem), 60, domain="log")
    torch.testing.assert_close(fast.plan, slow.plan, rtol=1e-9, atol=1e-14)
    torch.testing.assert_close(fast.f, slow.f, rtol=0, atol=1e-12)


@pytest.mark.parametrize("eps", [0.05, 5e-4, 1e-4])
def test_float32_is_finite_and_near_float64(eps: float) -> None:
    single, double = _problem(40, 40, eps, 0.1, torch.float32), _problem(40, 40, eps, 0.1)
    plan = sinkhorn(single, _zeros(single), 100).plan
    assert torch.isfinite(plan).all()
    reference = sinkhorn(double, _zeros(double), 100, domain="log").plan
    assert float((plan - reference).abs().max() / reference.max()) < 1e-6 / eps


def test_plain_kernel_would_fail_where_ours_does_not() -> None:
    problem = _problem(40, 40, 1e-4, 0.1, torch.float32)
    assert float(torch.exp(-problem.cost / problem.eps).sum(1).min()) == 0.0
    assert float(sinkhorn(problem, _zeros(problem), 50).plan.sum()) > 0.5


@pytest.mark.parametrize(("eps", "rho"), [(0.05, 0.1), (0.02, 1.0), (0.1, 0.05)])
def test_equals_pot_unbalanced(eps: float, rho: float) -> None:
    problem = _problem(25, 35, eps, rho)
    ours = sinkhorn(problem, _zeros(problem), 3000).plan
    a, b, cost = problem.mu.numpy(), problem.nu.numpy(), problem.cost.numpy()
    theirs = ot.unbalanced.sinkhorn_knopp_unbalanced(
        a, b, cost, eps, rho, reg_type="kl", c=a[:, None] * b[None, :], numItermax=5000, stopThr=1e-16
    )
    torch.testing.assert_close(ours, torch.from_numpy(theirs), rtol=1e-9, atol=1e-14)


def test_invariant_8_joint_scaling_leaves_the_plan() -> None:
    problem = _problem(20, 20, 0.05, 0.2)
    scaled = problem._replace(cost=7.0 * problem.cost, eps=0.35, kappa_row=kappa(1.4, 0.35), kappa_col=kappa(1.4, 0.35))
    torch.testing.assert_close(
        sinkhorn(problem, _zeros(problem), 50).plan, sinkhorn(scaled, _zeros(problem), 50).plan, rtol=1e-10, atol=1e-15
    )


def test_one_node_by_hand() -> None:
    # rho log(m) * 2 + C + eps log m = 0 at the optimum, so m = exp(-C / (2 rho + eps)) = exp(-.5 / .25).
    one = torch.ones(1, dtype=torch.float64)
    problem = Problem(0.5 * torch.ones(1, 1, dtype=torch.float64), one, one, 0.05, kappa(0.1, 0.05), kappa(0.1, 0.05))
    assert float(sinkhorn(problem, torch.zeros(1, dtype=torch.float64), 500).plan) == pytest.approx(math.exp(-2.0))


def test_zero_weights_give_zero_rows_and_columns() -> None:
    problem = _problem(12, 15, 0.01, 0.1, torch.float32)
    problem.mu[3] = 0.0
    problem.nu[:4] = 0.0
    for domain in ("auto", "log"):
        found = sinkhorn(problem, _zeros(problem), 30, domain=domain)
        assert torch.isfinite(found.plan).all()
        assert float(found.plan[3].sum()) == 0.0
        assert float(found.plan[:, :4].sum()) == 0.0
        assert float(found.plan.sum()) > 0.1


def test_kappa_of_exact_free_and_mixed_marginals() -> None:
    assert kappa(INF, 0.1) == 1.0
    assert kappa(0.0, 0.1) == 0.0
    torch.testing.assert_close(kappa(torch.tensor([INF, 0.1]), 0.1), torch.tensor([1.0, 0.5]))
