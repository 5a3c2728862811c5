"""The written-out gradients and products against torch's own, whatever is kept for the way back."""

from __future__ import annotations

import pytest
import torch
from goma_cases import coupled, one_way_sides, unit_rows
from torch.nn import functional

from magbench.nn.goma import CoupledGraph, smoothing
from magbench.nn.goma.smoothing import EdgeScores, Trajectory, keep_every, limit, limit_steps, mix, propagate

SIZES, WITHIN, ACROSS, _ = one_way_sides()
GRAPH = CoupledGraph.of_sides(SIZES, WITHIN, ACROSS)
ALPHA, STEPS = 0.2, 5


def case(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(GRAPH.num_entries, dtype=torch.float64, generator=generator)
    weights = torch.rand(21, STEPS + 1, dtype=torch.float64, generator=generator)
    return unit_rows(21, 4, seed).requires_grad_(), values.requires_grad_(), weights.requires_grad_()


def recorded(e: torch.Tensor, values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The same sum with dense matrices, recorded by autograd."""
    index = GRAPH.segment_target[GRAPH.segment.long()], GRAPH.source.long()
    matrix = torch.zeros(21, 21, dtype=torch.float64).index_put(index, values)
    state, total = e, weights[:, :1] * functional.normalize(e, dim=1)
    for k in range(1, STEPS + 1):
        state = (1 - ALPHA) * matrix @ state + ALPHA * e
        total = total + weights[:, k : k + 1] * functional.normalize(state, dim=1)
    return total


@pytest.mark.parametrize("every", [1, 2, 3, 6])
def test_mix_and_its_gradients(every: int) -> None:
    inputs, pull = case(), unit_rows(21, 4, seed=7)
    expected = recorded(*inputs)
    wanted = torch.autograd.grad((expected * pull).sum(), inputs)
    run = Trajectory(inputs[0], inputs[1], GRAPH, ALPHA, STEPS, every)
    found = mix(*inputs, run)
    assert torch.allclose(found, expected, atol=1e-13)
    for a, b in zip(torch.autograd.grad((found * pull).sum(), inputs), wanted, strict=True):
        assert torch.allclose(a, b, atol=1e-13)
    alone = Trajectory(inputs[0], inputs[1], GRAPH, ALPHA, STEPS, every)
    shallow = mix(inputs[0].detach(), inputs[1].detach(), inputs[2], alone)
    assert torch.allclose(torch.autograd.grad((shallow * pull).sum(), inputs[2])[0], wanted[2], atol=1e-13)


def test_one_row_of_weights_serves_all() -> None:
    e, values, weights = case()
    row = weights[:1].detach().requires_grad_()
    run = Trajectory(e, values, GRAPH, ALPHA, STEPS, 2)
    (gradient,) = torch.autograd.grad(mix(e, values, row, run).sum(), row)
    (expected,) = torch.autograd.grad(recorded(e, values, row.expand(21, -1)).sum(), row)
    assert torch.allclose(gradient, expected, atol=1e-12)


def test_limit_and_scores_have_the_right_gradients() -> None:
    e, values, _ = case()
    values = (values / 10).detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: limit(a, b, GRAPH, 0.5), (e, values), fast_mode=True)
    b = unit_rows(21, 4, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: EdgeScores.apply(a, b, GRAPH), (e, b))


def test_rows_of_zeros_have_no_gradient_and_no_nan() -> None:
    """A missing item that nobody sends to."""
    graph = CoupledGraph.of_nodes(torch.tensor([[0, 1], [1, 0]]), 3)
    e = unit_rows(6, 4)
    e[2] = 0
    e.requires_grad_()
    values, weights = torch.rand(graph.num_entries).double(), torch.rand(6, 3).double()
    out = mix(e, values, weights, Trajectory(e, values, graph, ALPHA, 2, 1))
    out.sum().backward()
    assert not out[2].any() and e.grad is not None and torch.isfinite(e.grad).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("transpose", [False, True])
def test_products_elsewhere_are_those_of_the_cpu(monkeypatch, dtype: torch.dtype, transpose: bool) -> None:
    """The path of other devices, taken on the CPU, against the compiled loops and a dense product."""
    graph = coupled()
    values, h, e = torch.rand(graph.num_entries).to(dtype), unit_rows(60, 5).to(dtype), unit_rows(60, 5, 1).to(dtype)
    matrix = torch.from_numpy(graph.matrix(values).toarray())
    dense = 0.7 * (matrix.t() if transpose else matrix) @ h
    for teleport in (e, None):
        expected = dense if teleport is None else dense + 0.3 * e
        compiled = propagate(graph, values, h, teleport, 0.3, transpose=transpose)
        monkeypatch.setattr(smoothing, "_COMPILED", ())
        other = propagate(graph, values, h, teleport, 0.3, transpose=transpose)
        products = smoothing.edge_products(graph, h, e)
        monkeypatch.undo()
        assert torch.allclose(compiled, expected, atol=1e-6 if dtype is torch.float32 else 1e-14)
        assert torch.allclose(other, expected, atol=1e-6 if dtype is torch.float32 else 1e-14)
        assert torch.allclose(products, smoothing.edge_products(graph, h, e), atol=1e-6)


def test_what_is_kept() -> None:
    small, large = torch.zeros(10, 4), torch.empty(1, device="meta").expand(200_000, 768)
    assert keep_every(small, 8, deep=True) == keep_every(small, 8, deep=False) == 1
    assert keep_every(large, 8, deep=False) == 9
    assert keep_every(large, 8, deep=True) == 3


def test_steps_to_the_limit() -> None:
    for alpha in (0.05, 0.2, 0.9):
        steps = limit_steps(alpha, torch.float32)
        assert (1 - alpha) ** steps <= torch.finfo(torch.float32).eps < (1 - alpha) ** (steps - 1)
    assert limit_steps(1.0, torch.float64) == 1
