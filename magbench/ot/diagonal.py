"""Plans that stay on the diagonal: the closed form of the plain objective when each node is matched with itself alone.

With D = (Cx - Cy)^2 (elementwise), weights mu = nu and p the diagonal, a stationary point among diagonal plans is

    (2 rho + eps) log p_i = 2 (rho + eps) log mu_i - (1 - alpha) M_ii - 2 alpha (D p)_i,

for uniform weights p_i = N^-1 N^(-eps / (2 rho + eps)) exp(-2 alpha (D p)_i / (2 rho + eps)): an O(N^2) fixed point in
place of O(N^3). :func:`off_diagonal_share` tells what the full solution would put beside the diagonal, to first order.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from magbench.ot.matmul import fast_float32


@torch.no_grad()
def diagonal_plan(
    distortion: Tensor,
    mu: Tensor,
    *,
    alpha: float,
    rho: float,
    eps: float,
    anchor: Tensor | None = None,
    n_iter: int = 200,
) -> Tensor:
    """The diagonal p ``[N]`` of the best diagonal plan.

    Args:
        distortion: D ``[N, N]``, symmetric and >= 0.
        mu: weights ``[N]`` of both sides, >= 0.
        alpha: weight of the structure term.
        rho: marginal relaxation; inf gives p = mu.
        eps: entropic strength.
        anchor: M_ii ``[N]``, default 0.
        n_iter: damped fixed-point steps, at most.
    """
    if math.isinf(rho):
        return mu.clone()
    width = 2.0 * rho + eps
    start = (2.0 * (rho + eps) / width) * mu.log()
    if anchor is not None:
        start = start - (1.0 - alpha) / width * anchor
    gain = 2.0 * alpha / width
    log_p = start.clone()
    alive = mu > 0
    floor = 1e-12 if mu.dtype == torch.float64 else 1e-6
    for _ in range(n_iter):
        pull = gain * (distortion @ log_p.exp())
        step = torch.where(alive, start - pull - log_p, torch.zeros_like(log_p))
        # The undamped map p -> exp(start - gain D p) is decreasing and 2-cycles where its slope exceeds 1.
        log_p = log_p + step / (1.0 + float(pull[alive].mean()))
        if float(step.abs().max()) < floor:
            break
    return log_p.exp()


@torch.no_grad()
def off_diagonal_share(
    Cx: Tensor,
    Cy: Tensor,
    M: Tensor | None,
    p: Tensor,
    mu: Tensor,
    *,
    alpha: float,
    rho: float,
    eps: float,
    rows: Tensor | None = None,
) -> float:
    """Mass that one exact Sinkhorn step from the plan diag(p) puts off the diagonal, relative to that of p.

    The potentials are those the marginals of diag(p) define, f_i = g_i = -rho log(p_i / mu_i), which makes this the
    certificate of ``solver="auto"``: near 0, the diagonal plan is a stationary point of the full problem.

    Args:
        rows: look at these rows alone, O(N^2) work for a fixed number of them; default all.
    """
    rows = torch.arange(len(p), device=p.device) if rows is None else rows
    squares = [(C * C) @ p for C in (Cx, Cy)]
    with fast_float32(Cx.device):
        product = (Cx[rows] * p) @ Cy
    cost = product.mul_(-2.0).add_(squares[0][rows, None]).add_(squares[1][None, :]).mul_(2.0 * alpha)
    if M is not None:
        cost.add_(M[rows], alpha=1.0 - alpha)
    if math.isinf(rho):  # exact marginals: the potentials that reproduce p_i on the diagonal
        own = 2.0 * alpha * (squares[0] + squares[1] - 2.0 * ((Cx * Cy) @ p))
        own = own if M is None else own + (1.0 - alpha) * M.diagonal()
        f = 0.5 * (own + eps * (p.log() - 2.0 * mu.log()))
    else:
        f = -rho * (p.log() - mu.log())
    f = torch.where(mu > 0, f, torch.zeros_like(f))
    plan = (f[rows, None] + f[None, :] - cost).div_(eps).exp_().mul_(mu[rows, None]).mul_(mu[None, :])
    diagonal = plan[torch.arange(len(rows), device=p.device), rows]
    return float((plan.sum() - diagonal.sum()) / p[rows].sum())
