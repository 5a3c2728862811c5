"""Properties that hold for every problem, on problems that Hypothesis draws."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from otcases import Case, make_case

from magbench.ot import UFGWResult, ufgw

pytestmark = pytest.mark.filterwarnings("ignore::magbench.errors.MagbenchWarning")

CASES = st.builds(make_case, st.integers(2, 14), st.integers(2, 14), st.integers(0, 2**31))
EPS = st.floats(math.log(0.005), math.log(0.5)).map(math.exp)
RHO = st.floats(math.log(0.02), math.log(5.0)).map(math.exp)
KL = st.sampled_from(["plain", "joint"])
FEW = settings(max_examples=40, deadline=None, derandomize=True)


def _solve(case: Case, **options: Any) -> UFGWResult:
    return ufgw(case.Cx, case.Cy, case.M, mu=case.mu, nu=case.nu, **{"alpha": 0.6, **options})


@FEW
@given(case=CASES, eps=EPS, rho=RHO, kl=KL, seed=st.integers(0, 2**31))
def test_permuting_the_nodes_permutes_the_plan(case: Case, eps: float, rho: float, kl: str, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    i, j = (torch.randperm(k, generator=generator) for k in case.M.shape)
    moved = Case(case.Cx[i][:, i], case.Cy[j][:, j], case.M[i][:, j], case.mu[i], case.nu[j])
    # Two outer steps: rounding is not yet amplified where the iteration is far from settled.
    here, there = (_solve(c, eps=eps, rho=rho, kl=kl, n_outer=2) for c in (case, moved))
    torch.testing.assert_close(there.plan, here.plan[i][:, j], rtol=1e-7, atol=1e-13)
    assert there.objective == pytest.approx(here.objective, rel=1e-9)


@FEW
@given(case=CASES, eps=EPS, rho=RHO)
def test_a_settled_marginal_is_the_one_its_potential_implies(case: Case, eps: float, rho: float) -> None:
    found = _solve(case, eps=eps, rho=rho, alpha=0.3, n_outer=200, n_sinkhorn=500, tol=1e-13)
    if not found.converged:
        return
    f, g = found.potentials
    torch.testing.assert_close(found.row_marginal, case.mu * torch.exp(-f / rho), rtol=1e-8, atol=1e-14)
    torch.testing.assert_close(found.col_marginal, case.nu * torch.exp(-g / rho), rtol=1e-8, atol=1e-14)
    assert found.history[-1].marginal_error < 1e-9


@FEW
@given(case=CASES, eps=EPS, rho=RHO, factor=st.floats(0.1, 10.0))
def test_scaling_the_linear_problem_leaves_its_plan(case: Case, eps: float, rho: float, factor: float) -> None:
    one = _solve(case, alpha=0.0, eps=eps, rho=rho, n_sinkhorn=50)
    scaled = case._replace(M=factor * case.M)
    other = _solve(scaled, alpha=0.0, eps=factor * eps, rho=factor * rho, n_sinkhorn=50)
    torch.testing.assert_close(other.plan, one.plan, rtol=1e-9, atol=1e-15)
    assert other.objective == pytest.approx(factor * one.objective, rel=1e-9)


@FEW
@given(case=CASES, eps=EPS, rhos=st.lists(RHO, min_size=2, max_size=4, unique=True))
def test_the_mass_of_a_linear_plan_grows_with_rho(case: Case, eps: float, rhos: list[float]) -> None:
    masses = [_solve(case, alpha=0.0, eps=eps, rho=rho, n_sinkhorn=5000).mass for rho in sorted(rhos)]
    assert all(later >= before * (1 - 1e-9) for before, later in pairwise(masses))
    assert masses[-1] <= 1.0 + 1e-9


@FEW
@given(case=CASES, eps=EPS, rho=RHO, kl=KL)
def test_float32_is_finite_and_near_float64(case: Case, eps: float, rho: float, kl: str) -> None:
    wide = _solve(case, eps=eps, rho=rho, kl=kl, n_outer=2)
    single = Case(*(part.float() for part in case))
    narrow = _solve(single, eps=eps, rho=rho, kl=kl, n_outer=2)
    assert torch.isfinite(narrow.plan).all()
    assert narrow.objective == pytest.approx(wide.objective, rel=1e-4, abs=1e-6)
