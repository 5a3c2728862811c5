"""The measurements of exact ranking, on a few rows."""

from __future__ import annotations

import pytest

from magbench.errors import DataError
from magbench.metrics.ranking import mrr, rank_counts
from magbench.perf.ranking import compare_ranking, embeddings, extra_bytes


def test_the_ranks_are_neither_all_first_nor_random() -> None:
    assert 0.05 < mrr(*rank_counts(*embeddings(200, 2000))) < 0.95


def test_what_is_compared() -> None:
    found = compare_ranking(50, 300, rounds=2)
    assert (found.queries, found.candidates) == (50, 300)
    for spread in (found.seconds, found.product, found.topk):
        assert spread.count == 2
        assert spread.median > 0


def test_memory_does_not_grow_with_the_scores() -> None:
    """80 million scores would be 320 MB."""
    assert extra_bytes(4_000, 20_000) < 100e6


def test_a_failed_process_is_named() -> None:
    with pytest.raises(DataError, match="ended with 1: "):
        extra_bytes(-1, 10)
