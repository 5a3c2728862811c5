"""Adjacency: rows of a graph, from edges and from mapped arrays, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from magbench.errors import DataError
from magbench.graph.adjacency import Adjacency


def test_rows_hold_the_sources_in_the_order_of_the_edges() -> None:
    graph = Adjacency.of(torch.tensor([[3, 0, 1, 3, 0], [1, 1, 0, 1, 3]]), 5)
    assert graph.indptr.tolist() == [0, 1, 4, 4, 5, 5]
    assert graph.indices.tolist() == [1, 3, 0, 3, 0]
    assert graph.degree.tolist() == [1, 3, 0, 1, 0]


def test_against_a_sort_of_random_edges() -> None:
    edges = torch.randint(0, 300, (2, 4000), generator=torch.Generator().manual_seed(0))
    graph = Adjacency.of(edges, 310)
    order = np.argsort(edges[1].numpy(), kind="stable")
    assert np.array_equal(graph.indices, edges[0].numpy()[order])
    assert np.array_equal(graph.degree, np.bincount(edges[1].numpy(), minlength=310))


@pytest.mark.parametrize("num_nodes", [0, 3])
def test_no_edges(num_nodes: int) -> None:
    graph = Adjacency.of(torch.zeros(2, 0, dtype=torch.int64), num_nodes)
    assert (graph.num_nodes, graph.degree.tolist()) == (num_nodes, [0] * num_nodes)


def test_mapped_arrays(tmp_path: Path) -> None:
    graph = Adjacency.of(torch.randint(0, 50, (2, 400)), 50)
    for name in ("indptr", "indices"):
        np.save(tmp_path / f"{name}.npy", getattr(graph, name))
    mapped = Adjacency(*(np.load(tmp_path / f"{name}.npy", mmap_mode="c") for name in ("indptr", "indices")))
    assert np.array_equal(mapped.indices, graph.indices)
    read_only = np.load(tmp_path / "indices.npy", mmap_mode="r")
    with pytest.raises(DataError, match=r"indices: found int32 \[400\].*writeable int32"):
        Adjacency(graph.indptr, read_only)


@pytest.mark.parametrize(
    ("edge_index", "num_nodes", "message"),
    [
        (torch.tensor([[0, 5], [1, 2]]), 5, r"points at node 5 \(smallest 0\), but the graph has 5 nodes"),
        (torch.tensor([[0, 1], [1, -2]]), 5, r"smallest -2"),
        (torch.zeros(2, 3), 5, r"found torch.float32 \[2, 3\], expected int64"),
        (torch.zeros(3, 2, dtype=torch.int64), 5, r"\[3, 2\], expected int64 \[2, E\]"),
        (torch.zeros(2, 0, dtype=torch.int64), 2**31, r"2147483648 nodes; at most 2147483647"),
    ],
)
def test_bad_edges_are_named(edge_index: torch.Tensor, num_nodes: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Adjacency.of(edge_index, num_nodes)


@pytest.mark.parametrize(
    ("indptr", "indices", "message"),
    [
        ([0, 2], [0], "ascend from 0 to the 1 entries"),
        ([0, 2, 1], [0], "ascend"),
        ([1, 1], [0], "ascend"),
        ([], [], "ascend"),
        ([0, 1], [1], r"indices holds node 1 .* allowed are 0..0"),
    ],
)
def test_bad_arrays_are_named(indptr: list[int], indices: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Adjacency(np.array(indptr, np.int64), np.array(indices, np.int32))
    with pytest.raises(DataError, match="indptr: found int32"):
        Adjacency(np.array(indptr, np.int32), np.array(indices, np.int32))
