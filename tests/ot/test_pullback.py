"""The closed-form loss and gradient of the structure term against autograd and central differences."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from otcases import F64, make_case
from torch import Tensor

from magbench.ot import CosineFactors, anchor_cost, modality_cost, ufgw
from magbench.ot.pullback import structure_loss
from magbench.regularizers.alignment import structure_term


def _gradient(loss: Tensor, z: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(loss, z)
    return gradient


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("zero_rows", [0, 3])
@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("detach_mean", [False, True])
def test_equals_autograd_through_the_dense_cost(
    dtype: torch.dtype, zero_rows: int, diagonal: bool, detach_mean: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(40, 7, generator=generator, dtype=F64).to(dtype)
    z[:zero_rows] = 0.0
    z.requires_grad_()
    graph = make_case(40).Cy.to(dtype)
    plan = (torch.rand(40 if diagonal else (40, 40), generator=generator, dtype=F64) / 40).to(dtype)
    dense = torch.diag(plan) if diagonal else plan
    cost = modality_cost(z, detach_mean=detach_mean)
    slow = structure_term(cost, graph, dense.sum(1), dense.sum(0), dense @ graph @ dense.t())
    fast = structure_loss(z, cost.detach(), graph, plan, detach_mean=detach_mean)
    tight = 1e-12 if dtype == F64 else 1e-5
    assert float(fast) == pytest.approx(float(slow.detach()), rel=tight)
    expected = _gradient(slow, z)
    assert float((_gradient(fast, z) - expected).norm() / expected.norm()) < tight


def test_scale_and_upstream_multiply() -> None:
    z = torch.randn(12, 4, generator=torch.Generator().manual_seed(0), dtype=F64).requires_grad_()
    case, cost = make_case(12), modality_cost(z.detach())
    plan = torch.rand(12, 12, generator=torch.Generator().manual_seed(1), dtype=F64)
    one, six = structure_loss(z, cost, case.Cy, plan), 2.0 * structure_loss(z, cost, case.Cy, plan, scale=3.0)
    assert float(six) == pytest.approx(6 * float(one), rel=1e-12)
    torch.testing.assert_close(_gradient(six, z), 6 * _gradient(one, z))


def test_states_of_any_length_have_the_same_loss() -> None:
    # The cost sees directions only: the gradient is orthogonal to each row and falls with its length.
    z = torch.randn(12, 4, generator=torch.Generator().manual_seed(0), dtype=F64).requires_grad_()
    case = make_case(12)
    plan = torch.rand(12, 12, generator=torch.Generator().manual_seed(1), dtype=F64)
    gradients = []
    for factor in (1.0, 5.0):
        long = (factor * z.detach()).requires_grad_()
        gradients.append(_gradient(structure_loss(long, modality_cost(long.detach()), case.Cy, plan), long))
        assert float((gradients[-1] * long.detach()).sum(1).abs().max()) < 1e-12
    torch.testing.assert_close(gradients[0], 5.0 * gradients[1])


@pytest.mark.parametrize("options", [{}, {"rho": 1.0, "eps": 0.02}, {"alpha": 0.9, "rho": 0.3}], ids=str)
def test_gradient_of_the_optimal_value_equals_central_differences(options: dict[str, Any]) -> None:
    """Envelope theorem: at a converged plan the loss has the gradient of min_P J with respect to the states."""
    z = torch.randn(14, 4, generator=torch.Generator().manual_seed(0), dtype=F64).requires_grad_()
    Cy = make_case(14, seed=1).Cy
    M = anchor_cost(Cy)
    settings: dict[str, Any] = {"alpha": 0.6, "rho": 0.1, "eps": 0.1, **options}
    long: dict[str, Any] = {"n_outer": 400, "n_sinkhorn": 200, "tol": 1e-13}
    found = ufgw(CosineFactors(z.detach()), Cy, M, **settings, **long)
    assert found.converged
    cost = modality_cost(z.detach())
    gradient = _gradient(structure_loss(z, cost, Cy, found.plan, scale=settings["alpha"]), z)
    step = 1e-5
    for i, k in ((0, 1), (5, 3), (13, 0)):
        values = []
        for sign in (1, -1):
            moved = z.detach().clone()
            moved[i, k] += sign * step
            values.append(ufgw(CosineFactors(moved), Cy, M, **settings, **long, init=found).objective)
        assert float(gradient[i, k]) == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-5, abs=1e-9)
