"""Feature files are read a block at a time, in the order and precision the store needs."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from magbench.data.formats import matrix
from magbench.data.formats.matrix import blocks
from magbench.specs import FeatureFile

VALUES = np.random.default_rng(0).normal(size=(1000, 64))


@pytest.mark.parametrize("columns", [None, (0, 16), (16, 64)])
@pytest.mark.parametrize("kind", ["<f8", "<f4", "<f2", ">f4", "fortran", "torch", "torch half"])
def test_blocks_are_the_matrix(
    tmp_path: Path, kind: str, columns: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix, "BLOCK_BYTES", 8 * 64 * 300)
    path, true = tmp_path / "x", VALUES.astype("<f2")
    with path.open("wb") as stream:
        if kind.startswith("torch"):
            torch.save(torch.from_numpy(true if kind.endswith("half") else true.astype("<f4")), stream)
        else:
            np.save(stream, np.asfortranarray(true) if kind == "fortran" else true.astype(kind))
    part = FeatureFile(encoder="-", file="x", dim=columns[1] - columns[0] if columns else 64, columns=columns)
    found = list(blocks(path, part, 1000))
    assert [len(block) for block in found] == [300, 300, 300, 100]
    assert {block.dtype.str for block in found} == {"<f4"}
    np.testing.assert_array_equal(np.concatenate(found), true.astype("<f4")[:, slice(*(columns or (0, 64)))])


@pytest.mark.parametrize("kind", ["pickled array", "torch 1.5"])
def test_a_file_that_cannot_be_mapped_is_read_once(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "BLOCK_BYTES", 8 * 64 * 300)
    path, true = tmp_path / "x.pt", VALUES.astype("<f4")
    content = true if kind == "pickled array" else torch.from_numpy(true)
    torch.save(content, path, _use_new_zipfile_serialization=kind == "pickled array")
    opened = []
    original = matrix.load_torch
    monkeypatch.setattr(matrix, "load_torch", lambda found: opened.append(found) or original(found))
    found = list(blocks(path, FeatureFile(encoder="-", file="x", dim=64), 1000))
    np.testing.assert_array_equal(np.concatenate(found), true)
    assert opened == [path]


def test_memory_is_that_of_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "BLOCK_BYTES", 1 << 20)
    np.save(tmp_path / "x.npy", np.ones((40_000, 100)))
    tracemalloc.start()
    total = sum(
        float(block.sum()) for block in blocks(tmp_path / "x.npy", FeatureFile(encoder="-", file="x", dim=100), 40_000)
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 4_000_000
    assert peak < 4 << 20
