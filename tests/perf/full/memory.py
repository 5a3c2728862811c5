"""Peak memory of a solve through torch, in matrices of N x N numbers beyond the costs."""

from __future__ import annotations

from magbench.perf.memory import peak_matrices
from magbench.perf.ours import OURS
from magbench.perf.problem import OBJECTIVES

from ..measure.benchmark import has, require


class Peak:
    """At N = 1024 in float32, where matrices outweigh all else."""

    params = (OBJECTIVES,)
    param_names = ("objective",)
    timeout = 300

    def setup(self, kl: str) -> None:
        require(has("torch"))

    def track_count_matrices(self, kl: str) -> float:
        return round(peak_matrices(OURS, kl, "float32", 1024), 1)
