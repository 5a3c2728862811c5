"""How long until the objective is within 1e-6 of its converged value: the comparison that counts iterations too.

Ours stops by itself, at ``tol=3e-3``: the gap goes with the square of the plan's change. Peers run 10 x 20, which is
known to suffice: none of them certifies its end by plan and marginals. Gaps of both are measured, in float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from magbench.perf import ours
from magbench.perf.compare import AGREED, Row, filled, solvers
from magbench.perf.objective import relative_gap
from magbench.perf.peers import PEERS, Peer
from magbench.perf.problem import Problem, make_problem
from magbench.perf.solution import Solve
from magbench.perf.timing import interleave

PEER_OUTER, INNER = 10, 20
TOL = 3e-3
_MOST = 25
_CONVERGED = (40, 100)


@dataclass(frozen=True)
class Work:
    """What it takes to come within 1e-6.

    Attributes:
        outer: outer iterations.
        sweeps: Sinkhorn iterations of all linear problems.
        gap: relative gap that was reached.
    """

    outer: int
    sweeps: int
    gap: float


def converged(problem: Problem) -> float:
    """The objective after 40 outer iterations of 100."""
    return ours.prepare_numpy(problem, *_CONVERGED)().value(problem)


def work(problem: Problem, reference: float) -> Work:
    """Iterations of our solver until it stops by itself within a relative gap of 1e-6; deterministic.

    Raises:
        ArithmeticError: it stopped farther off, or not in 25 outer iterations of 20.
    """
    steps = ours.history(problem, _MOST, INNER, TOL)
    gap = relative_gap(steps[-1][0], reference)
    if not gap <= AGREED:
        raise ArithmeticError(f"{len(steps)} outer iterations leave a relative gap of {gap:.2g} (wanted {AGREED:g})")
    return Work(len(steps), sum(sweeps for _, sweeps in steps), gap)


def time_to_tolerance(
    kl: str, precision: str, n: int, *, rounds: int, budget: float = math.inf, peers: Sequence[Peer] = PEERS
) -> list[Row]:
    """Ours to a relative gap of 1e-6 against every peer's 10 x 20.

    Args:
        kl: objective.
        precision: type of the costs; gaps are those of the plans in float64.
        n: nodes N.
        rounds: interleaved rounds, at most.
        budget: CPU seconds after which no further round begins.
        peers: candidates; the first is the one the others are compared with.
    """
    exact = make_problem(n, kl=kl)
    problem = exact.cast(precision)
    reference = converged(exact)
    calls, rows = {}, {}
    for name, schedule, call in _candidates(problem, peers):
        calls[name] = call
        gap = relative_gap(call().value(exact), reference)
        rows[name] = Row(kl, precision, n, name, schedule, difference=gap)
    counts = dict.fromkeys(rows, 1)
    return filled(rows, interleave(calls, rounds, budget=budget, warm=False), counts, None)


def _candidates(problem: Problem, peers: Sequence[Peer]) -> Iterator[tuple[str, str, Solve]]:
    """Name, schedule and call of each solver; ours by factors starts from the anchor's plan, too."""
    for peer in solvers(problem, peers):
        if peer.name == ours.NUMPY:
            yield peer.name, f"tol={TOL:g}", ours.prepare_numpy(problem, _MOST, INNER, mass_step=True, tol=TOL)
        elif peer.name == ours.OURS:
            mine = partial(ours.prepare, problem, _MOST, INNER, mass_step=True, tol=TOL)
            yield peer.name, f"tol={TOL:g}", mine()
            yield ours.ANCHORED, f"tol={TOL:g}", mine(init="anchor")
        elif peer.name != ours.DENSE:
            yield peer.name, f"{PEER_OUTER} x {INNER}", peer.prepare(problem, PEER_OUTER, INNER)
