"""Double edge swaps: what is kept, and the compiled swaps against the same ones on Python's sets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from magbench.data.edges import undirected_edges
from magbench.data.mag import simple_undirected
from magbench.graph import rewiring
from magbench.graph.rewiring import SWAPS_PER_EDGE, rewired, swap
from magbench.graph.splits import bounded, random_keys


def graph(num_nodes: int, count: int, seed: int) -> np.ndarray:
    edges = np.random.default_rng(seed).integers(num_nodes, size=(2, count))
    return simple_undirected(torch.from_numpy(edges), num_nodes).numpy()


def by_sets(ends: list[tuple[int, int]], picks: np.ndarray, turns: np.ndarray) -> list[tuple[int, int]]:
    present = set(ends)
    for (i, j), turn in zip(picks.tolist(), turns.tolist(), strict=True):
        (a, b), (c, d) = ends[i], ends[j][::-1] if turn else ends[j]
        one, two = (min(a, d), max(a, d)), (min(c, b), max(c, b))
        if a == d or c == b or one == two or one in present or two in present:
            continue
        present = present - {ends[i], ends[j]} | {one, two}
        ends[i], ends[j] = one, two
    return ends


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 12), st.integers(1, 40), st.integers(0, 9999))
def test_swaps_are_those_of_sets(num_nodes: int, count: int, seed: int) -> None:
    """Small dense graphs, where most swaps are refused and keys stand in each other's way."""
    ends = undirected_edges(graph(num_nodes, count, seed), num_nodes).T
    if not len(ends):
        return
    rng = np.random.default_rng(seed)
    picks, turns = rng.integers(len(ends), size=(200, 2)), rng.integers(2, size=200) == 1
    expected = by_sets(list(map(tuple, ends.tolist())), picks, turns)
    found = np.ascontiguousarray(ends)
    swap(found, num_nodes, [(picks[:50], turns[:50]), (picks[50:], turns[50:])])
    assert list(map(tuple, found.tolist())) == expected


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("at_once", [7, 1 << 20])
def test_the_whole_against_sets(share: float, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """First all places, then all turns, in one stream; however many are drawn at once."""
    monkeypatch.setattr(rewiring, "_AT_ONCE", at_once)
    edges, seed = graph(60, 150, 0), (3, 1, 4)
    ends = undirected_edges(edges, 60)
    if share < 1:
        ends = ends[:, np.argsort(random_keys(ends.shape[1], (*seed, 1)), kind="stable")]
    count = round(share * ends.shape[1])
    tries = SWAPS_PER_EDGE * count
    keys = random_keys(3 * tries, seed)
    picks, turns = bounded(keys[: 2 * tries], count).reshape(-1, 2), keys[2 * tries :] >> np.uint64(63)
    expected = torch.tensor(by_sets(list(map(tuple, ends.T.tolist())), picks, turns)).t()
    assert np.array_equal(rewired(edges, 60, seed, share), simple_undirected(expected, 60).numpy())


def test_degrees_stay_and_little_else() -> None:
    edges = graph(400, 1200, 1)
    found = rewired(edges, 400, 5)
    assert np.array_equal(np.bincount(found[0], minlength=400), np.bincount(edges[0], minlength=400))
    assert np.array_equal(found, simple_undirected(torch.from_numpy(found), 400).numpy())
    kept, same = (set(map(tuple, e.T.tolist())) for e in (edges, found))
    assert len(kept & same) < 0.05 * len(kept)
    assert not np.array_equal(found, rewired(edges, 400, 6))


@pytest.mark.parametrize("num_nodes", [0, 1, 3])
def test_nothing_to_swap(num_nodes: int) -> None:
    none = np.zeros((2, 0), dtype=np.int64)
    assert rewired(none, num_nodes, 0).shape == (2, 0)
    if num_nodes == 3:
        one = np.array([[0, 2], [2, 0]])
        assert np.array_equal(rewired(one, 3, 0), one)
