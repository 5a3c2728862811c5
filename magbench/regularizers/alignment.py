"""What OptiMAG and its controls share: one batch of nodes, the graph cost, one cost a modality, and their telemetry.

    loss = mean over modalities m of  align(Cbar_m, Cbar_G)

A subclass says what :meth:`GraphAlignment.align` is. Batch, costs and normalisation are the same for all of them, so a
difference in scores is due to the alignment alone. The choices that sources leave open: z is taken after the activation
and before dropout, of all nodes (not only labelled ones); nodes without a modality stand outside that modality's costs;
means are over N^2 entries, diagonal included; ``every=k`` does not rescale the weight.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from itertools import combinations
from typing import ClassVar, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from magbench.errors import MethodError
from magbench.graph.adjacency import Adjacency
from magbench.graph.ppr import PPRStore, kept_ppr, ppr
from magbench.graph.sampling import sample_nodes
from magbench.ot.costs import floored_fraction, graph_cost, modality_cost
from magbench.regularizers.base import Context, Diagnostics, Regularizer, RegularizerOptions, observed_mask

_EMPTY_GRAPH_COST = 0.95


class AlignmentOptions(RegularizerOptions):
    """Options of batch, costs and normalisation."""

    alpha: float = Field(default=0.6, ge=0, le=1)
    """Weight of the structure term; 1 - alpha is the anchor's."""
    rho: float = Field(default=0.1, gt=0, allow_inf_nan=True)
    """Strength of the marginal penalties; ``inf`` = balanced."""
    eps: float = Field(default=0.01, gt=0)
    """Entropic strength."""
    beta: float = Field(default=0.15, gt=0, lt=1)
    """Teleport probability of personalised PageRank."""
    N: int = Field(default=512, ge=2)
    """Nodes in a batch; at most the nodes there are."""
    sampler: Literal["rw_subgraph", "bfs", "cluster", "uniform", "task_batch"] = "rw_subgraph"
    """How a batch is drawn, see :func:`magbench.graph.sampling.sample_nodes`."""
    norm: Literal["sym", "rw"] = "sym"
    """Normalisation of the random walk. The cost is symmetrised, which makes ``rw`` and ``sym`` the same but for
    floored scores."""
    delta: float = Field(default=1e-6, gt=0, lt=1)
    """Floor under PageRank scores: how far the farthest node is."""
    diag: Literal["zero", "raw"] = "zero"
    """Diagonal of the graph cost; ``raw`` keeps -log Pi(i, i)."""
    detach_mean: bool = False
    """Hold a modality cost's mean constant in the gradient."""
    mu: Literal["uniform", "degree"] = "uniform"
    """Weights of the nodes; ``degree`` is proportional to degree + 1."""
    loss_norm: Literal["none", "mass2"] = "none"
    """``mass2`` divides by the plan's mass (linear term) and its square (structure term)."""


class Costs(NamedTuple):
    """One modality of one batch: ``modality`` = modality_cost(z) and ``graph``, both ``[n, n]``, states and weights."""

    modality: Tensor
    graph: Tensor
    z: Tensor
    h: Tensor | None
    mu: Tensor


class GraphAlignment(Regularizer):
    """Base of the regularisers that align each modality's distances with the graph's."""

    Options: ClassVar[type[RegularizerOptions]] = AlignmentOptions
    through_cost: ClassVar[bool] = True
    """Whether :meth:`align` differentiates through ``costs.modality``, or through ``costs.z`` by itself."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self._store: PPRStore | None = None
        self._graph: Adjacency | None = None
        self._edges: Tensor | None = None
        self._prepared = False

    @abstractmethod
    def align(self, costs: Costs) -> tuple[Tensor, Diagnostics]:
        """Loss and diagnostics of one modality of one batch."""

    def prepare(self, edge_index: Tensor, num_nodes: int) -> None:
        """Compute PageRank on the whole graph; needed only where training sees mini-batches of it."""
        self._store = kept_ppr(edge_index, num_nodes, teleport=self.options.beta, norm=self.options.norm)
        self._prepared = True

    def __call__(self, ctx: Context) -> tuple[Tensor, Diagnostics]:
        store, graph = self._structures(ctx)
        labelled = ctx.y_train >= 0
        device = ctx.node_ids.device
        batch = sample_nodes(
            graph, self.options.N, ctx.generator, sampler=self.options.sampler, candidates=labelled
        ).to(device)
        diffusion = store.block(ctx.node_ids[batch])
        reference = self.reference(graph_cost(diffusion, delta=self.options.delta, diag=self.options.diag), ctx)
        weights = torch.from_numpy(graph.degree).to(device)[batch] + 1.0 if self.options.mu == "degree" else None
        losses, found = [], defaultdict(list)
        telemetry = self._batch_telemetry(ctx, batch, diffusion)
        edges = _edges_inside(ctx.edge_index, batch, len(ctx.node_ids))
        whole: dict[str, Tensor] = {}
        for modality, z in ctx.z.items():
            keep = observed_mask(ctx, modality)[batch]
            everywhere = bool(keep.all())
            if int(keep.sum()) < 2:
                continue
            nodes = batch if everywhere else batch[keep]
            states = z[nodes] if z.dtype == torch.float64 else z[nodes].float()  # transport needs full precision
            source = states if self.through_cost else states.detach()
            cost = modality_cost(source, detach_mean=self.options.detach_mean)
            costs = Costs(
                cost,
                (reference if everywhere else _restricted(reference, keep)).to(cost.dtype),
                states,
                None if ctx.h is None else ctx.h[nodes].to(states.dtype),
                _normalised(weights, keep, cost),
            )
            loss, diagnostics = self.align(costs)
            losses.append(loss)
            if everywhere:
                whole[modality] = cost.detach()
                if edges.shape[1] > 0:
                    diagnostics["neighbour_distance"] = float(cost.detach()[edges[0], edges[1]].mean())
            for key, value in diagnostics.items():
                found[key].append(value)
                telemetry[f"{key}.{modality}"] = value
        telemetry.update({key: sum(values) / len(values) for key, values in found.items()})
        telemetry.update(_cross_correlation(whole))
        if not losses:  # no modality is present on two nodes of this batch: nothing to align
            return sum((z.sum() * 0.0 for z in ctx.z.values()), torch.zeros((), device=device)), telemetry
        return torch.stack(losses).mean(), telemetry

    def reference(self, graph: Tensor, ctx: Context) -> Tensor:
        """The cost that stands for the graph; placebos replace it."""
        return graph

    def _structures(self, ctx: Context) -> tuple[PPRStore, Adjacency]:
        """PageRank of the whole graph and the adjacency of this context, computed again only when edges change."""
        same = self._edges is not None and (self._edges is ctx.edge_index or torch.equal(self._edges, ctx.edge_index))
        if not same or self._graph is None or self._graph.num_nodes != len(ctx.node_ids):
            self._graph = Adjacency.of(ctx.edge_index, len(ctx.node_ids))
            if not self._prepared:
                self._require_whole_graph(ctx)
                self._store = ppr(ctx.edge_index, len(ctx.node_ids), teleport=self.options.beta, norm=self.options.norm)
            self._edges = ctx.edge_index
        if self._store is None:
            raise MethodError(f"{self.name}: PageRank was not computed.")
        return self._store, self._graph

    def _require_whole_graph(self, ctx: Context) -> None:
        if not torch.equal(ctx.node_ids, torch.arange(len(ctx.node_ids), device=ctx.node_ids.device)):
            raise MethodError(
                f"{self.name}: node_ids are not 0..{len(ctx.node_ids) - 1}, so this is a mini-batch; call"
                " prepare(edge_index, num_nodes) with the whole graph before training."
            )

    def _batch_telemetry(self, ctx: Context, batch: Tensor, diffusion: Tensor) -> Diagnostics:
        floored = floored_fraction(diffusion, self.options.delta)
        if floored > _EMPTY_GRAPH_COST:
            self.warn_once(
                "empty",
                f"{floored:.1%} of the graph cost is at its floor, so it carries almost no structure;"
                " use sampler=rw_subgraph, a larger N or a smaller delta.",
            )
        inside = _edges_inside(ctx.edge_index, batch, len(ctx.node_ids)).shape[1]
        return {
            "batch_nodes": float(len(batch)),
            "batch_degree": inside / max(len(batch), 1),
            "floored_fraction": floored,
        }


def structure_term(cost: Tensor, graph: Tensor, row: Tensor, col: Tensor, image: Tensor) -> Tensor:
    """Q = sum (C_ik - G_jl)^2 P_ij P_kl with ``image`` = P G P^T held constant; O(N^2), and so is its gradient.

    dQ/dC = 2 [C o r r^T - P G P^T]: a weighted stress towards the graph distances that the plan carries over.
    """
    constant = torch.dot(col, (graph * graph) @ col)
    return (cost * (cost * (row[:, None] * row[None, :]) - 2.0 * image)).sum() + constant


def _restricted(reference: Tensor, keep: Tensor) -> Tensor:
    """The graph cost among the nodes that have a modality, normalised anew."""
    part = reference[keep][:, keep]
    return part / part.mean().clamp_min(1e-12)


def _normalised(weights: Tensor | None, keep: Tensor, like: Tensor) -> Tensor:
    if weights is None:
        return torch.full((len(like),), 1.0 / len(like), dtype=like.dtype, device=like.device)
    part = weights[keep].to(like.dtype)
    return part / part.sum()


def _edges_inside(edge_index: Tensor, batch: Tensor, num_nodes: int) -> Tensor:
    """Edges ``[2, e]`` with both ends in the batch, as positions in it."""
    position = torch.full((num_nodes,), -1, dtype=torch.int64, device=batch.device)
    position[batch] = torch.arange(len(batch), device=batch.device)
    ends = position[edge_index]
    return ends[:, (ends >= 0).all(0)]


def _cross_correlation(costs: dict[str, Tensor]) -> Diagnostics:
    """Pearson correlation of each two modalities' costs: low where modalities disagree about who is near whom."""
    found = {}
    for a, b in combinations(costs, 2):
        x, y = costs[a] - costs[a].mean(), costs[b] - costs[b].mean()
        found[f"correlation.{a}.{b}"] = float((x * y).sum() / (x.norm() * y.norm()).clamp_min(1e-12))
    return found
