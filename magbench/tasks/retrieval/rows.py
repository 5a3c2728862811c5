"""Rows of a side: the items of every place (:mod:`magbench.tasks.retrieval.passes`), in an order that says nothing.

A node has one item on a side, or several (captions); each of its places has a row for each. The rows of each side are
shuffled by themselves. Edges and pairs are sorted by rows once they are shuffled, so that their order does not betray
the nodes'.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from magbench.graph.splits import Index, random_keys


@dataclass(frozen=True, eq=False)
class Items:
    """What a side holds.

    Attributes:
        node: int64 [I], ascending.
        x: float32 [I, d].
        observed: bool [I].
    """

    node: Index
    x: Tensor
    observed: Tensor

    def counts(self, num_nodes: int) -> Index:
        """int64 [N], items of each node."""
        return np.bincount(self.node, minlength=num_nodes)


@dataclass(frozen=True, eq=False)
class Rows:
    """Where the items of each place stand on a side.

    Attributes:
        first, count: int64 [L]; place p has the numbers first[p] … first[p] + count[p] - 1.
        item: int64 [M], the item of each number.
        row: int64 [M], the row of each number.
    """

    first: Index
    count: Index
    item: Index
    row: Index

    @classmethod
    def of(cls, items: Items, node: Index, num_nodes: int, seed: tuple[int, ...]) -> Rows:
        """Rows for the places of ``node`` (int64 [L]), shuffled by a draw of ``seed``."""
        counts = items.counts(num_nodes)
        count = counts[node]
        first = np.cumsum(count) - count
        item = np.repeat((np.cumsum(counts) - counts)[node] - first, count) + np.arange(count.sum())
        row = np.empty(len(item), dtype=np.int64)
        row[np.argsort(random_keys(len(item), seed), kind="stable")] = np.arange(len(item))
        return cls(first, count, item, row)

    def of_places(self, places: Index) -> Index:
        """The rows of these places, one after the other."""
        numbers, _ = product(self, places, None, places)
        return self.row[numbers]

    def ordered(self) -> Index:
        """int64 [M], the item of each row."""
        item = np.empty_like(self.item)
        item[self.row] = self.item
        return item


def product(first: Rows, sources: Index, second: Rows | None, targets: Index) -> tuple[Index, Index]:
    """Numbers of all items of each source place with all items of the target place beside it (with none: one each)."""
    wide = np.ones(len(targets), dtype=np.int64) if second is None else second.count[targets]
    total = first.count[sources] * wide
    place = np.arange(total.sum()) - np.repeat(np.cumsum(total) - total, total)
    repeated = np.repeat(np.stack([first.first[sources], wide]), total, axis=1)
    start = 0 if second is None else np.repeat(second.first[targets], total)
    return repeated[0] + place // repeated[1], start + place % repeated[1]


def pairs_among(node: Index, edges: Index, num_nodes: int) -> Tensor:
    """int64 [2, E], sorted: places in ``node`` (int64 [P], whose each pair is) of pairs whose nodes are joined."""
    count = np.bincount(node, minlength=num_nodes)
    places = Rows(np.cumsum(count) - count, count, node, np.argsort(node, kind="stable"))
    return pairs(places, edges[0], places, edges[1])


def pairs(first: Rows, sources: Index, second: Rows, targets: Index) -> Tensor:
    """int64 [2, P], rows of the items of each source place with those of its target place, sorted."""
    left, right = product(first, sources, second, targets)
    found = np.stack([first.row[left], second.row[right]])
    return torch.from_numpy(found[:, np.lexsort((found[1], found[0]))])
