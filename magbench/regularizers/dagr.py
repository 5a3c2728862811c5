"""DAGR: keep each modality's states spread out on the sphere, and hold two modalities of a node within a radius.

A magbench re-implementation of arXiv 2601.21670 (no code is public); open points are options. With z_i^m unit vectors,

    L_intra = mean_m log( 1/(B(B-1)) sum_{i!=j} exp(-t ||z_i^m - z_j^m||^2) )        dispersion (Wang & Isola 2020)
    L_inter = mean_{m<n} mean_i max(0, ||z_i^m - z_i^n||^2 - tau)                    anchoring, a hinge on the *drift*
    loss = lam_d L_intra + lam_a L_inter

``tau="auto"`` sets the radius to a quantile of the drift at the first call, after ``warmup`` epochs without DAGR. A
call in which no node has two modalities has no drift and leaves the radius to the next.
"""

from __future__ import annotations

from itertools import combinations
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from magbench.ot.costs import unit_rows
from magbench.regularizers.base import (
    Context,
    Diagnostics,
    Regularizer,
    RegularizerOptions,
    observed_mask,
    require_shared_width,
    sample_nodes,
)
from magbench.regularizers.dispersion import VARIANTS


class DAGROptions(RegularizerOptions):
    """Options of :class:`DAGR`; the common ``lam`` multiplies the whole loss."""

    warmup: int = Field(default=10, ge=0)
    """Epochs trained without the regulariser."""
    lam_d: float = Field(default=0.05, ge=0)
    """Weight of dispersion (weighting="fixed")."""
    lam_a: float = Field(default=0.1, ge=0)
    """Weight of anchoring (weighting="fixed")."""
    t: float = Field(default=2.0, gt=0)
    """Scale of the dispersion kernel."""
    tau: Literal["auto"] | Annotated[float, Field(ge=0)] = "auto"
    """Radius within which drift is free; 0 = always-on alignment, >= 4 (squared distances) = never."""
    quantile: float = Field(default=0.5, ge=0, le=1)
    """Quantile of the drift that ``tau="auto"`` takes."""
    space: Literal["sq", "dist"] = "sq"
    """Drift as squared distance or distance; tau has the same unit."""
    hinge_power: Literal[1, 2] = 1
    """Power of the excess drift."""
    hinge: Literal["relu", "softplus"] = "relu"
    """Sharp or smooth hinge."""
    weighting: Literal["fixed", "pareto", "gradnorm"] = "fixed"
    """``pareto``: w L_intra + (1-w) L_inter of least gradient norm (two-task MGDA, Désidéri 2012; Sener & Koltun 2018);
    ``gradnorm``: w such that both gradients have one norm. An inactive hinge gives w = 1."""
    dispersion: Literal["rbf", "cov", "hinge", "logdet", "dispersive"] = "rbf"
    """Form of L_intra, see :mod:`magbench.regularizers.dispersion`."""
    exclude_edges: bool = False
    """Drop graph neighbours from the repulsion (rbf, hinge and dispersive)."""
    same_class_exclude: bool = False
    """Drop pairs of one training class from the repulsion (rbf, hinge and dispersive)."""
    B: int = Field(default=512, ge=2)
    """Nodes in the pairwise term; all where there are fewer."""


class DAGR(Regularizer):
    """Dispersive and anchoring geometric regularisation."""

    name: ClassVar[str] = "dagr"
    Options: ClassVar[type[RegularizerOptions]] = DAGROptions

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.tau: float | None = None if self.options.tau == "auto" else float(self.options.tau)

    def __call__(self, ctx: Context) -> tuple[Tensor, Diagnostics]:
        """Loss and diagnostics.

        Raises:
            MethodError: the modalities' states differ in width, so no drift is defined.
        """
        require_shared_width(self.name, ctx.z)
        unit = {modality: unit_rows(z) for modality, z in ctx.z.items()}
        drifts = self._drifts(ctx, unit)
        if self.tau is None and len(drifts):
            self.tau = float(torch.quantile(drifts.detach(), self.options.quantile))
        tau = 0.0 if self.tau is None else self.tau
        intra, inter = self._intra(ctx, unit), self._inter(ctx, unit, tau)
        active = float((drifts.detach() > tau).float().mean()) if len(drifts) else 0.0
        loss, weight = self._combine(ctx, intra, inter)
        if len(drifts) and not 0.05 <= active <= 0.95:
            advice = "is always-on alignment" if active > 0.95 else "hardly acts"
            self.warn_once("active", f"{active:.0%} of the drifts exceed tau={tau:.3g}, so the hinge {advice}.")
        found = {
            "intra": float(intra.detach()),
            "inter": float(inter.detach()),
            "drift": float(drifts.detach().mean()) if len(drifts) else 0.0,
            "active_share": active,
            "weight": weight,
        }
        return loss, found if self.tau is None else {**found, "tau": tau}

    def _drifts(self, ctx: Context, unit: dict[str, Tensor]) -> Tensor:
        """Drift of every node observed in both modalities of a pair, all pairs in one vector."""
        parts = [self._drift(ctx, unit, a, b) for a, b in combinations(unit, 2)]
        return torch.cat(parts) if parts else torch.zeros(0)

    def _drift(self, ctx: Context, unit: dict[str, Tensor], a: str, b: str) -> Tensor:
        both = observed_mask(ctx, a) & observed_mask(ctx, b)
        squared = (unit[a][both] - unit[b][both]).square().sum(1)
        # The square root has no finite slope at 0.
        return squared if self.options.space == "sq" else squared.clamp_min(1e-12).sqrt()

    def _inter(self, ctx: Context, unit: dict[str, Tensor], tau: float) -> Tensor:
        terms = []
        for a, b in combinations(unit, 2):
            drift = self._drift(ctx, unit, a, b)
            if len(drift):
                excess = drift - tau
                excess = excess.relu() if self.options.hinge == "relu" else functional.softplus(excess)
                terms.append((excess**self.options.hinge_power).mean())
        return torch.stack(terms).mean() if terms else _zero(unit)

    def _intra(self, ctx: Context, unit: dict[str, Tensor]) -> Tensor:
        terms = []
        for modality, z in unit.items():
            nodes = sample_nodes(torch.nonzero(observed_mask(ctx, modality)).flatten(), self.options.B, ctx.generator)
            if len(nodes) >= 2:
                excluded = self._excluded(ctx, nodes)
                source = ctx.z[modality] if self.options.dispersion == "dispersive" else z
                terms.append(VARIANTS[self.options.dispersion](source[nodes], self.options.t, excluded))
        return torch.stack(terms).mean() if terms else _zero(unit)

    def _excluded(self, ctx: Context, nodes: Tensor) -> Tensor | None:
        """bool ``[B, B]``: pairs that do not repel, or None."""
        if not (self.options.exclude_edges or self.options.same_class_exclude):
            return None
        excluded = torch.zeros(len(nodes), len(nodes), dtype=torch.bool, device=nodes.device)
        if self.options.exclude_edges:
            position = torch.full((len(ctx.node_ids),), -1, dtype=torch.int64, device=nodes.device)
            position[nodes] = torch.arange(len(nodes), device=nodes.device)
            ends = position[ctx.edge_index]
            ends = ends[:, (ends >= 0).all(0)]
            excluded[ends[0], ends[1]] = True
        if self.options.same_class_exclude:
            label = ctx.y_train[nodes]
            excluded |= (label[:, None] == label[None, :]) & (label[:, None] >= 0)
        return excluded

    def _combine(self, ctx: Context, intra: Tensor, inter: Tensor) -> tuple[Tensor, float]:
        """The weighted loss and the share of dispersion in it."""
        o = self.options
        if o.weighting == "fixed":
            return o.lam_d * intra + o.lam_a * inter, o.lam_d / max(o.lam_d + o.lam_a, 1e-30)
        weight = two_task_weight(_gradient(intra, ctx.z), _gradient(inter, ctx.z), o.weighting)
        return weight * intra + (1.0 - weight) * inter, weight


def two_task_weight(first: Tensor, second: Tensor, rule: str = "pareto") -> float:
    """Weight w in [0, 1] of the first of two gradients (flat vectors).

    ``"pareto"``: w = clip(<g2 - g1, g2> / ||g1 - g2||^2, 0, 1) minimises ||w g1 + (1-w) g2||; ``"gradnorm"``:
    w = ||g2|| / (||g1|| + ||g2||). A zero second gradient (an inactive hinge) gives 1: the minimum-norm rule would
    give 0 there and switch the first task off.
    """
    if not bool(second.any()):
        return 1.0
    if rule == "gradnorm":
        return float(second.norm() / (first.norm() + second.norm()))
    apart = first - second
    squared = float(apart @ apart)
    return min(max(float(-apart @ second) / squared, 0.0), 1.0) if squared > 0 else 0.5


def _gradient(loss: Tensor, z: dict[str, Tensor]) -> Tensor:
    """Gradient with respect to all states as one vector; keeps the graph."""
    if not loss.requires_grad:
        return torch.cat([torch.zeros_like(state).flatten() for state in z.values()])
    states = list(z.values())
    grads = torch.autograd.grad(loss, states, retain_graph=True, allow_unused=True)
    flat = [torch.zeros_like(s) if g is None else g for g, s in zip(grads, states, strict=True)]
    return torch.cat([g.flatten() for g in flat])


def _zero(unit: dict[str, Tensor]) -> Tensor:
    """0 with a (zero) gradient to every state."""
    return torch.stack([z.sum() * 0.0 for z in unit.values()]).sum()
