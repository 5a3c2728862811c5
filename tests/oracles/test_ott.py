"""ott-jax as oracle of the plain objective (needs the extra [perf]; run with -m perf)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from magbench.ot import modality_cost, ufgw

pytestmark = [pytest.mark.perf, pytest.mark.filterwarnings("ignore::magbench.errors.MagbenchWarning")]
F64 = torch.float64


@pytest.mark.parametrize(("alpha", "rho", "eps"), [(0.6, 0.1, 0.05), (0.3, 1.0, 0.1)])
def test_plain_equals_ott_without_its_correction(alpha: float, rho: float, eps: float) -> None:
    reason = "needs the extra [perf]: ott-jax is not installed"
    jax = pytest.importorskip("jax", reason=reason)
    geometry = pytest.importorskip("ott.geometry.geometry", reason=reason)
    quadratic = pytest.importorskip("ott.problems.quadratic.quadratic_problem", reason=reason)
    gromov = pytest.importorskip("ott.solvers.quadratic.gromov_wasserstein", reason=reason)
    linear = pytest.importorskip("ott.solvers.linear.sinkhorn", reason=reason)
    jax.config.update("jax_enable_x64", True)
    generator = torch.Generator().manual_seed(0)
    n = 20
    Cx, Cy = (modality_cost(torch.randn(n, 5, generator=generator, dtype=F64)) for _ in range(2))
    M = torch.rand(n, n, generator=generator, dtype=F64)
    # ott solves eps' = eps / (2 alpha) with entropy against 1 in place of mu nu', which the anchor makes up for.
    eps_ott, penalty, tau = eps / (2 * alpha), (1 - alpha) / (2 * alpha), rho / (rho + eps)
    anchor = M.numpy() + eps_ott * math.log(n * n) / penalty
    problem = quadratic.QuadraticProblem(
        geometry.Geometry(cost_matrix=jax.numpy.asarray(Cx.numpy())),
        geometry.Geometry(cost_matrix=jax.numpy.asarray(Cy.numpy())),
        geometry.Geometry(cost_matrix=jax.numpy.asarray(anchor)),
        fused_penalty=penalty,
        tau_a=tau,
        tau_b=tau,
        gw_unbalanced_correction=False,
    )
    inner = linear.Sinkhorn(threshold=1e-14, max_iterations=4000, lse_mode=True)
    solver = gromov.GromovWasserstein(
        linear_solver=inner, epsilon=eps_ott, max_iterations=300, min_iterations=300, threshold=0.0
    )
    theirs = np.asarray(solver(problem).matrix)
    ours = ufgw(Cx, Cy, M, alpha=alpha, rho=rho, eps=eps, n_outer=300, n_sinkhorn=60, tol=1e-13)
    assert float(np.abs(ours.plan.numpy() - theirs).sum()) / ours.mass < 1e-6
