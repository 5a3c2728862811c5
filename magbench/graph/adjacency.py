"""Adjacency: a graph as compressed sparse rows, the form in which neighbours are looked up.

Row i holds the nodes that have an edge *to* i, those whose messages i receives; a MAG stores both directions, so they
are simply its neighbours. Arrays may be memory-mapped (copy-on-write, numpy's ``mmap_mode="c"``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from magbench.errors import DataError

_MOST_NODES = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Adjacency:
    """The neighbours of i are ``indices[indptr[i]:indptr[i + 1]]``.

    Attributes:
        indptr: int64 ``[N + 1]``.
        indices: int32 ``[E]``.

    Raises:
        DataError: arrays of another type, row pointers that do not ascend from 0 to E, or a node outside 0..N-1.
    """

    indptr: np.ndarray
    indices: np.ndarray

    def __post_init__(self) -> None:
        for name, dtype in (("indptr", np.int64), ("indices", np.int32)):
            array = getattr(self, name)
            if array.dtype != dtype or array.ndim != 1 or not (array.flags.c_contiguous and array.flags.writeable):
                raise DataError(
                    f"{name}: found {array.dtype} {list(array.shape)}, expected a contiguous, writeable"
                    f" {np.dtype(dtype)} vector (a mapped one with mmap_mode='c')."
                )
        indptr, edges = self.indptr, len(self.indices)
        if not len(indptr) or indptr[0] != 0 or indptr[-1] != edges or (np.diff(indptr) < 0).any():
            raise DataError(f"indptr must ascend from 0 to the {edges} entries of indices.")
        check_nodes("indices holds", self.indices, self.num_nodes)

    @classmethod
    def of(cls, edge_index: Tensor, num_nodes: int) -> Adjacency:
        """From int64 ``[2, E]``, source and target of each edge, in O(E); a row keeps the order of its edges.

        Raises:
            DataError: not int64 ``[2, E]``, a node outside 0..N-1, or more nodes than 2^31 - 1.
        """
        if edge_index.dim() != 2 or edge_index.size(0) != 2 or edge_index.is_floating_point():
            raise DataError(f"edge_index: found {edge_index.dtype} {list(edge_index.shape)}, expected int64 [2, E].")
        if num_nodes > _MOST_NODES:
            raise DataError(f"The graph has {num_nodes} nodes; at most {_MOST_NODES} can be numbered.")
        source, target = (np.ascontiguousarray(ends, np.int64) for ends in edge_index.cpu().numpy())
        for ends in (source, target):
            check_nodes("edge_index points at", ends, num_nodes)
        from magbench.graph.neighbor_kernels import fill_rows

        indptr, indices = np.zeros(num_nodes + 1, np.int64), np.empty(len(source), np.int32)
        fill_rows(target, source, indptr, indices)
        return cls(indptr, indices)

    @property
    def num_nodes(self) -> int:
        """Number of nodes N."""
        return len(self.indptr) - 1

    @property
    def degree(self) -> np.ndarray:
        """Entries of each row, int64 ``[N]``."""
        return np.diff(self.indptr)


def check_nodes(what: str, nodes: np.ndarray, num_nodes: int) -> None:
    """Raise DataError unless all ``nodes`` lie in 0..N-1; ``what`` begins the message."""
    if nodes.size and (nodes.min() < 0 or nodes.max() >= num_nodes):
        raise DataError(
            f"{what} node {int(nodes.max())} (smallest {int(nodes.min())}), but the graph has"
            f" {num_nodes} nodes; allowed are 0..{num_nodes - 1}."
        )
