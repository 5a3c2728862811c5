"""The solver's CPU time over each peer's, at equal iterations and to a relative gap of 1e-6."""

from __future__ import annotations

from magbench.perf.ours import OURS
from magbench.perf.problem import PRECISIONS
from magbench.perf.profiles import chosen_profile

from ..measure.benchmark import Values, has, peer_ratios, require, tolerance_ratios

PROFILE = chosen_profile()
PEERS = ("POT torch", "fugw", "ott")


def setup_cache() -> Values:
    if not has("torch"):
        return {}
    return {
        **peer_ratios(PROFILE, OURS, PEERS, PRECISIONS),
        **tolerance_ratios(PROFILE, OURS, PEERS),
    }


setup_cache.timeout = 3600  # type: ignore[attr-defined]


class Peers:
    """CPU time of an outer iteration over the peer's; ott solves the plain objective, the others the joint one."""

    params = (PEERS, PRECISIONS, PROFILE.tracked)
    param_names = ("peer", "precision", "n")

    def setup(self, values: Values, peer: str, precision: str, n: int) -> None:
        require((peer, precision, n) in values)

    def track_ratio_iteration(self, values: Values, peer: str, precision: str, n: int) -> float:
        return values[peer, precision, n]


class Tolerance:
    """CPU time to a relative gap of 1e-6 over the peer's 10 x 20, float64."""

    params = (PEERS,)
    param_names = ("peer",)

    def setup(self, values: Values, peer: str) -> None:
        require((peer, "tolerance") in values)

    def track_ratio_tolerance(self, values: Values, peer: str) -> float:
        return values[peer, "tolerance"]
