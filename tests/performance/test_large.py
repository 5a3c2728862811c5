"""The measurements of large graphs, on a small one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch_geometric.typing
from perf.measure.large import compare_sampling, measure_epoch, write_graph

from magbench.errors import DataError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graph")
    write_graph(folder, 3000, width=32)
    return folder


def test_what_is_written(folder: Path) -> None:
    x, y, edges = (np.load(folder / f"{name}.npy") for name in ("x", "y", "edge_index"))
    assert (x.dtype, x.shape, y.shape, edges.dtype) == (np.float32, (3000, 32), (3000,), np.int64)
    assert 18 < edges.shape[1] / 3000 < 20
    assert 0.99 < x.std() < 1.02


def test_an_epoch_is_measured(folder: Path) -> None:
    epoch = measure_epoch(folder, 1100)
    assert epoch.train_nodes == 1100
    assert epoch.fit_s > 0 and epoch.predict_s > 0
    assert 0 < epoch.accuracy < 1  # a few steps teach nothing
    assert 1e8 < epoch.peak_own <= epoch.peak < 4e9


def test_sampling_is_measured(folder: Path) -> None:
    rate, ratio = compare_sampling(folder, rounds=1, batch_size=64)
    assert rate.median > 1000
    assert (ratio is None) == (not (torch_geometric.typing.WITH_PYG_LIB or torch_geometric.typing.WITH_TORCH_SPARSE))


def test_a_missing_graph_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ended with 1: .*x\.npy"):
        measure_epoch(tmp_path, 10)
