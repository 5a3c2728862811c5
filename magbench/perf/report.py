"""Everything ``magbench perf`` measures: ceilings, the solvers at each size, and their times to a tolerance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from magbench.perf.ceilings import Ceilings, measure_ceilings
from magbench.perf.compare import Row, compare, exponents
from magbench.perf.profiles import Profile
from magbench.perf.ranking import Ranking, compare_ranking
from magbench.perf.tolerance import time_to_tolerance


@dataclass(frozen=True)
class Report:
    """One run.

    Attributes:
        machine: see :func:`magbench.perf.machine.describe`.
        ceilings: one a precision.
        rows: solvers at equal iterations.
        tolerance: solvers to a relative gap of 1e-6.
        ranking: exact ranks among many candidates; None where the profile leaves them out.
    """

    machine: dict[str, Any]
    ceilings: tuple[Ceilings, ...]
    rows: tuple[Row, ...]
    tolerance: tuple[Row, ...]
    ranking: Ranking | None

    def json(self) -> dict[str, Any]:
        """The report as plain data; ``agrees`` says which ratios count."""
        slopes = [
            {"kl": kl, "precision": precision, "solver": solver, "exponent": slope}
            for (kl, precision, solver), slope in exponents(self.rows).items()
        ]
        return {
            "machine": self.machine,
            "ceilings": [asdict(ceiling) for ceiling in self.ceilings],
            "rows": [{**asdict(row), "agrees": row.agrees} for row in self.rows],
            "tolerance": [{**asdict(row), "agrees": row.agrees} for row in self.tolerance],
            "exponents": slopes,
            "ranking": None if self.ranking is None else asdict(self.ranking),
        }


def measure(
    profile: Profile,
    *,
    sizes: Sequence[int],
    precisions: Sequence[str],
    objectives: Sequence[str],
    progress: Callable[[str], None] = lambda message: None,
) -> Report:
    """Measure everything.

    Args:
        profile: rounds and budgets.
        sizes: numbers of nodes N.
        precisions: of ``"float32"``, ``"float64"``.
        objectives: of ``"joint"``, ``"plain"``.
        progress: told what is measured next.
    """
    from magbench.perf.machine import describe

    ceilings, rows, tolerance = [], [], []
    for precision in precisions:
        progress(f"ceilings, {precision}")
        ceilings.append(measure_ceilings(precision, sizes))
        for kl in objectives:
            for n in sizes:
                progress(f"{kl}, {precision}, N = {n}")
                effort = {"rounds": profile.rounds, "budget": profile.budget}
                rows += compare(kl, precision, n, ceilings=ceilings[-1], **effort)  # type: ignore[arg-type]
        n = min(profile.tolerance_size, max(sizes))
        for kl in objectives:
            progress(f"time to a relative gap of 1e-6, {kl}, {precision}, N = {n}")
            tolerance += time_to_tolerance(kl, precision, n, rounds=profile.rounds, budget=profile.budget)
    ranking = None
    if profile.ranked:
        progress(f"exact ranks, {profile.ranked // 5} queries among {profile.ranked} candidates")
        effort = {"rounds": profile.rounds, "budget": profile.budget}
        ranking = compare_ranking(profile.ranked // 5, profile.ranked, **effort)  # type: ignore[arg-type]
    return Report(describe(), tuple(ceilings), tuple(rows), tuple(tolerance), ranking)
