"""The problem every solver is given: one modality against a power-law graph, as OptiMAG builds it from a batch.

A Chung-Lu graph with degree exponent 2.5 (Chung & Lu 2002); states z that are noise smoothed once over the edges, so
that the two spaces resemble each other as they do in training; the cosine cost of z, the -log PPR cost of the graph and
the ``soft_graph`` anchor, all as in :mod:`magbench.ot.costs`, here in numpy so that torch is not needed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from magbench.errors import OptionError

Array = np.ndarray

PRECISIONS = ("float32", "float64")
OBJECTIVES = ("joint", "plain")
_MEAN_DEGREE = 10
_EXPONENT = 2.5
_TELEPORT = 0.15
_FLOOR = 1e-6
_TAU = 0.5


@dataclass(frozen=True)
class Problem:
    """Costs of one problem in one precision, with the parameters of the objective.

    Attributes:
        z: states ``[N, d]`` whose cosine cost is Cx.
        Cx: modality cost ``[N, N]``, mean 1.
        Cy: graph cost ``[N, N]``, mean 1.
        M: anchor ``[N, N]``.
        kl: which objective, ``"joint"`` (J) or ``"plain"`` (L), see :mod:`magbench.ot.unbalanced`.
        alpha: weight of the structure term.
        rho: strength of the marginal penalties.
        eps: entropic strength.
    """

    z: Array
    Cx: Array
    Cy: Array
    M: Array
    kl: str = "joint"
    alpha: float = 0.6
    rho: float = 0.1
    eps: float = 0.05

    @property
    def n(self) -> int:
        """Number of nodes N of each space."""
        return len(self.Cx)

    @property
    def precision(self) -> str:
        """Name of the costs' type, ``"float32"`` or ``"float64"``."""
        return str(self.Cx.dtype)

    @property
    def weights(self) -> Array:
        """Uniform weights ``[N]``, which both sides have."""
        return np.full(self.n, 1.0 / self.n, dtype=self.Cx.dtype)

    def cast(self, precision: str) -> Problem:
        """The same problem with its costs rounded to ``precision``."""
        z, Cx, Cy, M = (np.ascontiguousarray(part, precision) for part in (self.z, self.Cx, self.Cy, self.M))
        return replace(self, z=z, Cx=Cx, Cy=Cy, M=M)


def make_problem(n: int, *, kl: str = "joint", precision: str = "float64", dim: int = 128, seed: int = 0) -> Problem:
    """Draw a problem; equal arguments give equal costs, and ``precision`` only rounds them.

    Args:
        n: nodes N, at least 8.
        kl: ``"joint"`` or ``"plain"``.
        precision: ``"float32"`` or ``"float64"``.
        dim: width d of the states.
        seed: seeds the graph and the states.

    Raises:
        OptionError: n too small, or an unknown objective or precision.
    """
    if n < 8:
        raise OptionError(f"N={n} is not allowed; a benchmark problem needs at least 8 nodes.")
    for name, value, allowed in (("kl", kl, OBJECTIVES), ("precision", precision, PRECISIONS)):
        if value not in allowed:
            raise OptionError(f"{name}={value!r} is not allowed; choose one of {', '.join(allowed)}.")
    generator = np.random.default_rng(seed)
    adjacency = np.zeros((n, n))
    rows, columns = power_law_edges(n, generator)
    adjacency[rows, columns] = 1.0
    np.fill_diagonal(adjacency, 1.0)
    noise = generator.standard_normal((n, dim))
    z = adjacency @ noise / np.sqrt(adjacency.sum(1, keepdims=True)) + generator.standard_normal((n, dim))
    # Rounded first: whoever rebuilds Cx from z in float32 then starts from the same numbers.
    z = z.astype(np.float32).astype(np.float64)
    graph = _graph_cost(_ppr(adjacency))
    anchor = -np.expm1(-graph / _TAU)
    np.fill_diagonal(anchor, 0.0)
    return Problem(z, _cosine_cost(z), graph, anchor, kl).cast(precision)


def power_law_edges(n: int, generator: np.random.Generator, mean_degree: int = _MEAN_DEGREE) -> tuple[Array, Array]:
    """Both directions of about ``n mean_degree / 2`` undirected Chung-Lu edges: no self-loops, no duplicates.

    Returns:
        Sources and targets, int64 ``[E]`` each, sorted by source.
    """
    share = np.cumsum((np.arange(n) + 1.0) ** (-1.0 / (_EXPONENT - 1.0)))
    ends = np.searchsorted(share / share[-1], generator.random((2, n * mean_degree // 2)))
    ends = generator.permutation(n)[np.minimum(ends, n - 1)]
    ends = ends[:, ends[0] != ends[1]]
    keys = np.unique(np.concatenate([ends[0] * n + ends[1], ends[1] * n + ends[0]]))
    return keys // n, keys % n


def _ppr(adjacency: Array) -> Array:
    root = np.sqrt(adjacency.sum(1))
    system = np.eye(len(adjacency)) - (1.0 - _TELEPORT) * adjacency / root[:, None] / root[None, :]
    inverse: Array = np.linalg.inv(system)
    return np.asarray(_TELEPORT * 0.5 * (inverse + inverse.T))


def _graph_cost(diffusion: Array) -> Array:
    cost: Array = np.maximum(-np.log(np.maximum(diffusion, _FLOOR)), 0.0)
    np.fill_diagonal(cost, 0.0)
    return np.asarray(cost / cost.mean())


def _cosine_cost(z: Array) -> Array:
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    cost = np.maximum(1.0 - unit @ unit.T, 0.0)
    cost = 0.5 * (cost + cost.T)
    np.fill_diagonal(cost, 0.0)
    return np.asarray(cost / cost.mean())
