"""Entropic (un)balanced Sinkhorn for one linear problem, the inner loop of :mod:`magbench.ot.ufgw`.

    min_P <C, P> + sum_i rho_i kl(r_i | mu_i) + sum_j rho'_j kl(c_j | nu_j) + eps KL(P | mu nu^T),    r = P 1, c = P^T 1

One *sweep* updates the row potential f, then the column potential g (Chizat et al. 2018, Math. Comp. 87, Prop. 4.3;
Séjourné et al. 2019, arXiv 1910.12958):

    f_i = -kappa_i eps LSE_j[log nu_j + (g_j - C_ij) / eps],    kappa = rho / (rho + eps)

Sweeps run in the kernel domain around *absorbed* potentials, K_ij = exp((f_i + g_j - C_ij) / eps), where one costs
two matrix-vector products. When the scalings drift too far from 1 they are absorbed anew, and a sweep whose kernel sums
underflow or overflow is done in the log domain; both give the same potentials.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class SinkhornResult(NamedTuple):
    """Potentials f ``[Nx]``, g ``[Ny]`` in units of the cost, and the plan ``[Nx, Ny]`` they define."""

    f: Tensor
    g: Tensor
    plan: Tensor


class Problem(NamedTuple):
    """One linear problem: cost ``[Nx, Ny]``, weights and damping factors of both sides, entropic strength."""

    cost: Tensor
    mu: Tensor
    nu: Tensor
    eps: float
    kappa_row: Tensor | float
    kappa_col: Tensor | float


_DRIFT = {torch.float32: 20.0, torch.float64: 100.0}
"""Largest |log scaling| before re-absorption: entries lost to underflow of K stay negligible up to twice this."""


def kappa(rho: Tensor | float, eps: float) -> Tensor | float:
    """Damping rho / (rho + eps) of a relaxed marginal; 1 for rho = inf, 0 for rho = 0 (a free marginal)."""
    if isinstance(rho, Tensor):
        return torch.where(torch.isinf(rho), torch.ones_like(rho), rho / (rho + eps))
    return 1.0 if rho == float("inf") else rho / (rho + eps)


def sinkhorn(
    problem: Problem, f: Tensor, g: Tensor, n_iter: int, *, domain: str = "auto", tol: float | None = None
) -> SinkhornResult:
    """Run ``n_iter`` sweeps from the potentials (f, g).

    Args:
        problem: the linear problem; zero weights are allowed and give zero rows or columns of the plan.
        f: row potential ``[Nx]`` to start from.
        g: column potential ``[Ny]`` to start from.
        n_iter: number of sweeps, at least 1.
        domain: ``"auto"`` (absorbed kernel, log domain where that fails) or ``"log"`` (log domain throughout).
        tol: stop when the largest change of a potential in a sweep, relative to eps, is below; None runs all sweeps.
    """
    log_mu, log_nu = problem.mu.log(), problem.nu.log()
    left = n_iter
    while left > 0:
        before = (f, g)
        f, g = _log_sweep(problem, f, g, log_mu, log_nu)
        left -= 1
        if tol is not None and _moved(before, (f, g), problem.eps) < tol:
            break
        if domain == "auto" and left > 0:
            f, g, used = _kernel_sweeps(problem, f, g, left, tol)
            left -= used
    kernel = _kernel(problem, f, g)
    return SinkhornResult(f, g, kernel.mul_(problem.mu[:, None]).mul_(problem.nu[None, :]))


def _kernel(problem: Problem, f: Tensor, g: Tensor) -> Tensor:
    """exp((f_i + g_j - C_ij) / eps), in one fresh buffer."""
    return torch.sub(f[:, None], problem.cost).add_(g[None, :]).div_(problem.eps).exp_()


def _log_sweep(p: Problem, f: Tensor, g: Tensor, log_mu: Tensor, log_nu: Tensor) -> tuple[Tensor, Tensor]:
    """One sweep in the log domain: finite for every finite cost and eps > 0."""
    f = -p.kappa_row * p.eps * torch.logsumexp((log_nu + g / p.eps)[None, :] - p.cost / p.eps, dim=1)
    g = -p.kappa_col * p.eps * torch.logsumexp((log_mu + f / p.eps)[:, None] - p.cost / p.eps, dim=0)
    return f, g


def _kernel_sweeps(p: Problem, f: Tensor, g: Tensor, n_iter: int, tol: float | None) -> tuple[Tensor, Tensor, int]:
    """Up to ``n_iter`` sweeps around absorbed potentials; returns (f, g, sweeps done), stopping early when sums leave
    the floating-point range (the caller then takes a log-domain sweep) or when ``tol`` is met."""
    limit, used = _DRIFT.get(p.cost.dtype, 20.0), 0
    K: Tensor | None = None
    while used < n_iter:
        if K is None:
            K, f0, g0 = _kernel(p, f, g), f, g
            lag_f, lag_g = (p.kappa_row - 1.0) * f0 / p.eps, (p.kappa_col - 1.0) * g0 / p.eps
            b = p.nu
            last_a, last_b = torch.zeros_like(f), torch.zeros_like(g)
        log_a = lag_f - p.kappa_row * torch.mv(K, b).log_()
        a = p.mu * log_a.exp()
        log_b = lag_g - p.kappa_col * torch.mv(K.t(), a).log_()
        drift = float(torch.maximum(log_a.abs().max(), log_b.abs().max()))
        if not drift < 3.0 * limit:  # also true for NaN and inf: this sweep is not trusted
            return f, g, used
        b = p.nu * log_b.exp()
        used += 1
        f, g = f0 + p.eps * log_a, g0 + p.eps * log_b
        if tol is not None:
            if float(torch.maximum((log_a - last_a).abs().max(), (log_b - last_b).abs().max())) < tol:
                return f, g, n_iter
            last_a, last_b = log_a, log_b
        if drift > limit:
            K = None
    return f, g, used


def _moved(before: tuple[Tensor, Tensor], after: tuple[Tensor, Tensor], eps: float) -> float:
    """Largest change of either potential, in units of eps."""
    return max(float((x - y).abs().max()) / eps for x, y in zip(before, after, strict=True))
