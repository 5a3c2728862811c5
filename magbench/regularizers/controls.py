"""Controls: what any regulariser of OptiMAG's kind must beat before its gain can be called transport or graph.

* :class:`DistMatch`: no transport; each node is matched with itself. Same batches, costs and normalisation as OptiMAG.
* :class:`PlaceboPermuted`, :class:`PlaceboConstant`: OptiMAG with a graph cost that knows nothing of the graph. What
  they gain is dispersion, not structure.
* :class:`GeometricConsistency`: modalities agree with each other on who is near whom; no graph at all (CyCLIP).
"""

from __future__ import annotations

from itertools import combinations
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from magbench.ot.costs import unit_rows
from magbench.regularizers.alignment import AlignmentOptions, Costs, GraphAlignment, structure_term
from magbench.regularizers.base import (
    Context,
    Diagnostics,
    Regularizer,
    RegularizerOptions,
    observed_mask,
    require_shared_width,
    sample_nodes,
)
from magbench.regularizers.optimag import OptiMAG


class DistMatchOptions(AlignmentOptions):
    """Options of :class:`DistMatch`; ``rho`` and ``eps`` matter with ``softmask`` only."""

    softmask: bool = False
    """Weigh node i by exp(-2 alpha c_i / (2 rho + eps)), c_i its mean squared distortion, as OptiMAG's mass would."""


class DistMatch(GraphAlignment):
    """L_m = alpha sum_ik p_i p_k (Cbar_m(i,k) - Cbar_G(i,k))^2, the structure term at the plan diag(p), p = mu."""

    name: ClassVar[str] = "distmatch"
    Options: ClassVar[type[RegularizerOptions]] = DistMatchOptions

    def align(self, costs: Costs) -> tuple[Tensor, Diagnostics]:
        """The loss of one modality; the weights p are held constant."""
        o, p = self.options, costs.mu
        if o.softmask:
            with torch.no_grad():
                distortion = (costs.modality - costs.graph).square() @ costs.mu
                p = costs.mu * torch.exp(-2.0 * o.alpha * distortion / (2.0 * o.rho + o.eps))
        structure = structure_term(costs.modality, costs.graph, p, p, costs.graph * (p[:, None] * p[None, :]))
        mass = p.sum()
        if o.loss_norm == "mass2":
            structure = structure / mass.square()
        factor = 1.0 if o.loss_norm == "mass2" else float(mass) ** 2
        return o.alpha * structure, {"mass": float(mass), "lambda_eff_factor": factor}


class PlaceboPermuted(OptiMAG):
    """OptiMAG with the nodes of the graph cost permuted inside each batch, drawn anew at every step."""

    name: ClassVar[str] = "placebo_permuted"

    def reference(self, graph: Tensor, ctx: Context) -> Tensor:
        order = torch.randperm(len(graph), generator=ctx.generator, device=ctx.generator.device).to(graph.device)
        return graph[order][:, order]


class PlaceboConstant(OptiMAG):
    """OptiMAG with one graph cost for every two nodes: all that is left is to spread the states evenly."""

    name: ClassVar[str] = "placebo_constant"

    def reference(self, graph: Tensor, ctx: Context) -> Tensor:
        constant = torch.ones_like(graph).fill_diagonal_(0.0)
        return constant / constant.mean()


class GeometricConsistencyOptions(RegularizerOptions):
    """Options of :class:`GeometricConsistency`."""

    N: int = Field(default=512, ge=2)
    """Nodes in a batch, drawn uniformly among those that have both modalities."""
    lam_in: float = Field(default=1.0, ge=0)
    """Weight of the in-modal term."""
    lam_cross: float = Field(default=1.0, ge=0)
    """Weight of the cross-modal term."""


class GeometricConsistency(Regularizer):
    """mean_ij [lam_in (<v_i,v_j> - <t_i,t_j>)^2 + lam_cross (<v_i,t_j> - <v_j,t_i>)^2] on unit vectors, mean of pairs.

    Goel et al. 2022 (CyCLIP, arXiv 2205.14459), eqs. 3-4; a magbench re-implementation.
    """

    name: ClassVar[str] = "geometric_consistency"
    Options: ClassVar[type[RegularizerOptions]] = GeometricConsistencyOptions

    def __call__(self, ctx: Context) -> tuple[Tensor, Diagnostics]:
        """Loss and its two terms.

        Raises:
            MethodError: the modalities' states differ in width.
        """
        require_shared_width(self.name, ctx.z)
        zero = sum((z.sum() * 0.0 for z in ctx.z.values()), torch.zeros((), device=ctx.node_ids.device))
        terms = [term for a, b in combinations(ctx.z, 2) if (term := self._pair(ctx, a, b)) is not None]
        if not terms:
            return zero, {"in_modal": 0.0, "cross_modal": 0.0}
        inside = torch.stack([term[0] for term in terms]).mean()
        across = torch.stack([term[1] for term in terms]).mean()
        loss = self.options.lam_in * inside + self.options.lam_cross * across
        return loss, {"in_modal": float(inside.detach()), "cross_modal": float(across.detach())}

    def _pair(self, ctx: Context, a: str, b: str) -> tuple[Tensor, Tensor] | None:
        nodes = torch.nonzero(observed_mask(ctx, a) & observed_mask(ctx, b)).flatten()
        if len(nodes) < 2:
            return None
        nodes = sample_nodes(nodes, self.options.N, ctx.generator)
        v, t = unit_rows(ctx.z[a][nodes]), unit_rows(ctx.z[b][nodes])
        cross = v @ t.t()
        return (v @ v.t() - t @ t.t()).square().mean(), (cross - cross.t()).square().mean()
