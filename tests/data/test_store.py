"""The on-disk form: what is written comes back, nothing is half written, and damage gives one clear DataError."""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from magbench.data.load import load_dataset
from magbench.data.mag import MAG
from magbench.data.store import file_sha256, read_store, verify_store, write_store
from magbench.errors import DataError, OutputError, SpecError, UnknownNameError
from magbench.specs import DatasetSpec

Small = Callable[..., MAG]
OFFICIAL = {"train": torch.tensor([2, 0])}


@pytest.fixture
def folder(small: Small, tmp_path: Path) -> Path:
    target = tmp_path / "datasets" / "small@1"
    mag = small(references=[["a", "aa"], ["b"], None, ["d"]], official=OFFICIAL)
    write_store(mag, target, licence="CC0-1.0", source="made by hand", documents={"card.md": "a card"})
    return target


def spec(folder: Path, **changes: object) -> DatasetSpec:
    settings: dict[str, object] = {
        "name": "small",
        "version": 1,
        "title": "Small",
        "source": "store",
        "features": ("toy",),
        "modalities": ("text", "image"),
        "labels": ("y", "y_coarse"),
        "counts": {"nodes": 4, "directed_edges": 6, "self_loops": 0, "undirected_edges": 3},
        "sha256": file_sha256(folder / "meta.json"),
        "licence": "CC0-1.0",
        "citation": [],
    }
    return DatasetSpec.model_validate({**settings, **changes})


def test_round_trip(small: Small, folder: Path) -> None:
    mag, original = read_store(folder), small(official=OFFICIAL)
    assert mag.fingerprint() == original.fingerprint()
    assert (mag.name, mag.version, mag.features, mag.modalities) == ("small", 1, "toy", ("text", "image"))
    assert mag.classes == original.classes
    assert mag.texts == original.texts
    assert mag.references == [["a", "aa"], ["b"], None, ["d"]]
    assert {name: nodes.tolist() for name, nodes in mag.official.items()} == {"train": [2, 0]}
    assert not mag.subgraph(torch.tensor([0, 1])).official
    assert [mag.images.bytes(i) for i in range(4)] == [original.images.bytes(i) for i in range(4)]
    assert (folder / "card.md").read_text() == "a card"
    assert sorted(path.name for path in folder.parent.iterdir()) == ["small@1"], "no temporary folder stays"
    verify_store(folder)


def test_mapped_features_are_writable_and_leave_the_file_alone(small: Small, folder: Path) -> None:
    mag = read_store(folder)
    mag.x_text += 1
    assert read_store(folder, mmap=False).fingerprint() == small(official=OFFICIAL).fingerprint()


def test_half_precision_comes_back_as_float32(small: Small, tmp_path: Path) -> None:
    x = {"text": torch.linspace(-3, 3, 40).reshape(4, 10)}
    write_store(small(x=x, has=None), tmp_path / "half", licence="-", source="-", feature_dtype="float16")
    found = read_store(tmp_path / "half").x_text
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, x["text"].half().float(), rtol=0, atol=0)


def test_a_graph_without_texts_and_pictures(small: Small, tmp_path: Path) -> None:
    write_store(small(texts=None, images=None), tmp_path / "bare", licence="-", source="-")
    mag = read_store(tmp_path / "bare")
    assert mag.texts is None
    assert mag.images is None
    assert mag.references is None


def test_a_column_read_from_disk_travels_as_a_path(folder: Path) -> None:
    images = read_store(folder).images
    assert images[0] is not None
    assert len(pickle.dumps(images)) < 400
    assert pickle.loads(pickle.dumps(images)).bytes(1) == images.bytes(1)


def test_writing_refuses_an_existing_folder_and_a_broken_mag(small: Small, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="exists already"):
        write_store(small(), folder, licence="-", source="-")
    with pytest.raises(DataError, match="self-loops"):
        write_store(small(edge_index=torch.tensor([[0], [0]])), tmp_path / "new", licence="-", source="-")
    assert not (tmp_path / "new").exists()


def test_a_failed_write_leaves_nothing(small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write_store(small(), tmp_path / "new", licence="-", source="-")
    assert list(tmp_path.iterdir()) == []


def files_of(folder: Path) -> list[str]:
    return sorted(json.loads((folder / "meta.json").read_text())["files"])


def test_a_flipped_byte_is_found_by_verify_with_both_hashes(folder: Path) -> None:
    for name in files_of(folder):
        path = folder / name
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(DataError, match=rf"{path.name}: found sha256 {file_sha256(path)}, expected [0-9a-f]{{64}}"):
            verify_store(folder)
        path.write_bytes(content)
    verify_store(folder)


def test_truncated_and_missing_files_name_the_file_and_the_sizes(folder: Path) -> None:
    for name in files_of(folder):
        path = folder / name
        content = path.read_bytes()
        path.write_bytes(content[:-7])
        with pytest.raises(DataError, match=f"{path.name} has {len(content) - 7} bytes, expected {len(content)} bytes"):
            read_store(folder)
        path.unlink()
        with pytest.raises(DataError, match=f"{path.name} is missing"):
            read_store(folder)
        path.write_bytes(content)


def use_everything(mag: MAG) -> None:
    for i in range(mag.num_nodes):
        mag.images[i]


@pytest.mark.parametrize("seed", range(60))
def test_random_damage_of_the_right_size_never_gives_another_error(folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = folder / chance.choice([*files_of(folder), "meta.json"])
    content = bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 8, 200])):
        content[chance.randrange(len(content))] = chance.randrange(256)
    path.write_bytes(content)
    try:
        use_everything(read_store(folder))
    except (DataError, UnknownNameError) as error:
        assert 0 < len(str(error)) < 1500


def test_a_pickle_in_disguise_is_not_opened(folder: Path) -> None:
    path = folder / "y.npy"
    path.write_bytes(pickle.dumps([0] * 200)[: path.stat().st_size].ljust(path.stat().st_size, b"."))
    with pytest.raises(DataError, match=r"y\.npy is no readable array"):
        read_store(folder)


def test_meta_that_is_missing_or_of_another_format(folder: Path) -> None:
    path = folder / "meta.json"
    path.write_text(path.read_text().replace("magbench-store/1", "magbench-store/9"))
    with pytest.raises(DataError, match="another format: format"):
        read_store(folder)
    path.unlink()
    with pytest.raises(DataError, match=r"meta\.json is missing"):
        read_store(folder)


def test_meta_cannot_point_out_of_its_folder(folder: Path) -> None:
    path = folder / "meta.json"
    path.write_text(path.read_text().replace('"y.npy"', '"../y.npy"'))
    with pytest.raises(DataError, match="damaged"):
        read_store(folder)


def test_load_from_the_users_store(small: Small, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGBENCH_HOME", str(folder.parent.parent))
    assert load_dataset(spec(folder)).fingerprint() == small(official=OFFICIAL).fingerprint()
    with pytest.raises(UnknownNameError, match="Unknown feature set 'toys'"):
        load_dataset(spec(folder), features="toys")
    with pytest.raises(DataError, match=r"found 4 nodes, expected 5.*magbench data verify small"):
        load_dataset(spec(folder, counts={"nodes": 5}))
    with pytest.raises(DataError, match="label columns"):
        load_dataset(spec(folder, labels=("z",)))
    with pytest.raises(DataError, match=r"meta\.json: found sha256 .* expected 0000.*magbench data verify small"):
        load_dataset(spec(folder, sha256="0" * 64))
    shutil.move(folder, folder.with_name("small@2"))
    with pytest.raises(DataError, match=r"meta\.json is missing.*magbench data verify"):
        load_dataset(spec(folder.with_name("small@2")))
    with pytest.raises(DataError, match="found the data set small@1, expected small@2"):
        load_dataset(spec(folder.with_name("small@2"), version=2))


def test_a_generator_has_no_files(folder: Path) -> None:
    from magbench.data.load import dataset_folder

    with pytest.raises(SpecError, match="has no files"):
        dataset_folder(spec(folder, source="synthetic"))
