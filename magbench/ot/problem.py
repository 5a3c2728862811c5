"""The input of :func:`magbench.ot.ufgw.ufgw`, checked once: costs, weights and marginal relaxations of one problem.

A :class:`Side` is one measured space: its weights and how strongly its marginal is held (rho, inf = exactly, 0 = free).
Every breach raises an error that names the argument, the value found and the values allowed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from magbench.checks import choice, number
from magbench.errors import DataError, OptionError

_SYMMETRY = {torch.float32: 1e-4, torch.float64: 1e-9}
_MIN_TOL_FLOAT32 = 1e-5


@dataclass(frozen=True)
class Side:
    """Weights ``[N]`` of one space and the strength rho of its marginal penalty (a number, or ``[N]`` per node)."""

    weights: Tensor
    rho: Tensor | float

    @property
    def exact(self) -> bool:
        """Whether the marginal of some node is held exactly, so that the mass cannot be scaled freely."""
        return bool(torch.isinf(self.rho).any()) if isinstance(self.rho, Tensor) else math.isinf(self.rho)

    def log_ratio(self, marginal: Tensor) -> Tensor:
        """m_i log(m_i / w_i) per node, 0 where the marginal vanishes."""
        weights = torch.where(self.weights > 0, self.weights, torch.ones_like(self.weights))
        return torch.xlogy(marginal, marginal) - torch.xlogy(marginal, weights)

    def entropy(self, marginal: Tensor) -> float:
        """sum_i rho_i m_i log(m_i / w_i) over the nodes whose rho is finite."""
        return float((self._finite_rho() * self.log_ratio(marginal)).sum())

    def scale(self, marginal: Tensor) -> float:
        """sum_i rho_i m_i over the nodes whose rho is finite."""
        return float((self._finite_rho() * marginal).sum())

    def penalty(self, marginal: Tensor) -> float:
        """sum_i rho_i kl(m_i | w_i), kl(a | b) = a log(a / b) - a + b, over the nodes whose rho is finite."""
        terms = self.log_ratio(marginal) - marginal + self.weights
        return float((self._finite_rho() * terms).sum())

    def _finite_rho(self) -> Tensor:
        rho = torch.as_tensor(self.rho, dtype=self.weights.dtype, device=self.weights.device)
        return torch.where(torch.isinf(rho), torch.zeros_like(rho), rho)


@dataclass(frozen=True)
class UFGWProblem:
    """Everything that defines the objective; costs of one dtype on one device, ``anchor`` already times (1 - alpha)."""

    Cx: Tensor
    Cy: Tensor
    anchor: Tensor | None
    alpha: float
    eps: float
    row: Side
    col: Side


def check_problem(
    Cx: Tensor,
    Cy: Tensor,
    M: Tensor | None,
    *,
    alpha: float,
    rho: float | Tensor,
    eps: float,
    mu: Tensor | None,
    nu: Tensor | None,
    marginals: str,
) -> UFGWProblem:
    """Check and complete the arguments of :func:`magbench.ot.ufgw.ufgw`.

    Raises:
        OptionError: alpha outside [0, 1], rho or eps not positive, an unknown name, a rho of the wrong shape.
        DataError: a cost that is not square, not symmetric, not finite or negative; weights of the wrong shape,
            negative, not finite or all zero; unequal total weights where both marginals are exact.
    """
    number("alpha", alpha, low=0.0, high=1.0, low_open=False)
    number("eps", eps)
    choice("marginals", marginals, ("both", "target_fixed", "target_free"))
    for name, cost in (("Cx", Cx), ("Cy", Cy)):
        _check_cost(name, cost, Cx)
    nx, ny = len(Cx), len(Cy)
    if M is not None:
        if M.shape != (nx, ny):
            raise DataError(f"M has the shape {tuple(M.shape)}; it must be [Nx, Ny] = {(nx, ny)}.")
        _finite("M", M)
        M = M.to(Cx)
    mu, nu = _weights("mu", mu, nx, Cx), _weights("nu", nu, ny, Cx)
    rho_row = _check_rho(rho, nx, Cx)
    row = Side(mu, rho_row)
    col = Side(nu, {"both": rho_row, "target_fixed": math.inf, "target_free": 0.0}[marginals])
    if isinstance(col.rho, Tensor) and len(col.rho) != ny:
        raise OptionError(
            f"rho has one value for each of {nx} rows, but there are {ny} columns; give a number, or"
            " marginals='target_free' or 'target_fixed'."
        )
    if row.exact and col.exact and abs(float(mu.sum() - nu.sum())) > 1e-5 * float(nu.sum()):
        raise DataError(
            f"mu sums to {float(mu.sum()):.6g} and nu to {float(nu.sum()):.6g}; with both marginals exact (rho=inf) the"
            " sums must be equal. Rescale one, or give a finite rho."
        )
    anchor = (1.0 - alpha) * M if M is not None and alpha < 1.0 else None
    return UFGWProblem(Cx, Cy, anchor, alpha, eps, row, col)


def check_iterations(n_outer: int, n_sinkhorn: int, tol: float | None, dtype: torch.dtype) -> None:
    """Raise OptionError for counts below 1 or a tolerance below the resolution of float32."""
    for name, count in (("n_outer", n_outer), ("n_sinkhorn", n_sinkhorn)):
        if not isinstance(count, int) or count < 1:
            raise OptionError(f"{name}={count!r} is not allowed; it must be an integer of at least 1.")
    if tol is not None:
        number("tol", tol)
        if dtype == torch.float32 and tol < _MIN_TOL_FLOAT32:
            raise OptionError(
                f"tol={tol:g} is below what float32 resolves; give at least {_MIN_TOL_FLOAT32:g}, or float64 costs."
            )


def _check_cost(name: str, cost: Tensor, like: Tensor) -> None:
    if cost.dim() != 2 or cost.shape[0] != cost.shape[1] or len(cost) == 0:
        raise DataError(f"{name} has the shape {tuple(cost.shape)}; it must be square, [N, N] with N >= 1.")
    if cost.dtype not in _SYMMETRY:
        raise DataError(f"{name} has the dtype {cost.dtype}; it must be float32 or float64.")
    if cost.dtype != like.dtype or cost.device != like.device:
        raise DataError(
            f"{name} is {cost.dtype} on {cost.device}, but Cx is {like.dtype} on {like.device}; convert one of them."
        )
    _finite(name, cost)
    largest = float(cost.abs().max())
    # C x = C' x for one generic x tells symmetry in O(N^2) without a transposed pass over memory, which is slow.
    probe = torch.linspace(1.0, 2.0, len(cost), dtype=cost.dtype, device=cost.device).square_()
    gap = float((torch.mv(cost, probe) - torch.mv(cost.t(), probe)).abs().max())
    if gap > _SYMMETRY[cost.dtype] * max(largest, 1e-30) * len(cost) ** 0.5:
        difference = float((cost - cost.t()).abs().max())
        raise DataError(f"{name} is not symmetric (largest difference {difference:.3g}); use ({name} + {name}.T) / 2.")


def _finite(name: str, value: Tensor) -> None:
    if not bool(torch.isfinite(value.sum())) and not bool(torch.isfinite(value).all()):
        bad = int((~torch.isfinite(value)).sum())
        raise DataError(f"{name} holds {bad} NaN or infinite values of {value.numel()}; all must be finite.")


def _weights(name: str, weights: Tensor | None, n: int, like: Tensor) -> Tensor:
    if weights is None:
        return torch.full((n,), 1.0 / n, dtype=like.dtype, device=like.device)
    if weights.shape != (n,):
        raise DataError(f"{name} has the shape {tuple(weights.shape)}; it must be [{n}].")
    _finite(name, weights)
    lowest, total = float(weights.min()), float(weights.sum())
    if lowest < 0 or total <= 0:
        raise DataError(
            f"{name} has the smallest value {lowest:.3g} and the sum {total:.3g}; they must be >= 0, not all zero."
        )
    return weights.to(like)


def _check_rho(rho: float | Tensor, n: int, like: Tensor) -> Tensor | float:
    allowed = "it must be a number > 0 (inf = exact marginals), or one for each row"
    if not isinstance(rho, Tensor):
        if not isinstance(rho, (int, float)) or math.isnan(rho) or rho <= 0:
            raise OptionError(f"rho={rho!r} is not allowed; {allowed}.")
        return float(rho)
    if rho.dim() == 0:
        return _check_rho(float(rho), n, like)
    if rho.shape != (n,):
        raise OptionError(f"rho has the shape {tuple(rho.shape)}; {allowed}, [{n}].")
    if bool(torch.isnan(rho).any()) or float(rho.min()) <= 0:
        raise OptionError(f"rho has the smallest value {float(rho.min()):.3g}; {allowed}.")
    return rho.to(like)
