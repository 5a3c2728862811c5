"""Small coupled graphs, and M written down once more from its definition, with loops and dense matrices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from magbench.nn.goma import CoupledGraph

Rows = list[list[int]]


def node_graph(n: int = 30, edges: int = 45, seed: int = 0, *, dirty: bool = True) -> Tensor:
    """int64 [2, E], both directions; the last three nodes are isolated; ``dirty`` adds duplicates and self-loops."""
    generator = torch.Generator().manual_seed(seed)
    half = torch.randint(0, n - 3, (2, edges), generator=generator)
    half = half[:, half[0] != half[1]]
    both = torch.cat([half, half.flip(0)], dim=1)
    loops = torch.arange(5).repeat(2, 1)
    return torch.cat([both, both[:, :10], loops], dim=1) if dirty else both


def one_way_sides(seed: int = 0) -> tuple[tuple[int, int], tuple[Tensor, Tensor], tuple[Tensor, Tensor], Tensor]:
    """Sides of different sizes with one-directional edges, and rows that are one node."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda a, b, m: torch.stack(  # noqa: E731
        [torch.randint(0, a, (m,), generator=generator), torch.randint(0, b, (m,), generator=generator)]
    )
    sizes = (12, 9)
    pairs = torch.stack([torch.tensor([0, 3, 5, 7]), torch.tensor([8, 1, 0, 4])])
    return sizes, (draw(12, 12, 20), draw(9, 9, 12)), (draw(9, 12, 25), draw(12, 9, 10)), pairs


def dense_m(
    sizes: tuple[int, int],
    within: tuple[Tensor, Tensor],
    across: tuple[Tensor, Tensor] | None,
    weight: Callable[[int, int, int, int], float],
    *,
    coupling: float | np.ndarray = 0.5,
    norm: str = "row",
    forbidden: set[tuple[int, int]] = frozenset(),  # type: ignore[assignment]
) -> np.ndarray:
    """M float64 [N, N]; ``weight(i, j, p, q)`` is exp(s_ij) of target i on side p and source j on side q (stacked)."""
    total = sum(sizes)
    start = (0, sizes[0])
    share = np.broadcast_to(np.stack([1 - np.asarray(coupling), np.asarray(coupling)], -1), (2, 2))
    blocks = {}
    for p in range(2):
        for q in range(2):
            edges = within[p] if p == q else (across[p] if across is not None else torch.zeros(2, 0).long())
            block = np.zeros((total, total))
            for j, i in edges.t().tolist():
                row, column = i + start[p], j + start[q]
                if row == column or (row, column) in forbidden:
                    continue
                block[row, column] = weight(row, column, p, q)
            blocks[p, q] = block
    m = np.zeros((total, total))
    for p in range(2):
        for i in range(start[p], start[p] + sizes[p]):
            there = [q for q in range(2) if blocks[p, q][i].any()]
            part = sum(share[p, int(q != p)] for q in there)
            for q in there:
                block = blocks[p, q]
                for j in np.flatnonzero(block[i]):
                    scale = block[i].sum() if norm == "row" else np.sqrt(block[i].sum() * block[:, j].sum())
                    m[i, j] = share[p, int(q != p)] / part * block[i, j] / scale
            if not there:
                m[i, i] = 1
    return m


def unit_rows(n: int, d: int, seed: int = 0) -> Tensor:
    """float64 [n, d]."""
    x = torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return x / x.norm(dim=1, keepdim=True)


def coupled(n: int = 30, seed: int = 0) -> CoupledGraph:
    return CoupledGraph.of_nodes(node_graph(n, seed=seed), n)
