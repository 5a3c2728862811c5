"""What the asv benchmarks return: our CPU time over somebody else's, lower is better, from the same measurements."""

from __future__ import annotations

from magbench.perf import ours
from magbench.perf.ceilings import measure_ceilings
from magbench.perf.compare import Row, compare
from magbench.perf.peers import installed_version, peer
from magbench.perf.profiles import Profile
from magbench.perf.tolerance import time_to_tolerance


def require(name: str) -> None:
    """Skip the benchmark (asv reads NotImplementedError so) unless a peer is installed."""
    require_packages(*peer(name).packages)


def require_packages(*packages: str) -> None:
    """Skip the benchmark unless distributions are installed."""
    missing = [package for package in packages if installed_version(package) is None]
    if missing:
        raise NotImplementedError(f"not installed: {', '.join(missing)}")


def over_peer(kl: str, precision: str, n: int, name: str, profile: Profile, mine: str = ours.OURS) -> float:
    """Our seconds over a peer's at equal iterations.

    Raises:
        ArithmeticError: the objectives differ, or the peer failed.
    """
    rows = compare(kl, precision, n, rounds=profile.rounds, budget=profile.budget, peers=(peer(mine), peer(name)))
    return _over(rows)


def over_peer_to_tolerance(kl: str, n: int, name: str, profile: Profile, mine: str = ours.OURS) -> float:
    """Our seconds to a relative gap of 1e-6 over a peer's 10 x 20, in float64.

    Raises:
        ArithmeticError: one of the two misses the gap.
    """
    peers = (peer(mine), peer(name))
    return _over(time_to_tolerance(kl, "float64", n, rounds=profile.rounds, budget=profile.budget, peers=peers))


def over_floor(kl: str, precision: str, n: int, profile: Profile, mine: str = ours.OURS) -> float:
    """Our seconds over the floor of this machine.

    Raises:
        ArithmeticError: our objective in this precision is not that of float64.
    """
    ceilings = measure_ceilings(precision, [n], seconds=0.02)
    effort = {"rounds": profile.rounds, "budget": profile.budget}
    (row,) = compare(kl, precision, n, ceilings=ceilings, peers=(peer(mine),), **effort)  # type: ignore[arg-type]
    if not row.agrees or row.floor_share is None:
        raise ArithmeticError(_disagreement(row))
    return 1.0 / row.floor_share


def _over(rows: list[Row]) -> float:
    mine, theirs = rows
    for row in rows:
        if not row.agrees:
            raise ArithmeticError(_disagreement(row))
    if theirs.ratio is None:
        raise ArithmeticError(f"{mine.solver} or {theirs.solver} was not timed")
    return 1.0 / theirs.ratio.median


def _disagreement(row: Row) -> str:
    found = row.note or f"relative difference {row.difference:.2g}"
    return f"{row.solver}, {row.kl}, {row.precision}, N = {row.n}: objectives differ ({found}), so no ratio is given"
