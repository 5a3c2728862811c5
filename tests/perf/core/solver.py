"""The solver: iterations (counts), its time over POT's and over the machine's floor (ratios), its time (informs)."""

from __future__ import annotations

from magbench.perf.timing import one_thread

one_thread()

from magbench.perf import ours  # noqa: E402
from magbench.perf.benchmark import over_floor, over_peer, over_peer_to_tolerance, require  # noqa: E402
from magbench.perf.compare import INNER, OUTER  # noqa: E402
from magbench.perf.problem import OBJECTIVES, PRECISIONS, make_problem  # noqa: E402
from magbench.perf.profiles import chosen_profile  # noqa: E402
from magbench.perf.tolerance import converged, work  # noqa: E402

PROFILE = chosen_profile()
SMALL = [n for n in PROFILE.sizes if n <= 512]


class Work:
    """What it takes to come within 1e-6 of the optimum, in float64: the same on every machine."""

    params = (OBJECTIVES, SMALL)
    param_names = ("objective", "n")
    timeout = 600

    def setup(self, kl: str, n: int) -> None:
        problem = make_problem(n, kl=kl)
        self.work = work(problem, converged(problem))

    def track_count_outer(self, kl: str, n: int) -> int:
        return self.work.outer

    def track_count_sweeps(self, kl: str, n: int) -> int:
        return self.work.sweeps


class Pot:
    """CPU time over POT's (numpy, float64, joint objective)."""

    params = (PROFILE.sizes,)
    param_names = ("n",)
    timeout = 600

    def setup(self, n: int) -> None:
        require("POT numpy")

    def track_ratio_iteration(self, n: int) -> float:
        return over_peer("joint", "float64", n, "POT numpy", PROFILE, ours.NUMPY)


class PotTolerance:
    """CPU time to a relative gap of 1e-6 over POT's 10 x 20."""

    timeout = 600

    def setup(self) -> None:
        require("POT numpy")

    def track_ratio_tolerance(self) -> float:
        return over_peer_to_tolerance("joint", PROFILE.tolerance_size, "POT numpy", PROFILE, ours.NUMPY)


class Floor:
    """CPU time of an outer iteration over the floor of this machine."""

    params = (OBJECTIVES, PRECISIONS, PROFILE.sizes)
    param_names = ("objective", "precision", "n")
    timeout = 600

    def track_ratio_floor(self, kl: str, precision: str, n: int) -> float:
        return over_floor(kl, precision, n, PROFILE, ours.NUMPY)


class Solve:
    """Seconds of 5 x 20; informs only, for a loaded machine can double it."""

    params = (OBJECTIVES, PRECISIONS, PROFILE.sizes)
    param_names = ("objective", "precision", "n")
    repeat, number, warmup_time, timeout = 2, 1, 0.0, 600

    def setup(self, kl: str, precision: str, n: int) -> None:
        self.call = ours.prepare_numpy(make_problem(n, kl=kl, precision=precision), OUTER, INNER)
        self.call()

    def time_solve(self, kl: str, precision: str, n: int) -> None:
        self.call()


def timeraw_first_call() -> str:
    """A new process up to the end of its first solve: imports and loading compiled code (informs)."""
    return """
    from magbench.perf import ours
    from magbench.perf.problem import make_problem
    ours.prepare_numpy(make_problem(64), 1, 1)()
    """


timeraw_first_call.repeat, timeraw_first_call.number = 1, 1  # type: ignore[attr-defined]
