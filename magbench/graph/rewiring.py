"""Double edge swaps: another graph in which every node has the degree it had.

{a, b}, {c, d} -> {a, d}, {c, b} (Maslov & Sneppen, Science 296, 2002). A swap that would make a self-loop or an edge
that is there already is left out, so every degree stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from magbench.data.edges import undirected_edges
from magbench.graph.splits import Index, bounded, random_keys

SWAPS_PER_EDGE = 10
Edge = tuple[int, int]


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
    count = round(share * edges.shape[1])
    tries = SWAPS_PER_EDGE * count if count > 1 else 0
    keys = random_keys(3 * tries, seed)
    picks = bounded(keys[: 2 * tries], max(count, 1)).reshape(-1, 2)
    turns = (keys[2 * tries :] >> np.uint64(63)).astype(np.int64)
    ends = [(int(a), int(b)) for a, b in edges.T]
    swap(ends, picks.tolist(), turns.tolist())
    low, high = np.array(ends, dtype=np.int64).reshape(-1, 2).T
    both = np.concatenate([np.stack([low, high]), np.stack([high, low])], axis=1)
    return both[:, np.lexsort((both[1], both[0]))]


def swap(ends: list[Edge], picks: Iterable[Sequence[int]], turns: Iterable[int]) -> None:
    """Swap in place: the edges at both picks, the second turned round where ``turns`` says so; ``ends`` has a < b."""
    present = set(ends)
    for (i, j), turn in zip(picks, turns, strict=True):
        (a, b), (c, d) = ends[i], ends[j][::-1] if turn else ends[j]
        one, two = (min(a, d), max(a, d)), (min(c, b), max(c, b))
        if a == d or c == b or one == two or one in present or two in present:
            continue
        present -= {ends[i], ends[j]}
        present |= {one, two}
        ends[i], ends[j] = one, two
