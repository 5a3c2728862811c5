"""Comparisons across data sets: each data set is one observation, the mean over its seeds.

From five data sets on: mean ranks with a bootstrap over data sets, Friedman's test with Nemenyi's and its critical
difference, and the Bayesian signed-rank test with a region of practical equivalence (rope). Below five no rank test
can say anything (the smallest two-sided Wilcoxon p of four data sets is .125): only the matrix is given, and why.

Sources: Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7 (2006), sections 3.2.2-3.2.3;
Benavoli et al., "Time for a change", JMLR 18 (2017), section 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
import scikit_posthocs
from baycomp import SignedRankTest
from scipy import stats

from magbench.errors import OptionError, RecordError, UnknownNameError
from magbench.stats.frames import check_dense
from magbench.stats.intervals import RESAMPLES

LEAST_DATASETS = 5
_POSTERIOR_SAMPLES = 10_000


@dataclass(frozen=True)
class Ranks:
    """What several data sets say about several methods. The test frames are empty when ``reason`` is not.

    Attributes:
        matrix: data sets x methods, mean over seeds.
        reason: why there is no test; "" if there is one.
        smallest_p: the smallest two-sided Wilcoxon p this number of data sets could give.
        mean_ranks: ``method, mean_rank, low, high`` (rank 1 is best; ties share the mean of their ranks), best first.
        friedman: one row ``statistic, p, critical_difference, alpha, note``.
        nemenyi: methods x methods, p of Nemenyi's test.
        bayesian: ``a, b, p_a, p_rope, p_b, rope``: posterior probability that a is better, neither, or b.
    """

    matrix: pd.DataFrame
    reason: str
    smallest_p: float
    mean_ranks: pd.DataFrame
    friedman: pd.DataFrame
    nemenyi: pd.DataFrame
    bayesian: pd.DataFrame


def ranks(
    frame: pd.DataFrame,
    *,
    metric: str,
    rng: np.random.Generator,
    higher_is_better: bool = True,
    rope: float = 0.01,
    alpha: float = 0.05,
) -> Ranks:
    """Compare methods across the data sets of a results frame.

    Args:
        frame: results frame with one task a data set, dense in methods and data sets.
        metric: the metric ranked.
        rng: draws the bootstrap and posterior samples.
        higher_is_better: the metric's direction.
        rope: differences up to this size, in units of the metric, count as practically equal.
        alpha: level of the critical difference; intervals are at ``1 - alpha``.

    Raises:
        UnknownNameError: if no row has the metric.
        RecordError: for missing cells, NaN, fewer than two methods, or two tasks on one data set.
        OptionError: for a rope that is not positive or an alpha outside (0, 1).
    """
    if not (np.isfinite(rope) and rope > 0):
        raise OptionError(f"rope is {rope}; expected a positive number in units of the metric, such as 0.01.")
    if not 0 < alpha < 1:
        raise OptionError(f"alpha is {alpha}; expected a number between 0 and 1, such as 0.05.")
    matrix = _matrix(frame, metric)
    smallest_p = float(stats.wilcoxon(np.arange(1.0, len(matrix) + 1), method="exact").pvalue)
    if len(matrix) < LEAST_DATASETS:
        reason = (
            f"Data sets: {len(matrix)}. The smallest two-sided Wilcoxon p they could give is {smallest_p:.3g}, so no "
            f"test across data sets is made below {LEAST_DATASETS}."
        )
        return Ranks(matrix, reason, smallest_p, *(pd.DataFrame() for _ in range(4)))
    signed = matrix if higher_is_better else -matrix
    placed = signed.round(12).rank(axis=1, ascending=False, method="average")
    return Ranks(
        matrix,
        "",
        smallest_p,
        _mean_ranks(placed, rng, 1 - alpha),
        _friedman(placed, alpha),
        scikit_posthocs.posthoc_nemenyi_friedman(signed) if matrix.shape[1] > 2 else pd.DataFrame(),
        _bayesian(signed, rope, rng),
    )


def critical_difference(n_methods: int, n_datasets: int, *, alpha: float = 0.05) -> float:
    """Nemenyi's critical difference of mean ranks, ``q sqrt(k (k + 1) / (6 N))`` for k methods on N data sets.

    ``q`` is the upper quantile of the studentised range with infinite degrees of freedom, over sqrt(2).

    >>> round(critical_difference(6, 7), 2), round(critical_difference(10, 7), 2)
    (2.85, 5.12)
    """
    q = stats.studentized_range.isf(alpha, n_methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(n_methods * (n_methods + 1) / (6 * n_datasets)))


def _matrix(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Data sets x methods: the mean over seeds."""
    frame = check_dense(frame[frame["metric"] == metric]) if "metric" in frame.columns else check_dense(frame)
    if frame.empty:
        raise UnknownNameError("metric", metric, [], "The results hold no row of it.")
    tasks = frame.groupby("dataset")["task"].nunique()
    if (tasks > 1).any():
        name = tasks.index[tasks > 1][0]
        found = sorted(frame.loc[frame["dataset"] == name, "task"].unique())
        raise RecordError(f"Data set {name!r} has {len(found)} tasks ({', '.join(found)}); keep one task a data set.")
    matrix = frame.pivot_table(index="dataset", columns="method", values="value", aggfunc="mean")
    if matrix.shape[1] < 2:
        raise RecordError(f"Ranks need at least 2 methods; found {list(matrix.columns)}.")
    holes = [f"{dataset} × {method}" for dataset, row in matrix.isna().iterrows() for method in row.index[row]]
    if holes:
        raise RecordError(f"{len(holes)} data set × method cells are missing: {'; '.join(holes[:8])}. Run them first.")
    return matrix


def _mean_ranks(placed: pd.DataFrame, rng: np.random.Generator, confidence: float) -> pd.DataFrame:
    interval = stats.bootstrap(
        (placed.to_numpy(),),
        np.mean,
        axis=0,
        n_resamples=RESAMPLES,
        confidence_level=confidence,
        method="percentile",
        rng=rng,
    ).confidence_interval
    columns = {
        "method": placed.columns,
        "mean_rank": placed.mean().to_numpy(),
        "low": interval.low,
        "high": interval.high,
    }
    return pd.DataFrame(columns).sort_values(["mean_rank", "method"], ignore_index=True)


def _friedman(placed: pd.DataFrame, alpha: float) -> pd.DataFrame:
    n_datasets, n_methods = placed.shape
    statistic, p, note = np.nan, np.nan, ""
    if n_methods < 3:
        note = "Friedman's test needs three methods; read the Bayesian signed-rank test"
    elif (placed == placed.iloc[0, 0]).to_numpy().all():
        statistic, p, note = 0.0, 1.0, "every method ties on every data set: p = 1 by definition"
    else:
        statistic, p = stats.friedmanchisquare(*placed.to_numpy().T)
    difference = critical_difference(n_methods, n_datasets, alpha=alpha)
    row = {
        "statistic": float(statistic),
        "p": float(p),
        "critical_difference": difference,
        "alpha": alpha,
        "note": note,
    }
    return pd.DataFrame([row])


def _bayesian(signed: pd.DataFrame, rope: float, rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for a, b in combinations(signed.columns, 2):
        state = int(rng.integers(2**31))
        x, y = signed[a].to_numpy(dtype=float), signed[b].to_numpy(dtype=float)
        p_a, p_rope, p_b = SignedRankTest.probs(x, y, rope=rope, nsamples=_POSTERIOR_SAMPLES, random_state=state)
        rows.append({"a": a, "b": b, "p_a": float(p_a), "p_rope": float(p_rope), "p_b": float(p_b), "rope": rope})
    return pd.DataFrame(rows)
