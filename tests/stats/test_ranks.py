"""Ranks across data sets: critical differences, ranks by hand, the reason below five, ties and refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from magbench.errors import OptionError, RecordError, UnknownNameError
from magbench.stats.ranks import Ranks, critical_difference, ranks

pytestmark = pytest.mark.filterwarnings("error")


def compare(table: dict[str, list[float]], results, **options: object) -> Ranks:
    """Ranks of a table of one score a data set and method, two seeds a hair apart."""
    count = len(next(iter(table.values())))
    frames = [
        results(
            {name: [values[i] - 0.001, values[i] + 0.001] for name, values in table.items()},
            task=f"nc/d{i}",
            dataset=f"d{i}",
        )
        for i in range(count)
    ]
    return ranks(pd.concat(frames), metric="accuracy", rng=np.random.default_rng(0), **options)


@pytest.mark.parametrize(
    ("methods", "datasets", "expected"),
    # The first two are the figures the project quotes; q = 2.343 (3) and 3.164 (10) are Demšar's table 5a.
    [(6, 7, 2.85), (10, 7, 5.12), (3, 10, 2.343 * np.sqrt(12 / 60)), (10, 20, 3.164 * np.sqrt(110 / 120))],
)
def test_critical_difference(methods: int, datasets: int, expected: float) -> None:
    assert critical_difference(methods, datasets) == pytest.approx(expected, abs=0.005)


def test_mean_ranks_by_hand(results) -> None:
    # a is best three times, second twice: (1 + 1 + 1 + 2 + 2) / 5 = 1.4; c ties with b once: (2.5 + 3 + 3 + 3 + 3) / 5.
    table = {"a": [0.9, 0.9, 0.9, 0.5, 0.5], "b": [0.5, 0.6, 0.6, 0.9, 0.9], "c": [0.5, 0.1, 0.1, 0.1, 0.1]}
    found = compare(table, results)
    assert dict(zip(found.mean_ranks["method"], found.mean_ranks["mean_rank"], strict=True)) == pytest.approx(
        {"a": 1.4, "b": (2.5 + 2 + 2 + 1 + 1) / 5, "c": 2.9}
    )
    assert list(found.mean_ranks["method"]) == ["a", "b", "c"] and found.reason == ""
    assert (found.mean_ranks["low"] <= found.mean_ranks["mean_rank"]).all()
    assert (found.mean_ranks["high"] >= found.mean_ranks["mean_rank"]).all()
    assert compare(table, results, higher_is_better=False).mean_ranks["method"].iloc[0] == "c"


def test_friedman_and_nemenyi(results) -> None:
    rng = np.random.default_rng(1)
    table = {name: list(rng.random(7) + shift) for name, shift in (("a", 0), ("b", 0.3), ("c", 2.0))}
    found = compare(table, results)
    expected = stats.friedmanchisquare(*table.values())
    assert found.friedman[["statistic", "p"]].iloc[0].tolist() == pytest.approx([expected.statistic, expected.pvalue])
    gap = found.mean_ranks.set_index("method")["mean_rank"]
    for a, b in (("a", "b"), ("a", "c"), ("b", "c")):
        beyond = abs(gap[a] - gap[b]) >= found.friedman["critical_difference"].iloc[0]
        assert (found.nemenyi.loc[a, b] <= 0.05) == beyond


def test_bayesian_signed_rank(results) -> None:
    table = {"a": [0.50, 0.60, 0.70, 0.80, 0.55, 0.65], "b": [0.60, 0.70, 0.80, 0.90, 0.65, 0.75]}
    table["c"] = [value + 0.001 for value in table["a"]]
    found = compare(table, results, rope=0.01).bayesian.set_index(["a", "b"])
    assert found.loc[("a", "b"), "p_b"] > 0.95
    assert found.loc[("a", "c"), "p_rope"] > 0.95
    assert found[["p_a", "p_rope", "p_b"]].sum(axis=1).to_numpy() == pytest.approx(1)


@pytest.mark.parametrize(("count", "smallest"), [(1, 1), (2, 0.5), (3, 0.25), (4, 0.125)])
def test_below_five_there_is_a_matrix_and_a_reason(results, count: int, smallest: float) -> None:
    found = compare({"a": [0.9] * count, "b": [0.8] * count}, results)
    assert found.matrix.shape == (count, 2) and found.matrix.loc["d0", "a"] == pytest.approx(0.9)
    assert found.smallest_p == smallest and f"{smallest:.3g}" in found.reason
    assert found.mean_ranks.empty and found.bayesian.empty


@pytest.mark.parametrize(("count", "smallest"), [(5, 0.0625), (7, 0.015625)])
def test_smallest_p_from_five_on(results, count: int, smallest: float) -> None:
    assert compare({"a": [0.9] * count, "b": [0.8] * count}, results).smallest_p == smallest


def test_two_methods_have_no_friedman_test(results) -> None:
    found = compare({"a": [0.9] * 5, "b": [0.8] * 5}, results)
    assert np.isnan(found.friedman["p"].iloc[0]) and "three methods" in found.friedman["note"].iloc[0]


def test_methods_that_always_tie(results) -> None:
    found = compare({name: [0.9] * 5 for name in "abc"}, results)
    assert found.friedman["p"].iloc[0] == 1 and "ties" in found.friedman["note"].iloc[0]
    assert set(found.mean_ranks["mean_rank"]) == {2.0}


def test_same_generator_same_answer(results) -> None:
    table = {"a": [0.9, 0.7, 0.8, 0.6, 0.9], "b": [0.8, 0.75, 0.7, 0.65, 0.8]}
    pd.testing.assert_frame_equal(compare(table, results).bayesian, compare(table, results).bayesian)


def test_refusals(results) -> None:
    whole = pd.concat([results({"a": [0.1], "b": [0.2]}, task=f"nc/{d}", dataset=d) for d in "xyz"])
    rng = np.random.default_rng(0)
    with pytest.raises(RecordError, match=r"missing: x × b"):
        ranks(whole[~((whole["dataset"] == "x") & (whole["method"] == "b"))], metric="accuracy", rng=rng)
    with pytest.raises(RecordError, match="2 tasks"):
        ranks(
            pd.concat([whole, results({"a": [0.1], "b": [0.2]}, task="lp/x", dataset="x")]), metric="accuracy", rng=rng
        )
    with pytest.raises(RecordError, match="at least 2 methods"):
        ranks(whole[whole["method"] == "a"], metric="accuracy", rng=rng)
    with pytest.raises(UnknownNameError, match="metric"):
        ranks(whole, metric="recall", rng=rng)
    with pytest.raises(OptionError, match="rope"):
        ranks(whole, metric="accuracy", rng=rng, rope=0)
    with pytest.raises(OptionError, match="alpha"):
        ranks(whole, metric="accuracy", rng=rng, alpha=1)
