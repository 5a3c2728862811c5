"""Comparisons within one task: method ``b`` against method ``a``, and every ``X+reg`` against its own ``X``.

Scores are paired by seed (same split, same initialisation draw), so only differences count. One headline test for
each kind of split: *drawn* anew for every seed, Nadeau and Bengio's corrected t over seeds; *fixed* by the task
version, sign flips over test items of the item score averaged over seeds. Exact McNemar stands in for a single seed.
A metric that is no mean over items (macro-F1) has no test on a fixed split: seeds there share every test item, so that
their spread is the training's alone. Its difference is given without interval and p value.
A difference is always ``b - a``; for a metric where lower is better, a negative one is the improvement.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from magbench.errors import OptionError, RecordError, UnknownNameError
from magbench.method_string import split_host
from magbench.stats.frames import CELL, check_scores, refuse_holes
from magbench.stats.intervals import (
    Estimate,
    Floats,
    bootstrap_interval,
    corrected_t,
    mcnemar_exact,
    sign_flip,
    untested,
)

Design = Literal["drawn", "fixed"]
Missing = Literal["raise", "drop"]

ITEM = [*CELL, "item"]
_PAIR = ["task", "dataset", "metric", "a", "b", "n_seeds"]
_FOUND = ["mean_a", "mean_b", "difference", "std", "low", "high", "p", "detectable", "test", "note"]
COMPARISON = [*_PAIR, *_FOUND]
"""The columns of a comparison."""


def summarise(
    frame: pd.DataFrame, *, design: Design = "drawn", test_train_ratio: float = 1 / 3, confidence: float = 0.95
) -> pd.DataFrame:
    """Mean, standard deviation and interval of every task, method and metric over its seeds.

    Returns columns ``task, dataset, method, metric, n_seeds, mean, std (ddof 1), low, high, interval, note``. The
    interval is the corrected t's for a drawn split. For a fixed one it is the plain t's, over seeds, not test items.

    Raises:
        RecordError: for a missing column, NaN, or a cell that stands twice.
        OptionError: for an unknown design or a ratio or confidence out of range.
    """
    ratio = _ratio(design, test_train_ratio)
    rows = []
    for key, group in check_scores(frame).groupby(["task", "dataset", "method", "metric"]):
        values = group["value"].to_numpy(dtype=float)
        estimate = corrected_t(values, test_train_ratio=ratio, confidence=confidence)
        rows.append(
            dict(zip(("task", "dataset", "method", "metric"), key, strict=True))
            | {"n_seeds": len(values), "mean": float(values.mean()), "std": _std(values)}
            | {"low": estimate.low, "high": estimate.high, "interval": "corrected t" if ratio else "t"}
            | {"note": estimate.note.partition(":")[0].partition(",")[0]}
        )
    return pd.DataFrame(
        rows,
        columns=["task", "dataset", "method", "metric", "n_seeds", "mean", "std", "low", "high", "interval", "note"],
    )


def paired(
    frame: pd.DataFrame,
    a: str,
    b: str,
    *,
    metric: str,
    design: Design = "drawn",
    test_train_ratio: float = 1 / 3,
    items: pd.DataFrame | None = None,
    rng: np.random.Generator | None = None,
    confidence: float = 0.95,
    missing: Missing = "raise",
) -> pd.DataFrame:
    """Compare method ``b`` with method ``a`` on every task that has either.

    Args:
        frame: results frame.
        a, b: method labels; the difference is ``b - a``.
        metric: the metric compared.
        design: whether the split is drawn for every seed or fixed by the task version.
        test_train_ratio: test nodes over training nodes, for drawn splits.
        items: item frame, needed for a fixed split and for McNemar's test of a single seed; an empty one says that the
            metric is no mean over items.
        rng: draws permutations and bootstrap samples, for each comparison from a copy of its own, so that no number
            depends on what else is compared; needed whenever ``items`` is.
        confidence: of the interval; significance is judged at ``1 - confidence``.
        missing: ``"raise"`` refuses seeds that only one of the two has; ``"drop"`` leaves them out and notes it.

    Returns one row a task: ``task, dataset, metric, a, b, n_seeds, mean_a, mean_b, difference, std (of the paired
    differences over seeds, ddof 1), low, high, p, detectable, test, note``.

    Raises:
        UnknownNameError: if no row has ``a``, ``b`` or ``metric``.
        RecordError: for missing cells, NaN, or items that do not average to the scores.
        OptionError: for options out of range, or a fixed split without ``items`` and ``rng``.
    """
    plan = _plan(design, test_train_ratio, items, rng, confidence, missing)
    frame = check_scores(frame)
    for kind, name, column in (("method", a, "method"), ("method", b, "method"), ("metric", metric, "metric")):
        if name not in set(frame[column]):
            raise UnknownNameError(kind, name, frame[column].unique())
    frame = frame[(frame["metric"] == metric) & frame["method"].isin([a, b])]
    rows = [
        _compare(_Task(str(task), str(dataset), metric, _seeds_by_method(group)), a, b, plan)
        for (task, dataset), group in frame.groupby(["task", "dataset"])
    ]
    return pd.DataFrame(rows, columns=COMPARISON)


def against_hosts(
    frame: pd.DataFrame,
    *,
    metric: str,
    design: Design = "drawn",
    test_train_ratio: float = 1 / 3,
    items: pd.DataFrame | None = None,
    rng: np.random.Generator | None = None,
    confidence: float = 0.95,
    missing: Missing = "raise",
) -> pd.DataFrame:
    """Every ``X+reg`` against its own ``X``, Holm-corrected within each task.

    The arguments are those of :func:`paired`. Returns its columns (``a`` is the host) and ``p_holm, significant,
    family``: the corrected p, whether it is at most ``1 - confidence``, and the number of comparisons corrected for. A
    label whose host has no results keeps a row that says so; comparisons without a p value do not count in the family.

    Raises:
        As :func:`paired` does.
    """
    frame = check_scores(frame)
    if metric not in set(frame["metric"]):
        raise UnknownNameError("metric", metric, frame["metric"].unique())
    plan = _plan(design, test_train_ratio, items, rng, confidence, missing)
    rows = []
    for (name, dataset), group in frame[frame["metric"] == metric].groupby(["task", "dataset"]):
        task = _Task(str(name), str(dataset), metric, _seeds_by_method(group))
        for label in task.scores.columns:
            host, regularised = split_host(label)
            if regularised:
                rows.append(_compare(task, host, label, plan))
    return holm(pd.DataFrame(rows, columns=COMPARISON), 1 - confidence)


def contrasts(
    frame: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    *,
    metric: str,
    rng: np.random.Generator,
    design: Design = "drawn",
    test_train_ratio: float = 1 / 3,
    items: pd.DataFrame | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Declared pairs ``(a, b)`` of methods on each task, Holm-corrected within the task.

    Seeds that only one of the two has are left out and noted; a pair of which there are no results keeps a row that
    says so. The arguments are those of :func:`paired`.

    Returns its columns, ``p_holm, significant, family`` as :func:`against_hosts` does, and ``boot_low, boot_high``: on
    a drawn split the percentile bootstrap interval over seeds, which takes seeds as independent and so is the narrower
    one; NaN on a fixed split, where the interval itself is a bootstrap over test items.

    Raises:
        UnknownNameError, RecordError, OptionError: as :func:`paired`.
    """
    frame = check_scores(frame)
    if metric not in set(frame["metric"]):
        raise UnknownNameError("metric", metric, frame["metric"].unique())
    plan = _plan(design, test_train_ratio, items, rng, confidence, "drop")
    rows = []
    for (name, dataset), group in frame[frame["metric"] == metric].groupby(["task", "dataset"]):
        task = _Task(str(name), str(dataset), metric, _seeds_by_method(group))
        for a, b in pairs:
            low, high = (np.nan, np.nan) if plan.fixed else _bootstrap(task.scores, a, b, rng, confidence)
            rows.append(_compare(task, a, b, plan) | {"boot_low": low, "boot_high": high})
    return holm(pd.DataFrame(rows, columns=[*COMPARISON, "boot_low", "boot_high"]), 1 - confidence)


def _bootstrap(
    scores: pd.DataFrame, a: str, b: str, rng: np.random.Generator, confidence: float
) -> tuple[float, float]:
    """The bootstrap interval of the mean difference over the seeds of both; NaN under two seeds."""
    both = scores[[a, b]].dropna() if {a, b} <= set(scores.columns) else scores.iloc[:0]
    if len(both) < 2:
        return float("nan"), float("nan")
    return bootstrap_interval((both[b] - both[a]).to_numpy(dtype=float), rng=rng, confidence=confidence)


@dataclass(frozen=True)
class _Task:
    """The scores of one metric on one task: seeds x methods, NaN where a cell is missing."""

    name: str
    dataset: str
    metric: str
    scores: pd.DataFrame


@dataclass(frozen=True)
class _Plan:
    """How comparisons are made: the checked options of :func:`paired`."""

    ratio: float
    items: pd.DataFrame | None
    rng: np.random.Generator | None
    fixed: bool
    confidence: float
    drop: bool


def _plan(
    design: Design,
    test_train_ratio: float,
    items: pd.DataFrame | None,
    rng: np.random.Generator | None,
    confidence: float,
    missing: str,
) -> _Plan:
    if missing not in ("raise", "drop"):
        raise OptionError(f"missing is {missing!r}; expected 'raise' or 'drop'.")
    fixed = design == "fixed"
    if (fixed or items is not None) and (items is None or rng is None):
        raise OptionError(
            "A comparison over test items needs both `items` and `rng`; pass numpy.random.default_rng(0)."
        )
    checked = None if items is None else check_scores(items, key=ITEM)
    return _Plan(_ratio(design, test_train_ratio), checked, rng, fixed, confidence, missing == "drop")


def _seeds_by_method(group: pd.DataFrame) -> pd.DataFrame:
    return group.pivot(index="seed", columns="method", values="value")


def _compare(task: _Task, a: str, b: str, plan: _Plan) -> dict[str, object]:
    """One row of a comparison."""
    head = {"task": task.name, "dataset": task.dataset, "metric": task.metric, "a": a, "b": b, "n_seeds": 0}
    absent = [label for label in (a, b) if label not in task.scores.columns]
    if absent:
        return head | {"note": f"no results of {' or '.join(absent)}"}
    either = task.scores[[a, b]].dropna(how="all")
    both = either.dropna()
    if not plan.drop:
        holes = either.isna().unstack()
        cells = holes[holes].index.to_frame(index=False)
        refuse_holes(cells.assign(task=task.name, dataset=task.dataset, metric=task.metric))
    if both.empty:
        return head | {"note": "no seed has both methods"}
    values_a, values_b = both[a].to_numpy(dtype=float), both[b].to_numpy(dtype=float)
    if plan.fixed and plan.items is not None and plan.items.empty:
        estimate = untested(values_b - values_a, f"{task.metric} is no mean over test items: no test on a fixed split")
    elif plan.items is not None and plan.rng is not None and (plan.fixed or len(both) == 1):
        scores = _item_scores(plan.items, both, task)
        item_a, item_b = scores[a].to_numpy(dtype=float), scores[b].to_numpy(dtype=float)
        estimate = _over_items(item_a, item_b, len(both), deepcopy(plan.rng), plan.confidence)
    else:
        estimate = corrected_t(values_b - values_a, test_train_ratio=plan.ratio, confidence=plan.confidence)
    return head | {"n_seeds": len(both)} | _row(values_a, values_b, estimate, dropped=len(either) - len(both))


def holm(comparisons: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """The comparisons with ``p_holm, significant, family`` (the number of tests) within each task."""
    comparisons = comparisons.assign(p_holm=np.nan, significant=False, family=0)
    for _, group in comparisons.groupby("task"):
        tested = group.index[group["p"].notna()]
        if len(tested):
            p = comparisons.loc[tested, "p"].to_numpy(dtype=float)
            reject, corrected, _, _ = multipletests(p, alpha=alpha, method="holm")
            comparisons.loc[tested, "p_holm"] = corrected
            comparisons.loc[tested, "significant"] = reject
        comparisons.loc[group.index, "family"] = len(tested)
    return comparisons


def _row(values_a: Floats, values_b: Floats, estimate: Estimate, *, dropped: int) -> dict[str, object]:
    """The columns of one comparison that follow from the paired scores and their estimate."""
    fields = asdict(estimate)
    notes = [fields.pop("note"), f"{dropped} seeds left out: only one method has them" if dropped else ""]
    return {
        "mean_a": float(values_a.mean()),
        "mean_b": float(values_b.mean()),
        "difference": fields.pop("mean"),
        "std": _std(values_b - values_a),
        "note": "; ".join(note for note in notes if note),
    } | fields


def _item_scores(items: pd.DataFrame, both: pd.DataFrame, task: _Task) -> pd.DataFrame:
    """Item scores averaged over the seeds of ``both``: one row an item, one column a method, in ``both``'s order."""
    of_task = (items["task"] == task.name) & (items["metric"] == task.metric)
    chosen = items[of_task & items["seed"].isin(both.index)]
    table = chosen.pivot(index="item", columns=["method", "seed"], values="value")
    table = table.reindex(columns=pd.MultiIndex.from_product([both.columns, both.index], names=["method", "seed"]))
    holes = int(table.isna().to_numpy().sum())
    if table.empty or holes:
        raise RecordError(
            f"The item scores of {task.name} ({task.metric}) lack {holes or 'all'} cells of {list(both.columns)} × "
            f"seeds {list(both.index)} × items. A fixed split has the same items for every method and seed."
        )
    found, stated = table.mean(), both.unstack()
    off = found.index[(found - stated.reindex(found.index)).abs() > 1e-6]
    if len(off):
        raise RecordError(
            f"The item scores of {task.name} do not average to {task.metric}: {off[0]} has {found[off[0]]:.6f} over "
            f"items, {stated[off[0]]:.6f} in the results. It is no mean over items, or the items are another run's."
        )
    return table.T.groupby(level="method", sort=False).mean().T


def _over_items(a: Floats, b: Floats, n_seeds: int, rng: np.random.Generator, confidence: float) -> Estimate:
    """McNemar for the right-or-wrong items of one seed, sign flips for everything else."""
    if n_seeds == 1 and np.isin(a, (0, 1)).all() and np.isin(b, (0, 1)).all():
        return mcnemar_exact(a, b, rng=rng, confidence=confidence)
    return sign_flip(b - a, rng=rng, confidence=confidence)


def _ratio(design: Design, test_train_ratio: float) -> float:
    if design not in ("drawn", "fixed"):
        raise OptionError(f"design is {design!r}; expected 'drawn' or 'fixed'.")
    if design == "drawn" and not test_train_ratio > 0:
        raise OptionError(f"test_train_ratio is {test_train_ratio}; a drawn split needs a number above 0, such as 1/3.")
    return test_train_ratio if design == "drawn" else 0.0


def _std(values: Floats) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")
