"""Propagation weights: PyG's on a whole graph, and right in expectation on a sample."""

from __future__ import annotations

import warnings

import pytest
import torch
from small import small_mag
from torch_geometric.nn import GCNConv, SAGEConv
from torch_geometric.nn.conv.gcn_conv import gcn_norm

from magbench.nn.propagation import adjacency, symmetric_norm


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


@pytest.mark.parametrize("wanted", [203, 60])
def test_one_sparse_product_is_what_pygs_edges_give(wanted: int) -> None:
    """Values and gradients of both convolutions, with isolated nodes, and edges into the first nodes alone."""
    edges = small_mag().edge_index
    edges = edges[:, edges[1] < wanted]
    weight = torch.rand(edges.size(1), generator=torch.Generator().manual_seed(0))
    h = torch.randn(203, 16, generator=torch.Generator().manual_seed(1))

    def both(conv: torch.nn.Module, states: object, *graph: torch.Tensor) -> list[torch.Tensor]:
        h.requires_grad_().grad = None
        conv.zero_grad()
        out = conv(states(h), *graph)
        out.square().sum().backward()
        return [out, h.grad, *(parameter.grad for parameter in conv.parameters())]

    sage, gcn = SAGEConv(16, 8), GCNConv(16, 8, normalize=False)
    cases = [
        (sage, lambda x: (x, x[:wanted]), (edges,), adjacency(edges, wanted, 203)),
        (gcn, lambda x: x, (edges, weight), adjacency(edges, 203, 203, weight)),
    ]
    for conv, states, plain, matrix in cases:
        assert len(matrix) == 1 and matrix[0].layout == torch.sparse_csr
        for expected, found in zip(both(conv, states, *plain), both(conv, states, *matrix), strict=True):
            assert torch.allclose(expected, found, atol=1e-5, rtol=1e-5)


def test_elsewhere_the_edges_stay_edges() -> None:
    edges, weight = (torch.empty(*size, device="meta") for size in ((2, 5), (5,)))
    assert adjacency(edges, 3, 3) == (edges,)
    assert [part is own for part, own in zip(adjacency(edges, 3, 3, weight), (edges, weight), strict=True)] == [
        True
    ] * 2


def test_the_matrix_is_made_in_silence_and_passes_torchs_checks() -> None:
    """A cell's record would keep the warning that torch gives of its sparse tensors."""
    edges = torch.tensor([[2, 0, 1, 0], [1, 1, 0, 1]])  # one edge twice
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (matrix,) = adjacency(edges, 2, 3)
    assert matrix.to_dense().tolist() == [[0, 1, 0], [2, 0, 1]]
    (simple,) = adjacency(edges[:, :3], 2, 3)
    torch.sparse_csr_tensor(simple.crow_indices(), simple.col_indices(), simple.values(), (2, 3), check_invariants=True)
