"""The MAG contract: canonical edges, counts, fingerprint, what validate() refuses, and that PyG's tools work on it."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable

import networkx as nx
import pytest
import torch
from PIL import Image
from torch_geometric.loader import NeighborLoader
from torch_geometric.transforms import ToSparseTensor, ToUndirected

from magbench.data.columns import ImageColumn
from magbench.data.mag import MAG, simple_undirected
from magbench.errors import DataError

Small = Callable[..., MAG]


def test_a_valid_mag_validates_and_hands_out_its_modalities(small: Small) -> None:
    mag = small()
    assert mag.validate()
    assert mag.modalities == ("text", "image")
    assert list(mag.x_dict) == list(mag.has_dict) == ["text", "image"]
    assert mag.has_dict["text"].all()
    assert mag.x is None, "PyG's own attribute keeps its meaning"
    assert mag.num_nodes == 4


def test_three_modalities_and_one_are_as_good_as_two(small: Small) -> None:
    for names in (["audio"], ["audio", "text", "video"]):
        mag = small(x={m: torch.ones(4, 2) for m in names}, has=None)
        assert mag.validate()
        assert mag.modalities == tuple(names)


@pytest.mark.parametrize("seed", range(5))
def test_simple_undirected_equals_networkx(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    edges = torch.randint(0, 12, (2, 40), generator=generator)
    graph = nx.Graph(edges.t().tolist())
    graph.remove_edges_from(nx.selfloop_edges(graph))
    expected = sorted({(u, v) for a, b in graph.edges for u, v in ((a, b), (b, a))})
    assert simple_undirected(edges, 12).t().tolist() == [list(pair) for pair in expected]


def test_simple_undirected_of_no_edges() -> None:
    assert simple_undirected(torch.empty(2, 0, dtype=torch.int64), 3).shape == (2, 0)


def test_counts_by_hand(small: Small) -> None:
    assert small().counts() == (4, 6, 0, 3)
    # 0→1 twice, 1→0 once, a loop at 2: four stored edges, one loop, one undirected edge.
    loose = small(edge_index=torch.tensor([[0, 0, 1, 2], [1, 1, 0, 2]]))
    assert loose.counts() == (4, 4, 1, 1)


def test_fingerprint_is_pinned_and_reads_what_can_change_a_score(small: Small) -> None:
    mag = small()
    pinned = "c35473a437c8b5538d21dd3c278ae7c5d806b7dfb936e28306981a3e621fdad0"
    assert mag.fingerprint() == small(name="other", texts=None, images=None).fingerprint() == pinned
    changed = [
        small(edge_index=mag.edge_index[:, :4]),
        small(x={**mag.x_dict, "text": mag.x_text + 1e-6 * 8}),
        small(has=None),
        small(labels={"y": torch.tensor([0, 1, 0, -1]), "y_coarse": mag.y_coarse}),
        small(official={"train": torch.tensor([0, 1])}),
        small(official={"train": torch.tensor([0, 2])}),
    ]
    assert len({m.fingerprint() for m in changed} | {pinned}) == 7


def broken_row(value: float, row: int) -> dict[str, torch.Tensor]:
    image = torch.ones(4, 3)
    image[3] = 0
    image[row, 0] = value
    return {"text": torch.ones(4, 2), "image": image}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"x": {"text": torch.ones(4, 2, dtype=torch.float64)}}, "x_text: found torch.float64"),
        ({"x": {"text": torch.ones(4, 2), "image": torch.ones(3, 3)}}, r"x_image: found torch.float32 \[3, 3\]"),
        ({"x": {}}, "modalities"),
        ({"x": broken_row(float("nan"), 1)}, "NaN or infinity in 1 rows, the first at node 1"),
        ({"x": broken_row(2.0, 3)}, "has_image is False, the first at node 3"),
        ({"has": {"image": torch.ones(4)}}, "has_image: found torch.float32"),
        ({"edge_index": torch.tensor([[0, 4], [4, 0]])}, "node numbers 0 to 4, allowed 0 to 3"),
        ({"edge_index": torch.tensor([[0, -1], [-1, 0]])}, "node numbers -1 to 0"),
        ({"edge_index": torch.tensor([[0], [0]])}, "1 self-loops"),
        ({"edge_index": torch.tensor([[0], [1]])}, "one direction only"),
        ({"edge_index": torch.tensor([[0, 0, 1, 1], [1, 1, 0, 0]])}, "2 repeated edges"),
        ({"edge_index": torch.tensor([[0, 1], [1, 0]], dtype=torch.int32)}, "edge_index: found torch.int32"),
        ({"labels": {"y": torch.tensor([0, 1, 2, -1])}}, "labels -1 to 2, allowed -1"),
        ({"labels": {"y": torch.tensor([0, -2, 1, -1])}}, "labels -2 to 1"),
        ({"labels": {"y": torch.tensor([0, 1])}}, r"y: found torch.int64 \[2\]"),
        ({"texts": ["one"]}, "texts: found 1 entries"),
        ({"images": ImageColumn([None])}, "images: found 1 entries"),
    ],
)
def test_validate_names_data_set_attribute_found_and_allowed(
    small: Small, changes: dict[str, object], named: str
) -> None:
    mag = small(**changes)
    with pytest.raises(DataError, match=named) as caught:
        mag.validate()
    assert "small@1" in str(caught.value)
    assert not mag.validate(raise_on_error=False)


def test_a_graph_without_edges_and_one_without_labels_are_valid(small: Small) -> None:
    assert small(edge_index=torch.empty(2, 0, dtype=torch.int64), labels=None, classes=None).validate()


def test_subgraph_keeps_texts_and_pictures_with_their_nodes(small: Small) -> None:
    for subset in (torch.tensor([2, 0]), torch.tensor([True, False, True, False])):
        part = small().subgraph(subset)
        order = [2, 0] if subset.dtype == torch.int64 else [0, 2]
        assert part.validate()
        assert list(part.texts) == [["a", "b", None, "d"][i] for i in order]
        assert [part.images[i].getpixel((0, 0))[0] for i in range(2)] == [10 * (i + 1) for i in order]


def test_pyg_transforms_and_loaders_work(small: Small) -> None:
    mag = small()
    assert ToUndirected()(copy.copy(mag)).num_edges == mag.num_edges
    assert ToSparseTensor(layout=torch.sparse_csr)(copy.copy(mag)).adj_t.shape == (4, 4)
    assert mag.clone().fingerprint() == mag.fingerprint()


def test_pyg_neighbor_loader_slices_features(small: Small) -> None:
    pytest.importorskip("pyg_lib", reason="NeighborLoader needs pyg-lib or torch-sparse")
    batch = next(iter(NeighborLoader(small(), num_neighbors=[-1], batch_size=1, input_nodes=torch.tensor([0]))))
    assert batch.x_text.tolist() == small().x_text[batch.n_id].tolist()


def test_pictures_decode_when_asked_and_say_when_they_cannot() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (7, 0, 0)).save(buffer, "PNG")
    column = ImageColumn([buffer.getvalue(), None, b"no picture"])
    assert column[0].getpixel((0, 0)) == (7, 0, 0)
    assert column[1] is None
    assert [type(item).__name__ for item in column[:2]] == ["Image", "NoneType"]
    with pytest.raises(DataError, match="picture of node 2 cannot be decoded"):
        column[2]
    assert pickle.loads(pickle.dumps(column)).bytes(0) == buffer.getvalue()
