"""Forward push (Andersen, Chung & Lang 2006), the sparse solver of :mod:`magbench.graph.ppr`.

From a start node s: residual r = e_s, estimate p = 0. While some r_u > tol d_u: p_u += b r_u; (1-b) r_u / d_u goes to
the residual of each neighbour. What is left adds b r_v at least, so the result is p + b r, which ranks nodes better
than p at no cost. On an undirected graph pi_rw(s, v) - tol d_v <= p_v + b r_v <= pi_rw(s, v), up to float32 rounding
(1e-5 relative). A result depends on graph, start node and options alone, not on the other start nodes or on threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from queue import Empty, SimpleQueue
from typing import NamedTuple

import numpy as np

from magbench.errors import DataError

_ENTRIES_AT_ONCE = 1 << 21
_MOST_EDGES = (1 << 32) - 1


class Rows(NamedTuple):
    """Some rows of scores: entries in each, int64 ``[S]``; their columns, int32, not sorted, and values, float32."""

    counts: np.ndarray
    columns: np.ndarray
    values: np.ndarray


class Workspace(NamedTuple):
    """What one thread needs, 24 to 28 bytes a node; arguments of the same names in ``push_seeds``."""

    nodes: np.ndarray
    ring: np.ndarray
    touched: np.ndarray

    @classmethod
    def of(cls, offsets: np.ndarray) -> Workspace:
        """From row pointers ``[N + 1]``."""
        from magbench.graph.push_kernels import FIRST, INVERSE

        n = len(offsets) - 1
        nodes = np.zeros((n + 1, 4), np.float32)
        nodes[:n, INVERSE] = 1.0 / np.diff(offsets)
        nodes.view(np.uint32)[:, FIRST] = offsets
        return cls(nodes, np.zeros(1 << max(n - 1, 0).bit_length(), np.uint32), np.zeros(n + 1, np.uint32))


@dataclass(frozen=True)
class PushGraph:
    """A graph laid out for pushing; make it once, push from it often.

    Attributes:
        offsets: uint32 ``[N + 1]``, CSR row pointers of A' = A + I, undirected, without duplicates.
        targets: uint32, its columns.
    """

    offsets: np.ndarray
    targets: np.ndarray
    _idle: SimpleQueue[Workspace] = field(default_factory=SimpleQueue, repr=False, compare=False)

    @classmethod
    def of(cls, edge_index: np.ndarray, num_nodes: int) -> PushGraph:
        """From int64 ``[2, E]`` within 0..N-1; directions, self-loops and duplicates do not matter."""
        if 2 * edge_index.shape[1] + num_nodes > _MOST_EDGES:
            raise DataError(f"The graph has {edge_index.shape[1]} edges; at most {_MOST_EDGES // 2} can be pushed.")
        from magbench.graph.push_kernels import symmetric_csr

        rows, columns = np.ascontiguousarray(edge_index, np.int64)
        sizes = 1 + np.bincount(rows, minlength=num_nodes) + np.bincount(columns, minlength=num_nodes)
        start = np.concatenate([[0], np.cumsum(sizes)])
        loose, targets = np.empty(start[-1], np.uint32), np.empty(start[-1], np.uint32)
        offsets = np.zeros(num_nodes + 1, np.uint32)
        filled = symmetric_csr(rows, columns, start, loose, offsets, targets)
        return cls(offsets, targets[:filled].copy())

    @property
    def num_nodes(self) -> int:
        """Number of nodes N."""
        return len(self.offsets) - 1

    def rows(
        self, seeds: np.ndarray, *, teleport: float, norm: str, tol: float, top_k: int, num_threads: int = 1
    ) -> Iterator[Rows]:
        """Scores from each start node, in their order, some rows at a time.

        Args:
            seeds: int64 ``[S]`` within 0..N-1.
            teleport: restart probability b.
            norm: ``"sym"`` or ``"rw"``.
            tol: residual per degree at which a push stops.
            top_k: entries kept for each start node: the largest estimates.
            num_threads: threads; they change the time, not the result.
        """

        def push(part: np.ndarray) -> Rows:
            return self._push(part, teleport, tol, norm == "sym", min(top_k, self.num_nodes))

        size = max(1, _ENTRIES_AT_ONCE // min(top_k, self.num_nodes)) if len(seeds) else 1
        parts = (seeds[i : i + size] for i in range(0, len(seeds), size))
        with ThreadPoolExecutor(num_threads) as pool:
            while wave := list(islice(parts, num_threads)):
                yield from pool.map(push, wave)

    def _push(self, seeds: np.ndarray, teleport: float, tol: float, root: bool, top_k: int) -> Rows:
        from magbench.graph.push_kernels import push_seeds

        try:
            space = self._idle.get_nowait()
        except Empty:
            space = Workspace.of(self.offsets)
        counts, columns = np.empty(len(seeds), np.int64), np.empty(len(seeds) * top_k + 1, np.int32)
        values = np.empty(len(columns), np.float32)
        filled = push_seeds(
            space.nodes,
            self.targets,
            space.ring,
            space.touched,
            seeds,
            np.float32(teleport),
            np.float32(tol),
            root,
            top_k,
            counts,
            columns,
            values,
        )
        self._idle.put(space)
        return Rows(counts, columns[:filled], values[:filled])


def push_rows(
    offsets: np.ndarray, targets: np.ndarray, seeds: np.ndarray, teleport: float, tol: float, top_k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimates of pi_rw from each start node as CSR row pointers ``[S + 1]``, columns and values.

    Args:
        offsets: ``[N + 1]``, CSR row pointers of A' = A + I; undirected, without duplicates.
        targets: its columns. Arrays of uint32 are taken as they are, others are copied.
        seeds: int64 ``[S]``, start nodes.
        teleport: restart probability b.
        tol: residual per degree at which a push stops.
        top_k: entries kept for each start node.
    """
    graph = PushGraph(np.ascontiguousarray(offsets, np.uint32), np.ascontiguousarray(targets, np.uint32))
    parts = list(graph.rows(seeds, teleport=teleport, norm="rw", tol=tol, top_k=top_k))
    counts, columns, values = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return np.concatenate([[0], np.cumsum(counts)]), columns, values
