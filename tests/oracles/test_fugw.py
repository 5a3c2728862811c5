"""fugw as oracle of the joint objective (needs the extra [perf]; run with -m perf)."""

from __future__ import annotations

import pytest
import torch

from magbench.ot import modality_cost, ufgw

pytestmark = [pytest.mark.perf, pytest.mark.filterwarnings("ignore::magbench.errors.MagbenchWarning")]
F64 = torch.float64


@pytest.mark.parametrize(("alpha", "rho", "eps"), [(0.6, 0.1, 0.05), (0.3, 1.0, 0.1), (1.0, 0.5, 0.05)])
def test_joint_equals_fugw(alpha: float, rho: float, eps: float) -> None:
    solvers = pytest.importorskip("fugw.solvers.dense", reason="needs the extra [perf]: fugw is not installed")
    generator = torch.Generator().manual_seed(0)
    n, m = 16, 20
    Cx, Cy = (modality_cost(torch.randn(k, 5, generator=generator, dtype=F64)) for k in (n, m))
    M = torch.rand(n, m, generator=generator, dtype=F64)
    mu, nu = (torch.rand(k, generator=generator, dtype=F64) + 0.2 for k in (n, m))
    mu, nu = mu / mu.sum(), nu / nu.sum()
    solver = solvers.FUGWSolver(nits_bcd=25, nits_uot=600, eval_uot=1000)
    theirs = solver.solve(
        alpha=alpha, rho_s=torch.tensor(rho, dtype=F64), rho_t=torch.tensor(rho, dtype=F64), eps=eps,
        reg_mode="joint", divergence="kl", F=M, Ds=Cx, Dt=Cy, ws=mu, wt=nu, init_plan=None, solver="sinkhorn",
        verbose=False,
    )  # fmt: skip
    ours = ufgw(Cx, Cy, M, alpha=alpha, rho=rho, eps=eps, mu=mu, nu=nu, kl="joint", n_outer=25, n_sinkhorn=600)
    assert float((ours.plan - theirs["pi"]).abs().max() / theirs["pi"].max()) < 1e-6
    assert ours.mass == pytest.approx(float(theirs["pi"].sum()), rel=1e-8)
    assert ours.objective == pytest.approx(float(theirs["loss"]["total"][-1]), rel=1e-8)
