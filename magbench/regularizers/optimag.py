"""OptiMAG: align each modality's distances with the graph's by unbalanced fused Gromov-Wasserstein transport.

A magbench re-implementation of the description in arXiv 2601.22856 (no code is public); what the sources leave open is
an option. For each modality m of a batch, with P* the plan of :func:`magbench.ot.ufgw` between the modality cost Cbar_m
and the graph cost Cbar_G, anchored by M,

    L_m = (1-alpha) <M, P*> + alpha sum_ijkl (Cbar_m(i,k) - Cbar_G(j,l))^2 P*_ij P*_kl,

P* held constant: by the envelope theorem that is the exact gradient of the optimal value once the solver has converged.
"""

from __future__ import annotations

import math
import warnings
from itertools import pairwise
from typing import ClassVar, Literal, NamedTuple

import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor

from magbench.errors import MagbenchWarning
from magbench.ot.costs import anchor_cost, relative_eps
from magbench.ot.diagonal import diagonal_plan, off_diagonal_share
from magbench.ot.factors import CosineFactors
from magbench.ot.pullback import structure_loss
from magbench.ot.unbalanced import MassCollapseWarning, NotConvergedWarning, UFGWResult, ufgw
from magbench.regularizers.alignment import AlignmentOptions, Costs, GraphAlignment
from magbench.regularizers.base import Diagnostics, OptionalNumber, RegularizerOptions

_CERTIFIED = 1e-3
"""Off-diagonal share under which ``solver="auto"`` accepts the diagonal plan."""
_PROBED_ROWS = 16
"""Rows whose off-diagonal share is looked at before that of all."""


class DiagonalPlanWarning(MagbenchWarning):
    """The plan matches every node with itself: transport adds nothing to a direct comparison of distances."""


class OptiMAGOptions(AlignmentOptions):
    """Options of the transport problem and its solver."""

    lam: float = Field(default=0.1, ge=0)
    """Weight of the loss."""
    anchor: Literal["soft_graph", "identity", "cross", "none"] = "soft_graph"
    """Prior M on the plan, see :func:`magbench.ot.anchor_cost`."""
    tau: float = Field(default=0.5, gt=0)
    """Temperature of the ``soft_graph`` anchor."""
    tau_role: Literal["anchor", "entropic"] = "anchor"
    """``entropic`` reads the paper's tau as the entropic strength and its epsilon as the floor in the logarithm:
    eps := tau, delta := eps, and the anchor's temperature is 1."""
    relative_eps: OptionalNumber = Field(default=None, gt=0)
    """kappa: if given, eps = kappa (1-alpha) mean(M) / log n for each modality; plans start to move near 1."""
    n_outer: int = Field(default=5, ge=1)
    """Outer (linearisation) steps; 1 gives wrong gradients."""
    n_sinkhorn: int = Field(default=20, ge=1)
    """Sinkhorn sweeps in each outer step."""
    tol: OptionalNumber = Field(default=None, ge=1e-5)
    """Stop when the plan's relative change is below; None runs all outer steps."""
    kl: Literal["plain", "joint"] = "plain"
    """Which unbalanced objective, see :mod:`magbench.ot.unbalanced`."""
    marginals: Literal["both", "target_fixed", "target_free"] = "both"
    """Which marginals are relaxed."""
    mass_step: bool = True
    """Line search on the plan's mass after each outer step."""
    gw_mass_norm: bool = False
    """Divide the structure term's local cost by the plan's mass."""
    solver: Literal["full", "diagonal", "auto"] = "full"
    """``diagonal`` uses the closed form of diagonal plans; ``auto`` does so where it is certified."""

    @field_validator("solver")
    @classmethod
    def _diagonal_is_plain(cls, solver: str, info: ValidationInfo) -> str:
        found = {key: info.data.get(key) for key in ("kl", "marginals", "gw_mass_norm")}
        if solver != "full" and found != {"kl": "plain", "marginals": "both", "gw_mass_norm": False}:
            raise ValueError(
                f"it needs kl=plain, marginals=both and gw_mass_norm=False (found {found}), or solver=full"
            )
        return solver


class _Solution(NamedTuple):
    """A plan ``[n, n]``, or its diagonal ``[n]`` where it has no other entries, with its mass, <M, P> and telemetry."""

    plan: Tensor
    mass: float
    linear: Tensor
    diagnostics: Diagnostics


class OptiMAG(GraphAlignment):
    """Unbalanced FGW alignment of modality and graph; options in :class:`OptiMAGOptions`."""

    name: ClassVar[str] = "optimag"
    Options: ClassVar[type[RegularizerOptions]] = OptiMAGOptions
    through_cost: ClassVar[bool] = False

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self._shared: tuple[Tensor, Tensor | None] | None = None
        if self.options.tau_role == "entropic":
            swapped = {"eps": self.options.tau, "delta": min(self.options.eps, 0.5), "tau": 1.0}
            self.options = self.options.model_copy(update=swapped)

    def align(self, costs: Costs) -> tuple[Tensor, Diagnostics]:
        """L_m of one modality, with a gradient to ``costs.z`` (and through M, for anchor="cross") alone."""
        o = self.options
        solution = self._solve(costs, self._anchor(costs))
        mass = max(solution.mass, 1e-15)
        norms = (mass, mass**2) if o.loss_norm == "mass2" else (1.0, 1.0)
        structure = structure_loss(
            costs.z, costs.modality, costs.graph, solution.plan, scale=o.alpha / norms[1], detach_mean=o.detach_mean
        )
        diagnostics = solution.diagnostics
        diagnostics["lambda_eff_factor"] = 1.0 if o.loss_norm == "mass2" else solution.mass**2
        diagnostics["collapsed"] = float(float(costs.modality.mean()) < 0.5)
        self._warn(diagnostics)
        return structure + (1.0 - o.alpha) / norms[0] * solution.linear, diagnostics

    def _anchor(self, costs: Costs) -> Tensor | None:
        """M of these costs; one of the graph alone is made once for all modalities."""
        if self._shared is None or self._shared[0] is not costs.graph:
            M = anchor_cost(costs.graph, kind=self.options.anchor, tau=self.options.tau, z=costs.z, h=costs.h)
            if self.options.anchor == "cross":
                return M
            self._shared = costs.graph, M
        return self._shared[1]

    def _solve(self, costs: Costs, anchor: Tensor | None) -> _Solution:
        o = self.options
        fixed = None if anchor is None else anchor.detach()
        eps = self._eps(fixed)
        if o.solver != "full":
            solution = self._diagonal(costs, anchor, fixed, eps)
            if solution is not None:
                return solution
        with warnings.catch_warnings():  # this object warns once a kind, with its own advice
            warnings.simplefilter("ignore", MagbenchWarning)
            result = ufgw(
                CosineFactors(costs.z.detach(), costs.modality),
                costs.graph,
                fixed,
                alpha=o.alpha,
                rho=o.rho,
                eps=eps,
                mu=costs.mu,
                nu=costs.mu,
                kl=o.kl,
                marginals=o.marginals,
                mass_step=o.mass_step,
                gw_mass_norm=o.gw_mass_norm,
                n_outer=o.n_outer,
                n_sinkhorn=o.n_sinkhorn,
                tol=o.tol,
            )
        linear = costs.modality.new_zeros(()) if anchor is None else (anchor * result.plan).sum()
        diagnostics = {**_plan_telemetry(result, costs.mu), **self._spread(eps, fixed), "eps": eps}
        return _Solution(result.plan, result.mass, linear, diagnostics)

    def _diagonal(self, costs: Costs, anchor: Tensor | None, fixed: Tensor | None, eps: float) -> _Solution | None:
        """The best diagonal plan; for ``solver="auto"`` None where it is not certified to be the solution."""
        o, cost = self.options, costs.modality
        p = diagonal_plan(
            (cost - costs.graph).square_(),
            costs.mu,
            alpha=o.alpha,
            rho=o.rho,
            eps=eps,
            anchor=None if fixed is None else fixed.diagonal(),
        )
        sample = torch.arange(0, len(p), max(len(p) // _PROBED_ROWS, 1), device=p.device)
        for rows in (sample, None) if o.solver == "auto" else (None,):  # a few rows tell most failures
            off = off_diagonal_share(
                cost, costs.graph, fixed, p, costs.mu, alpha=o.alpha, rho=o.rho, eps=eps, rows=rows
            )
            if o.solver == "auto" and off >= _CERTIFIED:
                return None
        mass = float(p.sum())
        linear = cost.new_zeros(()) if anchor is None else (anchor.diagonal() * p).sum()
        diagnostics = {
            "mass": mass,
            "diag_share": 1.0,
            "off_diagonal": off,
            "entropy": float(-torch.xlogy(p / mass, p / mass).sum()) / (2.0 * math.log(max(len(p), 2))),
            "eps": eps,
            **self._spread(eps, fixed),
        }
        return _Solution(p, mass, linear, diagnostics)

    def _eps(self, anchor: Tensor | None) -> float:
        o = self.options
        if o.relative_eps is None or anchor is None or o.alpha == 1.0:
            return float(o.eps)
        return max(relative_eps(o.relative_eps, o.alpha, anchor), 1e-5)

    def _spread(self, eps: float, anchor: Tensor | None) -> Diagnostics:
        """eps log n / ((1-alpha) mean M): far below 1 the plan cannot leave the diagonal."""
        if anchor is None or self.options.alpha == 1.0:
            return {}
        price = (1.0 - self.options.alpha) * float(anchor.mean())
        return {"eps_ratio": eps * math.log(max(len(anchor), 2)) / max(price, 1e-12)}

    def _warn(self, found: Diagnostics) -> None:
        """The failure signatures, each reported once."""
        if found["collapsed"]:
            self.warn_once("collapse", "all states of a modality coincide, so its distances are noise.")
        if found["mass"] < 0.05:
            message = f"the plan kept {found['mass']:.2%} of the mass, the loss is nearly off; raise rho or lower eps."
            self.warn_once("mass", message, MassCollapseWarning)
        if found["diag_share"] > 0.99:
            ratio = f" (eps log n / ((1-alpha) mean M) = {found['eps_ratio']:.2f})" if "eps_ratio" in found else ""
            message = (
                f"{found['diag_share']:.1%} of the plan is on the diagonal{ratio}, so transport acts as a mass-weighted"
                " distmatch; raise eps, tau or alpha, or set relative_eps near 0.9."
            )
            self.warn_once("diagonal", message, DiagonalPlanWarning)
        if found["entropy"] > 0.98:
            self.warn_once("uniform", f"the plan is near uniform (entropy {found['entropy']:.3f}); lower eps or rho.")
        if found.get("plan_change", 0.0) > 1e-3:
            message = f"the plan still moved by {found['plan_change']:.2g} in the last outer step; raise n_outer."
            self.warn_once("moving", message, NotConvergedWarning)
        if found.get("largest_increase", 0.0) > 1e-2:
            self.warn_once("rising", "the objective rose between outer steps; keep mass_step on, or raise rho.")


def _plan_telemetry(result: UFGWResult, mu: Tensor) -> Diagnostics:
    mass = max(result.mass, 1e-30)
    values = [step.objective for step in result.history]
    rises = [max(after - before, 0.0) for before, after in pairwise(values)]
    # Rises within float32's resolution of the objective are no rises.
    resolution = 1e-5 * abs(values[-1])
    span = max(max(values) - min(values), resolution, 1e-30)
    # H(P / m) = log m - <P, log P> / m, and <P, log P> = <P, log P / mu mu'> + (r + c)' log mu.
    both = result.row_marginal + result.col_marginal
    entropy = math.log(mass) - (result.relative_entropy + float(torch.xlogy(both, mu).sum())) / mass
    return {
        "mass": result.mass,
        "diag_share": float(result.plan.diagonal().sum()) / mass,
        "entropy": entropy / (2.0 * math.log(max(len(mu), 2))),
        "plan_change": result.history[-1].plan_change,
        "objective": result.objective,
        "objective_increases": float(sum(rise > resolution for rise in rises)),
        "largest_increase": max(rises, default=0.0) / span if max(rises, default=0.0) > resolution else 0.0,
    }
