"""Forward push against a dense float64 solver: the bound of Andersen, Chung & Lang, the k largest, determinism."""

from __future__ import annotations

import numpy as np
import pytest
from graph.exact import adjacency, messy_graphs, pagerank, power_law, slack
from hypothesis import given, settings
from hypothesis import strategies as st

from magbench.errors import DataError
from magbench.graph import push
from magbench.graph.push import PushGraph, Rows, push_rows

Options = dict[str, object]
ALL: Options = {"teleport": 0.15, "norm": "rw", "tol": 1e-4, "top_k": 10_000}


def _rows(graph: PushGraph, seeds: np.ndarray | None = None, **options: object) -> Rows:
    seeds = np.arange(graph.num_nodes) if seeds is None else seeds
    parts = list(graph.rows(seeds, **(ALL | options)))  # type: ignore[arg-type]
    return Rows(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _dense(rows: Rows, n: int) -> np.ndarray:
    found = np.zeros((len(rows.counts), n))
    np.add.at(found, (np.repeat(np.arange(len(rows.counts)), rows.counts), rows.columns), rows.values)
    return found


@settings(deadline=None, max_examples=150)
@given(messy_graphs(), st.sampled_from(["rw", "sym"]), st.floats(1e-6, 0.5), st.floats(0.02, 0.98))
def test_estimates_are_low_by_at_most_the_tolerance(
    graph: tuple[np.ndarray, int], norm: str, tol: float, teleport: float
) -> None:
    edges, n = graph
    found = _dense(_rows(PushGraph.of(edges, n), norm=norm, tol=tol, teleport=teleport), n)
    exact = pagerank(edges, n, teleport, norm)
    rounding = 1e-5 * exact + 1e-9
    assert (found <= exact + rounding).all()
    assert (found >= exact - tol * slack(edges, n, norm) - rounding).all()


def test_the_bound_is_used_up() -> None:
    """A push that went on too long would keep the bound as well, and cost more."""
    edges = power_law(300, 900)
    gap = pagerank(edges, 300) - _dense(_rows(PushGraph.of(edges, 300), tol=1e-3), 300)
    assert (gap / (1e-3 * slack(edges, 300, "rw"))).max() > 0.3


def test_one_step_by_hand() -> None:
    # Path 0-1-2, b = .2, degrees with loops 2, 3, 2; tol = 1 stops after the first push, of node 0. Its loop returns .4
    # of each mass, so it moves 1 / (1 - .4) = 5/3: p_0 = .2 * 5/3 = 1/3, r_1 = .4 * 5/3 = 2/3, and p_1 + b r_1 = 2/15.
    graph = PushGraph.of(np.array([[0, 1], [1, 2]]), 3)
    row = _dense(_rows(graph, np.array([0]), teleport=0.2, tol=1.0), 3)[0]
    np.testing.assert_allclose(row, [1 / 3, 2 / 15, 0], rtol=1e-6)


def test_isolated_nodes_keep_everything() -> None:
    graph = PushGraph.of(np.array([[0], [1]]), 4)
    np.testing.assert_allclose(_dense(_rows(graph), 4)[2:], np.eye(4)[2:], rtol=1e-6)


@given(messy_graphs())
@settings(deadline=None)
def test_the_adjacency_is_undirected_ascending_and_without_duplicates(graph: tuple[np.ndarray, int]) -> None:
    edges, n = graph
    made = PushGraph.of(edges, n)
    expected = adjacency(edges, n)
    assert made.offsets.tolist() == [0, *np.cumsum(expected.sum(1)).astype(int).tolist()]
    assert made.targets.tolist() == np.nonzero(expected)[1].tolist()


@pytest.mark.parametrize("norm", ["rw", "sym"])
@pytest.mark.parametrize("top_k", [1, 7, 64, 400])
def test_the_largest_estimates_are_kept(norm: str, top_k: int) -> None:
    n = 800
    graph = PushGraph.of(power_law(n, 3000), n)
    everything = _dense(_rows(graph, norm=norm), n)
    kept = _rows(graph, norm=norm, top_k=top_k)
    ends = np.cumsum(kept.counts)
    assert (kept.counts == np.minimum(top_k, (everything > 0).sum(1))).all()
    for row, (start, end) in enumerate(zip(ends - kept.counts, ends, strict=True)):
        columns, values = kept.columns[start:end], kept.values[start:end]
        assert len(set(columns.tolist())) == len(columns)
        assert (everything[row, columns] == values).all()
        assert np.sort(values)[::-1].tolist() == np.sort(everything[row])[::-1][: len(values)].tolist()


@pytest.mark.parametrize("top_k", [1, 2, 30, 98, 99])
def test_of_equal_estimates_as_many_as_there_is_room_for(top_k: int) -> None:
    """A star: the centre, then 99 leaves with the same score."""
    star = np.stack([np.zeros(99, np.int64), np.arange(1, 100)])
    rows = _rows(PushGraph.of(star, 100), np.array([0]), top_k=top_k)
    assert rows.counts.tolist() == [top_k]
    assert 0 in rows.columns
    assert len(set(rows.columns.tolist())) == top_k
    assert len(set(rows.values.tolist())) == min(top_k, 2)


@settings(deadline=None, max_examples=60)
@given(messy_graphs(), st.integers(1, 30), st.sampled_from(["rw", "sym"]))
def test_top_k_of_messy_graphs(graph: tuple[np.ndarray, int], top_k: int, norm: str) -> None:
    edges, n = graph
    made = PushGraph.of(edges, n)
    everything, kept = _dense(_rows(made, norm=norm), n), _dense(_rows(made, norm=norm, top_k=top_k), n)
    assert (-np.sort(-kept, axis=1)[:, :top_k] == -np.sort(-everything, axis=1)[:, :top_k]).all()
    assert ((kept > 0).sum(1) <= top_k).all()


def test_a_row_depends_on_its_start_node_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not on threads, on the order of start nodes, on where the parts end or on what was pushed before."""
    n = 500
    graph = PushGraph.of(power_law(n, 2000), n)
    alone = [_rows(PushGraph(graph.offsets, graph.targets), np.array([seed]), top_k=20) for seed in range(n)]
    monkeypatch.setattr(push, "_ENTRIES_AT_ONCE", 20 * 7)
    for threads in (1, 3):
        together = _rows(graph, top_k=20, num_threads=threads)
        for name in Rows._fields:
            expected = np.concatenate([getattr(rows, name) for rows in alone])
            assert getattr(together, name).tobytes() == expected.tobytes()


def test_recall_of_the_64_largest() -> None:
    n = 3000
    edges = power_law(n, 15_000)
    seeds = np.arange(0, n, 30)
    wanted = np.argsort(-pagerank(edges, n)[seeds], axis=1)[:, :64]
    graph = PushGraph.of(edges, n)

    def recall(tol: float) -> float:
        found = np.argsort(-_dense(_rows(graph, seeds, tol=tol, top_k=128), n), axis=1)[:, :64]
        return float(np.mean([len(np.intersect1d(a, b)) / 64 for a, b in zip(found, wanted, strict=True)]))

    assert recall(1e-6) > 0.99
    assert 0.6 < recall(1e-3) < recall(1e-4) < recall(1e-6)


def test_arrays_of_another_library() -> None:
    edges = power_law(200, 600)
    matrix = adjacency(edges, 200)
    offsets = np.concatenate([[0], np.cumsum(matrix.sum(1))]).astype(np.int64)
    pointers, columns, values = push_rows(offsets, np.nonzero(matrix)[1], np.array([3, 1]), 0.15, 1e-4, 50)
    expected = _rows(PushGraph.of(edges, 200), np.array([3, 1]), top_k=50)
    assert pointers.tolist() == [0, *np.cumsum(expected.counts).tolist()]
    assert (columns == expected.columns).all()
    assert (values == expected.values).all()


def test_no_start_nodes() -> None:
    assert list(PushGraph.of(np.zeros((2, 0), np.int64), 3).rows(np.empty(0, np.int64), **ALL)) == []  # type: ignore[arg-type]


def test_too_many_edges_for_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "_MOST_EDGES", 9)
    with pytest.raises(DataError, match="has 4 edges; at most 4"):
        PushGraph.of(np.zeros((2, 4), np.int64), 3)
