"""The solver's CPU time over each peer's, at equal iterations and to a relative gap of 1e-6."""

from __future__ import annotations

from magbench.perf.timing import one_thread

one_thread()

from magbench.perf.benchmark import over_peer, over_peer_to_tolerance, require  # noqa: E402
from magbench.perf.problem import PRECISIONS  # noqa: E402
from magbench.perf.profiles import chosen_profile  # noqa: E402

PROFILE = chosen_profile()
PEERS = {"POT torch": "joint", "fugw": "joint", "ott": "plain"}


class Peers:
    """CPU time of an outer iteration over the peer's."""

    params = (tuple(PEERS), PRECISIONS, PROFILE.sizes)
    param_names = ("peer", "precision", "n")
    timeout = 900

    def setup(self, peer: str, precision: str, n: int) -> None:
        require(peer)

    def track_ratio_iteration(self, peer: str, precision: str, n: int) -> float:
        return over_peer(PEERS[peer], precision, n, peer, PROFILE)


class Tolerance:
    """CPU time to a relative gap of 1e-6 over the peer's 10 x 20, float64."""

    params = (tuple(PEERS),)
    param_names = ("peer",)
    timeout = 900

    def setup(self, peer: str) -> None:
        require(peer)

    def track_ratio_tolerance(self, peer: str) -> float:
        return over_peer_to_tolerance(PEERS[peer], PROFILE.tolerance_size, peer, PROFILE)
