"""Costs: normalisation, closed forms, gradients, bad options."""

from __future__ import annotations

import math

import pytest
import torch

from magbench.errors import OptionError
from magbench.ot import anchor_cost, graph_cost, modality_cost
from magbench.ot.costs import floored_fraction, relative_eps, unit_rows

F64 = torch.float64


def _states(n: int = 20, d: int = 5) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(0), dtype=F64)


def test_modality_cost_by_hand() -> None:
    # Cosine distances of e1, e2, -e1: 1, 2, 1 off the diagonal; their mean over 9 entries is 8/9.
    z = torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]], dtype=F64)
    expected = torch.tensor([[0.0, 1.0, 2.0], [1.0, 0.0, 1.0], [2.0, 1.0, 0.0]], dtype=F64) * 9 / 8
    torch.testing.assert_close(modality_cost(z), expected)


def test_costs_are_symmetric_zero_diagonal_and_mean_one() -> None:
    z = _states()
    scores = torch.rand(20, 20, generator=torch.Generator().manual_seed(1), dtype=F64)
    for cost in (modality_cost(z), graph_cost(scores)):
        torch.testing.assert_close(cost, cost.t())
        assert float(cost.diagonal().abs().max()) == 0.0
        assert float(cost.mean()) == pytest.approx(1.0)
        assert float(cost.min()) >= 0.0


def test_invariant_12_gradient_is_orthogonal_to_the_scale() -> None:
    z = _states().requires_grad_()
    raw = 1.0 - unit_rows(z) @ unit_rows(z).t()
    raw = raw.clamp_min(0).fill_diagonal_(0.0)
    raw.retain_grad()
    weight = torch.rand(20, 20, generator=torch.Generator().manual_seed(2), dtype=F64)
    ((raw / raw.mean()) ** 2 * weight).sum().backward()
    assert raw.grad is not None
    assert float((raw.detach() * raw.grad).sum()) == pytest.approx(0.0, abs=1e-9)


def test_detach_mean_changes_the_gradient_and_not_the_value() -> None:
    grads = []
    for detach in (False, True):
        z = _states().requires_grad_()
        cost = modality_cost(z, detach_mean=detach)
        torch.testing.assert_close(cost, modality_cost(_states()))
        (cost**2).sum().backward()
        grads.append(z.grad)
    assert not torch.allclose(grads[0], grads[1])


def test_zero_and_coinciding_rows_stay_finite() -> None:
    for z in (torch.zeros(4, 3), torch.ones(4, 3), torch.cat([torch.zeros(2, 3), torch.eye(3)])):
        z = z.requires_grad_()
        cost = modality_cost(z)
        assert torch.isfinite(cost).all()
        cost.square().sum().backward()
        assert torch.isfinite(z.grad).all()
        assert float(z.grad[z.detach().norm(dim=1) == 0].abs().sum()) == 0.0


def test_graph_cost_by_hand() -> None:
    scores = torch.tensor([[0.5, 0.1], [0.1, 0.5]], dtype=F64)
    torch.testing.assert_close(graph_cost(scores), torch.tensor([[0.0, 2.0], [2.0, 0.0]], dtype=F64))
    raw = graph_cost(scores, diag="raw")
    assert float(raw[0, 0] / raw[0, 1]) == pytest.approx(math.log(0.5) / math.log(0.1))


def test_floor_and_its_share() -> None:
    scores = torch.eye(4) * 0.5
    scores[0, 1] = scores[1, 0] = 0.25
    assert floored_fraction(scores, 1e-6) == pytest.approx(10 / 12)
    cost = graph_cost(scores, delta=1e-6)
    assert float(cost[0, 2] / cost[0, 1]) == pytest.approx(math.log(1e-6) / math.log(0.25))


def test_anchors() -> None:
    graph = graph_cost(torch.rand(6, 6, generator=torch.Generator().manual_seed(3), dtype=F64))
    soft = anchor_cost(graph, tau=0.5)
    identity = anchor_cost(graph, kind="identity")
    assert soft is not None
    assert identity is not None
    torch.testing.assert_close(soft, (1 - torch.exp(-graph / 0.5)).fill_diagonal_(0.0))
    torch.testing.assert_close(identity, 1 - torch.eye(6, dtype=F64))
    limit = anchor_cost(graph, tau=1e-6)
    torch.testing.assert_close(limit, identity)
    assert anchor_cost(graph, kind="none") is None
    z = _states(6)
    cross = anchor_cost(graph, kind="cross", z=z, h=z)
    assert cross is not None
    torch.testing.assert_close(cross.diagonal(), torch.zeros(6, dtype=F64), atol=1e-12, rtol=0)


def test_relative_eps_by_hand() -> None:
    assert relative_eps(0.9, 0.6, torch.full((10, 10), 0.5)) == pytest.approx(0.9 * 0.4 * 0.5 / math.log(10))


def test_bad_options_are_named() -> None:
    graph = torch.ones(3, 3)
    with pytest.raises(OptionError, match="delta=0"):
        graph_cost(graph, delta=0.0)
    with pytest.raises(OptionError, match="zero, raw"):
        graph_cost(graph, diag="one")
    with pytest.raises(OptionError, match="soft_graph"):
        anchor_cost(graph, kind="hard")
    with pytest.raises(OptionError, match="tau"):
        anchor_cost(graph, tau=0.0)
    with pytest.raises(OptionError, match="one shape"):
        anchor_cost(graph, kind="cross", z=torch.ones(3, 2), h=torch.ones(3, 4))
