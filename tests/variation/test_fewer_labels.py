"""Training labels and pairs: nested shares, every class kept, noise that is another class."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import small_mag, small_retrieval_task

from magbench.corruption import Corruption
from magbench.errors import DataError, OptionError
from magbench.graph.splits import random_keys
from magbench.variation.training import corrupt_labels, corrupt_pairs

LABELS = np.repeat([0, 1, 2, 3, -1], [100, 50, 11, 1, 20])
TRAIN = np.flatnonzero(LABELS >= 0)[::2]


def noisy(rate: float, seed: int = 0, train: np.ndarray = TRAIN) -> np.ndarray:
    return corrupt_labels(LABELS, train, 5, Corruption("label_noise", rate), (seed,))[0]


def kept(rate: float, seed: int = 0, train: np.ndarray = TRAIN) -> np.ndarray:
    return corrupt_labels(LABELS, train, 5, Corruption("label_share", rate), (seed,))[1]


@pytest.mark.parametrize("rate", [0, 0.1, 0.25, 1.0])
def test_wrong_labels_are_other_classes_of_training_nodes(rate: float) -> None:
    before = LABELS.copy()
    found = noisy(rate)
    wrong = np.flatnonzero(found != LABELS)
    assert len(wrong) == round(rate * len(TRAIN)) and set(wrong) <= set(TRAIN)
    assert (found[TRAIN] >= 0).all() and (found[TRAIN] < 5).all()
    assert np.array_equal(LABELS, before) and np.array_equal(noisy(rate), found)


def test_every_other_class_is_equally_likely() -> None:
    labels = np.full(20_000, 2)
    found, _ = corrupt_labels(labels, np.arange(20_000), 5, Corruption("label_noise", 1), (0,))
    counts = np.bincount(found, minlength=5)
    assert counts[2] == 0
    assert float(((counts[[0, 1, 3, 4]] - 5000) ** 2 / 5000).sum()) < 16  # chi-square, 3 degrees


@settings(deadline=None)
@given(rates=st.tuples(st.floats(0.001, 1), st.floats(0.001, 1)), seed=st.integers(0, 2**33))
def test_a_smaller_rate_is_a_part_of_a_larger_one(rates: tuple[float, float], seed: int) -> None:
    less, more = sorted(rates)
    few, many = noisy(less, seed), noisy(more, seed)
    wrong = few != LABELS
    assert np.array_equal(few[wrong], many[wrong])  # the same wrong class, too
    assert set(kept(less, seed)) <= set(kept(more, seed)) <= set(TRAIN)


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.25, 0.5, 1.0])
def test_a_share_of_each_class_and_at_least_one(rate: float) -> None:
    found = kept(rate)
    assert (np.diff(found) > 0).all()
    for label in np.unique(LABELS[TRAIN]):
        size = int((LABELS[TRAIN] == label).sum())
        assert int((LABELS[found] == label).sum()) == max(1, round(rate * size))
    assert set(kept(rate, seed=1)) != set(found) or rate == 1


def test_a_node_draws_by_its_number() -> None:
    """Which other nodes train, and in what order they are given, changes nothing of what a node draws."""
    assert np.array_equal(kept(0.3, train=TRAIN[::-1]), kept(0.3))
    assert np.array_equal(noisy(0.3, train=TRAIN[::-1]), noisy(0.3))
    alone = TRAIN[LABELS[TRAIN] == 1]
    assert np.array_equal(kept(0.3, train=alone), np.intersect1d(kept(0.3), alone))


def test_share_and_noise_draw_apart() -> None:
    """With one seed, the nodes whose labels go first are not those whose labels are wrong first."""
    gone, wrong = set(TRAIN) - set(kept(0.5)), set(np.flatnonzero(noisy(0.5) != LABELS))
    assert 0.3 < len(gone & wrong) / len(wrong) < 0.7


def test_one_class() -> None:
    labels, train = np.zeros(6, dtype=np.int64), np.arange(4)
    assert len(corrupt_labels(labels, train, 1, Corruption("label_share", 0.5), (0,))[1]) == 2
    assert np.array_equal(corrupt_labels(labels, train, 1, Corruption("label_noise", 0), (0,))[0], labels)
    with pytest.raises(DataError, match=r"label_noise=0.5 puts another class .* one class only"):
        corrupt_labels(labels, train, 1, Corruption("label_noise", 0.5), (0,))


def test_no_training_nodes() -> None:
    none = np.zeros(0, dtype=np.int64)
    for kind in ("label_share", "label_noise"):
        labels, train = corrupt_labels(LABELS, none, 5, Corruption(kind, 0.5), (0,))
        assert np.array_equal(labels, LABELS) and not len(train)


def test_pairs_are_the_first_of_the_drawn_order() -> None:
    """Those that retrieval takes of its training pairs."""
    mag = small_mag()
    task = small_retrieval_task()
    both = np.flatnonzero(mag.has_text & mag.has_image)
    order = both[np.argsort(random_keys(200, task.rule.seed)[both], kind="stable")]
    order = order[2 * round(0.2 * len(both)) :]
    for share in ("0.1", "0.25", "0.5"):
        expected = small_retrieval_task(pair_share=share).ask(mag).split.train
        assert np.array_equal(np.sort(corrupt_pairs(order, Corruption.parse(f"pair_share={share}"))), expected)
    assert len(corrupt_pairs(order, Corruption("pair_share", 1e-9))) == 1
    assert corrupt_pairs(order, Corruption("pair_share", 1)).tolist() == order.tolist()


def test_wrong_uses_say_so() -> None:
    with pytest.raises(OptionError, match=r"edge_drop=0.5 acts on the graph, not on the training labels"):
        corrupt_labels(LABELS, TRAIN, 5, Corruption("edge_drop", 0.5), (0,))
    with pytest.raises(OptionError, match=r"label_share=0.5 acts on the labels, not on the training pairs"):
        corrupt_pairs(TRAIN, Corruption("label_share", 0.5))
