"""Dispersion losses: each falls as the rows of a batch ``[B, d]`` spread out. Used by DAGR.

``excluded`` (bool ``[B, B]``, or None) marks pairs that do not repel each other; the diagonal never counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Dispersion = Callable[[Tensor, float, Tensor | None], Tensor]


def squared_distances(z: Tensor) -> Tensor:
    """||z_i - z_j||^2 ``[B, B]`` from the Gram matrix, >= 0."""
    squares = z.square().sum(1)
    return (squares[:, None] + squares[None, :] - 2.0 * (z @ z.t())).clamp_min(0.0)


def rbf(z: Tensor, t: float, excluded: Tensor | None = None) -> Tensor:
    """log mean_{i!=j} exp(-t ||z_i - z_j||^2) of unit rows (uniformity, Wang & Isola 2020, arXiv 2005.10242)."""
    return _log_mean_exp(-t * squared_distances(z), excluded)


def dispersive(z: Tensor, t: float, excluded: Tensor | None = None) -> Tensor:
    """The same of unnormalised rows, distances divided by d (Dispersive Loss, Wang & He 2025, arXiv 2506.09027)."""
    return _log_mean_exp(-t * squared_distances(z) / z.shape[1], excluded)


def hinge(z: Tensor, t: float, excluded: Tensor | None = None) -> Tensor:
    """mean_{i!=j} max(0, t - ||z_i - z_j||^2): repulsion up to the squared distance t."""
    allowed = _pairs(len(z), excluded, z.device)
    return (t - squared_distances(z)).relu()[allowed].mean() if bool(allowed.any()) else z.sum() * 0.0


def cov(z: Tensor, t: float, excluded: Tensor | None = None) -> Tensor:
    """Squared off-diagonal covariances, summed and divided by d (VICReg, Bardes et al. 2022); t and pairs unused."""
    centred = z - z.mean(0)
    covariance = centred.t() @ centred / max(len(z) - 1, 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / z.shape[1]


def logdet(z: Tensor, t: float, excluded: Tensor | None = None) -> Tensor:
    """-logdet(I + t d / B Z^T Z) / d, the negative coding rate (Yu et al. 2020, arXiv 2006.08558); pairs unused."""
    width = z.shape[1]
    gram = z.t() @ z if width <= len(z) else z @ z.t()
    eye = torch.eye(len(gram), dtype=z.dtype, device=z.device)
    return -torch.logdet(eye + (t * width / len(z)) * gram) / width


VARIANTS: dict[str, Dispersion] = {"rbf": rbf, "cov": cov, "hinge": hinge, "logdet": logdet, "dispersive": dispersive}


def _log_mean_exp(exponent: Tensor, excluded: Tensor | None) -> Tensor:
    """log of the mean of exp over the pairs that count."""
    allowed = _pairs(len(exponent), excluded, exponent.device)
    count = int(allowed.sum())
    if count == 0:
        return exponent.sum() * 0.0
    return torch.logsumexp(exponent.masked_fill(~allowed, -math.inf).flatten(), 0) - math.log(count)


def _pairs(n: int, excluded: Tensor | None, device: torch.device) -> Tensor:
    """bool ``[n, n]``: the ordered pairs i != j that repel."""
    allowed = ~torch.eye(n, dtype=torch.bool, device=device)
    return allowed if excluded is None else allowed & ~excluded
