"""Evaluating link prediction, 1,000 negatives an edge: seconds, extrapolated from part of the edges, and memory."""

from __future__ import annotations

from magbench.perf.profiles import chosen_profile

from ..measure.benchmark import has, require
from ..measure.links import evaluate

PROFILE = chosen_profile()
EDGES, NEGATIVES, NODES = 100_000, 1_000, 100_000
# Part of the edges that are scored: a perceptron takes 400 times as long a pair as an inner product does.
SHARE = {"dot": 0.1, "hadamard_mlp": 0.002}


class Links:
    """Seconds for 100,000 edges on one thread."""

    params = (tuple(SHARE),)
    param_names = ("decoder",)
    timeout = 900

    def setup(self, decoder: str) -> None:
        require(bool(PROFILE.graph) and has("torch"))

    def track_seconds(self, decoder: str) -> float:
        found = evaluate(decoder, queries=int(SHARE[decoder] * EDGES), negatives=NEGATIVES, nodes=NODES)
        return found.total / SHARE[decoder]


class Memory:
    """Bytes of a process that evaluates all of them with inner products; the promise is under 2 GB."""

    timeout = 900

    def setup(self) -> None:
        require(PROFILE.graph >= NODES and has("torch"))

    def track_gigabytes(self) -> float:
        return evaluate("dot", queries=EDGES, negatives=NEGATIVES, nodes=NODES).peak / 1e9
