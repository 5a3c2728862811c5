"""PPR-weighted pair loss: fit a modality's distances to the graph's where the graph says something.

With Cbar_m and Cbar_G the mean-normalised costs of a batch (as in OptiMAG) and Pi personalised PageRank on it,

    L_m = sum_{i != k} w_ik (Cbar_m(i,k) - Cbar_G(i,k))^2,    w_ik proportional to (Pi_ik + Pi_ki) / 2,  sum w = 1,

a weighted stress (Kamada & Kawai 1989 weigh by distance^-2; here it is diffusion mass). OptiMAG's structure term and
``distmatch`` weigh all N^2 pairs alike, 99 % of which are no edges and lie at the floor of the graph cost: this is the
challenger that spends its weight on neighbourhoods. Collapse does not pay: Cbar_m has mean 1, so pulling neighbours
together pushes all others apart, and the loss is invariant to the scale of the distances (sum C dL/dC = 0).
A loss of magbench's own.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from magbench.errors import MethodError
from magbench.graph.adjacency import Adjacency
from magbench.graph.ppr import PPRStore, kept_ppr, ppr
from magbench.graph.sampling import sample_nodes
from magbench.ot.costs import graph_cost, modality_cost
from magbench.regularizers.base import Context, Diagnostics, Regularizer, RegularizerOptions, observed_mask


class PPRPairsOptions(RegularizerOptions):
    """Options of :class:`PPRPairs`, with the meaning they have for OptiMAG."""

    beta: float = Field(default=0.15, gt=0, lt=1)
    """Teleport probability of personalised PageRank."""
    N: int = Field(default=512, ge=2)
    """Nodes in a batch; at most the nodes there are."""
    sampler: Literal["rw_subgraph", "bfs", "cluster", "uniform", "task_batch"] = "rw_subgraph"
    """How a batch is drawn, see :func:`magbench.graph.sampling.sample_nodes`."""
    delta: float = Field(default=1e-6, gt=0, lt=1)
    """Floor under PageRank scores in the graph cost."""


class PPRPairs(Regularizer):
    """Weighted stress towards the graph's distances."""

    name: ClassVar[str] = "ppr_pairs"
    Options: ClassVar[type[RegularizerOptions]] = PPRPairsOptions

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self._known: tuple[Tensor, PPRStore, Adjacency] | None = None
        self._whole: PPRStore | None = None

    def prepare(self, edge_index: Tensor, num_nodes: int) -> None:
        """Compute PageRank on the whole graph; needed only where training sees mini-batches of it."""
        self._whole = kept_ppr(edge_index, num_nodes, teleport=self.options.beta, norm="sym")

    def __call__(self, ctx: Context) -> tuple[Tensor, Diagnostics]:
        """Mean of L_m over the modalities that two nodes of the batch have, and the weight that lies on edges.

        Raises:
            MethodError: the context is a mini-batch, and :meth:`prepare` was not called.
        """
        store, graph = self._structures(ctx)
        batch = sample_nodes(
            graph, self.options.N, ctx.generator, sampler=self.options.sampler, candidates=ctx.y_train >= 0
        ).to(ctx.node_ids.device)
        diffusion = store.block(ctx.node_ids[batch])
        losses = []
        for modality, z in ctx.z.items():
            keep = observed_mask(ctx, modality)[batch]
            if int(keep.sum()) > 1:
                states = z[batch[keep]] if z.dtype == torch.float64 else z[batch[keep]].float()
                losses.append(pair_stress(states, diffusion[keep][:, keep], delta=self.options.delta))
        found = {
            "batch_nodes": float(len(batch)),
            "edge_weight": _weight_on_edges(pair_weights(diffusion), ctx.edge_index, batch, len(ctx.node_ids)),
            "lambda_eff_factor": 1.0,
        }
        if not losses:
            return sum((z.sum() * 0.0 for z in ctx.z.values()), torch.zeros((), device=batch.device)), found
        return torch.stack(losses).mean(), found

    def _structures(self, ctx: Context) -> tuple[PPRStore, Adjacency]:
        """PageRank of the whole graph and the adjacency of this context, computed again only when edges change."""
        n = len(ctx.node_ids)
        if self._whole is not None:
            return self._whole, Adjacency.of(ctx.edge_index, n)
        if not torch.equal(ctx.node_ids, torch.arange(n, device=ctx.node_ids.device)):
            raise MethodError(
                f"{self.name}: node_ids are not 0..{n - 1}, so this is a mini-batch; call"
                " prepare(edge_index, num_nodes) with the whole graph before training."
            )
        known = self._known
        if known is None or not (known[0] is ctx.edge_index or torch.equal(known[0], ctx.edge_index)):
            store = ppr(ctx.edge_index, n, teleport=self.options.beta)
            known = self._known = ctx.edge_index, store, Adjacency.of(ctx.edge_index, n)
        return known[1], known[2]


def pair_weights(diffusion: Tensor) -> Tensor:
    """w ``[n, n]``: the symmetrised off-diagonal part of ``diffusion``, divided by its sum (0 where it has none)."""
    weights = (0.5 * (diffusion + diffusion.t())).fill_diagonal_(0.0)
    return weights / weights.sum().clamp_min(1e-30)


def pair_stress(z: Tensor, diffusion: Tensor, *, delta: float = 1e-6) -> Tensor:
    """L_m of the states ``[n, d]`` of one modality, given their block ``[n, n]`` of PageRank; a scalar >= 0."""
    cost = modality_cost(z)
    weights = pair_weights(diffusion).to(cost.dtype)
    return (weights * (cost - graph_cost(diffusion, delta=delta).to(cost.dtype)).square()).sum()


def _weight_on_edges(weights: Tensor, edge_index: Tensor, batch: Tensor, num_nodes: int) -> float:
    position = torch.full((num_nodes,), -1, dtype=torch.int64, device=batch.device)
    position[batch] = torch.arange(len(batch), device=batch.device)
    source, target = position[edge_index]
    inside = (source >= 0) & (target >= 0)
    return float(weights[source[inside], target[inside]].sum())
