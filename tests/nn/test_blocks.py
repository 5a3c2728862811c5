"""Evaluation in blocks gives what the whole graph gives, for every layered encoder; and what an encoder must define."""

from __future__ import annotations

import pytest
import torch
from small import small_mag

from magbench.data.mag import MAG
from magbench.errors import MethodError
from magbench.graph.adjacency import Adjacency
from magbench.nn.blocks import encode_blocks
from magbench.nn.encoder import Encoded, Encoder
from magbench.registry import Registry

ENCODERS = [name for name, entry in Registry.default().methods.items() if entry.spec.kind == "encoder"]
STEPS = {"appnp": {"K": 2}}
"""Its default reaches every node of the small graph."""


@pytest.fixture(scope="module")
def mag() -> MAG:
    """A hub and some isolated nodes among others."""
    mag = small_mag()
    pairs = mag.edge_index[:, (mag.edge_index < 190).all(0)]
    hub = torch.stack([torch.zeros(150, dtype=torch.int64), torch.arange(20, 170)])
    mag.edge_index = torch.unique(torch.cat([pairs, hub, hub.flip(0)], dim=1), dim=1)
    mag.validate()
    return mag


def encoder(name: str, layers: int) -> Encoder:
    torch.manual_seed(0)
    return (
        Registry.default()
        .method(name)
        .load()({"text": 12, "image": 8}, hidden=16, layers=layers, **STEPS.get(name, {}))
        .eval()
    )


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("block", [1, 60, 10**6])
@pytest.mark.parametrize("name", ENCODERS)
def test_blocks_give_the_states_of_the_whole_graph(name: str, block: int, layers: int, mag: MAG) -> None:
    network = encoder(name, layers)
    assert network.layered
    with torch.no_grad():
        whole = network(mag.x_dict, mag.edge_index, mag.has_dict).h
    graph = Adjacency.of(mag.edge_index, mag.num_nodes)
    found = encode_blocks(network, mag.x_dict, graph, mag.has_dict, block=block)
    assert torch.allclose(found, whole, rtol=1e-5, atol=1e-6)
    assert not found.requires_grad


@pytest.mark.parametrize("name", ENCODERS)
def test_hops_is_how_far_an_encoder_sees(name: str, mag: MAG) -> None:
    """Cutting the graph beyond that many hops changes nothing; the MLP sees no graph at all."""
    network, seed = encoder(name, 2), 180
    distance = torch.full((mag.num_nodes,), 99)
    distance[seed] = 0
    for hop in (1, 2):
        reached = mag.edge_index[0][distance[mag.edge_index[1]] == hop - 1]
        distance[reached] = distance[reached].minimum(torch.tensor(hop))
    near = mag.edge_index[:, distance[mag.edge_index[1]] < network.hops]
    degree = torch.bincount(mag.edge_index[1], minlength=mag.num_nodes)
    with torch.no_grad():
        whole = network(mag.x_dict, mag.edge_index, mag.has_dict).h[seed]
        cut = network(mag.x_dict, near, mag.has_dict, degree).h[seed]
    assert near.size(1) < mag.edge_index.size(1)
    assert torch.allclose(whole, cut, atol=1e-6)


def test_a_graph_without_nodes_or_edges() -> None:
    none = Adjacency.of(torch.zeros(2, 0, dtype=torch.int64), 0)
    x = {"text": torch.zeros(0, 12), "image": torch.zeros(0, 8)}
    masks = {name: torch.zeros(0, dtype=torch.bool) for name in x}
    assert encode_blocks(encoder("gcn", 2), x, none, masks).shape == (0, 16)


def test_an_encoder_needs_a_layer_or_a_forward(mag: MAG) -> None:
    class Empty(Encoder):
        pass

    class Whole(Encoder):
        def forward(self, x, edge_index, observed):
            z = self.project(x, observed)
            return Encoded(z, sum(z.values()))

    with pytest.raises(MethodError, match=r"Empty defines neither layer\(\) nor forward\(\)"):
        Empty({"text": 12, "image": 8})(mag.x_dict, mag.edge_index, mag.has_dict)
    assert not Whole({"text": 12, "image": 8}).layered
