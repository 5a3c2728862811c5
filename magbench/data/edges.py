"""Edges counted and listed: the distinct ones, and each undirected one once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]


def distinct(keys: Index) -> Index:
    """The distinct values of ``keys`` (int64 [n]), ascending.

    By sorting: ``np.unique`` hashes integers since numpy 2.3, which takes 60 times as long for ten million.
    """
    ordered = np.sort(keys)
    first = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


def undirected_edges(edge_index: Index, num_nodes: int) -> Index:
    """The unique pairs u < v of ``edge_index`` (int64 [2, E'], any directions), ascending; self-loops are left out."""
    low, high = edge_index.min(axis=0), edge_index.max(axis=0)
    keys = distinct((low * num_nodes + high)[low != high])
    return np.stack([keys // max(num_nodes, 1), keys % max(num_nodes, 1)])


def both_directions(edges: Index, num_nodes: int) -> Index:
    """The ``edge_index`` of a MAG, int64 [2, 2 E], ascending, from its edges (int64 [2, E], each once)."""
    low, high = edges
    keys = np.sort(np.concatenate([low * num_nodes + high, high * num_nodes + low]))
    return np.stack([keys // max(num_nodes, 1), keys % max(num_nodes, 1)])
