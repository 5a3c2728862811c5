"""Edge splits and negatives: a partition of the edges, no known edge among the negatives, any part drawn by itself."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magbench.data.edges import distinct, undirected_edges
from magbench.errors import DataError
from magbench.graph import negatives
from magbench.graph.edge_splits import EdgeSplit, random_edge_split
from magbench.graph.negatives import NonNeighbours, draw_negatives, hide_targets
from magbench.graph.splits import bounded, random_keys

N = 60


def graph(seed: int = 0, edges: int = 200) -> np.ndarray:
    """Random pairs with loops, repeats and both directions."""
    return np.random.default_rng(seed).integers(N, size=(2, edges))


def as_set(edges: np.ndarray) -> set[tuple[int, int]]:
    return {(min(u, v), max(u, v)) for u, v in edges.T.tolist()}


def test_undirected_edges_by_hand() -> None:
    found = undirected_edges(np.array([[3, 1, 1, 2, 0, 3], [1, 3, 1, 0, 2, 1]]), 4)
    assert found.tolist() == [[0, 1], [2, 3]]


@pytest.mark.parametrize("keys", [[], [0], [5, 0, 5, -1, 0], [2**62, 0, 2**62]])
def test_distinct_is_numpys_unique(keys: list[int]) -> None:
    found = distinct(np.array(keys, dtype=np.int64))
    np.testing.assert_array_equal(found, np.unique(np.array(keys, dtype=np.int64)))
    assert found.dtype == np.int64


def test_the_parts_divide_the_edges() -> None:
    edges = undirected_edges(graph(), N)
    split = random_edge_split(edges, 0, val=0.1, test=0.2)
    count = edges.shape[1]
    sizes = [part.shape[1] for part in (split.test, split.val, split.train)]
    assert sizes == [round(0.2 * count), round(0.1 * count), count - round(0.2 * count) - round(0.1 * count)]
    parts = [as_set(part) for part in (split.train, split.val, split.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == count
    assert set.union(*parts) == as_set(edges)
    assert (split.train[0] < split.train[1]).all()


def test_either_end_asks() -> None:
    split = random_edge_split(undirected_edges(graph(edges=2000), N), 0, val=0.3, test=0.3)
    held = np.concatenate([split.val, split.test], axis=1)
    assert 0.4 < (held[0] < held[1]).mean() < 0.6


def test_the_draw_is_frozen() -> None:
    """The same on every platform and numpy release."""
    edges = np.stack(np.triu_indices(12, 1)).astype(np.int64)
    split = random_edge_split(edges, 3, val=0.1, test=0.1)
    assert split.test.tolist() == SPLIT_TEST
    assert split.val.tolist() == SPLIT_VAL
    known = NonNeighbours.of(edges[:, ::2], 12)
    assert draw_negatives(known, np.array([0, 5, 11]), 4, 3, 100).tolist() == NEGATIVES


def test_a_seed_changes_the_split_and_its_digest() -> None:
    edges = undirected_edges(graph(), N)
    a, b = (random_edge_split(edges, seed, val=0.1, test=0.1) for seed in (0, 1))
    assert a.digest() != b.digest()
    assert a.digest() == random_edge_split(edges, 0, val=0.1, test=0.1).digest()
    assert a.digest() != EdgeSplit(a.train, a.val, a.test[::-1]).digest()


def test_too_few_edges() -> None:
    with pytest.raises(DataError, match="4 edges are too few"):
        random_edge_split(np.array([[0, 1, 2, 3], [1, 2, 3, 4]]), 0, val=0.1, test=0.1)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.integers(2, 12), st.integers(0, 30))
def test_picked_are_exactly_the_non_neighbours(seed: int, n: int, edges: int) -> None:
    pairs = np.random.default_rng(seed).integers(n, size=(2, edges))
    known = NonNeighbours.of(pairs, n)
    for source in range(n):
        joined = (
            {source} | {v for u, v in pairs.T.tolist() if u == source} | {u for u, v in pairs.T.tolist() if v == source}
        )
        count = int(known.count(np.array(source)))
        found = known.pick(np.full(count, source), np.arange(count)).tolist()
        assert found == [node for node in range(n) if node not in joined]


def test_negatives_are_no_edges_and_spread_evenly() -> None:
    pairs = graph()
    known = NonNeighbours.of(pairs, N)
    source = np.arange(N)
    table = draw_negatives(known, source, 5000, 0, 0)
    edges = as_set(pairs) | {(node, node) for node in range(N)}
    for node, row in enumerate(table.tolist()):
        assert not edges & as_set(np.array([[node] * len(row), row]))
    counts = np.bincount(table[0], minlength=N)
    expected = 5000 / int(known.count(np.array(0)))
    assert (np.abs(counts[counts > 0] - expected) < 6 * np.sqrt(expected)).all()
    assert (counts > 0).sum() == known.count(np.array(0))


def test_any_part_of_a_table_can_be_drawn_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    known, source = NonNeighbours.of(graph(), N), np.arange(N)[::-1].copy()
    whole = draw_negatives(known, source, 7, 5, 11)
    np.testing.assert_array_equal(draw_negatives(known, source[20:30], 7, 5, 11 + 20 * 7), whole[20:30])
    spared = draw_negatives(known, source, 7, 5, 11, spare=2)
    np.testing.assert_array_equal(spared[:, :7], whole)
    assert not spared[:, 7:].any()
    monkeypatch.setattr(negatives, "_CHUNK_CELLS", 20)
    np.testing.assert_array_equal(draw_negatives(known, source, 7, 5, 11), whole)


def test_a_node_joined_to_all_others_has_no_negatives() -> None:
    star = np.array([[0, 0, 0], [1, 2, 3]])
    with pytest.raises(DataError, match="Node 0 has an edge to every other node"):
        draw_negatives(NonNeighbours.of(star, 4), np.array([1, 0]), 3, 0, 0)


def test_hidden_targets() -> None:
    table = np.array([[1, 2, 3, 0], [4, 5, 6, 0]], dtype=np.int32)
    assert hide_targets(table, np.array([7, 8]), np.array([1, 3])).tolist() == [[1, 7, 3, 2], [4, 5, 6, 8]]


@given(st.integers(0, 2**64 - 1), st.integers(1, 2**32))
def test_bounded_is_the_high_product(key: int, bound: int) -> None:
    assert int(bounded(np.array([key], dtype=np.uint64), bound)[0]) == key * bound >> 64


def test_keys_from_anywhere_in_the_stream() -> None:
    np.testing.assert_array_equal(random_keys(20, 9)[5:12], random_keys(7, 9, start=5))
    assert hashlib.sha256(random_keys(4, 0).tobytes()).hexdigest()[:8] == KEYS


SPLIT_TEST = [[1, 10, 1, 3, 5, 5, 0], [11, 2, 0, 5, 0, 8, 10]]
SPLIT_VAL = [[7, 8, 8, 7, 11, 3, 6], [6, 0, 9, 11, 10, 8, 4]]
NEGATIVES = [[6, 6, 8, 4], [2, 6, 3, 8], [3, 3, 10, 3]]
KEYS = "a47ac941"
