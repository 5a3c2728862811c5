"""Damaged, odd and borderline data: refused before anything runs, or scored."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from lab import Lab, cells
from small import small_mag

from magbench.data.mag import MAG
from magbench.data.store import write_store

TOML = """
name = "{name}"
version = 1
title = "{name}"
source = "store"
features = ["noise"]
modalities = ["text", "image"]
labels = ["y"]
licence = "CC0-1.0"
"""


def stored(lab: Lab, name: str, mag: MAG) -> Path:
    """Write ``mag`` as the data set ``name`` of the laboratory; returns its folder."""
    folder = lab.home / "datasets" / f"{name}@1"
    if not folder.exists():
        mag.name = name
        write_store(mag, folder, licence="CC0-1.0", source="a test")
        lab.add_dataset(name, TOML.format(name=name))
    return folder


def replace(folder: Path, name: str, values: np.ndarray) -> None:
    """Exchange an array and its hash: a data set that was built wrong, not one that was damaged later."""
    np.save(folder / name, values)
    content = (folder / name).read_bytes()
    meta = json.loads((folder / "meta.json").read_text())
    meta["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "meta.json").write_text(json.dumps(meta))


def truncate(folder: Path) -> None:
    os.truncate(folder / "y.npy", 100)


def flip(folder: Path) -> None:
    path = folder / "features" / "noise" / "x_text.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def put_nan(folder: Path) -> None:
    values = np.load(folder / "features" / "noise" / "x_text.npy")
    values[3, 0] = np.nan
    replace(folder, "features/noise/x_text.npy", values)


def shorten_features(folder: Path) -> None:
    values = np.load(folder / "features" / "noise" / "x_image.npy")
    replace(folder, "features/noise/x_image.npy", values[:-1])


def shorten_labels(folder: Path) -> None:
    replace(folder, "y.npy", np.load(folder / "y.npy")[:-1])


def edge_out_of_range(folder: Path) -> None:
    edges = np.load(folder / "edge_index.npy")
    edges[0, 0] = 4711
    replace(folder, "edge_index.npy", edges)


def unknown_class(folder: Path) -> None:
    labels = np.load(folder / "y.npy")
    labels[0] = 9
    replace(folder, "y.npy", labels)


DAMAGE: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "truncated": (truncate, ["y.npy has 100 bytes, expected 1728 bytes", "magbench data verify"]),
    "flipped": (flip, ["x_text.npy: found sha256 ", ", expected ", "fetch or build flipped@1 again"]),
    "gone": (lambda folder: (folder / "has_text.npy").unlink(), ["has_text.npy is missing"]),
    "no-meta": (lambda folder: (folder / "meta.json").unlink(), ["meta.json is missing", "no-meta@1"]),
    "half-meta": (lambda folder: os.truncate(folder / "meta.json", 200), ["meta.json is damaged"]),
    "nan": (put_nan, ["Data set nan@1", "x_text: found NaN or infinity in 1 rows, the first at node 3"]),
    "short-features": (shorten_features, ["x_image: found torch.float32 [199, 8]", "[200, d]"]),
    "short-labels": (shorten_labels, ["y: found torch.int64 [199], expected torch.int64 [200]"]),
    "edge-range": (edge_out_of_range, ["edge_index: found node numbers 0 to 4711, allowed 0 to 199"]),
    "class-range": (unknown_class, ["y: found labels 0 to 9, allowed -1 (unlabelled) to 3"]),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_refused_before_anything_runs(name: str, lab: Lab, tmp_path: Path) -> None:
    damage, expected = DAMAGE[name]
    damage(stored(lab, name, small_mag()))
    message = lab.run("-t", f"nc/{name}", "-m", "mlp", "--out", tmp_path / "runs").one_message()
    for part in expected:
        assert part in message
    assert not (tmp_path / "runs").exists()
    assert lab.call("data", "verify", name).one_message()


def graph(labels: torch.Tensor, *, edges: bool = True) -> MAG:
    mag = small_mag()
    mag["y"] = labels
    mag.classes = {"y": tuple(str(k) for k in range(int(labels.max()) + 1))}
    if not edges:
        mag.edge_index = torch.empty(2, 0, dtype=torch.int64)
    mag.validate()
    return mag


def test_graphs_without_edges_and_classes_of_one_work(lab: Lab, tmp_path: Path) -> None:
    labels = small_mag()["y"]
    single = labels.clone()
    single[0] = 4
    stored(lab, "edgeless", graph(labels, edges=False))
    stored(lab, "single", graph(single))
    methods = ("mlp", "gcn", "sage", "gat", "label_propagation", "logistic_regression")
    chosen = [argument for name in methods for argument in ("-m", name)]
    for task in ("edgeless", "single"):
        outcome = lab.run("-t", f"nc/{task}", *chosen, "--seeds", "0", "--out", tmp_path / task)
        assert outcome.code == 0, outcome.err
        assert len(cells(tmp_path / task)) == len(methods)


def test_classes_too_small_to_be_tested_say_why(lab: Lab, tmp_path: Path) -> None:
    stored(lab, "tiny-classes", graph(torch.arange(200) // 4))
    outcome = lab.run("-t", "nc/tiny-classes", "-m", "mlp", "--seeds", "0", "--out", tmp_path)
    assert outcome.code == 2
    assert "Traceback" not in outcome.err
    assert "No class has the 5 members" in outcome.err
