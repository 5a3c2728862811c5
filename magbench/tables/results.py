"""The results table: of one task, feature set and protocol a row a method, with its difference to the plain host.

A regularised method ``X+reg`` is compared with its own host ``X`` on the seeds both have: over test items where the
task's version fixes them, else over seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

import pandas as pd

from magbench.metrics import higher_is_better
from magbench.results.items import by_design
from magbench.stats.paired import Design, against_hosts, summarise
from magbench.tables.base import ALPHA, Number, Spread, Table
from magbench.tables.frames import scores_frame
from magbench.tables.outcome import Outcome, items_of


class Comparison(Table):
    """A regularised method less its host; None where nothing can be said."""

    host: str
    seeds: int
    difference: Number
    low: Number
    high: Number
    p: Number
    p_holm: Number
    detectable: Number
    significant: bool
    test: str | None
    note: str


class Row(Table):
    """One method.

    Attributes:
        score: the first metric over seeds; ``low`` and ``high`` are its interval, ``interval`` says which kind, and
            ``note`` why there is none.
        others: the other metrics, in the table's order.
        versus: of a regularised method its difference to its host.
        seeds, failed: how many runs have scores, and how many have none.
        params: fitted parameters.
        fit_s: mean seconds of training.
        towers: in retrieval ``"pure"`` or ``"coupled"``; else empty.
        stale: whether the method predicts otherwise today (:mod:`magbench.results.stale`).
    """

    method: str
    score: Spread
    low: Number
    high: Number
    interval: str
    note: str
    others: tuple[Spread | None, ...]
    versus: Comparison | None
    seeds: int
    failed: int
    params: int | None
    fit_s: Number
    towers: str
    stale: bool


class ResultsTable(Table):
    """What methods reach on one question.

    Attributes:
        metrics: the first one ranks the rows.
        n_test: test items.
        pool: in retrieval the candidates of a query.
        fixed: whether the task's version fixes the split: comparisons are then over test items.
        ranked: whether the leaderboard ranks the task and the protocol.
        seeds: those of any run; ``failed`` counts runs without scores.
        family: comparisons that Holm's correction is over.
        rows: best first.
    """

    task: str
    dataset: str
    dataset_version: int | None
    features: str
    protocol: str
    metrics: tuple[str, ...]
    n_test: int
    pool: int | None
    fixed: bool
    ranked: bool
    seeds: tuple[int, ...]
    failed: int
    family: int
    rows: tuple[Row, ...]

    @property
    def question(self) -> tuple[str, str, str]:
        """Task, feature set and protocol."""
        return self.task, self.features, self.protocol

    @property
    def best(self) -> Row | None:
        """The row with the best mean."""
        return self.rows[0] if self.rows else None

    @property
    def paired(self) -> bool:
        """Whether any method is a regularised one."""
        return any(row.versus for row in self.rows)

    @property
    def compared(self) -> tuple[Comparison, ...]:
        """Every comparison with a p value."""
        return tuple(row.versus for row in self.rows if row.versus and row.versus.p_holm is not None)

    @property
    def better(self) -> int:
        """How many regularised methods are significantly above their host."""
        return sum(versus.significant and (versus.difference or 0) > 0 for versus in self.compared)

    @property
    def worse(self) -> int:
        """How many regularised methods are significantly below their host."""
        return sum(versus.significant and (versus.difference or 0) < 0 for versus in self.compared)

    @property
    def detectable(self) -> tuple[float, float] | None:
        """The range over comparisons of the smallest effect that could have been detected."""
        found = [versus.detectable for versus in self.compared if versus.detectable]
        return (min(found), max(found)) if found else None


def results_table(outcomes: Sequence[Outcome], *, test_train_ratio: float = 1 / 3) -> ResultsTable:
    """The table of one question.

    Args:
        outcomes: of one task, feature set and protocol, failed ones too; at least one.
        test_train_ratio: test items over training items of a drawn split.

    Raises:
        RecordError: a score is NaN, or a method has a seed twice.
    """
    ok = [outcome for outcome in outcomes if outcome.ok]
    metrics = tuple(dict.fromkeys(metric for outcome in ok for metric in outcome.scores))
    fixed = any(outcome.items is not None for outcome in ok)
    frame, first = scores_frame(ok), outcomes[0]
    versus, family = _comparisons(frame, metrics, ok, test_train_ratio)
    return ResultsTable(
        task=first.task,
        dataset=first.dataset,
        dataset_version=first.dataset_version,
        features=first.features,
        protocol=first.protocol,
        metrics=metrics,
        n_test=max((outcome.n_test for outcome in ok), default=0),
        pool=ok[0].pool if ok else None,
        fixed=fixed,
        ranked=all(outcome.ranked for outcome in outcomes),
        seeds=tuple(sorted({outcome.seed for outcome in outcomes})),
        failed=len(outcomes) - len(ok),
        family=family,
        rows=_rows(outcomes, frame, metrics, versus, "fixed" if fixed else "drawn", test_train_ratio),
    )


def _comparisons(
    frame: pd.DataFrame, metrics: Sequence[str], ok: Sequence[Outcome], ratio: float
) -> tuple[dict[str, Comparison], int]:
    """The comparison of every regularised method on the first metric, and how many were corrected for."""
    if not metrics:
        return {}, 0
    options = {"metric": metrics[0], "test_train_ratio": ratio, "confidence": 1 - ALPHA, "missing": "drop"}
    found = by_design(against_hosts, frame, items_of(ok), **options)
    same = ("difference", "low", "high", "p", "p_holm", "detectable", "significant", "note")
    comparisons = {
        row["b"]: Comparison(
            host=row["a"],
            seeds=row["n_seeds"],
            test=row["test"] if isinstance(row["test"], str) else None,
            **{name: row[name] for name in same},
        )
        for row in found.to_dict("records")
    }
    return comparisons, int(found["family"].max()) if len(found) else 0


def _rows(
    outcomes: Sequence[Outcome],
    frame: pd.DataFrame,
    metrics: Sequence[str],
    versus: Mapping[str, Comparison],
    design: Design,
    ratio: float,
) -> tuple[Row, ...]:
    """Best first."""
    if not metrics:
        return ()
    table = summarise(frame, design=design, test_train_ratio=ratio, confidence=1 - ALPHA)
    table = table.set_index(["metric", "method"])
    shown = table.loc[metrics[0]].sort_values("mean", ascending=not higher_is_better(metrics[0]), kind="stable")
    rows = []
    for method, found in shown.iterrows():
        own = [outcome for outcome in outcomes if outcome.method == method]
        costs = [float(o.cost["fit_s"]) for o in own if o.ok and o.cost.get("fit_s") is not None]
        others = (table.loc[(metric, method)] if (metric, method) in table.index else None for metric in metrics[1:])
        rows.append(
            Row(
                method=str(method),
                score=Spread(mean=found["mean"], std=found["std"]),
                low=found["low"],
                high=found["high"],
                interval=found["interval"],
                note=found["note"],
                others=tuple(None if o is None else Spread(mean=o["mean"], std=o["std"]) for o in others),
                versus=versus.get(str(method)),
                seeds=int(found["n_seeds"]),
                failed=sum(not outcome.ok for outcome in own),
                params=next((outcome.params for outcome in own if outcome.params is not None), None),
                fit_s=fmean(costs) if costs else None,
                towers=own[0].towers,
                stale=any(outcome.stale for outcome in own),
            )
        )
    return tuple(rows)
