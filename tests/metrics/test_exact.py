"""Exact ranking: a float64 reference, closed forms, heavy ties, what may not matter, and refusals."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from magbench.errors import MethodError
from magbench.metrics import exact, ranking, vectors
from magbench.metrics.ranking import mrr, rank_counts, recall_at_k

DTYPES = [torch.float32, torch.float64]


@pytest.fixture(params=["compiled", "torch"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to count, that of other devices run here."""
    if request.param == "torch":
        monkeypatch.setattr(exact, "_count_cached", exact._count_large)
        monkeypatch.setattr(exact, "pair_scores", vectors.lane_scores)
    return str(request.param)


def score_matrix(queries: Tensor, gallery: Tensor) -> np.ndarray:
    """float64 [Q, G], each entry a correctly rounded sum of products."""
    products = queries.double().numpy()[:, None] * gallery.double().numpy()[None]
    return np.array([[math.fsum(pair) for pair in row] for row in products.tolist()])


def naive(queries: Tensor, gallery: Tensor, positive: Tensor) -> tuple[list[int], list[int]]:
    """A stable argsort of each row of correctly rounded float64 sums; equal where the scores are."""
    above, equal = [], []
    for row, right in zip(score_matrix(queries, gallery), positive.reshape(len(positive), -1).tolist(), strict=True):
        right = [p for p in right if p >= 0]
        best = max(row[right])
        order = np.argsort(-row, kind="stable")
        above.append(int((row[order] == best).argmax()))
        equal.append(int((row == best).sum()) - sum(row[p] == best for p in right))
    return above, equal


def draw(q: int, g: int, d: int, kind: str, dtype: torch.dtype, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    queries, gallery = (torch.randn(n, d, generator=generator, dtype=torch.float64) for n in (q, g))
    if kind == "levels":
        queries, gallery = queries.round(), gallery.round()
    elif kind == "duplicates":
        gallery = gallery[torch.randint(max(1, g // 5), (g,), generator=generator)]
    elif kind == "near":  # closer than float32 can tell, mostly not than float64
        gallery = gallery[:1] + 1e-9 * gallery
    elif kind == "uneven":
        gallery, queries = gallery * 10.0 ** (8 * torch.rand(g, 1, generator=generator) - 4), queries * 1e-3
    elif kind == "sparse":
        queries, gallery = queries.clamp(min=1.0) - 1.0, gallery.clamp(min=1.0) - 1.0
    positive = torch.randint(g, (q,), generator=generator)
    return queries.to(dtype), gallery.to(dtype), positive


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["plain", "levels", "duplicates", "near", "uneven", "sparse"])
@pytest.mark.parametrize(("q", "g", "d"), [(1, 1, 1), (7, 40, 3), (30, 90, 20)])
def test_agrees_with_a_float64_argsort(q: int, g: int, d: int, kind: str, dtype: torch.dtype, path: str) -> None:
    case = draw(q, g, d, kind, dtype)
    above, equal = rank_counts(*case)
    assert above.dtype == equal.dtype == torch.int64
    assert (above.tolist(), equal.tolist()) == naive(*case)


def test_by_hand(path: str) -> None:
    queries = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    gallery = torch.tensor([[0.5, 1.0], [0.5, -1.0], [2.0, 0.0], [0.0, 1.0]])
    # query 0: .5 .5 2 0, right 0: one above, one equal; query 1: 2 -2 0 2, right 3: none, one;
    # query 2: 1.5 -.5 2 1, right 1: three, none.
    above, equal = rank_counts(queries, gallery, torch.tensor([0, 3, 1]))
    assert above.tolist() == [1, 0, 3]
    assert equal.tolist() == [1, 1, 0]
    # ranks 2.5, 1.5, 4
    assert mrr(above, equal) == pytest.approx((1 / 2.5 + 1 / 1.5 + 1 / 4) / 3)
    assert [recall_at_k(above, equal, k, pool=4) for k in (1, 2, 3, 4)] == pytest.approx([1 / 6, 1 / 2, 2 / 3, 1.0])


def test_the_best_of_several_positives_counts(path: str) -> None:
    queries = torch.tensor([[1.0], [1.0], [-1.0]])
    gallery = torch.tensor([[4.0], [3.0], [3.0], [2.0], [1.0], [3.0]])
    positive = torch.tensor([[1, 3, -1], [1, 2, 4], [-1, 3, -1]])
    above, equal = rank_counts(queries, gallery, positive)
    assert above.tolist() == [1, 1, 1]  # 4 > 3 · 4 > 3 · -1 > -2
    assert equal.tolist() == [2, 1, 0]  # rows 2 and 5 · row 5, for row 2 is right as well · none
    assert (above.tolist(), equal.tolist()) == naive(queries, gallery, positive)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_constant_embeddings_say_nothing(dtype: torch.dtype, path: str) -> None:
    """Rank (G + 1) / 2 for everyone, whatever the rounding of .1 and whichever lanes 37 columns fill."""
    queries, gallery = (torch.full((n, 37), 0.1, dtype=dtype) for n in (600, 3000))
    above, equal = rank_counts(queries, gallery, torch.arange(600))
    assert above.unique().tolist() == [0]
    assert equal.unique().tolist() == [2999]


@pytest.mark.parametrize("zero", ["queries", "gallery", "both"])
def test_zeros(zero: str, path: str) -> None:
    generator = torch.Generator().manual_seed(0)
    queries, gallery = (torch.randn(n, 5, generator=generator) for n in (20, 50))
    queries = queries * (zero == "gallery")
    gallery = gallery * (zero == "queries")
    above, equal = rank_counts(queries, -gallery, torch.arange(20))
    assert (above.unique().tolist(), equal.unique().tolist()) == ([0], [49])


def test_identity() -> None:
    """One-hot rows asked for themselves: nothing above, nothing equal; for the next: one above, the rest equal."""
    eye = torch.eye(300)
    above, equal = rank_counts(eye, eye, torch.arange(300))
    assert (int(above.max()), int(equal.max())) == (0, 0)
    above, equal = rank_counts(eye, eye, torch.arange(300).roll(1))
    assert (above.unique().tolist(), equal.unique().tolist()) == ([1], [298])


def test_equal_rows_are_equal_in_whichever_tile(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One row of irrational numbers among 5,000 others, at 40 places of many tiles."""
    queries, gallery, _ = draw(50, 5000, 61, "plain", torch.float32)
    gallery[::125] = gallery[0].clone()
    monkeypatch.setattr(exact, "distinct", lambda rows: (torch.arange(len(rows)), torch.arange(len(rows))))
    _, equal = rank_counts(queries, gallery, torch.full((50,), 2500))
    assert equal.tolist() == [39] * 50


vectors_of = st.integers(-3, 3).map(lambda x: x / 3)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_what_may_not_matter(data: st.DataObject) -> None:
    """The order of the gallery, the tiles' size, a factor, both ways to count."""
    q, g, d = (data.draw(st.integers(1, high)) for high in (6, 12, 11))
    numbers = st.lists(vectors_of, min_size=d, max_size=d)
    queries = torch.tensor(data.draw(st.lists(numbers, min_size=q, max_size=q)))
    gallery = torch.tensor(data.draw(st.lists(numbers, min_size=g, max_size=g)))
    positive = torch.tensor(data.draw(st.lists(st.integers(0, g - 1), min_size=q, max_size=q)))
    wanted = rank_counts(queries, gallery, positive)
    order = torch.tensor(data.draw(st.permutations(range(g))))
    found = {
        "order": rank_counts(queries, gallery[order], order.argsort()[positive]),
        "factors": rank_counts(queries * 2.0**70, gallery * 2.0**-100, positive),
        "double": rank_counts(queries.double() * 2.0**700, gallery.double() * 2.0**-800, positive),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "_CACHED", (data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))))
        found["tiles"] = rank_counts(queries, gallery, positive)
        patch.setattr(exact, "_count_cached", exact._count_large)
        patch.setattr(exact, "pair_scores", vectors.lane_scores)
        found["torch"] = rank_counts(queries, gallery, positive)
    for name, counts in found.items():
        assert [c.tolist() for c in counts] == [c.tolist() for c in wanted], name
    twice = rank_counts(queries, torch.cat([gallery, gallery]), positive)  # each candidate once more
    assert twice[0].tolist() == (2 * wanted[0]).tolist()
    assert twice[1].tolist() == (2 * wanted[1] + 1).tolist()


def test_colliding_hashes_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    case = draw(20, 60, 4, "duplicates", torch.float32)
    wanted = rank_counts(*case)
    monkeypatch.setattr(vectors, "_hash", lambda rows: torch.zeros(len(rows), dtype=torch.int64))
    for a, b in zip(wanted, rank_counts(*case), strict=True):
        assert torch.equal(a, b)


def test_distinct_rows() -> None:
    rows = torch.tensor([[0.0, 1.0], [2.0, 1.0], [-0.0, 1.0], [2.0, 1.0], [2.0, -1.0]])
    first, group = vectors.distinct(rows)
    assert first.tolist() == [0, 1, 4]
    assert group.tolist() == [0, 1, 0, 1, 2]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("d", [0, 1, 7, 8, 9, 16, 130])
def test_one_value_a_pair(d: int, dtype: torch.dtype) -> None:
    """Compiled and in torch, bit by bit, and close to the exact sum."""
    queries, gallery, _ = draw(30, 30, d, "plain", dtype)
    ids = torch.arange(30)
    compiled, lanes = (f(queries, gallery, ids, ids) for f in (vectors.pair_scores, vectors.lane_scores))
    assert torch.equal(compiled, lanes)
    assert torch.allclose(compiled, (queries.double() * gallery.double()).sum(1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("d", [1, 8, 100, 700])
def test_the_bound_holds(d: int) -> None:
    relative, absolute = vectors.error_bound(d)
    queries, gallery, _ = draw(64, 64, d, "plain", torch.float64)
    left, right = vectors.prepare(queries, gallery.abs())
    error = (left.single @ right.single.T).double() - left.exact @ right.exact.T
    assert bool((error.abs() <= torch.outer(left.norm, right.norm) * relative + absolute).all())


def test_progress() -> None:
    seen: list[tuple[int, int]] = []
    queries = torch.ones(1300, 2)
    queries[:200] = 0.0
    rank_counts(queries, torch.ones(3, 2), torch.zeros(1300, dtype=torch.long), progress=lambda *a: seen.append(a))
    assert seen == [(712, 1300), (1224, 1300), (1300, 1300)]


def test_no_queries() -> None:
    above, equal = rank_counts(torch.ones(0, 2), torch.ones(3, 2), torch.zeros(0, dtype=torch.long))
    assert above.tolist() == equal.tolist() == []


def test_gradients_stay_outside() -> None:
    queries = torch.ones(2, 2, requires_grad=True)
    above, _ = rank_counts(queries, queries, torch.tensor([0, 1]))
    assert not above.requires_grad


ONE = torch.ones(2, 3)
ZERO = torch.zeros(2, dtype=torch.long)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rank_counts(ONE, torch.ones(4, 2), ZERO), "3 columns and the gallery 2; .* map one side"),
        (lambda: rank_counts(ONE, torch.ones(0, 3), ZERO), "gallery is empty"),
        (lambda: rank_counts(ONE[0], ONE, ZERO), r"queries is torch.float32 \[3\]; expected a floating-point tensor"),
        (lambda: rank_counts(ONE.long(), ONE, ZERO), r"queries is torch.int64 \[2, 3\]"),
        (lambda: rank_counts([[1.0]], ONE, ZERO), "queries is list"),
        (lambda: rank_counts(ONE, ONE / torch.tensor([[1.0], [0.0]]), ZERO), "Row 1 of gallery holds NaN or infinity"),
        (lambda: rank_counts(ONE * torch.nan, ONE, ZERO), "Row 0 of queries holds NaN"),
        (lambda: rank_counts(ONE, ONE, torch.tensor([0, 2])), "positive of query 1 is 2; the gallery has rows 0 to 1"),
        (lambda: rank_counts(ONE, ONE, torch.tensor([-1, 0])), "positive of query 0 is -1"),
        (lambda: rank_counts(ONE, ONE, torch.tensor([[0, -2], [0, 1]])), "positive of query 0 is -2"),
        (lambda: rank_counts(ONE, ONE, torch.tensor([[0, 1], [-1, -1]])), "Query 1 has no positive"),
        (lambda: rank_counts(ONE, ONE, torch.tensor([[0, -1], [1, 1]])), "Query 1 has a positive twice"),
        (lambda: rank_counts(ONE, ONE, torch.tensor([0])), r"positive has shape \[1\]; expected \[2\] or \[2, P\]"),
        (lambda: rank_counts(ONE, ONE, torch.tensor([0.0, 1.0])), "positive is torch.float32; expected an int64"),
        (lambda: recall_at_k([0], [0], 4, pool=3), "k is 4, but there are 3 candidates"),
        (lambda: recall_at_k([2], [1], 1, pool=3), "3 candidates score as high as the right one; among 3"),
        (lambda: recall_at_k([0], [0], 0), "k is 0; expected an integer from 1 up"),
        (lambda: ranking.nothing, "no attribute"),
    ],
)
def test_refusals(call: Callable[[], object], message: str) -> None:
    with pytest.raises((MethodError, AttributeError), match=message):
        call()


def test_the_engine_is_imported_when_it_is_asked_for() -> None:
    assert ranking.rank_counts is exact.rank_counts
