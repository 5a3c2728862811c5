"""What a solve gives: one plan, or the two of a joint problem, in the array type of whoever made it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from magbench.perf.objective import objective
from magbench.perf.problem import Array, Problem


@dataclass(frozen=True)
class Solution:
    """Plan(s) of one solve, ``[N, N]`` in the problem's orientation; ``second`` is None for a plain problem."""

    plan: Any
    second: Any = None

    def value(self, problem: Problem) -> float:
        """Objective of the plan(s), in float64 by :func:`magbench.perf.objective.objective`.

        Raises:
            ArithmeticError: the plan is not finite.
        """
        plans: list[Array] = [np.asarray(plan) for plan in (self.plan, self.second) if plan is not None]
        if not all(np.isfinite(plan).all() for plan in plans):
            raise ArithmeticError("the plan has entries that are not finite")
        return objective(problem, *plans)


Solve = Callable[[], Solution]
"""The call that is timed."""
