"""Iterations to a relative gap of 1e-6, in float64: counts, the same on every machine."""

from __future__ import annotations

from magbench.perf.problem import OBJECTIVES
from magbench.perf.profiles import chosen_profile

from ..measure.benchmark import Values, work_counts

SIZES = [n for n in chosen_profile().tracked if n <= 512]


class Work:
    """Outer iterations, and Sinkhorn sweeps in all of them."""

    params = (OBJECTIVES, SIZES)
    param_names = ("objective", "n")

    def setup_cache(self) -> Values:
        return work_counts(SIZES)

    def track_count_outer(self, values: Values, kl: str, n: int) -> float:
        return values["outer", kl, n]

    def track_count_sweeps(self, values: Values, kl: str, n: int) -> float:
        return values["sweeps", kl, n]
