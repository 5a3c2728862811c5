"""Negatives: false targets of a source, drawn uniformly and with replacement from the nodes it has no edge to.

Draw number ``j`` below ``N - degree - 1`` stands for the j-th node that is neither the source nor a neighbour of it. So
each negative takes exactly one raw draw, none is ever rejected, and any part of a table can be drawn by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from magbench.data.edges import distinct
from magbench.errors import DataError
from magbench.graph.splits import Index, bounded, random_keys

_CHUNK_CELLS = 2_000_000

Table = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class NonNeighbours:
    """The complement of a graph, in the memory of the graph.

    Attributes:
        num_nodes: N.
        offsets: int64 [N + 1]; node s owns entries ``offsets[s]`` … of ``keys``.
        keys: int64, ascending: ``s N + e_k - k`` for the k-th smallest e_k of s and its neighbours.
    """

    num_nodes: int
    offsets: Index
    keys: Index

    @classmethod
    def of(cls, edge_index: NDArray[np.int64], num_nodes: int) -> NonNeighbours:
        """From int64 [2, E]; directions, self-loops and duplicates do not matter."""
        loops = np.arange(num_nodes)
        source = np.concatenate([edge_index[0], edge_index[1], loops])
        target = np.concatenate([edge_index[1], edge_index[0], loops])
        pairs = distinct(source * num_nodes + target)
        offsets = np.searchsorted(pairs, np.arange(num_nodes + 1) * num_nodes)
        rank = np.arange(len(pairs)) - offsets[pairs // max(num_nodes, 1)]
        return cls(num_nodes, offsets, pairs - rank)

    def count(self, source: Index) -> Index:
        """How many nodes each source has no edge to, itself left out: int64, the shape of ``source``."""
        return self.num_nodes - (self.offsets[source + 1] - self.offsets[source])

    def pick(self, source: Index, number: Index) -> Index:
        """The ``number``-th (from 0) of those nodes; both int64, of shapes that go together."""
        skipped = np.searchsorted(self.keys, source * self.num_nodes + number, side="right") - self.offsets[source]
        picked: Index = number + skipped
        return picked


def draw_negatives(known: NonNeighbours, source: Index, count: int, seed: int, start: int, spare: int = 0) -> Table:
    """int32 [Q, count + spare]: row q begins with draws ``start + q · count`` … of the stream of ``seed``.

    Args:
        known: complement of the graph of all known edges.
        source: int64 [Q].
        count: negatives a source.
        seed: seed of the stream.
        start: its first draw.
        spare: columns of zeros at the end, to be filled.

    Raises:
        DataError: a source with an edge to every other node.
    """
    allowed = known.count(source)
    if len(source) and allowed.min() < 1:
        raise DataError(f"Node {source[allowed.argmin()]} has an edge to every other node, so it has no negatives.")
    table = np.zeros((len(source), count + spare), dtype=np.int32)
    step = max(1, _CHUNK_CELLS // count)
    for first in range(0, len(source), step):
        rows = slice(first, first + step)
        asked = source[rows, None]
        keys = random_keys(len(asked) * count, seed, start + first * count).reshape(-1, count)
        table[rows, :count] = known.pick(asked, bounded(keys, allowed[rows, None]))
    return table


def hide_targets(table: Table, target: Index, column: Index) -> Table:
    """The table, int32 [Q, K + 1], with each row's target put in at ``column``; what stood there goes to the last."""
    rows = np.arange(len(target))
    table[rows, -1] = table[rows, column]
    table[rows, column] = target
    return table
