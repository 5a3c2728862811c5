"""Neighbour sampling (Hamilton et al. 2017): a small subgraph around some seeds, from which a k-layer network can
compute their states.

Hop by hop, every node met for the first time draws at most ``fanout`` of its neighbours, uniformly and without
replacement; each draw is an edge from the neighbour to the node. Fan-out :data:`ALL` takes them all, and the seeds'
states are then those of the whole graph. What is drawn follows from graph, fan-outs, seeds and ``key`` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from magbench.errors import DataError, OptionError
from magbench.graph.adjacency import Adjacency, check_nodes

ALL = -1
"""The fan-out that takes every neighbour."""

_NOTHING = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Subgraph:
    """Sampled nodes and edges.

    Attributes:
        nodes: int64 ``[n]``, numbers in the whole graph; the seeds first, in their order, then hop by hop.
        edge_index: int64 ``[2, e]``, source and target of each edge as positions in ``nodes``.
    """

    nodes: np.ndarray
    edge_index: np.ndarray


class NeighborSampler:
    """Draws subgraphs of one graph; holds about 5 bytes a node of workspace, so one thread may use it at a time.

    Args:
        graph: neighbours of every node.
        fanouts: neighbours drawn a node in the first hop, the second, ...; :data:`ALL` for all.

    Raises:
        OptionError: a fan-out below -1.
    """

    def __init__(self, graph: Adjacency, fanouts: Sequence[int]) -> None:
        for fanout in fanouts:
            if fanout < ALL:
                raise OptionError(f"fanouts={list(fanouts)!r} is not allowed; each is a count, or {ALL} for all.")
        self.graph, self.fanouts = graph, tuple(fanouts)
        longest = int(graph.degree.max()) if graph.num_nodes else 0
        self._order = np.arange(longest, dtype=np.int32)
        self._position = np.zeros(graph.num_nodes, np.int32)
        self._mark = np.zeros(graph.num_nodes, bool)

    def sample(self, seeds: np.ndarray, key: Sequence[int], *, exclude: np.ndarray | None = None) -> Subgraph:
        """The subgraph around ``seeds``.

        Args:
            seeds: int64 ``[S]``, distinct.
            key: numbers >= 0 that seed the draw, e.g. (seed, epoch, batch).
            exclude: int64 ``[2, P]``, pairs of seeds; no edge of either direction between them is drawn.

        Raises:
            DataError: a seed outside 0..N-1 or twice, or an excluded node that is no seed.
            OptionError: a negative number in ``key``.
        """
        check_nodes("seeds holds", seeds, self.graph.num_nodes)
        if min(key, default=0) < 0:
            raise OptionError(f"key={tuple(key)!r} is not allowed; it is made of whole numbers from 0 on.")
        ordered = np.argsort(seeds, kind="stable")
        distinct = seeds[ordered]
        if (distinct[1:] == distinct[:-1]).any():
            raise DataError(f"seeds holds node {distinct[1:][distinct[1:] == distinct[:-1]][0]} twice.")
        barred_ptr, barred = _by_seed(distinct, ordered, exclude)
        state = np.random.SeedSequence(tuple(key)).generate_state(1, np.uint64)
        nodes, edges = [np.ascontiguousarray(seeds, np.int64)], [np.zeros((2, 0), np.int64)]
        try:
            self._position[seeds] = np.arange(1, len(seeds) + 1)
            for fanout in self.fanouts:
                hop, drawn = self._hop(nodes, fanout, state, barred_ptr, barred)
                barred_ptr = _NOTHING
                nodes.append(hop)
                edges.append(drawn)
        except BaseException:
            self._position[:] = 0
            raise
        for part in nodes:
            self._position[part] = 0
        return Subgraph(np.concatenate(nodes), np.concatenate(edges, axis=1))

    def _hop(
        self, nodes: list[np.ndarray], fanout: int, state: np.ndarray, barred_ptr: np.ndarray, barred: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """New nodes, and edges into the last part of ``nodes``."""
        from magbench.graph.neighbor_kernels import draw_hop

        indptr, frontier, known = self.graph.indptr, nodes[-1], sum(map(len, nodes))
        degree = indptr[frontier + 1] - indptr[frontier]
        room = int((degree if fanout == ALL else np.minimum(degree, fanout)).sum())
        new, edges = np.empty(room, np.int64), np.empty((2, room), np.int64)
        found, count = draw_hop(
            indptr,
            self.graph.indices,
            frontier,
            known - len(frontier),
            fanout,
            state,
            self._position,
            self._order,
            barred_ptr,
            barred,
            self._mark,
            known,
            new,
            edges,
        )
        return new[:found], edges[:, :count]


def _by_seed(distinct: np.ndarray, ordered: np.ndarray, exclude: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Row pointers and partners: which nodes the seed at each position must not draw."""
    if exclude is None or not exclude.size:
        return _NOTHING, _NOTHING
    ends, partners = np.concatenate([exclude, exclude[::-1]], axis=1)
    place = np.minimum(np.searchsorted(distinct, ends), len(distinct) - 1)
    if not len(distinct) or (distinct[place] != ends).any():
        stranger = ends[distinct[place] != ends][0] if len(distinct) else ends[0]
        raise DataError(f"exclude holds node {stranger}, which is not among the seeds.")
    position = ordered[place]
    counts = np.bincount(position, minlength=len(distinct))
    return np.concatenate([[0], np.cumsum(counts)]), partners[np.argsort(position, kind="stable")].astype(np.int64)
