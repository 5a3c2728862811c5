"""Other edges: fewer, more, none at some nodes, or the same ones at other nodes.

Edges are int64 [2, E], each undirected edge once as u < v, ascending (:func:`magbench.data.edges.undirected_edges`);
what is given back need not be ascending (:func:`magbench.data.edges.both_directions` mends that).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from magbench.data.edges import distinct
from magbench.errors import DataError
from magbench.graph.splits import Index, bounded, random_keys
from magbench.variation.shares import Seeds, leading

_FEW = 64


def fewer(edges: Index, rate: float, seed: Seeds) -> Index:
    """The edges less ``round(rate · E)`` of them."""
    dropped = leading(np.arange(edges.shape[1]), rate, random_keys(edges.shape[1], seed))
    return np.delete(edges, dropped, axis=1)


def apart(edges: Index, num_nodes: int, nodes: Index) -> Index:
    """The edges without those at any of ``nodes``."""
    alone = np.zeros(num_nodes, dtype=bool)
    alone[nodes] = True
    return edges[:, ~alone[edges].any(axis=0)]


def more(edges: Index, num_nodes: int, rate: float, seed: Seeds, known: Index | None = None) -> Index:
    """The edges and ``round(rate · E)`` false ones, drawn uniformly among the pairs of nodes that have no edge.

    Args:
        edges: int64 [2, E].
        num_nodes: N.
        rate: at most 1.
        seed: of the draw.
        known: int64 [2, K], edges as u < v that are true although the graph lacks them, as those that are held out.

    Raises:
        DataError: there are fewer such pairs.
    """
    taken = edges if known is None else np.concatenate([edges, known], axis=1)
    keys = distinct(taken[0] * num_nodes + taken[1])
    count, free = round(rate * edges.shape[1]), num_nodes * (num_nodes - 1) // 2 - len(keys)
    if count > free:
        raise DataError(
            f"edge_add={rate:g} asks for {count} false edges beside {edges.shape[1]} true ones, but only {free} pairs "
            f"of the {num_nodes} nodes have no edge; take a smaller rate."
        )
    dense = free <= 2 * len(keys)
    draw = _of_the_list if dense else _by_trial
    found = draw(keys, num_nodes, count, seed)
    return np.concatenate([edges, np.stack([found // max(num_nodes, 1), found % max(num_nodes, 1)])], axis=1)


def _of_the_list(taken: Index, num_nodes: int, count: int, seed: Seeds) -> Index:
    """Keys u N + v of the first ``count`` free pairs in random order: all are listed, about as many as are taken."""
    low, high = np.triu_indices(num_nodes, 1)
    pairs = low * num_nodes + high
    free: Index = pairs[~_among(pairs, taken)]
    return free[np.argsort(random_keys(len(free), seed), kind="stable")[:count]]


def _by_trial(taken: Index, num_nodes: int, count: int, seed: Seeds) -> Index:
    """Keys of the first ``count`` free pairs in a stream of uniform pairs, of which at least two in three are free."""
    tries = count + count // 4 + _FEW
    while True:
        draws = random_keys(2 * tries, seed).reshape(-1, 2)
        one, other = bounded(draws[:, 0], num_nodes), bounded(draws[:, 1], num_nodes - 1)
        other += other >= one
        pairs = np.minimum(one, other) * num_nodes + np.maximum(one, other)
        found = _new(pairs, taken)
        if len(found) >= count:
            return found[:count]
        tries *= 2


def _among(keys: Index, ascending: Index) -> NDArray[np.bool_]:
    """Which keys are in ``ascending``."""
    if not len(ascending):
        return np.zeros(len(keys), dtype=bool)
    found: NDArray[np.bool_] = ascending[np.minimum(np.searchsorted(ascending, keys), len(ascending) - 1)] == keys
    return found


def _new(keys: Index, ascending: Index) -> Index:
    """The distinct keys that are not in ``ascending``, in the order in which they first stand."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    new = ~_among(ordered, ascending)
    new[1:] &= ordered[1:] != ordered[:-1]
    return keys[np.sort(order[new])]


def strangers(num_nodes: int, seed: Seeds) -> Index:
    """int64 [N]: for each node another one, along one random circle through them all; a single node stays itself."""
    order = np.argsort(random_keys(num_nodes, seed), kind="stable")
    stranger = np.empty(num_nodes, dtype=np.int64)
    stranger[order] = np.roll(order, -1)
    return stranger
