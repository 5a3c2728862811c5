"""The solver's CPU time over POT's and over the machine's floor (ratios), its time (informs).

Everything tracked is measured once, in one process, by :func:`setup_cache`.
"""

from __future__ import annotations

from magbench.perf import ours
from magbench.perf.compare import INNER, OUTER
from magbench.perf.problem import OBJECTIVES, PRECISIONS, make_problem
from magbench.perf.profiles import chosen_profile

from ..measure.benchmark import Values, floor_ratios, peer_ratios, require, tolerance_ratios

PROFILE = chosen_profile()


def setup_cache() -> Values:
    peers = ["POT numpy"]
    return {
        **floor_ratios(PROFILE, ours.NUMPY),
        **peer_ratios(PROFILE, ours.NUMPY, peers, ["float64"]),
        **tolerance_ratios(PROFILE, ours.NUMPY, peers),
    }


setup_cache.timeout = 3600  # type: ignore[attr-defined]


class Pot:
    """CPU time of an outer iteration over POT's (numpy, float64, joint objective)."""

    params = (PROFILE.tracked,)
    param_names = ("n",)

    def setup(self, values: Values, n: int) -> None:
        require(("POT numpy", "float64", n) in values)

    def track_ratio_iteration(self, values: Values, n: int) -> float:
        return values["POT numpy", "float64", n]


class PotTolerance:
    """CPU time to a relative gap of 1e-6 over POT's 10 x 20."""

    def setup(self, values: Values) -> None:
        require(("POT numpy", "tolerance") in values)

    def track_ratio_tolerance(self, values: Values) -> float:
        return values["POT numpy", "tolerance"]


class Floor:
    """CPU time of an outer iteration over the floor of this machine."""

    params = (OBJECTIVES, PRECISIONS, PROFILE.tracked)
    param_names = ("objective", "precision", "n")

    def track_ratio_floor(self, values: Values, kl: str, precision: str, n: int) -> float:
        return values["floor", kl, precision, n]


class Solve:
    """Seconds of 5 x 20; informs only, for a loaded machine can double it."""

    params = (PRECISIONS, (PROFILE.tracked[-1],))
    param_names = ("precision", "n")
    rounds, repeat, number, warmup_time = 1, 3, 1, 0.0

    def setup(self, values: Values, precision: str, n: int) -> None:
        self.call = ours.prepare_numpy(make_problem(n, precision=precision), OUTER, INNER)
        self.call()

    def time_solve(self, values: Values, precision: str, n: int) -> None:
        self.call()


class FirstCall:
    """A new process up to the end of its first solve: imports and loading of compiled code (informs)."""

    rounds, repeat, number = 1, 1, 1

    def timeraw_first_call(self, values: Values) -> str:
        return """
        from magbench.perf import ours
        from magbench.perf.problem import make_problem
        ours.prepare_numpy(make_problem(64), 1, 1)()
        """
