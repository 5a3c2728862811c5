"""A placebo graph that keeps every degree: edges are swapped at random, PageRank and its cost follow from them.

It is the stricter of the graph placebos: ``placebo_permuted`` gives each node another node's distances anew at every
step, this one is one fixed, wrong graph with the right degrees (and so the right hubs) for a whole run.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from magbench.data.mag import simple_undirected
from magbench.graph.adjacency import Adjacency
from magbench.graph.ppr import PPRStore, kept_ppr
from magbench.graph.rewiring import SWAPS_PER_EDGE, swap
from magbench.regularizers.base import Context
from magbench.regularizers.optimag import OptiMAG


class PlaceboRewired(OptiMAG):
    """OptiMAG with the graph cost of :func:`rewire`'s graph.

    Batches are drawn on the true graph, so they hold OptiMAG's nodes. The wrong graph is fixed by the seed of
    ``ctx.generator``, from which nothing is drawn for it: another one for every seed of a benchmark.
    """

    name: ClassVar[str] = "placebo_rewired"

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self._whole: tuple[Tensor, int] | None = None
        self._wrong: tuple[Tensor, PPRStore] | None = None

    def prepare(self, edge_index: Tensor, num_nodes: int) -> None:
        """Remember the whole graph; needed only where training sees mini-batches of it."""
        super().prepare(edge_index, num_nodes)
        self._whole, self._wrong = (edge_index, num_nodes), None

    def _structures(self, ctx: Context) -> tuple[PPRStore, Adjacency]:
        _, graph = super()._structures(ctx)
        edges, num_nodes = self._whole or (ctx.edge_index, len(ctx.node_ids))
        if self._wrong is None or not (self._wrong[0] is edges or torch.equal(self._wrong[0], edges)):
            wrong = rewire(edges, num_nodes, seed=ctx.generator.initial_seed())
            self._wrong = edges, kept_ppr(wrong, num_nodes, teleport=self.options.beta, norm=self.options.norm)
        return self._wrong[1], graph


def rewire(edge_index: Tensor, num_nodes: int, *, seed: int, swaps_per_edge: int = SWAPS_PER_EDGE) -> Tensor:
    """Random double edge swaps (:mod:`magbench.graph.rewiring`), drawn by numpy's ``Generator``.

    Args:
        edge_index: int64 ``[2, E]``, both directions of a graph without self-loops and duplicates.
        num_nodes: N.
        seed: of the swaps, >= 0.
        swaps_per_edge: swaps tried for each undirected edge.

    Returns:
        int64 ``[2, E]``, both directions, on the device of ``edge_index``.
    """
    ends = edge_index[:, edge_index[0] < edge_index[1]].t().cpu().numpy().copy(order="C")
    rng = np.random.default_rng(seed)
    tries = swaps_per_edge * len(ends) if len(ends) > 1 else 0
    picks = rng.integers(max(len(ends), 1), size=(tries, 2))
    swap(ends, num_nodes, [(picks, rng.integers(2, size=tries) == 1)])
    return simple_undirected(torch.from_numpy(ends).t(), num_nodes).to(edge_index.device)
