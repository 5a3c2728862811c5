"""Node samplers: size, distinctness, seeds, refill, and that batches of the default keep edges."""

from __future__ import annotations

import pytest
import torch

from magbench.errors import OptionError
from magbench.graph.adjacency import Adjacency
from magbench.graph.sampling import SAMPLERS, sample_nodes


def _graph(n: int = 3000, edges: int = 6000) -> torch.Tensor:
    pairs = torch.randint(0, n, (2, edges), generator=torch.Generator().manual_seed(0))
    return torch.cat([pairs, pairs.flip(0)], dim=1)


def _draw(graph: Adjacency, size: int, seed: int = 0, **options: object) -> torch.Tensor:
    return sample_nodes(graph, size, torch.Generator().manual_seed(seed), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_batches_are_distinct_full_and_seeded(sampler: str) -> None:
    graph = Adjacency.of(_graph(), 3000)
    batch = _draw(graph, 512, sampler=sampler)
    assert len(batch) == len(batch.unique()) == 512
    assert torch.equal(batch, batch.sort().values)
    assert torch.equal(batch, _draw(graph, 512, sampler=sampler))
    assert not torch.equal(batch, _draw(graph, 512, seed=1, sampler=sampler))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_more_than_there_are_gives_all(sampler: str) -> None:
    assert torch.equal(_draw(Adjacency.of(_graph(50, 60), 50), 512, sampler=sampler), torch.arange(50))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_components_that_run_out_are_refilled(sampler: str) -> None:
    # 200 isolated nodes, 50 pairs and one star: no component holds the batch.
    pairs = torch.stack([torch.arange(200, 250), torch.arange(250, 300)])
    star = torch.stack([torch.full((20,), 300), torch.arange(301, 321)])
    edges = torch.cat([pairs, star], dim=1)
    graph = Adjacency.of(torch.cat([edges, edges.flip(0)], dim=1), 330)
    assert len(_draw(graph, 300, sampler=sampler).unique()) == 300


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_graph_without_edges(sampler: str) -> None:
    graph = Adjacency.of(torch.zeros(2, 0, dtype=torch.int64), 100)
    assert len(_draw(graph, 40, sampler=sampler).unique()) == 40


def test_walks_keep_more_edges_than_uniform_batches() -> None:
    edges = _graph(20000, 60000)
    graph = Adjacency.of(edges, 20000)
    inside = {}
    for sampler in ("rw_subgraph", "bfs", "cluster", "uniform"):
        mask = torch.zeros(20000, dtype=torch.bool)
        mask[_draw(graph, 512, sampler=sampler)] = True
        inside[sampler] = int((mask[edges[0]] & mask[edges[1]]).sum())
    assert min(inside["rw_subgraph"], inside["bfs"], inside["cluster"]) > 3 * inside["uniform"]


def test_task_batch_takes_candidates_first() -> None:
    graph = Adjacency.of(_graph(), 3000)
    labelled = torch.zeros(3000, dtype=torch.bool)
    labelled[::10] = True
    assert int(labelled[_draw(graph, 512, sampler="task_batch", candidates=labelled)].sum()) == 300
    assert bool(labelled[_draw(graph, 200, sampler="task_batch", candidates=labelled)].all())


def test_every_node_can_be_drawn() -> None:
    graph = Adjacency.of(_graph(300, 300), 300)
    seen = torch.zeros(300, dtype=torch.bool)
    for seed in range(60):
        seen[_draw(graph, 100, seed=seed)] = True
    assert bool(seen.all())


def test_unknown_sampler_is_named() -> None:
    with pytest.raises(OptionError, match="rw_subgraph"):
        _draw(Adjacency.of(_graph(), 3000), 10, sampler="walk")
