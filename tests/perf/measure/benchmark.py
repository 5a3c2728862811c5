"""What the asv benchmarks return: counts, and our CPU time over somebody else's; lower is better throughout.

Each function fills a part of one table, keyed by what is measured, so that one process measures everything. A value
that could not be had is NaN, which asv shows as n/a and the gate refuses; the reason goes to the error stream.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence

from magbench.perf import tolerance
from magbench.perf.ceilings import measure_ceilings
from magbench.perf.compare import Row, compare
from magbench.perf.peers import Peer, installed_version, peer
from magbench.perf.problem import OBJECTIVES, PRECISIONS, make_problem
from magbench.perf.profiles import Profile

Values = dict[tuple[str | int, ...], float]


def has(*packages: str) -> bool:
    """Whether distributions are installed."""
    return all(installed_version(package) is not None for package in packages)


def require(measured: bool) -> None:
    """Skip the benchmark (asv reads NotImplementedError in a set-up so) unless there is something to show."""
    if not measured:
        raise NotImplementedError("a package is missing, or the profile leaves this out")


def work_counts(sizes: Iterable[int]) -> Values:
    """``("outer" | "sweeps", objective, n)``: iterations to a relative gap of 1e-6, in float64."""
    values: Values = {}
    for kl in OBJECTIVES:
        for n in sizes:
            problem = make_problem(n, kl=kl)
            try:
                found = tolerance.work(problem, tolerance.converged(problem))
                values["outer", kl, n], values["sweeps", kl, n] = found.outer, found.sweeps
            except ArithmeticError as error:
                values["outer", kl, n] = values["sweeps", kl, n] = _missing(str(error))
    return values


def floor_ratios(profile: Profile, mine: str) -> Values:
    """``("floor", objective, precision, n)``: our seconds over the floor of this machine."""
    values: Values = {}
    for precision in PRECISIONS:
        ceilings = measure_ceilings(precision, profile.tracked, seconds=0.02)
        for kl in OBJECTIVES:
            for n in profile.tracked:
                (row,) = compare(
                    kl, precision, n, rounds=profile.rounds, budget=profile.budget, ceilings=ceilings,
                    peers=(peer(mine),),
                )  # fmt: skip
                share = row.floor_share if row.agrees else None
                values["floor", kl, precision, n] = _missing(_disagreement(row)) if share is None else 1.0 / share
    return values


def peer_ratios(profile: Profile, mine: str, peers: Sequence[str], precisions: Sequence[str]) -> Values:
    """``(peer, precision, n)``: our seconds over a peer's at equal iterations, where the objectives agree."""
    values: Values = {}
    for kl in OBJECTIVES:
        chosen = _solving(kl, mine, peers)
        for precision in precisions:
            for n in profile.tracked:
                rows = _rows(
                    chosen,
                    lambda kl=kl, precision=precision, n=n, chosen=chosen: compare(
                        kl, precision, n, rounds=profile.rounds, budget=profile.budget, peers=chosen
                    ),
                )
                values.update({(name, precision, n): value for name, value in rows.items()})
    return values


def tolerance_ratios(profile: Profile, mine: str, peers: Sequence[str]) -> Values:
    """``(peer, "tolerance")``: our seconds to a relative gap of 1e-6 over a peer's 10 x 20, in float64."""
    values: Values = {}
    for kl in OBJECTIVES:
        chosen = _solving(kl, mine, peers)
        rows = _rows(
            chosen,
            lambda kl=kl, chosen=chosen: tolerance.time_to_tolerance(
                kl, "float64", profile.tolerance_size, rounds=profile.rounds, budget=profile.budget, peers=chosen
            ),
        )
        values.update({(name, "tolerance"): value for name, value in rows.items()})
    return values


def _solving(kl: str, mine: str, peers: Sequence[str]) -> list[Peer]:
    """Ours first, then those of the peers that are installed and solve this objective."""
    return [found for found in map(peer, (mine, *peers)) if found.installed and kl in found.objectives]


def _rows(chosen: Sequence[Peer], measure: Callable[[], list[Row]]) -> dict[str, float]:
    """Our seconds over each peer's; nothing is measured where there is none."""
    if len(chosen) < 2:
        return {}
    mine, *theirs = measure()
    return {row.solver: _inverse(mine, row) for row in theirs}


def _inverse(mine: Row, theirs: Row) -> float:
    if theirs.ratio is None or not (mine.agrees and theirs.agrees):
        return _missing(_disagreement(theirs if mine.agrees else mine))
    return 1.0 / theirs.ratio.median


def _missing(reason: str) -> float:
    sys.stderr.write(f"not measured: {reason}\n")
    return math.nan


def _disagreement(row: Row) -> str:
    found = row.note or f"relative difference {row.difference:.2g}"
    return f"{row.solver}, {row.kl}, {row.precision}, N = {row.n}: objectives differ ({found}), so no ratio is given"
