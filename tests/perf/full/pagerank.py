"""Personalised PageRank by push against PyG's, at equal tolerance and so at equal recall."""

from __future__ import annotations

from magbench.perf.profiles import chosen_profile

from ..measure.benchmark import has, require
from ..measure.pagerank import Comparison, Graph, compare_push

PROFILE = chosen_profile()


class Push:
    """CPU time over PyG's kernel, over ``get_ppr`` as called, and PyG's recall over ours."""

    params = ((1e-4, 1e-5),)
    param_names = ("tol",)
    timeout = 900

    def setup_cache(self) -> dict[float, Comparison]:
        if not PROFILE.graph or not has("torch", "torch-geometric"):
            return {}
        graph = Graph.draw(PROFILE.graph, PROFILE.seeds)
        return {tol: compare_push(graph, tol, rounds=PROFILE.rounds) for tol in (1e-4, 1e-5)}

    def setup(self, found: dict[float, Comparison], tol: float) -> None:
        require(tol in found)

    def track_ratio_kernel(self, found: dict[float, Comparison], tol: float) -> float:
        return 1.0 / found[tol].kernel.median

    def track_ratio_called(self, found: dict[float, Comparison], tol: float) -> float:
        return 1.0 / found[tol].called.median

    def track_ratio_recall(self, found: dict[float, Comparison], tol: float) -> float:
        return found[tol].recall_pyg / found[tol].recall
