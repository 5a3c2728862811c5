"""Edge splits: which edges of an undirected graph train, validate and test, each edge once.

The edges are the unique pairs u < v; an edge never stands in one part while its reverse stands in another. A held-out
edge is a *query*: one end, drawn at random, is the source that asks, the other the target to be found.

One stream of raw draws (:mod:`magbench.graph.splits`) gives, for E edges in ascending order: draws 0 … E-1 their random
order, the next E which end asks (the top bit). Whoever needs more draws starts at :data:`DRAWS_PER_EDGE` times E.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magbench.errors import DataError
from magbench.graph.splits import Index, parts_digest, random_keys

DRAWS_PER_EDGE = 2


@dataclass(frozen=True, eq=False)
class EdgeSplit:
    """Edges of the three parts, int64 [2, e] each: row 0 the source, row 1 the target. Training edges have u < v.

    Held-out edges are in the order of the draw: in ascending order, the sources before and after a query in the list
    would tell between which nodes its target lies.
    """

    train: Index
    val: Index
    test: Index

    def digest(self) -> str:
        """sha256 (hex) over the edges of the three parts."""
        return parts_digest(self.train.T, self.val.T, self.test.T)


def random_edge_split(edges: Index, seed: int, *, val: float, test: float) -> EdgeSplit:
    """Draw ``round(share · E)`` edges for testing, as many by ``val`` for validation; the rest train.

    Args:
        edges: int64 [2, E], as :func:`~magbench.data.edges.undirected_edges` gives them.
        seed: seed of the draw.
        val: share of the edges for validation.
        test: share of the edges for testing.

    Raises:
        DataError: too few edges for one of each part.
    """
    count = edges.shape[1]
    num_test, num_val = round(test * count), round(val * count)
    if min(num_test, num_val, count - num_test - num_val) < 1:
        raise DataError(f"{count} edges are too few to train, validate and test on.")
    order = np.argsort(random_keys(count, seed), kind="stable")
    ends = edges.copy()
    swapped = (random_keys(count, seed, start=count) >> np.uint64(63)).astype(bool)
    ends[:, swapped] = ends[::-1, swapped]
    test_ids, val_ids, train_ids = np.split(order, [num_test, num_test + num_val])
    return EdgeSplit(edges[:, np.sort(train_ids)], ends[:, val_ids], ends[:, test_ids])
