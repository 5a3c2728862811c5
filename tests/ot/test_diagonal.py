"""The closed form of diagonal plans against the full solver, its fixed-point equation and the mass law."""

from __future__ import annotations

import math

import pytest
import torch

from magbench.ot import anchor_cost, modality_cost, ufgw
from magbench.ot.diagonal import diagonal_plan, off_diagonal_share

F64 = torch.float64


def _costs(n: int, dtype: torch.dtype = F64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(n, 16, generator=generator, dtype=F64)
    Cx = modality_cost(z + 0.7 * torch.randn(n, 16, generator=generator, dtype=F64)).to(dtype)
    Cy = modality_cost(z).to(dtype)
    M = anchor_cost(Cy, tau=0.5)
    assert M is not None
    return Cx, Cy, M


@pytest.mark.parametrize("rho", [0.05, 0.1, 1.0])
def test_closed_form_equals_the_full_solver(rho: float) -> None:
    Cx, Cy, M = _costs(96)
    full = ufgw(Cx, Cy, M, alpha=0.6, rho=rho, eps=0.01, n_outer=20)
    assert float(full.plan.diagonal().sum()) / full.mass > 0.999999
    mu = torch.full((96,), 1 / 96, dtype=F64)
    p = diagonal_plan((Cx - Cy) ** 2, mu, alpha=0.6, rho=rho, eps=0.01)
    torch.testing.assert_close(p, full.plan.diagonal(), rtol=1e-5, atol=0)
    assert off_diagonal_share(Cx, Cy, M, p, mu, alpha=0.6, rho=rho, eps=0.01) < 1e-6


@pytest.mark.parametrize(("alpha", "rho", "eps"), [(0.6, 0.1, 0.01), (1.0, 0.01, 0.005), (0.9, 0.02, 0.05)])
def test_fixed_point_and_mass_law(alpha: float, rho: float, eps: float) -> None:
    n = 64
    Cx, Cy, _ = _costs(n)
    D, mu = (Cx - Cy) ** 2, torch.full((n,), 1 / n, dtype=F64)
    p = diagonal_plan(D, mu, alpha=alpha, rho=rho, eps=eps)
    width = 2 * rho + eps
    expected = n ** (-1 - eps / width) * torch.exp(-2 * alpha * (D @ p) / width)
    torch.testing.assert_close(p, expected, rtol=1e-9, atol=0)
    # With one distortion for all pairs the mass m solves 2 alpha Q m + (2 rho + eps) log m + eps log N = 0.
    Q = 0.3
    m = float(diagonal_plan(torch.full((n, n), Q, dtype=F64), mu, alpha=alpha, rho=rho, eps=eps).sum())
    assert 2 * alpha * Q * m + width * math.log(m) + eps * math.log(n) == pytest.approx(0.0, abs=1e-9)


def test_exact_marginals_and_zero_weights() -> None:
    Cx, Cy, M = _costs(16)
    mu = torch.full((16,), 1 / 15, dtype=F64)
    mu[2] = 0.0
    torch.testing.assert_close(diagonal_plan((Cx - Cy) ** 2, mu, alpha=0.6, rho=math.inf, eps=0.01), mu)
    p = diagonal_plan((Cx - Cy) ** 2, mu, alpha=0.6, rho=0.1, eps=0.01, anchor=M.diagonal())
    assert float(p[2]) == 0.0
    assert torch.isfinite(p).all()


def test_certificate_refuses_where_the_plan_spreads() -> None:
    Cx, Cy, M = _costs(96)
    mu = torch.full((96,), 1 / 96, dtype=F64)
    p = diagonal_plan((Cx - Cy) ** 2, mu, alpha=0.6, rho=0.1, eps=0.1)
    assert off_diagonal_share(Cx, Cy, M, p, mu, alpha=0.6, rho=0.1, eps=0.1) > 0.1
    full = ufgw(Cx, Cy, M, alpha=0.6, rho=0.1, eps=0.1)
    assert float(full.plan.diagonal().sum()) / full.mass < 0.9
