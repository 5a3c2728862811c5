"""Neighbour sampling: the right edges, drawn as a plain-Python sampler draws them, and always the same ones."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from magbench.data.mag import simple_undirected
from magbench.errors import DataError, OptionError
from magbench.graph.adjacency import Adjacency
from magbench.graph.neighbors import ALL, NeighborSampler, Subgraph

N = 400


@pytest.fixture(scope="module")
def graph() -> Adjacency:
    """Skewed degrees; the last ten nodes are isolated."""
    generator = np.random.default_rng(0)
    ends = (generator.random((2, 3000)) ** 3 * (N - 10)).astype(np.int64)
    return Adjacency.of(simple_undirected(torch.from_numpy(ends), N), N)


def rows(graph: Adjacency) -> dict[int, list[int]]:
    return {i: graph.indices[graph.indptr[i] : graph.indptr[i + 1]].tolist() for i in range(graph.num_nodes)}


def edges(subgraph: Subgraph) -> list[tuple[int, int]]:
    """(source, target) by the numbers of the whole graph."""
    return [tuple(pair) for pair in subgraph.nodes[subgraph.edge_index].T.tolist()]


def reference(neighbours: dict[int, list[int]], seeds: list[int], fanouts: list[int], rng: random.Random) -> set:
    """The same definition in plain Python."""
    known, frontier, found = set(seeds), list(seeds), set()
    for fanout in fanouts:
        new = []
        for target in frontier:
            row = neighbours[target]
            for source in row if fanout == ALL else rng.sample(row, min(fanout, len(row))):
                found.add((source, target))
                if source not in known:
                    known.add(source)
                    new.append(source)
        frontier = new
    return found


def test_every_subset_of_neighbours_is_equally_likely() -> None:
    star = Adjacency.of(torch.stack([torch.arange(1, 9), torch.zeros(8, dtype=torch.int64)]), 9)
    sampler = NeighborSampler(star, [3])
    drawn = Counter(
        tuple(sorted(sampler.sample(np.array([0]), (0, draw)).nodes[1:].tolist())) for draw in range(20_000)
    )
    assert set(drawn) == set(combinations(range(1, 9), 3))
    assert chisquare(list(drawn.values())).pvalue > 1e-3


def test_edges_are_drawn_as_often_as_by_the_reference(graph: Adjacency) -> None:
    sampler, neighbours, seeds, draws = NeighborSampler(graph, [4, 3]), rows(graph), [0, 7, 50, 395], 4000
    rng, ours, theirs = random.Random(0), Counter(), Counter()
    for draw in range(draws):
        ours.update(edges(sampler.sample(np.array(seeds), (draw,))))
        theirs.update(reference(neighbours, seeds, [4, 3], rng))
    share = {edge: (ours[edge] / draws, theirs[edge] / draws) for edge in ours.keys() | theirs.keys()}
    spread = [(a - b) / max(((a + b) * (2 - a - b) / 2 / draws) ** 0.5, 1e-9) for a, b in share.values() if a != b]
    assert len(spread) > 300
    assert max(map(abs, spread)) < 5
    assert 0.9 < float(np.std(spread)) < 1.1


@pytest.mark.parametrize("fanouts", [[5], [3, 2], [ALL, 4], [10, 0, 3], []])
def test_subgraphs_hold_the_seeds_first_real_edges_and_the_fanout(graph: Adjacency, fanouts: list[int]) -> None:
    neighbours, seeds = rows(graph), np.array([12, 3, 399, 0])
    found = NeighborSampler(graph, fanouts).sample(seeds, (1,))
    assert found.nodes[:4].tolist() == seeds.tolist()
    assert len(set(found.nodes.tolist())) == len(found.nodes)
    pairs = edges(found)
    assert all(source in neighbours[target] for source, target in pairs)
    assert len(set(pairs)) == len(pairs)
    assert set(found.edge_index.flatten()) | {0, 1, 2, 3} == set(range(len(found.nodes)))
    hops, frontier, taken = [set(seeds.tolist())], set(seeds.tolist()), defaultdict(list)
    for source, target in pairs:
        taken[target].append(source)
    for fanout in fanouts:
        for node in frontier:
            degree = len(neighbours[node])
            assert len(taken[node]) == (degree if fanout == ALL else min(fanout, degree)), node
        frontier = {source for node in frontier for source in taken[node]} - set().union(*hops)
        hops.append(frontier)
    assert all(node not in taken for node in frontier)


def test_full_fanout_is_the_k_hop_subgraph(graph: Adjacency) -> None:
    found = NeighborSampler(graph, [ALL, ALL]).sample(np.array([5, 6]), (0,))
    assert set(edges(found)) == reference(rows(graph), [5, 6], [ALL, ALL], random.Random())


def test_the_key_alone_decides(graph: Adjacency) -> None:
    sampler, seeds = NeighborSampler(graph, [4, 4]), np.arange(30)
    first = sampler.sample(seeds, (0, 1, 2))
    other = sampler.sample(seeds, (0, 1, 3))
    again = NeighborSampler(graph, [4, 4]).sample(seeds, (0, 1, 2))
    assert first.edge_index.tobytes() == again.edge_index.tobytes()
    assert first.nodes.tobytes() == again.nodes.tobytes() == sampler.sample(seeds, (0, 1, 2)).nodes.tobytes()
    assert first.nodes.tobytes() != other.nodes.tobytes()
    # Frozen: a change of these numbers changes every sampled training, so ENGINE must be raised.
    assert NeighborSampler(graph, [2]).sample(np.array([0, 1]), (0,)).nodes.tolist() == [0, 1, 7, 121, 31, 306]


def test_excluded_edges_are_never_drawn(graph: Adjacency) -> None:
    neighbours = rows(graph)
    hub = max(neighbours, key=lambda node: len(neighbours[node]))
    partners = neighbours[hub][::2]
    seeds, exclude = np.array([*partners, hub]), np.array([[hub] * len(partners), partners])
    found = edges(NeighborSampler(graph, [ALL, ALL]).sample(seeds, (0,), exclude=exclude))
    expected = reference(neighbours, seeds.tolist(), [ALL, ALL], random.Random())
    assert set(found) == expected - {(hub, p) for p in partners} - {(p, hub) for p in partners}
    kept = set(neighbours[hub]) - set(partners)
    drawn = Counter()
    sampler = NeighborSampler(graph, [3])
    for key in range(3000):
        pairs = edges(sampler.sample(seeds, (key,), exclude=exclude))
        drawn.update(source for source, target in pairs if target == hub)
        assert not {(hub, p) for p in partners} & set(pairs)
    assert set(drawn) == kept
    assert chisquare(list(drawn.values())).pvalue > 1e-3
    after = NeighborSampler(graph, [3]).sample(seeds, (9,))
    assert sampler.sample(seeds, (9,)).nodes.tobytes() == after.nodes.tobytes()  # the workspace is as it was


def test_isolated_seeds_and_empty_graphs(graph: Adjacency) -> None:
    alone = NeighborSampler(graph, [5, 5]).sample(np.array([399, 398]), (0,))
    assert (alone.nodes.tolist(), alone.edge_index.shape) == ([399, 398], (2, 0))
    none = NeighborSampler(graph, [5, 5]).sample(np.zeros(0, np.int64), (0,))
    assert (len(none.nodes), none.edge_index.shape) == (0, (2, 0))
    empty = NeighborSampler(Adjacency.of(torch.zeros(2, 0, dtype=torch.int64), 0), [5])
    assert len(empty.sample(np.zeros(0, np.int64), (0,)).nodes) == 0


@pytest.mark.parametrize(
    ("seeds", "key", "exclude", "error", "message"),
    [
        ([3, 400], (0,), None, DataError, r"seeds holds node 400 .* allowed are 0..399"),
        ([3, -1], (0,), None, DataError, r"smallest -1"),
        ([3, 7, 3], (0,), None, DataError, "seeds holds node 3 twice"),
        ([3, 7], (0, -5), None, OptionError, r"key=\(0, -5\) is not allowed"),
        ([3, 7], (0,), [[3], [9]], DataError, "exclude holds node 9, which is not among the seeds"),
        ([], (0,), [[3], [9]], DataError, "exclude holds node 3"),
    ],
)
def test_bad_requests_are_named(graph: Adjacency, seeds, key, exclude, error, message: str) -> None:
    sampler = NeighborSampler(graph, [2])
    with pytest.raises(error, match=message):
        sampler.sample(np.array(seeds, np.int64), key, exclude=None if exclude is None else np.array(exclude))


def test_bad_fanouts_are_named(graph: Adjacency) -> None:
    with pytest.raises(OptionError, match=r"fanouts=\[5, -2\] is not allowed"):
        NeighborSampler(graph, [5, -2])
