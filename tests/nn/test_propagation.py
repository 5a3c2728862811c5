"""Propagation weights: PyG's on a whole graph, and right in expectation on a sample."""

from __future__ import annotations

import torch
from small import small_mag
from torch_geometric.nn.conv.gcn_conv import gcn_norm

from magbench.nn.propagation import symmetric_norm


def test_whole_graph_is_pygs_to_the_bit() -> None:
    edges = small_mag().edge_index
    degree = torch.bincount(edges[1], minlength=203)  # three isolated nodes
    found, weight = symmetric_norm(edges, degree)
    expected, expected_weight = gcn_norm(edges, None, 203)
    assert torch.equal(found, expected)
    assert torch.equal(weight, expected_weight)


def test_worked_by_hand() -> None:
    """Node 0 has 3 neighbours of degree 0, 1 and 3; the last two are drawn: they weigh 3 / 2 times as much."""
    _, weight = symmetric_norm(torch.tensor([[2, 3], [0, 0]]), torch.tensor([3, 0, 1, 3]))
    # 1.5 / sqrt(4 * 2), 1.5 / sqrt(4 * 4), loops 1/4, 1, 1/2, 1/4
    assert torch.allclose(weight, torch.tensor([0.5303301, 0.375, 0.25, 1.0, 0.5, 0.25]))


def test_samples_are_right_on_average() -> None:
    edges = small_mag().edge_index
    degree = torch.bincount(edges[1], minlength=200)
    x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    target = int(degree.argmax())
    into = edges[:, edges[1] == target]

    def propagated(part: torch.Tensor) -> torch.Tensor:
        index, weight = symmetric_norm(part, degree)
        return torch.zeros(200, 3).index_add_(0, index[1], weight[:, None] * x[index[0]])[target]

    generator = torch.Generator().manual_seed(1)
    draws = torch.stack(
        [propagated(into[:, torch.randperm(into.size(1), generator=generator)[:3]]) for _ in range(4000)]
    )
    error = (draws.mean(0) - propagated(edges)) / (draws.std(0) / 4000**0.5)
    assert float(error.abs().max()) < 4
