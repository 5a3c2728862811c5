"""What does not fit a published layout is named, and nothing of it is unpickled or written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from data import miniatures
from data.miniatures import LABELS, NODES, WRITERS, convert_folder, edit_csv, features, graph

from magbench.data.formats.torch_file import integers, load_torch
from magbench.errors import DataError

Damage = Callable[[Path], object]
NPY = "TextFeature/Movies_roberta_base_512_mean.npy"
MOVIES: dict[str, tuple[Damage, str]] = {
    "rows": (
        lambda f: edit_csv(f / "Movies.csv", lambda t: t.iloc[:-1]),
        r"MoviesGraph\.pt: found 30 nodes, expected 29 \(the rows of .*Movies\.csv\)",
    ),
    "text": (
        lambda f: edit_csv(f / "Movies.csv", lambda t: t.rename(columns={"text": "words"})),
        r"Movies\.csv: found the columns \['id', 'words', .*expected text or title \+ description for the text.*TOML",
    ),
    "labels differ": (
        lambda f: (f / "MoviesGraph.pt").write_bytes(graph(NODES, label=LABELS[::-1].copy())),
        r"found label 2 for node 0, but 0 in .*Movies\.csv; 20 nodes differ",
    ),
    "class range": (
        lambda f: (
            (f / "MoviesGraph.pt").write_bytes(graph(NODES, label=LABELS + 1)),
            edit_csv(f / "Movies.csv", lambda t: t.drop(columns="label")),
        ),
        r"found labels 1 to 3, allowed -1 \(unlabelled\) to 2",
    ),
    "class range without a number of classes": (
        lambda f: (
            (f / "MoviesGraph.pt").write_bytes(graph(NODES, label=LABELS * 10**15)),
            edit_csv(f / "Movies.csv", lambda t: t.assign(label=[str(y * 10**15) for y in LABELS])),
        ),
        r"found labels 0 to 2000000000000000, allowed -1 \(unlabelled\) to 2",
    ),
    "a row with one field more": (
        lambda f: (f / "Movies.csv").write_text("id,text,label\n10,a, b,1\n" + "11,c,1\n" * 29),
        r"Movies\.csv: found rows with more fields than the 3 names of the columns",
    ),
    "half a class": (
        lambda f: edit_csv(f / "Movies.csv", lambda t: t.assign(label="1.5")),
        r"column 'label' holds 1\.5, which is no class number",
    ),
    "no class": (
        lambda f: edit_csv(f / "Movies.csv", lambda t: t.assign(label="kind 0")),
        "column 'label' holds what is no class number: .*'kind 0'",
    ),
    "no labels": (
        lambda f: (
            (f / "MoviesGraph.pt").write_bytes(graph(NODES)),
            edit_csv(f / "Movies.csv", lambda t: t.drop(columns="label")),
        ),
        "found the node data .* expected 'label' in one of them",
    ),
    "feature rows": (
        lambda f: np.save(f / NPY, features(4, 1)[:-1]),
        r"roberta_base_512_mean\.npy: found 29 rows, expected 30 \(the nodes of the graph\)",
    ),
    "feature width": (lambda f: np.save(f / NPY, features(5, 1)), "found 5 columns, expected 4"),
    "integers": (lambda f: np.save(f / NPY, np.ones((NODES, 4), int)), r"found int64 \[30, 4\], expected one matrix"),
    "objects": (
        lambda f: np.save(f / NPY, np.array([{}] * NODES), allow_pickle=True),
        "is no readable feature file: .*objects in dtype",
    ),
    "all zero": (lambda f: np.save(f / NPY, np.zeros((NODES, 4), "<f4")), "found nothing but zero rows"),
    "not a graph": (lambda f: torch.save({}, f / "MoviesGraph.pt"), "MoviesGraph.pt: not a readable DGL graph file"),
    "graph missing": (
        lambda f: (f / "MoviesGraph.pt").unlink(),
        r"graph: 'Movies/MoviesGraph\.pt' or 'Movies/\*Graph\.pt' is missing; found Movies\.csv",
    ),
    "ambiguous": (
        lambda f: ((f / "Movies.csv").rename(f / "A.csv"), (f / "B.csv").write_text("a\n")),
        r"'Movies/\*\.csv' matches 2 files: Movies/A\.csv, Movies/B\.csv; expected one",
    ),
    "archive": (
        lambda f: os.truncate(f / "MoviesImages.tar.gz", 300),
        r"Images\.tar\.gz cannot be read as a tar archive",
    ),
    "no csv": (
        lambda f: (f / "Movies.csv").write_bytes(b"\xff\xfe\x00\x01"),
        r"Movies\.csv cannot be read as a CSV table",
    ),
}


@pytest.mark.parametrize("case", list(MOVIES))
def test_what_does_not_fit_in_magb_is_named_and_nothing_is_written(case: str, tmp_path: Path, home: Path) -> None:
    damage, message = MOVIES[case]
    folder = WRITERS["movies"](tmp_path / "repo")
    damage(folder)
    with pytest.raises(DataError, match=message):
        convert_folder(miniatures.spec("movies", tmp_path), folder)
    assert not list(home.glob("datasets/*"))
    assert not list(home.glob("datasets/.*"))


class Evil:
    """Pickled as the call of a function, with a state for what it returns."""

    def __init__(self, *call: object) -> None:
        self.call = call or (os.system, ("touch /tmp/magbench-evil",))

    def __reduce__(self) -> tuple[object, ...]:
        return self.call


RECONSTRUCT = np.zeros(0).__reduce__()[0]
EMPTY = (np.ndarray, (0,), b"b")
CRAFTED: dict[str, tuple[Evil, str]] = {
    "an address as an object": (Evil(np.ndarray, ((1,), "O", b"AAAAAA\0\0")), "TypeError"),
    "a type of objects": (Evil(np.dtype, ("O",)), "the data type 'O' is not allowed"),
    "a type with fields": (
        Evil(np.dtype, ("i8", False, True), (3, "|", None, ("f",), {"f": (np.dtype("i8"), 0)}, 8, 1, 16)),
        "a structured data type is not allowed",
    ),
    "an array of objects": (Evil(RECONSTRUCT, EMPTY, (1, (1,), np.dtype("i8"), False, [1])), "array of objects"),
    "more than its bytes": (Evil(RECONSTRUCT, EMPTY, (1, (10**9,), np.dtype("f4"), False, b"abcd")), "buffer size"),
    "no character": (Evil(RECONSTRUCT, EMPTY, (1, (1,), np.dtype("U1"), False, b"\xff\xff\xff\x7f")), "no character"),
}


@pytest.mark.parametrize("case", list(CRAFTED))
@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_is_made_of_addresses(case: str, zipped: bool, tmp_path: Path) -> None:
    """numpy's own constructors would: a crafted file must not reach them."""
    content, message = CRAFTED[case]
    torch.save([content], tmp_path / "mapping.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(DataError, match=f"mapping.pt is no torch file .*{message}"):
        load_torch(tmp_path / "mapping.pt")


@pytest.mark.parametrize("kind", ["f2", "<f4", ">f4", "f8", "i1", ">i8", "u2", "?", "U3", ">U3"])
def test_arrays_of_plain_types_are_read(kind: str, tmp_path: Path) -> None:
    values = np.array([[1, 0], [3, 4], [1, 1]]).astype(kind)
    for zipped in (True, False):
        torch.save([values, np.asfortranarray(values)], tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
        for found in load_torch(tmp_path / "a.pt"):
            np.testing.assert_array_equal(np.asarray(found), values)


FASHION: dict[str, tuple[Damage, str]] = {
    "pickle": (
        lambda f: torch.save(Evil(), f / "split.pt"),
        r"split\.pt is no torch file of tensors.*Nothing else is unpickled",
    ),
    "damaged": (lambda f: os.truncate(f / "split.pt", 100), r"split\.pt is no torch file"),
    "edges": (
        lambda f: torch.save(torch.ones(3, 4, dtype=torch.long), f / "nc_edges-nodeid.pt"),
        r"edges \[3, 4\], expected \[E, 2\]",
    ),
    "edge range": (
        lambda f: torch.save([[0, 30]], f / "nc_edges-nodeid.pt"),
        "edges 0 to 30, allowed node numbers 0 to 29",
    ),
    "ragged": (
        lambda f: torch.save([[0, 3], [1]], f / "nc_edges-nodeid.pt"),
        "found edges that are no array of integers",
    ),
    "labels": (lambda f: torch.save([0] * 29, f / "labels-w-missing.pt"), r"found \[29\] labels, expected \[30\]"),
    "split keys": (
        lambda f: torch.save({"train": torch.ones(1)}, f / "split.pt"),
        r"found \['train'\], expected train_idx",
    ),
    "overlap": (
        lambda f: torch.save({k: torch.tensor([1]) for k in ("train_idx", "val_idx", "test_idx")}, f / "split.pt"),
        "found nodes in two parts",
    ),
    "mapping": (
        lambda f: torch.save({"a": 0, "b": 5}, f / "node_mapping.pt"),
        r"found 2 entries, e\.g\. .*expected each node",
    ),
    "mapping of lists": (lambda f: torch.save({"a": [0]}, f / "node_mapping.pt"), "found 1 entries, .*each node"),
    "sparse features": (
        lambda f: torch.save(torch.eye(NODES)[:, :8].to_sparse(), f / "clip_feat.pt"),
        r"clip_feat\.pt: found torch\.float32 \[30, 8\] torch\.sparse_coo, expected one matrix",
    ),
    "texts": (
        lambda f: (f.parent / "raw-data/ele-fashion-raw-text.jsonl").write_text('{"id": "X", "text": "a"}\n'),
        "found no text of any node: ids such as 'X', expected such as 'B00000'",
    ),
    "json": (
        lambda f: (f.parent / "raw-data/ele-fashion-raw-text.jsonl").write_text('{"id": "X"'),
        "ele-fashion-raw-text.jsonl, line 1: no JSON",
    ),
    "a number as text": (
        lambda f: (f.parent / "raw-data/ele-fashion-raw-text.jsonl").write_text('{"id": "B00000", "text": 3}'),
        r"line 1: found \['id', 'text'\], expected id or asin",
    ),
    "record": (
        lambda f: (f.parent / "raw-data/ele-fashion-raw-text.jsonl").write_text('{"key": "X"}'),
        r"line 1: found \['key'\], expected id or asin",
    ),
}


@pytest.mark.parametrize("case", list(FASHION))
def test_what_does_not_fit_in_mmgraph_is_named(case: str, tmp_path: Path) -> None:
    damage, message = FASHION[case]
    folder = WRITERS["ele-fashion"](tmp_path / "repo")
    damage(folder)
    with pytest.raises(DataError, match=message):
        convert_folder(miniatures.spec("ele-fashion", tmp_path), folder)
    assert not Path("/tmp/magbench-evil").exists()


@pytest.mark.parametrize("content", [np.arange(60).reshape(30, 2), torch.arange(60).reshape(30, 2) % 30])
def test_torch_files_may_hold_arrays_and_tensors(content: object, tmp_path: Path) -> None:
    torch.save({"a": [content, "text", 3]}, tmp_path / "new.pt")
    torch.save({"a": [content, "text", 3]}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    for name in ("new.pt", "old.pt"):
        found = load_torch(tmp_path / name)["a"]
        assert found[1:] == ["text", 3]
        np.testing.assert_array_equal(integers(found[0], tmp_path, "numbers"), np.asarray(content))
