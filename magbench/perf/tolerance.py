"""How long until the objective is within 1e-6 of its converged value: the comparison that counts iterations too.

Ours stops at the first outer iteration whose objective is that near. Peers run 10 x 20, which is known to suffice:
none of them can stop by its objective. Gaps of both are reported.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from magbench.perf import ours
from magbench.perf.compare import AGREED, Row, filled, solvers
from magbench.perf.objective import relative_gap
from magbench.perf.peers import PEERS, Peer
from magbench.perf.problem import Problem, make_problem
from magbench.perf.timing import interleave

PEER_OUTER, INNER = 10, 20
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
    """Iterations of our solver to a relative gap of 1e-6; deterministic.

    Raises:
        ArithmeticError: 25 outer iterations of 20 do not suffice.
    """
    steps = ours.history(problem, _MOST, INNER)
    gaps = [relative_gap(value, reference) for value, _ in steps]
    far = [index for index, gap in enumerate(gaps) if not gap <= AGREED]
    outer = far[-1] + 2 if far else 1
    if outer > len(gaps):
        raise ArithmeticError(f"{_MOST} outer iterations leave a relative gap of {gaps[-1]:.2g} (wanted {AGREED:g})")
    return Work(outer, sum(sweeps for _, sweeps in steps[:outer]), gaps[outer - 1])


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
    counts, calls, rows = {}, {}, {}
    for peer in solvers(problem, [peer for peer in peers if peer.name != ours.DENSE]):
        if peer.name in ours.NAMES:
            outer = work(exact, reference).outer
            prepare = ours.prepare if peer.name == ours.OURS else ours.prepare_numpy
            call = prepare(problem, outer, INNER, mass_step=True)
        else:
            outer = PEER_OUTER
            call = peer.prepare(problem, outer, INNER)
        gap = relative_gap(call().value(exact), reference)
        counts[peer.name], calls[peer.name] = 1, call
        rows[peer.name] = Row(kl, precision, n, peer.name, f"{outer} x {INNER}", difference=gap)
    return filled(rows, interleave(calls, rounds, budget=budget, warm=False), counts, None)
