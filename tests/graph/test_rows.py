"""Rows on disk: the same bytes back, whole or absent, damage named; blocks against dense slices."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from graph.exact import messy_graphs, power_law
from hypothesis import given, settings
from hypothesis import strategies as st

from magbench.errors import DataError, OptionError, OutputError
from magbench.graph.ppr import PPRStore, ppr
from magbench.graph.push import Rows
from magbench.graph.rows import SparseRows, open_rows, write_rows

N = 300
NAMES = ("offsets", "columns", "values")


def _edges() -> torch.Tensor:
    return torch.from_numpy(power_law(N, 900))


def _sparse(store: PPRStore) -> SparseRows:
    assert isinstance(store.scores, SparseRows)
    return store.scores


def _dense(rows: SparseRows) -> np.ndarray:
    found = np.zeros((rows.num_nodes, rows.num_nodes), np.float32)
    found[np.repeat(np.arange(rows.num_nodes), np.diff(rows.offsets)), rows.columns] = rows.values
    return found


@pytest.fixture
def written(tmp_path: Path) -> Path:
    ppr(_edges(), N, top_k=20, out=tmp_path / "deep" / "rows")
    return tmp_path / "deep" / "rows"


@pytest.mark.parametrize("norm", ["rw", "sym"])
@pytest.mark.parametrize("seeds", [None, torch.tensor([7, 3, 250, 3])])
def test_disk_gives_the_same_bytes_as_memory(tmp_path: Path, norm: str, seeds: torch.Tensor | None) -> None:
    memory = ppr(_edges(), N, norm=norm, method="push", top_k=20, seeds=seeds)
    disk = ppr(_edges(), N, norm=norm, top_k=20, seeds=seeds, out=tmp_path / "rows")
    again = PPRStore.open(tmp_path / "rows")
    for store in (disk, again):
        assert store.symmetric is memory.symmetric is (norm == "sym")
        for name in NAMES:
            assert getattr(_sparse(store), name).tobytes() == getattr(_sparse(memory), name).tobytes()
    ids = torch.tensor([250, 3, 7])
    assert torch.equal(again.block(ids), memory.block(ids))


def test_the_folder_is_as_documented(written: Path) -> None:
    assert sorted(path.name for path in written.iterdir()) == [
        "columns.bin",
        "header.json",
        "offsets.bin",
        "values.bin",
    ]
    header = json.loads((written / "header.json").read_text())
    assert header["num_nodes"] == N
    assert header["options"] == {"teleport": 0.15, "norm": "sym", "tol": 1e-5, "top_k": 20}
    assert np.fromfile(written / "offsets.bin", "<i8")[-1] == header["entries"]


def test_the_rows_are_mapped_not_read(written: Path) -> None:
    rows = open_rows(written)[0]
    assert isinstance(rows.values.base, np.memmap)
    assert isinstance(rows.columns.base, np.memmap)


Damage = Callable[[Path], object]
DAMAGES: dict[str, tuple[Damage, str]] = {
    "truncated": (lambda p: (p / "values.bin").write_bytes((p / "values.bin").read_bytes()[:-1]), r"values\.bin has"),
    "grown": (lambda p: (p / "offsets.bin").open("ab").write(b"\0" * 8), r"offsets\.bin has"),
    "missing": (lambda p: (p / "columns.bin").unlink(), r"columns\.bin is missing"),
    "no header": (lambda p: (p / "header.json").unlink(), "holds no rows"),
    "not JSON": (lambda p: (p / "header.json").write_text("{"), "holds no rows"),
    "not text": (lambda p: (p / "header.json").write_bytes(b"\xff\xfe\x00"), "holds no rows"),
    "not an object": (lambda p: (p / "header.json").write_text("[1]"), "format and version are None"),
    "foreign": (lambda p: (p / "header.json").write_text('{"format": "zarr"}'), "'zarr'"),
    "newer": (lambda p: _edit(p, version=2), "2"),
    "not a count": (lambda p: _edit(p, entries="many"), "entries='many'"),
    "negative": (lambda p: _edit(p, num_nodes=-1), "num_nodes=-1"),
    "lacks a field": (lambda p: _edit(p, entries=None), "lacks entries"),
    "of something else": (lambda p: _edit(p, symmetric=None), "not of PageRank"),
    "not ascending": (lambda p: _poke(p / "offsets.bin", "<i8", 5, 10**6), "does not ascend"),
    "not from 0": (lambda p: _poke(p / "offsets.bin", "<i8", 0, 1), "does not ascend"),
}


def _edit(path: Path, **fields: object) -> None:
    header = json.loads((path / "header.json").read_text()) | fields
    kept = {key: value for key, value in header.items() if value is not None}
    (path / "header.json").write_text(json.dumps(kept))


def _poke(file: Path, dtype: str, index: int, value: int) -> None:
    array = np.fromfile(file, dtype)
    array[index] = value
    array.tofile(file)


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named(written: Path, name: str) -> None:
    damage, message = DAMAGES[name]
    PPRStore.open(written)
    damage(written)
    with pytest.raises(DataError, match=message):
        PPRStore.open(written)


@pytest.mark.parametrize("column", [-1, N, 2**31 - 1])
def test_a_damaged_column_is_named_when_its_row_is_read(written: Path, column: int) -> None:
    start = int(np.fromfile(written / "offsets.bin", "<i8")[17])
    _poke(written / "columns.bin", "<i4", start + 2, column)
    store = PPRStore.open(written)
    store.block(torch.tensor([16, 18]))
    with pytest.raises(DataError, match=r"Row 17 has a column outside 0\.\.299"):
        store.block(torch.tensor([16, 17]))


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no rows"):
        PPRStore.open(tmp_path / "nothing")


def test_an_existing_folder_is_left_alone(written: Path) -> None:
    before = (written / "values.bin").read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        ppr(_edges(), N, top_k=5, out=written)
    assert (written / "values.bin").read_bytes() == before


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def parts() -> Iterator[Rows]:
        yield Rows(np.array([1]), np.array([0], np.int32), np.array([1.0], np.float32))
        assert len(list(tmp_path.iterdir())) == 1  # the temporary folder
        raise error("stop")

    with pytest.raises(error):
        write_rows(parts(), np.arange(2), 2, tmp_path / "rows", {})
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Cannot write rows"):
        ppr(_edges(), N, out=tmp_path / "file" / "rows")


@settings(deadline=None, max_examples=60)
@given(messy_graphs(), st.sampled_from(["rw", "sym"]), st.integers(1, 30), st.data())
def test_block_equals_dense_slices(graph: tuple[np.ndarray, int], norm: str, top_k: int, data: st.DataObject) -> None:
    edges, n = graph
    ids = data.draw(st.lists(st.integers(0, n - 1), max_size=2 * n))  # in any order, with repetitions
    store = ppr(torch.from_numpy(edges), n, norm=norm, method="push", top_k=top_k)
    dense = _dense(_sparse(store))
    expected = np.maximum(dense, dense.T) if norm == "sym" else dense
    found = store.block(torch.tensor(ids, dtype=torch.int64))
    assert found.dtype == torch.float32
    assert np.array_equal(found.numpy(), expected[np.ix_(ids, ids)])


def test_a_symmetric_block_takes_the_larger_of_both_directions() -> None:
    store = ppr(_edges(), N, method="push", top_k=10)
    dense = _dense(_sparse(store))
    assert ((dense > 0) & (dense.T == 0)).any()  # a hub's row has no room for all that have it in theirs
    assert np.array_equal(store.block(torch.arange(N)).numpy(), np.maximum(dense, dense.T))


def test_seeds_are_rows_of_the_whole() -> None:
    whole = _dense(_sparse(ppr(_edges(), N, method="push", top_k=30)))
    some = ppr(_edges(), N, top_k=30, seeds=torch.tensor([9, 200, 9, 4]))
    ids = [4, 9, 200]
    assert np.array_equal(_dense(_sparse(some))[ids], whole[ids])
    with pytest.raises(DataError, match=r"The row of node 5 is not known \(1 of 2 are not\)"):
        some.block(torch.tensor([4, 5]))


def test_a_node_that_does_not_exist() -> None:
    store = ppr(_edges(), N, method="push", top_k=5)
    for node in (-1, N):
        with pytest.raises(DataError, match=rf"Node {node} is not in the graph; allowed are 0\.\.299"):
            store.block(torch.tensor([3, node]))


def test_options_that_do_not_go_together(tmp_path: Path) -> None:
    for options in ({"seeds": torch.tensor([1])}, {"out": tmp_path / "rows"}):
        with pytest.raises(OptionError, match="method='dense'"):
            ppr(_edges(), N, method="dense", **options)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="seeds holds node 300"):
        ppr(_edges(), N, seeds=torch.tensor([1, 300]))
    with pytest.raises(OptionError, match="top_k=0"):
        ppr(_edges(), N, top_k=0)
    with pytest.raises(OptionError, match="num_threads=0"):
        ppr(_edges(), N, method="push", num_threads=0)
    with pytest.raises(OptionError, match="tol=1e-30"):
        ppr(_edges(), N, method="push", tol=1e-30)
