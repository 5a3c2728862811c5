"""MRR and Hits@k against OGB's evaluator with heavy ties, numbers worked by hand, and refusals."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ogb.linkproppred import Evaluator

from magbench.errors import MethodError
from magbench.metrics import METRICS, ranking
from magbench.metrics.ranking import count_above_equal, hits_at_k, mrr, realistic_ranks, recall_at_k

GRID = [(q, c, levels) for q in (1, 5, 300) for c in (1, 2, 50, 1000) for levels in (1, 2, 7, 10**6)]


@pytest.mark.parametrize(("q", "c", "levels"), GRID)
def test_agrees_with_ogb(q: int, c: int, levels: int) -> None:
    """``levels`` distinct scores: from everything tied to hardly any ties."""
    rng = np.random.default_rng([q, c, levels])
    scores = (rng.integers(levels, size=(q, c + 1)) / 8).astype(np.float32)
    right = rng.integers(c + 1, size=q)
    above, equal = count_above_equal(scores, right)
    positive = scores[np.arange(q), right]
    negative = np.stack([np.delete(row, column) for row, column in zip(scores, right, strict=True)])
    expected = Evaluator("ogbl-citation2").eval(
        {"y_pred_pos": torch.from_numpy(positive), "y_pred_neg": torch.from_numpy(negative)}
    )
    assert mrr(above, equal) == pytest.approx(expected["mrr_list"].double().mean().item(), rel=1e-6)
    for k in (1, 3, 10):
        wanted = expected[f"hits@{k}_list"].double().mean().item()
        assert hits_at_k(above, equal, k) == METRICS[f"hits@{k}"](above, equal) == wanted


def test_by_hand() -> None:
    scores = np.array(
        [
            [0.9, 0.1, 0.9, 0.9],  # right is column 0: none above, two equal: rank 1 + 0 + 2/2 = 2
            [0.3, 0.5, 0.4, 0.5],  # right is column 2: two above, none equal: rank 3
            [0.7, 0.6, 0.5, 0.8],  # right is column 3: rank 1
            [0.2, 0.2, 0.1, 0.0],  # right is column 1: none above, one equal: rank 1.5
        ]
    )
    above, equal = count_above_equal(scores, [0, 2, 3, 1])
    assert above.tolist() == [0, 2, 0, 0]
    assert equal.tolist() == [2, 0, 0, 1]
    assert realistic_ranks(above, equal).tolist() == [2.0, 3.0, 1.0, 1.5]
    assert mrr(above, equal) == pytest.approx((1 / 2 + 1 / 3 + 1 + 2 / 3) / 4)
    assert [hits_at_k(above, equal, k) for k in (1, 2, 3)] == [0.25, 0.75, 1.0]
    assert recall_at_k(above, equal, 2) == pytest.approx((2 / 3 + 0 + 1 + 1) / 4)


def test_recall_of_ties_is_its_mean_over_their_orders() -> None:
    """By a count of all orders; and a tie that rounding breaks at random has the same recall, hits@k has not."""
    generator = np.random.default_rng(0)
    for above, equal in [(0, 0), (0, 1), (1, 2), (2, 3), (4, 1)]:
        places = [above + 1 + order.index(0) for order in permutations(range(equal + 1))]
        for k in (1, 2, 3, 5):
            assert recall_at_k([above], [equal], k) == pytest.approx(np.mean([place <= k for place in places]))
    scores = np.repeat(generator.integers(0, 3, (4000, 4)).astype(float), 2, axis=1)  # every candidate twice
    right = generator.integers(0, 8, 4000)
    broken = scores + 1e-9 * generator.standard_normal(scores.shape)
    exact, rounded = (count_above_equal(table, right) for table in (scores, broken))
    assert recall_at_k(*rounded, 1) == pytest.approx(recall_at_k(*exact, 1), abs=0.02)
    assert hits_at_k(*exact, 1) == 0 and hits_at_k(*rounded, 1) > 0.1


def test_a_constant_score_gains_nothing() -> None:
    above, equal = count_above_equal(np.zeros((3, 1001)), [0, 500, 1000])
    assert realistic_ranks(above, equal).tolist() == [501.0] * 3


@pytest.mark.parametrize(("right", "message"), [([-1], "-1 to -1"), ([2], "columns are 0 to 1"), ([0.7], "integers")])
def test_places_that_are_none_are_refused(right: list[float], message: str) -> None:
    with pytest.raises(MethodError, match=message):
        count_above_equal([[0.2, 0.9]], right)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1))
def test_invariants(counts: list[tuple[int, int]]) -> None:
    above, equal = (np.array(column, dtype=np.int32) for column in zip(*counts, strict=True))
    found = [hits_at_k(above, equal, k) for k in (1, 3, 10, 101)]
    assert found == sorted(found)
    assert found[0] <= mrr(above, equal) <= 1
    for metric in (METRICS["mrr"], METRICS["hits@3"]):
        assert metric.items is not None
        assert metric.items(above, equal).mean() == pytest.approx(metric(above, equal))


def test_counts_do_not_depend_on_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    scores, right = rng.integers(5, size=(37, 11)).astype(np.float32), rng.integers(11, size=37)
    whole = count_above_equal(scores, right)
    monkeypatch.setattr(ranking, "_CHUNK_CELLS", 50)
    for a, b in zip(whole, count_above_equal(scores, right), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: count_above_equal([[1.0, 2.0], [0.0, np.nan]], [0, 0]), "query 1 hold NaN"),
        (lambda: count_above_equal([1.0, 2.0], [0]), r"shape \[2\]; expected one row for each of 1"),
        (lambda: mrr([], []), r"above has shape \(0,\)"),
        (lambda: mrr([1, 2], [1]), r"equal has shape \(1,\)"),
        (lambda: mrr([1], [-1]), "equal holds int64 from -1"),
        (lambda: hits_at_k([0.5], [1], 3), "above holds float64"),
        (lambda: recall_at_k([0], [0], 1, pool=0), "pool is 0; expected the number of candidates"),
        (lambda: recall_at_k([0], [0], 1, pool=2.5), r"pool is 2\.5"),
    ],
)
def test_refusals(call, message: str) -> None:
    with pytest.raises(MethodError, match=message):
        call()
