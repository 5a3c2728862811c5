"""Two methods compared: on each task by the test that it calls for, and across data sets from five on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from magbench.errors import RecordError
from magbench.metrics import higher_is_better
from magbench.results.items import by_design
from magbench.stats.paired import paired
from magbench.stats.ranks import ranks
from magbench.tables.base import Number, Table
from magbench.tables.frames import scores_frame
from magbench.tables.outcome import Outcome, items_of


class PairRow(Table):
    """Method ``b`` less method ``a`` on one task; None where nothing can be said. ``pool`` is a query's candidates."""

    task: str
    dataset: str
    metric: str
    a: str
    b: str
    n_seeds: int
    mean_a: Number
    mean_b: Number
    difference: Number
    std: Number
    low: Number
    high: Number
    p: Number
    detectable: Number
    test: str | None
    note: str
    pool: int | None


class MeanRank(Table):
    """A method's mean rank over data sets, with its bootstrap interval."""

    method: str
    mean_rank: Number
    low: Number
    high: Number


class Friedman(Table):
    """Friedman's test of all methods, with Nemenyi's critical difference of mean ranks at level ``alpha``."""

    statistic: Number
    p: Number
    critical_difference: Number
    alpha: float
    note: str


class Posterior(Table):
    """The probability that ``a`` is better, that neither is by more than ``rope``, and that ``b`` is."""

    a: str
    b: str
    p_a: float
    p_rope: float
    p_b: float
    rope: float


class Across(Table):
    """What several data sets say; with a ``reason`` there is no test.

    Attributes:
        matrix: data set → method → mean over seeds.
        mean_ranks: best first.
        friedman, bayesian: the tests; none where there is a reason.
    """

    reason: str
    matrix: dict[str, dict[str, Number]]
    mean_ranks: tuple[MeanRank, ...]
    friedman: tuple[Friedman, ...]
    bayesian: tuple[Posterior, ...]


class Pair(Table):
    """The comparison of two methods."""

    a: str
    b: str
    metric: str
    rows: tuple[PairRow, ...]
    across: Across


def pair_of(outcomes: Sequence[Outcome], a: str, b: str) -> Pair:
    """Compare method ``b`` with method ``a`` on the first metric.

    Args:
        outcomes: of these two methods, finished, with one first metric.
        a, b: the methods; the difference is ``b - a``.

    Raises:
        UnknownNameError: one of them has no outcome.
        RecordError: a score is NaN or stands twice.
    """
    metric = next(iter(outcomes[0].scores))
    frame = scores_frame(outcomes)
    frame = frame[frame["metric"] == metric]
    table = by_design(paired, frame, items_of(outcomes), a=a, b=b, metric=metric, missing="drop")
    pools = {outcome.task: outcome.pool for outcome in outcomes}
    rows = [
        PairRow(**{**row, "test": _text(row["test"]), "pool": pools.get(row["task"])})
        for row in table.to_dict("records")
    ]
    return Pair(a=a, b=b, metric=metric, rows=tuple(rows), across=_across(frame, metric))


def _across(frame: Any, metric: str) -> Across:
    """Ranks from five data sets on; below, or where two tasks share a data set, the reason why not."""
    try:
        found = ranks(frame, metric=metric, rng=np.random.default_rng(0), higher_is_better=higher_is_better(metric))
    except RecordError as refused:
        reason = f"No view across data sets: {refused} Choose tasks with -t."
        return Across(reason=reason, matrix={}, mean_ranks=(), friedman=(), bayesian=())
    return Across(
        reason=found.reason,
        matrix=found.matrix.to_dict("index"),
        mean_ranks=tuple(MeanRank(**row) for row in found.mean_ranks.to_dict("records")),
        friedman=tuple(Friedman(**row) for row in found.friedman.to_dict("records")),
        bayesian=tuple(Posterior(**row) for row in found.bayesian.to_dict("records")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
