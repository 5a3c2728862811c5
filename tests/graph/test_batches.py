"""Mini-batches: PyG Data with the right rows, every item once an epoch, the same bytes from any number of workers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small import small_mag
from torch_geometric.data import Data

from magbench.data.mag import MAG, simple_undirected
from magbench.errors import DataError, OptionError
from magbench.graph.adjacency import Adjacency
from magbench.graph.batches import Batches, Features, LinkBatches, NodeBatches
from magbench.graph.neighbors import ALL, NeighborSampler


@pytest.fixture(scope="module")
def mag() -> MAG:
    return small_mag()


def sampler(mag: MAG, *fanouts: int) -> NeighborSampler:
    return NeighborSampler(Adjacency.of(mag.edge_index, mag.num_nodes), fanouts)


def node_batches(mag: MAG, *, batch_size: int = 32, seed: int = 0) -> NodeBatches:
    features = Features(mag.x_dict, mag.has_dict)
    return NodeBatches(sampler(mag, 3, 2), features, torch.arange(0, 200, 2), batch_size=batch_size, seed=seed)


def undirected(mag: MAG) -> torch.Tensor:
    return mag.edge_index[:, mag.edge_index[0] < mag.edge_index[1]]


def link_batches(mag: MAG, *fanouts: int, seed: int = 0, **options: int) -> LinkBatches:
    features = Features(mag.x_dict, mag.has_dict)
    return LinkBatches(sampler(mag, *fanouts), features, undirected(mag), batch_size=64, seed=seed, **options)


def bytes_of(batches: Batches, epoch: int, **options: int) -> list[bytes]:
    return [
        b"".join(value.numpy().tobytes() for _, value in sorted(batch.to_dict().items()) if torch.is_tensor(value))
        for batch in batches.epoch(epoch, **options)
    ]


def test_an_epoch_meets_every_node_once_in_an_order_of_its_own(mag: MAG) -> None:
    batches = node_batches(mag)
    seeds = [torch.cat([batch.n_id[: batch.batch_size] for batch in batches.epoch(epoch)]) for epoch in (0, 1)]
    assert [batch.batch_size for batch in batches.epoch(0)] == [32, 32, 32, 4]
    for found in seeds:
        assert torch.equal(found.sort().values, torch.arange(0, 200, 2))
    assert not torch.equal(*seeds)


def test_a_batch_carries_its_rows(mag: MAG) -> None:
    batch = node_batches(mag)[0, 1]
    assert type(batch) is Data and batch.validate()
    assert torch.equal(batch.x_text, mag.x_text[batch.n_id])
    assert torch.equal(batch.has_image, mag.has_image[batch.n_id])
    assert torch.equal(batch.degree, torch.bincount(mag.edge_index[1], minlength=200)[batch.n_id])
    stored = set(map(tuple, mag.edge_index.t().tolist()))
    assert set(map(tuple, batch.n_id[batch.edge_index].t().tolist())) <= stored


@pytest.mark.parametrize("make", [node_batches, lambda mag, **o: link_batches(mag, 3, 2, **o)])
def test_workers_change_nothing(mag: MAG, make) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    alone = bytes_of(make(mag), 2)
    assert bytes_of(make(mag), 2, num_workers=1) == alone
    assert bytes_of(make(mag), 2, num_workers=2) == alone
    assert torch.equal(torch.rand(1), expected)  # the global generator is left alone
    assert bytes_of(make(mag), 1) != alone
    assert bytes_of(make(mag, seed=1), 2) != alone


def test_links_and_non_links(mag: MAG) -> None:
    batches = link_batches(mag, 3, negatives=2)
    found = []
    for batch in batches.epoch(0):
        pairs, label = batch.n_id[batch.edge_label_index], batch.edge_label.bool()
        assert int(label.sum()) * 3 == len(label)
        kept = (pairs[:, label].repeat(1, 2) == pairs[0][~label]).double().mean(1)
        assert float(kept.sum()) >= 1 and 0.2 < float(kept[0]) < 0.8  # one end of its edge, at random
        assert not bool((pairs[0] == pairs[1]).any())
        assert set(pairs.flatten().tolist()) == set(batch.n_id[: batch.batch_size].tolist())
        found.append(pairs[:, label])
    seen = torch.cat(found, dim=1)
    assert set(map(tuple, seen.t().tolist())) == set(map(tuple, undirected(mag).t().tolist()))
    assert seen.size(1) == undirected(mag).size(1)


def test_other_ends_are_drawn_from_all_nodes(mag: MAG) -> None:
    batches = link_batches(mag, 1)
    targets = torch.cat([b.n_id[b.edge_label_index[1][b.edge_label == 0]] for e in range(40) for b in batches.epoch(e)])
    counts = torch.bincount(targets, minlength=200).double()
    assert float(((counts - counts.mean()) ** 2 / counts.mean()).sum()) < 200 + 5 * 20  # chi-square, 199 degrees


@pytest.mark.parametrize("fanout", [2, ALL])
def test_no_batch_holds_its_own_edges(mag: MAG, fanout: int) -> None:
    """Neither direction, or the label could be read off the subgraph."""
    met = 0
    for batch in link_batches(mag, fanout, fanout).epoch(0):
        positive = batch.edge_label_index[:, batch.edge_label == 1]
        target = {*map(tuple, positive.t().tolist()), *map(tuple, positive.flip(0).t().tolist())}
        drawn = set(map(tuple, batch.edge_index.t().tolist()))
        assert not drawn & target
        if fanout == ALL:  # a seed's degree is what it has without them
            found = torch.bincount(batch.edge_index[1], minlength=batch.num_nodes)[: batch.batch_size]
            assert torch.equal(found, batch.degree[: batch.batch_size])
        met += len(drawn)
    assert met > 1000


def test_edges_that_the_graph_lacks_are_asked_for_and_not_left_out(mag: MAG) -> None:
    """The graph has every other edge of those asked for, and all edges of a circle."""
    circle = torch.stack([torch.arange(200), torch.arange(1, 201) % 200])
    graph = simple_undirected(torch.cat([undirected(mag)[:, ::2], circle], dim=1), 200)
    features, whole = Features(mag.x_dict, mag.has_dict), NeighborSampler(Adjacency.of(graph, 200), [ALL])
    has, met = set(map(tuple, graph.t().tolist())), 0
    for batch in LinkBatches(whole, features, undirected(mag), batch_size=64, seed=0).epoch(0):
        asked = set(map(tuple, batch.n_id[batch.edge_label_index[:, batch.edge_label == 1]].t().tolist()))
        assert not set(map(tuple, batch.n_id[batch.edge_index].t().tolist())) & asked
        seeds = batch.n_id[: batch.batch_size].tolist()
        left = has - asked - {(v, u) for u, v in asked}
        assert batch.degree[: batch.batch_size].tolist() == [sum(v == node for _, v in left) for node in seeds]
        met += len(asked)
    assert met == undirected(mag).size(1)


def test_mapped_features_are_read_by_row(mag: MAG, tmp_path) -> None:
    np.save(tmp_path / "x.npy", mag.x_text.numpy())
    mapped = torch.from_numpy(np.load(tmp_path / "x.npy", mmap_mode="c"))
    features = Features({"text": mapped}, {"text": mag.has_text})
    batch = NodeBatches(sampler(mag, 3), features, torch.arange(200), batch_size=16, seed=0)[0, 0]
    assert torch.equal(batch.x_text, mag.x_text[batch.n_id])


def test_no_items_no_batches(mag: MAG) -> None:
    features = Features(mag.x_dict, mag.has_dict)
    none = NodeBatches(sampler(mag, 3), features, torch.zeros(0, dtype=torch.int64), batch_size=4, seed=0)
    assert len(none) == 0 and list(none.epoch(0)) == []


def test_bad_input_is_named(mag: MAG) -> None:
    features = Features(mag.x_dict, mag.has_dict)
    with pytest.raises(OptionError, match="batch_size=0 is not allowed"):
        NodeBatches(sampler(mag, 3), features, torch.arange(3), batch_size=0, seed=0)
    with pytest.raises(OptionError, match="negatives=0"):
        link_batches(mag, 3, negatives=0)
    with pytest.raises(DataError, match=r"edges: found \[3\], expected int64 \[2, M\]"):
        LinkBatches(sampler(mag, 3), features, torch.arange(3), batch_size=4, seed=0)
    with pytest.raises(IndexError, match="batch 9 of epoch 0: an epoch has 4 batches"):
        node_batches(mag)[0, 9]
