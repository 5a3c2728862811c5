"""The numba backend of the solver: numpy arrays, numba kernels and one matrix multiplication; no torch.

Beyond the costs that the caller holds, one problem takes four matrices of N x M (five for the joint objective): two or
three plans, the kernel, and T(P), which becomes the reduced cost in place. A cosine cost given as
:class:`Factors` needs no N^3 work: with Cx = s (11' - UU'), U ``[N, d]``, Cx P Cy = s (1 (P'1)'Cy - U ((U'P) Cy)).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import logsumexp

from magbench.ot import kernels, reductions
from magbench.ot.descent import Linear, Plan, Solved
from magbench.ot.side import Vector

Array = NDArray[Any]
MatMul = Callable[[Array, Array, Array], object]
"""``matmul(A, B, out)``."""

_DRIFT = {np.dtype(np.float32): 20.0, np.dtype(np.float64): 100.0}
"""Largest |log scaling| before the kernel is absorbed anew."""
_TRUST = {np.dtype(np.float32): 50.0, np.dtype(np.float64): 300.0}
"""Largest |log scaling| of a sweep that counts; beyond, the log domain repeats it."""
_STILL = {np.dtype(np.float32): 5e-7, np.dtype(np.float64): 1e-15}
"""Sweeps end where no potential moves by more, in units of eps: that is rounding."""
_SPARSE = 0.05
"""Share of entries that differ from the largest below which a graph cost is multiplied as constant - sparse."""


class Factors(NamedTuple):
    """A mean-normalised cosine cost, ``dense`` = scale (11' - unit unit') with ``unit`` ``[N, d]`` of unit rows."""

    unit: Array
    scale: float
    dense: Array


class GraphCost:
    """The columns' cost ``[M, M]``, symmetric; where almost all entries are one constant it is multiplied as such."""

    def __init__(self, dense: Array) -> None:
        self.dense = dense
        self._constant = dense.max()
        self._rest: Any = None
        rows = dense[:: max(len(dense) // 16, 1)]  # a few rows tell most dense costs
        for part in (rows, dense):
            if np.count_nonzero(part != self._constant) > _SPARSE * part.size:
                return
        self._rest = sp.csr_matrix(self._constant - dense)

    @property
    def sparse(self) -> bool:
        """Whether the cost is multiplied as constant - sparse."""
        return self._rest is not None

    def times(self, X: Array, matmul: MatMul, out: Array) -> Array:
        """X Cy, in ``out`` or a new array."""
        if self._rest is None:
            matmul(X, self.dense, out)
        else:
            np.subtract(self._constant * X.sum(1, keepdims=True), (self._rest @ X.T).T, out=out)
        return out


@dataclass(frozen=True)
class Distortion:
    """T_ij = row_i + col_j - 2 weight core_ij, times the plan's scale; no ``core`` where the structure term is off."""

    core: Array | None
    row: Vector
    col: Vector
    weight: float
    plan: Plan


def numpy_matmul(A: Array, B: Array, out: Array) -> object:
    """``out`` = A B by numpy's BLAS."""
    return np.matmul(A, B, out=out)


class NumbaBackend:
    """Backend of :mod:`magbench.ot.descent` on numba kernels.

    Args:
        Cx: cost of the rows' space, ``[N, N]`` or :class:`Factors`.
        Cy: cost of the columns' space ``[M, M]``.
        M: linear cost ``[N, M]``, or None.
        mu: weights ``[N]``, > 0.
        nu: weights ``[M]``, > 0.
        structure: whether T is needed at all (alpha > 0).
        matmul: the matrix product to use.
    """

    def __init__(
        self,
        Cx: Array | Factors,
        Cy: Array,
        M: Array | None,
        mu: Vector,
        nu: Vector,
        *,
        structure: bool = True,
        matmul: MatMul = numpy_matmul,
    ) -> None:
        self.factors = Cx if isinstance(Cx, Factors) else None
        self.Cx = Cx.dense if isinstance(Cx, Factors) else Cx
        self.dtype = self.Cx.dtype
        self.Cy = GraphCost(Cy)
        self.nothing = np.empty((0, 0), self.dtype)
        self.M = self.nothing if M is None else M
        self.mu, self.nu = mu.astype(self.dtype), nu.astype(self.dtype)
        self.log_mu, self.log_nu = np.log(mu), np.log(nu)
        self.structure, self.matmul = structure, matmul
        self.kernel, self.reduced = self._new(), self._new()
        self._free: list[Array] = []
        if self.factors is not None:
            self._unit_t = np.ascontiguousarray(self.factors.unit.T)
            self._thin = np.empty((2, self._unit_t.shape[0], len(nu)), self.dtype)

    def start(self, values: Array | None, linear: float = 0.0, entropy: float = 0.0) -> Plan:
        """The plan with the given entries (mu nu' if None), of which <M, P> and <P, log P / mu nu'> are known."""
        buffer = self._plan()
        if values is None:
            np.multiply.outer(self.mu, self.nu, out=buffer)
            mu, nu = self.mu.astype(np.float64), self.nu.astype(np.float64)
            return Plan(buffer, mu * nu.sum(), nu * mu.sum(), entropy, linear, product=True)
        buffer[:] = values
        return Plan(buffer, buffer.sum(1, dtype=np.float64), buffer.sum(0, dtype=np.float64), entropy, linear)

    def distortion(self, plan: Plan) -> tuple[Distortion, float]:
        """T(plan) and <T(plan), plan>."""
        if not self.structure:
            return Distortion(None, np.zeros(len(self.mu)), np.zeros(len(self.nu)), 0.0, plan), 0.0
        (row, _), (col, lift) = self._products(self.Cx, plan.row), self._products(self.Cy.dense, plan.col)
        weight, inner = 1.0, 0.0
        core = self.reduced
        if plan.product:
            left, right = self.Cx @ self.mu, self.Cy.dense @ self.nu
            np.multiply.outer(left, right, out=core)
            inner = float(left.astype(np.float64) @ plan.row) * float(right.astype(np.float64) @ plan.col)
        elif self.factors is not None:
            thin = self._thin
            self.matmul(self._unit_t, plan.values, thin[0])
            self.Cy.times(thin[0], self.matmul, thin[1])
            self.matmul(self.factors.unit, thin[1], core)
            # The constant part of Cx P Cy depends on the column alone.
            weight = -self.factors.scale
            col -= 2.0 * self.factors.scale * lift
            inner = float(np.vdot(thin[0], thin[1]))
        else:
            self.Cy.times(plan.values, self.matmul, self.kernel)
            self.matmul(self.Cx, self.kernel, core)
            inner = reductions.inner_product(core, plan.values)
        value = float(row @ plan.row) + float(col @ plan.col) - 2.0 * weight * inner
        return Distortion(core, row, col, weight, plan), plan.scale**2 * value

    def solve(self, distortion: Distortion, problem: Linear, g: Vector, n_sinkhorn: int, still: float) -> Solved:
        """Sinkhorn sweeps around absorbed potentials, in the log domain where those fail."""
        eps, scale = problem.eps, problem.structure * distortion.plan.scale
        R = (scale * distortion.row + problem.constant) / eps
        S = scale * distortion.col / eps
        weights = 2.0 * scale * distortion.weight / eps, -problem.anchor / eps
        state = _Sweeps(self, problem, R, S, g / eps - S, distortion.core, weights)
        state.run(n_sinkhorn, max(still, _STILL[self.dtype]))
        buffer, row = self._plan(), np.empty_like(self.mu)
        reduced, linear = kernels.plan_of(self.kernel, state.a, state.b, self.reduced, self.M, buffer, row)
        rows = row.astype(np.float64)
        cols = state.col_sums(buffer)
        phi, gamma = state.potentials()
        entropy = float(rows @ phi) + float(cols @ gamma) + reduced
        cost = eps * (float(rows @ R) + float(cols @ S) - reduced)
        return Solved(Plan(buffer, rows, cols, entropy, linear), eps * (phi + R), eps * (gamma + S), cost, state.done)

    def change(self, before: Plan, after: Plan) -> float:
        """sum |after - before|."""
        value = float(reductions.distance(after.values, after.scale, before.values, before.scale))
        self.release(before)
        return value

    def release(self, plan: Plan) -> None:
        """Take back the memory of a plan."""
        self._free.append(plan.values)

    def _products(self, C: Array, x: Vector) -> tuple[Vector, Vector]:
        """C^2 x (squares of entries) and C x."""
        squares, products = np.empty((2, len(C)), self.dtype)
        reductions.matvecs(C, x.astype(self.dtype), squares, products)
        return squares.astype(np.float64), products.astype(np.float64)

    def _new(self) -> Array:
        return np.empty((len(self.mu), len(self.nu)), self.dtype)

    def _plan(self) -> Array:
        return self._free.pop() if self._free else self._new()


class _Sweeps:
    """The inner loop around one reduced cost H = w core + w' M, which is left in place of the core.

    phi, gamma are the absorbed potentials, (a, b) the scalings on top.
    """

    def __init__(
        self,
        backend: NumbaBackend,
        problem: Linear,
        R: Vector,
        S: Vector,
        gamma: Vector,
        core: Array | None,
        weights: tuple[float, float],
    ) -> None:
        self.backend, self.problem = backend, problem
        self.R, self.S, self.done = R, S, 0
        dtype = backend.dtype
        self.rates = problem.rates or (0.0, 0.0)
        self.kappas = problem.kappa_row.astype(dtype), problem.kappa_col.astype(dtype)
        phi, self.gamma = np.empty_like(backend.mu), self._rounded(gamma)
        core = backend.nothing if core is None else core
        kernels.reduce_cold(
            core, weights[0], backend.M, weights[1], gamma.astype(dtype), backend.reduced, backend.kernel, phi
        )
        self.phi = phi.astype(np.float64)
        self._reset()

    def run(self, n_iter: int, still: float) -> None:
        """Do ``n_iter`` sweeps, fewer where one moves no potential by more than ``still``."""
        backend, dtype = self.backend, self.backend.dtype
        left = n_iter
        while left > 0:
            used, status = kernels.sweeps(
                backend.kernel, backend.mu, backend.nu, *self._lags(), *self.kappas, self.phi + self.R,
                self.gamma + self.S, self.rates, self.b, self.log_a, self.log_b, self.a, self.sums, left,
                _DRIFT[dtype], _TRUST[dtype], still,
            )  # fmt: skip
            left -= used
            self.done += used
            if status == kernels.DONE or (status == kernels.DRIFTED and left == 0):
                return
            if used:
                self.phi, self.gamma = self.potentials()
            if status == kernels.UNTRUSTED:
                self._log_sweep()
                left -= 1
                self.done += 1
            self.phi, self.gamma = self._rounded(self.phi), self._rounded(self.gamma)
            kernels.absorb(backend.reduced, self.phi.astype(dtype), self.gamma.astype(dtype), backend.kernel)
            self._reset()

    def potentials(self) -> tuple[Vector, Vector]:
        """phi and gamma with the scalings on top."""
        return self.phi + self.log_a, self.gamma + self.log_b

    def col_sums(self, plan: Array) -> Vector:
        """Column sums of diag(a) K diag(b), known from the last sweep unless that was in the log domain."""
        sums: Vector = self.b.astype(np.float64) * self.sums if self.sums.any() else plan.sum(0, dtype=np.float64)
        return sums

    def _rounded(self, potential: Vector) -> Vector:
        """The kernel is formed from rounded potentials: those are the ones absorbed."""
        rounded: Vector = potential.astype(self.backend.dtype).astype(np.float64)
        return rounded

    def _reset(self) -> None:
        mu, nu = self.backend.mu, self.backend.nu
        self.log_a, self.log_b, self.sums = np.zeros_like(mu), np.zeros_like(nu), np.zeros_like(nu)
        self.a, self.b = mu.copy(), nu.copy()

    def _lags(self) -> tuple[Array, Array]:
        """(kappa - 1) f0 / eps: what damping takes from the absorbed potentials f0."""
        dtype = self.backend.dtype
        row = (self.problem.kappa_row - 1.0) * (self.phi + self.R)
        return row.astype(dtype), ((self.problem.kappa_col - 1.0) * (self.gamma + self.S)).astype(dtype)

    def _log_sweep(self) -> None:
        """One sweep in the log domain: finite for every finite cost and eps > 0."""
        backend, problem, dtype = self.backend, self.problem, self.backend.dtype
        rows, cols = np.empty_like(backend.mu), np.empty_like(backend.nu)
        kernels.log_row_sums(backend.reduced, (self.gamma + backend.log_nu).astype(dtype), rows)
        self.phi = (problem.kappa_row - 1.0) * self.R - problem.kappa_row * rows
        kernels.log_col_sums(backend.reduced, (self.phi + backend.log_mu).astype(dtype), cols)
        self.gamma = (problem.kappa_col - 1.0) * self.S - problem.kappa_col * cols
        self._shift()

    def _shift(self) -> None:
        """Move the best constant from gamma to phi."""
        row, col = self.rates
        if row + col == 0.0:
            return
        backend = self.backend
        left = float(logsumexp(backend.log_mu - row * (self.phi + self.R)))
        right = float(logsumexp(backend.log_nu - col * (self.gamma + self.S)))
        limit = _DRIFT[backend.dtype]
        lift = min(max((left - right) / (row + col), -limit), limit)
        self.phi, self.gamma = self.phi + lift, self.gamma - lift
