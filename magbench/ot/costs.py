"""The three costs of OptiMAG: how far apart nodes are in one modality, in the graph, and an anchor between the two.

Each structure cost is symmetric, >= 0 and divided by its mean over all N^2 entries (the zero diagonal counts), so that
costs of different origin are comparable. Source: methods as described for OptiMAG (arXiv 2601.22856); a magbench
re-implementation whose open points are options.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from magbench.checks import choice, number
from magbench.errors import OptionError

ANCHORS = ("soft_graph", "identity", "cross", "none")
_SMALLEST_NORM = 1e-8
_SMALLEST_MEAN = 1e-6


def unit_rows(z: Tensor) -> Tensor:
    """Rows of ``z`` ``[N, d]`` scaled to length 1; a zero row stays zero and gets a zero gradient."""
    norm = z.norm(dim=1, keepdim=True)
    return torch.where(norm > _SMALLEST_NORM, z / norm.clamp_min(_SMALLEST_NORM), torch.zeros_like(z))


def modality_cost(z: Tensor, *, detach_mean: bool = False) -> Tensor:
    """Mean-normalised cosine distances of the rows of ``z``.

    Args:
        z: states ``[N, d]`` of one modality.
        detach_mean: hold the mean constant in the gradient. By default the gradient flows through it too, which makes
            any function of the result invariant to the scale of the distances.

    Returns:
        ``[N, N]`` with a zero diagonal and mean 1 (0 throughout where all rows coincide).
    """
    unit = unit_rows(z)
    cost = (1.0 - unit @ unit.t()).clamp_min(0.0).fill_diagonal_(0.0)
    mean = cost.mean()
    return cost / (mean.detach() if detach_mean else mean).clamp_min(_SMALLEST_MEAN)


def graph_cost(diffusion: Tensor, *, delta: float = 1e-6, diag: str = "zero") -> Tensor:
    """Mean-normalised -log of diffusion scores.

    Args:
        diffusion: block ``[N, N]`` of personalised PageRank, see :func:`magbench.graph.ppr.ppr`.
        delta: floor under the scores, so that unreachable nodes are far, not infinitely far.
        diag: ``"zero"`` (a node is at distance 0 from itself, as in :func:`modality_cost`) or ``"raw"``.

    Raises:
        OptionError: delta outside (0, 1) or an unknown ``diag``.
    """
    number("delta", delta, high=1.0)
    choice("diag", diag, ("zero", "raw"))
    cost = diffusion.clamp_min(delta).log().neg_()
    # Scores above 1 do not occur in exact arithmetic; rounding must not make a cost negative.
    cost = (0.5 * (cost + cost.t())).clamp_min_(0.0)
    if diag == "zero":
        cost.fill_diagonal_(0.0)
    return cost / cost.mean().clamp_min(_SMALLEST_MEAN)


def floored_fraction(diffusion: Tensor, delta: float = 1e-6) -> float:
    """Share of the off-diagonal scores at or below ``delta``: where :func:`graph_cost` carries no structure."""
    n = len(diffusion)
    if n < 2:
        return 0.0
    low = (diffusion <= delta).sum() - (diffusion.diagonal() <= delta).sum()
    return float(low) / (n * (n - 1))


def anchor_cost(
    graph: Tensor, *, kind: str = "soft_graph", tau: float = 0.5, z: Tensor | None = None, h: Tensor | None = None
) -> Tensor | None:
    """The prior M ``[N, N]`` on which node may be matched with which.

    Args:
        graph: normalised graph cost ``[N, N]``.
        kind: ``"soft_graph"`` 1 - exp(-graph / tau) with a zero diagonal; ``"identity"`` 1 - I (its limit tau -> 0);
            ``"cross"`` the cosine distance of row i of ``z`` to row j of ``h``; ``"none"``.
        tau: temperature of ``"soft_graph"``, in units of the normalised graph cost.
        z: modality states ``[N, d]``, for ``"cross"``.
        h: fused states ``[N, d]``, for ``"cross"``; keep its gradient if you want it.

    Raises:
        OptionError: an unknown kind, tau not positive, or states that ``"cross"`` cannot compare.
    """
    choice("anchor", kind, ANCHORS)
    if kind == "none":
        return None
    if kind == "cross":
        if z is None or h is None or z.shape != h.shape:
            found = [None if s is None else tuple(s.shape) for s in (z, h)]
            raise OptionError(f"anchor='cross' needs z and h of one shape [N, d]; found {found[0]} and {found[1]}.")
        return (1.0 - unit_rows(z) @ unit_rows(h).t()).clamp_min(0.0)
    if kind == "identity":
        return torch.ones_like(graph).fill_diagonal_(0.0)
    number("tau", tau)
    return (-torch.expm1(-graph / tau)).fill_diagonal_(0.0)


def relative_eps(kappa: float, alpha: float, anchor: Tensor) -> float:
    """eps at which spreading costs ``kappa`` times what it saves: kappa (1 - alpha) mean(M) / log N.

    Leaving the diagonal gains eps log N of entropy and pays about (1 - alpha) mean(M), so kappa near 1 is where a plan
    starts to transport.
    """
    return kappa * (1.0 - alpha) * float(anchor.mean()) / math.log(max(len(anchor), 2))
