"""The stratified split: its sizes, its disjointness, and the stability of its draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magbench.errors import DataError
from magbench.graph.splits import magb_split, official_split, random_keys, stratified_split

RULE = {"val": 0.2, "test": 0.2, "min_class_size": 5}


def test_raw_draws_are_those_of_pcg64() -> None:
    # PCG64 (XSL-RR 128/64) seeded with SeedSequence(0): the stream numpy has given since 1.17.
    assert random_keys(3, 0).tolist() == [11749869230777074271, 4976686463289251617, 755828109848996024]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=8), st.integers(0, 30), st.integers(0, 2**32))
def test_parts_follow_the_rule(sizes: list[int], unlabelled: int, seed: int) -> None:
    labels = np.concatenate([np.repeat(np.arange(len(sizes)), sizes), np.full(unlabelled, -1)]).astype(np.int64)
    labels = np.random.Generator(np.random.PCG64(seed)).permutation(labels)
    if not any(size >= 5 for size in sizes):
        with pytest.raises(DataError, match="No class has the 5 members"):
            stratified_split(labels, seed, **RULE)
        return
    split = stratified_split(labels, seed, **RULE)
    everything = np.concatenate([split.train, split.val, split.test])
    assert np.array_equal(np.sort(everything), np.flatnonzero(labels >= 0))
    for label, size in enumerate(sizes):
        held = max(1, round(0.2 * size)) if size >= 5 else 0
        assert (labels[split.test] == label).sum() == held
        assert (labels[split.val] == label).sum() == held


def test_seeds_differ_and_repeat() -> None:
    labels = np.repeat(np.arange(4), 25)
    digests = [stratified_split(labels, seed, **RULE).digest() for seed in (0, 1, 0)]
    assert digests[0] == digests[2] != digests[1]


def test_a_node_is_tested_as_often_as_any_other() -> None:
    """Over 2,000 seeds each of 50 nodes is in the test part 400 times on average; binomial sd 17.9."""
    labels = np.repeat(np.arange(5), 10)
    counts = np.zeros(50)
    for seed in range(2000):
        counts[stratified_split(labels, seed, **RULE).test] += 1
    assert abs(counts - 400).max() < 4.5 * 17.9


def test_magbs_split_is_one_permutation_of_numpys_frozen_generator() -> None:
    labels = np.zeros(10, dtype=np.int64)
    split = magb_split(labels, train=0.6, val=0.2)
    # np.random.seed(42); np.random.permutation(10) has given this order since numpy 1.0: 8 1 5 0 7 2 | 9 4 | 3 6
    assert split.train.tolist() == [0, 1, 2, 5, 7, 8]
    assert split.val.tolist() == [4, 9]
    assert split.test.tolist() == [3, 6]
    labels[[9, 3]] = -1
    assert magb_split(labels, train=0.6, val=0.2).val.tolist() == [4]
    assert magb_split(labels, train=0.6, val=0.2).test.tolist() == [6]


def test_an_official_split_leaves_out_what_has_no_label() -> None:
    labels = np.array([0, 1, -1, 1, -1, 0])
    parts = {"train": np.array([5, 2, 0]), "val": np.array([3]), "test": np.array([4, 1])}
    split = official_split(labels, parts, "x@1")
    assert [part.tolist() for part in (split.train, split.val, split.test)] == [[0, 5], [3], [1]]
    with pytest.raises(DataError, match=r"x@1 brings no labelled nodes for test; found \['train', 'val'\]"):
        official_split(labels, {"train": parts["train"], "val": parts["val"]}, "x@1")
    with pytest.raises(DataError, match="for val"):
        official_split(labels, {**parts, "val": np.array([2])}, "x@1")
