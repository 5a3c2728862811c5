"""One side of a transport problem: the weights of a measured space and how strongly its marginal is held."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Side:
    """Weights ``[N]``, all > 0, and the strength rho ``[N]`` of the marginal penalty (inf = exact, 0 = free).

    The penalty of a marginal m is sum_i rho_i kl(m_i | w_i), kl(a | b) = a log(a / b) - a + b, over finite rho.
    """

    weights: Vector
    rho: Vector

    @cached_property
    def exact(self) -> bool:
        """Whether the marginal of some node is held exactly, so that the mass cannot be scaled freely."""
        return bool(np.isinf(self.rho).any())

    @cached_property
    def total(self) -> float:
        """Sum of the weights."""
        return float(self.weights.sum())

    @cached_property
    def _finite_rho(self) -> Vector:
        return np.where(np.isinf(self.rho), 0.0, self.rho)

    @property
    def uniform_rho(self) -> float:
        """The one rho of all nodes; 0 where it is inf."""
        return float(self._finite_rho[0])

    def kappa(self, eps: float, mass: float = 1.0) -> Vector:
        """Damping rho / (rho + eps) of the Sinkhorn update, for rho times ``mass``; 1 where the marginal is exact."""
        rho = mass * self._finite_rho
        return np.where(np.isinf(self.rho), 1.0, rho / (rho + eps))

    def rate(self, eps: float, mass: float = 1.0) -> float:
        """eps / rho, for rho times ``mass``; nan where nodes differ in rho or the marginal is free."""
        rho = float(self.rho[0])
        return eps / (mass * rho) if rho > 0 and bool((self.rho == rho).all()) else math.nan

    def entropy(self, marginal: Vector) -> float:
        """sum_i rho_i m_i log(m_i / w_i)."""
        return float(self._finite_rho @ xlogy(marginal, marginal / self.weights))

    def scale(self, marginal: Vector) -> float:
        """sum_i rho_i m_i."""
        return float(self._finite_rho @ marginal)

    def penalty(self, marginal: Vector) -> float:
        """sum_i rho_i kl(m_i | w_i)."""
        return self.entropy(marginal) + float(self._finite_rho @ (self.weights - marginal))

    def residual(self, marginal: Vector, potential: Vector, mass: float = 1.0) -> float:
        """L1 distance of a marginal from w exp(-f / rho), which its potential f implies, relative to its sum."""
        free, rho = self.rho == 0, mass * np.where(self.rho == 0, 1.0, self.rho)
        implied = np.where(free, marginal, self.weights * np.exp(np.minimum(-potential / rho, 700.0)))
        return float(np.abs(marginal - implied).sum() / max(float(marginal.sum()), 1e-300))

    def keep(self, nodes: NDArray[np.bool_]) -> Side:
        """The side of the chosen nodes."""
        return Side(self.weights[nodes], self.rho[nodes])
