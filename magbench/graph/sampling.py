"""Node batches for regularisers that compare every pair of a batch: which N nodes to take together.

Uniform batches of a large sparse graph hold almost no edges, so structure costs computed on them are empty. The default
draws random walks from 64 start nodes; nodes then come with their neighbourhoods. Where the walks' components are used
up, new start nodes are drawn among the nodes not yet taken, so a batch always has min(N, n) distinct nodes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from magbench.checks import choice
from magbench.graph.adjacency import Adjacency

SAMPLERS = ("rw_subgraph", "bfs", "cluster", "uniform", "task_batch")
_SEEDS = 64
_RESTART = 0.15
_STEPS_AT_ONCE = 16


def sample_nodes(
    graph: Adjacency,
    size: int,
    generator: torch.Generator,
    *,
    sampler: str = "rw_subgraph",
    candidates: Tensor | None = None,
) -> Tensor:
    """Draw ``min(size, n)`` distinct nodes.

    Args:
        graph: adjacency.
        size: number of nodes wanted.
        generator: the only source of randomness.
        sampler: ``"rw_subgraph"`` random walks with restart .15 from 64 uniform start nodes; ``"bfs"`` rings around 64
            start nodes; ``"cluster"`` rings around one; ``"uniform"``; ``"task_batch"`` uniform among ``candidates``,
            filled up uniformly.
        candidates: bool ``[n]``, for ``"task_batch"`` (nodes with a training label).

    Returns:
        int64 ``[min(size, n)]``, ascending.

    Raises:
        OptionError: an unknown sampler.
    """
    choice("sampler", sampler, SAMPLERS)
    n = graph.num_nodes
    if size >= n:
        return torch.arange(n)
    if sampler == "uniform" or sampler == "task_batch":
        order = torch.randperm(n, generator=generator, device=generator.device).cpu()
        if sampler == "task_batch" and candidates is not None:
            order = torch.cat([order[candidates.cpu()[order]], order[~candidates.cpu()[order]]])
        return order[:size].sort().values
    if sampler == "rw_subgraph":
        taken = _walks(graph, size, generator)
    else:
        taken = _rings(graph, size, generator, _SEEDS if sampler == "bfs" else 1)
    return torch.from_numpy(np.sort(taken))


def _walks(graph: Adjacency, size: int, generator: torch.Generator) -> np.ndarray:
    """Nodes in the order in which the walks first meet them."""
    seen = np.zeros(graph.num_nodes, dtype=bool)
    found: list[np.ndarray] = []
    count, at, start = 0, np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    while count < size:
        if len(start) == 0:
            start = _fresh_seeds(seen, generator, _SEEDS)
            count += _take(start, seen, found)
            at = start
        before = count
        draws = _uniform(generator, (_STEPS_AT_ONCE, 2, len(at)))
        for restart, choice_of in draws:
            degree = graph.indptr[at + 1] - graph.indptr[at]
            nearest = graph.indptr[at] + (choice_of * degree).astype(np.int64)
            moved = graph.indices[np.minimum(nearest, len(graph.indices) - 1)] if len(graph.indices) else at
            at = np.where((degree == 0) | (restart < _RESTART), start, moved)
            count += _take(at, seen, found)
        if count - before < len(at) // 4:
            start = start[:0]  # the walks' surroundings are nearly used up
    return np.concatenate(found)[:size]


def _rings(graph: Adjacency, size: int, generator: torch.Generator, seeds: int) -> np.ndarray:
    """Nodes ring by ring around the start nodes, in random order inside a ring."""
    seen = np.zeros(graph.num_nodes, dtype=bool)
    found: list[np.ndarray] = []
    count, frontier = 0, np.empty(0, dtype=np.int64)
    while count < size:
        if len(frontier) == 0:
            frontier = _fresh_seeds(seen, generator, seeds)
        else:
            ring = [graph.indices[graph.indptr[i] : graph.indptr[i + 1]] for i in frontier]
            frontier = np.unique(np.concatenate(ring))
            frontier = frontier[~seen[frontier]]
            frontier = frontier[np.argsort(_uniform(generator, (len(frontier),)), kind="stable")]
        count += _take(frontier, seen, found)
    return np.concatenate(found)[:size]


def _fresh_seeds(seen: np.ndarray, generator: torch.Generator, seeds: int) -> np.ndarray:
    """Up to ``seeds`` nodes drawn uniformly among those not seen."""
    left = np.flatnonzero(~seen)
    return left[np.argsort(_uniform(generator, (len(left),)), kind="stable")[:seeds]]


def _take(nodes: np.ndarray, seen: np.ndarray, found: list[np.ndarray]) -> int:
    """Mark and keep the nodes not seen before, in order; returns how many."""
    new = nodes[~seen[nodes]]
    if len(new) == 0:
        return 0
    _, first = np.unique(new, return_index=True)
    new = new[np.sort(first)]
    seen[new] = True
    found.append(new)
    return len(new)


def _uniform(generator: torch.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers in [0, 1), float64."""
    return np.asarray(torch.rand(shape, generator=generator, dtype=torch.float64, device=generator.device).cpu())
