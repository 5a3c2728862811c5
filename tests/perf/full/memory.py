"""Peak memory of a solve through torch, in matrices of N x N numbers beyond the costs."""

from __future__ import annotations

from magbench.perf.benchmark import require
from magbench.perf.memory import peak_matrices
from magbench.perf.ours import OURS
from magbench.perf.problem import OBJECTIVES, PRECISIONS


class Peak:
    """At N = 1024, where matrices outweigh all else."""

    params = (OBJECTIVES, PRECISIONS)
    param_names = ("objective", "precision")
    timeout = 300

    def setup(self, kl: str, precision: str) -> None:
        require(OURS)

    def track_count_matrices(self, kl: str, precision: str) -> float:
        return round(peak_matrices(OURS, kl, precision, 1024), 1)
