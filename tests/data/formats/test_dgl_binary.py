"""The DGL reader: files DGL wrote, every variant of storage by the tests' own writer, and damage of every kind."""

from __future__ import annotations

import gzip
import os
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from data.dgl_writer import Graph, array, file_bytes, graph_bytes, i64, metagraph, named, string, u64, unit, wrap
from hypothesis import given, settings
from hypothesis import strategies as st

from magbench.data.formats.dgl_binary import DGLGraph, read_graphs
from magbench.errors import DataError, MagbenchError

EDGES = np.array([[3, 0, 0, 2, 2, 1, 0], [1, 0, 2, 2, 1, 3, 2]])
SMALL = Graph(
    5,
    EDGES,
    {"label": np.arange(5), "train_mask": np.array([1, 0, 0, 1, 0], dtype="u1"), "x": np.ones((5, 2, 3), "<f2")},
    {"w": np.arange(7) / 4, "kind": np.arange(7, dtype="<i4")},
)


def write(folder: Path, content: bytes) -> Path:
    path = folder / "graph.pt"
    path.write_bytes(content)
    return path


def assert_equal(found: DGLGraph, expected: Graph) -> None:
    assert found.num_nodes == expected.num_nodes
    assert found.edge_index.dtype == np.int64
    np.testing.assert_array_equal(found.edge_index, expected.edges)
    for columns, wanted in ((found.ndata, expected.ndata), (found.edata, expected.edata)):
        assert list(columns) == list(wanted)
        for name, values in wanted.items():
            assert columns[name].dtype == values.dtype
            np.testing.assert_array_equal(columns[name], values)


def fixtures() -> Path:
    folder = Path(os.environ.get("MAGBENCH_TEST_DATA", "")) / "dgl"
    if not folder.is_dir():
        pytest.skip("MAGBENCH_TEST_DATA names no folder with dgl/")
    return folder


@pytest.mark.parametrize("name", ["coo_label", "bidirected_masks_weights", "csc_only_edge_weights"])
def test_files_that_dgl_wrote(name: str) -> None:
    with np.load(fixtures() / f"{name}.expected.npz") as stored:
        true = dict(stored)
    (graph,) = read_graphs(fixtures() / f"{name}.pt")
    parts = {
        kind: {key.partition(".")[2]: values for key, values in true.items() if key.startswith(f"{kind}.")}
        for kind in ("ndata", "edata")
    }
    expected = Graph(int(true["num_nodes"]), np.stack([true["src"], true["dst"]]), **parts)
    assert set(graph.ndata) == set(expected.ndata)
    assert set(graph.edata) == set(expected.edata)
    expected = Graph(
        expected.num_nodes,
        expected.edges,
        {key: expected.ndata[key] for key in graph.ndata},
        {key: expected.edata[key] for key in graph.edata},
    )
    assert_equal(graph, expected)


@pytest.mark.parametrize("dtype", ["<i4", "<i8"])
@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("formats", ["coo", "csr", "csc"])
def test_every_sparse_format_gives_edges_in_the_order_of_their_ids(
    tmp_path: Path, formats: str, legacy: bool, dtype: str
) -> None:
    content = file_bytes(SMALL, formats=(formats,), legacy=legacy, ids=True, dtype=dtype)
    (graph,) = read_graphs(write(tmp_path, content))
    assert_equal(graph, SMALL)


def test_without_ids_the_order_is_that_of_the_storage(tmp_path: Path) -> None:
    in_order = Graph(5, EDGES[:, np.argsort(EDGES[0], kind="stable")])
    assert_equal(read_graphs(write(tmp_path, file_bytes(in_order)))[0], in_order)
    assert_equal(read_graphs(write(tmp_path, file_bytes(in_order, formats=("csr",))))[0], in_order)
    by_target = Graph(5, EDGES[:, np.argsort(EDGES[1], kind="stable")])
    assert_equal(read_graphs(write(tmp_path, file_bytes(by_target, formats=("csc",))))[0], by_target)


def test_several_formats_several_graphs_labels_and_no_edges(tmp_path: Path) -> None:
    empty = Graph(3, np.empty((2, 0), dtype=int))
    content = file_bytes(SMALL, empty, SMALL, formats=("coo", "csr", "csc"), ids=True, labels={"y": np.arange(3)})
    found = read_graphs(write(tmp_path, content))
    assert len(found) == 3
    for graph, expected in zip(found, (SMALL, empty, SMALL), strict=True):
        assert_equal(graph, expected)
    assert read_graphs(write(tmp_path, file_bytes())) == []


@pytest.mark.parametrize("dtype", ["<i1", "<i2", "<i4", "<i8", "<u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8"])
@pytest.mark.parametrize("shape", [(5,), (5, 2), (5, 1, 3, 2), (5, 0)])
def test_every_data_type_of_every_rank(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    graph = Graph(5, EDGES, {"v": values})
    assert_equal(read_graphs(write(tmp_path, file_bytes(graph)))[0], graph)


def test_bfloat16_is_widened(tmp_path: Path) -> None:
    true = torch.tensor([1.0, -2.5, 3.14159, float("inf"), 1e-30]).bfloat16()
    bits = true.view(torch.int16).numpy().view("<u2")
    body = graph_bytes(Graph(5, EDGES, {"v": bits}), ("coo",), legacy=False, ids=False, dtype="<i8")
    body = body.replace(array(bits), array(bits, code=4))
    found = read_graphs(write(tmp_path, wrap([body])))[0].ndata["v"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, true.float().numpy())


def test_data_are_views_of_the_file(tmp_path: Path) -> None:
    graph = read_graphs(write(tmp_path, file_bytes(SMALL)))[0]
    assert not graph.ndata["label"].flags.writeable
    assert not graph.ndata["label"].flags.owndata


def patched(old: bytes, new: bytes) -> bytes:
    content = file_bytes(SMALL)
    assert content.count(old) >= 1
    return content.replace(old, new, 1)


def hetero(relations: int = 1, types: int = 1) -> bytes:
    part = unit(SMALL, ("coo",), legacy=False, ids=False, dtype="<i8")
    nodes = u64(types) + i64(*[5] * types)
    frames = u64(types) + named({}) * types
    names = u64(types) + string("a") * types
    return wrap([graph_head() + u64(relations) + part * relations + nodes + frames * 2 + names * 2])


def graph_head() -> bytes:
    return u64(0xDD589FBE35224ABF) + metagraph()


REFUSED = {
    "random": (b"hello world, this is no graph", "byte 0: found 0x.*expected the mark of a DGL graph file"),
    "empty": (b"", "cannot be read.*empty"),
    "version 1": (wrap([], version=1), "byte 8: found version 1, expected 2.*old DGL"),
    "gzip": (gzip.compress(file_bytes(SMALL)), "compressed with gzip; decompress it first"),
    "pickle": (pickle.dumps([1]), "byte 0: found a pickle; it is never opened"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
    "relations": (hetero(relations=2), "found 2 relations, expected 1.*to_homogeneous"),
    "node types": (hetero(types=2), "found 2 numbers of nodes, expected 1.*Heterogeneous"),
    "compressed array": (
        patched(u64(0xDD5E40F096B4A13F, 0), u64(0xDD5E40F096B4A13F, 1)),
        "array of flags 1.*uncompressed",
    ),
    "unknown dtype": (patched(b"\x02\x10\x01\x00", b"\x05\x10\x01\x00"), "data type code 5 of 16 bits"),
    "node out of range": (patched(i64(*EDGES[0]), i64(*[9] * 7)), "row number outside 0 to 4"),
    "wrong length of data": (patched(array(np.arange(5)), array(np.arange(4))), r"shape \[4\], expected \[5, …\]"),
    "twice an id": (
        file_bytes(SMALL, ids=True).replace(
            array(np.random.default_rng(0).permutation(7)), array(np.zeros(7, dtype=int))
        ),
        "found an edge id twice",
    ),
    "not square": (
        patched(u64(0xDD61FFD305DFF127) + i64(5, 5), u64(0xDD61FFD305DFF127) + i64(9, 5)),
        "found edges from 5 to 9 nodes, expected one set of nodes",
    ),
    "float indices": (
        patched(array(EDGES[0]), array(EDGES[0].astype("<f8"))),
        r"found float64 \[7\] as node or edge numbers",
    ),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_refused_with_what_where_and_what_next(tmp_path: Path, case: str) -> None:
    content, message = REFUSED[case]
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=message) as caught:
        read_graphs(path)
    assert str(path) in str(caught.value)


def test_a_torch_file_and_a_missing_file_are_named(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "torch.pt")
    with pytest.raises(DataError, match=r"zip archive.*torch\.load\(weights_only=True\)"):
        read_graphs(tmp_path / "torch.pt")
    with pytest.raises(DataError, match="No such file"):
        read_graphs(tmp_path / "none.pt")


WHOLE = file_bytes(SMALL, formats=("coo", "csr", "csc"), ids=True, labels={"y": np.arange(3)})
TRAILER = 16


def read_damaged(folder: Path, content: bytes) -> None:
    """Reading gives graphs or a MagbenchError, and never takes more memory than a multiple of the file."""
    path = write(folder, content)
    tracemalloc.start()
    try:
        read_graphs(path)
    except MagbenchError as error:
        assert 0 < len(str(error)) < 1000
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 200_000 + 20 * len(content)


def test_truncated_at_any_byte(tmp_path: Path) -> None:
    offsets = [*range(0, 4096, 97), *range(4096, len(WHOLE) - TRAILER)]
    for size in offsets:
        with pytest.raises(DataError, match=r"byte \d+|empty file"):
            read_graphs(write(tmp_path, WHOLE[:size]))


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes(tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]) -> None:
    content = bytearray(WHOLE)
    for at, value in changes:
        content[at if at < 32 else 4096 + at % (len(WHOLE) - 4096)] = value
    read_damaged(tmp_path_factory.getbasetemp(), bytes(content))


@settings(max_examples=200, deadline=None)
@given(st.integers(4096, len(WHOLE) - 8), st.sampled_from([2**63 - 1, 2**64 - 1, 2**40, 2**32, 1000, 0]))
def test_huge_lengths(tmp_path_factory: pytest.TempPathFactory, at: int, length: int) -> None:
    read_damaged(tmp_path_factory.getbasetemp(), WHOLE[:at] + u64(length) + WHOLE[at + 8 :])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_after_a_true_header(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    read_damaged(folder, content)
    read_damaged(folder, WHOLE[:4096] + u64(4112) + u64(0) + u64(0xDD589FBE35224ABF) + content)
