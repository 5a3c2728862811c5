"""Personalised PageRank: invariant 14 (row sums, symmetry, push against dense), a value worked by hand, bad input."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch

from magbench.errors import DataError, OptionError
from magbench.graph import ppr as module
from magbench.graph.ppr import PPRStore, kept_ppr, ppr


def _graph(n: int = 120, edges: int = 260) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    pairs = torch.randint(0, n, (2, edges), generator=generator)
    return torch.cat([pairs, pairs.flip(0)], dim=1)


def _dense(store: PPRStore) -> torch.Tensor:
    return store.block(torch.arange(store.num_nodes))


def test_one_edge_by_hand() -> None:
    # A' is the 2 x 2 matrix of ones, S = A'/2: Pi = b (I - (1-b) S)^-1 = b I + (1-b)/2 * ones.
    scores = _dense(ppr(torch.tensor([[0], [1]]), 2, teleport=0.2))
    torch.testing.assert_close(scores, torch.tensor([[0.6, 0.4], [0.4, 0.6]]))


def test_invariant_14_row_sums_and_symmetry() -> None:
    edges = _graph()
    walk, symmetric = _dense(ppr(edges, 120, norm="rw")), _dense(ppr(edges, 120))
    torch.testing.assert_close(walk.sum(1), torch.ones(120), rtol=1e-5, atol=0)
    torch.testing.assert_close(symmetric, symmetric.t(), rtol=1e-6, atol=1e-9)


def test_equals_networkx() -> None:
    edges = _graph(40, 70)
    graph = nx.Graph()
    graph.add_nodes_from(range(40))
    graph.add_edges_from(edges.t().tolist())
    graph.add_edges_from((i, i) for i in range(40))
    # networkx counts a loop once in the adjacency matrix, as A + I does.
    expected = nx.pagerank(graph, alpha=0.85, personalization={7: 1.0}, tol=1e-14, max_iter=1000)
    found = _dense(ppr(edges, 40, norm="rw"))[7]
    np.testing.assert_allclose(found, [expected[i] for i in range(40)], rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("norm", ["sym", "rw"])
@pytest.mark.parametrize("tol", [1e-3, 1e-5])
def test_invariant_14_push_is_within_tolerance(norm: str, tol: float) -> None:
    edges = _graph()
    exact = _dense(ppr(edges, 120, norm=norm))
    store = ppr(edges, 120, norm=norm, method="push", tol=tol, top_k=120)
    degree = torch.zeros(120, 120)
    degree[edges[0], edges[1]] = 1.0
    degree = degree.fill_diagonal_(1.0).sum(1)
    bound = tol * ((degree[:, None] * degree[None, :]).sqrt() if norm == "sym" else degree[None, :].expand(120, 120))
    gap = exact - _dense(store)
    assert float((gap - bound).max()) < 1e-6
    assert float(gap.min()) > -1e-6


def test_top_k_keeps_the_largest() -> None:
    edges = _graph()
    store = ppr(edges, 120, method="push", norm="rw", top_k=5)
    assert int(np.diff(store.scores.offsets).max()) == 5
    exact = _dense(ppr(edges, 120, norm="rw"))
    kept = _dense(store)
    top = exact.topk(5, dim=1).indices
    assert float((kept.gather(1, top) > 0).float().mean()) > 0.95


def test_block_follows_the_order_of_the_nodes() -> None:
    edges = _graph()
    ids = torch.tensor([5, 90, 3])
    for method in ("dense", "push"):
        store = ppr(edges, 120, method=method)
        torch.testing.assert_close(store.block(ids), _dense(store)[ids][:, ids])


def test_directions_loops_and_duplicates_do_not_matter() -> None:
    edges = _graph()
    messy = torch.cat([edges[:, ::2], edges, torch.tensor([[3, 4], [3, 4]])], dim=1)
    torch.testing.assert_close(_dense(ppr(messy, 120)), _dense(ppr(edges, 120)))


def test_graph_without_edges_is_the_identity() -> None:
    empty = torch.zeros(2, 0, dtype=torch.int64)
    for method in ("dense", "push"):
        torch.testing.assert_close(_dense(ppr(empty, 6, method=method)), torch.eye(6), rtol=1e-4, atol=1e-4)


def test_bad_input_is_named() -> None:
    with pytest.raises(DataError, match="points at node 9"):
        ppr(torch.tensor([[0], [9]]), 5)
    with pytest.raises(OptionError, match="teleport=0"):
        ppr(_graph(), 120, teleport=0.0)
    with pytest.raises(OptionError, match="sym, rw"):
        ppr(_graph(), 120, norm="col")
    with pytest.raises(OptionError, match="dense"):
        ppr(_graph(), 120, method="solve")


@pytest.mark.parametrize("method", ["dense", "push"])
def test_rows_are_those_of_the_blocks(method: str) -> None:
    edges = torch.randint(30, (2, 90), generator=torch.Generator().manual_seed(0))
    store = ppr(edges, 30, method=method, norm="rw", tol=1e-9)
    ids = torch.tensor([3, 29, 0])
    everywhere = store.block(torch.arange(30))
    torch.testing.assert_close(store.rows(ids), everywhere[ids])


def test_rows_of_a_large_graph_are_kept_on_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MAGBENCH_HOME", str(tmp_path))
    edges, options = _graph(), {"teleport": 0.15, "norm": "sym"}
    small = kept_ppr(edges, 120, **options)
    assert not (tmp_path / "cache" / "ppr").exists()
    monkeypatch.setattr(module, "_ROOM", 1000)
    stored = kept_ppr(edges, 120, **options)
    torch.testing.assert_close(_dense(stored), _dense(small), rtol=0, atol=1e-4)
    (folder,) = (tmp_path / "cache" / "ppr").iterdir()
    before = folder.stat().st_mtime_ns
    assert torch.equal(_dense(kept_ppr(edges, 120, **options)), _dense(stored))
    assert folder.stat().st_mtime_ns == before  # a second call only maps the rows
    kept_ppr(edges.flip(1), 120, **options)
    assert len(list((tmp_path / "cache" / "ppr").iterdir())) == 2  # another graph is another folder
