"""Mini-batches of a large graph as PyG ``Data``: a subgraph sampled around some nodes or edges, with its features.

Each has ``n_id`` (int64 ``[n]``, numbers in the whole graph, seeds first), ``edge_index`` (int64 ``[2, e]`` over
positions in ``n_id``), ``degree`` (int64 ``[n]``, in the whole graph), ``batch_size`` (number of seeds) and, for each
modality m, ``x_<m>`` and ``has_<m>``: only the rows that a batch needs are read of memory-mapped features.

Batch i of epoch e follows from (seed, e, i) alone, so any number of workers gives the same bytes.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch_geometric.data import Data

from magbench.checks import number
from magbench.errors import DataError
from magbench.graph.adjacency import Adjacency
from magbench.graph.neighbors import NeighborSampler, Subgraph
from magbench.graph.splits import bounded, random_keys


@dataclass(frozen=True, eq=False)
class Features:
    """What batches read of each node: ``x`` float ``[N, d_m]`` and ``observed`` bool ``[N]`` for each modality."""

    x: Mapping[str, Tensor]
    observed: Mapping[str, Tensor]

    def of(self, nodes: Tensor) -> dict[str, Tensor]:
        """``x_<m>`` and ``has_<m>`` of some nodes."""
        rows = {f"x_{name}": values[nodes] for name, values in self.x.items()}
        return {**rows, **{f"has_{name}": mask[nodes] for name, mask in self.observed.items()}}


class Batches(Dataset[Data]):
    """All batches of all epochs: ``batches[epoch, i]``; every epoch shuffles the items anew.

    Args:
        sampler: draws the subgraphs.
        features: of all nodes.
        batch_size: items a batch; the last one of an epoch may have fewer.
        seed: seeds order and draws.

    Raises:
        OptionError: ``batch_size`` below 1.
    """

    def __init__(self, sampler: NeighborSampler, features: Features, *, batch_size: int, seed: int) -> None:
        number("batch_size", batch_size, low=1, low_open=False)
        self.sampler, self.features, self.batch_size, self.seed = sampler, features, batch_size, seed
        self._order: tuple[int, np.ndarray] = (-1, np.zeros(0, np.int64))

    @property
    @abstractmethod
    def num_items(self) -> int:
        """Number of nodes or edges that an epoch goes through."""

    @abstractmethod
    def batch(self, items: np.ndarray, key: tuple[int, int, int]) -> Data:
        """The batch of the items at these places; ``key`` is (seed, epoch, number of the batch)."""

    def __len__(self) -> int:
        return math.ceil(self.num_items / self.batch_size)

    def __getitem__(self, index: tuple[int, int]) -> Data:
        epoch, i = index
        if not 0 <= i < len(self):
            raise IndexError(f"batch {i} of epoch {epoch}: an epoch has {len(self)} batches")
        if self._order[0] != epoch:
            keys = random_keys(self.num_items, (self.seed, epoch))
            self._order = epoch, np.argsort(keys, kind="stable")
        items = self._order[1][i * self.batch_size : (i + 1) * self.batch_size]
        return self.batch(items, (self.seed, epoch, i))

    def epoch(self, epoch: int, *, num_workers: int = 0, pin_memory: bool = False) -> Iterator[Data]:
        """The batches of one epoch, in order.

        Args:
            epoch: its number, from 0.
            num_workers: processes that prepare batches ahead; 0 prepares them here. They change the time only.
            pin_memory: page-locked memory, for copies to a GPU.
        """
        return iter(
            DataLoader(
                self,
                sampler=list(zip(repeat(epoch), range(len(self)), strict=False)),
                batch_size=None,
                num_workers=num_workers,
                pin_memory=pin_memory,
                generator=torch.Generator(),  # leaves the global one alone
            )
        )

    def _data(self, subgraph: Subgraph, num_seeds: int) -> Data:
        nodes, indptr = subgraph.nodes, self.sampler.graph.indptr
        n_id = torch.from_numpy(nodes)
        return Data(
            edge_index=torch.from_numpy(subgraph.edge_index),
            num_nodes=len(nodes),
            n_id=n_id,
            degree=torch.from_numpy(indptr[nodes + 1] - indptr[nodes]),
            batch_size=num_seeds,
            **self.features.of(n_id),
        )


class NodeBatches(Batches):
    """Batches around nodes: the first ``batch_size`` of ``n_id`` are some of ``nodes``.

    Args:
        nodes: int64 ``[S]``, distinct.
    """

    def __init__(
        self, sampler: NeighborSampler, features: Features, nodes: Tensor, *, batch_size: int, seed: int
    ) -> None:
        super().__init__(sampler, features, batch_size=batch_size, seed=seed)
        self.nodes = nodes.numpy()

    @property
    def num_items(self) -> int:
        return len(self.nodes)

    def batch(self, items: np.ndarray, key: tuple[int, int, int]) -> Data:
        seeds = self.nodes[items]
        return self._data(self.sampler.sample(seeds, key), len(seeds))


class LinkBatches(Batches):
    """Batches around pairs of nodes: ``edge_label_index``, int64 ``[2, P + k P]`` over positions in ``n_id``.

    The first P pairs are edges, then come k pairs for each, which keep one end, at random, and get a random other one;
    ``edge_label`` is 1 and 0. No batch's subgraph holds one of its edges, in either direction, nor are they counted in
    ``degree``, where a missing edge would tell that it is asked for.

    Args:
        edges: int64 ``[2, M]``, each once; those that the graph has, it has in both directions.
        negatives: k.

    Raises:
        DataError: ``edges`` is not ``[2, M]``.
    """

    def __init__(
        self,
        sampler: NeighborSampler,
        features: Features,
        edges: Tensor,
        *,
        batch_size: int,
        seed: int,
        negatives: int = 1,
    ) -> None:
        super().__init__(sampler, features, batch_size=batch_size, seed=seed)
        number("negatives", negatives, low=1, low_open=False)
        if edges.dim() != 2 or edges.size(0) != 2:
            raise DataError(f"edges: found {list(edges.shape)}, expected int64 [2, M].")
        self.edges, self.negatives = edges.numpy(), negatives
        self._in_graph = _edges_of(sampler.graph, self.edges)

    @property
    def num_items(self) -> int:
        return int(self.edges.shape[1])

    def batch(self, items: np.ndarray, key: tuple[int, int, int]) -> Data:
        positive = self.edges[:, items]
        pairs = np.concatenate([positive, self._negatives(positive, key)], axis=1)
        seeds, place = np.unique(pairs, return_inverse=True)
        data = self._data(self.sampler.sample(seeds, key, exclude=positive), len(seeds))
        data.edge_label_index = torch.from_numpy(place.reshape(pairs.shape).astype(np.int64))
        left_out = data.edge_label_index[:, : len(items)][:, self._in_graph[items]]
        data.degree -= torch.bincount(left_out.flatten(), minlength=data.num_nodes)
        data.edge_label = (torch.arange(pairs.shape[1]) < len(items)).float()
        return data

    def _negatives(self, positive: np.ndarray, key: tuple[int, int, int]) -> np.ndarray:
        ends = np.tile(positive, self.negatives)
        swap, keys = random_keys(2 * ends.shape[1], (*key, 1)).reshape(2, -1)
        source = np.where(bounded(swap, 2) == 1, ends[1], ends[0])
        other = bounded(keys, self.sampler.graph.num_nodes - 1)
        return np.stack([source, other + (other >= source)])


def _edges_of(graph: Adjacency, edges: np.ndarray) -> Tensor:
    """bool ``[M]``: which of ``edges``, int64 ``[2, M]``, are edges of the graph."""
    n = graph.num_nodes
    keys = np.repeat(np.arange(n), graph.degree) * n + graph.indices
    return torch.from_numpy(np.isin(edges[1] * n + edges[0], keys))
