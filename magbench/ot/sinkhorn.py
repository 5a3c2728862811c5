"""Entropic (un)balanced Sinkhorn for one linear problem, the inner loop of :mod:`magbench.ot.unbalanced`.

    min_P <C, P> + sum_i rho_i kl(r_i | mu_i) + sum_j rho'_j kl(c_j | nu_j) + eps KL(P | mu nu^T),    r = P 1, c = P^T 1

One *sweep* updates the row potential f, then the column potential g (Chizat et al. 2018, Math. Comp. 87, Prop. 4.3;
Séjourné et al. 2019, arXiv 1910.12958):

    f_i = -kappa_i eps LSE_j[log nu_j + (g_j - C_ij) / eps],    kappa = rho / (rho + eps)

Sweeps run in the kernel domain around *absorbed* potentials, K_ij = exp((f_i + g_j - C_ij) / eps), where one costs
two matrix-vector products. After each sweep the constant that may move from g to f without changing the plan is set to
its best value (:func:`shift`; Séjourné, Vialard & Peyré 2022, arXiv 2201.00730); without that the mass converges no
faster than kappa^(2 sweeps). When the scalings drift too far from 1 they are absorbed anew, and a sweep whose kernel
sums underflow or overflow is done in the log domain; both give the same potentials (Schmitzer 2019, arXiv 1610.06519).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class SinkhornResult(NamedTuple):
    """Potentials f ``[Nx]``, g ``[Ny]`` in units of the cost, the plan ``[Nx, Ny]`` they define, the sweeps done."""

    f: Tensor
    g: Tensor
    plan: Tensor
    sweeps: int


class Problem(NamedTuple):
    """One linear problem: cost ``[Nx, Ny]``, weights and damping factors of both sides, entropic strength.

    ``rates``: eps / rho of both sides, for :func:`shift`; None: no shift.
    """

    cost: Tensor
    mu: Tensor
    nu: Tensor
    eps: float
    kappa_row: Tensor | float
    kappa_col: Tensor | float
    rates: tuple[float, float] | None = None


_DRIFT = {torch.float32: 20.0, torch.float64: 100.0}
"""Largest |log scaling| before re-absorption."""
_TRUST = {torch.float32: 50.0, torch.float64: 300.0}
"""Largest |log scaling| of a sweep that counts; beyond, the log domain repeats it."""
_FLOOR = {torch.float32: -80.0, torch.float64: -700.0}
"""Smallest log K kept, for entries below are e^-30 of any sum that is trusted; subnormal numbers would be slow."""


class _Kernel(NamedTuple):
    """K ``[Nx, Ny]`` around the absorbed potentials (f0, g0)."""

    K: Tensor
    f0: Tensor
    g0: Tensor


def kappa(rho: Tensor | float, eps: float) -> Tensor | float:
    """Damping rho / (rho + eps) of a relaxed marginal; 1 for rho = inf, 0 for rho = 0 (a free marginal)."""
    if isinstance(rho, Tensor):
        return torch.where(torch.isinf(rho), torch.ones_like(rho), rho / (rho + eps))
    return 1.0 if rho == float("inf") else rho / (rho + eps)


def shift(p: Problem, f: Tensor, g: Tensor) -> float:
    """The t that maximises the dual at (f + t, g - t): sum mu e^(-(f + t) / rho) = sum nu e^(-(g - t) / rho').

    The plan depends on f + g alone, so t moves no mass; it says how the potentials share it.
    """
    if p.rates is None:
        return 0.0
    row, col = p.rates
    logs = (torch.logsumexp(w.log() - rate * x / p.eps, 0) for w, x, rate in ((p.mu, f, row), (p.nu, g, col)))
    left, right = (float(value) for value in logs)
    limit = _DRIFT[p.cost.dtype]
    return p.eps * min(max((left - right) / (row + col), -limit), limit)


def sinkhorn(problem: Problem, g: Tensor, n_iter: int, *, still: float = 0.0, domain: str = "auto") -> SinkhornResult:
    """Run up to ``n_iter`` sweeps from the column potential g (the row potential follows from it).

    Args:
        problem: the linear problem; zero weights are allowed and give zero rows or columns of the plan.
        g: column potential ``[Ny]`` to start from.
        n_iter: number of sweeps, at least 1.
        still: sweeps end where one in the kernel domain moves no column potential by more, in units of eps; 0: all run.
        domain: ``"auto"`` (absorbed kernel, log domain where that fails) or ``"log"`` (log domain throughout).
    """
    f, left = torch.zeros_like(problem.mu), n_iter
    kernel = _cold(problem, g) if domain == "auto" else None
    plan: Tensor | None = None
    while left > 0:
        if kernel is not None:
            f, g, used, plan, ended = _kernel_sweeps(problem, kernel, f, g, left, still)
            left -= used
            if ended:
                break
        if left > 0 and plan is None:
            f, g = _log_sweep(problem, f, g)
            left -= 1
        if domain == "auto" and left > 0:
            kernel = _absorb(problem, f, g)
            plan = None
    if plan is None:
        plan = _absorb(problem, f, g).K.mul_(problem.mu[:, None]).mul_(problem.nu[None, :])
    return SinkhornResult(f, g, plan, n_iter - left)


def _absorb(p: Problem, f: Tensor, g: Tensor) -> _Kernel:
    """The kernel around (f, g)."""
    floor = _FLOOR[p.cost.dtype]
    log_kernel = torch.sub(f[:, None], p.cost).add_(g[None, :]).div_(p.eps)
    kernel = log_kernel.clamp_min_(floor - 1.0).exp_()
    return _Kernel(torch.threshold_(kernel, math.exp(floor), 0.0), f, g)


def _cold(p: Problem, g: Tensor) -> _Kernel:
    """The kernel around g and its hard c-transform f_i = min_j C_ij - g_j: rows have maximum 1, so none underflows."""
    reach = p.cost - g[None, :]
    if bool((p.nu == 0).any()):
        reach.masked_fill_((p.nu == 0)[None, :], float("inf"))
    return _absorb(p, reach.amin(1), g)


def _log_sweep(p: Problem, f: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """One sweep in the log domain: finite for every finite cost and eps > 0."""
    scaled = p.cost / p.eps
    f = -p.kappa_row * p.eps * torch.logsumexp((p.nu.log() + g / p.eps)[None, :] - scaled, dim=1)
    g = -p.kappa_col * p.eps * torch.logsumexp((p.mu.log() + f / p.eps)[:, None] - scaled, dim=0)
    t = shift(p, f, g)
    return f + t, g - t


def _kernel_sweeps(
    p: Problem, kernel: _Kernel, f: Tensor, g: Tensor, n_iter: int, still: float
) -> tuple[Tensor, Tensor, int, Tensor | None, bool]:
    """Up to ``n_iter`` sweeps around one kernel; returns (f, g, sweeps done, plan, whether they ended standing still).

    Stops early with the plan where the scalings drifted and the kernel must be absorbed anew, and without it where the
    sums left the floating-point range: the caller then takes a log-domain sweep from (f, g).
    """
    K, f0, g0 = kernel
    lag_f, lag_g = (p.kappa_row - 1.0) * f0 / p.eps, (p.kappa_col - 1.0) * g0 / p.eps
    b = p.nu * torch.exp((g - g0) / p.eps)
    kept, used, ended = p.mu, 0, False
    while used < n_iter:
        log_a = lag_f - p.kappa_row * torch.mv(K, b).log_()
        a = p.mu * log_a.exp()
        log_b = lag_g - p.kappa_col * torch.mv(K.t(), a).log_()
        drift = float(torch.maximum(log_a.abs().max(), log_b.abs().max()))
        if not drift < _TRUST[p.cost.dtype]:  # also true for NaN and inf: this sweep is not trusted
            return f, g, used, None, False
        used += 1
        last, f, g = g, f0 + p.eps * log_a, g0 + p.eps * log_b
        t = shift(p, f, g)
        f, g = f + t, g - t
        kept, b = a * math.exp(t / p.eps), p.nu * torch.exp(log_b - t / p.eps)
        ended = still > 0.0 and used > 1 and float((g - last).abs().max()) <= still * p.eps
        if ended or drift > _DRIFT[p.cost.dtype]:
            break
    return f, g, used, (K * kept[:, None]).mul_(b[None, :]), ended
