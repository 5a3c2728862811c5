"""A training step with OptiMAG over a plain one; the host is gated, emoji's plain step is too short for that."""

from __future__ import annotations

from magbench.perf.profiles import chosen_profile

from ..measure.benchmark import has, require
from ..measure.training import step_overhead

PROFILE = chosen_profile()


class Step:
    """Two modalities, 512 nodes a batch, 5 outer iterations."""

    timeout = 900

    def setup_cache(self) -> dict[str, float]:
        graphs = {"host": PROFILE.host, "emoji": 0} if PROFILE.host and has("torch", "torch-geometric") else {}
        return {name: step_overhead(name, rounds=PROFILE.rounds, nodes=n)[1].median for name, n in graphs.items()}

    def setup(self, found: dict[str, float]) -> None:
        require(bool(found))

    def track_ratio_host(self, found: dict[str, float]) -> float:
        return found["host"]

    def track_emoji(self, found: dict[str, float]) -> float:
        return found["emoji"]
