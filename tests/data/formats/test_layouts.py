"""The published layouts, as miniatures: what goes in comes out as a MAG, and what does not fit is named."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from data import miniatures
from data.conftest import picture
from data.dgl_writer import Graph, file_bytes
from data.miniatures import (
    LABELS,
    NO_PICTURE,
    NO_TEXT,
    NODES,
    WRITERS,
    convert_folder,
    edges,
    edit_csv,
    features,
    graph,
)

from magbench import paths
from magbench.data.formats import magb
from magbench.data.formats.published import row_number
from magbench.data.load import load_dataset
from magbench.data.mag import MAG, simple_undirected
from magbench.data.meta import Conversion
from magbench.data.published.convert import count_published, quoted_convention
from magbench.data.published.locate import local_sources, match
from magbench.data.store import verify_store
from magbench.errors import DataError
from magbench.specs import DatasetSpec


def made(name: str, tmp_path: Path) -> tuple[DatasetSpec, Conversion]:
    folder = WRITERS[name](tmp_path / "repo")
    spec = miniatures.spec(name, tmp_path)
    return spec, convert_folder(spec, folder)


@pytest.mark.parametrize("name", list(WRITERS))
def test_every_layout_becomes_a_mag(name: str, tmp_path: Path) -> None:
    spec, conversion = made(name, tmp_path)
    mag = load_dataset(spec)
    assert mag.validate()
    verify_store(conversion.folder)
    assert torch.equal(mag.edge_index, simple_undirected(torch.from_numpy(edges()), NODES))
    assert [bool(has) for has in mag.has_text] == [node != NO_TEXT for node in range(NODES)]
    assert [bool(has) for has in mag.has_image] == [node != NO_PICTURE for node in range(NODES)]
    assert mag.texts[NO_TEXT] is None
    assert not mag.x_text[NO_TEXT].any()
    assert not mag.x_image[NO_PICTURE].any()
    pictures = [None if node == NO_PICTURE else picture(8 * node) for node in range(NODES)]
    assert [mag.images.bytes(node) for node in range(NODES)] == pictures


def rows(mag: MAG, modality: str, expected: np.ndarray, missing: int) -> None:
    expected = expected.astype("<f4").copy()
    expected[missing] = 0
    np.testing.assert_array_equal(mag[f"x_{modality}"], expected)


def test_magb_gives_labels_their_names_and_every_feature_set(tmp_path: Path) -> None:
    spec, conversion = made("movies", tmp_path)
    mag = load_dataset(spec)
    assert mag.y.tolist() == LABELS.tolist()
    assert mag.classes == {"y": ("kind 0", "kind 1", "kind 2")}
    assert mag.texts[3] == miniatures.text_of(3)
    assert list(conversion.meta.features) == ["roberta+clip-l14", "llama3.2-1b+clip-l14", "llama3.1-8b+clip-l14"]
    rows(mag, "text", features(4, 1), NO_TEXT)
    rows(mag, "image", features(6, 3), NO_PICTURE)
    joint = load_dataset(spec, "llama3.1-8b+clip-l14")
    rows(joint, "text", features(8, 4, "<f8")[:, :4], NO_TEXT)
    rows(joint, "image", features(8, 4, "<f8")[:, 4:], NO_PICTURE)


def test_counts_are_always_those_of_the_file_and_of_the_mag(tmp_path: Path) -> None:
    _, conversion = made("movies", tmp_path)
    stored, loops = edges().shape[1], 1
    unique = len({frozenset(pair) for pair in edges().T.tolist() if pair[0] != pair[1]})
    published = conversion.meta.published
    assert published is not None
    assert (published.directed_edges, published.self_loops) == (stored, loops)
    assert (published.undirected_edges, published.isolated) == (unique, 1)
    assert conversion.meta.counts.model_dump() == {
        "nodes": NODES,
        "directed_edges": 2 * unique,
        "self_loops": 0,
        "undirected_edges": unique,
    }
    assert "counts unique undirected edges in both directions" in conversion.notes[0]


def test_the_convention_behind_a_quoted_number() -> None:
    graph = count_published(np.array([[0, 1, 2, 2], [1, 0, 2, 3]]), 6)
    assert (graph.directed_edges, graph.self_loops, graph.undirected_edges, graph.isolated) == (4, 1, 2, 2)
    assert quoted_convention(graph, 2) == "unique undirected edges"
    assert quoted_convention(graph, 4) == "unique undirected edges in both directions"
    assert quoted_convention(graph, 8) == "stored directed edges with all reverse ones added"
    assert quoted_convention(graph, 7) is None


@pytest.mark.parametrize("name", ["movies", "reddit-s"])
def test_a_magb_graph_can_be_made_again_from_its_table(name: str, tmp_path: Path) -> None:
    spec = miniatures.spec(name, tmp_path)
    _, sources = local_sources(spec, WRITERS[name](tmp_path / "repo"))
    published = magb.read(sources.files, spec)
    order = np.lexsort(published.edge_index[::-1])
    np.testing.assert_array_equal(published.rebuilt, published.edge_index[:, order])


def test_a_table_that_tells_another_graph_is_reported(tmp_path: Path) -> None:
    folder = WRITERS["movies"](tmp_path / "repo")
    other = edges()
    other[:, 0] = 20, 3
    (folder / "MoviesGraph.pt").write_bytes(file_bytes(Graph(NODES, other, {"label": LABELS})))
    notes = convert_folder(miniatures.spec("movies", tmp_path), folder).notes
    assert any("has 1 edges that the file lacks, and lacks 1 of its" in note for note in notes)


def test_mmag_keeps_five_captions_and_stored_masks(tmp_path: Path) -> None:
    folder = miniatures.write_mmag(tmp_path, masks=True, archive=False)
    spec = miniatures.spec("flickr30k", tmp_path)
    convert_folder(spec, folder)
    mag = load_dataset(spec)
    assert mag.references[3] == [f"{miniatures.text_of(3)} {k}" for k in range(1, 6)]
    assert mag.references[NO_TEXT] is None
    assert mag.texts[3] == mag.references[3][0]
    assert mag.official["val"].tolist() == list(range(0, NODES, 5))
    assert mag.official["test"].tolist() == list(range(1, NODES, 5))
    assert len(mag.official["train"]) == 18
    assert mag.classes == {}
    rows(mag, "text", features(4, 1, "<f2"), NO_TEXT)


def test_ids_that_name_pictures_are_unique(tmp_path: Path) -> None:
    folder = miniatures.write_mmag(tmp_path)
    edit_csv(folder / "Flickr30k.csv", lambda table: table.assign(id="1"))
    with pytest.raises(DataError, match="found the id '1' more than once"):
        convert_folder(miniatures.spec("flickr30k", tmp_path), folder)


def test_mmgraph_node_classification(tmp_path: Path) -> None:
    spec, _ = made("ele-fashion", tmp_path)
    mag = load_dataset(spec)
    expected = LABELS.copy()
    expected[[3, 4]] = -1
    assert mag.y.tolist() == expected.tolist()
    assert {part: len(nodes) for part, nodes in mag.official.items()} == {"train": 18, "val": 3, "test": 9}
    assert sorted(torch.cat(list(mag.official.values())).tolist()) == list(range(NODES))
    assert mag.texts[8] == miniatures.text_of(8)
    rows(mag, "image", features(8, 10)[:, 4:], NO_PICTURE)


def test_mmgraph_links(tmp_path: Path) -> None:
    spec, _ = made("sports", tmp_path)
    official = load_dataset(spec).official
    np.testing.assert_array_equal(official["train_edges"], edges()[:, :30])
    np.testing.assert_array_equal(official["test_edges"], edges()[:, 34:])
    assert official["val_negatives"].shape == (4, 7)
    assert official["test_negatives"].tolist()[0] == list(range(7))
    rows(load_dataset(spec, "t5-dino"), "text", features(8, 13)[:, :4], NO_TEXT)


@pytest.mark.parametrize("copy", ["repository", "data set", "renamed"])
def test_a_users_folder_may_be_the_repository_or_the_data_set(copy: str, tmp_path: Path) -> None:
    folder = WRITERS["movies"](tmp_path / "repo")
    spec = miniatures.spec("movies", tmp_path)
    given = {"repository": folder.parent, "data set": folder, "renamed": tmp_path / "mine"}[copy]
    if copy == "renamed":
        folder.rename(given)
    assert convert_folder(spec, given).meta.counts.nodes == NODES


def test_features_and_pictures_can_be_added_later(tmp_path: Path) -> None:
    folder = WRITERS["movies"](tmp_path / "repo")
    spec = miniatures.spec("movies", tmp_path)
    archive = (folder / "MoviesImages.tar.gz").rename(tmp_path / "later.tar.gz")
    first = convert_folder(spec, folder, "roberta+clip-l14")
    assert load_dataset(spec).images is None
    assert load_dataset(spec).has_image.all()
    archive.rename(folder / "MoviesImages.tar.gz")
    second = convert_folder(spec, folder, "llama3.2-1b+clip-l14")
    assert list(second.meta.features) == ["roberta+clip-l14", "llama3.2-1b+clip-l14"]
    verify_store(first.folder)
    mag = load_dataset(spec)
    assert mag.images.bytes(3) == picture(24)
    assert not mag.has_image[NO_PICTURE]
    once = load_dataset(spec, "llama3.2-1b+clip-l14").fingerprint()
    assert once != mag.fingerprint()


def test_files_of_another_release_are_not_mixed_in(tmp_path: Path) -> None:
    folder = WRITERS["movies"](tmp_path / "repo")
    spec = miniatures.spec("movies", tmp_path)
    convert_folder(spec, folder, "roberta+clip-l14")
    (folder / "MoviesGraph.pt").write_bytes(file_bytes(Graph(NODES, edges()[:, 1:], {"label": LABELS})))
    with pytest.raises(DataError, match=r"another graph, or .* than .*movies@1, so they are of another release"):
        convert_folder(spec, folder, "llama3.2-1b+clip-l14")


@pytest.mark.parametrize("what", ["labels", "texts", "order"])
def test_files_with_other_nodes_are_not_mixed_in(what: str, tmp_path: Path) -> None:
    """The four counts of the graph are the same; only labels, texts or the order of the nodes are others."""
    folder, spec = WRITERS["movies"](tmp_path / "repo"), miniatures.spec("movies", tmp_path)
    convert_folder(spec, folder, "roberta+clip-l14")
    labels, around = LABELS.copy(), edges()
    if what == "labels":
        labels[:2] = labels[1::-1]
    if what == "order":
        around = NODES - 1 - around
    (folder / "MoviesGraph.pt").write_bytes(file_bytes(Graph(NODES, around, {"label": labels})))
    change = {"label": list(map(str, labels))} | (
        {"text": [f"other {n}" for n in range(NODES)]} if what == "texts" else {}
    )
    edit_csv(folder / "Movies.csv", lambda table: table.assign(**change))
    with pytest.raises(DataError, match=r"or other labels or texts, than .*movies@1, so they are of another release"):
        convert_folder(spec, folder, "llama3.2-1b+clip-l14")


def test_adding_pictures_overwrites_nothing(tmp_path: Path) -> None:
    """A process that is killed while it adds leaves the store as it was, for meta.json does not name the new files."""
    folder, spec = WRITERS["movies"](tmp_path / "repo"), miniatures.spec("movies", tmp_path)
    archive = folder / "MoviesImages.tar.gz"
    archive.rename(tmp_path / "away")
    store = convert_folder(spec, folder, "roberta+clip-l14").folder
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    (tmp_path / "away").rename(archive)
    convert_folder(spec, folder, "roberta+clip-l14")
    changed = [path.name for path, content in before.items() if path.read_bytes() != content]
    assert changed == ["meta.json"]
    verify_store(store)
    assert [bool(has) for has in load_dataset(spec).has_image] == [node != NO_PICTURE for node in range(NODES)]
    (store / "meta.json").write_bytes(before[store / "meta.json"])
    assert load_dataset(spec).images is None
    verify_store(store)


def test_texts_may_be_null_or_end_in_half_a_character(tmp_path: Path) -> None:
    folder, spec = WRITERS["ele-fashion"](tmp_path / "repo"), miniatures.spec("ele-fashion", tmp_path)
    raw = folder.parent / "raw-data/ele-fashion-raw-text.jsonl"
    lines = [f'{{"id": "B0{node:04d}", "text": "text {node}"}}' for node in range(2, NODES)]
    raw.write_text("\n".join(['{"asin": "B00000", "raw_text": null}', '{"id": "B00001", "text": "a\\ud83d"}', *lines]))
    convert_folder(spec, folder)
    mag = load_dataset(spec)
    assert (mag.texts[0], mag.texts[1], mag.texts[2]) == (None, "a?", "text 2")


def test_feature_sets_of_two_mirrors_do_not_come_from_one_folder(tmp_path: Path) -> None:
    folder, spec = WRITERS["movies"](tmp_path / "repo"), miniatures.spec("movies", tmp_path)
    with pytest.raises(DataError, match=r"As magb: mmag-clip-768 is none of its feature sets"):
        local_sources(spec, folder, ["roberta+clip-l14", "mmag-clip-768"])


@pytest.mark.parametrize("name", ["Qwen_Qwen2_VL_7B_Instruct", "Qwen2-VL-7B-Instruct"])
def test_names_that_openmag_gives_its_features(name: str) -> None:
    """``embedding_generator.py`` writes - and . as _; the names in its configurations say the same."""
    for dataset, folder in (("movies", "Movies"), ("reddit-s", "RedditS"), ("flickr30k", "Flickr30k")):
        spec = DatasetSpec.from_toml(paths.content("tasks") / "datasets" / f"{dataset}.toml")
        for modality, part in spec.mirror("mmag").features["mmag-qwen2-vl-7b-768"].items():
            path = f"{folder}/{modality}_features/{folder}_{modality}_{name}_768d.npy"
            assert match((part.file,), [path], "here", "features") == path


def test_rows_of_zeros_or_nan_are_missing_features(tmp_path: Path) -> None:
    folder = WRITERS["movies"](tmp_path / "repo")
    values = features(4, 1)
    values[2], values[5, 1], values[6, 0], values[8, 3] = 0, np.nan, np.inf, -np.inf
    np.save(folder / "TextFeature" / "Movies_roberta_base_512_mean.npy", values)
    spec = miniatures.spec("movies", tmp_path)
    notes = convert_folder(spec, folder).notes
    assert any("2 rows are zero or NaN" in note for note in notes)
    assert any("2 infinite values became ±65504" in note for note in notes)
    assert (load_dataset(spec).x_text[6, 0], load_dataset(spec).x_text[8, 3]) == (65504, -65504)
    assert np.flatnonzero(~load_dataset(spec).has_text).tolist() == [2, 5, NO_TEXT]
    assert np.flatnonzero(~load_dataset(spec, "llama3.2-1b+clip-l14").has_text).tolist() == [NO_TEXT]


def test_fortran_order_and_bfloat16_features(tmp_path: Path) -> None:
    folder = WRITERS["movies"](tmp_path / "repo")
    np.save(folder / "TextFeature" / "Movies_roberta_base_512_mean.npy", np.asfortranarray(features(4, 1)))
    spec = miniatures.spec("movies", tmp_path)
    convert_folder(spec, folder)
    rows(load_dataset(spec), "text", features(4, 1), NO_TEXT)
    base = WRITERS["ele-fashion"](tmp_path / "mm")
    torch.save(torch.from_numpy(features(8, 10)).bfloat16(), base / "clip_feat.pt")
    other = miniatures.spec("ele-fashion", tmp_path)
    convert_folder(other, base)
    half = torch.from_numpy(features(8, 10)).bfloat16().float().numpy()
    rows(load_dataset(other), "text", half[:, :4], NO_TEXT)


def test_features_may_be_a_parameter(tmp_path: Path) -> None:
    base = WRITERS["ele-fashion"](tmp_path / "mm")
    torch.save(torch.nn.Parameter(torch.from_numpy(features(8, 10))), base / "clip_feat.pt")
    spec = miniatures.spec("ele-fashion", tmp_path)
    convert_folder(spec, base)
    rows(load_dataset(spec), "text", features(8, 10)[:, :4], NO_TEXT)


def test_rows_without_a_class_do_not_hide_the_names_of_classes(tmp_path: Path) -> None:
    folder = WRITERS["movies"](tmp_path / "repo")
    labels = LABELS.copy()
    labels[[3, 4]] = -1
    (folder / "MoviesGraph.pt").write_bytes(graph(NODES, label=labels))
    edit_csv(folder / "Movies.csv", lambda t: t.assign(label=list(map(str, labels))))
    spec = miniatures.spec("movies", tmp_path)
    convert_folder(spec, folder)
    assert load_dataset(spec).classes == {"y": ("kind 0", "kind 1", "kind 2")}


@pytest.mark.parametrize(
    ("stem", "node"), [("0", 0), ("007", 7), ("29", 29), ("30", None), ("٣", None), ("-1", None), ("9" * 5000, None)]
)
def test_pictures_named_after_rows(stem: str, node: int | None) -> None:
    assert row_number(stem, 30) == node


def test_the_flickr_folder_of_the_fixtures_is_an_mmag_folder() -> None:
    folder = Path(os.environ.get("MAGBENCH_TEST_DATA", "")) / "Flickr8k1k"
    if not folder.is_dir():
        pytest.skip("MAGBENCH_TEST_DATA names no folder with Flickr8k1k/")
    spec = DatasetSpec.from_toml(paths.content("tasks") / "datasets" / "flickr8k1k.toml")
    conversion = convert_folder(spec, folder)
    published = conversion.meta.published
    assert published is not None
    assert (published.directed_edges, published.self_loops, published.undirected_edges) == (8180, 1000, 3590)
    mag = load_dataset(spec)
    assert mag.counts() == (1000, 7180, 0, 3590)
    assert all(len(captions) == 5 for captions in mag.references)
    assert mag.images[999].size == (160, 160)
