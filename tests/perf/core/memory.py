"""Peak memory of a solve, in matrices of N x N numbers beyond the costs; a count, for the allocator is made exact."""

from __future__ import annotations

from magbench.perf.memory import peak_matrices
from magbench.perf.ours import NUMPY
from magbench.perf.problem import OBJECTIVES, PRECISIONS


class Peak:
    """At N = 1024, where matrices outweigh all else."""

    params = (OBJECTIVES, PRECISIONS)
    param_names = ("objective", "precision")
    timeout = 300

    def track_count_matrices(self, kl: str, precision: str) -> float:
        return round(peak_matrices(NUMPY, kl, precision, 1024), 1)
