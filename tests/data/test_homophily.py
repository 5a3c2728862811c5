"""Homophily against PyG and networkx on random graphs, by hand, and where there is nothing to measure."""

from __future__ import annotations

import networkx as nx
import pytest
import torch
from torch_geometric.utils import homophily

from magbench.data.mag import simple_undirected
from magbench.data.report.homophily import Homophily, adjusted_homophily, edge_homophily, node_homophily


def random_graph(seed: int, classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Twenty nodes on a ring, so that none is isolated, with sixty random edges."""
    generator = torch.Generator().manual_seed(seed)
    ring = torch.stack([torch.arange(20), (torch.arange(20) + 1) % 20])
    edges = torch.cat([ring, torch.randint(0, 20, (2, 60), generator=generator)], dim=1)
    return simple_undirected(edges, 20), torch.randint(0, classes, (20,), generator=generator)


@pytest.mark.parametrize("seed", range(4))
def test_edge_and_node_homophily_equal_pyg(seed: int) -> None:
    edge_index, labels = random_graph(seed)
    assert edge_homophily(edge_index, labels) == pytest.approx(homophily(edge_index, labels, method="edge"))
    assert node_homophily(edge_index, labels) == pytest.approx(homophily(edge_index, labels, method="node"))


@pytest.mark.parametrize("seed", range(4))
def test_adjusted_homophily_is_the_assortativity_coefficient(seed: int) -> None:
    edge_index, labels = random_graph(seed, classes=2 + seed)
    graph = nx.Graph(edge_index.t().tolist())
    nx.set_node_attributes(graph, dict(enumerate(labels.tolist())), "label")
    assert adjusted_homophily(edge_index, labels) == pytest.approx(
        nx.attribute_assortativity_coefficient(graph, "label")
    )


def test_by_hand() -> None:
    # 0-1, 1-2, 2-3 and 0-2 with labels a a b −: 2-3 does not count. One of three edges joins equal labels. Nodes: 0 has
    # one of two, 1 one of two, 2 none of two, 3 has no say. Ends: a four times, b twice, so chance is 4/9 + 1/9 = 5/9.
    edge_index = simple_undirected(torch.tensor([[0, 1, 2, 0], [1, 2, 3, 2]]), 4)
    found = Homophily.of(edge_index, torch.tensor([0, 0, 1, -1]))
    assert found.edge == pytest.approx(1 / 3)
    assert found.node == pytest.approx(1 / 3)
    assert found.adjusted == pytest.approx((1 / 3 - 5 / 9) / (1 - 5 / 9))


@pytest.mark.parametrize(("labels", "found"), [([0, 0, 0], (1.0, 1.0, None)), ([0, -1, 1], (None, None, None))])
def test_nothing_to_compare(labels: list[int], found: tuple[float | None, ...]) -> None:
    edge_index = simple_undirected(torch.tensor([[0, 1], [1, 2]]), 3)
    assert Homophily.of(edge_index, torch.tensor(labels)) == Homophily(*found)


def test_perfect_and_opposite() -> None:
    pairs, ring = torch.tensor([[0, 2], [1, 3]]), torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]])
    labels = torch.tensor([0, 0, 1, 1])
    assert adjusted_homophily(simple_undirected(pairs, 4), labels) == pytest.approx(1.0)
    assert adjusted_homophily(simple_undirected(ring, 4), labels[[0, 2, 1, 3]]) == pytest.approx(-1.0)
