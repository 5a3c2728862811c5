"""The input of :func:`magbench.ot.ufgw`, checked once: costs, weights and marginal relaxations of one problem.

Every breach raises an error that names the argument, the value found and the values allowed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from magbench.checks import choice, number
from magbench.errors import DataError, OptionError
from magbench.ot import kernels
from magbench.ot.descent import Setting
from magbench.ot.side import Side, Vector

_SYMMETRY = {torch.float32: 1e-4, torch.float64: 1e-9}
_MIN_TOL_FLOAT32 = 1e-5


@dataclass(frozen=True)
class UFGWProblem:
    """A checked problem: costs of one dtype on one device, and what defines the objective beside them."""

    Cx: Tensor
    Cy: Tensor
    M: Tensor | None
    setting: Setting

    def part(self, rows: NDArray[np.bool_], cols: NDArray[np.bool_]) -> UFGWProblem:
        """The problem among the chosen rows and columns."""
        i, j = (torch.from_numpy(np.flatnonzero(kept)).to(self.Cx.device) for kept in (rows, cols))
        M = None if self.M is None else self.M[i][:, j]
        s = self.setting
        setting = Setting(s.alpha, s.eps, s.row.keep(rows), s.col.keep(cols))
        return UFGWProblem(self.Cx[i][:, i].contiguous(), self.Cy[j][:, j].contiguous(), M, setting)


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
    """Check and complete the arguments of :func:`magbench.ot.ufgw`.

    Raises:
        OptionError: alpha outside [0, 1], rho or eps not positive, an unknown name, a rho of the wrong shape.
        DataError: a cost that is not square, not symmetric or not finite; weights of the wrong shape, negative, not
            finite or all zero; unequal total weights where both marginals are exact.
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
    weights = _weights("mu", mu, nx), _weights("nu", nu, ny)
    rho_row = _check_rho(rho, nx)
    if marginals == "both" and np.ndim(rho_row) and nx != ny:
        raise OptionError(
            f"rho has one value for each of {nx} rows, but there are {ny} columns; give a number, or"
            " marginals='target_free' or 'target_fixed'."
        )
    rho_col = {"both": rho_row, "target_fixed": math.inf, "target_free": 0.0}[marginals]
    row = Side(weights[0], np.broadcast_to(np.asarray(rho_row, np.float64), nx))
    col = Side(weights[1], np.broadcast_to(np.asarray(rho_col, np.float64), ny))
    if row.exact and col.exact and abs(row.total - col.total) > 1e-5 * col.total:
        raise DataError(
            f"mu sums to {row.total:.6g} and nu to {col.total:.6g}; with both marginals exact (rho=inf) the"
            " sums must be equal. Rescale one, or give a finite rho."
        )
    return UFGWProblem(Cx, Cy, M if alpha < 1.0 else None, Setting(alpha, eps, row, col))


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
    low, high = (float(end) for end in cost.aminmax())
    if not math.isfinite(low) or not math.isfinite(high):
        _finite(name, cost)
    limit = _SYMMETRY[cost.dtype] * max(-low, high)
    gap = _asymmetry(cost)
    if gap > limit and (difference := float((cost - cost.t()).abs().max())) > limit:
        raise DataError(f"{name} is not symmetric (largest difference {difference:.3g}); use ({name} + {name}.T) / 2.")


def _asymmetry(cost: Tensor) -> float:
    """max_i |(C x - C' x)_i| for one generic x: O(N^2) without a transposed pass over memory, which is slow."""
    probe = torch.linspace(1.0, 2.0, len(cost), dtype=torch.float64, device=cost.device).square_()
    if cost.device.type == "cpu":
        return float(kernels.asymmetry(cost.detach().contiguous().numpy(), probe.numpy()))
    probe = probe.to(cost)
    return float((torch.mv(cost, probe) - torch.mv(cost.t(), probe)).abs().max())


def _finite(name: str, value: Tensor) -> None:
    if not bool(torch.isfinite(value.sum())) and not bool(torch.isfinite(value).all()):
        bad = int((~torch.isfinite(value)).sum())
        raise DataError(f"{name} holds {bad} NaN or infinite values of {value.numel()}; all must be finite.")


def _weights(name: str, weights: Tensor | None, n: int) -> Vector:
    if weights is None:
        return np.full(n, 1.0 / n)
    if weights.shape != (n,):
        raise DataError(f"{name} has the shape {tuple(weights.shape)}; it must be [{n}].")
    _finite(name, weights)
    lowest, total = float(weights.min()), float(weights.sum())
    if lowest < 0 or total <= 0:
        raise DataError(
            f"{name} has the smallest value {lowest:.3g} and the sum {total:.3g}; they must be >= 0, not all zero."
        )
    return _vector(weights)


def _check_rho(rho: float | Tensor, n: int) -> Vector | float:
    allowed = "it must be a number > 0 (inf = exact marginals), or one for each row"
    if not isinstance(rho, Tensor):
        if not isinstance(rho, (int, float)) or math.isnan(rho) or rho <= 0:
            raise OptionError(f"rho={rho!r} is not allowed; {allowed}.")
        return float(rho)
    if rho.dim() == 0:
        return _check_rho(float(rho), n)
    if rho.shape != (n,):
        raise OptionError(f"rho has the shape {tuple(rho.shape)}; {allowed}, [{n}].")
    if bool(torch.isnan(rho).any()) or float(rho.min()) <= 0:
        raise OptionError(f"rho has the smallest value {float(rho.min()):.3g}; {allowed}.")
    return _vector(rho)


def _vector(values: Tensor) -> Vector:
    return values.detach().to("cpu", torch.float64).numpy().copy()
