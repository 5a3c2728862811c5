"""Peak memory of a solve, in matrices of N x N numbers beyond the costs; a count, for the allocator is made exact."""

from __future__ import annotations

from magbench.perf.memory import peak_matrices
from magbench.perf.ours import NUMPY
from magbench.perf.problem import OBJECTIVES


class Peak:
    """At N = 1024 in float32, where matrices outweigh all else."""

    params = (OBJECTIVES,)
    param_names = ("objective",)
    timeout = 300

    def track_count_matrices(self, kl: str) -> float:
        return round(peak_matrices(NUMPY, kl, "float32", 1024), 1)
