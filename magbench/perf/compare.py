"""One comparison: every installed solver on the same problem, checked for the same objective, timed in turns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from magbench.perf import ours
from magbench.perf.ceilings import Ceilings
from magbench.perf.floor import floor
from magbench.perf.objective import relative_gap
from magbench.perf.peers import PEERS, Peer
from magbench.perf.problem import Problem, make_problem
from magbench.perf.solution import Solve
from magbench.perf.timing import Rounds, Spread, interleave

OUTER, INNER = 5, 20
AGREED = 1e-6
"""Largest relative difference of objectives at which a ratio means anything."""


@dataclass(frozen=True)
class Row:
    """One solver on one problem.

    Attributes:
        kl: objective.
        precision: type of the costs.
        n: nodes N.
        solver: name.
        schedule: ``"outer x inner"`` iterations.
        seconds: CPU seconds an outer iteration.
        ratio: its seconds over ours in the same round, so above 1 where we are faster.
        difference: relative difference of its float64 objective from ours in float64 (or from the converged value,
            where the schedules differ).
        floor_share: floor over seconds, of our own rows.
        note: why there are no figures.
    """

    kl: str
    precision: str
    n: int
    solver: str
    schedule: str
    seconds: Spread | None = None
    ratio: Spread | None = None
    difference: float | None = None
    floor_share: float | None = None
    note: str = ""

    @property
    def agrees(self) -> bool:
        """Whether the objectives are equal up to 1e-6, so that the ratio compares like with like."""
        return self.difference is not None and self.difference <= AGREED


def solvers(problem: Problem, peers: Sequence[Peer] = PEERS) -> list[Peer]:
    """Those of ``peers`` that are installed and solve the problem's objective in its precision."""
    return [peer for peer in peers if peer.installed and peer.takes(problem)]


def compare(
    kl: str,
    precision: str,
    n: int,
    *,
    rounds: int,
    budget: float = math.inf,
    ceilings: Ceilings | None = None,
    peers: Sequence[Peer] = PEERS,
) -> list[Row]:
    """Time every solver at 5 outer x 20 Sinkhorn iterations, ours first.

    Args:
        kl: objective.
        precision: type of the costs.
        n: nodes N.
        rounds: interleaved rounds, at most.
        budget: CPU seconds after which no further round begins.
        ceilings: of this machine at n; None leaves the floor out.
        peers: candidates; the first is the one the others are compared with.
    """
    exact = make_problem(n, kl=kl)
    problem = exact.cast(precision)
    candidates = solvers(problem, peers)
    reference = candidates[0].prepare(exact, OUTER, INNER)().value(exact)
    calls: dict[str, Solve] = {}
    rows: dict[str, Row] = {}
    for peer in candidates:
        row = Row(kl, precision, n, peer.name, f"{OUTER} x {INNER}")
        try:
            call = peer.prepare(problem, OUTER, INNER)
            gap = relative_gap(call().value(exact), reference)
        except Exception as error:  # a peer may fail in any way; the others still count
            rows[peer.name] = replace(row, note=_reason(error))
            continue
        calls[peer.name], rows[peer.name] = call, replace(row, difference=gap)
    best = None if ceilings is None else floor(ceilings, n, dim=problem.z.shape[1], inner=INNER, kl=kl).total
    return filled(rows, interleave(calls, rounds, budget=budget, warm=False), OUTER, best)


def filled(rows: Mapping[str, Row], times: Rounds, outer: int | Mapping[str, int], best: float | None) -> list[Row]:
    """The rows with their times: seconds an outer iteration, and ratios to the first row's whole solve."""
    found = []
    first = next(iter(rows))
    for name, row in rows.items():
        if name in times.seconds:
            count = outer if isinstance(outer, int) else outer[name]
            seconds = times.spread(name).scaled(1.0 / count)
            ratio = times.ratio(name, first) if first in times.seconds and name != first else None
            share = best / seconds.median if best is not None and name in ours.NAMES else None
            row = replace(row, seconds=seconds, ratio=ratio, floor_share=share)
        found.append(row)
    return found


def exponents(rows: Sequence[Row]) -> dict[tuple[str, str, str], float]:
    """Slope of log seconds over log N between the smallest of the last three sizes and the largest, by solver."""
    series: dict[tuple[str, str, str], list[tuple[int, float]]] = {}
    for row in rows:
        if row.seconds is not None:
            series.setdefault((row.kl, row.precision, row.solver), []).append((row.n, row.seconds.median))
    slopes = {}
    for key, points in series.items():
        points = sorted(points)[-3:]
        (n0, t0), (n1, t1) = points[0], points[-1]
        if n1 > n0:
            slopes[key] = math.log(t1 / t0) / math.log(n1 / n0)
    return slopes


def _reason(error: Exception) -> str:
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return " ".join(first.split())[:120]
