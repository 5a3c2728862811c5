"""fugw as oracle of the joint objective (needs the extra [perf]; run with -m perf)."""

from __future__ import annotations

import pytest
import torch
from otcases import F64, USUAL, plain_sweeps

from magbench.ot import ufgw

pytestmark = [pytest.mark.perf, pytest.mark.filterwarnings("ignore::magbench.errors.MagbenchWarning")]


def test_joint_equals_fugw_on_200_problems() -> None:
    solvers = pytest.importorskip("fugw.solvers.dense", reason="needs the extra [perf]: fugw is not installed")
    worst, compared = 0.0, 0
    for draw in USUAL:
        case, alpha, rho, eps = draw
        # Two outer iterations, each linear problem solved to the end by both: fugw's last half-step is ours, too.
        solver = solvers.FUGWSolver(nits_bcd=2, nits_uot=plain_sweeps(eps, rho), tol_uot=None, eval_uot=10**6)
        theirs = solver.solve(
            alpha=alpha, rho_s=torch.tensor(rho, dtype=F64), rho_t=torch.tensor(rho, dtype=F64), eps=eps,
            reg_mode="joint", divergence="kl", F=case.M, Ds=case.Cx, Dt=case.Cy, ws=case.mu, wt=case.nu,
            init_plan=None, solver="sinkhorn", verbose=False,
        )  # fmt: skip
        if not torch.isfinite(theirs["pi"]).all() or float(theirs["pi"].sum()) < 1e-3:
            continue
        ours = ufgw(*case[:3], **draw.options(), kl="joint", n_outer=2, n_sinkhorn=5000)
        compared += 1
        worst = max(worst, float((ours.plan - theirs["pi"]).abs().sum() / theirs["pi"].sum()))
    assert compared >= 180
    assert worst < 1e-9
