"""Personalised PageRank by push: ours against PyG's ``get_ppr``, on one power-law graph, at the same tolerance.

Both stop when every residual is below ``tol`` times the degree, so their estimates are equally good; recall of the 64
largest exact scores says how good. PyG sorts the edges anew at each call: *as called* includes that, *kernel* does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from magbench.perf.problem import Array, power_law_edges
from magbench.perf.timing import Spread, interleave

TELEPORT = 0.15
TOP = 128
_RECALL_AT = 64


@dataclass(frozen=True)
class Graph:
    """A' = A + I as CSR: ``offsets`` int64 ``[N + 1]``, ``targets`` int64 ``[E]``; ``seeds`` int64 ``[S]``."""

    offsets: Array
    targets: Array
    seeds: Array

    @classmethod
    def draw(cls, n: int, num_seeds: int, *, mean_degree: int = 20, seed: int = 0) -> Graph:
        """A Chung-Lu graph of n nodes and start nodes drawn without replacement."""
        generator = np.random.default_rng(seed)
        rows, columns = power_law_edges(n, generator, mean_degree)
        loops = np.arange(n)
        keys = np.sort(np.concatenate([rows * n + columns, loops * n + loops]))
        offsets = np.searchsorted(keys // n, np.arange(n + 1))
        seeds = np.sort(generator.permutation(n)[:num_seeds])
        return cls(offsets.astype(np.int64), keys % n, seeds.astype(np.int64))

    def pusher(self, tol: float, top_k: int = TOP) -> Callable[[], tuple[Array, Array, Array]]:
        """A call that gives our estimates from every start node: CSR pointers, columns, values."""
        from magbench.graph.push import push_rows

        offsets, targets = self.offsets.astype(np.uint32), self.targets.astype(np.uint32)
        return lambda: push_rows(offsets, targets, self.seeds, TELEPORT, tol, top_k)

    def touched(self, tol: float) -> float:
        """Nodes that a push from one start node reaches, on average: how much work it is, on any machine."""
        pointers, _, _ = self.pusher(tol, top_k=len(self.offsets) - 1)()
        return float(np.diff(pointers).mean())

    def exact(self, steps: int = 150) -> Array:
        """Scores ``[S, N]`` by power iteration; the error is 0.85^steps."""
        from scipy.sparse import csr_matrix

        n = len(self.offsets) - 1
        degree = np.diff(self.offsets)
        walk = csr_matrix((np.repeat(1.0 / degree, degree), self.targets, self.offsets), shape=(n, n)).T.tocsr()
        start = np.zeros((n, len(self.seeds)))
        start[self.seeds, np.arange(len(self.seeds))] = TELEPORT
        scores = start.copy()
        for _ in range(steps):
            scores = start + (1.0 - TELEPORT) * (walk @ scores)
        return np.ascontiguousarray(scores.T)


@dataclass(frozen=True)
class Comparison:
    """Seconds a start node of ours, how many times longer PyG takes (kernel, as called), recall@64 of both."""

    seconds: Spread
    kernel: Spread
    called: Spread
    recall: float
    recall_pyg: float


def compare_push(graph: Graph, tol: float, *, rounds: int) -> Comparison:
    """Time ours and PyG's in turns.

    Args:
        graph: from :meth:`Graph.draw`.
        tol: residual per degree at which both stop.
        rounds: interleaved rounds.
    """
    exact = graph.exact()
    kernel, called = _pyg(graph, tol)
    push = graph.pusher(tol)
    times = interleave({"ours": push, "kernel": kernel, "called": called}, rounds)
    columns, values = kernel()
    return Comparison(
        times.spread("ours").scaled(1.0 / len(graph.seeds)),
        times.ratio("kernel", "ours"),
        times.ratio("called", "ours"),
        recall(exact, *_rows(push())),
        recall(exact, columns, values),
    )


def recall(exact: Array, columns: list[Array], values: list[Array], k: int = _RECALL_AT) -> float:
    """Mean share of the k largest exact scores that are among the k largest estimates."""
    shares = []
    for row, nodes, found in zip(exact, columns, values, strict=True):
        nodes, found = np.asarray(nodes), np.asarray(found)
        wanted = np.argpartition(-row, k)[:k]
        shares.append(np.isin(wanted, nodes[np.argsort(-found)[:k]]).mean())
    return float(np.mean(shares))


def _rows(csr: tuple[Array, Array, Array]) -> tuple[list[Array], list[Array]]:
    pointers, columns, values = csr
    return np.split(columns, pointers[1:-1]), np.split(values, pointers[1:-1])


def _pyg(graph: Graph, tol: float) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """PyG's compiled kernel on our CSR arrays, and ``get_ppr`` on an edge list; both on one thread."""
    import torch
    from torch_geometric.utils import get_ppr
    from torch_geometric.utils import ppr as module

    n = len(graph.offsets) - 1
    rows = torch.from_numpy(np.repeat(np.arange(n), np.diff(graph.offsets)))
    edges, target = torch.stack([rows, torch.from_numpy(graph.targets)]), torch.from_numpy(graph.seeds)

    def called() -> Any:
        return get_ppr(edges, alpha=TELEPORT, eps=tol, target=target, num_nodes=n)

    called()  # compiles the kernel
    return lambda: module._get_ppr_numba(graph.offsets, graph.targets, TELEPORT, tol, graph.seeds), called
