"""Double edge swaps: another graph in which every node has the degree it had.

{a, b}, {c, d} -> {a, d}, {c, b} (Maslov & Sneppen, Science 296, 2002). A swap that would make a self-loop or an edge
that is there already is left out, so every degree stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from magbench.data.edges import both_directions, undirected_edges
from magbench.graph.splits import Index, bounded, random_keys

SWAPS_PER_EDGE = 10
_AT_ONCE = 1 << 20
Tries = tuple[Index, NDArray[np.bool_]]
"""Places of two edges, int64 [T, 2], and whether the second is turned round, bool [T]."""


def rewired(edge_index: Index, num_nodes: int, seed: int | Sequence[int], share: float = 1.0) -> Index:
    """The graph after ten tried swaps an edge, drawn from raw bits (:mod:`magbench.graph.splits`).

    Args:
        edge_index: int64 [2, E], both directions of a graph without self-loops and duplicates.
        num_nodes: N.
        seed: of the swaps.
        share: of the edges, drawn at random, that swap among each other; the others stay.

    Returns:
        int64 [2, E], both directions, ascending.
    """
    edges = undirected_edges(edge_index, num_nodes)
    if share < 1:
        edges = edges[:, np.argsort(random_keys(edges.shape[1], [*np.atleast_1d(seed).tolist(), 1]), kind="stable")]
    ends = np.ascontiguousarray(edges.T)
    swap(ends, num_nodes, _tries(round(share * len(ends)), seed))
    return both_directions(ends.T, num_nodes)


def _tries(count: int, seed: int | Sequence[int]) -> Iterator[Tries]:
    """Tries among the first ``count`` edges, some at a time: the places of all are drawn first, then the turns."""
    tries = SWAPS_PER_EDGE * count if count > 1 else 0
    for first in range(0, tries, _AT_ONCE):
        size = min(_AT_ONCE, tries - first)
        picks = bounded(random_keys(2 * size, seed, 2 * first), count).reshape(-1, 2)
        yield picks, random_keys(size, seed, 2 * tries + first) >> np.uint64(63) == 1


def swap(ends: Index, num_nodes: int, tries: Iterable[Tries]) -> None:
    """Try the swaps, one after the other, on ``ends`` in place: int64 [E, 2], contiguous, each edge once with a < b."""
    from magbench.graph.swap_kernels import enter, swap_ends

    table = np.full(1 << max(2 * len(ends) - 1, 1).bit_length(), -1, dtype=np.int64)
    enter(ends, num_nodes, table)
    for picks, turns in tries:
        swap_ends(ends, picks, turns, num_nodes, table)
