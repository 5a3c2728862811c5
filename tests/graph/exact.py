"""Reference PageRank in float64 by numpy's dense solver, and graphs to compare on; no code of magbench."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import strategies as st


def adjacency(edges: np.ndarray, n: int) -> np.ndarray:
    """A' = A + I, undirected, 0/1."""
    matrix = np.eye(n)
    matrix[edges[0], edges[1]] = 1.0
    matrix[edges[1], edges[0]] = 1.0
    return matrix


def pagerank(edges: np.ndarray, n: int, teleport: float = 0.15, norm: str = "rw") -> np.ndarray:
    """Pi ``[N, N]``, float64."""
    matrix = adjacency(edges, n)
    degree = matrix.sum(1)
    walk = np.linalg.solve(np.eye(n) - (1 - teleport) * matrix / degree[:, None], teleport * np.eye(n))
    return walk if norm == "rw" else np.sqrt(degree)[:, None] * walk / np.sqrt(degree)[None, :]


def slack(edges: np.ndarray, n: int, norm: str) -> np.ndarray:
    """How much a push at tol = 1 may miss of each score, ``[N, N]``."""
    degree = adjacency(edges, n).sum(1)
    return np.sqrt(degree[:, None] * degree[None, :]) if norm == "sym" else np.tile(degree, (n, 1))


def power_law(n: int, pairs: int, seed: int = 0) -> np.ndarray:
    """Edges ``[2, E]`` of a Chung-Lu graph with exponent 2.5, both directions."""
    generator = np.random.default_rng(seed)
    weights = (np.arange(n) + 5.0) ** (-1 / 1.5)
    ends = generator.permutation(n)[generator.choice(n, (2, pairs), p=weights / weights.sum())]
    return np.concatenate([ends, ends[::-1]], axis=1)


@st.composite
def messy_graphs(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    """Edges in one direction or both, with loops, duplicates, isolated nodes and several components."""
    n = draw(st.integers(1, 24))
    used = draw(st.lists(st.integers(0, n - 1), unique=True, max_size=n))
    pairs = [(i, i) for i in used] + list(combinations(used, 2))
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=60)) if pairs else []
    turned = [(b, a) if draw(st.booleans()) else (a, b) for a, b in chosen]
    return np.array(turned, dtype=np.int64).reshape(-1, 2).T, n
