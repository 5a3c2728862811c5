"""Estimates of one sample: its mean, the interval around it, and the p value of "the mean is zero".

Two kinds of sample occur. *Seeds of a drawn split* share training nodes, so their scores are correlated and the
plain t test finds differences that are not there; Nadeau and Bengio's correction widens the variance of the mean from
``s²/n`` to ``s² (1/n + n_test/n_train)``. *Items of a fixed split* are exchangeable under the null, so signs are
flipped for the p value and items are drawn with replacement for the interval.

``detectable`` is the smallest absolute mean that would have been significant, given the spread that was found.

Sources: Nadeau and Bengio, "Inference for the generalization error", Machine Learning 52 (2003), section 4.2;
Corani et al., baycomp (the corrected variance); Good, "Permutation tests" (2000), chapter 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from baycomp import CorrelatedTTest
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from magbench.errors import OptionError, RecordError

RESAMPLES = 9_999
_BATCH_CELLS = 4_000_000
_TIE = 1e-12

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """The mean of a sample and what is known about it; NaN where the sample cannot say.

    Attributes:
        mean, low, high: the mean and its interval.
        p: two-sided p value of a zero mean.
        detectable: the smallest absolute mean that would have been significant.
        test: which test gave them.
        note: what the reader must know, e.g. that the sample does not vary; "" if nothing.
    """

    mean: float
    low: float
    high: float
    p: float
    detectable: float
    test: str
    note: str = ""


def corrected_t(values: Floats, *, test_train_ratio: float, confidence: float = 0.95) -> Estimate:
    """Nadeau and Bengio's corrected resampled t over the seeds of a drawn split; the plain t at ratio 0.

    Args:
        values: float [n], one value a seed (a score, or a paired difference of scores).
        test_train_ratio: test nodes over training nodes, 1/3 for a 60/20/20 split.
        confidence: of the interval; significance is judged at ``1 - confidence``.

    A sample that does not vary has no t statistic: p is then 1 for a zero mean, else that of the exact sign test.

    Raises:
        OptionError: for a negative or non-finite ratio, or a confidence outside (0, 1).
    """
    if not (np.isfinite(test_train_ratio) and test_train_ratio >= 0):
        raise OptionError(f"test_train_ratio is {test_train_ratio}; expected a finite number of at least 0.")
    if not 0 < confidence < 1:
        raise OptionError(f"confidence is {confidence}; expected a number between 0 and 1, such as 0.95.")
    n, mean = len(values), float(np.mean(values))
    test = "corrected t over seeds" if test_train_ratio else "t over seeds"
    if n < 2:
        return Estimate(mean, np.nan, np.nan, np.nan, np.nan, test, "one seed: its spread is unknown")
    if np.ptp(values) <= _TIE:
        return _constant(mean, n, test)
    if test_train_ratio:
        # baycomp counts folds and runs of cross-validation; (1 + 1/ratio) folds give its 1/(folds - 1) our ratio.
        runs = n / (1 + 1 / test_train_ratio)
        _, variance, df = CorrelatedTTest.compute_statistics(np.zeros(n), values, runs=runs)
        error = float(np.sqrt(variance))
    else:
        error, df = float(stats.sem(values)), n - 1
    reach = float(stats.t.isf((1 - confidence) / 2, df)) * error
    return Estimate(mean, mean - reach, mean + reach, float(2 * stats.t.sf(abs(mean) / error, df)), reach, test)


def _constant(mean: float, n: int, test: str) -> Estimate:
    """The estimate of ``n`` equal values."""
    if abs(mean) <= _TIE:
        return Estimate(0.0, 0.0, 0.0, 1.0, 0.0, test, "identical over all seeds: p = 1 by definition")
    note = "the same over all seeds, so t is undefined: p is the exact sign test's, and the interval has no width"
    return Estimate(mean, mean, mean, float(stats.binomtest(n, n).pvalue), np.nan, "sign test over seeds", note)


def untested(values: Floats, note: str) -> Estimate:
    """The mean of values that no test here fits, and why."""
    return Estimate(float(np.mean(values)), np.nan, np.nan, np.nan, np.nan, "no test", note)


def sign_flip(values: Floats, *, rng: np.random.Generator, confidence: float = 0.95) -> Estimate:
    """Sign-flip permutation test of a zero mean over the items of a fixed split, with a bootstrap interval.

    Args:
        values: float [n], one paired difference an item.
        rng: draws the 9,999 sign patterns (all 2^n are taken when those are fewer) and the bootstrap samples.
        confidence: of the interval; significance is judged at ``1 - confidence``.

    ``detectable`` is read from the null distribution; NaN if so few items can never be significant.

    Raises:
        RecordError: for fewer than two items.
    """
    low, high = bootstrap_interval(values, rng=rng, confidence=confidence)
    test, mean = "sign-flip permutation over items", float(np.mean(values))
    if not np.any(values):
        return Estimate(0.0, 0.0, 0.0, 1.0, 0.0, test, "identical on every item: p = 1 by definition")
    result = stats.permutation_test(
        (values,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=_batch(values),
        rng=rng,
    )
    # Rounding joins means that differ only in the order of summation.
    reached, counts = np.unique(np.abs(result.null_distribution).round(12), return_counts=True)
    significant = reached[counts[::-1].cumsum()[::-1] <= (1 - confidence) * counts.sum()]
    detectable = float(significant[0]) if len(significant) else np.nan
    return Estimate(mean, low, high, float(result.pvalue), detectable, test)


def mcnemar_exact(a: Floats, b: Floats, *, rng: np.random.Generator, confidence: float = 0.95) -> Estimate:
    """Exact McNemar test of ``mean(b) - mean(a)`` for one seed, with a bootstrap interval over items.

    Args:
        a, b: float [n] of zeros and ones, whether each method is right on each item.
        rng: draws the bootstrap samples.
        confidence: of the interval; significance is judged at ``1 - confidence``.

    ``detectable`` holds the number of items on which the methods disagree as found (at least as many as can be
    significant at all: six at .05).

    Raises:
        RecordError: for values other than 0 and 1, or fewer than two items.
    """
    if not (np.isin(a, (0, 1)).all() and np.isin(b, (0, 1)).all()):
        raise RecordError("McNemar's test needs items that are right (1) or wrong (0); other values were found.")
    difference = b - a
    low, high = bootstrap_interval(difference, rng=rng, confidence=confidence)
    only_b, only_a = int((difference > 0).sum()), int((difference < 0).sum())
    table = [[int(((a == 1) & (b == 1)).sum()), only_a], [only_b, int(((a == 0) & (b == 0)).sum())]]
    note = "one seed: says nothing about other draws"
    if only_a + only_b == 0:
        return Estimate(0.0, 0.0, 0.0, 1.0, 0.0, "exact McNemar over items", f"identical on every item; {note}")
    p = float(mcnemar(table, exact=True).pvalue)
    least = _least_margin(only_a + only_b, 1 - confidence) / len(a)
    return Estimate(float(difference.mean()), low, high, p, least, "exact McNemar over items", note)


def _least_margin(discordant: int, alpha: float) -> int:
    """The smallest significant ``|b - a|`` among ``discordant`` items, or among as few more as can be significant."""
    while 2 * stats.binom.cdf(0, discordant, 0.5) > alpha:
        discordant += 1
    fewer = np.arange(discordant // 2 + 1)
    significant = fewer[2 * stats.binom.cdf(fewer, discordant, 0.5) <= alpha]
    return int(discordant - 2 * significant.max())


def bootstrap_interval(values: Floats, *, rng: np.random.Generator, confidence: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean, 9,999 resamples.

    Raises:
        RecordError: for fewer than two values.
    """
    if len(values) < 2:
        raise RecordError(f"{len(values)} test items were given; an interval over items needs at least 2.")
    result = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=_batch(values),
        vectorized=True,
        confidence_level=confidence,
        method="percentile",
        rng=rng,
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def _batch(values: Floats) -> int:
    """Resamples taken at once, so that memory stays near 32 MB whatever the number of items."""
    return max(1, min(RESAMPLES, _BATCH_CELLS // len(values)))
