"""Linear propagation: edge weights that are right on a whole graph and on a sample of it, and smoothing by them."""

from __future__ import annotations

import warnings

import torch
from scipy.sparse import csr_array
from torch import Tensor
from torch_geometric.nn import SimpleConv

from magbench.nn.memo import Memo


def symmetric_norm(edge_index: Tensor, degree: Tensor) -> tuple[Tensor, Tensor]:
    """D^-1/2 (A + I) D^-1/2 with D = degree + 1 (Kipf & Welling 2017), as edges and their weights.

    Where ``edge_index`` holds k_i of the d_i edges into node i, drawn uniformly, they weigh d_i / k_i times as much, so
    the sum over neighbours is right in expectation; on the whole graph the factor is 1.

    Args:
        edge_index: int64 [2, E], without self-loops.
        degree: int64 [N], in the whole graph.

    Returns:
        int64 [2, E + N], the loops last, and float32 [E + N].
    """
    source, target = edge_index
    root = (degree.float() + 1.0).pow(-0.5)
    drawn = torch.bincount(target, minlength=len(degree)).clamp_min(1)
    weight = root[source] * root[target] * (degree / drawn)[target]
    loops = torch.arange(len(degree), device=degree.device)
    return torch.cat([edge_index, torch.stack([loops, loops])], dim=1), torch.cat([weight, root * root])


def adjacency(edge_index: Tensor, rows: int, columns: int, weight: Tensor | None = None) -> tuple[Tensor, ...]:
    """What PyG's convolutions take after the states.

    On a CPU that is one CSR matrix: a sparse product does what else takes a gather, a scaling and a scatter with a row
    an edge. Elsewhere it is the edges and their weights as they are: torch's CSR products are up to four times as
    fast on an H100, but were never checked there, nor in half precision.

    Args:
        edge_index: int64 [2, E], sources below ``columns`` and targets below ``rows``.
        rows: number of nodes that are aggregated for.
        columns: number of nodes that send.
        weight: float [E]; default: 1 each.

    Returns:
        The CSR matrix float [rows, columns], or ``edge_index`` and, if it is given, ``weight``.
    """
    if edge_index.device.type != "cpu":
        return (edge_index,) if weight is None else (edge_index, weight)
    source, target = edge_index
    order = (target * columns + source).argsort(stable=True)
    ends = torch.bincount(target, minlength=rows).cumsum(0)
    values = torch.ones(len(order)) if weight is None else weight[order]
    indptr = torch.cat([ends.new_zeros(1), ends])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        return (torch.sparse_csr_tensor(indptr, source[order], values, (rows, columns), check_invariants=False),)


class Propagation:
    """S h, with S as in :func:`symmetric_norm`. The matrix is kept for as long as the graph stays the same."""

    def __init__(self) -> None:
        self._matrix: Memo[tuple[Tensor, ...]] = Memo()
        self._product = SimpleConv()

    def __call__(self, h: Tensor, edge_index: Tensor, degree: Tensor) -> Tensor:
        """S h, float [n, d].

        Args:
            h: float [n, d].
            edge_index: int64 [2, e], without self-loops; it may hold a sample of a node's edges.
            degree: int64 [n], in the whole graph.
        """

        def made() -> tuple[Tensor, ...]:
            edges, weight = symmetric_norm(edge_index, degree)
            return adjacency(edges, len(h), len(h), weight)

        product: Tensor = self._product(h, *self._matrix([edge_index, degree], made))
        return product


def smooth(x: Tensor, edge_index: Tensor, steps: int, *, teleport: float = 0.0) -> Tensor:
    """Smoothing without weights: H(k + 1) = (1 - teleport) S H(k) + teleport H(0), S as in :func:`symmetric_norm`.

    Args:
        x: H(0), float [N, d].
        edge_index: int64 [2, E], without self-loops.
        steps: K, at least 0.
        teleport: share of H(0) in each step; 0 gives S^K x (SGC), above 0 APPNP's approximation of personalised
            PageRank.

    Returns:
        H(K), in the type of ``x``.

    Source: Wu et al., "Simplifying graph convolutional networks" (2019); Gasteiger et al., "Predict then propagate"
    (2019).
    """
    size = x.size(0)
    edges, weight = symmetric_norm(edge_index, torch.bincount(edge_index[1], minlength=size))
    source, target = edges.numpy()
    matrix = csr_array((weight.numpy().astype(x.numpy().dtype), (target, source)), shape=(size, size))
    start = h = x.numpy()
    for _ in range(steps):
        h = (1 - teleport) * (matrix @ h) + teleport * start if teleport else matrix @ h
    return torch.from_numpy(h)
